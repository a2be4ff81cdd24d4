"""BigEarthNet of version 2 in small: patches of known values and the two tables that list them."""

import pyarrow
import pyarrow.parquet

from .scenes_import import ben_patches, patch_of_optical, patch_of_radar

TABLE, APART = "metadata.parquet", "metadata_for_patches_with_snow_cloud_or_shadow.parquet"
SCENES = ("S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP", "S2B_MSIL2A_20180422T093029_N9999_R136_T35VLG")
RADAR = ("S1A_IW_GRDH_1SDV_20170613T165043", "S1B_IW_GRDH_1SDV_20180421T050331")
LABELS = (["Pastures", "Inland wetlands"], ["Marine waters"], ["Pastures"], ["Permanent crops"])
SPLITS = ("train", "train", "validation", "test", "train", "test", "train", "validation")
#: Numbers of the patches with clouds and with snow.
CLOUDY, SNOWY = (5, 7), (6, 7)


def patch_of(number):
    """Names of a patch in the images of both sensors."""
    scene = number // 4
    return f"{SCENES[scene]}_{number:02d}_57", f"{RADAR[scene]}_{SCENES[scene][-5:]}_{number:02d}_57"


def ben_2(folder):
    """8 patches of two scenes, 4 km apart. Bands of 10 m are 100 + number of the patch, VV is −10 − number; the second four have the labels of the
    first. Patches 5 and 7 have clouds, 6 and 7 snow, and stand in the second table.
    """
    root = folder / "ben_2"
    rows = []
    for number, split in enumerate(SPLITS):
        optical, radar = patch_of(number)
        patch_of_optical(root / "BigEarthNet-S2" / SCENES[number // 4] / optical, number)
        patch_of_radar(root / "BigEarthNet-S1" / RADAR[number // 4] / radar, number)
        rows.append({"patch_id": optical, "labels": LABELS[number % 4], "split": split, "country": ("Austria", "Finland")[number // 4],
                     "s1_name": radar, "s2v1_name": optical.replace("_N9999_R022_T33UUP", "").replace("_N9999_R136_T35VLG", ""),
                     "contains_seasonal_snow": number in SNOWY, "contains_cloud_or_shadow": number in CLOUDY})
    write_tables(root, rows)
    return root


def write_tables(root, rows):
    """Both tables of rows, those with snow or clouds in the second."""
    for name, apart in ((TABLE, False), (APART, True)):
        chosen = [row for row in rows if (row["contains_seasonal_snow"] or row["contains_cloud_or_shadow"]) == apart]
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(chosen), root / name)


def changed_rows(root, change):
    """The rows of the first table, after a change."""
    table = pyarrow.parquet.read_table(root / TABLE).to_pylist()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(change(table)), root / TABLE)
    return root


def ben_2_dataset(folder):
    """`ben_2` imported."""
    from .scenes_import import imported_dataset

    return imported_dataset(folder, source=str(ben_2(folder)))


def ben_2_half_copied(folder):
    """`ben_2` in which two patches of the first scene were not copied."""
    root = ben_2(folder)
    for number in (1, 3):
        _remove(root / "BigEarthNet-S2" / SCENES[0] / patch_of(number)[0])
    return root


def ben_2_without_table(folder):
    """`ben_2` without metadata.parquet."""
    root = ben_2(folder)
    (root / TABLE).unlink()
    return root


def ben_2_without_band(folder):
    """`ben_2` in which one patch lacks a band."""
    root = ben_2(folder)
    name = patch_of(2)[0]
    (root / "BigEarthNet-S2" / SCENES[0] / name / f"{name}_B8A.tif").unlink()
    return root


def ben_2_with_old_list(folder):
    """`ben_2` with the list of clouds of version 1."""
    root = ben_2(folder)
    (root / "patches_with_cloud_and_shadow.csv").write_text("S2A_MSIL2A_20170613T101031_1_7\n")
    return root


def ben_1_with_new_table(folder):
    """`ben_patches` of version 1 with the table of version 2."""
    root = ben_patches(folder)
    (ben_2(folder) / TABLE).rename(root / TABLE)
    return root


def ben_2_cut_short(folder):
    """`ben_2` whose table ends in the middle."""
    root = ben_2(folder)
    (root / TABLE).write_bytes((root / TABLE).read_bytes()[:900])
    return root


def ben_2_other_table(folder):
    """`ben_2` whose table has other columns."""
    root = ben_2(folder)
    return changed_rows(root, lambda rows: [{"name": row["patch_id"], "split": row["split"]} for row in rows])


def _remove(folder):
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()

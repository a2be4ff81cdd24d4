"""Benchmarks of the field as they are published, in small: scenes of AI4Arctic and chips of Sen1Floods11 with known values."""

import shutil

import numpy as np
from rasterio.transform import from_origin
from scipy.io import netcdf_file

from .scenes import write_raster

#: Mean and standard deviation that published values were scaled with.
SCALED = {"nersc_sar_primary": (-14.5082551552228, 5.6597459193818676), "nersc_sar_secondary": (-24.701205147144236, 4.746759305258515),
          "sar_incidenceangle": (33.99801788456536, 8.322267212079046)}
#: Days of training, and of test as the challenge has them.
TRAINING = ("20190102T101112_dmi", "20190203T101112_cis", "20190304T101112_dmi", "20190405T101112_cis")
TEST = ("20180124T194759_dmi", "20180623T114935_cis")
HEIGHT, WIDTH = 80, 96


def ice_scene(number):
    """HH, HV and angle (band, y, x) and charts of a scene: three stripes of water, young ice at 50 % and old ice at 100 %, each darker or brighter.

    The first row was not measured. The last column has no stage, the one before no form.
    """
    rng = np.random.default_rng(number)
    stripe = np.arange(WIDTH)[None, :] * 3 // WIDTH + np.zeros((HEIGHT, 1), int)
    angle = np.linspace(20, 46, WIDTH)[None, :] + np.zeros((HEIGHT, 1))
    hh = np.array([-22.0, -15.0, -8.0])[stripe] + rng.normal(0, 0.5, stripe.shape)
    hv = np.array([-31.0, -26.0, -18.0])[stripe] + rng.normal(0, 0.5, stripe.shape)
    charts = {"SIC": np.array([0, 5, 10])[stripe], "SOD": np.array([0, 2, 5])[stripe], "FLOE": np.array([0, 3, 5])[stripe]}
    charts["SOD"][:, -1], charts["FLOE"][:, -2] = 255, 255
    for chart in charts.values():
        chart[0] = 255
    return np.stack([hh, hv, angle]), charts


def write_netcdf(path, variables, **said):
    """A NetCDF file; variable → (values (y, x), attributes). Axes are named after their length."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with netcdf_file(path, "w") as file:
        for key, value in said.items():
            setattr(file, key, value)
        for name, (values, attributes) in variables.items():
            axes = [f"{axis}_{length}" for axis, length in zip(("lines", "samples"), values.shape, strict=True)]
            for axis, length in zip(axes, values.shape, strict=True):
                if axis not in file.dimensions:
                    file.createDimension(axis, length)
            stored = values.astype(np.uint8).view(np.int8) if name in ("SIC", "SOD", "FLOE") else values.astype(np.float32)
            variable = file.createVariable(name, "i1" if stored.dtype == np.int8 else "f4", axes)
            variable[:] = stored
            for key, value in ({"_Unsigned": "true"} if stored.dtype == np.int8 else {}).items() | attributes.items():
                setattr(variable, key, value)
    return path


def write_ice_scene(folder, name, number, *, test=False, without=(), **changes):
    """Writes `ice_scene` as it is published: scaled, with 0 where nothing was measured, and the charts of a test scene in a file of their own.

    `without` names variables to leave out, `changes` gives others for some.
    """
    measured, charts = ice_scene(number)
    scaled = {}
    for values, (variable, (mean, std)) in zip(measured, SCALED.items(), strict=True):
        scaled[variable] = ((values - mean) / std, {"variable_fill_value": 0.0})
        scaled[variable][0][0] = 0
    coarse = {"btemp_18_7h": (np.zeros((4, 5)), {}), "sar_grid2d_latitude": (np.full((3, 3), 70.0), {})}
    own = {chart: (values, {"chart_fill_value": np.int16(255)}) for chart, values in charts.items()}
    both = {**scaled, **coarse, **({} if test else own)}
    both.update({variable: (values, {}) for variable, values in changes.items()})
    said = {"scene_id": f"{name}_prep.nc", "pixel_spacing": 80.0, "ice_service": name[-3:]}
    write_netcdf(folder / f"{name}_prep.nc", {key: value for key, value in both.items() if key not in without}, **said)
    if test:
        write_netcdf(folder / f"{name}_prep_reference.nc", own, **said)


def ai4arctic(folder):
    """Four scenes for training in train/ and two of the challenge's test in test/, ready to train; each of 80 × 96 px."""
    for number, name in enumerate(TRAINING):
        write_ice_scene(folder / "ready" / "train", name, number)
    for number, name in enumerate(TEST):
        write_ice_scene(folder / "ready" / "test", name, 10 + number, test=True)
    return folder / "ready"


def ai4arctic_raw(folder):
    """A scene of the raw version, by its name."""
    name = "S1A_EW_GRDM_1SDH_20180124T194759_20180124T194859_020301_022AA4_1F75_icechart_dmi_201801241950_SouthEast_RIC.nc"
    write_netcdf(folder / "raw" / name, {"nersc_sar_primary": (np.zeros((8, 8)), {}), "polygon_icechart": (np.zeros((8, 8)), {})})
    return folder / "raw"


def ai4arctic_renamed_raw(folder):
    """A scene of the raw version under a name of the other."""
    empty = (np.zeros((8, 8)), {})
    write_netcdf(folder / "raw" / "20190102T101112_dmi_prep.nc", {"nersc_sar_primary": empty, "polygon_icechart": empty})
    return folder / "raw"


def ai4arctic_without_charts(folder):
    """`ai4arctic` whose test scenes came without their charts."""
    root = ai4arctic(folder)
    for path in (root / "test").glob("*_reference.nc"):
        path.unlink()
    return root


def ai4arctic_charts_alone(folder):
    """`ai4arctic` in which a test scene has its charts alone."""
    root = ai4arctic(folder)
    (root / "test" / f"{TEST[1]}_prep.nc").unlink()
    return root


def ai4arctic_without_angle(folder):
    """`ai4arctic` of which a scene lacks the incidence angle."""
    root = ai4arctic(folder)
    write_ice_scene(root / "train", TRAINING[1], 1, without=("sar_incidenceangle",))
    return root


def ai4arctic_two_sizes(folder):
    """`ai4arctic` of which a scene has a chart of half the size."""
    root = ai4arctic(folder)
    write_ice_scene(root / "train", TRAINING[1], 1, FLOE=np.zeros((HEIGHT // 2, WIDTH // 2)))
    return root


def ai4arctic_other_scaling(folder):
    """`ai4arctic` of which a scene lies between -1 and 1."""
    root = ai4arctic(folder)
    measured, _ = ice_scene(1)
    ends = [(values.min(), values.max()) for values in measured]
    between = {name: 2 * (values - low) / (high - low) - 1 for name, values, (low, high) in zip(SCALED, measured, ends, strict=True)}
    write_ice_scene(root / "train", TRAINING[1], 1, **between)
    return root


def ai4arctic_strange_class(folder):
    """`ai4arctic` of which a chart has a class that is none."""
    root = ai4arctic(folder)
    write_ice_scene(root / "train", TRAINING[1], 1, SIC=np.full((HEIGHT, WIDTH), 91))
    return root


def ai4arctic_cut_short(folder):
    """`ai4arctic` of which a file ends in the middle."""
    root = ai4arctic(folder)
    path = root / "train" / f"{TRAINING[1]}_prep.nc"
    path.write_bytes(path.read_bytes()[:200])
    return root


def ai4arctic_zip(folder):
    """`ai4arctic` in an archive."""
    return shutil.make_archive(str(folder / "ready"), "zip", ai4arctic(folder))


def ai4arctic_lists(folder):
    """Lists that name three scenes of `ai4arctic`, and one that it does not hold."""
    folder = folder / "lists"
    folder.mkdir()
    for split, names in (("train", TRAINING[:2]), ("val", TRAINING[2:3]), ("test", ("20200101T000000_dmi",))):
        (folder / f"{split}.txt").write_text("".join(f"{name}_prep.nc\n" for name in names))
    return folder


#: Chips of Sen1Floods11 by list.
CHIPS = {"train": ("Ghana_11", "Ghana_12", "India_21", "India_22"), "valid": ("Ghana_13", "India_23"), "test": ("India_24",),
         "bolivia": ("Bolivia_31",)}
SIDE = 64


def flood_chip(number):
    """VV and VH in dB (band, y, x), and the label (y, x): the right half is water, 8 dB darker; the first row is not known, nor measured."""
    rng = np.random.default_rng(number)
    water = np.arange(SIDE)[None, :] >= SIDE // 2
    radar = np.stack([np.where(water, level - 8, level) + rng.normal(0, 0.5, (SIDE, SIDE)) for level in (-9.0, -16.0)]).astype(np.float32)
    radar[:, 0] = np.nan
    label = np.broadcast_to(water, (SIDE, SIDE)).astype(np.int16)
    label[1] = -1
    return radar, label


def _write_chip(folder, name, number, optical):
    place = from_origin(10 + number / 10, 8, 9e-5, 9e-5)
    radar, label = flood_chip(number)
    write_raster(folder / "S1Hand" / f"{name}_S1Hand.tif", radar, crs="EPSG:4326", transform=place, nodata=np.nan, names=("VV", "VH"))
    write_raster(folder / "LabelHand" / f"{name}_LabelHand.tif", label[None], crs="EPSG:4326", transform=place)
    if optical:
        bands = np.full((13, SIDE, SIDE), 1000, np.uint16) + 10 * np.arange(13, dtype=np.uint16)[:, None, None]
        write_raster(folder / "S2Hand" / f"{name}_S2Hand.tif", bands, crs="EPSG:4326", transform=place)


def sen1floods11(folder):
    """v1.1 with eight chips of 64 px and the four lists."""
    return _flood_tree(folder, optical=False)


def _flood_tree(folder, optical):
    root, number = folder / "v1.1", 0
    hand = root / "data" / "flood_events" / "HandLabeled"
    for part in ("S1Hand", "LabelHand", *(["S2Hand"] if optical else [])):
        (hand / part).mkdir(parents=True)
    (root / "splits" / "flood_handlabeled").mkdir(parents=True)
    for kind, names in CHIPS.items():
        for name in names:
            number += 1
            _write_chip(hand, name, number, optical)
        lines = "".join(f"{name}_S1Hand.tif,{name}_LabelHand.tif\n" for name in names)
        (root / "splits" / "flood_handlabeled" / f"flood_{kind}_data.csv").write_text(lines)
    return root


def sen1floods11_both(folder):
    """The same with Sentinel-2."""
    return _flood_tree(folder, optical=True)


def sen1floods11_in_one_folder(folder):
    """The chips of `sen1floods11_both` in one folder, as they come when they are fetched one by one, without the lists."""
    root = sen1floods11_both(folder)
    loose = folder / "loose"
    loose.mkdir()
    for path in sorted(root.rglob("*.tif")):
        shutil.move(path, loose / path.name)
    shutil.rmtree(root)
    return loose


def _hand(root, name, part="S1Hand"):
    return root / "data" / "flood_events" / "HandLabeled" / part / f"{name}_{part}.tif"


def sen1floods11_half(folder):
    """`sen1floods11` of which two chips were not copied."""
    root = sen1floods11(folder)
    for name in ("Ghana_12", "India_24"):
        _hand(root, name).unlink()
        _hand(root, name, "LabelHand").unlink()
    return root


def sen1floods11_without_labels(folder):
    """`sen1floods11` of which a label was not copied."""
    root = sen1floods11(folder)
    _hand(root, "Ghana_12", "LabelHand").unlink()
    return root


def sen1floods11_radar_alone(folder):
    """`sen1floods11` without the folder of labels."""
    root = sen1floods11(folder)
    shutil.rmtree(_hand(root, "Ghana_11", "LabelHand").parent)
    return root


def sen1floods11_three_lists(folder):
    """`sen1floods11` without the list of Bolivia."""
    root = sen1floods11(folder)
    (root / "splits" / "flood_handlabeled" / "flood_bolivia_data.csv").unlink()
    return root


def sen1floods11_swapped_list(folder):
    """`sen1floods11` with a list that names the label first."""
    root = sen1floods11(folder)
    (root / "splits" / "flood_handlabeled" / "flood_test_data.csv").write_text("India_24_LabelHand.tif,India_24_S1Hand.tif\n")
    return root


def sen1floods11_before(folder):
    """The folders of version 1.0."""
    for part in ("S1", "QC", "S2"):
        (folder / "cnn_chips" / part).mkdir(parents=True)
        write_raster(folder / "cnn_chips" / part / f"Bolivia_103757_{part}.tif", np.zeros((1, 8, 8), np.int16))
    return folder / "cnn_chips"


def sen1floods11_shifted(folder):
    """`sen1floods11` of which a label lies ten pixels off."""
    root = sen1floods11(folder)
    write_raster(_hand(root, "Ghana_12", "LabelHand"), flood_chip(2)[1][None], crs="EPSG:4326", transform=from_origin(10.2009, 8, 9e-5, 9e-5))
    return root


def sen1floods11_strange_label(folder):
    """`sen1floods11` of which a label has the value 2."""
    root = sen1floods11(folder)
    write_raster(_hand(root, "Ghana_12", "LabelHand"), np.full((1, SIDE, SIDE), 2, np.int16), crs="EPSG:4326",
                 transform=from_origin(10.2, 8, 9e-5, 9e-5))
    return root


def sen1floods11_weak(folder):
    """WeaklyLabeled alone, with both labels that were found by a rule."""
    root = folder / "WeaklyLabeled"
    for part in ("S1Weak", "S1OtsuLabelWeak", "S2IndexLabelWeak"):
        (root / part).mkdir(parents=True)
    for number in range(12):
        place = from_origin(10 + number / 10, 8, 9e-5, 9e-5)
        radar, label = flood_chip(number)
        write_raster(root / "S1Weak" / f"Ghana_{number}_S1Weak.tif", radar, crs="EPSG:4326", transform=place, nodata=np.nan, names=("VV", "VH"))
        for part, values in (("S1OtsuLabelWeak", 1 - label), ("S2IndexLabelWeak", label)):
            write_raster(root / part / f"Ghana_{number}_{part}.tif", np.where(label < 0, -1, values)[None].astype(np.int16), crs="EPSG:4326",
                         transform=place)
    return root

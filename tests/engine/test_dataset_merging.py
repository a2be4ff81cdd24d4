"""A dataset that is extended keeps what it had; new tiles are for training, never near validation or test."""

import json
import shutil

import geopandas
import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes_labelling

from ..listening import Listening

COMMON = {"preset": "sentinel2_l2a", "tile_size": 32, "class_field": "class"}


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """The folder of `western` (a dataset), labelled.gpkg and land.tif."""
    folder = tmp_path_factory.mktemp("land")
    scenes_labelling.land_labelled(folder)
    return folder


def labelled(places):
    """Number of fields the analyst has labelled."""
    return int(geopandas.read_file(places / "labelled.gpkg")["class"].notna().sum())


def extend(places, output, progress=SILENT, **values):
    values = {"images": [str(places / "land.tif")], "labels": str(places / "labelled.gpkg"), "append_to": str(places / "western"),
              "output": str(output), **COMMON, **values}
    JOBS["create_training_dataset"].from_values(values).run(progress)
    return Dataset.open(output)


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_old_tiles_stay_as_they_were_and_new_ones_are_for_training(places, folder):
    before = contents(places / "western")
    old = Dataset.open(places / "western")
    heard = Listening()
    new = extend(places, folder / "both", heard)
    assert not any("nothing was kept for validation" in text or "training pixel is of" in text for text in heard.texts)
    assert contents(places / "western") == before
    assert new.shards.compare(), "old and new arrays have checksums, which fit"
    every, added = old.indices("all"), np.arange(len(old), len(new))
    assert len(added) == labelled(places) > 8
    assert (new.images(every) == old.images(every)).all()
    assert (new.labels(every) == old.labels(every)).all()
    assert new.splits[:len(old)].tolist() == old.splits.tolist()
    assert set(new.splits[len(old):]) == {"training"}
    assert (new.labels(added) == 0).all()  # the analyst labelled the crop fields, the first class
    assert new.images(added)[:, 0].mean() == pytest.approx(2000, abs=5)
    assert [row.name for row in new.classes] == ["crop", "forest"]
    assert new.statistics != old.statistics
    assert f"Then {len(added)} tiles were added: {len(added)} for training, 0 dropped" in new.description["split"]["text"]
    assert new.description["labels"]["added"][0]["field"] == "class"
    assert len(new.description["scenes"]) == 1
    assert new.description["class_pixels"]["training"][0] == old.description["class_pixels"]["training"][0] + len(added) * 32**2
    assert not (folder / "both" / "added").exists()


def test_classes_may_be_given_by_name(places, folder):
    table = geopandas.read_file(places / "labelled.gpkg")
    table["class"] = table["class"].map({1: "crop"})
    table.to_file(folder / "names.gpkg")
    one, other = extend(places, folder / "values"), extend(places, folder / "names", labels=str(folder / "names.gpkg"))
    assert (one.labels(one.indices("all")) == other.labels(other.indices("all"))).all()
    assert one.description["classes"] == other.description["classes"]


def test_a_dataset_can_be_extended_again(places, folder):
    once = extend(places, folder / "once")
    twice = extend(places, folder / "twice", append_to=str(folder / "once"))
    assert len(twice) == len(once) + labelled(places)
    assert len(twice.description["shards"]) == 3
    assert len(twice.description["labels"]["added"]) == 2
    assert (twice.images(np.arange(len(once), len(twice))) == once.images(np.arange(len(once) - labelled(places), len(once)))).all()


def test_tiles_near_validation_and_test_are_dropped(places, folder):
    """All fields are labelled, also those the dataset validates and tests on."""
    new = extend(places, folder / "both", labels=str(places / "fields.gpkg"), class_field="cover")
    old = len(Dataset.open(places / "western"))
    tiles = geopandas.read_file(folder / "both" / "tiles.gpkg").sort_values("tile", ignore_index=True)
    added = tiles[old:]
    held = tiles[tiles["split"].isin(["validation", "test"])].geometry.union_all()
    assert set(added["split"]) == {"training", "dropped"}
    assert added[added["split"] == "training"].distance(held).min() >= 320
    assert added[added["split"] == "dropped"].distance(held).max() < 320
    assert new.description["split"]["dropped_tiles"] == (tiles["split"] == "dropped").sum()
    assert new.description["split"]["leakage_distance_px"] >= 32


def test_soft_labels_are_not_extended(places, folder):
    import json
    import shutil

    shutil.copytree(places / "western", folder / "soft")
    path = folder / "soft" / "dataset.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["shards"][0]["extra"] = {"shares": "shares-000.npy"}
    shape = (description["shards"][0]["tiles"], len(description["classes"]), description["tile_size"], description["tile_size"])
    np.save(folder / "soft" / "shares-000.npy", np.zeros(shape, np.uint8))
    path.write_text(json.dumps(description), encoding="utf-8")
    with pytest.raises(DataError, match="keeps shares beside its labels, and tiles can be added only to a dataset of one sensor"):
        extend(places, folder / "both", append_to=str(folder / "soft"))


def test_new_tiles_keep_away_from_ground_that_a_named_subset_is_measured_on(places, folder):
    plain, dropped = extend(places, folder / "plain"), {}
    added = geopandas.read_file(folder / "plain" / "tiles.gpkg").geometry.iloc[-1]
    for where in ("test", None, "training"):
        shutil.copytree(places / "western", folder / f"western {where}")
        tiles = geopandas.read_file(folder / f"western {where}" / "tiles.gpkg")
        first = int(tiles.index[tiles["split"] == "training"][0])
        tiles = tiles.assign(subset=["clouds" if row == first else None for row in tiles.index],
                             subset_split=[where if row == first else None for row in tiles.index])
        tiles.loc[first, "split"] = "dropped"
        tiles.loc[first, "geometry"] = added
        tiles.to_file(folder / f"western {where}" / "tiles.gpkg", layer="tiles", driver="GPKG")
        found = extend(places, folder / f"both {where}", append_to=str(folder / f"western {where}"))
        assert len(found) == len(plain) and found.indices("all", subset="clouds").tolist() == [first]
        dropped[where] = int((found.splits[len(tiles):] == "dropped").sum())
    assert dropped["test"] == dropped[None] > 0 and dropped["training"] == 0


def test_images_of_another_number_of_bands_are_named(places, folder, bands=5):
    """Values without a unit are held against those of the dataset by their brightness, which asks for the same bands."""
    path = shutil.copytree(places / "western", folder / "old") / "dataset.json"
    description = json.loads(path.read_text(encoding="utf-8"))
    description["sensors"][0]["preset"] = "generic"
    for band in description["sensors"][0]["bands"]:
        band.update(unit="unknown", scale=1.0, offset=0.0)
    path.write_text(json.dumps(description), encoding="utf-8")
    with rasterio.open(places / "land.tif") as land:
        values, profile = np.resize(land.read(), (bands, land.height, land.width)), land.profile
    with rasterio.open(folder / "other.tif", "w", **{**profile, "count": bands}) as other:
        other.write(values)
    with pytest.raises(DataError, match=r"other.tif has the bands .*, but .*old has .* Choose images of the same sensor"):
        extend(places, folder / "both", append_to=str(path.parent), images=[str(folder / "other.tif")], preset="generic")

"""Scenes of AI4Arctic, ready to train: values in dB and degrees, three targets, scenes whole in a split, and the challenge's score of them."""

import json

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets.dataset import IGNORE
from eo_pretrain_qgis.engine.describing.page import describe, write_report
from eo_pretrain_qgis.engine.formats import Tree, detect
from eo_pretrain_qgis.engine.formats.netcdf import Variable
from eo_pretrain_qgis.errors import Cancelled, DataError

from .. import scenes_benchmarks as made
from ..listening import Listening
from .test_formats import everything, imported

OPTIONS = {"tile_size": 32, "validation_share": 0.25}


def test_rows_of_a_variable_come_from_the_top(folder):
    """GDAL turns what lies nowhere upside down unless told."""
    made.write_netcdf(folder / "scene.nc", {"SIC": (np.arange(12).reshape(4, 3), {})})
    with Variable(Tree(folder), "scene.nc", "SIC") as opened:
        assert (opened.width, opened.height) == (3, 4)
        np.testing.assert_array_equal(opened.rows(1, 2), [[3, 4, 5], [6, 7, 8]])


def test_scenes_are_cut_with_their_values_and_targets(folder):
    heard = Listening()
    dataset = imported(folder, heard, source=str(made.ai4arctic(folder)), **OPTIONS)
    assert detect(Tree(folder / "ready")) == "ai4arctic"
    assert [(band.name, band.unit) for band in dataset.sensors[0].bands] == [("HH", "dB"), ("HV", "dB"), ("incidence_angle", "degree")]
    assert (dataset.target, dataset.targets, dataset.theme) == ("stage", ["concentration", "form"], "sea ice")
    assert [len(one.classes) for one in dataset.each_target()] == [6, 11, 7]
    assert dataset.description["resolution_m"] == [80, 80]
    tiles, images = dataset.tiles, dataset.images(everything(dataset))
    targets = dict(zip(("SOD", "SIC", "FLOE"), (one.labels(everything(one)) for one in dataset.each_target()), strict=True))
    assert len(dataset) == 6 * 9
    for number, name in [*enumerate(made.TRAINING), *enumerate(made.TEST, 10)]:
        measured, charts = made.ice_scene(number)
        for at in np.flatnonzero(tiles["scene"] == name):
            col, row = int(tiles["col"].iloc[at]), int(tiles["row"].iloc[at])
            part = np.s_[row:row + 32, col:col + 32]
            expected = measured[(slice(None), *part)].copy()
            expected[:, :max(0, 1 - row)] = np.nan
            np.testing.assert_allclose(images[at], expected, atol=1e-4)
            for chart, values in charts.items():
                own = values[part].copy()
                own[:16 if row == 48 else 0] = IGNORE  # rows 48 to 63 have their labels in the tiles before
                np.testing.assert_array_equal(targets[chart][at], own)
    assert any("Of the 20 test scenes of the challenge 2 are here" in text for text in heard.texts)


def test_every_labelled_pixel_counts_once(folder):
    dataset = imported(folder, source=str(made.ai4arctic(folder)), **OPTIONS)
    for one, chart in zip(dataset.each_target(), ("SOD", "SIC", "FLOE"), strict=True):
        known = sum(int((made.ice_scene(number)[1][chart] != IGNORE).sum()) for number in (*range(4), 10, 11))
        assert int((one.labels(everything(one)) != IGNORE).sum()) == known


def test_scenes_stay_whole_and_test_scenes_are_test(folder):
    dataset = imported(folder, source=str(made.ai4arctic(folder)), **OPTIONS)
    split = dataset.tiles.groupby("scene")["split"].unique()
    assert {len(found) for found in split} == {1}
    assert {split[name][0] for name in made.TEST} == {"test"}
    assert sorted(split[name][0] for name in made.TRAINING) == ["training"] * 3 + ["validation"]
    assert dataset.description["split"]["text"].startswith("The 2 test scenes are those that came with the data. Of the others, whole scenes")
    assert set(dataset.tiles["date"]) >= {"2019-01-02", "2018-01-24"}


def test_a_new_split_draws_among_all_scenes(folder):
    dataset = imported(folder, source=str(made.ai4arctic(folder)), split="new", test_share=0.2, **OPTIONS)
    split = dataset.tiles.groupby("scene")["split"].unique()
    assert {len(found) for found in split} == {1} and {found[0] for found in split} == {"training", "validation", "test"}
    assert dataset.description["split"]["method"] == "groups"


def test_lists_may_divide_the_scenes(folder):
    lists = made.ai4arctic_lists(folder)
    (lists / "test.txt").write_text(f"{made.TEST[0]}_prep.nc\n")
    dataset = imported(folder, source=str(made.ai4arctic(folder)), split_lists=str(lists), tile_size=32)
    assert {name: found[0] for name, found in dataset.tiles.groupby("scene")["split"].unique().items()} == {
        made.TRAINING[0]: "training", made.TRAINING[1]: "training", made.TRAINING[2]: "validation", made.TEST[0]: "test"}


def test_tiles_are_of_256_px_unless_chosen(folder):
    with pytest.raises(DataError, match="less than a tile of 256 × 256. Choose a tile size of at most 80, or leave the scene out."):
        imported(folder, source=str(made.ai4arctic(folder)))


def test_the_page_tells_of_targets_and_slopes(folder):
    dataset = imported(folder, source=str(made.ai4arctic(folder)), **OPTIONS)
    write_report(folder / "page.html", dataset, describe(dataset))
    text = (folder / "page.html").read_text(encoding="utf-8")
    assert "Backscatter is in dB; the incidence angle is from a band of the images." in text
    assert "Brightness and incidence angle" in text and "polygons lie on the images" not in text
    assert json.loads((folder / "out" / "dataset.json").read_text())["facts"]["undone_scaling"]["HH"] == {"mean": -14.5082551552228,
                                                                                                       "std": 5.6597459193818676}


def test_a_cancel_is_heard_between_the_rows_of_a_scene(folder):
    class Stopped(Listening):
        def cancelled(self):
            return any("are for test" in text for text in self.texts)

    with pytest.raises(Cancelled):
        imported(folder, Stopped(), source=str(made.ai4arctic(folder)), **OPTIONS)
    assert not (folder / "out").exists()

"""From what a model says to land cover: the sieve by hand and against a slow one, seams, areas, outlines, change by hand."""

import csv
import heapq
from datetime import date

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.crs import CRS
from scipy import ndimage

from eo_pretrain_qgis.engine.mapping.land_cover import making
from eo_pretrain_qgis.engine.mapping.land_cover.areas import areas_of
from eo_pretrain_qgis.engine.mapping.land_cover.change import expected_shares, require_season
from eo_pretrain_qgis.engine.mapping.land_cover.layers import LandCoverLayers, require_land_cover
from eo_pretrain_qgis.engine.mapping.land_cover.sieve import sieve
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.engine.rasters.lengths import PixelAreas
from eo_pretrain_qgis.errors import DataError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..networks import write_threshold_model
from ..scenes import write_raster

NONE = 255
#: Of pixels of 10 m.
PIXEL_M2 = 100.0


def layers_of(positions, percent=None, classes=3):
    positions = np.array(positions, np.uint8)
    percent = np.zeros((classes, *positions.shape), np.uint8) if percent is None else np.array(percent, np.uint8)
    return LandCoverLayers(positions, percent)


def after(layers, minimum_m2, folder, rows=None):
    """The positions that the sieve leaves, and how many it changed."""
    changed = sieve(layers, np.full((len(layers.positions), 1), PIXEL_M2), minimum_m2, str(folder / "map.tif"), rows)
    return layers.positions, changed


def test_the_probability_decides_and_not_the_majority(tmp_path):
    percent = np.zeros((3, 3, 4), np.uint8)
    percent[:, 1, 1] = 10, 40, 50  # three of four neighbours are 0, one is 1
    found, changed = after(layers_of([[0, 0, 0, 1], [0, 2, 1, 1], [0, 0, 0, 1]], percent), 200, tmp_path)
    assert found.tolist() == [[0, 0, 0, 1], [0, 1, 1, 1], [0, 0, 0, 1]] and changed == 1


def test_the_runner_up_and_the_margin_are_those_of_the_finished_map():
    """The second pixel got a class that the model found less probable than another, the last has none."""
    layers = layers_of([[0, 1, 2, NONE]], np.array([[[70, 40, 0, 0]], [[20, 10, 45, 0]], [[10, 50, 55, 0]]]))
    strip = slice(0, 1)
    assert making._other(layers, strip)[0].tolist() == [[1, 2, 1, NONE]]
    assert making._margin(layers, strip).tolist() == [[50, 0, 10, NONE]]


def test_equal_probabilities_go_by_the_longer_border(tmp_path):
    found, _ = after(layers_of([[0, 0, 0, 1], [0, 2, 1, 1], [0, 0, 0, 1]]), 200, tmp_path)
    assert found[1, 1] == 0


def test_the_smallest_goes_first_and_counts_for_its_neighbour_then(tmp_path):
    """By hand: 2 (1 px) says 1 and joins its neighbour of 2 px. That has 3 px then, and its turn comes again where 4 are needed."""
    percent = np.zeros((3, 1, 10), np.uint8)
    percent[1, 0, 4], percent[2, 0, 4] = 60, 40
    percent[:, 0, 5:7] = [[30], [60], [10]]
    found, changed = after(layers_of([[0, 0, 0, 0, 2, 1, 1, 0, 0, 0]], percent), 300, tmp_path)
    assert found.tolist() == [[0, 0, 0, 0, 1, 1, 1, 0, 0, 0]] and changed == 1, "three pixels are enough"
    found, changed = after(layers_of([[0, 0, 0, 0, 2, 1, 1, 0, 0, 0]], percent), 400, tmp_path)
    assert found.tolist() == [[0] * 10] and changed == 3
    again = layers_of([[0, 0, 0, 0, 2, 1, 1, 2, 2, 2]], percent)
    found, _ = after(again, 400, tmp_path)
    assert found.tolist() == [[0] * 10], "of the three pixels 2 has (40 + 10 + 10) % and 0 has (0 + 30 + 30) %, with a border as long: the first"
    percent[2, 0, 5] = 11
    found, _ = after(layers_of([[0, 0, 0, 0, 2, 1, 1, 2, 2, 2]], percent), 400, tmp_path)
    assert found.tolist() == [[0, 0, 0, 0, 2, 2, 2, 2, 2, 2]], "the pixel that joined counts"


def test_nothing_crosses_pixels_without_a_class(tmp_path):
    given = [[0, 0, NONE, 1, NONE], [0, 0, NONE, NONE, NONE], [NONE, NONE, NONE, 2, 0], [1, 1, 1, 0, 0]]
    percent = np.zeros((3, 4, 5), np.uint8)
    percent[:, 2, 3] = 10, 90, 0  # 1 touches it only at a corner, so 0 it is
    found, changed = after(layers_of(given, percent), 300, tmp_path)
    expected = np.array(given, np.uint8)
    expected[2, 3] = 0
    assert (found == expected).all() and changed == 1, "an island of one pixel stays, and nodata stays nodata"


def test_an_area_of_the_minimum_stays(tmp_path):
    given = [[0, 0, 0], [1, 1, 0], [0, 0, 0]]
    assert after(layers_of(given), 200, tmp_path)[1] == 0
    assert after(layers_of(given), 201, tmp_path)[1] == 2
    assert after(layers_of(given), 0, tmp_path)[1] == 0


def noisy(height=90, width=70, classes=4, seed=0):
    """Blobs with specks, some nodata, and probabilities that fit them."""
    rng = np.random.default_rng(seed)
    scores = np.stack([ndimage.gaussian_filter(rng.normal(size=(height, width)), 3) for _ in range(classes)])
    scores = scores / scores.std() + rng.normal(0, 0.6, scores.shape)
    shares = np.exp(2 * scores) / np.exp(2 * scores).sum(0)
    positions = shares.argmax(0).astype(np.uint8)
    nothing = ndimage.gaussian_filter(rng.normal(size=(height, width)), 2) > 0.25
    positions[nothing] = NONE
    return LandCoverLayers(positions, np.rint(100 * shares).astype(np.uint8) * ~nothing)


def slowly(layers, smallest):
    """The same rule, one region at a time over the whole map."""
    found = layers.positions.astype(int)
    stuck = set()
    while True:
        regions = []
        for kind in range(len(layers.percent)):
            marked, count = ndimage.label(found == kind)
            regions += [np.flatnonzero(marked == number) for number in range(1, count + 1)]
        small = [(len(pixels), pixels[0]) for pixels in regions if len(pixels) < smallest and pixels[0] not in stuck]
        if not small:
            return found
        heapq.heapify(small)
        size, first = small[0]
        pixels = next(one for one in regions if one[0] == first and len(one) == size)
        inside = np.zeros(found.shape, bool)
        inside.ravel()[pixels] = True
        borders = {}
        for row, col in np.argwhere(inside):
            for near in ((row - 1, col), (row + 1, col), (row, col - 1), (row, col + 1)):
                if 0 <= near[0] < found.shape[0] and 0 <= near[1] < found.shape[1] and not inside[near] and found[near] != NONE:
                    borders[found[near]] = borders.get(found[near], 0) + 1
        if not borders:
            stuck.add(first)
            continue
        sums = layers.percent[:, inside].astype(int).sum(1)
        found[inside] = max(borders, key=lambda kind: (sums[kind], borders[kind], -kind))


@pytest.mark.parametrize("smallest", [2, 5, 40])
def test_it_is_the_rule_and_blocks_leave_no_trace(smallest, tmp_path):
    expected = slowly(noisy(), smallest)
    for rows in (None, 1, 7, 64):
        found, _ = after(noisy(), smallest * PIXEL_M2, tmp_path, rows)
        assert (found == expected).all(), rows
    assert (expected != noisy().positions).mean() > 0.01


def test_areas_follow_the_latitude(tmp_path):
    grid = Grid(CRS.from_epsg(4326).to_wkt(), (0.1, 0, 10.0, 0, -0.1, 60.0), 10, 20)
    positions = np.zeros((20, 10), np.uint8)
    positions[10:] = 1
    north, south = areas_of(positions, 2, PixelAreas(grid)).hectares
    zone = lambda low, high: 6378137**2 * np.radians(1.0) * (np.sin(np.radians(high)) - np.sin(np.radians(low)))  # noqa: E731 - of a sphere
    assert north == pytest.approx(zone(59, 60) / 1e4, rel=0.01) and south == pytest.approx(zone(58, 59) / 1e4, rel=0.01) and south > 1.02 * north


def test_models_of_other_themes_are_refused(tmp_path):
    for number, (names, job) in enumerate(((("field interior", "field boundary"), "Map field boundaries"), (("background", "road"), "Map roads"),
                                           (("open water", "sea ice"), "Map sea ice"))):
        classes = tuple((value, name, "#123456") for value, name in enumerate(names))
        with pytest.raises(ModelError, match=f"not of land cover. Use “{job}”"):
            require_land_cover(package.open(write_threshold_model(tmp_path / f"{number}.onnx", classes=classes)))
    require_land_cover(package.open(write_threshold_model(tmp_path / "cover.onnx")))


def test_expected_change_by_hand():
    """Of 10 that are A 8 are mapped A, of 10 that are B 9 are mapped B. Mapped A: 8 of 9 are A. P(A → B) = 8/9 · 0.2 + 1/9 · 0.9."""
    shares = expected_shares([[8, 2], [1, 9]], 2)
    assert shares[0, 1] == pytest.approx(8 / 9 * 0.2 + 1 / 9 * 0.9) and shares[1, 0] == pytest.approx(2 / 11 * 0.8 + 9 / 11 * 0.1)
    assert shares.sum(1) == pytest.approx([1, 1])
    assert expected_shares([[5, 0], [0, 7]], 2).tolist() == [[1, 0], [0, 1]], "a perfect model"
    assert np.isnan(expected_shares([[5, 0], [3, 0]], 2)[1]).all(), "a class that it never maps"
    assert np.isnan(expected_shares(None, 2)).all()


def test_a_confusion_matrix_of_other_classes_is_refused(tmp_path):
    with pytest.raises(ModelError, match="“confusion” has no 2 rows of 2 numbers"):
        write_threshold_model(tmp_path / "model.onnx", confusion=[[1, 2, 3], [4, 5, 6], [7, 8, 9]])


def test_seasons_meet_over_the_new_year():
    require_season(date(2020, 12, 20), date(2022, 1, 15), "a", "b")
    require_season(date(2020, 6, 1), date(2021, 7, 16), "a", "b")
    with pytest.raises(DataError, match="their seasons are 46 days apart"):
        require_season(date(2020, 6, 1), date(2021, 7, 17), "a", "b")
    with pytest.raises(DataError, match="which is not later"):
        require_season(date(2021, 6, 1), date(2021, 6, 1), "a", "b")
    with pytest.raises(DataError, match="Nobody knows on which day the image b was taken"):
        require_season(date(2021, 6, 1), None, "a", "b")


def scene(folder, year, values):
    return str(write_raster(folder / f"S2_{year}0615.tif", np.array(values, np.uint16)[None], names=["B02"]))


def mapped(folder, image, name, model, heard=SILENT, **values):
    given = {"images": [image], "model": str(model), "output": str(folder / name), "device": "cpu", **values}
    return JOBS["map_land_cover"].from_values(given).run(heard)


def rows_of(path):
    with open(path, newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_a_map_with_all_that_goes_with_it(tmp_path):
    values = np.full((100, 80), 1000)
    values[:, 40:] = 2000
    values[20:22, 10:12] = 1600  # a speck of forest of 400 m²
    values[60:70, 50:60] = 900  # a lake of 1 ha
    model = write_threshold_model(tmp_path / "model.onnx")
    also = {"polygons": "areas.gpkg", "areas": "areas.csv", "confidence": "confidence.tif", "class_shares": "shares.tif"}
    facts = mapped(tmp_path, scene(tmp_path, 2020, values), "map.tif", model, **{name: str(tmp_path / file) for name, file in also.items()})
    assert facts["sieved_share"] == 4 / 8000 and facts["classes"] == 2 and facts["polygon_count"] == 3 and facts["valid_share"] == 1
    with (rasterio.open(tmp_path / "map.tif") as found, rasterio.open(tmp_path / "confidence.tif") as sure,
          rasterio.open(tmp_path / "shares.tif") as shares):
        assert (found.read(1)[20:22, 10:12] == 1).all() and found.colormap(1)[2] == (44, 160, 44, 255)
        assert found.tags()["EO_PRETRAIN_SIEVE"].startswith("areas below 5000 m² took, the smallest first,")
        water = shares.read(1)
        assert water[20, 10] == 27 and sure.read(1)[20, 10] == 27, "the confidence is that of the class the map shows"
        assert shares.descriptions == ("water", "forest") and sure.read(1)[0, 0] == 99
    assert rows_of(tmp_path / "areas.csv") == [
        {"class": "water", "value": "1", "pixels": "4100", "hectares": "41.0", "share": "0.5125"},
        {"class": "forest", "value": "2", "pixels": "3900", "hectares": "39.0", "share": "0.4875"}]
    areas = geopandas.read_file(tmp_path / "areas.gpkg", layer="areas")
    assert sorted(areas["area_m2"]) == [10_000, 390_000, 400_000]


@pytest.mark.parametrize("output", ["output", "change"])
def test_what_gdal_kept_of_another_raster_is_told_before_the_work(output, tmp_path):
    (tmp_path / f"{output}.tif.aux.xml").write_text("<PAMDataset/>")
    asked = {"images": [str(scene(tmp_path, 2020, np.full((20, 20), 1000)))], "model": str(write_threshold_model(tmp_path / "model.onnx")),
             "earlier": str(scene(tmp_path, 2019, np.full((20, 20), 1000))), "output": str(tmp_path / "output.tif"),
             "change": str(tmp_path / "change.tif")}
    heard = Listening()
    with pytest.raises(DataError, match=f"{output}.tif.aux.xml is there already, and without {output}.tif, so it belongs to something else."):
        run_job(JOBS["map_land_cover"].from_values(asked), heard)
    assert not heard.events and not (tmp_path / "output.tif").exists()


def test_polygons_share_borders_and_cover_the_map(tmp_path):
    rng = np.random.default_rng(3)
    values = np.where(ndimage.gaussian_filter(rng.normal(size=(120, 150)), 5) > 0, 2000, 1000)
    image = scene(tmp_path, 2020, values)
    model = write_threshold_model(tmp_path / "model.onnx")
    vertices = {}
    for edge in (0, 30):
        mapped(tmp_path, image, f"map{edge}.tif", model, polygons=str(tmp_path / f"p{edge}.gpkg"), simplification=edge)
        areas = geopandas.read_file(tmp_path / f"p{edge}.gpkg", layer=f"p{edge}")
        shapes = areas.geometry.to_numpy()
        assert shapely.coverage_is_valid(shapes) and shapely.is_valid(shapes).all()
        assert areas["area_m2"].sum() == pytest.approx(120 * 150 * PIXEL_M2, abs=1) and shapely.union_all(shapes).area == pytest.approx(1_800_000)
        vertices[edge] = shapely.get_num_coordinates(shapes).sum()
    assert vertices[30] < 0.35 * vertices[0]


def test_change_by_hand(tmp_path):
    model = write_threshold_model(tmp_path / "model.onnx", confusion=[[80, 20], [10, 90]])
    before = np.full((100, 100), 1000)
    before[:, 50:] = 2000
    now = before.copy()
    now[:20, :50] = 2000  # 10 ha of water became forest
    now[90:, 90:] = 0  # 1 ha was not measured
    mapped(tmp_path, scene(tmp_path, 2019, before), "before.tif", model)
    image = write_raster(tmp_path / "S2_20210701.tif", now.astype(np.uint16)[None], names=["B02"], nodata=0)
    heard = Listening()
    facts = mapped(tmp_path, str(image), "now.tif", model, heard, earlier=str(tmp_path / "before.tif"), change=str(tmp_path / "change.tif"),
                   change_table=str(tmp_path / "change.csv"))
    to_forest, to_water = 80 / 90 * 0.2 + 10 / 90 * 0.9, 20 / 110 * 0.8 + 90 / 110 * 0.1
    assert facts["changed_ha"] == 10 and facts["expected_ha"] == pytest.approx(50 * to_forest + 49 * to_water, abs=1e-3)
    rows = {(row["earlier"], row["later"]): row for row in rows_of(tmp_path / "change.csv")}
    assert [rows[pair]["hectares"] for pair in (("water", "water"), ("water", "forest"), ("forest", "water"), ("forest", "forest"))] == [
        "40.0", "10.0", "0.0", "49.0"]
    assert rows["water", "forest"]["pixels"] == "1000"
    assert float(rows["water", "forest"]["expected_hectares"]) == pytest.approx(50 * to_forest, abs=1e-3)
    with rasterio.open(tmp_path / "change.tif") as found:
        codes = found.read(1)
        assert found.nodata == 65535 and found.tags()["EO_PRETRAIN_EARLIER_DATE"] == "2019-06-15"
    assert codes[0, 0] == 1 * 256 + 2 and codes[50, 0] == 1 * 256 + 1 and codes[0, 60] == 2 * 256 + 2 and codes[95, 95] == 65535
    assert 'label="water → forest" color="#2ca02c"' in (tmp_path / "change.qml").read_text(encoding="utf-8")
    assert any("use “Assess map”" in text for text in heard.texts)


@pytest.mark.parametrize("value", [9, 1.5])
def test_an_earlier_map_with_other_values_is_refused_before_the_work(value, tmp_path):
    model, heard = write_threshold_model(tmp_path / "model.onnx"), Listening()
    values = np.full((30, 30), 1000)
    mapped(tmp_path, scene(tmp_path, 2019, values), "before.tif", model)
    with rasterio.open(tmp_path / "before.tif") as found:
        tags, profile = found.tags(), {**found.profile, "driver": "GTiff", "dtype": "float32"}
    with rasterio.open(tmp_path / "other.tif", "w", **profile) as target:
        target.write(np.full((1, 30, 30), value, np.float32))
        target.update_tags(**tags)
    with pytest.raises(DataError, match=f"other.tif holds {value}.*, which is no class of the model. Choose the map as it was written."):
        mapped(tmp_path, scene(tmp_path, 2020, values), "now.tif", model, heard, earlier=str(tmp_path / "other.tif"))
    assert not heard.reached("Loading the model") and not (tmp_path / "now.tif").exists()


def test_without_a_confusion_matrix_the_column_is_empty(tmp_path):
    model, heard = write_threshold_model(tmp_path / "model.onnx"), Listening()
    halves = np.repeat([[1000, 2000]], 100, 0).repeat(50, 1)
    mapped(tmp_path, scene(tmp_path, 2019, halves), "before.tif", model, minimum_area=0)
    facts = mapped(tmp_path, scene(tmp_path, 2020, halves), "now.tif", model, heard, earlier=str(tmp_path / "before.tif"),
                   change_table=str(tmp_path / "change.csv"))
    assert facts["changed_ha"] == 0 and "expected_ha" not in facts
    assert {row["expected_hectares"] for row in rows_of(tmp_path / "change.csv")} == {""}
    assert any("has no confusion matrix" in text for text in heard.texts)
    assert (f"“Smallest area [m²]” is 5000 for this map and was 0 for the earlier map {tmp_path / 'before.tif'}, so some differences come from that "
            "alone. Map the earlier image again with the same.") in heard.warnings


def test_maps_do_not_depend_on_what_is_read_at_once(tmp_path, monkeypatch):
    rng = np.random.default_rng(5)
    image = scene(tmp_path, 2020, rng.integers(1200, 1800, (150, 130)))
    model = write_threshold_model(tmp_path / "model.onnx")
    found = []
    for name, piece in (("one.tif", 2**22), ("two.tif", 700)):
        monkeypatch.setattr("eo_pretrain_qgis.engine.mapping.land_cover.regions.PIECE", piece)
        mapped(tmp_path, image, name, model, minimum_area=1000)
        with rasterio.open(tmp_path / name) as source:
            found.append(source.read(1))
    assert (found[0] == found[1]).all()

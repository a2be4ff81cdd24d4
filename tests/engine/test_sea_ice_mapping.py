"""From what a model says to sea ice: concentration of cells, the edge and SIGRID-3 codes by hand, seams, nodata and land."""

import geopandas
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely

from eo_pretrain_qgis.engine.mapping.sea_ice.cells import Cells
from eo_pretrain_qgis.engine.mapping.sea_ice.chart import IcePart, codes_of, joined, parts_of, tenths_of, total_codes
from eo_pretrain_qgis.engine.mapping.sea_ice.edge import edge_lines
from eo_pretrain_qgis.engine.mapping.sea_ice.knowing import IceClass, IceTarget, IceTargets
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.rasters.grid import Grid, Window
from eo_pretrain_qgis.engine.themes.sea_ice.classes import SCHEMES
from eo_pretrain_qgis.engine.themes.sea_ice.labels import PolygonRules, open_ice_labels
from eo_pretrain_qgis.engine.themes.sea_ice.land_mask import open_land
from eo_pretrain_qgis.engine.themes.sea_ice.sigrid3 import PARTS, read_eggs, tenths
from eo_pretrain_qgis.errors import DataError, JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from ..listening import Listening
from ..networks import description, whole_network
from ..scenes_ice import POLAR
from ..scenes_ice_maps import (
    CORNER,
    OLD,
    WATER,
    YOUNG,
    half_ice,
    ice_map_angle_model,
    ice_map_angles,
    ice_map_land,
    ice_map_model,
    ice_map_other_names_model,
    ice_map_targets_model,
    ice_none,
    radar,
    write_ice,
    write_ice_model,
)

#: Of EPSG:3413 at 78.34° N, where the images lie: k² with k = m(70°) t(78.34°) / (m(78.34°) t(70°)), Snyder 1987, page 161.
AREAL_SCALE = 0.9603
NOT_FILLED = "-9"
#: Fields of SIGRID-3 of a kind of ice that is not there.
NO_PART = (NOT_FILLED,) * 3


def mapped(folder, image, model, heard=SILENT, **given):
    """What the job gives: the result, the concentration (row, col), lines and polygons."""
    folder.mkdir(exist_ok=True)
    outputs = {"output": "map.tif", "concentration": "concentration.tif", "edge": "edge.gpkg", "chart": "chart.gpkg"}
    values = {"images": [str(image)], "model": str(model), "device": "cpu", "cell": 1, **given}
    result = JOBS["map_sea_ice"].from_values({**values, **{name: str(folder / file) for name, file in outputs.items()}}).run(heard)
    with rasterio.open(result["concentration"]) as raster:
        assert raster.nodata == 255 and raster.res == (1000 * values["cell"],) * 2
        concentration = raster.read(1)
    return result, concentration, geopandas.read_file(result["edge"]), geopandas.read_file(result["chart"])


def target_of(*names):
    return IceTarget("", tuple(IceClass.of(name) for name in names))


def test_half_of_the_image_is_ice(tmp_path):
    """By hand: cells of 0, 0, 100 and 100 %; 15 % lie 0.15 cells beyond the middle of the second column, 1.65 km from the left."""
    result, concentration, edge, chart = mapped(tmp_path, write_ice(tmp_path / "half.tif", half_ice()), ice_map_model(tmp_path))
    assert concentration.tolist() == [[0, 0, 100, 100]] * 4
    (line,) = edge.geometry
    np.testing.assert_allclose(np.array(line.coords)[:, 0], CORNER[0] + 1650, atol=0.5)
    assert line.bounds[1::2] == (CORNER[1] - 3500, CORNER[1] - 500), "between the middles of cells"
    assert edge["percent"].tolist() == [15] and result["edge_km"] == pytest.approx(3, rel=0.05)
    assert result["ice_km2"] == result["extent_km2"] == pytest.approx(8 / AREAL_SCALE, abs=0.01)
    rows = {row["POLY_TYPE"]: row for row in chart.to_dict("records")}
    named = [name for part in PARTS for name in part]
    assert [rows["I"][name] for name in ("CT", *named)] == ["92", "92", "95", "99", *NO_PART, *NO_PART]
    assert [rows["W"][name] for name in ("CT", *named)] == ["01", *NO_PART, *NO_PART, *NO_PART], "no code of ice where there is none"
    sizes = [rows["I"][name] for name in ("AREA", "PERIMETER", "ice_pct")]
    assert sizes == pytest.approx([8e6 / AREAL_SCALE, 12_000 / AREAL_SCALE**0.5, 100], rel=2e-4)
    assert rows["I"]["AREA"] / 1e6 == pytest.approx(result["ice_km2"], rel=1e-4) and rows["W"]["ice_pct"] == 0
    assert max(len(name) for name in chart.columns if name != "geometry") <= 10


def test_a_cell_counts_its_pixels_and_the_chart_adds_up(tmp_path):
    """By hand: in the first cell 20 px of young and 40 px of old ice are 6/10: 4/10 of old ice, the thicker, and 2/10 of young ice."""
    hh = np.full((40, 40), WATER, np.float32)
    hh[0:2, :10], hh[2:6, :10] = YOUNG, OLD
    hh[:3, 20:30] = YOUNG
    _, concentration, _, chart = mapped(tmp_path, write_ice(tmp_path / "mixed.tif", hh), ice_map_model(tmp_path))
    assert concentration[0].tolist() == [60, 0, 30, 0] and not concentration[1:].any()
    rows = {row.CT: row for row in chart.itertuples()}
    assert sorted(rows) == ["01", "30", "60"] and len(chart) == 3
    names = [name for part in PARTS for name in part]
    assert [getattr(rows["60"], name) for name in names] == ["40", "95", "99", "20", "83", "99", *NO_PART]
    assert [getattr(rows["30"], name) for name in names] == ["30", "83", "99", *NO_PART, *NO_PART]
    eggs, strange = read_eggs({name: list(chart[name]) for name in ("CT", *names, "POLY_TYPE")})
    assert not strange, "our own reader knows all codes"
    for egg in eggs:
        assert sum(tenths(part.concentration) for part in egg.parts) == (0 if egg.is_water else tenths(egg.total))


def test_a_target_of_concentration_is_believed(tmp_path):
    """Young ice is 5/10 there, so a cell of it is 50 %; the stages come from the main target."""
    hh = half_ice()
    hh[hh == OLD] = YOUNG
    _, concentration, edge, chart = mapped(tmp_path, write_ice(tmp_path / "young.tif", hh), ice_map_targets_model(tmp_path))
    assert concentration.tolist() == [[0, 0, 50, 50]] * 4
    np.testing.assert_allclose(np.array(edge.geometry[0].coords)[:, 0], CORNER[0] + 1500 + 1000 * 0.15 / 0.5, atol=0.5)
    ice = chart[chart.POLY_TYPE == "I"].iloc[0]
    assert (ice.CT, ice.CA, ice.SA, ice.CB) == ("50", "50", "83", NOT_FILLED)


def test_nodata_and_land_count_nowhere(tmp_path):
    """Land covers the first row of cells. In the second one cell is measured on 20 of 100 px, which is too little, and one on 30, all of ice."""
    hh = half_ice()
    hh[10:18, :10] = hh[10:17, 10:20] = -99
    hh[17:20, 10:20] = OLD
    image = write_ice(tmp_path / "holes.tif", hh, nodata=-99)
    result, concentration, edge, chart = mapped(tmp_path, image, ice_map_model(tmp_path), land={"path": str(ice_map_land(tmp_path))})
    assert concentration.tolist() == [[255] * 4, [255, 100, 100, 100], [0, 0, 100, 100], [0, 0, 100, 100]]
    assert chart.AREA.sum() == pytest.approx(11e6 / AREAL_SCALE, rel=2e-4), "no polygon where nothing is known"
    (line,) = edge.geometry
    assert line.bounds[3] <= CORNER[1] - 1500 and line.bounds[0] == CORNER[0] + 1500, "the line ends where a cell has no value"
    with rasterio.open(result["output"]) as classes:
        values = classes.read(1)
    assert (values[:10] == 255).all() and (values[10:18, :10] == 255).all() and (values[18:20, :10] == 0).all()
    assert result["ice_km2"] == pytest.approx(6.3 / AREAL_SCALE, abs=0.01), "six cells and 30 px"


def test_a_cell_does_not_depend_on_the_extent_or_on_blocks(tmp_path):
    rng = np.random.default_rng(3)
    image = write_ice(tmp_path / "noise.tif", rng.choice([WATER, -17.1, YOUNG, OLD], (300, 300)).astype(np.float32))
    model = ice_map_model(tmp_path)
    small = ice_map_model_of_blocks(tmp_path)
    whole = mapped(tmp_path / "whole", image, model)[1]
    assert (mapped(tmp_path / "blocks", image, small)[1] == whole).all() and whole.std() > 1
    left, top = CORNER[0] + 7000, CORNER[1] - 5000
    part = mapped(tmp_path / "part", image, model, extent={"box": [left, top - 9000, left + 12_000, top], "crs": POLAR})[1]
    assert (part == whole[5:14, 7:19]).all()


def ice_map_model_of_blocks(folder):
    """The model of the scenes, in blocks of 64 px."""
    return write_ice_model(folder / "blocks.onnx", block=64, small_block=64)


def test_cells_begin_at_multiples_of_their_edge():
    """An image that begins at 400.3 km has cells of 1 km from 400 km on, and its first one holds 7 columns."""
    pixels = Grid(rasterio.crs.CRS.from_user_input(POLAR).to_wkt(), (100, 0, 400_300, 0, -100, -1_200_400), 40, 40)
    cells = Cells.of(pixels, 1, "image")
    assert cells.grid.transform[2::3] == (400_000, -1_200_000) and cells.shape == (5, 5)
    assert np.bincount(cells.cols).tolist() == [7, 10, 10, 10, 3] and np.bincount(cells.rows).tolist() == [6, 10, 10, 10, 4]
    with pytest.raises(JobError, match="and a place of the map of image measures 0.1 km. Choose a larger cell."):
        Cells.of(pixels, 0.05, "image")


@pytest.mark.parametrize(("share", "code"), [(0, 1), (0.0999, 1), (0.1, 10), (0.149, 10), (0.15, 20), (0.5, 50), (0.94, 90), (0.95, 91), (0.994, 91),
                                             (0.995, 92), (1, 92), (np.nan, 0)])
def test_codes_of_the_total(share, code):
    assert total_codes(np.array([share])) == code


def test_partial_concentrations_add_up_and_the_thickest_comes_first():
    target = target_of("open water", "new ice", "young ice", "thin first-year ice", "old ice")
    assert parts_of(10, np.array([90, 1, 1, 1, 0]), target) == [IcePart(4, 87), IcePart(3, 83), IcePart(3, 81)], "water is no part"
    assert parts_of(7, np.array([0, 5, 10, 20, 15]), target) == [IcePart(2, 95), IcePart(3, 87), IcePart(2, 83)], "the three with most"
    assert parts_of(2, np.array([0, 1, 0, 0, 99]), target) == [IcePart(2, 95)], "a kind with none is left out"
    assert parts_of(0, np.array([100, 5, 0, 0, 0]), target) == []
    assert parts_of(3, np.zeros(5), target) == [IcePart(3, 99)], "another target says that there is ice"
    rng = np.random.default_rng(0)
    for code in (10, 20, 50, 90, 91, 92):
        for amounts in rng.random((50, 5)) ** 4:
            parts = parts_of(tenths_of(code), amounts, target)
            fields = codes_of(code, parts)
            given = [int(fields[name]) for name, _, _ in PARTS if fields[name] != NOT_FILLED]
            assert sum(tenths(value) for value in given) == tenths(code), (code, fields)
            stages = [part.stage for part in parts]
            assert stages == sorted(stages, reverse=True)


def test_codes_are_two_characters():
    fields = codes_of(1, [])
    assert fields["CT"] == "01" and fields["POLY_TYPE"] == "W" and set(fields.values()) == {"01", "W", "-9"}
    fields = codes_of(91, [IcePart(6, 95), IcePart(4, 81)])
    assert (fields["CT"], fields["CA"], fields["SA"], fields["FA"], fields["CB"]) == ("91", "60", "95", "99", "40")
    assert codes_of(91, [IcePart(10, 95)])["CA"] == "91"


def test_small_polygons_join_what_they_share_most_border_with():
    """By hand, cells of 1 km²: the island of 92 (3 km²) has 5 edges with 50 and 3 with 10; the single 30 lies between nothing and stays."""
    codes = np.full((6, 8), 50, np.uint8)
    codes[:, 4:] = 10
    codes[1, 2:5] = 92
    codes[4:, 6:] = 0
    codes[5, 7] = 30
    grid = Grid(rasterio.crs.CRS.from_user_input(POLAR).to_wkt(), (1000, 0, 0, 0, -1000, 0), 8, 6)
    after = codes.copy()
    after[1, 2:5] = 50
    assert (joined(codes, grid, 3.5) == after).all()
    assert (joined(codes, grid, 3) == codes).all(), "the smallest that stays is the one given"
    assert not joined(np.zeros((2, 2), np.uint8), grid.sub(Window(0, 0, 2, 2)), 3).any()


def test_the_chart_as_a_shapefile_says_the_same(tmp_path):
    """A cell of 1 km² of old ice in water goes; what is left reads back with every field, and our reader of charts takes it."""
    hh = half_ice()
    hh[10:20, :10] = OLD
    given = {"smallest": 2, "shapefile": str(tmp_path / "map" / "chart.shp")}
    *_, chart = mapped(tmp_path / "map", write_ice(tmp_path / "island.tif", hh), ice_map_model(tmp_path), **given)
    rows = {row["POLY_TYPE"]: row for row in chart.to_dict("records")}
    assert [rows[kind]["AREA"] for kind in "WI"] == pytest.approx([8e6 / AREAL_SCALE] * 2, rel=2e-4)
    assert len(chart) == 2 and rows["W"]["CT"] == "01" and rows["W"]["ice_pct"] == 12.5
    read = pyogrio.read_dataframe(given["shapefile"])
    assert list(read.columns) == list(chart.columns) and read.crs.equals(chart.crs, ignore_axis_order=True)
    assert read.drop(columns="geometry").equals(chart.drop(columns="geometry")) and read.geom_equals(chart).all()
    text = (tmp_path / "map" / "chart.xml").read_text(encoding="utf-8")
    assert "No analyst has looked at it" in text and "<title>Ice chart of island.tif</title>" in text
    assert sorted(path.suffix for path in (tmp_path / "map").glob("chart.*")) == [
        ".cpg", ".dbf", ".gpkg", ".prj", ".qml", ".shp", ".shx", ".xml"]
    labels = open_ice_labels({"path": given["shapefile"]}, [Grid(read.crs.to_wkt(), (100, 0, CORNER[0], 0, -100, CORNER[1]), 40, 40)],
                             PolygonRules(scheme="ice_water"))
    assert [row.name for row in labels.legend.classes] == ["open water", "sea ice"]


def test_files_of_another_shapefile_stay(tmp_path):
    (tmp_path / "chart.dbf").write_text("mine")
    with pytest.raises(DataError, match="chart.shp is not there, but chart.dbf is, which a shapefile of that name would replace. Give another name."):
        mapped(tmp_path, write_ice(tmp_path / "half.tif", half_ice()), ice_map_model(tmp_path), shapefile=str(tmp_path / "chart.shp"))
    assert (tmp_path / "chart.dbf").read_text() == "mine" and not (tmp_path / "chart.shp").exists()
    assert not (tmp_path / "map.tif").exists(), "it is said before the image is mapped"


@pytest.mark.parametrize("crs", [POLAR, "EPSG:32633"])
def test_land_that_reaches_around_the_earth_is_land(tmp_path, crs):
    """One polygon with corners alone, of which a projection makes nothing, and a far one that UTM would fold onto other ground."""
    place = rasterio.transform.from_origin(*(CORNER if crs == POLAR else (500_000, 8_700_000)), 100, 100)
    grid = Grid(rasterio.crs.CRS.from_user_input(crs).to_wkt(), tuple(place)[:6], 40, 40)
    middle = geopandas.GeoSeries([shapely.box(*grid.bounds()).centroid], crs=crs).to_crs(4326).iloc[0]
    halves = {"north": shapely.box(-180, middle.y, 180, 90), "east": shapely.box(middle.x, -90, 180, 90), "none": shapely.box(-180, -90, 180, -60)}
    for name, land in halves.items():
        path = tmp_path / f"{name}.gpkg"
        geopandas.GeoSeries([shapely.MultiPolygon([land, shapely.box(-180, -90, -120, 0)])], crs=4326).to_file(path)
        rows, cols = np.mgrid[:40, :40] + 0.5
        x, y = place * (cols.ravel(), rows.ravel())
        points = geopandas.GeoSeries(geopandas.points_from_xy(x, y), crs=crs).to_crs(4326)
        expected = shapely.contains(land, points.values).reshape(40, 40)
        drawn = open_land({"path": str(path)}, [grid]).read(grid, Window(0, 0, 40, 40))
        assert (drawn == expected).mean() > 0.995 and expected.mean() == pytest.approx(0 if name == "none" else 0.5, abs=0.05), name


def test_a_ring_of_ice_has_a_closed_edge_and_one_row_of_cells_none():
    grid = Grid(rasterio.crs.CRS.from_user_input(POLAR).to_wkt(), (1000, 0, 0, 0, -1000, 0), 5, 5)
    values = np.zeros((5, 5))
    values[2, 2] = 1
    (ring,) = edge_lines(values, 0.15, grid)
    assert ring.is_closed and ring.bounds == pytest.approx((1650, -3350, 3350, -1650)), "0.85 cells around the middle (2.5, 2.5)"
    assert len(edge_lines(np.array([[0.0, 1.0]]), 0.15, grid)) == 0
    assert len(edge_lines(np.full((5, 5), np.nan), 0.15, grid)) == 0


def test_names_of_our_datasets_are_known():
    for name in ("ice_water", "six_types", "stage", "form", "primary", "concentration"):
        meant = {row.name: IceClass.of(row.name) for row in SCHEMES[name].classes}
        assert [row.share > 0 for row in meant.values()] == [False] + [True] * (len(meant) - 1), name
    assert [IceClass.of(row.name).share for row in SCHEMES["concentration"].classes] == pytest.approx(np.arange(11) / 10)
    assert [IceClass.of(row.name).stage for row in SCHEMES["stage"].classes[1:]] == [81, 83, 87, 93, 95]
    six = [IceClass.of(row.name) for row in SCHEMES["six_types"].classes[1:]]
    assert [row.stage for row in six] == [81, 70, 83, 86, 99] and [row.thickness for row in six] == [81, 82, 83, 90, 95]
    assert IceClass.of("no second kind of ice") is None and IceClass.of("forest") is None and IceClass.of("rice") is None


@pytest.mark.parametrize(("name", "stage"), [("Nilas", 82), ("Nilas, ice rind", 82), ("gray ice", 84), ("Grey white ice", 85), ("First year ice", 86),
                                             ("medium first-year ice", 91), ("multiyear ice", 97), ("young_ice", 83), ("pack ice", 99)])
def test_stages_are_known_however_they_are_written(name, stage):
    assert IceClass.of(name).stage == stage


def test_classes_without_ice_may_be_named(tmp_path):
    model = package.open(ice_map_other_names_model(tmp_path))
    assert IceTargets.of(model, "Dark, grey").amount.shares.tolist() == [0, 0, 1]
    with pytest.raises(JobError, match="names lead, and the model .* has the classes dark, grey, bright. Write them as they are called there."):
        IceTargets.of(model, "lead")


def test_no_ice_is_told(tmp_path):
    heard = Listening()
    result, concentration, edge, chart = mapped(tmp_path, ice_none(tmp_path), ice_map_model(tmp_path), heard)
    assert not concentration.any() and len(edge) == 0 and result["edge_km"] == 0 and chart.CT.tolist() == ["01"]
    assert pyogrio.read_info(result["edge"], layer="edge")["geometry_type"] == "LineString", "QGIS shows a layer of unknown geometry as a table"
    assert any("There is no ice edge on this image: no cell has 15 % of ice or more; the most is 0.0%. The layer is empty." in text
               for text in heard.warnings)


def test_the_angle_is_found_by_another_name_or_in_a_table(tmp_path):
    model = ice_map_angle_model(tmp_path)
    heard = Listening()
    named = mapped(tmp_path / "named", write_ice(tmp_path / "ia.tif", half_ice(), angle=True), model, heard)
    assert not heard.warnings, "radar has an angle, and another name of it is nothing to tell"
    table = mapped(tmp_path / "table", write_ice(tmp_path / "none.tif", half_ice()), model, angle_table=str(ice_map_angles(tmp_path)))
    assert named[1].tolist() == table[1].tolist() == [[0, 0, 100, 100]] * 4
    assert table[0]["valid_share"] == 1


def test_squares_are_mapped(tmp_path):
    """A model of patches of 10 px: its squares of 1 km are the cells here."""
    told = description([radar("HH")], ((0, "open water", ""), (1, "sea ice", "")), task="scene", tile_size=10, resolution_m=[100, 100])
    package.write(whole_network(10, limit=-12), told, tmp_path / "patches.onnx")
    _, concentration, _, chart = mapped(tmp_path, write_ice(tmp_path / "half.tif", half_ice()), tmp_path / "patches.onnx")
    assert concentration.tolist() == [[48, 48, 51, 51]] * 4, "1 / (1 + exp(0.08)) and 1 / (1 + exp(-0.04))"
    assert set(chart[chart.POLY_TYPE == "I"].SA) == {"99"}, "the stage of “sea ice” is not known"

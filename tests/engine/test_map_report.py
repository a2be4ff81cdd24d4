"""The map report: hectares by hand, what stands in it, that it prints on A4, and names that would be HTML."""

import html
import json
import re

import geopandas
import numpy as np
import pytest
import rasterio
import shapely
from rasterio.transform import from_origin

from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.looks.class_style import raster_attributes
from eo_pretrain_qgis.engine.looks.html_page import NOT_SHOWN, technical
from eo_pretrain_qgis.engine.looks.place import outline_of
from eo_pretrain_qgis.engine.mapping.products.applicability import unlike_words
from eo_pretrain_qgis.engine.mapping.reporting import counted, page
from eo_pretrain_qgis.engine.mapping.reporting.backdrop import backdrop
from eo_pretrain_qgis.engine.mapping.reporting.counted import LAYERS, counted_layer, counted_raster, picture_grid
from eo_pretrain_qgis.engine.mapping.reporting.page import Mapped, map_sections, write_map_report
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import bundled, package
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.engine.rasters.vector import write_layer
from eo_pretrain_qgis.progress import SILENT, Noting

from ..networks import write_threshold_model
from ..scenes import UTM, write_raster

TURNED = "<script>alert(1)</script> & \"co\"\u202e"
NASTY = TURNED.replace("\u202e", "\ufffd")
CLASSES = (ClassInfo(1, "water", "#1f77b4"), ClassInfo(2, TURNED, "#2ca02c"), ClassInfo(3, "ice", "#ffffff"))
TAGS = {"ACQUISITION_DATE": "2020-05-31", "EO_PRETRAIN_IMAGES": json.dumps(["scene <b>.tif"]), "SIMULATED": "yes",
        "EO_PRETRAIN_PARAMETERS": json.dumps({"job": "predict_map", "version": "0.1", "values": {"images": [{"path": "scene <b>.tif"}]}})}


def class_map(folder, name="map.tif", **raster):
    """10 rows of 20 pixels: 2 rows water, 7 of the second class, 1 without."""
    values = np.full((10, 20), 2, np.uint8)
    values[:2], values[9] = 1, 255
    path = write_raster(folder / name, values, nodata=255, **raster)
    path.with_name(f"{name}.aux.xml").write_text(raster_attributes(CLASSES), encoding="utf-8")
    with rasterio.open(path, "r+") as opened:
        opened.update_tags(**TAGS)
    return str(path)


def amounts(shown):
    return {row.name: row.amount for row in shown.rows}


def test_hectares_by_hand_on_a_grid_of_ten_metres(tmp_path):
    shown = counted_raster(class_map(tmp_path))
    assert amounts(shown) == {"water": pytest.approx(0.4), NASTY: pytest.approx(1.4), "ice": 0}, "40 and 140 pixels of 100 m²"
    assert shown.total == pytest.approx(1.8) and shown.unknown == pytest.approx(0.1) and shown.unit == "ha"
    assert shown.picture.shape == (10, 20, 3) and shown.picture[0, 0].tolist() == [0x1f, 0x77, 0xb4]


def test_hectares_in_degrees_are_those_of_the_ellipsoid(tmp_path):
    """A degree square from 60° to 61° N has 6,165.4 km² on WGS 84 (its authalic area, by the formula of the ellipsoid)."""
    found = counted_raster(class_map(tmp_path, crs="EPSG:4326", transform=from_origin(10, 61, 1 / 20, 1 / 10)))
    a, e2 = 6378137.0, 0.00669437999014

    def q(latitude):
        s, e = np.sin(np.radians(latitude)), np.sqrt(e2)
        return (1 - e2) * (s / (1 - e2 * s * s) + np.arctanh(e * s) / e)

    rows = a * a * np.radians(1) / 2 * np.diff([q(61 - row / 10) for row in range(11)]) * -1 / 1e4
    assert amounts(found)["water"] == pytest.approx(rows[:2].sum(), rel=1e-6)
    assert found.total == pytest.approx(rows[:9].sum(), rel=1e-6)


def test_the_page_says_what_a_boss_asks(tmp_path):
    model = package.open(write_threshold_model(tmp_path / "model.onnx", scores={
        "split": "validation", "mean_iou": 0.781, "overall_accuracy": 0.9, "iou": {"water": 0.8, "forest": 0.762}}))
    path = tmp_path / "report.html"
    write_map_report(str(path), Mapped("Land cover", class_map(tmp_path), facts={"out_of_range_share": 0.25}), model)
    text = path.read_text(encoding="utf-8")
    assert "<h1>Land cover of scene &lt;b&gt;, 2020-05-31</h1>" in text
    titles = re.findall("<h2>(.*?)</h2>", text)
    assert titles == ["Hectares by class", "Place and data", "How good the model is", "How it was made", NOT_SHOWN]
    plain = html.unescape(re.sub("<[^>]+>", " ", text))
    for words in (f"The map gives a class to 1.80 ha. Most of it is mapped as {NASTY} 1.40 ha (77.8%), then water 0.40 ha (22.2%).",
                  "Not in this map: ice.", "20 × 10 pixels of 10 × 10 m: 200 m × 100 m", "WGS 84 / UTM zone 33N (EPSG:32633)",
                  "Measured on the validation tiles of its own data, not on this map: mean IoU 0.781, overall accuracy 0.900.",
                  "That is no estimate of the area of a class on the ground", "“Assess map”", "10.0% of the pixels have no class",
                  "25.0% of the pixels have values outside the range", "The image is simulated", "50 m", "Predict map of version 0.1"):
        assert words in plain or html.escape(words) in text, words
    assert text.count("<svg") == 2 and "IoU (validation)" in text, "the map and the locator"


def test_clouds_are_ground_where_no_mask_was_given(tmp_path):
    path = class_map(tmp_path)
    said = []
    for masks in (None, "[]", '["clouds.tif"]'):
        if masks is not None:
            with rasterio.open(path, "r+") as opened:
                opened.update_tags(EO_PRETRAIN_CLOUD_MASKS=masks)
        said.append(any("No cloud mask was given." in words for words in map_sections(Mapped("Map", path), None).limits))
    assert said == [False, True, False], "of radar there is no such tag"


def test_a_long_label_wraps_and_shares_are_percent(tmp_path):
    mapped = Mapped("Map", class_map(tmp_path), figures={"a label " * 20: "25.00%", "pixels": 1234, "mean": 0.5})
    write_map_report(str(tmp_path / "report.html"), mapped, None)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<td>25.00%</td>" in text and "<td>1,234</td>" in text and "<td>0.5</td>" in text and "nowrap" not in text


def test_the_page_needs_nothing_else_and_prints_on_a4(tmp_path):
    path = tmp_path / "report.html"
    write_map_report(str(path), Mapped("Land cover", class_map(tmp_path)), None)
    text = path.read_text(encoding="utf-8")
    assert "@page { size: A4;" in text and "@media print" in text and "break-inside: avoid" in text and "print-color-adjust: exact" in text
    addresses = re.findall(r"""(?:src|href)=["']([^"']*)""", text)
    assert addresses and all(address.startswith("data:image/png;base64,") for address in addresses)
    assert not re.search(r"https?://(?!www\.w3\.org)", text) and "@import" not in text and "url(" not in text
    assert "<script" not in text.lower() and "&lt;script&gt;alert(1)" in text
    assert "No model made this map" in text


def layer(folder, shapes, crs=UTM, **columns):
    path = folder / "layer.gpkg"
    write_layer(path, "layer", geopandas.GeoDataFrame(columns, geometry=shapes, crs=crs), "<qgis/>", told=TAGS)
    return str(path)


def test_parcels_count_by_class_and_those_without_one_apart(tmp_path, monkeypatch):
    monkeypatch.setattr(counted, "AT_ONCE", 2)  # more than one piece
    squares = [shapely.box(500000 + 200 * number, 5300000, 500100 + 200 * number, 5300100) for number in range(3)]
    path = layer(tmp_path, squares, crop_value=[1, 1, None], crop=["water", "water", None])
    shown = counted_layer(path, counted.LayerLook("parcels", CLASSES, "crop_value"))
    assert amounts(shown) == {"water": pytest.approx(2.0), TURNED: 0, "ice": 0} and shown.rows[0].count == 2 and shown.unknown == 1
    assert shown.tags["ACQUISITION_DATE"] == "2020-05-31"
    middle = shown.picture[shown.picture.shape[0] // 2]
    assert [0x1f, 0x77, 0xb4] in middle.tolist() and [255, 255, 255] in middle.tolist()


def test_classes_of_parcels_are_told_apart_over_an_image(tmp_path):
    """The image under them is grey, mean 100: 0.6 · (31, 119, 180) + 0.4 · 100 = (59, 111, 148). Where nothing is known it keeps its colours."""
    path = layer(tmp_path, [shapely.box(500000, 5300000, 500100, 5300100), shapely.box(500100, 5300000, 500200, 5300100)], crop_value=[1, None])
    look, ground = counted.LayerLook("parcels", CLASSES, "crop_value"), np.array([200, 100, 0], np.uint8)
    shown = counted_layer(path, look, ground=lambda grid: np.full((grid.height, grid.width, 3), ground))
    middle = shown.picture[shown.picture.shape[0] // 2].tolist()
    assert [59, 111, 148] in middle and [200, 100, 0] in middle


def test_roads_have_kilometres_and_fields_an_average(tmp_path):
    lines = [shapely.LineString([(500000, 5300000), (501000, 5300000)]), shapely.LineString([(500000, 5300500), (500000, 5301000)])]
    path = layer(tmp_path, lines)
    shown = counted_layer(path, LAYERS["roads"])
    assert shown.unit == "km" and shown.total == pytest.approx(1.5, rel=5e-4) and shown.rows[0].count == 2
    title, _, sections, limits, _ = map_sections(Mapped("Roads", layer=path, kind="roads"), None)
    assert title == "Roads of scene <b>, 2020-05-31" and "1.50 km of road in 2 lines." in sections[0]
    assert any("Roads that the model misses are not in them" in text for text in limits)
    fields = layer(tmp_path, [shapely.box(500000, 5300000, 500200, 5300100), shapely.box(500300, 5300000, 500400, 5300100)])
    assert "2 fields of 3.00 ha together, 1.50 ha on average." in map_sections(Mapped("Fields", layer=fields, kind="fields"), None).sections[0]


def test_an_empty_layer_has_a_page_too(tmp_path):
    path = layer(tmp_path, geopandas.GeoSeries([], crs=UTM))
    _, _, sections, *_ = map_sections(Mapped("Roads", layer=path, kind="roads"), None)
    assert "The map shows none of the lines that were looked for." in sections[0] and "not known: the source does not say where" in "".join(sections)


def test_lines_and_outlines_lie_over_the_image(tmp_path):
    """An image 0 in the west and 100 in the east, read on its own grid and in degrees."""
    values = np.zeros((64, 64), np.uint8)
    values[:, 32:] = 100
    image = write_raster(tmp_path / "image.tif", values)
    request = MapRequest([{"path": str(image)}])
    west, south, east, north = (500000, 5300000 - 640, 500640, 5300000)
    grid = picture_grid((west + 20, south + 20, east - 20, north - 20), UTM, 64)
    drawn = backdrop(request, None, grid)
    assert drawn.shape == (grid.height, grid.width, 3)
    assert drawn[30, 5].tolist() == [0, 0, 0] and drawn[30, -6].tolist() == [255, 255, 255]
    degrees = picture_grid(outline_of(Grid(UTM, (10.0, 0.0, west, 0.0, -10.0, north), 64, 64)).bounds, "EPSG:4326", 64)
    turned = backdrop(request, None, degrees)
    middle = turned[turned.shape[0] // 2]
    assert middle[5].tolist() == [0, 0, 0] and middle[-6].tolist() == [255, 255, 255]
    assert turned[0, 0].tolist() == [235, 235, 235], "beyond the image"
    line = layer(tmp_path, [shapely.LineString([(west + 20, south + 320), (east - 20, south + 320)])])
    shown = counted_layer(line, LAYERS["roads"], ground=lambda grid: np.full((grid.height, grid.width, 3), 90, np.uint8)).picture
    colours = {tuple(colour) for colour in shown.reshape(-1, 3).tolist()}
    assert colours == {(90, 90, 90), (0xd7, 0x19, 0x1c)}
    field = layer(tmp_path, [shapely.box(west + 20, south + 20, east - 20, north - 20)])
    shown = counted_layer(field, LAYERS["fields"], ground=lambda grid: np.full((grid.height, grid.width, 3), 90, np.uint8)).picture
    inside, edge = shown[shown.shape[0] // 2, shown.shape[1] // 2].tolist(), [0xff, 0xd4, 0]
    assert inside == [131, 120, 68], "a quarter of #ffd400 on 90"
    assert (shown == edge).all(-1).any() and (shown == 90).all(-1).any()


def test_technical_rows_are_folded_at_the_end_in_words(tmp_path):
    path = class_map(tmp_path)
    with rasterio.open(path, "r+") as opened:
        opened.update_tags(EO_PRETRAIN_BLOCK="1024 px, halo 4 px", EO_PRETRAIN_RUNTIME="OpenVINO 2026.4.1, float32")
    told = map_sections(Mapped("Map", path), None)
    assert told.technical == [("The image was mapped piece by piece", "squares of 1024 × 1024 px; 4 px at each side of them were computed for their "
                               "surroundings alone, and thrown away"), ("Program that ran the model", "OpenVINO 2026.4.1, float32")]
    assert "halo" not in "".join(told.sections) and "OpenVINO" not in "".join(told.sections)
    write_map_report(str(tmp_path / "report.html"), Mapped("Map", path), None)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.index(NOT_SHOWN) < text.index("<details><summary>Technical details</summary>") < text.index("OpenVINO")
    assert "details:not([open]) { display: none; }" in text.split("@media print")[1]
    assert page._pieces("squares of 64 px, step 32 px") == "squares of 64 px, step 32 px" and technical([]) == []


@pytest.mark.parametrize(("share", "words"), [(0.99999, "More than 99.9%"), (1, "100.0%"), (0.9994, "99.9%"), (0.0001, "Less than 0.1%")])
def test_shares_are_not_rounded_to_all_or_nothing(share, words):
    assert page._share(share) == words


def test_what_makes_the_map_a_guess_stands_under_the_title(tmp_path):
    path = class_map(tmp_path)
    model = bundled.of_theme("land_cover")
    told = map_sections(Mapped("Map", path, facts={"out_of_range_share": 0.492, "unlike_share": 0.07}), model)
    assert told.cautions[0].startswith("The bundled model of land cover learned from one square kilometre of Slovenia")
    assert told.cautions[1:] == ["The image is simulated, so the map says nothing of real ground, also not of the place on this page.",
                                 "49.2% of the pixels have values outside the range that the model was trained on. The map is a guess there."]
    assert "7.0% of the pixels are unlike all ground that the model learned from. The map is a guess there." in told.limits
    assert "<td>mean IoU</td><td>0.421 (0.396 to 0.447)</td>" in "".join(told.sections) and "0.308" not in "".join(told.sections)
    assert not set(told.cautions) & set(told.limits) and "Learned from the dataset" not in "".join(told.sections)
    write_map_report(str(tmp_path / "report.html"), Mapped("Map", path), model)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text.index("</h1>") < text.index('<div class="caution">') < text.index('<p class="lead">')


def test_no_box_where_nothing_is_odd(tmp_path):
    with rasterio.open(path := class_map(tmp_path), "r+") as opened:
        opened.update_tags(SIMULATED="")
    assert map_sections(Mapped("Map", path, facts={"out_of_range_share": 0.02}), None).cautions == []


def test_a_page_with_figures_of_the_map_does_not_say_that_there_are_none(tmp_path):
    path = layer(tmp_path, [shapely.LineString([(500000, 5300000), (501000, 5300000)])])
    alone, compared = (map_sections(Mapped("Roads", layer=path, kind="roads", reference=name), None) for name in ("", "the roads of osm.gpkg"))
    assert page.NO_ASSESSMENT in alone.limits and f"{page.OF_LINES} {page.GIVE_REFERENCE}" in alone.limits
    assert page.NO_ASSESSMENT not in compared.limits and page.GIVE_REFERENCE not in " ".join(compared.limits)
    assert compared.limits[0].startswith("The map was compared with the roads of osm.gpkg alone.")
    assert "<td>Reference</td><td>the roads of osm.gpkg</td>" in "".join(compared.sections)
    judged = map_sections(Mapped("Map", class_map(tmp_path), measured=True), None)
    assert page.NO_ASSESSMENT not in judged.limits


def test_warnings_of_the_job_stand_on_the_page_once(tmp_path):
    noting = Noting(SILENT)
    part = noting.part(0, 0.5).part(0, 1)
    for words in ("The roads reach over 54% of the image.", "The roads reach over 54% of the image."):
        part.message(words, level="warning")
    part.message("Mapped.")
    assert part.warned() == noting.warned() == ["The roads reach over 54% of the image."] and SILENT.warned() == []
    assert map_sections(Mapped("Map", class_map(tmp_path), warnings=noting.warned()), None).limits.count(noting.warned()[0]) == 1


def test_a_share_that_is_unlike_is_told_once(tmp_path):
    said = "52% of the map is unlike all ground that the model learned from. How right it is there nobody has measured."
    path, box = class_map(tmp_path), "52.0% of the pixels are unlike all ground that the model learned from. The map is a guess there."
    told = map_sections(Mapped("Map", path, facts={"unlike_share": 0.52}, warnings=[said, "Another warning."]), None)
    assert box in told.cautions and said not in told.limits and "Another warning." in told.limits
    assert unlike_words(0.52) == said and said in map_sections(Mapped("Map", path, warnings=[said]), None).limits, "nothing else tells it"


def test_a_date_in_the_name_of_the_image_is_not_said_again(tmp_path):
    path = class_map(tmp_path)
    with rasterio.open(path, "r+") as opened:
        opened.update_tags(EO_PRETRAIN_IMAGES=json.dumps(["Boadella_2020-05-31.tif"]))
    assert map_sections(Mapped("Map", path), None).title == "Map of Boadella_2020-05-31"


def test_one_class_has_no_share_and_all_dates_are_told(tmp_path):
    path = layer(tmp_path, [shapely.box(500000, 5300000, 500200, 5300100)])
    text = "".join(map_sections(Mapped("Fields", layer=path, kind="fields"), None).sections)
    assert "<td>field</td><td>2.00</td><td>1</td>" in text and "100.0%" not in text and "<th>share</th>" not in text
    with rasterio.open(path := class_map(tmp_path), "r+") as opened:
        opened.update_tags(EO_PRETRAIN_DATES="2020-04-01, 2020-05-31")
    told = map_sections(Mapped("Map", path), None)
    assert told.title.endswith(", 2020-04-01, 2020-05-31") and "<td>2020-04-01, 2020-05-31</td>" in "".join(told.sections)


def test_figures_of_pixels_are_none_of_whole_fields_or_lines(tmp_path):
    def said(kind, shape, name, **facts):
        scored = {"split": "validation", "mean_iou": 0.5, "iou": {"water": 0.5, "forest": 0.5}}
        model = package.open(write_threshold_model(tmp_path / f"{name}.onnx", scores=scored, **facts))
        text = "".join(map_sections(Mapped("Map", layer=layer(tmp_path, [shape]), kind=kind), model).sections)
        return text[text.index("How good the model is"):text.index("How it was made")]

    square, line = shapely.box(500000, 5300000, 500200, 5300100), shapely.LineString([(500000, 5300000), (501000, 5300000)])
    assert ("These are figures of pixels and none of whole fields: “Evaluate model” measures the F1 of whole fields on the test tiles of the dataset "
            "that the model learned from.") in said("fields", square, "fields")
    assert "none of lines: “Evaluate model” measures the F1 of lines on the test tiles" in said("roads", line, "roads")
    known = said("roads", line, "lines", road_threshold={"high": 0.4, "low": 0.2, "f1": 0.71, "usual_f1": 0.6, "tiles": 1200})
    assert "Lines, with a tolerance of one pixel: F1 0.710 on 1,200 validation tiles, which also chose" in known
    counted = {"f1": 0.8, "tiles": 40, "fields": 211, "places": 22, "interval": [0.7, 0.9]}
    whole = said("fields", square, "found", field_score=counted)
    assert "Whole fields: F1 0.800 (0.700 to 0.900), of 211 fields on 40 validation tiles" in whole and "figures of pixels" not in whole
    members = package.open(write_threshold_model(tmp_path / "members.onnx", field_score=counted))  # no scores of all together
    assert "Whole fields: F1 0.800" in (text := "".join(page._quality(members, "whole fields"))) and "no scores" not in text
    ready = "".join(page._quality(bundled.of_theme("roads"), "lines"))
    assert "F1 of lines within one pixel" in ready and "figures of pixels" not in known + ready

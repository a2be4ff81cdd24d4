"""Assess a map by what is wrong: places that are there twice, overlap, or hold something else, and samples that cannot be as asked for."""

import math

import geopandas
import pandas
import pytest
import shapely

from eo_pretrain_qgis.errors import DataError, EOPretrainError
from eo_pretrain_qgis.jobs import JOBS

from .. import scenes_assessment as places
from ..listening import Listening
from .test_assessment import assessed


def places_again(folder, other=()):
    """`cover_places` twice, of which the second ones of these numbers say the other class."""
    table = geopandas.read_file(places.cover_places(folder))
    again = table.copy()
    again.loc[list(other), "code"] = 3 - again.loc[list(other), "code"]
    geopandas.GeoDataFrame(pandas.concat([table, again]), crs=table.crs).to_file(folder / "again.gpkg")
    return folder / "again.gpkg"


def test_a_place_that_is_there_twice_counts_once(folder):
    heard = Listening()
    class_map = places.cover_map(folder)
    once, _ = assessed(folder, class_map=class_map, reference=places.cover_places(folder))
    twice, _ = assessed(folder, heard, class_map=class_map, reference=places_again(folder))
    assert twice["overall_half_width"] == once["overall_half_width"] and twice["counted"] == 60
    assert any("60 of 120 places of" in text and "lie exactly on another one and have the same class; each counts once." in text
               for text in heard.warnings)
    with pytest.raises(DataError, match="2 of 120 places of .* lie exactly on another one and have another class, such as “2” and “1” at "
                                        r"\(500005, 5299995\). Correct one of each, or filter the layer"):
        assessed(folder, class_map=class_map, reference=places_again(folder, (0, 1)))


def test_polygons_that_overlap_or_lie_outside(folder):
    heard = Listening()
    boxes = places.polygon_boxes([(0, 0, 9, 9), (5, 5, 12, 12), (9, 0, 12, 5), (0, 70, 9, 79), (20, 70, 29, 79), (0, 300, 9, 309)])
    geopandas.GeoDataFrame({"code": [1, 1, 2, 2, 2, 2]}, geometry=boxes, crs=places.UTM).to_file(folder / "over.gpkg")
    result, _ = assessed(folder, heard, class_map=places.cover_map(folder), reference=folder / "over.gpkg", design="random")
    assert result["counted"] == 5
    assert any("1 of 6 reference polygons are left out" in text and "1 lie outside it." in text for text in heard.warnings)
    assert any("2 of 5 reference polygons of" in text and "overlap; ground in several counts several times." in text for text in heard.warnings)


def test_coordinates_that_are_no_numbers(folder):
    heard = Listening()
    boxes = places.polygon_boxes([(1, 1, 2, 2), (3, 3, 4, 4), (1, 70, 2, 71), (3, 71, 4, 72)])
    points = [shapely.Point(math.inf, 0), *(box.centroid for box in boxes)]
    geopandas.GeoDataFrame({"code": [1, 1, 1, 2, 2]}, geometry=points, crs=places.UTM).to_file(folder / "endless.gpkg")
    result, _ = assessed(folder, heard, class_map=places.cover_map(folder), reference=folder / "endless.gpkg")
    assert result["counted"] == 4 and any("1 of 5 features of" in text and "have coordinates that are no numbers and are left out." in text
                                          for text in heard.warnings)


@pytest.mark.parametrize(("fields", "said"), [
    ({"date_field": "name"}, "60 of 60 values of the field “name” of .* are no days, such as “forest”. Write them as 2020-06-30, or choose another"),
    ({"design": "field", "stratum_field": "code"}, r"“Stratum field” \(stratum_field\) and “Class field” \(class_field\) are both code, but a"),
    ({"design": "field", "stratum_field": "region", "stratum_size_field": "large"},
     "and 60 of 60 places have no number above 0 and below 1e[+]18 there. Fill it in, or choose another field.")])
def test_fields_that_hold_something_else(fields, said, folder):
    table = geopandas.read_file(places.cover_places(folder)).assign(large=1.5e308)
    table.to_file(folder / "large.gpkg")
    with pytest.raises(EOPretrainError, match=said):
        assessed(folder, class_map=places.cover_map(folder), reference=folder / "large.gpkg", **fields)


@pytest.mark.parametrize(("value", "dtype", "said"), [(-9999, "int16", "holds -9999, and"), (1e20, "float32", r"holds 1e\+20, and")])
def test_values_that_mark_no_class_are_asked_for_as_nodata(value, dtype, said, folder):
    values = places.cover_values().astype(dtype)
    values[0, 0] = value
    path = places.write_raster(folder / "marked.tif", values)
    with pytest.raises(DataError, match=f"{said} classes are whole numbers from 0 on, up to 2147483647. Choose a class map; if the value marks "
                                        "pixels without a class, set it as the nodata value of the raster."):
        assessed(folder, class_map=path, reference=places.cover_places(folder))


@pytest.mark.parametrize(("wanted", "drawn", "said"), [
    ({"count": 4}, 100, "“Places in all” is 4, and 100 are drawn, because each of 2 classes gets 50. Choose a smaller number"),
    ({"count": 9000}, 8100, "The map has too few pixels for what is asked: 8100 places are drawn, and the interval is ± 0.00778."),
    ({"half_width": 0.001}, 8100, "The map has too few pixels for what is asked: 8100 places are drawn, and the interval is ± 0.00778.")])
def test_a_sample_that_cannot_be_as_asked_for_says_so(wanted, drawn, said, folder):
    heard = Listening()
    values = {"class_map": str(places.cover_map(folder)), "output": str(folder / "sample.gpkg"), **wanted}
    assert JOBS["plan_assessment"].from_values(values).run(heard)["drawn"] == drawn
    assert any(text.startswith(said) for text in heard.warnings)


def test_lucas_points_with_decimal_commas(folder):
    """A spreadsheet of many languages saves ; between cells and a comma in numbers."""
    class_map, table = places.worldcover_map(folder), places.lucas_points(folder)
    rows = [line.split(",") for line in table.read_text(encoding="utf-8").splitlines()]
    changed = [";".join([*row[:2], *(cell.replace(".", ",") for cell in row[2:4]), *row[4:]]) for row in rows]
    (folder / "commas.csv").write_text("\ufeff" + "\n".join(changed) + "\n", encoding="utf-8")
    counted = [JOBS["assess_map"].from_values({"class_map": str(class_map), "lucas": str(path), "foreign_classes": "errors",
                                               "output": str(folder / "report.html")}).run(Listening())["counted"]
               for path in (table, folder / "commas.csv")]
    assert counted == [6, 6]

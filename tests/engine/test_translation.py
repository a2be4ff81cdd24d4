"""Codes of LUCAS, INVEKOS and EuroCrops: every class in the tables is one, and what has none is said."""

from datetime import date

import numpy as np
import pytest

from eo_pretrain_qgis.engine.assessment.lucas import COVER, _day, _places, open_lucas
from eo_pretrain_qgis.engine.assessment.translation import FOLDER, TABLES, read_codes, translated
from eo_pretrain_qgis.engine.cards import ClassInfo
from eo_pretrain_qgis.engine.formats.timesen2crop_files import CLASS_NAMES
from eo_pretrain_qgis.engine.mapping.map_survey import ClassMap
from eo_pretrain_qgis.engine.themes.land_cover.known_legends import known_codes
from eo_pretrain_qgis.errors import DataError

from .. import scenes_assessment as places
from ..listening import Listening

CROPS = tuple(ClassInfo(number, name, "") for number, name in enumerate(CLASS_NAMES))
COVERS = tuple(ClassInfo(code.value, code.name, "") for code in known_codes("worldcover") if code.value)


def names(table, classes, *keys):
    return translated(np.array(keys, object), table, classes, "places.gpkg").tolist()


@pytest.mark.parametrize("table", TABLES)
def test_every_class_of_a_table_is_one(table):
    rows = read_codes(FOLDER / f"{table}.csv")
    assert {row["land_cover"] for row in rows.values()} <= {"", *(code.name for code in known_codes("groups"))}
    assert {row["timesen2crop"] for row in rows.values()} <= {"", *CLASS_NAMES}
    assert all(row["name"] for row in rows.values()) and list(rows) == sorted(rows)


def test_codes_are_of_their_kind():
    assert all(COVER.fullmatch(code) for code in read_codes(FOLDER / "lucas.csv"))
    assert all(len(code) == 3 and code.isdigit() for code in read_codes(FOLDER / "snar.csv"))
    assert all(len(code) == 10 and code.isdigit() for code in read_codes(FOLDER / "hcat.csv"))


def test_lucas_as_classes_of_worldcover():
    """Also in small letters, and by the names that WorldCover itself gives its classes."""
    assert names("lucas", COVERS, "B11", "c21", "G11", "F10", "H12", "B81", "B82", "A13") == [
        "Cropland", "Tree cover", "Permanent water bodies", "Bare / sparse vegetation", "Herbaceous wetland", "Tree cover", "Shrubland", "Built-up"]


def test_lucas_as_crops():
    """The season of wheat is not told, so it is no winter wheat."""
    heard = Listening()
    found = translated(np.array(["B16", "B11", "B32", "B41", "C10"], object), "lucas", CROPS, "places.gpkg", heard)
    assert found.tolist() == ["Maize", None, "Rapeseed", "Legumes", None]
    assert "2 of 5 places of places.gpkg have a code without a class and are left out: B11 Common wheat, C10 Broadleaved woodland." in heard.warnings


def test_snar_and_hcat():
    assert names("snar", CROPS, "138", "111", "536", "109", "716", "901") == [
        "Winter wheat", "Spring cereals", "Winter caraway", "Maize", "Grassland", "Permanent plantation"]
    assert names("hcat", CROPS, "3301010101", "3301010402", "3301290700", "3302000000") == ["Winter wheat", "Spring cereals", "Beet", "Grassland"]


def test_a_hierarchy_is_climbed_by_its_levels():
    """Pumpkins (3301140400) are arable crops (3301000000), not seedlings (3301100000); codes of INVEKOS are no hierarchy."""
    assert names("hcat", CROPS, "3301140400", "3301060401", "3303010200") == ["Other crops", "Rapeseed", "Permanent plantation"]
    assert names("hcat", CROPS, "3301010201", "3301010101") == [None, "Winter wheat"], "durum is a cereal, of which the class is not told"
    with pytest.raises(DataError, match="The table of SNAR codes does not know “139”, which places.gpkg has."):
        names("snar", CROPS, "139")


def test_codes_of_which_none_has_a_class():
    with pytest.raises(DataError, match="No place of places.gpkg has a code with a class: B11."):
        names("lucas", CROPS, "B11")


def test_a_table_with_a_code_twice(folder):
    (folder / "twice.csv").write_text("code,class\na,x\nA,y\n", encoding="utf-8")
    assert [row["class"] for row in read_codes(folder / "twice.csv").values()] == ["x", "y"], "capitals are other letters"
    (folder / "twice.csv").write_text("code,class\na,x\nb,y\na,z\n", encoding="utf-8")
    with pytest.raises(DataError, match="has the code “a” a second time. Keep one of the lines."):
        read_codes(folder / "twice.csv")
    (folder / "other.csv").write_text("value,class\n1,x\n", encoding="utf-8")
    with pytest.raises(DataError, match="has no column “code”; it has value, class. Give it the headings code,class."):
        read_codes(folder / "other.csv")


def test_lucas_points_by_the_columns_of_each_survey(folder):
    mapped = ClassMap({"path": str(places.worldcover_map(folder))})
    text = places.lucas_points(folder).read_text(encoding="utf-8")
    first = open_lucas(str(folder / "AT_2018.csv"), mapped)
    assert len(first) == 7 and set(first.days) == {date(2018, 7, 21)} and first.keys[5] == "H11"
    for number, (headings, day) in enumerate((("point_id,NUTS0,point_lat,point_long,survey_date,survey_lc1,perc", "21/07/2018"),
                                              ("id,NUTS0,LAT,LONG,DATE,LC1,perc", "2018-07-21"))):
        path = folder / f"{number}.csv"
        path.write_text("\n".join([headings, *text.split("\n")[1:]]).replace("21/07/18", day), encoding="utf-8")
        again = open_lucas(str(path), mapped)
        assert again.keys.tolist() == first.keys.tolist() and again.days == first.days
    with pytest.raises(DataError, match=r"has no column of land cover \(LC1\); it has POINT_ID, NUTS0"):
        (folder / "none.csv").write_text(text.replace("LC1,", "LU1,"), encoding="utf-8")
        open_lucas(str(folder / "none.csv"), mapped)


def test_places_and_days_of_lucas():
    table = places.geopandas.pd.DataFrame({"lat_long": ["47.5, 15.25", "-8,5", "none"]})
    longitude, latitude = _places(table, ("lat_long",))
    assert longitude[:2].tolist() == [15.25, 5] and latitude[:2].tolist() == [47.5, -8] and np.isnan(longitude[2])
    assert [_day(text) for text in ("1/6/09", "31/06/18", "2022-05-03T10:00", "8")] == [date(2009, 6, 1), None, date(2022, 5, 3), None]

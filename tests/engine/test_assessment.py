"""What a map is worth: figures of known maps, what is refused, and what a drawn sample remembers."""

import json
import math

import geopandas
import numpy as np
import pytest
import shapely

from eo_pretrain_qgis.engine.assessment.planning import _drawn
from eo_pretrain_qgis.engine.mapping.map_survey import ClassMap, survey
from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .. import scenes_assessment as places
from ..listening import Listening


def assessed(folder, progress=SILENT, **values):
    """What the job gives, and its figures."""
    given = {"class_field": "code", "design": "map_classes", "output": str(folder / "report.html"), "facts": str(folder / "facts.json"), **values}
    given |= {name: str(given[name]) for name in ("class_map", "reference", "dataset") if name in given}
    result = JOBS["assess_map"].from_values(given).run(progress)
    return result, json.loads((folder / "facts.json").read_text(encoding="utf-8"))


def by_name(facts, figure):
    return {row["name"]: row[figure] for row in facts["classes"]}


def test_the_example_of_olofsson_2014_from_a_map_and_a_layer(folder):
    _, facts = assessed(folder, class_map=places.paper_map(folder), reference=places.paper_places(folder), class_field="cover")
    area = by_name(facts, "estimated_ha")["deforestation"]
    assert (round(area["value"]), round(area["half_width"])) == (21_158, 6_158)
    assert facts["overall_accuracy"] == {"value": pytest.approx(0.947, abs=5e-4), "half_width": pytest.approx(0.0185, abs=5e-5)}
    assert facts["counts"] == places.PAPER.T.tolist(), "rows are true, columns mapped"
    assert by_name(facts, "mapped_ha")["stable forest"] == pytest.approx(288_000)


def test_places_on_a_small_map(folder):
    """User's accuracy .9 of two thirds crop and one third forest: 81 · (.6 + .0333) = 51.3 ha of crop."""
    result, facts = assessed(folder, class_map=places.cover_map(folder), reference=places.cover_places(folder), places=str(folder / "seen.gpkg"))
    half = 1.96 * math.sqrt((2 / 3)**2 * 0.09 / 39 + (1 / 3)**2 * 0.09 / 19)
    assert result["overall_accuracy"] == pytest.approx(0.9) and result["overall_half_width"] == pytest.approx(half)
    assert by_name(facts, "estimated_ha")["crop"] == {"value": pytest.approx(51.3), "half_width": pytest.approx(81 * half)}
    assert facts["map"]["date"] == "2020-06-21" and facts["reference"]["places"] == 60
    seen = geopandas.read_file(folder / "seen.gpkg", layer="seen")
    wrong = seen[seen["result"] == "wrong"]
    assert len(seen) == 60 and sorted(zip(wrong["reference"], wrong["mapped"])) == [("crop", "forest")] * 2 + [("forest", "crop")] * 4
    style = (folder / "seen.qml").read_text(encoding="utf-8")
    assert 'label="right (54)"' in style and 'label="wrong (6)"' in style
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(words in page for words in ("0.900 ± 0.077", "51.30 ± 6.25", "2020-06-21", "<svg", "data:image/png",
                                            "Training ground cannot be checked", "Of places that the map calls crop (4), forest (2), fewer than 5",
                                            "Of places that are really crop (2), forest (4), fewer than 5 were found in another class"))


@pytest.mark.parametrize(("field", "value"), [("name", "crop"), ("code", 1)])
def test_classes_by_name_and_by_value(field, value, folder):
    _, facts = assessed(folder, class_map=places.cover_map(folder), reference=places.cover_places(folder), class_field=field)
    assert by_name(facts, "places_true") == {"crop": 38, "forest": 22}


def test_strata_that_are_not_the_classes(folder):
    """Regions of a third and two thirds of the ground, whatever their sizes are counted in."""
    given = {"class_map": places.cover_map(folder), "reference": places.cover_places(folder), "design": "field", "stratum_field": "region"}
    _, facts = assessed(folder, **given, stratum_size_field="area")
    layer = geopandas.read_file(folder / "places.gpkg")
    _, cols, truth = places._places()
    right = np.where(cols < 60, 1, 2) == truth
    expected = right[layer["region"] == "west"].mean() / 3 + right[layer["region"] == "east"].mean() * 2 / 3
    assert facts["overall_accuracy"]["value"] == pytest.approx(expected) and facts["overall_accuracy"]["half_width"] > 0
    assert "Stehman 2014" in facts["design"]["text"] and facts["hectares"] == pytest.approx(81)
    with pytest.raises(DataError, match="has the strata “east”, “west”, which are no classes of the map, and nothing says how large they are."):
        assessed(folder, **given)


def test_a_map_without_an_error_has_limits_and_no_intervals(folder):
    """Drawn by area, 60 places count: 0.05^(1/60) = exp(-0.049929) = 0.951; of the 40 of crop 0.05^(1/40) = 0.928."""
    result, facts = assessed(folder, class_map=places.cover_map(folder), reference=places.cover_places_all_right(folder))
    assert facts["overall_accuracy"] == {"value": 1, "half_width": 0, "limit": pytest.approx(0.951, abs=5e-4)}
    assert result["overall_accuracy"] == 1 and "overall_half_width" not in result
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "Overall accuracy 1.000 (at least 0.951)" in text and "<td>1.000 (at least 0.928)</td>" in text and "± 0.0" not in text
    assert "All 40 places that the map calls crop are right. That is no proof: up to 7% of it may still be wrong" in text


def test_not_drawn_by_chance_there_are_figures_without_intervals(folder):
    heard = Listening()
    for design in ("auto", "not_random"):
        result, facts = assessed(folder, heard, class_map=places.cover_map(folder), reference=places.cover_places(folder), design=design)
        assert result["overall_accuracy"] == pytest.approx(0.9) and "overall_half_width" not in result
        assert by_name(facts, "estimated_ha")["crop"] == {"value": pytest.approx(51.3), "half_width": None}
    assert any("Nothing says how the places of" in text and "so the figures have no intervals" in text for text in heard.warnings)
    assert any("were not drawn by chance, so the figures have no intervals" in text for text in heard.warnings)


def test_pixels_in_degrees_have_the_area_of_their_latitude(folder):
    """Zones of the ellipsoid from the equator to 30° and from there to 60°, by their formula (Snyder 1987, equation 3-12)."""
    mapped = ClassMap({"path": str(places.cover_in_degrees(folder))})
    found = survey(mapped, np.zeros(0, int), np.zeros(0, int))
    major, flat = 6_378_137.0, 1 / 298.257223563
    e = math.sqrt(flat * (2 - flat))

    def zone(latitude):
        s = math.sin(math.radians(latitude))
        q = (1 - e**2) * (s / (1 - (e * s)**2) - math.log((1 - e * s) / (1 + e * s)) / (2 * e))
        return major**2 * math.radians(20) * q / 2

    assert found.areas == pytest.approx([zone(30), zone(60) - zone(30)], rel=1e-9)
    assert found.pixels.tolist() == [600, 600] and found.areas[0] > 1.3 * found.areas[1]


def test_polygons_as_units_worked_by_hand(folder):
    """The polygons of `test_areas.test_clusters_worked_by_hand`, on a map."""
    given = {"class_map": places.cover_map(folder), "reference": places.cover_polygons(folder), "polygons": "whole", "design": "field"}
    result, facts = assessed(folder, **given, stratum_field="stratum", stratum_size_field="area", places=str(folder / "seen.gpkg"))
    assert (result["overall_accuracy"], result["overall_half_width"]) == pytest.approx((0.75, 1.96 * 0.156125), abs=1e-5)
    seen = geopandas.read_file(folder / "seen.gpkg", layer="seen")
    assert seen["right_share"].tolist() == [0.8, 1, 0.25] and seen["result"].tolist() == ["right", "right", "wrong"]
    assert set(seen.geom_type) == {"Polygon"} and facts["reference"]["units"] == 3
    with pytest.raises(DataError, match="2 polygons or groups of places of .* lie in several classes of the map"):
        assessed(folder, class_map=given["class_map"], reference=given["reference"], polygons="whole")


def test_one_pixel_of_each_polygon(folder):
    """As many places as polygons; pixels are drawn by the seed, and one too small to hold the middle of a pixel counts where it lies."""
    given = {"class_map": places.cover_map(folder), "reference": places.cover_small_polygons(folder), "places": str(folder / "seen.gpkg")}
    _, facts = assessed(folder, **given)
    assert facts["reference"]["places"] == 13 and by_name(facts, "places_mapped") == {"crop": 7, "forest": 6}
    wide, outlines, found = {**given, "reference": places.cover_polygons(folder), "design": "not_random"}, places.polygon_boxes(), set()
    for seed in range(3):
        _, facts = assessed(folder, **wide, seed=seed)
        drawn = geopandas.read_file(folder / "seen.gpkg", layer="seen").geometry
        assert facts["reference"]["places"] == 3 and all(outline.contains(point) for outline, point in zip(outlines, drawn))
        found.add(tuple(drawn.to_wkt()))
    assert len(found) == 3, "the seed decides"


def test_a_pixel_of_a_polygon_counts_by_its_area(folder):
    """Of what the map calls crop it is right on a polygon of 40 px and wrong on one of 10 px: 40 / 50 of that ground, and not a half."""
    places._polygons(folder / "two.gpkg", [(0, 0, 5, 8), (10, 0, 12, 5), (10, 70, 12, 75)], code=[1, 2, 2])
    _, facts = assessed(folder, class_map=places.cover_map(folder), reference=folder / "two.gpkg", design="not_random")
    assert by_name(facts, "users_accuracy")["crop"]["value"] == pytest.approx(40 / 50)


def test_points_of_one_group_are_one_unit(folder):
    """All points twice, a step apart: alone they would seem to be twice as many, as groups they are what they were."""
    layer = geopandas.read_file(places.cover_places(folder))
    layer["field"] = np.arange(len(layer))
    beside = layer.set_geometry(layer.translate(1e-5, 0))
    twice = geopandas.GeoDataFrame(geopandas.pd.concat([layer, beside]), crs=layer.crs)
    twice.to_file(folder / "twice.gpkg")
    given = {"class_map": places.cover_map(folder), "reference": folder / "twice.gpkg"}
    once, _ = assessed(folder, **{**given, "reference": folder / "places.gpkg"})
    alone, _ = assessed(folder, **given)
    grouped, _ = assessed(folder, **given, group_field="field")
    assert grouped["overall_half_width"] == pytest.approx(once["overall_half_width"])
    assert alone["overall_half_width"] < 0.75 * once["overall_half_width"]


def test_a_stratum_of_one_place_is_refused_or_merged(folder):
    given = {"class_map": places.cover_map(folder), "reference": places.cover_places_one_of_forest(folder)}
    with pytest.raises(DataError, match="Some strata have fewer than 2 reference places, .*“forest” \\(1\\)."):
        assessed(folder, **given)
    heard = Listening()
    result, facts = assessed(folder, heard, **given, small_strata="merge")
    assert any("They are put together, as if places had been drawn alike in “forest”, “crop”." in text for text in heard.warnings)
    assert result["overall_half_width"] > 0 and facts["hectares"] == pytest.approx(81)


def test_classes_that_the_map_does_not_have(folder):
    given = {"class_map": places.cover_map(folder), "reference": places.cover_places_of_others(folder), "class_field": "name"}
    with pytest.raises(DataError, match="has a class that the map .* does not have: “water”. The map has 1 crop, 2 forest."):
        assessed(folder, **given)
    result, facts = assessed(folder, **given, foreign_classes="errors")
    assert result["overall_accuracy"] < 0.9 and by_name(facts, "producers_accuracy")["water"]["value"] == 0
    assert by_name(facts, "estimated_ha")["water"]["value"] == pytest.approx(81 * 2 / 3 * 2 / 40)


def test_places_on_training_ground_are_refused_or_left_out_with_it(folder):
    given = {"class_map": places.cover_map(folder), "reference": places.cover_places(folder), "dataset": places.training_tile_of_cover(folder)}
    with pytest.raises(DataError, match="16 of 60 reference places of .* lie on training ground, tiles of .* that the map was learned from, where"):
        assessed(folder, **given)
    heard = Listening()
    result, facts = assessed(folder, heard, **given, training_ground="leave_out")
    assert result["counted"] == 44 and facts["hectares"] == pytest.approx(81 - 0.01 * 32**2)
    assert by_name(facts, "mapped_ha") == {"crop": pytest.approx(54 - 10.24), "forest": pytest.approx(27)}
    assert any("they are left out, and the figures are of the other ground." in text for text in heard.warnings)
    _, whole = assessed(folder, class_map=given["class_map"], reference=given["reference"])
    assert whole["map"]["id"] == facts["map"]["id"], "the map is the same, whatever is left out"


def test_places_on_labels_that_were_learned_from(folder):
    """Of a point the pixel that it labels, of a polygon all that it touches."""
    layer = geopandas.read_file(places.cover_places(folder))
    layer[:5].to_file(folder / "labels.gpkg")
    given = {"class_map": places.cover_map(folder), "reference": folder / "places.gpkg", "training_labels": str(folder / "labels.gpkg")}
    with pytest.raises(DataError, match="5 of 60 reference places of .* lie on training ground, labels of .*labels.gpkg that the map was"):
        assessed(folder, **given)
    result, facts = assessed(folder, **given, training_ground="leave_out")
    assert result["counted"] == 55 and facts["hectares"] == pytest.approx(81 - 5 * 0.01)


def test_what_cannot_be_checked_is_said(folder):
    heard = Listening()
    reference = places.cover_places(folder)
    assessed(folder, heard, class_map=places.cover_map(folder), reference=reference)
    assessed(folder, heard, class_map=places.model_map(folder), reference=reference)
    assert any("because the map “cover.tif” does not say which model made it. If it was learned" in text for text in heard.warnings)
    assert any("does not say which ground its model cover-0123abcd has learned from. Give its dataset" in text for text in heard.warnings)


def test_places_seen_long_before_or_after_the_map(folder):
    heard = Listening()
    given = {"class_map": places.cover_map(folder), "reference": places.cover_places_long_ago(folder), "date_field": "day"}
    _, facts = assessed(folder, heard, **given)
    assert any("The map shows 2020-06-21, and 20 of 60 places were seen more than half a year before and 40 of 60 places were seen more than half a "
               "year after that day (2015-05-01 to 2023-09-09)." in text for text in heard.warnings)
    assert (facts["reference"]["first_day"], facts["reference"]["last_day"]) == ("2015-05-01", "2023-09-09")
    heard = Listening()
    assessed(folder, heard, class_map=given["class_map"], reference=places.cover_places(folder), date_field="day")
    assert not any("half a year" in text for text in heard.warnings)


def test_places_of_old_pictures_have_days(folder):
    table = geopandas.read_file(places.cover_places(folder)).assign(day="1965-03-01")
    table.to_file(folder / "old.gpkg")
    _, facts = assessed(folder, class_map=places.cover_map(folder), reference=folder / "old.gpkg", date_field="day")
    assert facts["reference"]["first_day"] == facts["reference"]["last_day"] == "1965-03-01"


def test_places_outside_and_without_a_class_are_left_out(folder):
    heard = Listening()
    result, _ = assessed(folder, heard, class_map=places.cover_map(folder), reference=places.cover_places_beyond(folder))
    assert result["counted"] == 60
    assert any("3 of 63 reference points are left out, because the map “cover.tif” does not reach them: 3 lie outside it." in text
               for text in heard.warnings)
    assert any("2 of 65 features of" in text and "have no class in the field “code”" in text for text in heard.warnings)


def test_a_sample_drawn_here_is_known_again(folder):
    """Of its own map it needs nothing but the layer; of a later map of the same ground it says so and is no less right."""
    sample = places.cover_sample(folder)
    heard = Listening()
    given = {"reference": sample, "design": "auto", "class_field": ""}
    result, facts = assessed(folder, heard, class_map=folder / "cover.tif", **given)
    assert "The sample was drawn from this map" in facts["design"]["text"] and result["overall_half_width"] > 0
    assert facts["reference"]["first_day"] == "2020-07-01" and facts["hectares"] == pytest.approx(81)
    heard = Listening()
    result, facts = assessed(folder, heard, class_map=places.later_map(folder), **given)
    assert any("was drawn from another map" in text and "so the estimator of Stehman (2014) is used" in text for text in heard.warnings)
    assert result["overall_half_width"] > 0 and facts["design"]["kind"] == "field"


def test_a_sample_on_a_map_that_numbers_its_classes_otherwise(folder):
    """Classes are known by their names: the same values mean something else there."""
    given = {"reference": places.cover_sample(folder), "design": "auto", "class_field": ""}
    own, _ = assessed(folder, class_map=folder / "cover.tif", **given)
    turned, facts = assessed(folder, class_map=places.turned_map(folder), **given)
    assert turned["overall_accuracy"] == pytest.approx(own["overall_accuracy"], abs=1e-6)
    assert [row["name"] for row in facts["classes"]] == ["forest", "crop"]
    layer = geopandas.read_file(folder / "labelled.gpkg")
    layer.assign(legend="{").to_file(folder / "damaged.gpkg")
    with pytest.raises(DataError, match="The field “legend” of .*damaged.gpkg .* Draw the sample again."):
        assessed(folder, class_map=folder / "cover.tif", **{**given, "reference": folder / "damaged.gpkg"})


def test_training_ground_that_is_left_out_makes_the_strata_of_a_sample_smaller(folder):
    """Drawn over the whole map, and judged without the training ground: figures and mapped areas are of the rest."""
    sample, dataset = places.cover_sample(folder), places.training_tile_of_cover(folder)
    given = {"reference": sample, "design": "auto", "class_field": "", "dataset": dataset, "training_ground": "leave_out"}
    _, facts = assessed(folder, class_map=folder / "cover.tif", **given)
    assert facts["hectares"] == pytest.approx(81 - 10.24)
    assert sum(by_name(facts, "mapped_ha").values()) == pytest.approx(81 - 10.24)
    with pytest.raises(DataError, match=r"places of .* lie on training ground, and the sample was drawn from another map .* whose areas without"):
        assessed(folder, class_map=places.later_map(folder), **given)


def test_a_sample_of_which_a_class_was_not_labelled(folder):
    """Ground of which no place was labelled is not left out without a word."""
    layer = geopandas.read_file(places.cover_sample(folder))
    layer.loc[layer["stratum"] == 2, "class"] = None
    layer.to_file(folder / "part.gpkg")
    given = {"class_map": folder / "cover.tif", "reference": folder / "part.gpkg", "design": "auto", "class_field": ""}
    with pytest.raises(DataError, match="so that nothing is known of their spread: “forest” \\(0\\)."):
        assessed(folder, **given)
    _, facts = assessed(folder, **given, small_strata="merge")
    assert facts["hectares"] == pytest.approx(81)


def test_a_drawn_sample(folder):
    sample = folder / "sample.gpkg"
    result = JOBS["plan_assessment"].from_values({"class_map": str(places.cover_map(folder)), "half_width": 0.05, "expected": 0.9, "least": 50,
                                                  "output": str(sample)}).run(SILENT)
    drawn = geopandas.read_file(sample, layer="assessment_sample")
    # (Σ W √(.9 · .1))² (1.96/.05)² = 138.3; the third that is forest is no rare class with 46 < 50 places, so it gets 50.
    assert result["drawn"] == 139 == len(drawn) and drawn["stratum"].value_counts().to_dict() == {1: 89, 2: 50}
    assert drawn["class"].isna().all() and drawn["date"].isna().all() and set(drawn["stratum_ha"].round(6)) == {54.0, 27.0}
    cols = ((shapely.get_x(drawn.geometry) - places.ORIGIN[0]) / 10).to_numpy()
    assert ((cols < 60) == (drawn["stratum"] == 1)).all() and (np.mod(cols, 1) == 0.5).all()
    assert len(set(map(tuple, drawn.get_coordinates().to_numpy()))) == 139, "no pixel twice"
    style = (folder / "sample.qml").read_text(encoding="utf-8")
    assert all(words in style for words in ('type="ValueMap"', 'name="forest" value="2"', 'type="DateTime"', 'to be labelled'))
    assert style.count('type="Hidden"') == 5, "neither what the map says is shown nor the row number of the file"
    assert '<field name="id" editable="0"/>' in style


def test_the_places_are_counted_before_they_are_drawn(folder):
    heard = Listening()
    result = JOBS["plan_assessment"].from_values({"class_map": str(places.cover_map(folder)), "output": str(folder / "sample.gpkg")}).run(heard)
    # .85 · .15 (1.96 / d)² = 195.9, 1224.5, 544.2 and 49.0 for d = .05, .02, .03 and .1; of the last, each of the two classes gets 50.
    told = [text for text in heard.texts if "to be labelled" in text]
    assert result["drawn"] == 196 and told == [
        "196 places are to be labelled for ± 0.05 in the overall accuracy, if the classes are as accurate as expected. “Half width of the interval” "
        "decides: 0.02 takes 1225, 0.03 takes 545, 0.1 takes 100."]
    before = [event.get("text", "") for event in heard.events]
    assert before.index(told[0]) < before.index("Drawing the places")


def test_more_places_than_a_class_has_pixels_are_all_of_them(folder):
    values = places.cover_values()
    values[:, 60:] = 1
    values[0, :7] = 2
    path = places.write_raster(folder / "rare.tif", values, nodata=255)
    JOBS["plan_assessment"].from_values({"class_map": str(path), "output": str(folder / "sample.gpkg")}).run(SILENT)
    drawn = geopandas.read_file(folder / "sample.gpkg", layer="assessment_sample")
    assert (drawn["stratum"] == 2).sum() == 7


def test_a_sample_gives_the_interval_that_is_wanted(folder):
    """Also where rare classes take places from the others; of ten places in all, they give what they can."""
    values = np.repeat(np.array([1, 2, 3, 4], np.uint8), (7600, 200, 200, 100)).reshape(90, 90)
    path = str(places.write_raster(folder / "rare.tif", values, nodata=255))
    for half_width in (0.02, 0.03):
        given = {"class_map": path, "half_width": half_width, "output": str(folder / "sample.gpkg")}
        result = JOBS["plan_assessment"].from_values(given).run(SILENT)
        drawn = geopandas.read_file(folder / "sample.gpkg", layer="assessment_sample")["stratum"].value_counts()
        shares = np.array([7600, 200, 200, 100]) / 8100
        reached = 1.96 * math.sqrt(sum(shares**2 * 0.85 * 0.15 / drawn[[1, 2, 3, 4]]))
        assert result["expected_half_width"] == pytest.approx(reached, abs=1e-6) and 0.93 * half_width < reached <= half_width
        assert drawn[2] == drawn[3] == drawn[4] == 50
    result = JOBS["plan_assessment"].from_values({**given, "count": 10, "least": 2}).run(SILENT)
    assert result["drawn"] == 10 and result["expected_half_width"] > 0.1


def test_no_place_is_drawn_on_training_ground(folder):
    values = {"class_map": str(places.cover_map(folder)), "dataset": str(places.training_tile_of_cover(folder)), "count": 1000,
              "output": str(folder / "sample.gpkg")}
    JOBS["plan_assessment"].from_values(values).run(SILENT)
    drawn = geopandas.read_file(folder / "sample.gpkg", layer="assessment_sample")
    x, y = drawn.get_coordinates().to_numpy().T - np.array([[places.ORIGIN[0]], [places.ORIGIN[1]]])
    assert len(drawn) == 1000 and not ((x < 320) & (y > -320)).any() and ((x < 320) & (y < -320)).any()
    assert set(drawn["stratum_ha"].round(6)) == {54 - 10.24, 27.0}
    drawn["class"] = drawn["stratum"]
    drawn.to_file(folder / "labelled.gpkg")
    _, facts = assessed(folder, class_map=values["class_map"], reference=folder / "labelled.gpkg", dataset=values["dataset"], design="auto",
                        class_field="")
    assert facts["hectares"] == pytest.approx(81 - 10.24) == sum(by_name(facts, "mapped_ha").values())
    _, facts = assessed(folder, class_map=values["class_map"], reference=folder / "labelled.gpkg", design="auto", class_field="")
    assert facts["hectares"] == pytest.approx(81 - 10.24), "the figures are of the ground it was drawn from"
    assert "The places stand for 70.76 ha, and the map shows 81.00 ha" in (folder / "report.html").read_text(encoding="utf-8")


def test_places_are_drawn_by_area(folder):
    """In degrees a pixel near 30° is smaller than one at the equator: rows 0 to 5° get as many more places as they have more area."""
    mapped = ClassMap({"path": str(places.cover_in_degrees(folder))})
    found = survey(mapped, np.zeros(0, int), np.zeros(0, int))
    rows = np.concatenate([_drawn(mapped, found.classes, (60, 60), None, np.random.default_rng(seed), SILENT)[0] for seed in range(300)])
    low, high = ((rows >= 55).sum(), ((rows >= 30) & (rows < 35)).sum())
    assert high / low == pytest.approx(math.cos(math.radians(27.5)) / math.cos(math.radians(2.5)), abs=0.05)


def test_places_without_a_class_on_the_map_are_left_out(folder):
    """The map shows nothing in its upper ten rows, whose value in the file is 255, the largest of 8 bits."""
    values = places.cover_values()
    values[:10] = 255
    path = places.write_raster(folder / "gap.tif", values, nodata=255)
    rows, cols = np.array([5, 15]), np.array([3, 80])
    found = survey(ClassMap({"path": str(path)}), rows, cols)
    assert found.found.tolist() == [255, 1] and found.pixels.tolist() == [4800, 2400]
    assert np.unique(found.picture[:10]).tolist() == [255] and np.unique(found.picture[10:]).tolist() == [0, 1]
    heard = Listening()
    _, facts = assessed(folder, heard, class_map=path, reference=places.cover_places(folder))
    beside = int((places._places()[0] < 10).sum())
    assert facts["reference"]["places"] == 60 - beside
    assert any(f"{beside} of 60 reference points are left out" in text and f"{beside} lie where it has no class" in text for text in heard.warnings)

"""What all pages share: the locator map, scale bar, north, confusion by row, settings in words."""

import numpy as np
import pyproj
import pytest
import shapely

from eo_pretrain_qgis.engine.looks import locator as looks
from eo_pretrain_qgis.engine.looks.locator import locator
from eo_pretrain_qgis.engine.looks.map_picture import map_picture, north, scale_bar
from eo_pretrain_qgis.engine.looks.place import around, crs_words, dates_words, files_words, length, outline_of, size_words
from eo_pretrain_qgis.engine.looks.score_tables import confusion_table, row_shares
from eo_pretrain_qgis.engine.rasters.grid import Grid
from eo_pretrain_qgis.engine.runs.settings_table import setting_rows
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.training import words_of


def grid(crs, x, y, step=10.0, width=100, height=80):
    return Grid(pyproj.CRS.from_user_input(crs).to_wkt(), (step, 0.0, x, 0.0, -step, y), width, height)


def test_the_locator_finds_land_sea_and_every_place():
    assert shapely.contains_xy(looks._ocean(), [-30, 14.5, 178, 0], [40, 46, -25, 89]).tolist() == [True, False, True, True]
    middle = (14.5, 46.0)
    places = np.array([[14.5, 46.0], [14.5, 47.0], [-150.0, -20.0], [179.0, 80.0]])
    seen = looks._seen_from(middle, places)
    assert seen[0] == pytest.approx([0, 0], abs=1e-9) and seen[1] == pytest.approx([0, 1], abs=1e-9), "a degree to the north"
    assert looks._on_earth(middle, seen) == pytest.approx(places)
    drawn = locator([shapely.box(177, -18, 182, -15)], "Fiji <&>")
    assert drawn.startswith("<svg") and "Fiji &lt;&amp;&gt;" in drawn and ">180°<" in drawn and drawn.count("<polygon") == 1
    assert "<circle" in locator([shapely.box(14, 46, 14.1, 46.1)], "small"), "a ring around what is too small to see"
    assert locator([], "nowhere") == ""


@pytest.mark.parametrize(("most", "metres", "words"), [(4.2, 2, "2 m"), (999, 500, "500 m"), (1000, 1000, "1 km"), (2600, 2000, "2 km"),
                                                       (49_999, 20_000, "20 km"), (3.2e6, 2e6, "2,000 km")])
def test_scale_bars_have_round_lengths(most, metres, words):
    assert scale_bar(most) == (pytest.approx(metres), words)


def test_north_is_where_it_is():
    assert north(grid("EPSG:32633", 499_500, 5_300_400)) == pytest.approx(0, abs=0.01), "on the middle meridian"
    # In the polar stereographic projection with −45° upward, north at 0° E is 45° to the left, at 90° W to the right.
    forward = pyproj.Transformer.from_crs("EPSG:4326", "EPSG:3413", always_xy=True)
    for longitude, expected in ((0, -45), (-90, 45), (-45, 0)):
        x, y = forward.transform(longitude, 75)
        assert north(grid("EPSG:3413", x - 500, y + 400)) == pytest.approx(expected, abs=0.1)
    x, y = forward.transform(0, 75)
    drawn = map_picture(np.zeros((8, 10, 3), np.uint8), grid("EPSG:3413", x - 500, y + 400), "<ice>")
    assert "North is 45° to the left of upward" in drawn and "&lt;ice&gt;" in drawn and ">200 m</text>" in drawn
    drawn = map_picture(np.zeros((8, 10, 3), np.uint8), grid("EPSG:32633", 499_500, 5_300_400), "map")
    assert "h180.0v-8" in drawn and "figcaption" not in drawn, "200 of 1000 m, and the map is 900 wide"


def test_places_in_words():
    assert around([shapely.box(16.1, 48.6, 16.3, 48.8)]) == "around 48.700° N, 16.200° E"
    assert around([shapely.box(-70, -5, -60, 3)]) == "5.0° S to 3.0° N, 70.0° W to 60.0° W"
    assert crs_words("EPSG:32633") == "WGS 84 / UTM zone 33N (EPSG:32633)"
    assert dates_words(["2020-05-02", "2020-05-01", None, "2020-05-02"]) == "2020-05-01, 2020-05-02" and dates_words([None, ""]) == ""
    assert files_words(["/a/b.tif", "/c/b.tif", "d/"]) == "b.tif, d"
    west, north = pyproj.Proj("+proj=utm +zone=33")(499_500, 5_300_400, inverse=True)
    east, south = pyproj.Proj("+proj=utm +zone=33")(500_500, 5_299_600, inverse=True)
    assert outline_of(grid("EPSG:32633", 499_500, 5_300_400)).bounds == pytest.approx((west, south, east, north), abs=1e-5)


def test_places_across_the_date_line_and_around_the_poles():
    """UTM zone 60 goes on beyond 180°; a place around a pole reaches all longitudes and the pole itself."""
    fiji = outline_of(grid("EPSG:32660", 700_000, 1_000_000, 10_000, 20, 10))
    lonlat = pyproj.Transformer.from_crs("EPSG:32660", "EPSG:4326", always_xy=True)
    west, east = lonlat.transform(700_000, 1_000_000)[0], lonlat.transform(900_000, 1_000_000)[0] + 360
    assert fiji.bounds[::2] == pytest.approx((west, east), abs=0.02) and around([fiji]) == "8.1° N to 9.0° N, 178.8° E to 179.4° W"
    assert around([shapely.box(179.5, -18, 179.8, -17.8), shapely.Point(-179.9, -17.9)]) == "around 17.900° S, 179.800° E"
    assert around([shapely.box(-175, 0, -170, 5), shapely.box(170, 0, 175, 5)]) == "0.0° N to 5.0° N, 170.0° E to 170.0° W"
    assert around([shapely.box(-10, 0, 100, 5), shapely.box(5, 0, 10, 5)]) == "0.0° N to 5.0° N, 10.0° W to 100.0° E"
    pole = outline_of(grid("EPSG:3413", -50_000, 50_000, 10_000, 20, 10))
    assert pole.bounds[3] == 90 and around([pole]) == f"{pole.bounds[1]:.1f}° N to 90.0° N, all longitudes"
    assert outline_of(grid("EPSG:3031", -50_000, 50_000, 10_000, 10, 10)).bounds[1] == -90
    assert around([outline_of(grid("EPSG:4326", -180, 90, 10, 36, 18))]) == "90.0° S to 90.0° N, all longitudes"
    assert locator([pole], "pole").count("<polygon") == 1


def test_sizes_have_no_powers_of_ten():
    assert size_words(grid("EPSG:32633", 400_000, 5_300_000, 10_000, 20, 10)) == "20 × 10 pixels of 10,000 × 10,000 m: 200 km × 100 km"
    assert [length(metres) for metres in (9.5, 999.4, 999.6, 3210)] == ["9.5 m", "999 m", "1.0 km", "3.2 km"]


def test_confusion_is_told_by_row_too():
    counts = np.array([[3, 1, 0], [0, 0, 0], [1, 0, 4]])
    shares = row_shares(counts)
    assert shares[0].tolist() == [0.75, 0.25, 0] and np.isnan(shares[1]).all() and shares[2].tolist() == [0.2, 0, 0.8]
    told = confusion_table(["a<", "b", "c"], counts)
    assert "a&lt;" in told and ">75.0</td>" in told and ">80.0</td>" in told and told.count("<td>–</td>") == 3


def test_settings_are_called_as_the_dialog_calls_them():
    words = words_of(JOBS["finetune"])
    label = JOBS["finetune"].parameters()["learning_rate"].label
    approach = JOBS["finetune"].parameters()["approach"]
    rows = setting_rows({"learning_rate": None, "approach": approach.options[0], "early_season": True, "old_name": 3}, words,
                        ("learning_rate", "approach", "early_season", "old_name"))
    assert rows[0] == (label, "–") and rows[1] == (approach.label, approach.labels[0]) and rows[2][1] == "yes" and rows[3] == ("old name", "3")

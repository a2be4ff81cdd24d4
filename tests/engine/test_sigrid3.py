import pytest

from eo_pretrain_qgis.engine.themes.sea_ice.classes import SCHEMES, classify
from eo_pretrain_qgis.engine.themes.sea_ice.sigrid3 import code_of, read_eggs, rows_text, strange_text, tenths

FIELDS = ("POLY_TYPE", "CT", "CA", "SA", "FA", "CB", "SB", "FB", "CC", "SC", "FC")


def eggs(*rows):
    return read_eggs({name: [row[number] if number < len(row) else None for row in rows] for number, name in enumerate(FIELDS)})


@pytest.mark.parametrize(("written", "code"), [("01", 1), ("1", 1), (1.0, 1), (91, 91), ("-9", None), ("99", None), (99.0, None), ("", None),
                                               (None, None), (float("nan"), None), ("9+", "9+"), ("X", None)])
def test_codes_are_read_however_they_are_written(written, code):
    assert code_of(written) == code


@pytest.mark.parametrize(("code", "amount"), [(0, 0), (1, 0), (2, 0), (55, 0), (90, 9), (91, 10), (92, 10), (13, 2), (46, 5), (89, 8.5), (81, 9)])
def test_concentrations(code, amount):
    assert tenths(code) == amount


@pytest.mark.parametrize(("row", "stage", "six_types"), [
    (("W", "99"), 0, 0),
    (("I", "01", "-9", "98", "10"), 0, 0),                                                # bergy or open water, whatever drifts in it
    (("I", "92", "-9", "81", "99"), 1, 1),                                                # one kind of ice: its concentration is the total
    (("I", "90", "50", "93", "06", "40", "91", "05"), 4, "mixed"),                        # medium and thick are one class in AI4Arctic
    (("I", "91", "50", "95", "06", "30", "96", "05", "20", "97", "04"), 5, 5),            # three kinds of old ice are one class
    (("I", "90", "60", "87", "05", "30", "84", "03"), 3, 4),                              # 6 of 9 tenths are more than 0.65
    (("I", "91", "60", "87", "05", "40", "84", "03"), "mixed", "mixed"),                  # 6 of 10 tenths are not
    (("I", "80", "50", "84", "01", "30", "81", "22"), "mixed", 2),                        # brash of young and pancakes of new ice
    (("I", "92", "-9", "86", "06"), 4, "no class"),                                       # first-year ice of unknown thickness
    (("I", "92", "90", "98", "10", "10", "95", "06"), "no class", "no class"),            # glacier ice is no sea ice
    (("I", "92", "-9", "99", "99"), "stage", "stage"),
    (("L",), "land", "land"), (("S",), "shelf", "shelf"), (("N",), "nothing", "nothing"), ((None,), "nothing", "nothing")])
def test_stage_and_six_types(row, stage, six_types):
    for scheme, expected in (("stage", stage), ("six_types", six_types)):
        values, reasons = classify(eggs(row)[0], SCHEMES[scheme])
        assert values == [None if isinstance(expected, str) else expected], scheme
        assert reasons == ({expected: [0]} if isinstance(expected, str) else {})


@pytest.mark.parametrize(("row", "lowest", "ice_water", "concentration"), [
    (("I", "55"), 1, 0, 0), (("I", "10"), 1, 1, 10), (("I", "50"), 8, "between", 50), (("I", "79"), 8, 1, 80),
    (("I", "99", "-9", "93"), 1, 1, "total"),
    (("I", "99", "-9", "93"), 8, "total", "total"), (("I", "13"), 1, 1, 20), (("I", "91"), 10, 1, 100)])
def test_ice_water_and_concentration(row, lowest, ice_water, concentration):
    for scheme, expected in (("ice_water", ice_water), ("concentration", concentration)):
        values, reasons = classify(eggs(row)[0], SCHEMES[scheme], lowest=lowest)
        assert (values[0], list(reasons)) == ((None, [expected]) if isinstance(expected, str) else (expected, []))


def test_the_dominant_share_can_be_chosen():
    egg = eggs(("I", "92", "60", "95", "06", "40", "84", "03"))[0]
    assert classify(egg, SCHEMES["stage"], dominant=0.6)[0] == [5] and classify(egg, SCHEMES["stage"], dominant=0.7)[0] == [None]


def test_codes_that_are_not_in_the_tables_are_named_with_their_rows():
    found, strange = eggs(("I", "92", "-9", "45"), ("I", "93"), ("Q", "92", "-9", "45"))
    assert [(item.field, item.code, item.rows) for item in strange] == [("SA", "45", (0, 2)), ("CT", "93", (1,)), ("POLY_TYPE", "Q", (2,))]
    assert strange_text(strange, [7, 8, 9]) == "SA = 45 in rows 8, 10; CT = 93 in row 9; POLY_TYPE = Q in row 10"
    assert found[0].parts == () and found[1].total is None
    assert rows_text(list(range(8))) == "rows 1, 2, 3, 4, 5 and 3 more"


def test_a_chart_with_kinds_only_tells_ice_from_water():
    found, _ = read_eggs({"POLY_TYPE": ["I", "W", "L"]})
    assert classify(found, SCHEMES["ice_water"])[0] == [1, 0, None]


def test_the_canadian_chart(real_data):
    import geopandas

    chart = geopandas.read_file(real_data / "seaice" / "cis_sigrid3" / "06092021_CEXPRWA.shp", ignore_geometry=True)
    found, strange = read_eggs({name: chart[name].tolist() for name in (*FIELDS, "CN", "CD")})
    values, reasons = classify(found, SCHEMES["stage"])
    assert strange == [] and {key: len(rows) for key, rows in reasons.items()} == {"land": 91, "mixed": 49}
    assert [values.count(value) for value in range(6)] == [25, 9, 0, 0, 26, 69]

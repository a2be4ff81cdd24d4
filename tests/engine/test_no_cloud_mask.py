"""That clouds become ground is said once in a job, by every map run of images that clouds hide."""

from types import SimpleNamespace

import pytest

from eo_pretrain_qgis.engine.mapping.clouds.sources import FlagLayer
from eo_pretrain_qgis.engine.mapping.products import ClassMap, Embedding, SyntheticImage
from eo_pretrain_qgis.engine.mapping.products.survey import Survey
from eo_pretrain_qgis.engine.mapping.request import MASKS, mask_tag, tell_of_no_mask
from eo_pretrain_qgis.jobs.mapping import OUT_OF_RANGE, _figure

from ..listening import Listening

OPTICAL = SimpleNamespace(bands=[SimpleNamespace(unit="reflectance")])
UNNAMED = SimpleNamespace(bands=[SimpleNamespace(unit="unknown")])
RADAR = SimpleNamespace(bands=[SimpleNamespace(unit="dB"), SimpleNamespace(unit="degree")])


@pytest.mark.parametrize(("seen", "masks", "tags"), [
    ([OPTICAL], [], {MASKS: "[]"}), ([UNNAMED], [], {MASKS: "[]"}), ([RADAR, OPTICAL], (), {MASKS: "[]"}), ([RADAR], [], {}),
    ([OPTICAL], [{"path": "clouds.tif"}], {MASKS: '["clouds.tif"]'})])
def test_it_is_said_of_optical_images_without_a_mask(seen, masks, tags):
    assert mask_tag(seen, masks) == tags
    heard = Listening()
    for _ in range(2):
        tell_of_no_mask(tags, heard)
    assert heard.texts == (["No cloud mask was given; clouds are mapped as ground."] if tags == {MASKS: "[]"} else [])


@pytest.mark.parametrize(("products", "said"), [
    ([ClassMap, Survey], "clouds are mapped as ground"), ([Survey], "places under clouds may be suggested"),
    ([Embedding], "where there are clouds, the numbers describe the clouds"), ([SyntheticImage], "clouds are translated as if they were ground"),
    ([ClassMap, FlagLayer], "")])
def test_what_is_said_is_of_the_product(products, said):
    heard = Listening()
    tell_of_no_mask({MASKS: "[]"}, heard, products)
    assert heard.texts == ([f"No cloud mask was given; {said}."] if said else [])


def test_shares_are_percent_in_a_report():
    assert _figure("out_of_range_share", OUT_OF_RANGE.text, 0.0312) == (
        "Share of the valid pixels outside the training range of the model, in the worst band", "3.12%")
    assert _figure("fields", "Number of fields", 12) == ("Number of fields", 12)

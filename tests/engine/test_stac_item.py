"""The STAC item inside a model file passes the schemas of STAC and of the extensions it names; see tests/schemas/stac."""

import json
from pathlib import Path

import onnx
import pytest

from eo_pretrain_qgis.engine.models import metadata as model_metadata
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.fixed_tile import write_fixed_tile
from tests import networks

jsonschema = pytest.importorskip("jsonschema", reason="The check of STAC items needs jsonschema.")
referencing = pytest.importorskip("referencing")
SCHEMAS = [json.loads(path.read_text(encoding="utf-8")) for path in (Path(__file__).parents[1] / "schemas" / "stac").glob("*.json")]
#: Addresses that two of them get wrong of themselves.
RIGHT = {"https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/commonjson": "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/common.json",
         "https://stac-extensions.github.io/processing/v1.0.0/schema.json": "https://stac-extensions.github.io/processing/v1.1.0/schema.json"}
CORE = "https://schemas.stacspec.org/v1.1.0/item-spec/json-schema/item.json"


def faults(item):
    schemas = {RIGHT.get(found["$id"].rstrip("#"), found["$id"].rstrip("#")): found for found in SCHEMAS}
    registry = referencing.Registry().with_resources((uri, referencing.Resource.from_contents(found)) for uri, found in schemas.items())
    return [f"{uri}: {error.json_path} {error.message}" for uri in (CORE, *item["stac_extensions"])
            for error in jsonschema.Draft7Validator(schemas[uri], registry=registry).iter_errors(item)]


def item_in(path):
    return json.loads(next(entry.value for entry in onnx.load(path).metadata_props if entry.key == "stac_mlm"))


@pytest.mark.parametrize("facts", [{}, {"wavelength_um": 0.49}], ids=["no wavelength", "optical"])
def test_a_model_file_passes(folder, facts):
    model = networks.write_threshold_model(folder / "a name with spaces, ü.onnx", bands=(networks.band("B02", **facts), "B03"))
    item = item_in(model)
    assert (model_metadata.EO_SCHEMA in item["stac_extensions"]) == bool(facts)
    assert faults(item) == []
    fixed = write_fixed_tile(package.open(model), 64, str(folder / "fixed.onnx"))
    assert faults(item_in(fixed.path)) == []


def test_other_origins_and_tasks_pass():
    said = networks.description(licence="my own words", provenance={"start": "Starting weights: 60 tensors taken over."})
    assert faults(model_metadata.stac_item(said, "a.onnx")) == []
    fields = networks.description(task="fields", beside=["distance"])
    assert faults(model_metadata.stac_item(fields, "a.onnx")) == []
    assert [row["name"] for row in model_metadata.stac_item(fields)["properties"]["mlm:output"]] == ["probabilities", "distance"]
    assert model_metadata.deepness_keys(fields) == {}, "it opens models of one output"
    target = {"sensor": "s2", "bands": [networks.band("B04")]}
    assert faults(model_metadata.stac_item(networks.description(task="translation", target=target, classes=()), "a.onnx")) == []
    embedding = networks.description(task="embedding", target={"sensor": "emb_0123abcd", "bands": [networks.band("emb_0123abcd_001")]}, classes=())
    item = model_metadata.stac_item(embedding, "a.onnx")
    assert faults(item) == [] and item["properties"]["mlm:output"][0]["bands"] == ["emb_0123abcd_001"]
    assert model_metadata.deepness_keys(embedding) == {}, "it shows one band of numbers"
    both = [networks.taken(name="s2"), networks.taken(("VV", "VH"), "s1", axes="tb")]
    assert faults(model_metadata.stac_item(networks.description(inputs=both), "a.onnx")) == []
    crops = networks.description(task="series", inputs=[networks.taken(name="s2", axes="tb") | {"season": {"days": [60.0, 90.0, 120.0]}}])
    item = model_metadata.stac_item(crops, "a.onnx")
    assert faults(item) == []
    assert [port["name"] for port in item["properties"]["mlm:input"]] == ["s2", "s2_days"]
    assert item["properties"]["mlm:output"][0]["result"]["dim_order"] == ["batch", "class"]
    assert model_metadata.deepness_keys(crops) == {}, "it opens models of images"


def test_the_check_finds_what_is_wrong():
    item = model_metadata.stac_item(networks.description(), "a.onnx")
    del item["assets"]["model"]["bands"]
    assert [fault.startswith(f"{CORE}: $.properties ") for fault in faults(item)] == [True]
    item = model_metadata.stac_item(networks.description(), "a.onnx")
    item["properties"]["mlm:tasks"] = "guessing"
    assert any("mlm" in fault for fault in faults(item))

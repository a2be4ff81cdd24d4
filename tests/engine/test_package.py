"""The model file: what is written comes back, and what must not be used is refused with a sentence."""

import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from eo_pretrain_qgis.engine.models import metadata as model_metadata
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models import report as model_report
from eo_pretrain_qgis.engine.models.fixed_tile import write_fixed_tile
from eo_pretrain_qgis.engine.models.session import asked_device
from eo_pretrain_qgis.errors import EngineError, ModelError
from tests import networks


@pytest.fixture
def model(folder):
    return networks.write_threshold_model(folder / "model.onnx")


def refusal(path):
    with pytest.raises(ModelError) as caught:
        package.open(path)
    return str(caught.value)


def with_description(path, **changes):
    """Rewrites the description inside a model file behind the package's back; None takes a key out. What inputs say is changed in the first."""
    model = onnx.load(path)
    of_input = {key: changes.pop(key) for key in ("bands", "fill", "preset") if key in changes}
    for entry in model.metadata_props:
        if entry.key == package.KEY:
            changed = json.loads(entry.value) | changes
            if of_input:
                changed["inputs"][0] |= of_input
            entry.value = json.dumps({key: value for key, value in changed.items() if value is not None})
    onnx.save(model, path)
    return path


def test_what_is_written_comes_back(model):
    read = package.open(model)
    assert read.id == "halves-0123abcd"
    assert [(band.name, band.unit, band.mean) for band in read.image.bands] == [("B02", "reflectance", 1000.0)]
    assert [(row.value, row.name, row.color) for row in read.classes] == [(1, "water", "#1f77b4"), (2, "forest", "#2ca02c")]
    assert (read.stride, read.halo, read.image.fill, read.resolution_m) == (1, 0, (1000.0,), (10.0, 10.0))
    assert len(read.sha256) == 64


def test_the_network_runs_on_raw_values(model):
    session = package.open(model).session("cpu")
    probabilities = session.run({"image": np.array([[[[1000, 2000]]]], np.float32)})
    assert probabilities.shape == (1, 2, 1, 2)
    assert probabilities.argmax(1).ravel().tolist() == [0, 1]
    assert session.device == "cpu (OpenVINO)"


def test_it_can_be_written_again_from_itself(model, folder):
    again = package.write(model, package.open(model).description, folder / "again.onnx")
    assert again.description == package.open(model).description


def test_the_stac_item_names_bands_and_classes(model):
    properties = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    item = json.loads(properties["stac_mlm"])
    assert item["assets"]["model"]["href"] == "./model.onnx"
    assert item["assets"]["model"]["bands"] == [{"name": "B02"}]
    assert item["stac_extensions"] == [model_metadata.MLM_SCHEMA, model_metadata.RASTER_SCHEMA]
    said = item["properties"]
    assert said["mlm:tasks"] == ["semantic-segmentation"]
    assert said["mlm:input"][0]["bands"] == ["B02"]
    assert said["mlm:input"][0]["input"]["shape"] == [-1, 1, -1, -1]
    assert said["mlm:input"][0]["input"]["dim_order"] == ["batch", "bands", "height", "width"]
    assert [row["color_hint"] for row in said["mlm:output"][0]["classification:classes"]] == ["1F77B4", "2CA02C"]
    assert (said["mlm:pretrained"], said["mlm:pretrained_source"]) == (False, None)


def test_deepness_gives_the_graph_raw_values(model):
    properties = {entry.key: json.loads(entry.value) for entry in onnx.load(model).metadata_props}
    assert properties["model_type"] == "Segmentor"
    assert properties["class_names"] == {"0": "water", "1": "forest"}
    assert properties["resolution"] == 1000  # cm
    assert properties["tile_size"] == properties["tiles_size"] == 256
    assert (properties["seg_thresh"], properties["seg_small_segment"], properties["tiles_overlap"]) == (0, 0, 0)
    assert {key: type(value) for key, value in properties.items() if key not in (package.KEY, "stac_mlm")} == {
        "model_type": str, "class_names": dict, "resolution": float, "tile_size": int, "tiles_size": int, "tiles_overlap": int,
        "standardization_mean": list, "standardization_std": list, "seg_thresh": float, "seg_small_segment": int}
    fed = (1234 / 255 - properties["standardization_mean"][0]) / properties["standardization_std"][0]
    assert fed == pytest.approx(1234)


@pytest.mark.parametrize(("tile", "halo", "stride", "overlap"), [(256, 32, 32, 25), (256, 64, 32, 50), (512, 128, 32, 50), (512, 40, 32, 25),
                                                                (300, 40, 1, 27), (256, 120, 32, 75)])
def test_deepness_throws_away_half_of_the_overlap_on_each_side(tile, halo, stride, overlap):
    said = model_metadata.deepness_keys(networks.description(fixed_tile=tile, halo=halo, stride=stride))
    assert (said["tile_size"], said["tiles_overlap"]) == (tile, overlap)
    assert overlap == 75 or int(tile * overlap / 100 * 2) // 2 // 2 >= halo  # as in its processing_overlap.py and tile_params.py


def test_the_file_is_of_the_version_that_older_programs_read(model, folder):
    newer = onnx.load(model)
    newer.ir_version = 10
    package.write(newer, package.open(model).description, folder / "again.onnx")
    assert onnx.load(folder / "again.onnx").ir_version == onnx.load(model).ir_version == 9


def test_operators_that_older_programs_do_not_know_are_refused(model, folder):
    newer = onnx.load(model)
    newer.opset_import[0].version = 21
    with pytest.raises(ModelError, match="uses operators of version 21, and a model file may use those up to 20"):
        package.write(newer, package.open(model).description, folder / "again.onnx")


def test_a_fixed_tile_that_the_description_does_not_know_is_refused(model):
    assert "takes tiles of any px, but its description says 256 px and a stride of 1 px" in refusal(with_description(model, fixed_tile=256))


def test_a_network_for_oblong_tiles_is_refused(model, folder):
    oblong = onnx.load(model)
    oblong.graph.input[0].type.tensor_type.shape.dim[3].dim_value = 128
    with pytest.raises(ModelError, match="takes images of any x 128 px, and maps need square tiles"):
        package.write(oblong, package.open(model).description, folder / "oblong.onnx")


@pytest.mark.parametrize(("given", "allowed"), [("Äcker 2020 (S2)", "cker 2020 -S2"), ("2020", "model 1"), ("u-net-0a1b", "u-net-0a1b")])
def test_names_fit_the_pattern_of_the_extension(given, allowed):
    assert model_metadata.mlm_name(given) == allowed


def test_a_file_that_is_no_onnx_is_refused(folder):
    path = folder / "text.onnx"
    path.write_text("<html>404 Not Found</html>")
    assert "text.onnx is not a readable ONNX file" in refusal(path)


def test_half_a_file_is_refused(model):
    model.write_bytes(model.read_bytes()[:200])
    assert "is not a readable ONNX file; it is damaged or something else. Copy or export it again." in refusal(model)


def test_an_empty_file_is_refused(folder):
    path = folder / "empty.onnx"
    path.write_bytes(b"")
    assert "it holds no network" in refusal(path)


def test_a_changed_weight_is_found(model, folder):
    assert "the file is damaged. Copy or export it again." in refusal(networks.corrupted(model, folder / "changed.onnx"))


def test_a_foreign_onnx_is_refused(folder):
    path = folder / "foreign.onnx"
    onnx.save(networks.threshold_network(), path)
    assert refusal(path).endswith("(no “eo_pretrain” entry). Choose a model written by “Export model”.")


def test_a_newer_version_is_refused(model):
    said = refusal(with_description(model, version=3))
    assert said.endswith("newer version of the plugin (model format 3; this one reads up to 2). Update the plugin.")


def test_another_format_is_refused(model):
    assert "is not a model of this plugin (format “other”" in refusal(with_description(model, format="other"))


@pytest.mark.parametrize(("changes", "words"), [
    ({"classes": None}, "it lacks the key “classes”"), ({"fill": [1.0, 2.0]}, "“fill” has 2 numbers for 1 bands"),
    ({"fill": ["x"]}, "“inputs[0].fill[0]” is “x”, but must be a number"),
    ({"fill": [{"a": 1}]}, "“inputs[0].fill[0]” is an object, but must be a number"),
    ({"stride": 0}, "“stride” is 0, but must be a whole number of at least 1"), ({"stride": 10**9}, "of at most 4096"),
    ({"halo": -1}, "“halo” is -1"), ({"tile_size": 10**30}, "“tile_size” is a huge number"),
    ({"resolution_m": [10, 0]}, "“resolution_m[1]” is 0"), ({"resolution_m": [[[]], 10]}, "“resolution_m[0]” is a list, but must be a number"),
    ({"bands": [{"name": "B02"}]}, "it lacks the key “inputs[0].bands[0].mean”"),
    ({"bands": [None]}, "“inputs[0].bands[0]” is None, but must be an object"),
    ({"bands": [networks.band("B02", scale=0)]}, "the scale of the band “B02” is 0"),
    ({"bands": [networks.band("B02")] * 2, "fill": [1.0, 1.0]}, "the band “B02” stands twice"),
    ({"inputs": []}, "“inputs” is a list, but must be a list of length at least 1"), ({"inputs": None}, "it lacks the key “inputs”"),
    ({"inputs": [networks.taken()] * 2}, "the input “image” stands twice"),
    ({"inputs": [networks.taken(axes="xyz")]}, "“inputs[0].axes” is “xyz”, but must be a word this plugin knows"),
    ({"classes": [{"value": 255, "name": "a", "color": ""}]}, "“classes[0].value” is 255"),
    ({"classes": [{"value": 1, "name": 0, "color": ""}]}, "“classes[0].name” is 0, but must be a text"),
    ({"classes": [{"value": 1, "name": "a\nb", "color": ""}]}, "a text without control characters"),
    ({"classes": [{"value": 1, "name": "a", "color": "red"}]}, "“red”, but must be empty or a colour such as #1f77b4"),
    ({"classes": [{"value": 1, "name": "a", "color": ""}] * 2}, "the value of a class “1” stands twice"),
    ({"classes": []}, "“classes” names none"), ({"task": "regression"}, "“task” is “regression”, but must be a word this plugin knows"),
    ({"preset": "landsat"}, "“inputs[0].preset” is “landsat”, but must be one of generic, sentinel2_l1c"),
    ({"preset": [0]}, "“inputs[0].preset” is a list"),
    ({"encoder": 5}, "“encoder” is 5"), ({"scores": []}, "“scores” is a list, but must be an object"), ({"checksum": "x"}, "64 hexadecimal digits"),
    ({"provenance": {"created": 5}}, "“provenance.created” is 5"),
])
def test_a_wrong_description_names_the_key_and_the_value(model, changes, words):
    said = refusal(with_description(model, **changes))
    assert f"The description inside {model} is damaged: " in said and words in said and said.endswith(". Export the model again.")


@pytest.mark.parametrize(("text", "words"), [
    ("[" * 100_000, "its values are nested more than 60 deep"), ('{"format": NaN}', "JSON is malformed"), ("{", "truncated"),
    ("1e400", "out of range"),
])
def test_a_description_that_is_no_json(model, text, words):
    read = onnx.load(model)
    next(entry for entry in read.metadata_props if entry.key == package.KEY).value = text
    onnx.save(read, model)
    assert words in refusal(model)


def test_a_description_that_is_no_object(model):
    read = onnx.load(model)
    next(entry for entry in read.metadata_props if entry.key == package.KEY).value = "[1]"
    onnx.save(read, model)
    assert "is a list and no JSON object. Export the model again." in refusal(model)


def test_more_classes_than_outputs_are_refused(model):
    rows = [{"value": value, "name": str(value), "color": ""} for value in range(3)]
    assert "has 2 classes, but its description lists 3" in refusal(with_description(model, classes=rows))


def test_weights_in_other_files_are_refused(folder):
    model = networks.threshold_network()
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="../../etc/passwd")
    with pytest.raises(ModelError, match="keeps weights in other files"):
        package.write(model, networks.description(), folder / "linked.onnx")
    assert list(folder.iterdir()) == []


def test_operators_from_elsewhere_are_refused_even_inside_a_branch(folder):
    model = networks.threshold_network()
    inner = helper.make_graph([helper.make_node("Fancy", [], ["out"], domain="com.example")], "inner", [], [])
    model.graph.node.append(helper.make_node("If", ["image"], ["unused"], then_branch=inner, else_branch=inner))
    with pytest.raises(ModelError, match=r"outside the ONNX standard \(com.example\)"):
        package.write(model, networks.description(), folder / "fancy.onnx")


def test_a_graph_without_the_named_input_is_refused(folder):
    model = networks.threshold_network()
    model.graph.input[0].name = "x"
    with pytest.raises(ModelError, match=r"has no float32 “image” of 4 dimensions \(n, bands, y, x\)"):
        package.write(model, networks.description(), folder / "other.onnx")


def test_a_device_that_is_not_there_is_an_error(model, monkeypatch):
    monkeypatch.setattr("eo_pretrain_qgis.engine.models.session.cuda_devices", lambda: 0)
    with pytest.raises(EngineError, match="The device cuda:3 was asked for, but"):
        package.open(model).session("cuda:3")
    with pytest.raises(EngineError, match=r"There is no device “tpu”. Choose auto, cpu, cuda, cuda:0 or mps."):
        package.open(model).session("tpu")


def test_auto_takes_the_device_of_the_environment(model, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_DEVICE", "abacus")
    with pytest.raises(EngineError, match="abacus"):
        package.open(model).session("auto")
    assert package.open(model).session("cpu").device.startswith("cpu")


@pytest.mark.parametrize(("said", "meant"), [("", "auto"), (" CPU ", "cpu"), ("cpu:2", "cpu"), ("cuda:all", "cuda"), ("cuda:1", "cuda:1")])
def test_words_of_the_environment_that_training_takes_are_taken(said, meant, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_DEVICE", said)
    assert asked_device("auto") == meant and asked_device("Cpu ") == "cpu"


def test_a_stopped_session_ends_its_run(model):
    session = package.open(model).session("cpu")
    session.stop()
    with pytest.raises(ModelError):
        session.run({"image": np.zeros((1, 1, 8, 8), np.float32)})


def test_a_network_that_asks_for_more_than_the_image_is_refused(folder):
    network = networks.threshold_network()
    network.graph.input.append(onnx.helper.make_tensor_value_info("other", onnx.TensorProto.FLOAT, [1]))
    with pytest.raises(ModelError, match="asks for “other” beside image, which nothing gives it"):
        package.write(network, networks.description(("B02",)), folder / "two.onnx")


def test_a_model_of_two_images_is_read_run_and_described(folder):
    model = package.open(networks.write_two_sensor_model(folder / "both.onnx", optional=("s1",)))
    assert {name: (seen.names, seen.preset, seen.optional) for name, seen in model.inputs.items()} == {
        "s2": (["B02"], "sentinel2_l2a", False), "s1": (["VV", "VH"], "sentinel1_db", True)}
    images = {"s1": np.array([[[[-20, -5]], [[0, 0]]]], np.float32), "s2": np.array([[[[1000, 1000]]]], np.float32)}
    assert model.session("cpu").run(images).argmax(1).ravel().tolist() == [0, 1]
    said = {entry.key: json.loads(entry.value) for entry in onnx.load(model.path).metadata_props}
    assert set(said) == {package.KEY, "stac_mlm"}, "Deepness opens models of one image"
    facts = said["stac_mlm"]["properties"]
    assert [(row["name"], row["bands"], row["input"]["shape"]) for row in facts["mlm:input"]] == [
        ("s2", ["B02"], [-1, 1, -1, -1]), ("s1", ["VV", "VH"], [-1, 2, -1, -1])]
    assert [band["name"] for band in facts["bands"]] == ["B02", "VV", "VH"]
    model_report.write_html(model, str(folder / "page.html"))
    page = (folder / "page.html").read_text()
    assert "images of s2" not in page and "s1, which may be missing:" in page and "images of Sentinel-2 L2A and images of Sentinel-1" in page


def test_a_fixed_tile_is_that_of_all_images(folder):
    fixed = write_fixed_tile(package.open(networks.write_two_sensor_model(folder / "both.onnx", optional=("s1",))), 64, str(folder / "fixed.onnx"))
    assert fixed.fixed_tile == 64
    graph = onnx.load(fixed.path)
    for axis in graph.graph.input[1].type.tensor_type.shape.dim[2:4]:
        axis.dim_value = 32
    onnx.save(graph, folder / "odd.onnx")
    assert "and maps need square tiles of one size" in refusal(folder / "odd.onnx")


def test_an_image_that_the_graph_does_not_take_is_refused(model):
    said = json.loads(next(entry.value for entry in onnx.load(model).metadata_props if entry.key == package.KEY))
    changed = with_description(model, inputs=[*said["inputs"], networks.taken(name="s1")])
    assert "has no float32 “s1” of 4 dimensions (n, bands, y, x)" in refusal(changed)

"""An encoder that is shared starts a training on another machine as it does on its own."""

import hashlib
import http.server
import json
import shutil
import threading

import pytest
import torch
from safetensors.torch import load_file

from eo_pretrain_qgis.engine.learning.finetuning.recipe import finetune
from eo_pretrain_qgis.engine.learning.networks.class_networks import SegmentationNetwork
from eo_pretrain_qgis.engine.learning.networks.encoder_sharing import About, share_encoder
from eo_pretrain_qgis.engine.learning.networks.starting_weights import start_from
from eo_pretrain_qgis.engine.models import catalog
from eo_pretrain_qgis.errors import JobError, ModelError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT
from tests.inputs import inputs
from tests.scenes_translation import translation_run
from tests.settings import finetuning as Settings

from ...listening import Listening

BANDS = ["B02", "B03", "B04"]


@pytest.fixture
def shared(run_folder, folder, monkeypatch):
    """The folder that a run was shared as, on another machine, whose folder of models is empty."""
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(folder / "models"))
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    values = {"source": str(run_folder), "catalogue_name": "discs", "licence": "CC-BY-4.0", "output": str(folder / "Ms Secret" / "given")}
    run_job(JOBS["share_encoder"].from_values(values), SILENT)
    (folder / "models").mkdir()
    return folder / "Ms Secret" / "given"


def learned(run_folder):
    """The tensors of the run's encoder, without the counters of steps, which no start takes over."""
    return {name: tensor for name, tensor in load_file(run_folder / "encoder.safetensors").items() if not name.endswith("num_batches_tracked")}


def started(start):
    torch.manual_seed(0)
    network = SegmentationNetwork("tu-test_resnet", inputs(3), 2)
    heard = Listening()
    start_from(network, start, BANDS, heard)
    return network.encoder.state_dict(), heard


def test_a_copied_folder_starts_from_the_same_weights(shared, run_folder, folder):
    shutil.copytree(shared, folder / "models" / "from a colleague")
    own = learned(run_folder)
    found, heard = started("catalogue:discs")
    assert len(own) > 60 and all(torch.equal(found[name], own[name]) for name in own)
    assert heard.texts[0] == "“discs” may be used under the licence CC-BY-4.0; see no paper."
    here, _ = started(str(run_folder / "encoder.safetensors"))
    assert all(torch.equal(found[name], here[name]) for name in here)


def test_a_job_that_opens_weights_several_times_tells_their_licence_once(shared, folder, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(shared))
    heard, entry = Listening(), catalog.find("catalogue:discs")
    for progress in (heard, heard.part(0, 0), heard.part(0, 0.5).part(0, 0)):
        catalog.fetch(entry, progress)
    assert heard.texts == ["“discs” may be used under the licence CC-BY-4.0; see no paper."]


def test_the_folder_itself_may_be_the_folder_of_models(shared, run_folder, dataset_folder, folder, monkeypatch):
    """One epoch of fine-tuning gives the same numbers from the name as from the run's own encoder, and writes nothing into the shared folder."""
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(shared))
    before = {path.name: path.read_bytes() for path in shared.iterdir()}
    heard = Listening()
    for name, start in (("there", "catalogue:discs"), ("here", str(run_folder / "encoder.safetensors"))):
        finetune(str(dataset_folder), str(folder / name), Settings(start=start, epochs=1, batch_size=4, device="cpu"), heard)
    assert sum("may be used under the licence" in text for text in heard.texts) == 1
    there, here = (load_file(folder / name / "best.safetensors") for name in ("there", "here"))
    assert all(torch.equal(there[name], here[name]) for name in here)
    assert {path.name: path.read_bytes() for path in shared.iterdir()} == before


def test_the_row_and_the_card_say_what_it_is(shared, run_folder):
    row = json.loads((shared / "catalog.json").read_text(encoding="utf-8"))["weights"][0]
    content = (shared / "weights.safetensors").read_bytes()
    assert content == (run_folder / "encoder.safetensors").read_bytes()
    assert (row["sha256"], row["bytes"], row["bands"]) == (hashlib.sha256(content).hexdigest(), len(content), BANDS)
    assert row["described"] == json.loads((run_folder / "encoder.json").read_text(encoding="utf-8"))
    run = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
    card = (shared / "card.md").read_text(encoding="utf-8")
    name, value = next((name, value) for name, value in run["metrics"].items() if isinstance(value, float))
    assert f"| {name} | {value:.4g} |" in card and "| epochs | 2 |" in card and "| trained on | discs |" in card
    assert "| learning_rate |" not in card and "learning_rate" in run["metrics"] and "| decoder | not shared; the run has one |" in card
    assert f"`{row['sha256']}`" in card and "asinh((stored value - centre) / spread)" in card
    for path in shared.iterdir():
        assert b"Ms Secret" not in path.read_bytes() and str(run_folder).encode() not in path.read_bytes(), path.name


def test_two_folders_with_other_weights_of_one_name_are_told_apart(shared, run_folder, folder):
    """The same folder twice is one; with another file in it, neither is taken by the order of the folders."""
    for name in ("a", "b"):
        shutil.copytree(shared, folder / "models" / name)
    assert catalog.find("discs").folder == str(folder / "models" / "a")
    path = folder / "models" / "b" / "catalog.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["weights"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError, match=r"“discs” names different weights in .*a.catalog.json, .*b.catalog.json\. Remove the folders of those"):
        catalog.find("catalogue:discs")
    shutil.copy(folder / "models" / "a" / "catalog.json", folder / "models")  # the user's own catalogue decides
    assert catalog.find("discs").folder == str(folder / "models")


def test_a_link_in_a_shared_folder_leads_to_no_file_of_the_user(shared, folder, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(shared))
    (folder / "mine.txt").write_text("mine")
    (shared / "weights.json").unlink()
    (shared / "weights.json").symlink_to(folder / "mine.txt")
    with pytest.raises(ModelError, match=r"weights\.json is a link to .*mine\.txt, which would be written\. Remove the link\."):
        catalog.fetch(catalog.find("discs"))
    assert (folder / "mine.txt").read_text() == "mine"


def test_the_scores_are_those_of_the_network_and_not_of_a_classifier_that_was_kept(run_folder, folder):
    shutil.copytree(run_folder, folder / "run")
    path = folder / "run" / "run.json"
    run = json.loads(path.read_text(encoding="utf-8"))
    name, value = next((name, value) for name, value in run["metrics"].items() if isinstance(value, float))
    approaches = {"network": {"score": value, "metrics": {name: 0.123}}, "statistics": {"score": value, "metrics": run["metrics"]}}
    path.write_text(json.dumps({**run, "kept": "statistics", "approaches": approaches}), encoding="utf-8")
    share_encoder(str(folder / "run"), str(folder / "given"), About("other", "MIT"))
    card = (folder / "given" / "card.md").read_text(encoding="utf-8")
    assert f"| {name} | 0.123 |" in card and "The run itself kept regression on statistics, which was better there." in card


def test_a_fill_is_shared_beside_the_fills_without_a_network(run_folder, folder):
    """And what stays behind is said."""
    shutil.copytree(run_folder, folder / "run")
    path = folder / "run" / "run.json"
    told = {**json.loads(path.read_text(encoding="utf-8")), "metrics": {"psnr": 24.5, "learning_rate": 0.001},
            "fills": {"all": {"network": {"psnr": 24.5}, "mean": {"psnr": 17.25}, "smooth": {"psnr": 21.5}}}}
    path.write_text(json.dumps(told), encoding="utf-8")
    heard = Listening()
    share_encoder(str(folder / "run"), str(folder / "given"), About("other", "MIT"), heard)
    card = (folder / "given" / "card.md").read_text(encoding="utf-8")
    assert card.partition("| figure | value |")[2].partition("## To use")[0].split("\n")[2:5] == [
        "| psnr | 24.5 |", "| psnr of the mean fill, without a network | 17.25 |", "| psnr of the smooth fill, without a network | 21.5 |"]
    assert heard.texts == ["The encoder alone is shared, without the decoder of the run. To start from both, give others the folder of the run."]


def test_a_pixel_size_that_is_none_is_a_damaged_card(shared, run_folder, folder):
    shutil.copytree(run_folder, folder / "run")
    card = folder / "run" / "encoder.json"
    card.write_text(json.dumps({**json.loads(card.read_text(encoding="utf-8")), "resolution_m": ["ten"]}), encoding="utf-8")
    with pytest.raises(ModelError, match=r"encoder\.json is damaged: “resolution_m”"):
        share_encoder(str(folder / "run"), str(folder / "none"), About("other", "MIT"))
    assert not (folder / "none").exists()


def test_the_text_of_a_licence_is_no_licence(run_folder):
    with pytest.raises(JobError, match=r"^“Licence” \(licence\) has 1200 characters\. Give at most 1000; of a long licence give the name or"):
        JOBS["share_encoder"].from_values({"source": str(run_folder), "catalogue_name": "a", "licence": "x" * 1200, "output": "x"})


def test_another_file_is_refused(shared, folder, monkeypatch):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(shared))
    weights = shared / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(ModelError, match=r"weights.safetensors is not the file of “discs” of the catalogue .*: its SHA-256 is [0-9a-f]{64}, and "
                                         r"should be [0-9a-f]{64}\. Copy the folder again\."):
        started("catalogue:discs")
    weights.unlink()
    with pytest.raises(ModelError, match=r"weights.safetensors of “discs” of the catalogue .* is not there, and it has no address\. Copy the whole"):
        started("catalogue:discs")


@pytest.mark.parametrize(("change", "words"), [
    ({"licence": ""}, "“licence” is “”, but must be a text, not empty"), ({"file": "../weights.safetensors"}, "“file” is “../weights.safetensors”"),
    ({"file": ""}, "it has neither an “address” nor a “file” beside it"), ({"described": {"bands": 1}}, "“described” holds no list of bands"),
    ({"described": {"bands": [{"name": "B01"}]}}, "“described” has other bands than “bands”"),
    ({"described": {"bands": [1, 2, 3]}}, "“described” holds no list of bands"),
    ({"described": {"bands": [], "source": 1}}, "its source is no object")])
def test_a_damaged_row_is_named(shared, monkeypatch, change, words):
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(shared))
    path = shared / "catalog.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["weights"][0].update(change)
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ModelError) as caught:
        catalog.find("discs")
    assert words in str(caught.value) and "The entry “discs” of the catalogue" in str(caught.value)


def test_a_catalogue_alone_downloads_after_the_licence_was_shown(run_folder, folder, monkeypatch):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(len(heard.texts))
            content = (run_folder / "encoder.safetensors").read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *words):
            pass

    asked, heard = [], Listening()
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/weights.safetensors"
    share_encoder(str(run_folder), str(folder / "given"), About("discs", "CC-BY-4.0", title="Discs", paper="https://a.example/1", address=address))
    models = folder / "models"
    models.mkdir()
    shutil.copy(folder / "given" / "catalog.json", models)
    monkeypatch.setenv("EOPRETRAIN_MODELS", str(models))
    catalog.fetch(catalog.find("catalogue:discs"), heard)
    server.shutdown()
    assert heard.texts[0].startswith("“Discs” may be used under the licence CC-BY-4.0; see https://a.example/1. It is downloaded, ")
    assert asked == [1], "the licence is said before anything is asked for"
    found, _ = started("catalogue:discs")
    assert all(torch.equal(found[name], tensor) for name, tensor in learned(run_folder).items())


def test_of_two_sensors_one_is_named(folder, monkeypatch):
    run = str(translation_run(folder))
    with pytest.raises(ModelError, match=r"holds an encoder for each of the sensors s1, s2\. Name one of them as “Sensor”\."):
        share_encoder(run, str(folder / "none"), About("one", "MIT"))
    share_encoder(run, str(folder / "radar"), About("one", "MIT", sensor="s1"))
    row = json.loads((folder / "radar" / "catalog.json").read_text(encoding="utf-8"))["weights"][0]
    assert row["bands"] == ["VV", "VH"]
    assert not (folder / "none").exists()


def test_the_licence_of_foreign_weights_is_told(folder):
    from tests.scenes_weights import weights_timm

    values = {"source": str(weights_timm(folder)), "encoder": "tu-test_resnet", "bands": "red,green,blue", "licence": "Apache-2.0",
              "output": str(folder / "imported")}
    JOBS["import_encoder"].from_values(values).run(SILENT)
    heard = Listening()
    share_encoder(values["output"], str(folder / "given"), About("ours", "MIT"), heard)
    assert heard.warnings == ["The weights came from elsewhere under the licence Apache-2.0, and are shared under MIT. See that the first allows the "
                              "second; the card names both."]
    assert "| licence they came with | Apache-2.0 |" in (folder / "given" / "card.md").read_text(encoding="utf-8")

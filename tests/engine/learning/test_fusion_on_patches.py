"""BigEarthNet's pairs of patches through each way to join two sensors: the wiring alone, for three patches teach nothing."""

import json

import numpy as np
import pytest

from eo_pretrain_qgis.engine.learning.fusions import FUSIONS
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import SILENT


def job(name, **values):
    return run_job(JOBS[name].from_values({key: str(value) if key in ("dataset", "run_folder", "output", "facts") else value
                                           for key, value in values.items()}), SILENT)


@pytest.fixture
def pairs(real_data, folder):
    """The three patches, one in each part of the split."""
    job("import_dataset", source=str(real_data / "patches" / "bigearthnet"), output=folder / "dataset")
    return folder / "dataset"


@pytest.mark.realdata
@pytest.mark.parametrize("fusion", FUSIONS)
def test_pairs_of_patches_are_learned_from_measured_and_exported(pairs, folder, fusion):
    job("finetune", dataset=pairs, approach="network", fusion=fusion, encoder="tu-test_resnet", epochs=1, epoch_steps=2, seed=1,
        device="cpu", output=folder / "run")
    card = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    assert [(seen["name"], len(seen["bands"]), seen.get("optional", False)) for seen in card["inputs"]] == [
        (name, bands, FUSIONS[fusion].optional) for name, bands in (("s2", 12), ("s1", 2))]
    job("evaluate_model", run_folder=folder / "run", device="cpu", output=folder / "page.html", facts=folder / "facts.json")
    figures = json.loads((folder / "facts.json").read_text(encoding="utf-8"))["model"]
    assert len(figures["classes"]) == 19 and 0 <= figures["mean_f1"] <= 1
    job("export_model", run_folder=folder / "run", output=folder / "model.onnx")
    model = package.open(folder / "model.onnx")
    given = {name: np.tile(np.asarray(seen.fill, np.float32)[:, None, None], (1, 1, 120, 120)) for name, seen in model.inputs.items()}
    given["s2"] += 500
    assert model.session("cpu").run(given).shape == (1, 19)

"""The rows of EuroCropsML at one shot: scratch, transfer, Reptile and self-supervision, imported, trained for two epochs, and tested."""

import pytest

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests.scenes_eurocropsml import eurocropsml

QUICK = {"epochs": 2, "device": "cpu"}


def run(job, **values):
    return JOBS[job].from_values(values).run(SILENT)


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """Folder of the datasets `latvia`, `portugal` and `estonia`, the last with one training parcel of each crop."""
    folder = tmp_path_factory.mktemp("parts")
    source = str(eurocropsml(folder))
    pretrain = {"use_case": "latvia_portugal_vs_estonia", "part": "pretrain"}
    for name, asked in {"latvia": {**pretrain, "regions": "LV"}, "portugal": {**pretrain, "regions": "PT"}, "estonia": {"shots": "1"}}.items():
        run("import_dataset", source=source, **asked, output=str(folder / name))
    return folder


ROWS = {
    "transfer": lambda parts: ("finetune", {"dataset": str(parts / "latvia"), "approach": "network", "batch_size": 16}),
    "reptile": lambda parts: ("pretrain_multitask", {"datasets": [str(parts / name / "dataset.json") for name in ("latvia", "portugal")],
                                                     "inner_steps": 2, "batch_size": 16}),
    "self-supervised": lambda parts: ("pretrain_barlow_twins", {"dataset": str(parts / "latvia"), "batch_size": 16, "projector_width": 32}),
}


@pytest.mark.parametrize("row", ["scratch", *ROWS])
def test_every_row_leads_to_a_score_on_the_published_test(parts, tmp_path, row):
    start = {}
    if row in ROWS:
        job, values = ROWS[row](parts)
        start = {"start": run(job, **values, **QUICK, output=str(tmp_path / "start"))["output"]}
    run("finetune", dataset=str(parts / "estonia"), approach="network", **start, **QUICK, output=str(tmp_path / "run"))
    found = run("evaluate_model", run_folder=str(tmp_path / "run"), split="test", device="cpu", output=str(tmp_path / "page.html"))
    right = 13 * found["overall_accuracy"]
    assert right == pytest.approx(round(right)) and right <= 12, "of 13 test parcels one is of a crop that training lacks"
    assert found["statistics_overall_accuracy"] == pytest.approx(5 / 13), "learned from the same three parcels in every row"

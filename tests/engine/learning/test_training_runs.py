import json

from eo_pretrain_qgis.engine.learning.training import Progress
from eo_pretrain_qgis.engine.learning.training_runs import _machine, _spent


def test_the_card_and_the_report_say_what_a_run_took():
    history = [{"seconds": 10.0, "images_per_second": 20.0, "memory_mb": 900.0}, {"seconds": 30.0, "images_per_second": 40.0, "memory_mb": 800.0}]
    spent = _spent(Progress(epoch=2, history=history))
    assert spent == {"training_seconds": 40.0, "images_per_second": 35.0, "memory_mb": 900.0}
    html = "".join(_machine({"device": "cpu (2 threads)", "precision": "float32", **spent}))
    for words in ("cpu (2 threads)", "float32", "35.0", "0.7 min", "memory of the process, highest", "900 MB"):
        assert words in html
    assert "GPU memory" in "".join(_machine({"device": "cuda:0 (some GPU)", "precision": "bfloat16", **spent}))


def test_a_run_records_its_machine(run_folder):
    card = json.loads((run_folder / "run.json").read_text(encoding="utf-8"))
    assert card["images_per_second"] > 0 and card["memory_mb"] > 50 and card["training_seconds"] >= 0
    assert "images per second in training" in (run_folder / "report.html").read_text(encoding="utf-8")

"""Does a model learn roads or the map? Simulated landscapes whose true roads are known, with 0, 10, 30 and 50 % of the ways taken out of training.

    .engine/train/bin/python benchmarks/roads_dropped.py OUTPUT [EPOCHS] [SEED …]

OUTPUT is a new folder, or one that is continued. For each landscape a dataset is made of the OpenStreetMap-like layer, which lacks roads in patches, and once more without some
of the ways in the training labels; a network and boosted trees learn each, and `evaluate_model` holds them against the map of the test tiles, which has
all its ways, and against the true roads. OUTPUT/roads_dropped.csv is for docs/evidence/data; figures are means over the landscapes, with Student's t at
95 %. Each landscape has a seed of its own; the ways are drawn with it. “Real, of what the map lacks” is how much of the length that a method shows and the
map of the test tiles does not have is near a true road; “against 0 %” is paired by landscape.
"""

import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures  # noqa: E402
from eo_pretrain_qgis.jobs import JOBS  # noqa: E402
from eo_pretrain_qgis.jobs.record import run_job  # noqa: E402
from eo_pretrain_qgis.progress import SILENT  # noqa: E402

DROPPED = (0, 10, 30, 50)
SEEDS, EPOCHS, SIDE = (1, 2, 3, 4, 5, 6), 8, 512
#: What an image can show of the truth and the rules of the dataset call a road.
TRUTH = "roads_truth.gpkg|subset=\"visible\" = 1 AND \"highway\" NOT IN ('footway', 'path')"
NETWORK = {"approach": "network", "encoder": "resnet18", "batch_size": 16, "learning_rate": 0.003, "augmentation": "flips", "context": 0, "keep": "last",
           "device": "cpu"}


def job(name: str, **values) -> dict:
    """Runs a job and prints how long it took."""
    begun = time.perf_counter()
    found = run_job(JOBS[name].from_values(values), SILENT)
    print(f"{name} {values['output']}: {time.perf_counter() - begun:.0f} s", flush=True)
    return found


def measured(out: Path, seed: int, epochs: int) -> dict[tuple[int, str], dict]:
    """Dropped percentage and method → the facts on roads, of one landscape."""
    place, found = out / f"landscape-{seed}", {}
    if not place.exists():
        job("create_sample", size=SIDE, seed=seed, output=str(place))
    for dropped in DROPPED:
        dataset = out / f"roads-{seed}-{dropped}"
        if not dataset.exists():
            job("create_road_dataset", images=[str(place / "sentinel2.tif")], roads=str(place / "roads.gpkg"), preset="sentinel2_l2a", tile_size=32,
                validation_share=0.1, test_share=0.3, incomplete="keep", drop_ways=dropped, seed=seed, output=str(dataset))
        for method, options in (("network", {**NETWORK, "epochs": epochs}), ("boosting", {"approach": "boosting"})):
            run, facts = out / f"{method}-{seed}-{dropped}", out / f"{method}-{seed}-{dropped}.json"
            if not facts.exists():
                job("finetune", dataset=str(dataset), seed=seed, output=str(run), **options)
                job("evaluate_model", run_folder=str(run), reference_lines=str(place / TRUTH), facts=str(facts), output=str(facts.with_suffix(".html")))
            found[dropped, method] = json.loads(facts.read_text())["roads"]
    return found


def main() -> None:
    out = Path(sys.argv[1]).resolve()
    epochs = int(sys.argv[2]) if len(sys.argv) > 2 else EPOCHS
    seeds = [int(seed) for seed in sys.argv[3:]] or SEEDS
    out.mkdir(parents=True, exist_ok=True)
    runs, table = [measured(out, seed, epochs) for seed in seeds], Figures("taken out", "method", "figure")
    for dropped in DROPPED:
        for method in ("network", "boosting"):
            found = [run[dropped, method] for run in runs]
            for title, rows in (("map", [one["methods"]["model"][0] for one in found]), ("truth", [one["reference"]["model"][0] for one in found])):
                for figure in ("precision", "recall", "f1"):
                    table.add(f"{dropped} %", method, f"{figure}, {title}", value=[row[figure] for row in rows])
            both = [(one["methods"]["model"][0]["precision"], one["reference"]["model"][0]["precision"]) for one in found]
            table.add(f"{dropped} %", method, "real, of what the map lacks", value=[(true - mapped) / (1 - mapped) for mapped, true in both])
            if dropped:
                table.add(f"{dropped} %", method, "recall, truth, against 0 %", form="+.3f", value=[
                    run[dropped, method]["reference"]["model"][0]["recall"] - run[0, method]["reference"]["model"][0]["recall"] for run in runs])
    for figure in ("precision", "recall", "f1"):
        table.add("–", "the map itself", f"{figure}, truth", value=[run[0, "network"]["reference"]["labels"][0][figure] for run in runs])
    table.write(out / "roads_dropped.csv")


if __name__ == "__main__":
    main()

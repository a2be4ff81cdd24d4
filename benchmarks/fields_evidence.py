"""Fields found as whole objects: a network, simple classifiers and a watershed on gradients, by place, on simulated landscapes and on Danish parcels.

    .engine/train/bin/python benchmarks/fields_evidence.py OUTPUT [DATA] [SEED …]

OUTPUT is a new folder, DATA the folder of real imagery that lies beside a checkout; without it only the simulated part is run. Prints each job as the
command line that repeats it, then the figures; OUTPUT/fields.csv is for docs/evidence/data.

Simulated: for each seed a landscape of its own, seen on two days; tiles are divided by place, and all methods answer for the same test tiles. They
learn from the same training tiles; the classes of pixels they give are drawn as fields in the same way (`mapping/fields/decoding.py`). The
watershed on gradients learns nothing. Danish: one image in red, green and blue with the parcels of 2016, one split, for each seed a network.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures, interval  # noqa: E402
from eo_pretrain_qgis.jobs import JOBS  # noqa: E402
from eo_pretrain_qgis.jobs.record import run_job  # noqa: E402
from eo_pretrain_qgis.progress import SILENT  # noqa: E402

SEEDS = (21, 22, 23)
#: Edge of a landscape [px], the two days, and how networks learn.
SIZE, DAYS = 640, ("2023-04-08", "2023-06-27")
TRAINING = {"approach": "network", "encoder": "resnet18", "epochs": 10, "context": 0, "device": "cpu"}
DANISH = {**TRAINING, "epochs": 15}
WORDS = {"model": "network", "statistics": "regression on statistics", "boosting": "boosting on statistics", "gradients": "watershed on gradients"}


def job(name: str, **values) -> dict:
    """Runs a job and prints the command that repeats it."""
    words = [f"--{key} {item!r}" for key, value in values.items() for item in (value if isinstance(value, list) else [value])]
    print(f"python -m eo_pretrain_qgis {name} {' '.join(words)}", flush=True)
    return run_job(JOBS[name].from_values(values), SILENT)


def measured(run: Path, dataset: Path, settings: dict, seed: int) -> dict:
    """The facts of “Evaluate model” of a run on a dataset."""
    job("finetune", dataset=str(dataset), output=str(run), seed=seed, **settings)
    facts = run.with_suffix(".json")
    job("evaluate_model", run_folder=str(run), device="cpu", output=str(run.with_suffix(".html")), facts=str(facts))
    return json.loads(facts.read_text(encoding="utf-8"))


def simulated(out: Path, seed: int) -> dict:
    """One landscape."""
    sample, dataset = out / f"sample_{seed}", out / f"dataset_{seed}"
    job("create_sample", size=SIZE, seed=seed, output=str(sample))
    first, second = (str(sample / "season" / f"S2_{day}.tif") for day in DAYS)
    job("create_field_dataset", images=[first], second_images=[second], parcels=str(sample / "parcels.gpkg"), preset="sentinel2_l2a", tile_size=64,
        seed=seed, output=str(dataset))
    return measured(out / f"run_{seed}", dataset, TRAINING, seed)


def danish(out: Path, data: Path, seed: int) -> dict:
    """The parcels around one place."""
    place, dataset = data / "crops" / "denmark_lpis", out / "denmark"
    if not dataset.exists():
        job("create_field_dataset", images=[str(place / "RGB_small.tif")], parcels=str(place / "marker2016_small.shp"), tile_size=32,
            output=str(dataset))
    return measured(out / f"denmark_{seed}", dataset, DANISH, seed)


def add(figures: Figures, place: str, all_facts: list[dict]) -> None:
    """The figures of all seeds of a place, which are also printed."""
    for who, word in WORDS.items():
        rows = [facts["objects"][who] for facts in all_facts]
        found = {"fields": [row["objects"] for row in rows], **{name: [row[name] or 0.0 for row in rows] for name in ("precision", "recall", "f1")}}
        if who in all_facts[0]:
            found["pixel IoU"] = [facts[who]["mean_iou"] for facts in all_facts]
        for name, values in found.items():
            if name == "fields":
                figures.add(place, word, name, value=sum(values) / len(values), form=".0f")
            else:
                same = len(set(values)) == 1
                figures.add(place, word, name, value=values[0] if same else values)
        if who != "model":
            ahead = [facts["objects"]["model"]["f1"] - (row["f1"] or 0.0) for facts, row in zip(all_facts, rows, strict=True)]
            found["network ahead in f1"] = ahead
            figures.add(place, word, "network ahead in f1", value=ahead, form="+.3f")
        print(f"{place}, {word}: " + ", ".join(f"{name} {interval(values, '.0f' if name == 'fields' else '.3f')}" for name, values in found.items()))


def main(output: str, data: str | None, seeds: tuple[int, ...]) -> None:
    out = Path(output)
    out.mkdir(parents=True)
    figures = Figures("place", "method", "figure")
    add(figures, "simulated, two dates", [simulated(out, seed) for seed in seeds])
    if data:
        add(figures, "Denmark, RGB of one date", [danish(out, Path(data), seed) for seed in seeds])
    figures.write(out / "fields.csv")


if __name__ == "__main__":
    given = sys.argv[2:]
    folder = given.pop(0) if given and not given[0].isdigit() else None
    main(sys.argv[1], folder, tuple(map(int, given)) or SEEDS)

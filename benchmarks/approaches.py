"""Whether “auto” is ever worse than the simple classifiers it starts from: landscapes, Slovenia, floods by place, EuroSAT.

    .engine/train/bin/python benchmarks/approaches.py DATA OUTPUT [landscapes] [slovenia] [floods] [eurosat] [eurosat_lite0] [eurosat_full]
                                                              [eurosat_ms]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a folder; what is there already is not done again, so a run that was stopped goes
on. OUTPUT/approaches.csv is for docs/evidence/data. All figures are of test tiles (floods: of a place left out), which chose nothing. “auto”, “network”
and the simple classifiers learned from the same labels. “auto ahead” is auto less the better of the simple ones, paired seed by seed (floods: place by
place); intervals are Student's t at 95 %.
"""

from __future__ import annotations

import json
import sys
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
import torch
from scipy.ndimage import uniform_filter
from sklearn.ensemble import RandomForestClassifier

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures  # noqa: E402
from eo_pretrain_qgis.engine.datasets.dataset import Dataset  # noqa: E402
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers  # noqa: E402
from eo_pretrain_qgis.engine.learning.loop.runs import Run  # noqa: E402
from eo_pretrain_qgis.engine.runs.map_scores import count_map, count_tiles  # noqa: E402
from eo_pretrain_qgis.jobs import JOBS  # noqa: E402
from eo_pretrain_qgis.jobs.record import run_job  # noqa: E402
from eo_pretrain_qgis.progress import PrintedProgress  # noqa: E402

SEEDS = (1, 2, 3)
#: Seeds of landscapes that no choice was made on.
LANDSCAPES, SHARES = (11, 12, 13), (1, 5, 20, 100)
#: Fewer epochs than the 40 of the job, for time; everything else is its default.
EPOCHS = 15
WATER = '[{"value": "0", "name": "land", "color": "#c2a878"}, {"value": "1", "name": "water", "color": "#1f77b4"}]'
FLOOD_TILES = {"class_table": WATER, "preset": "sentinel1_db", "tile_size": 128, "stride": 128, "test_share": 0}
LAND_USE = [["2", "forest", "#1b7837"], ["3", "grassland", "#a6d96a"], ["4", "shrubland", "#bf812d"],
            ["8", "artificial", "#d7191c"]]
#: Water below this backscatter of VH, the mean of 5 × 5 pixels [dB]: a rule without training that beats a forest on every chip with water.
VH_WATER_DB, VH_SIDE = -20.0, 5
#: Encoders that are in the repository, and seeds of divisions of few images.
BUNDLED, LITE, DIVISIONS = *(str(ROOT / "models" / f"eurosat_rgb_{name}barlow_twins") for name in ("", "lite0_")), (1, 2, 3, 4, 5)
Row = tuple[str, str, str, dict]


def job(name: str, output: Path, **values) -> dict:
    """Runs a job unless its output is there, and prints the command that repeats it."""
    if output.exists():
        return {}
    words = [f"--{key} {item!r}" for key, value in values.items() for item in (value if isinstance(value, list) else [value])]
    print(f"python -m eo_pretrain_qgis {name} {' '.join(words)} --output {output}", flush=True)
    return run_job(JOBS[name].from_values({**values, "output": str(output)}), PrintedProgress())


def cell(folder: Path, dataset: Path, seed: int, options: dict, elsewhere: dict | None = None) -> dict:
    """Figures of “auto” and of all it chose from, on the test tiles or those of another dataset."""
    done = folder / "cell.json"
    if not done.exists():
        began = time.monotonic()
        run = folder / "run"
        if not (run / "run.json").exists() or json.loads((run / "run.json").read_text(encoding="utf-8"))["state"] != "finished":
            run_job(JOBS["finetune"].from_values({"dataset": str(dataset), "seed": seed, "output": str(run), "device": "cpu", **options}),
                    PrintedProgress())
        seconds = time.monotonic() - began
        facts = folder / "facts.json"
        job("evaluate_model", folder / "facts.html", run_folder=str(run), facts=str(facts), device="cpu", **(elsewhere or {}))
        found = json.loads(facts.read_text(encoding="utf-8"))
        found["network"] = found["model"] if found["kept"] == "network" else of_network(run, elsewhere)
        found["seconds"] = round(seconds)
        done.write_text(json.dumps(found), encoding="utf-8")
    return json.loads(done.read_text(encoding="utf-8"))


def of_network(folder: Path, elsewhere: dict | None) -> dict:
    """Figures of the network of a run that kept something simpler."""
    run = Run.open(str(folder))
    dataset = Dataset.open((elsewhere or {}).get("dataset") or run.card["dataset"]["path"])
    tiles = dataset.indices((elsewhere or {}).get("split", "test"))
    answers = NetworkAnswers.of(run, dataset, torch.device("cpu"))
    counts = count_map(answers, tiles)[0] if dataset.kind.pixelwise else count_tiles(answers, tiles, 64)
    return dataset.kind.figures(counts)


def landscapes(data: Path, out: Path) -> Iterator[Row]:
    """Simulated landscapes, with shares of their labels."""
    for seed in LANDSCAPES:
        dataset = landscape_tiles(out, seed)
        for share in SHARES:
            yield "landscapes (simulated)", f"{share} %", str(seed), cell(made(out / f"{seed}-{share}"), dataset, seed,
                                                                         {"label_share": share, "epochs": EPOCHS})


def landscape_tiles(out: Path, seed: int) -> Path:
    """Tiles of a simulated landscape with its true land cover, divided by place; the sample lies beside them."""
    sample, dataset = out / f"sample-{seed}", out / f"dataset-{seed}"
    job("create_sample", sample, size=1024, seed=seed)
    job("create_training_dataset", dataset, images=[str(sample / "sentinel2.tif")], labels=str(sample / "land_cover.tif"),
        preset="sentinel2_l2a", tile_size=64, test_share=0.25)
    return dataset


def slovenia(data: Path, out: Path) -> Iterator[Row]:
    """Official land use of 1 km², two dates of one place."""
    dataset = land_use_tiles(data, out)
    for seed in SEEDS:
        yield "Slovenia", "100 %", str(seed), cell(made(out / str(seed)), dataset, seed, {"epochs": EPOCHS})


def land_use_tiles(data: Path, out: Path) -> Path:
    """Two dates of one square kilometre of Slovenia with its land use, divided by place."""
    source, dataset = data / "landcover" / "slovenia_eopatch" / "derived", out / "dataset"
    job("create_training_dataset", dataset, images=[str(source / f"scene_{number}.tif") for number in (0, 1)], labels=str(source / "LULC.tif"),
        class_table=json.dumps([dict(zip(("value", "name", "color"), row)) for row in LAND_USE]), preset="sentinel2_l1c", tile_size=32,
        stride=8, minimum_valid=0.3, test_share=0.25)
    return dataset


def floods(data: Path, out: Path) -> Iterator[Row]:
    """Water in Sentinel-1, each of seven places left out once; two of the others are for validation, because only another place can tell what holds there."""
    chips, common = flood_chips(data), FLOOD_TILES
    for chip in chips:
        place, folder = chip.name.removesuffix("_S1Hand.tif"), made(out / chip.name.removesuffix("_S1Hand.tif"))
        others = [str(other) for other in chips if other != chip]
        job("create_training_dataset", folder / "tiles", images=others, labels=[labels_of(Path(other)) for other in others],
            validation_share=0, **common)
        job("split_dataset", folder / "dataset", dataset=str(folder / "tiles"), way="scene", validation_share=0.34, test_share=0)
        if not water_of(chip):
            yield "floods, the place without water", "100 %", place, dry(folder, chip)
            continue
        job("create_training_dataset", folder / "left_out", images=[str(chip)], labels=[labels_of(chip)], validation_share=0, **common)
        found = cell(folder, folder / "dataset", 1, {"epochs": EPOCHS, "crop": 64}, {"dataset": str(folder / "left_out"), "split": "all"})
        found["VH below -20 dB"] = vh_rule(chip)
        yield "floods, a place left out", "100 %", place, found


def flood_chips(data: Path) -> list[Path]:
    """Sentinel-1 of seven places."""
    return sorted([*(data / "s1" / "sen1floods11_water").glob("*_S1Hand.tif"), *(data / "s1" / "sen1floods11_more").glob("*_S1Hand.tif")])


def labels_of(chip: Path) -> str:
    """The hand-drawn labels of a chip."""
    return str(chip).replace("_S1Hand", "_LabelHand")


def water_of(chip: Path) -> bool:
    """Whether water is drawn on a chip."""
    with rasterio.open(labels_of(chip)) as labels:
        return bool((labels.read(1) == 1).any())


def dry(folder: Path, chip: Path) -> dict:
    """False alarms of “auto” on a chip without water, which is no dataset of two classes and is mapped instead."""
    began = time.monotonic()
    job("finetune", folder / "run", dataset=str(folder / "dataset"), seed=1, epochs=EPOCHS, crop=64, device="cpu")
    seconds = time.monotonic() - began
    job("export_model", folder / "model.onnx", run_folder=str(folder / "run"))
    job("predict_map", folder / "map.tif", model=str(folder / "model.onnx"), images=[str(chip)], preset="sentinel1_db", device="cpu")
    card = json.loads((folder / "run" / "run.json").read_text(encoding="utf-8"))
    with rasterio.open(folder / "map.tif") as mapped, rasterio.open(labels_of(chip)) as labels:
        known = (labels.read(1) == 0) & (mapped.read_masks(1) > 0)
        alarms = float((mapped.read(1) == 1)[known].mean())
    rows = [{"name": "land", "recall": 1 - alarms, "pixels": int(known.sum())}, {"name": "water", "iou": None, "pixels": 0}]
    return {"kept": card["kept"], "training_tiles": card["training_tiles"], "seconds": round(seconds), "score": "mean_iou",
            "model": {"classes": rows}, "VH below -20 dB": vh_rule(chip)}


def vh_rule(chip: Path) -> dict:
    """IoU of water of the rule without training, and the share of land it calls water."""
    with rasterio.open(chip) as image, rasterio.open(labels_of(chip)) as labels:
        values, truth = image.read(2), labels.read(1)
    measured = np.isfinite(values)
    share = uniform_filter(measured.astype(np.float32), VH_SIDE)
    mean = uniform_filter(np.where(measured, values, 0), VH_SIDE) / np.maximum(share, 1e-6)
    known = (truth >= 0) & measured
    water, found = (truth == 1)[known], (mean < VH_WATER_DB)[known]
    return {"water": float((water & found).sum() / max((water | found).sum(), 1)), "false_alarms": float(found[~water].mean())}


def eurosat(data: Path, out: Path) -> Iterator[Row]:
    """EuroSAT RGB from the encoder that comes with the plugin, at 1 % of the labels, with default settings."""
    dataset = rgb_images(data, out)
    for seed in SEEDS:
        yield "EuroSAT RGB, bundled encoder", "1 %", str(seed), cell(made(out / str(seed)), dataset, seed, {"label_share": 1, "start": BUNDLED})


def eurosat_lite0(data: Path, out: Path) -> Iterator[Row]:
    """The same from the EfficientNet-Lite0."""
    for seed in SEEDS:
        yield "EuroSAT RGB, bundled EfficientNet-Lite0", "1 %", str(seed), cell(made(out / str(seed)), rgb_images(data, out), seed,
                                                                               {"label_share": 1, "start": LITE})


def eurosat_full(data: Path, out: Path) -> Iterator[Row]:
    """The same with all labels, once."""
    yield "EuroSAT RGB, bundled encoder", "100 %", "1", cell(made(out / "1"), rgb_images(data, out), 1, {"start": BUNDLED})


def rgb_images(data: Path, out: Path) -> Path:
    """EuroSAT RGB as a dataset: the official validation images are the test, and every tenth training image is for validation."""
    source, images, lists = data / "patches" / "eurosat_rgb_full", out / "images", out / "lists"
    if not lists.exists():
        for part in ("train", "val"):
            zipfile.ZipFile(source / f"{part}.zip").extractall(images)
        names = {part: [Path(line).name for line in (source / f"{part}.txt").read_text(encoding="utf-8").split()] for part in ("train", "val")}
        for part, chosen in (("train", [name for number, name in enumerate(names["train"]) if number % 10]), ("val", names["train"][::10]),
                             ("test", names["val"])):
            (made(lists) / f"eurosat-{part}.txt").write_text("\n".join(chosen), encoding="utf-8")
    job("import_dataset", out / "dataset", source=str(images), split_lists=str(lists))
    return out / "dataset"


def eurosat_ms(data: Path, out: Path) -> Iterator[Row]:
    """127 images of EuroSAT with 13 bands, divided by place again and again, beside a forest."""
    job("import_dataset", out / "images", archive=str(data / "patches" / "eurosat_ms.zip"))
    for seed in DIVISIONS:
        dataset = out / f"divided-{seed}"
        job("split_dataset", dataset, dataset=str(out / "images"), way="place", seed=seed, validation_share=0.15, test_share=0.25)
        found = cell(made(out / str(seed)), dataset, seed, {"epochs": EPOCHS})
        found["forest"] = forest(Dataset.open(str(dataset)), seed)
        yield "EuroSAT, 13 bands, by place", "100 %", str(seed), found


def forest(dataset: Dataset, seed: int) -> dict:
    """A random forest on the statistics of the bands as they are, fitted on the same images."""
    training, test = dataset.indices("training"), dataset.indices("test")
    rows, asked = (bands_of(dataset, chosen) for chosen in (training, test))
    model = RandomForestClassifier(300, random_state=seed).fit(rows, dataset.labels(training))
    return {"overall_accuracy": float((model.predict(asked) == dataset.labels(test)).mean()), "classes": []}


def bands_of(dataset: Dataset, chosen: np.ndarray) -> np.ndarray:
    """Mean and deviation of each band of whole images."""
    images = dataset.images(chosen).reshape(len(chosen), len(dataset.sensors[0].bands), -1).astype(np.float32)
    return np.concatenate([images.mean(2), images.std(2)], 1)


def made(folder: Path) -> Path:
    """The folder, which is there afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def score(found: dict, who: str) -> float:
    """The leading figure; of floods the IoU of water, and where a place has none, the share of land that is not called water."""
    if who == "VH below -20 dB":
        return found[who]["water"] if found["model"]["classes"][1]["pixels"] else 1 - found[who]["false_alarms"]
    rows = found[who]["classes"]
    if [row["name"] for row in found["model"]["classes"]] == ["land", "water"]:
        return rows[1]["iou"] if found["model"]["classes"][1]["pixels"] else rows[0]["recall"]
    return found[who][found["score"]]


def write(rows: list[Row], out: Path) -> None:
    """The table of all that was found."""
    figures, each = Figures("data", "labels", "method"), Figures("place left out", "method")
    names = {"model": "auto", "network": "network", "statistics": "regression", "boosting": "boosting", "majority": "majority",
             "VH below -20 dB": "VH below -20 dB", "forest": "forest"}
    for data, labels in dict.fromkeys(row[:2] for row in rows):
        found = [row[3] for row in rows if row[:2] == (data, labels)]
        figures.add(data, labels, "labelled tiles", value=float(np.mean([one["training_tiles"] for one in found])), form=".0f")
        for who, name in names.items():
            if who in found[0]:
                figures.add(data, labels, name, value=[score(one, who) for one in found])
        if "statistics" not in found[0]:
            continue
        ahead = [score(one, "model") - max(score(one, "statistics"), score(one, "boosting")) for one in found]
        figures.add(data, labels, "auto ahead", value=ahead, form="+.3f")
        figures.add(data, labels, "seconds", value=float(np.mean([one["seconds"] for one in found])), form=".0f")
    for data, _, place, one in rows:
        if data.startswith("floods"):
            for who, name in names.items():
                if who in one:
                    each.add(place, name, value=score(one, who))
    figures.write(out / "approaches.csv")
    if each.rows:
        each.write(out / "approaches_floods.csv")


def main() -> None:
    data, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    themes = {"landscapes": landscapes, "slovenia": slovenia, "floods": floods, "eurosat": eurosat, "eurosat_lite0": eurosat_lite0, "eurosat_full": eurosat_full,
              "eurosat_ms": eurosat_ms}
    rows: list[Row] = []
    for theme in sys.argv[3:] or themes:
        for row in partial(themes[theme], data)(made(out / theme)):
            rows.append(row)
            known = [who for who in ("model", "network", "statistics", "boosting") if who in row[3]]
            print("\t".join([*row[:3], row[3]["kept"], *(f"{who} {score(row[3], who):.3f}" for who in known)]), flush=True)
            write(rows, out)


if __name__ == "__main__":
    main()

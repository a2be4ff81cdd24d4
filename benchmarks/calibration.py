"""How far probabilities of classes can be believed on unseen ground, and what one temperature does to them there.

    OMP_NUM_THREADS=1 .engine/train/bin/python benchmarks/calibration.py DATA OUTPUT [landscape] [ice] [uzbekistan] [arkansas] [slovenia] [roads]
                                                                                     [eurosat] [fields] [floods]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a folder; what is there already is not done again. Each model is learned and exported
by the jobs: “Export model” fits a temperature to half of the validation ground and keeps it where the other half gets better. Here it
is judged on the test samples, which chose nothing; of pixels up to 200 of each of up to 128 tiles. “Without” and “with” are without and with that
temperature, also where it was refused, so that a refusal can be judged, too. Intervals at 95 % are of a bootstrap over whole blocks of test ground.
OUTPUT/calibration.csv and OUTPUT/calibration_classes.csv are for docs/evidence/data.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from scipy.special import log_softmax, softmax

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import crops_learning, ice_patches, roads_evidence  # noqa: E402
from benchmarks.approaches import LAND_USE, LITE, WATER, job, labels_of, made, rgb_images  # noqa: E402
from benchmarks.figures import Figures  # noqa: E402
from eo_pretrain_qgis.engine.cards import stacked  # noqa: E402
from eo_pretrain_qgis.engine.even_sample import even_sample  # noqa: E402
from eo_pretrain_qgis.engine.measures.bootstrap import draws, interval  # noqa: E402
from eo_pretrain_qgis.engine.measures.calibration import calibration_error, reliability  # noqa: E402
from eo_pretrain_qgis.engine.models import package  # noqa: E402
from eo_pretrain_qgis.engine.runs.answers import classifier_input  # noqa: E402
from eo_pretrain_qgis.engine.runs.blocks import blocks_of  # noqa: E402
from eo_pretrain_qgis.engine.runs.calibrating import SAMPLES, TILES, chances  # noqa: E402
from eo_pretrain_qgis.engine.runs.run_folder import NETWORK, RunFolder  # noqa: E402
from eo_pretrain_qgis.errors import ModelError  # noqa: E402

REGRESSION, BOOSTING = {"approach": "statistics"}, {"approach": "boosting"}
#: Fewer epochs than the jobs' own, for time; everything else is their default.
EPOCHS, SHORT = 12, 8
#: Data, model, folder of the dataset, how it is learned, and the seed.
Case = tuple[str, str, Path, dict, int]


def models(data: str, dataset: Path, seed: int, **network: object) -> Iterator[Case]:
    """A regression, boosting, and a network that starts at the regression."""
    for name, options in (("regression", REGRESSION), ("boosting", BOOSTING), ("network", {"approach": "network", **network})):
        yield data, name, dataset, options, seed


def landscape(data: Path, out: Path) -> Iterator[Case]:
    """Land cover of a simulated landscape."""
    sample, dataset = out / "sample-1", out / "dataset-1"
    job("create_sample", sample, size=768, seed=1)
    job("create_training_dataset", dataset, images=[str(sample / "sentinel2.tif")], labels=str(sample / "land_cover.tif"), preset="sentinel2_l2a",
        tile_size=64, test_share=0.25)
    yield from models("land cover (simulated)", dataset, 1, epochs=SHORT)


def ice(data: Path, out: Path) -> Iterator[Case]:
    """Sea ice of simulated scenes: patches divided by scene, and pixels divided by place."""
    if not (out / "dataset").exists():
        ice_patches.simulate(out, 1, 20, 25)
    job("create_sea_ice_dataset", out / "pixels", images=[str(out / f"scene{number}.tif") for number in range(ice_patches.SCENES)],
        labels=str(out / "fields.gpkg"), class_field="kind", samples="tiles", size=32, validation_share=0.2, test_share=0.3)
    yield from models("sea ice, patches (simulated)", out / "dataset", 1, encoder="adhoc_cnn", epochs=5, epoch_steps=12, batch_size=32)
    yield from models("sea ice, pixels (simulated)", out / "pixels", 1, epochs=SHORT)


def uzbekistan(data: Path, out: Path) -> Iterator[Case]:
    """NDVI series of fields that were visited, one fold of blocks."""
    series = crops_learning.asian(data / "crops" / "central_asia_cawa")
    return _series("crops, Uzbekistan", series, next(crops_learning.folds(series, 3, 1)), out)


def arkansas(data: Path, out: Path) -> Iterator[Case]:
    """Series of points, a third of the blocks left out."""
    series = crops_learning.points_of(data / "crops" / "us_cdl_s2_2021", "arkansas")
    return _series("crops, Arkansas", series, crops_learning.few(series, None, 1), out)


def _series(name: str, series: crops_learning.Series, splits: np.ndarray, out: Path) -> Iterator[Case]:
    if not (out / "dataset").exists():
        crops_learning.write(out / "dataset", series, splits)
    yield from models(name, out / "dataset", 1)


def slovenia(data: Path, out: Path) -> Iterator[Case]:
    """Official land use of 1 km², as in `approaches`."""
    source, dataset = data / "landcover" / "slovenia_eopatch" / "derived", out / "dataset"
    job("create_training_dataset", dataset, images=[str(source / f"scene_{number}.tif") for number in (0, 1)], labels=str(source / "LULC.tif"),
        class_table=json.dumps([dict(zip(("value", "name", "color"), row)) for row in LAND_USE]), preset="sentinel2_l1c", tile_size=32,
        stride=8, minimum_valid=0.3, test_share=0.25)
    for seed in (1, 2, 3):
        yield from models("land cover, Slovenia", dataset, seed, epochs=EPOCHS)


def roads(data: Path, out: Path) -> Iterator[Case]:
    """Roads of Chicago, as in `roads_evidence`, but divided by place, so that there are validation tiles."""
    box = (*roads_evidence.NORTH[:2], roads_evidence.SOUTH["inner"][2], roads_evidence.NORTH[3])
    if not (out / "chicago.tif").exists():
        roads_evidence.twelve_bands(data, out)
    job("create_road_dataset", out / "dataset", images=[str(out / "chicago.tif")], roads=str(data / "osm" / "chicago_loop.osm.pbf"),
        extent=roads_evidence.extent_text(box), validation_share=0.2, test_share=0.3, **roads_evidence.RULES, **roads_evidence.TILES)
    yield from models("roads, Chicago", out / "dataset", 1, epochs=EPOCHS, **roads_evidence.OPTIONS)


def eurosat(data: Path, out: Path) -> Iterator[Case]:
    """EuroSAT RGB at 1 % of the labels, the bundled encoder kept frozen."""
    yield ("EuroSAT RGB, 1 %", "frozen EfficientNet-Lite0", rgb_images(data, out),
           {"approach": "network", "start": LITE, "mode": "frozen", "label_share": 1, "spread_labels": "no"}, 1)


def fields(data: Path, out: Path) -> Iterator[Case]:
    """Fields of a simulated landscape on two days."""
    job("create_sample", out / "sample", size=512, seed=21)
    first, second = (str(out / "sample" / "season" / f"S2_{day}.tif") for day in ("2023-04-08", "2023-06-27"))
    job("create_field_dataset", out / "dataset", images=[first], second_images=[second], parcels=str(out / "sample" / "parcels.gpkg"),
        preset="sentinel2_l2a", tile_size=64)
    yield from models("fields (simulated)", out / "dataset", 1, encoder="resnet18", epochs=SHORT, context=0)


def floods(data: Path, out: Path) -> Iterator[Case]:
    """Water in Sentinel-1 of seven places, divided by place."""
    chips = [*sorted((data / "s1" / "sen1floods11_water").glob("*_S1Hand.tif")), *sorted((data / "s1" / "sen1floods11_more").glob("*_S1Hand.tif"))]
    job("create_training_dataset", out / "tiles", images=list(map(str, chips)), labels=list(map(labels_of, chips)), class_table=WATER,
        preset="sentinel1_db", tile_size=128, stride=128, validation_share=0, test_share=0)
    job("split_dataset", out / "dataset", dataset=str(out / "tiles"), way="scene", validation_share=0.3, test_share=0.3)
    yield from models("floods", out / "dataset", 1, epochs=SHORT, crop=64)


PARTS = {part.__name__: part for part in (landscape, ice, uzbekistan, arkansas, slovenia, roads, eurosat, fields, floods)}


def cell(folder: Path, dataset: Path, options: dict, seed: int) -> dict:
    """What is found of one model, learned and exported by the jobs."""
    facts = folder / "facts.json"
    if not facts.exists():
        begun = time.process_time()
        try:
            job("finetune", folder / "run", dataset=str(dataset), seed=seed, **{"device": "cpu", **options})
            learned = time.process_time() - begun
            job("export_model", folder / "model.onnx", run_folder=str(folder / "run"))
        except ModelError as error:  # trees of which the file says something else are refused
            print(error, flush=True)
            return {}
        facts.write_text(json.dumps({**measured(folder), "training_seconds": learned}), encoding="utf-8")
    return json.loads(facts.read_text(encoding="utf-8"))


def measured(folder: Path) -> dict:
    """Test samples without and with the temperature that was fitted."""
    run, model = RunFolder.open(str(folder / "run")), package.open(folder / "model.onnx")
    if not model.record.calibration:
        return {}
    found, dataset = model.record.calibration[package.OUTPUT], run.open_dataset()
    seen = stacked(run.inputs.values()) if run.kept == NETWORK else classifier_input(run)
    tiles = even_sample(dataset.showing("test", seen), TILES if dataset.kind.pixelwise else SAMPLES)
    logs, labels, samples = chances(dataset, onnx.load(folder / "model.onnx"), seen, model.record.stride, tiles)[0]
    plain, blocks = logs * found.kept, blocks_of(dataset, samples)
    scores = {"without": plain, "with": plain / found.temperature}
    return {"temperature": found.temperature, "kept": found.kept != 1, "validation": [found.before, found.after], "samples": len(labels),
            "blocks": blocks.words,
            "nll": _compared(scores, lambda given, chosen: float(-log_softmax(given[chosen], 1)[np.arange(len(chosen)), labels[chosen]].mean()), blocks),
            "error": _compared(scores, partial(_said_error, labels), blocks),
            "classes": {row.name: [_class_error(given, labels, number) for given in scores.values()]
                        for number, row in enumerate(dataset.classes) if (labels == number).any()}}


def _said_error(labels: np.ndarray, scores: np.ndarray, chosen: np.ndarray) -> float:
    """Of the class that is said."""
    given = softmax(scores[chosen], 1)
    return calibration_error(reliability(given.max(1), given.argmax(1) == labels[chosen]))


def _class_error(scores: np.ndarray, labels: np.ndarray, number: int) -> float:
    return calibration_error(reliability(softmax(scores, 1)[:, number], labels == number))


def _compared(scores: dict[str, np.ndarray], figure: Callable[[np.ndarray, np.ndarray], float], blocks: object) -> dict:
    """A figure without and with the temperature, and the interval of what the temperature changes; the same blocks are drawn for both."""
    every = np.arange(len(blocks.of))
    changes = []
    for drawn in draws(blocks.count) if blocks.enough else ():
        chosen = np.repeat(every, drawn[blocks.of])
        changes.append(figure(scores["with"], chosen) - figure(scores["without"], chosen))
    return {**{name: figure(given, every) for name, given in scores.items()}, "change": interval(changes)}


def write(found: dict[tuple[str, str, str], dict], out: Path) -> None:
    """The tables of all that was found."""
    figures, classes = Figures("data", "model", "seed", "figure"), Figures("data", "model", "class", "figure")
    found = {row: one for row, one in found.items() if "temperature" in one}
    for row, one in found.items():
        figures.add(*row, "temperature", value=one["temperature"], form=".2f", note="" if one["kept"] else "refused")
        for name, words, factor, form in (("nll", "loss", 1, ".3f"), ("error", "error [%]", 100, ".1f")):
            for which in ("without", "with"):
                figures.add(*row, f"{words} {which}", value=factor * one[name][which], form=form)
            change = {"value": f"{factor * (one[name]['with'] - one[name]['without']):+{form}}"}
            if one[name]["change"]:
                change |= dict(zip(("lowest", "highest"), (f"{factor * end:+{form}}" for end in one[name]["change"]), strict=True))
            figures.rows.append({**dict(zip(figures.keys, (*row, f"change of the {words}"), strict=True)), **change})
        for which, number in (("without", 0), ("with", 1)):
            errors = [errors[number] for errors in one["classes"].values()]
            figures.add(*row, f"mean of classes {which} [%]", value=100 * float(np.mean(errors)), form=".1f")
    for data, model in dict.fromkeys(row[:2] for row in found):
        runs = [one for row, one in found.items() if row[:2] == (data, model)]
        for name in dict.fromkeys(name for one in runs for name in one["classes"]):
            for number, which in enumerate(("without [%]", "with [%]")):
                values = [100 * one["classes"][name][number] for one in runs if name in one["classes"]]
                classes.add(data, model, name, f"error {which}", value=values, form=".1f", spread=True)
    figures.write(out / "calibration.csv")
    classes.write(out / "calibration_classes.csv")


def main() -> None:
    data, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    found: dict[tuple[str, str, str], dict] = {}
    for part in sys.argv[3:] or PARTS:
        place = made(out / part)
        for name, model, dataset, options, seed in PARTS[part](data, place):
            begun = time.process_time()
            one = cell(made(place / f"{dataset.name}-{model}-{seed}".replace(" ", "_")), dataset, options, seed)
            found[name, model, str(seed)] = one
            print(f"{name}, {model}, {seed}: {time.process_time() - begun:.0f} s, {json.dumps({key: one.get(key) for key in ('kept', 'nll', 'error')})}",
                  flush=True)
            write(found, out)


if __name__ == "__main__":
    main()

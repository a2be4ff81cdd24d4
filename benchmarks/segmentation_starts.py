"""Does pretraining help segmentation? Scratch, inpainting, Barlow Twins and a chain, with few and with all labels, on four kinds of ground.

    OMP_NUM_THREADS=1 .engine/train/bin/python -m benchmarks.segmentation_starts DATA OUTPUT [landscape] [chicago] [slovenia] [floods]
                                                   [--seconds 300] [--steps 240] [--batch-size 8] [--longer] [--figures]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a folder. What is there already is not done again, so a run that was stopped goes
on, cell by cell. OUTPUT/segmentation_starts*.csv are for docs/evidence/data; only rows in which all draws of all starts are there are written.
--figures writes them and computes nothing.

The plan, which was fixed before any score was seen:

landscape  simulated, a seed that chose nothing; land cover, 1, 5 and 100 % of the labels
chicago    Sentinel-2 median, roads of OpenStreetMap; the north of the Loop trains and validates, its south is the test; 1, 5 and 100 %
slovenia   official land use of one square kilometre, two dates, divided by place; 100 %
floods     water in Sentinel-1, whole places train, validate or test; 100 %

Starts learn from the training tiles of the dataset alone, without its labels; each stage may take --seconds of one core at the rates that were measured
before. A chain takes a second stage from the weights of the first. Where the landscape has weak labels, there are two: inpainting, then roads of an
incomplete map; Barlow Twins, then land cover of 100 m. Which of them is “the best chain” the validation tiles of another landscape say, by the mean
over two draws of 5 % of the labels. The other places have no labels but those to be learned, so their chain is Barlow Twins, then inpainting.

“Compare pretraining” does the rest: five draws, test tiles, baselines of the same draws. Its steps and tiles per step are its own where --steps and
--batch-size do not give fewer; with --longer all is repeated with four times the steps. Budgets may not change within an OUTPUT.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks import roads_evidence
from benchmarks.approaches import FLOOD_TILES, flood_chips, job, labels_of, land_use_tiles, landscape_tiles, made
from benchmarks.bundled_models import clipped
from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.datasets.dataset import DROPPED, Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.datasets.splitting.by_group import given_split
from eo_pretrain_qgis.engine.datasets.splitting.by_place import Split
from eo_pretrain_qgis.engine.datasets.splitting.division import finish, link_samples
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.outputs import new_folder
from eo_pretrain_qgis.progress import PrintedProgress

#: Landscapes: that of the table, and that which chooses the chain.
TOLD, CHOOSING = 31, 32
#: That of the bundled models of roads and land cover; two thirds of the time of the usual ResNet-18.
ENCODER = "tu-mobilenetv2_050"
DRAWS, SEED = 5, 1
#: Of the choice of a chain.
CHOICE_SHARE, CHOICE_DRAWS = "5", 2
#: Name → the start of a chain, and the weak labels that it goes on with.
CHAINS = {"inpainting_roads": ("inpainting", "roads"), "barlow_twins_land_cover": ("barlow_twins", "land_cover")}
#: What a stage of pretraining does in a second of one core: pixels of tiles that are filled, that one of the two views shows, and that a fine-tuning of
#: weak labels sees with its context.
RATES = {"pretrain_inpainting": 235_000, "pretrain_barlow_twins": 1_000_000, "finetune": 275_000}
#: Pixels around a tile that a fine-tuning sees.
CONTEXT = 16
#: Of “Pretrain with Barlow Twins”: as large as the tiles of a dataset allow, and as narrow as so few of them ask for.
TWINS_BATCH, PROJECTOR = 128, 512
#: What a stage is judged by on validation tiles: of the result, and of the epochs.
FILLS = {"mean_psnr": "fill with the mean [dB]", "biharmonic_psnr": "biharmonic fill [dB]", "psnr": "fill [dB]"}
LEARNED = {"validation_loss": "loss", "feature_rank": "rank of the features", "mean_iou": "mean IoU of the weak labels"}
WAYS = {"majority": "majority", "statistics": "regression", "boosting": "boosting", "random_features": "random filters"}


@dataclass(frozen=True)
class Budget:
    """Seconds of one core for each stage of pretraining, parameters of “Compare pretraining”, and whether all is repeated with four times the steps."""

    seconds: float
    training: dict[str, int]
    longer: bool


@dataclass(frozen=True)
class Theme:
    """One of the four.

    Attributes:
        name: in the tables.
        make: writes the dataset; takes the folders of the data and of the theme.
        shares: of the labels [%], rising.
        view: edge of the views of Barlow Twins [px].
        crop: edge of what inpainting fills [px]; None: whole tiles.
        weak: whether there are weak labels.
    """

    name: str
    make: Callable[[Path, Path], Path]
    shares: tuple[str, ...]
    view: int
    crop: int | None = None
    weak: bool = False


def chicago(data: Path, out: Path) -> Path:
    """North and south of the Loop are two images: of the north some blocks validate, all of the south is the test."""
    extract, whole, images = str(data / "osm" / "chicago_loop.osm.pbf"), out / "chicago.tif", []
    if not whole.exists():
        roads_evidence.twelve_bands(data, out)
    for name, box in (("north", roads_evidence.NORTH), ("south", roads_evidence.SOUTH["inner"])):
        image = out / f"{name}.tif"
        images.append(str(image if image.exists() else clipped(whole, box, image, list(roads_evidence.BANDS))))
    for name, chosen in (("north_tiles", images[:1]), ("tiles", images)):
        job("create_road_dataset", out / name, images=chosen, roads=extract, validation_share=0.2, test_share=0, **roads_evidence.RULES,
            **roads_evidence.TILES)
    parts = parts_of(out / "north_tiles")
    south = {place: "test" for place in parts_of(out / "tiles") if place[0] == Path(images[1]).name}
    return divided(out / "tiles", {**parts, **south}, out / "dataset")


def floods(data: Path, out: Path) -> Path:
    """Seven places: whole ones train, validate or test."""
    chips = [str(chip) for chip in flood_chips(data)]
    job("create_training_dataset", out / "tiles", images=chips, labels=[labels_of(Path(chip)) for chip in chips], validation_share=0, **FLOOD_TILES)
    job("split_dataset", out / "dataset", dataset=str(out / "tiles"), way="scene", validation_share=0.15, test_share=0.3, seed=SEED)
    return out / "dataset"


THEMES = {"landscape": Theme("landscape (simulated)", lambda data, out: landscape_tiles(out, TOLD), ("1", "5", "100"), 48, weak=True),
          "chicago": Theme("Chicago, roads", chicago, ("1", "5", "100"), 32),
          "slovenia": Theme("Slovenia, land use", land_use_tiles, ("100",), 32),
          "floods": Theme("floods, other places", floods, ("100",), 64, 64)}


def parts_of(folder: Path) -> dict[tuple[str, int, int], str]:
    """Image, column and row of each tile of a dataset → where it was put."""
    dataset = Dataset.open(str(folder))
    places = zip(*(dataset.tiles[name] for name in ("scene", "col", "row")), strict=True)
    return {(str(scene), int(col), int(row)): str(part) for (scene, col, row), part in zip(places, dataset.splits, strict=True)}


def divided(source: Path, parts: dict[tuple[str, int, int], str], target: Path) -> Path:
    """The same tiles, each in the part that is given; a tile that is nowhere is dropped."""
    if target.exists():
        return target
    dataset, progress = Dataset.open(str(source)), PrintedProgress()
    names = np.array([parts.get(place, DROPPED) for place in parts_of(source)])
    facts = {**given_split(names[names != DROPPED], "The split is that of a benchmark.").facts, "dropped_tiles": int((names == DROPPED).sum())}
    with new_folder(str(target)) as folder:
        link_samples(dataset, folder)
        description = {**dataset.description, "classes": dataset.classes, "sensors": dataset.sensors}
        finish(folder, description, read_footprints(dataset.folder), Split(names, facts), progress)
    return target


def learned(method: str, dataset: Path, output: Path, seconds: float, edge: int, **options) -> Path:
    """A stage of pretraining on the training tiles of a dataset, seen with an edge in pixels; one that was stopped goes on. Its run folder."""
    if not (card := output / "run.json").exists() or json.loads(card.read_text(encoding="utf-8"))["state"] != "finished":
        tiles = len(Dataset.open(str(dataset)).indices("training"))
        values = {"dataset": str(dataset), "encoder": ENCODER, "epochs": max(1, round(seconds * RATES[method] / (tiles * edge**2))), "seed": SEED,
                  "device": "cpu", **{name: value for name, value in options.items() if value is not None}, "output": str(output)}
        print("python -m eo_pretrain_qgis", method, " ".join(f"--{name} {value}" for name, value in values.items()), flush=True)
        run_job(JOBS[method].from_values(values), PrintedProgress())
    return output


def inpainting(dataset: Path, output: Path, seconds: float, crop: int | None = None, start: Path | None = None) -> Path:
    """L1 and the adversarial loss, as the job has them."""
    edge = crop or Dataset.open(str(dataset)).tile_size
    return learned("pretrain_inpainting", dataset, output, seconds, edge, crop=crop, start=str(start) if start else None)


def twins(dataset: Path, output: Path, seconds: float, view: int) -> Path:
    """As the job has it, but for what few tiles ask for."""
    return learned("pretrain_barlow_twins", dataset, output, seconds, view, crop=view, batch_size=TWINS_BATCH, projector_width=PROJECTOR)


def weak(dataset: Path, sample: Path, kind: str, start: Path, output: Path, seconds: float) -> Path:
    """A fine-tuning on roads of an incomplete map, or on land cover of 100 m, of the training tiles of a landscape; the last epoch is kept."""
    tiles, image = output.parent / f"{kind}_tiles", {"images": [str(sample / "sentinel2.tif")], "preset": "sentinel2_l2a", "tile_size": 64}
    if kind == "roads":
        job("create_road_dataset", tiles, roads=str(sample / "roads.gpkg"), **image)
    else:
        job("create_land_cover_dataset", tiles, land_cover=str(sample / "land_cover_100m.tif"), legend="cgls_lc100", **image)
    own = divided(tiles, parts_of(dataset), output.parent / kind)
    return learned("finetune", own, output, seconds, 64 + 2 * CONTEXT, start=str(start), approach="network", keep="last", patience=10_000,
                   loss="generalised_cross_entropy")


def chains(dataset: Path, sample: Path, out: Path, seconds: float, names: tuple[str, ...]) -> dict[str, Path]:
    """Name → run folder of the single starts of a landscape, and of some of its chains."""
    found = {"inpainting": inpainting(dataset, out / "inpainting", seconds),
             "barlow_twins": twins(dataset, out / "barlow_twins", seconds, THEMES["landscape"].view)}
    for name in names:
        first, kind = CHAINS[name]
        found[name] = weak(dataset, sample, kind, found[first], out / name, seconds)
    return found


def best_chain(out: Path, budget: Budget) -> str:
    """The chain with the higher mean on the validation tiles of the landscape that chooses."""
    dataset = landscape_tiles(out, CHOOSING)
    starts = chains(dataset, out / f"sample-{CHOOSING}", out, budget.seconds, tuple(CHAINS))
    compare(dataset, [starts[name] for name in CHAINS], out / "compared", CHOICE_SHARE, split="validation", draws=CHOICE_DRAWS, **budget.training)
    means = {row["start"]: float(row["mean"]) for row in rows(out / "compared" / "curves.csv")}
    return max(CHAINS, key=means.__getitem__)


def compare(dataset: Path, starts: list[Path], output: Path, shares: str, **options) -> None:
    """“Compare pretraining” in one process; it computes the cells that are missing."""
    named = dict(zip(("start", "second_start", "third_start"), map(str, starts), strict=False))
    values = {"dataset": str(dataset), **named, "shares": shares, "encoder": ENCODER, "processes": 1, "device": "cpu", "seed": SEED,
              **options, "output": str(output)}
    print("python -m eo_pretrain_qgis compare_pretraining", " ".join(f"--{name} {value!r}" for name, value in values.items()), flush=True)
    print(run_job(JOBS["compare_pretraining"].from_values(values), PrintedProgress())["verdict"], flush=True)


def compute(theme: Theme, data: Path, out: Path, budget: Budget) -> None:
    """The starts of a theme, and its comparison share by share, so that what is there of it is whole."""
    dataset = theme.make(data, made(out))
    if theme.weak:
        chain = best_chain(made(out.parent / "choice"), budget)
        print(f"The best chain of the landscape that chooses is {chain}.", flush=True)
        starts = chains(dataset, out / f"sample-{TOLD}", out, budget.seconds, (chain,))
    else:
        first = twins(dataset, out / "barlow_twins", budget.seconds, theme.view)
        starts = {"inpainting": inpainting(dataset, out / "inpainting", budget.seconds, theme.crop), "barlow_twins": first,
                  "barlow_twins_inpainting": inpainting(dataset, out / "barlow_twins_inpainting", budget.seconds, theme.crop, first)}
    asked = {"split": "test", "draws": DRAWS, **budget.training}
    for number in range(len(theme.shares)):
        compare(dataset, list(starts.values()), out / "compared", ", ".join(theme.shares[:number + 1]), **asked)
    if budget.longer:
        compare(dataset, list(starts.values()), out / "compared", ", ".join(theme.shares), longer=True, **asked)


def rows(path: Path) -> list[dict[str, str]]:
    """Of a CSV file; none where it is not there yet."""
    return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.exists() else []


def told(row: dict[str, str]) -> str:
    """Name of a start, or of a simple classifier."""
    return (WAYS.get(row["way"]) or row["start"].replace("_", " ")) + ("" if row["budget"] == "1" else f", {row['budget']} times the steps")


def write(out: Path) -> None:
    """The tables of all comparisons that are there, and what each stage of pretraining learned, on validation tiles."""
    scores, gains, pretext = Figures("data", "labels", "start"), Figures("data", "start", "labels"), Figures("data", "stage", "figure")
    places = {**{name: theme.name for name, theme in THEMES.items()}, "choice": "landscape that chooses (simulated)"}
    for folder, name in places.items():
        for row in rows(out / folder / "compared" / "curves.csv"):
            if not any(one["data"] == name and one["labels"] == f"{float(row['share']):g} %" for one in scores.rows):
                scores.add(name, f"{float(row['share']):g} %", "labelled tiles", value=float(row["labels"]), form=".0f")
            scores.add(name, f"{float(row['share']):g} %", told(row), value=float(row["mean"]))
            scores.rows[-1] |= {"half_width": f"{float(row['half_width']):.3f}"} if row["half_width"] else {}
        for row in rows(out / folder / "compared" / "differences.csv") if folder in THEMES else ():
            gains.add(name, told(row), f"{float(row['share']):g} %", value=float(row["difference"]), form="+.3f", note=row["verdict"])
            gains.rows[-1] |= {"half_width": f"{float(row['half_width']):.3f}"} if row["half_width"] else {}
        for run in sorted((out / folder).glob("*/run.json")):
            stage(pretext, name, run.parent)
    for suffix, figures in (("", scores), ("_gain", gains), ("_pretext", pretext)):
        if figures.rows:
            figures.write(out / f"segmentation_starts{suffix}.csv")


def stage(figures: Figures, name: str, run: Path) -> None:
    """Figures of a stage that is finished, of its first and its last epoch."""
    card = json.loads((run / "run.json").read_text(encoding="utf-8"))
    if card["state"] != "finished":
        return
    labels, epochs = (name, run.name.replace("_", " ")), rows(run / "metrics.csv")
    result = json.loads((run / "job.json").read_text(encoding="utf-8"))["result"]
    figures.add(*labels, "minutes", value=card["training_seconds"] / 60, form=".1f")
    figures.add(*labels, "epochs", value=len(epochs), form=".0f")
    for key, of_result in FILLS.items():
        figures.add(*labels, of_result, value=result.get(key), form=".1f")
    for key, of_epochs in LEARNED.items():
        known = [float(row[key]) for row in epochs if row.get(key)]
        for word, value in zip(("first epoch", "last epoch"), (known[0], known[-1]) if len(known) > 1 else (None, *known), strict=False):
            figures.add(*labels, f"{of_epochs}, {word}", value=value, form=".2f")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=lambda path: Path(path).resolve())
    parser.add_argument("output", type=lambda path: Path(path).resolve())
    parser.add_argument("themes", nargs="*", choices=[*THEMES, "all"], default="all")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--longer", action="store_true")
    parser.add_argument("--figures", action="store_true")
    asked = parser.parse_args()
    training = {name: value for name in ("steps", "batch_size") if (value := getattr(asked, name))}
    for name in THEMES if "all" in asked.themes else asked.themes:
        if not asked.figures:
            compute(THEMES[name], asked.data, asked.output / name, Budget(asked.seconds, training, asked.longer))
        write(asked.output)


if __name__ == "__main__":
    main()

"""What the path reaches on real images: land use in Slovenia, water of a reservoir, water in radar images of five places.

    .engine/train/bin/python benchmarks/evidence.py DATA OUTPUT [boadella] [slovenia] [floods]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a new folder. Prints each job as the command line that repeats it, then one
Markdown table per theme, and writes the figures to OUTPUT as CSV, for docs/evidence/data. Scores are over three seeds; the interval is Student's t at 95 %.
"""

import json
import subprocess
import sys
from pathlib import Path

import geopandas
import numpy as np
import rasterio
from rasterio.features import rasterize

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures, interval  # noqa: E402
from eo_pretrain_qgis.engine.datasets.dataset import Dataset  # noqa: E402
from eo_pretrain_qgis.jobs import JOBS  # noqa: E402
from eo_pretrain_qgis.jobs.record import run_job  # noqa: E402
from eo_pretrain_qgis.progress import PrintedProgress  # noqa: E402

SEEDS = (1, 2, 3)
#: A short schedule for two cores: few epochs, so a higher rate and only the augmentation that costs nothing to learn.
OPTIONS = {"learning_rate": 0.003, "augmentation": "flips"}
#: A place left out has another level of backscatter: only full augmentation has the offset in dB.
ELSEWHERE = {"augmentation": "full"}


def job(name: str, **values) -> dict:
    """Runs a job and prints the command that repeats it."""
    words = [f"--{key} {item!r}" for key, value in values.items() for item in (value if isinstance(value, list) else [value])]
    print(f"python -m eo_pretrain_qgis {name} {' '.join(words)}", flush=True)
    return run_job(JOBS[name].from_values(values), PrintedProgress())


def train_and_evaluate(folder: Path, dataset: str, seed: int, schedule: dict, evaluate_on: dict) -> dict:
    """Trains with one seed and returns the figures of the evaluation."""
    run = str(folder / f"run-{seed}")
    job("finetune", dataset=dataset, patience=schedule["epochs"], seed=seed, output=run, **{**OPTIONS, **schedule})
    facts = str(folder / f"evaluation-{seed}.json")
    job("evaluate_model", run_folder=run, output=facts.replace(".json", ".html"), facts=facts, **evaluate_on)
    return json.loads(Path(facts).read_text(encoding="utf-8"))


def keep(found: Figures, labels: tuple, figures: list, extra: dict) -> None:
    """Keeps what `table` prints."""
    for index, row in enumerate(figures[0]["model"]["classes"]):
        if row["pixels"]:
            for figure, name in (("iou", "network IoU"), ("f1", "network F1")):
                found.add(*labels, row["name"], name, value=[f["model"]["classes"][index][figure] for f in figures])
            for who in ("statistics", "majority"):
                found.add(*labels, row["name"], f"{who} IoU", value=figures[0][who]["classes"][index]["iou"])
            for name, values in extra.items():
                found.add(*labels, row["name"], f"{name} IoU", value=values[index])
    found.add(*labels, "mean", "network IoU", value=[f["model"]["mean_iou"] for f in figures])
    for who in ("statistics", "majority"):
        found.add(*labels, "mean", f"{who} IoU", value=figures[0][who]["mean_iou"])
    for name, values in extra.items():
        found.add(*labels, "mean", f"{name} IoU", value=float(np.mean(values)))


def table(figures: list, extra: dict | None = None) -> None:
    """IoU and F1 per class: network over seeds, then the baselines of the first seed, which have none."""
    baselines = [figures[0][who]["classes"] for who in ("statistics", "majority")]
    print("\n| class | network IoU | network F1 | statistics IoU | majority IoU |" + "".join(f" {name} IoU |" for name in extra or {}))
    print("|---|---|---|---|---|" + "---|" * len(extra or {}))
    for index, row in enumerate(figures[0]["model"]["classes"]):
        if not row["pixels"]:
            continue
        network = [interval([f["model"]["classes"][index][figure] for f in figures]) for figure in ("iou", "f1")]
        others = [number(rows[index]["iou"]) for rows in baselines] + [number(values[index]) for values in (extra or {}).values()]
        print(f"| {row['name']} | " + " | ".join(network + others) + " |")
    mean = [interval([f["model"]["mean_iou"] for f in figures]), "", number(figures[0]["statistics"]["mean_iou"]),
            number(figures[0]["majority"]["mean_iou"])]
    print("| mean | " + " | ".join(mean + [number(np.mean(values)) for values in (extra or {}).values()]) + " |\n", flush=True)


def number(value) -> str:
    return "-" if value is None else f"{value:.3f}"


def iou(truth: np.ndarray, guess: np.ndarray) -> list:
    """IoU of the two classes of a mask."""
    return [float((truth == c).__and__(guess == c).sum() / max((truth == c).__or__(guess == c).sum(), 1)) for c in (False, True)]


def best_threshold(values: np.ndarray, truth: np.ndarray, below: bool) -> float:
    """The single threshold with the highest IoU of the positive class."""
    candidates = np.quantile(values, np.linspace(0.005, 0.995, 199))
    scores = [iou(truth, (values < t) if below else (values > t))[1] for t in candidates]
    return float(candidates[int(np.argmax(scores))])


def labelled_pixels(dataset: Dataset, splits: tuple) -> tuple:
    """Band values (pixel, band) and truth of the labelled pixels of the splits."""
    indices = np.concatenate([dataset.indices(split) for split in splits])
    images, labels = dataset.images(indices), dataset.labels(indices)
    known = labels != 255
    return np.moveaxis(images, 1, -1)[known].astype("float64"), labels[known] == 1


def boadella(data: Path, out: Path) -> None:
    """Water of a reservoir: trained on one day, tested on other blocks of that day, mapped on the other days."""
    source = data / "s2" / "boadella_timeseries"
    drawn = {}
    for day in ("2020-02-02", "2020-06-21"):
        shapes = geopandas.read_file(source / f"Boadella_{day}_labels.geojson")
        water = shapes[[list(tasks) == ["segmentation"] for tasks in shapes["tasks"]]]
        drawn[day] = out / f"water_{day}.gpkg"
        geopandas.GeoDataFrame({"class": ["water"] * len(water)}, geometry=water.geometry.values, crs=water.crs).to_file(drawn[day])
    found = Figures("trained on", "class", "figure"), Figures("trained on", "day mapped", "figure")
    for day in drawn:
        (out / day).mkdir()
        boadella_trained_on(day, source, out / day, drawn, found)
    found[0].write(out / "reservoir.csv")
    found[1].write(out / "reservoir_other_days.csv")


def boadella_trained_on(day: str, source: Path, out: Path, drawn: dict, found: tuple[Figures, Figures]) -> None:
    """Everything that follows from the polygons of one day."""
    job("create_training_dataset", images=[str(source / f"Boadella_{day}.tif")], labels=str(drawn[day]), output=str(out / "dataset"),
        unlabelled="background", class_field="class", preset="sentinel2_l2a", tile_size=32, stride=16, test_share=0.25)
    figures = [train_and_evaluate(out, str(out / "dataset"), seed, {"epochs": 20, "batch_size": 16}, {}) for seed in SEEDS]
    dataset = Dataset.open(str(out / "dataset"))
    names = [band.name for band in dataset.sensors[0].bands]
    green, infrared = names.index("B03"), names.index("B08")

    def ndwi(pixels):
        return (pixels[:, green] - pixels[:, infrared]) / np.maximum(pixels[:, green] + pixels[:, infrared], 1)

    x, y = labelled_pixels(dataset, ("training", "validation"))
    threshold = best_threshold(ndwi(x), y, below=False)
    x, y = labelled_pixels(dataset, ("test",))
    print(f"\n## Boadella: trained on {day}, test blocks of that day (NDWI > {threshold:.3f})")
    index = {"NDWI": iou(y, ndwi(x) > threshold)}
    table(figures, index)
    keep(found[0], (day,), figures, index)
    for row in boadella_other_days(day, source, out, drawn, threshold, (green, infrared)):
        found[1].add(day, *row[:2], value=row[2])


def boadella_other_days(trained: str, source: Path, out: Path, drawn: dict, threshold: float, bands: tuple) -> list[tuple]:
    """Maps the other days with each seed's model; scores those with drawn polygons against them. Returns day, figure, value."""
    days = [day for day in ("2020-02-02", "2020-06-21", "2021-07-21") if day != trained]
    rows = []
    for seed in SEEDS:
        model = str(out / f"water-{seed}.onnx")
        job("export_model", run_folder=str(out / f"run-{seed}"), output=model)
        for day in days:
            image = source / f"Boadella_{day}.tif"
            target = str(out / f"map_{day}_{seed}.tif")
            result = job("predict_map", model=model, images=[str(image)], preset="sentinel2_l2a", output=target)
            with rasterio.open(image) as scene, rasterio.open(target) as mapped:
                pixels, water = scene.read([b + 1 for b in bands]).astype(float), mapped.read(1) == 1
                index = (pixels[0] - pixels[1]) / np.maximum(pixels.sum(0), 1) > threshold
                row = {"day": day, "water": water.mean(), "ndwi": index.mean(), "agreement": iou(index, water)[1], "outside": result["out_of_range_share"]}
                if day in drawn:
                    shapes = geopandas.read_file(drawn[day]).to_crs(scene.crs).geometry
                    truth = rasterize(shapes, water.shape, transform=scene.transform).astype(bool)
                    row |= {"iou": iou(truth, water)[1], "ndwi_iou": iou(truth, index)[1], "truth": truth.mean()}
            rows.append(row)
    print("\n| day mapped | values outside the training range | share of water, network | share, NDWI | IoU of the two | drawn share "
          "| IoU with the drawn polygons, network | NDWI |\n|---|---|---|---|---|---|---|---|")
    for day in days:
        found = [row for row in rows if row["day"] == day]
        cells = [number(found[0]["outside"]), interval([r["water"] for r in found]), number(found[0]["ndwi"]), interval([r["agreement"] for r in found])]
        if day in drawn:
            cells += [number(found[0]["truth"]), interval([r["iou"] for r in found]), number(found[0]["ndwi_iou"])]
        else:
            cells += ["no polygons", "", ""]
        print(f"| {day} | " + " | ".join(cells) + " |")
    names = {"outside": "values outside the training range", "water": "share of water, network", "ndwi": "share of water, NDWI",
             "agreement": "IoU of network and NDWI", "truth": "share of water, drawn", "iou": "IoU of network and polygons", "ndwi_iou": "IoU of NDWI and polygons"}
    found = []
    for day in days:
        each = [row for row in rows if row["day"] == day]
        for key, name in names.items():
            if key in each[0]:
                found.append((day, name, [row[key] for row in each] if key in ("water", "agreement", "iou") else each[0][key]))
    return found


def slovenia(data: Path, out: Path) -> None:
    """Official land use of a 1 km² patch of Slovenia, two dates of the same place, split by blocks over both."""
    source = data / "landcover" / "slovenia_eopatch" / "derived"
    names = [["1", "cultivated", "#ffd37f"], ["2", "forest", "#1b7837"], ["3", "grassland", "#a6d96a"], ["4", "shrubland", "#bf812d"],
             ["8", "artificial", "#d7191c"]]
    job("create_training_dataset", images=[str(source / f"scene_{i}.tif") for i in (0, 1)], labels=str(source / "LULC.tif"),
        class_table=json.dumps([dict(zip(("value", "name", "color"), row)) for row in names]), preset="sentinel2_l1c", tile_size=32, stride=8,
        minimum_valid=0.3, test_share=0.25, output=str(out / "dataset"))
    figures = [train_and_evaluate(out, str(out / "dataset"), seed, {"epochs": 60, "batch_size": 16}, {}) for seed in SEEDS]
    print("\n## Slovenia: official land use, test blocks")
    table(figures)
    found = Figures("class", "figure")
    keep(found, (), figures, {})
    found.write(out / "land_cover_slovenia.csv")


def floods(data: Path, out: Path) -> None:
    """Hand-labelled water in Sentinel-1, one place left out at a time, beside the best single threshold."""
    source = data / "s1" / "sen1floods11_water"
    places = sorted(path.name[: -len("_S1Hand.tif")] for path in source.glob("*_S1Hand.tif"))
    mosaic = out / "labels.vrt"
    subprocess.run(["gdalbuildvrt", "-q", "-srcnodata", "-1", "-vrtnodata", "-1", str(mosaic),
                    *(str(source / f"{place}_LabelHand.tif") for place in places)], check=True)
    common = {"labels": str(mosaic), "class_table": '[{"value": "0", "name": "land", "color": "#c2a878"}, {"value": "1", "name": "water", "color": "#1f77b4"}]',
              "preset": "sentinel1_db", "tile_size": 128, "stride": 128}
    summary, found = {}, Figures("place left out", "figure")
    for place in places:
        folder = out / place
        folder.mkdir()
        job("create_training_dataset", images=[str(source / f"{other}_S1Hand.tif") for other in places if other != place],
            test_share=0, validation_share=0.2, output=str(folder / "dataset"), **common)
        job("create_training_dataset", images=[str(source / f"{place}_S1Hand.tif")], test_share=0, validation_share=0,
            output=str(folder / "left_out"), **common)
        schedule, elsewhere = {"epochs": 24, "batch_size": 8, "crop": 64, **ELSEWHERE}, {"dataset": str(folder / "left_out"), "split": "all"}
        figures = [train_and_evaluate(folder, str(folder / "dataset"), seed, schedule, elsewhere) for seed in SEEDS]
        x, y = labelled_pixels(Dataset.open(str(folder / "dataset")), ("training", "validation"))
        held, truth = labelled_pixels(Dataset.open(str(folder / "left_out")), ("training", "validation", "test"))
        thresholds = [best_threshold(x[:, band], y, below=True) for band in (0, 1)]
        single = {f"{name} < {t:.1f} dB": iou(truth, held[:, band] < t) for band, (name, t) in enumerate(zip(("VV", "VH"), thresholds))}
        print(f"\n## Floods: {place} left out")
        table(figures, single)
        summary[place] = ([f["model"]["classes"][1]["iou"] for f in figures], figures[0]["statistics"]["classes"][1]["iou"], *(values[1] for values in single.values()))
        found.add(place, "network", value=summary[place][0])
        found.add(place, "network F1", value=[f["model"]["classes"][1]["f1"] for f in figures])
        found.add(place, "statistics", value=summary[place][1])
        found.add(place, "majority", value=figures[0]["majority"]["classes"][1]["iou"])
        for name, value in zip(("VV threshold", "VH threshold"), summary[place][2:]):
            found.add(place, name, value=value)
    print("\n| place left out | network, IoU of water | statistics | VV threshold | VH threshold |\n|---|---|---|---|---|")
    for place, (model, statistics, vv, vh) in summary.items():
        print(f"| {place} | {interval(model)} | {number(statistics)} | {number(vv)} | {number(vh)} |")
    print(f"| mean of places | {interval(np.mean([row[0] for row in summary.values()], axis=0))} | "
          + " | ".join(number(np.mean([row[column] for row in summary.values()])) for column in (1, 2, 3)) + " |")
    found.add("mean of places", "network", value=np.mean([row[0] for row in summary.values()], axis=0))
    for column, name in enumerate(("statistics", "VV threshold", "VH threshold"), 1):
        found.add("mean of places", name, value=float(np.mean([row[column] for row in summary.values()])))
    found.write(out / "floods.csv")


def main() -> None:
    data, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    for theme in sys.argv[3:] or ("boadella", "slovenia", "floods"):
        folder = out / theme
        folder.mkdir(parents=True)
        {"boadella": boadella, "slovenia": slovenia, "floods": floods}[theme](data, folder)


if __name__ == "__main__":
    main()

"""Roads of Chicago: a U-Net trained on the north of the Loop and tested on its south, beside a forest of pixels.

    .engine/train/bin/python benchmarks/roads_evidence.py DATA OUTPUT [EPOCHS] [SEED …]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a new folder. Prints each job as the command line that repeats it, then one
Markdown table for each area that is judged; OUTPUT/roads.csv is for docs/evidence/data. Scores of the network are over the seeds; the interval is Student's t at 95 %. One epoch shows whether it
runs and says nothing about roads.

Network and forest learn from the same ground, all of the north: on so small a place nothing is spent on validation, and the last epoch is kept.

Truth is OpenStreetMap: ways for motor vehicles without tunnels; service roads and tracks are neither road nor background. “Inner” judges only where the
extract of the map is whole, “outer” all that its bounding box holds: there, roads that the map lacks count as false alarms.
"""

import json
import sys
from pathlib import Path

import numpy as np
import rasterio
from sklearn.ensemble import RandomForestClassifier

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures, interval  # noqa: E402
from eo_pretrain_qgis.engine.classic.whitening import Whitening  # noqa: E402
from eo_pretrain_qgis.engine.datasets.dataset import IGNORE  # noqa: E402
from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores  # noqa: E402
from eo_pretrain_qgis.engine.rasters.grid import Window  # noqa: E402
from eo_pretrain_qgis.engine.rasters.raster import Raster  # noqa: E402
from eo_pretrain_qgis.engine.themes.roads.accuracy import road_counts, road_scores  # noqa: E402
from eo_pretrain_qgis.engine.themes.roads.labels import RoadDrawing, make_labels  # noqa: E402
from eo_pretrain_qgis.engine.themes.roads.ways import RoadRules, open_roads  # noqa: E402
from eo_pretrain_qgis.jobs import JOBS  # noqa: E402
from eo_pretrain_qgis.jobs.record import run_job  # noqa: E402
from eo_pretrain_qgis.progress import PrintedProgress  # noqa: E402

SEEDS = (1, 2, 3)
EPOCHS = 40
#: Twelve bands of the median composite; the others (AOT, WVP, SCL, QA60) are no measurements of the ground.
BANDS = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")
#: West, east, south, north [degree]. The strip of 160 m between north and south belongs to neither.
NORTH = (-87.6395, -87.613, 41.8800, 41.8905)
SOUTH = {"inner": (-87.6395, -87.613, 41.8665, 41.8785), "outer": (-87.640, -87.603, 41.858, 41.8785)}
RULES = {"service_roads": "ignored", "tracks": "ignored"}
TOLERANCES = (1, 3)
OPTIONS = {"learning_rate": 0.003, "augmentation": "flips", "batch_size": 16, "device": "cpu"}
TILES = {"preset": "sentinel2_l2a", "tile_size": 32, "stride": 8, "edge": 0}


def job(name: str, **values) -> dict:
    """Runs a job and prints the command that repeats it."""
    words = [f"--{key} {item!r}" for key, value in values.items() for item in (value if isinstance(value, list) else [value])]
    print(f"python -m eo_pretrain_qgis {name} {' '.join(words)}", flush=True)
    return run_job(JOBS[name].from_values(values), PrintedProgress())


def extent_text(box: tuple) -> str:
    return ",".join(map(str, box)) + " [EPSG:4326]"


def extent_value(box: tuple) -> dict:
    west, east, south, north = box
    return {"box": [west, south, east, north], "crs": "EPSG:4326"}


def twelve_bands(data: Path, out: Path) -> Path:
    """The bands that measure the ground, as their own image."""
    target = out / "chicago.tif"
    with rasterio.open(data / "s2" / "chicago" / "s2_median.tif") as source:
        profile, values = source.profile, source.read(list(range(1, len(BANDS) + 1)))
    with rasterio.open(target, "w", **{**profile, "count": len(BANDS)}) as image:
        image.write(values)
        image.descriptions = BANDS
    return target


class Ground:
    """An area of the image with its pixels and its truth."""

    def __init__(self, image: Path, roads, box: tuple) -> None:
        raster = Raster(str(image))
        self.grid = raster.grid
        self.window: Window = self.grid.window_of(extent_value(box))
        self.pixels, self.valid = raster.read(self.window)
        labels = make_labels(roads, RoadDrawing()).read(self.grid, self.window)
        self.truth = np.where(self.valid, labels, IGNORE).astype(np.uint8)
        raster.close()

    def features(self, whitening: Whitening | None) -> np.ndarray:
        """Values of each pixel, or its statistics after whitening: (y, x, feature)."""
        values = whitening.statistics(self.pixels[None], self.valid[None])[0] if whitening else self.pixels
        return np.moveaxis(values, 0, -1)

    def read_map(self, path: Path) -> np.ndarray:
        """A map made by predict_map, on the pixels of this area."""
        with Raster(str(path)) as raster:
            values, _ = raster.read(raster.grid.window_of({"box": list(self.grid.bounds(self.window)), "crs": self.grid.crs}))
        assert values[0].shape == self.truth.shape, (values[0].shape, self.truth.shape)
        return values[0] == 1


def figures(ground: Ground, mapped: np.ndarray) -> dict:
    """Pixel by pixel, and with a tolerance on centre lines."""
    judged = ground.truth != IGNORE
    usual = scores(confusion(ground.truth, mapped.astype(np.uint8), 2))["classes"][1]
    found = {name: usual[name] or 0.0 for name in ("precision", "recall", "f1", "iou")}
    for tolerance in TOLERANCES:
        lines = road_scores(road_counts(ground.truth == 1, mapped & judged, tolerance, judged))
        found |= {f"{name} {tolerance} px": lines[name] or 0.0 for name in ("precision", "recall", "f1")}
    return found


def forests(north: Ground, areas: dict[str, Ground]) -> dict[str, dict[str, dict]]:
    """Random forests of single pixels, on the bands and on the statistics around a pixel, trained on all pixels of the ground whose tiles the network has."""
    results: dict[str, dict[str, dict]] = {}
    measured = Whitening.of(north.pixels[:, north.valid].T, ["unknown"] * len(north.pixels))
    for name, statistics in (("forest, bands", None), ("forest, statistics", measured)):
        known = north.truth != IGNORE
        forest = RandomForestClassifier(200, min_samples_leaf=5, class_weight="balanced", n_jobs=2, random_state=1)
        forest.fit(north.features(statistics)[known], north.truth[known])
        for area, ground in areas.items():
            features = ground.features(statistics)
            mapped = forest.predict(features.reshape(-1, features.shape[-1])).reshape(ground.truth.shape) == 1
            results.setdefault(area, {})[name] = figures(ground, mapped)
    return results


def table(area: str, ground: Ground, network: list[dict], others: dict[str, dict], found: Figures) -> None:
    share = float((ground.truth == 1).sum() / (ground.truth != IGNORE).sum())
    names = list(network[0])
    print(f"\n## {area}: {ground.truth.shape[1]} × {ground.truth.shape[0]} px, {share:.1%} of the judged pixels are road\n")
    print("| | " + " | ".join(names) + " |\n|---|" + "---|" * len(names))
    print(f"| network, {len(network)} seeds | " + " | ".join(interval([run[name] for run in network]) for name in names) + " |")
    for who, row in others.items():
        print(f"| {who} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |")
    print(flush=True)
    for name in names:
        found.add(area, "network", name, value=[run[name] for run in network])
        for who, row in others.items():
            found.add(area, who, name, value=row[name])


def main() -> None:
    data, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    epochs = int(sys.argv[3]) if len(sys.argv) > 3 else EPOCHS
    seeds = [int(seed) for seed in sys.argv[4:]] or SEEDS
    out.mkdir(parents=True)
    image, osm = twelve_bands(data, out), data / "osm" / "chicago_loop.osm.pbf"
    job("create_road_dataset", images=[str(image)], roads=str(osm), extent=extent_text(NORTH), validation_share=0, test_share=0,
        output=str(out / "north"), **RULES, **TILES)
    job("create_road_dataset", images=[str(image)], roads=str(osm), extent=extent_text(SOUTH["inner"]), validation_share=0, test_share=0,
        output=str(out / "south"), **RULES, **TILES)
    for name in ("north", "south"):
        job("describe_dataset", dataset=str(out / name), output=str(out / f"{name}.html"))
    roads = open_roads({"path": str(osm)}, [Raster(str(image)).grid], RoadRules(service="ignored", tracks="ignored"), progress=PrintedProgress())
    areas = {name: Ground(image, roads, box) for name, box in SOUTH.items()}
    runs: dict[str, list[dict]] = {name: [] for name in areas}
    for seed in seeds:
        job("finetune", dataset=str(out / "north"), epochs=epochs, keep="last", seed=seed, output=str(out / f"run-{seed}"), **OPTIONS)
        job("export_model", run_folder=str(out / f"run-{seed}"), output=str(out / f"roads-{seed}.onnx"))
        job("predict_map", model=str(out / f"roads-{seed}.onnx"), images=[str(image)], extent=extent_text(SOUTH["outer"]), device="cpu",
            output=str(out / f"map-{seed}.tif"))
        for name, ground in areas.items():
            runs[name].append(figures(ground, ground.read_map(out / f"map-{seed}.tif")))
    baselines, found = forests(Ground(image, roads, NORTH), areas), Figures("area", "method", "figure")
    for name, ground in areas.items():
        plain = {"all road": figures(ground, np.ones(ground.truth.shape, bool)), "majority (no road)": figures(ground, np.zeros(ground.truth.shape, bool))}
        table(name, ground, runs[name], {**baselines[name], **plain}, found)
    found.write(out / "roads.csv")
    (out / "figures.json").write_text(json.dumps({"network": runs, "forests": baselines}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

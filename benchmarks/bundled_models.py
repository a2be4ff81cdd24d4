"""The models that come with the plugin, made by its own jobs: roads, land cover, sea ice (on simulated images) and crops.

    OMP_NUM_THREADS=1 .engine/train/bin/python -m benchmarks.bundled_models DATA OUTPUT [roads] [land_cover] [sea_ice] [crops]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a folder; what is there already is not done again, so a run that was stopped goes
on. Each model is what “Fine-tune a model” keeps of a regression, boosted trees and a small network; the validation samples chose it, and the test samples
chose nothing. OUTPUT/bundled_models.csv is for docs/evidence/data; --keep copies the model files to models/ready.
Intervals at 95 % are those of “Evaluate model”: a bootstrap over blocks of test ground.

roads       Chicago, Sentinel-2 median and OpenStreetMap; the north of the Loop trains and validates, its south tests
land_cover  Slovenia, official land use of 1 km², five dates of one place, divided by place
sea_ice     SIMULATED images; four of sixteen scenes test. No skill on real ice follows
crops       points in Arkansas and California 2021, labels of the USDA's Cropland Data Layer, divided by blocks of 0.5 degree
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import rasterio
from onnx import TensorProto, helper, numpy_helper
from rasterio.warp import transform_bounds
from rasterio.windows import Window, from_bounds

from benchmarks import crops_learning, roads_evidence, simulated_ice
from benchmarks.approaches import LAND_USE, job
from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.models import package

ROOT = Path(__file__).resolve().parents[1]
READY = ROOT / "models" / "ready"
#: An encoder that is small enough, and without squeeze-and-excitation, which looks at whole tiles and so sees a map otherwise than a tile. Of those tried
#: on roads it was the best on the validation tiles.
ENCODER = "tu-mobilenetv2_050"
SEED = 1
#: Bands of 10 m, which everyone has, and the two of 20 m that tell vegetation, soil and built-up ground apart.
TEN_METRES, SIX = "B02,B03,B04,B08", "B02,B03,B04,B08,B11,B12"
SCENES, SIDE = 16, 256
#: Largest file of each theme [byte], and the share of pixels that kernels in half precision may give another class.
LARGEST = {"roads": 7_000_000, "land_cover": 7_000_000, "sea_ice": 3_000_000, "crops": 1_000_000}
CHANGED = 0.001
#: What a cast takes in a file, with room to spare [byte].
ROOM = 1000


@dataclass(frozen=True)
class Learned:
    """What a theme learns from, how, and where it is tested.

    Attributes:
        dataset: with training and validation samples.
        options: of “Fine-tune a model”.
        test: another dataset, all of which is a test; None where `dataset` has test samples.
    """

    dataset: Path
    options: dict
    test: Path | None = None


def roads(data: Path, out: Path) -> Learned:
    """North and south of the Loop as two images, so that no pixel of one is seen with the other."""
    extract, whole = str(data / "osm" / "chicago_loop.osm.pbf"), out / "chicago.tif"
    if not whole.exists():
        roads_evidence.twelve_bands(data, out)
    for name, box, share in (("north", roads_evidence.NORTH, 0.2), ("south", roads_evidence.SOUTH["inner"], 0)):
        image = clipped(whole, box, out / f"{name}.tif", TEN_METRES.split(","))
        job("create_road_dataset", out / f"{name}_dataset", images=[str(image)], roads=extract, validation_share=share, test_share=0,
            **roads_evidence.RULES, **roads_evidence.TILES)
    return Learned(out / "north_dataset", {"epochs": 25, "patience": 25, "batch_size": 16, "encoder": ENCODER}, out / "south_dataset")


def clipped(image: Path, box: tuple, target: Path, bands: list[str]) -> Path:
    """Some bands of an image within a box (west, east, south, north) [degree]."""
    west, east, south, north = box
    with rasterio.open(image) as source:
        numbers = [source.descriptions.index(band) + 1 for band in bands]
        window = from_bounds(*transform_bounds("EPSG:4326", source.crs, west, south, east, north), source.transform).round_offsets().round_lengths()
        return stored(source, numbers, window, target)


def stored(source: rasterio.DatasetReader, numbers: list[int], window: Window, target: Path) -> Path:
    """Bands of an image of reflectance as Sentinel-2 is delivered: × 10,000, 0 where nothing was measured. So a map takes such images as they are."""
    values = source.read(numbers, window=window).astype(float)
    values = np.where(np.isfinite(values).all(0), np.clip(np.rint(values * 10_000), 1, 65_535), 0).astype(np.uint16)
    profile = {"driver": "GTiff", "dtype": "uint16", "nodata": 0, "count": len(numbers), "height": values.shape[1], "width": values.shape[2],
               "crs": source.crs, "transform": source.window_transform(window)}
    with rasterio.open(target, "w", **profile) as written:
        written.write(values)
        written.descriptions = [source.descriptions[number - 1] for number in numbers]
    return target


def land_cover(data: Path, out: Path) -> Learned:
    """Five dates of one place; the classes of which there are some pixels."""
    source, images = data / "landcover" / "slovenia_eopatch" / "derived", []
    for number in range(5):
        with rasterio.open(source / f"scene_{number}.tif") as scene:
            numbers = [scene.descriptions.index(band) + 1 for band in SIX.split(",")]
            images.append(str(stored(scene, numbers, Window(0, 0, scene.width, scene.height), out / f"scene_{number}.tif")))
    job("create_training_dataset", out / "dataset", images=images, labels=str(source / "LULC.tif"),
        class_table=json.dumps([dict(zip(("value", "name", "color"), row)) for row in LAND_USE]), preset="sentinel2_l1c", tile_size=32, stride=8,
        minimum_valid=0.3, test_share=0.25)
    return Learned(out / "dataset", {"epochs": 30, "encoder": ENCODER})


def sea_ice(data: Path, out: Path) -> Learned:
    """Pixels of simulated scenes, divided by scene."""
    del data
    made = out / "scenes"
    made.mkdir(exist_ok=True)
    images, polygons = simulated_ice.simulate(made, SEED, SCENES, SIDE)
    colours = json.dumps([{"value": name, "name": name, "color": color} for name, color in simulated_ice.STAGES.items()])
    job("create_sea_ice_dataset", out / "dataset", images=images, labels=polygons, class_field="stage", class_table=colours, samples="tiles", size=64,
        split_by="scene", validation_share=0.25, test_share=0.25)
    return Learned(out / "dataset", {"epochs": 10, "encoder": ENCODER})


def crops(data: Path, out: Path) -> Learned:
    """Series of both states in TimeSen2Crop's layout, a tile for each block of 0.5 degree; each state has classes that the other lacks."""
    folder = out / "timesen2crop"
    if not folder.exists():
        made = out / "timesen2crop.part"
        shutil.rmtree(made, ignore_errors=True)
        write_timesen2crop(data / "crops" / "us_cdl_s2_2021", made)
        made.rename(folder)
    job("import_dataset", out / "dataset", source=str(folder), format="timesen2crop", split="new", validation_share=0.2, test_share=0.3)
    return Learned(out / "dataset", {"epochs": 30})


def write_timesen2crop(source: Path, folder: Path) -> None:
    """Both states as folders of small CSV files; a date at which all bands are 0 has the flag of a cloud."""
    bands = ["B02", "B03", "B04", "B05", "B06", "B07", "B8A", "B11", "B12"]
    states = {state: (crops_learning.table(source / f"{state}_points.csv"), np.load(source / f"{state}_series.npz"))
              for state in crops_learning.STATES}
    names = sorted({row["crop"] for rows, _ in states.values() for row in rows})
    dates = [(datetime.date(2021, 1, 1) + datetime.timedelta(10 * step + 4)).strftime("%Y%m%d") for step in range(36)]
    for rows, content in states.values():
        picked = [list(content["bands"]).index(band) for band in bands]
        for number, (row, series) in enumerate(zip(rows, content["series"], strict=True)):
            tile = folder / row["block"].replace("-", "m")
            place = tile / str(names.index(row["crop"]))
            place.mkdir(parents=True, exist_ok=True)
            (tile / "dates.csv").write_text("\n".join(["acquisition_date", *dates]) + "\n", encoding="ascii")
            lines = [[*(int(value) for value in date[picked]), int(not date.any())] for date in series]
            with (place / f"{number}.csv").open("w", newline="", encoding="ascii") as stream:
                csv.writer(stream).writerows([[*(f"B{band[1:].lstrip('0')}" for band in bands), "Flag"], *lines])
    (folder / "classes.csv").write_text("value,name\n" + "".join(f"{value},{name}\n" for value, name in enumerate(names)), encoding="utf-8")


THEMES: dict[str, Callable[[Path, Path], Learned]] = {one.__name__: one for one in (roads, land_cover, sea_ice, crops)}
SENTINEL = "contains modified Copernicus Sentinel data"
#: Name inside the file, which the tags of maps repeat, and the licence of the model with those whose data it learned from.
NAMES = {"roads": ("bundled roads (Chicago)", f"CC-BY-4.0 ({SENTINEL}; © OpenStreetMap contributors, ODbL)"),
         "land_cover": ("bundled land cover (Slovenia)", f"CC-BY-4.0 ({SENTINEL} 2015-2017; land use: RABA, MKGP, CC-BY-4.0)"),
         "sea_ice": ("bundled sea ice, a demonstration on simulated data", "CC0-1.0"),
         "crops": ("bundled crops (Arkansas and California 2021)", f"CC-BY-4.0 ({SENTINEL} 2021; labels: USDA NASS Cropland Data Layer)")}
WHO = {"model": "bundled model", "statistics": "regression", "boosting": "boosted trees", "majority": "most common class"}


def make(theme: str, data: Path, out: Path) -> dict:
    """Learns, evaluates and exports one model; gives the figures of the test."""
    out.mkdir(parents=True, exist_ok=True)
    asked, begun = THEMES[theme](data, out), time.process_time()
    job("finetune", out / "run", dataset=str(asked.dataset), seed=SEED, device="cpu", **asked.options)
    if (spent := time.process_time() - begun) > 1:
        (out / "minutes.txt").write_text(f"{spent / 60:.1f}", encoding="ascii")
    elsewhere = {"dataset": str(asked.test), "split": "all"} if asked.test else {}
    job("evaluate_model", out / "test.html", run_folder=str(out / "run"), facts=str(out / "test.json"), device="cpu", **elsewhere)
    name, licence = NAMES[theme]
    whole = out / "exported.onnx"
    job("export_model", whole, run_folder=str(out / "run"), model_name=name, licence=licence)
    made = whole if whole.stat().st_size <= LARGEST[theme] else smaller(
        whole, Dataset.open(str(asked.dataset)), out / "smaller.onnx", LARGEST[theme])
    shutil.copy(made, out / f"{theme}.onnx")
    return json.loads((out / "test.json").read_text(encoding="utf-8"))


def smaller(path: Path, dataset: Dataset, target: Path, most: int) -> Path:
    """A model file of at most so many bytes: its largest kernels in half precision or, of series, without the samples that tell unlike ground."""
    model, description = onnx.load(path), package.open(str(path)).description
    if dataset.kind.pixelwise:
        half(model.graph, path.stat().st_size - most)
    else:
        description = {key: value for key, value in description.items() if key != "applicability"}
    package.write(model, description, str(target))
    if dataset.kind.pixelwise:
        seen, names = description["inputs"][0], [band.name for band in dataset.sensors[0].bands]
        tiles = dataset.images(dataset.indices("validation"))[:, [names.index(band["name"]) for band in seen["bands"]]].astype(np.float32)
        tiles = np.where(np.isfinite(tiles), tiles, np.array(seen["fill"], np.float32)[:, None, None])
        first, second = (onnxruntime.InferenceSession(str(file)).run(["probabilities"], {seen["name"]: tiles})[0] for file in (path, target))
        changed = float((first.argmax(1) != second.argmax(1)).mean())
        print(f"Half precision: {np.abs(first - second).max():.4f} at most, another class on {changed:.4%} of the validation pixels", flush=True)
        if changed > CHANGED:
            raise ValueError(f"{changed:.4%} of the pixels get another class, and at most {CHANGED:.4%} may. Choose a smaller encoder.")
    return target


def half(graph: onnx.GraphProto, less: int) -> None:
    """Stores as many of the largest kernels as float16 as makes the file so many bytes smaller, and casts them to float32 before they are used."""
    casts, kernels = [], [tensor for tensor in graph.initializer if len(tensor.dims) == 4 and tensor.data_type == TensorProto.FLOAT]
    for tensor in sorted(kernels, key=lambda tensor: -np.prod(tensor.dims)):
        if less <= 0:
            break
        name, less = tensor.name, less - 2 * int(np.prod(tensor.dims)) + ROOM
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half"))
        casts.append(helper.make_node("Cast", [f"{name}_half"], [name], to=TensorProto.FLOAT))
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)


def add_figures(theme: str, facts: dict, found: Figures) -> None:
    """The leading figure and, of each class, its own, with their intervals."""
    for who, words in WHO.items():
        if who not in facts:
            continue
        rows = [(facts["score"].replace("_", " "), facts[who][facts["score"]], facts[who]["intervals"].get(facts["score"]))]
        leading = "iou" if "iou" in facts["score"] else "f1"
        rows += [(f"{row['name']} ({leading})", row[leading], row["interval"]) for row in facts[who]["classes"]]
        for number, tolerance in enumerate(facts.get("roads", {}).get("tolerances_px", ())):
            lines = facts["roads"]["methods"][who][number]
            rows.append((f"lines, tolerance {tolerance} px (f1)", lines["f1"], lines["intervals"]["f1"]))
        for figure, value, ends in rows:
            if value is not None:
                low, high = (f"{end:.3f}" for end in ends) if ends else ("", "")
                found.rows.append({"theme": theme, "figure": figure, "method": words, "value": f"{value:.3f}", "lowest": low, "highest": high})
    apart = facts["difference"]
    low, high = (f"{end:+.3f}" for end in apart["interval"])
    found.rows.append({"theme": theme, "figure": "ahead of the best simple one", "method": WHO["model"], "value": f"{apart['value']:+.3f}", "lowest": low,
                       "highest": high})


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("output", type=Path)
    arguments.add_argument("themes", nargs="*", default=[], help=", ".join(THEMES))
    arguments.add_argument("--keep", action="store_true", help="copy the model files to models/ready")
    asked, found = arguments.parse_args(), Figures("theme", "figure", "method")
    for theme in asked.themes or THEMES:
        facts = make(theme, asked.data.resolve(), asked.output.resolve() / theme)
        add_figures(theme, facts, found)
        model = asked.output / theme / f"{theme}.onnx"
        print(f"{theme}: kept {facts['kept']}, {facts['score']} {facts['model'][facts['score']]:.3f}, {model.stat().st_size / 1e6:.2f} MB", flush=True)
        if asked.keep:
            shutil.copy(model, READY)
    found.write(asked.output / "bundled_models.csv")


if __name__ == "__main__":
    main()

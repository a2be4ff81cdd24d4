"""Embeddings: how much of the network's own speed is left, what a long series takes, and what a map from points gains.

`speed` maps in turns with the bare runtime on arrays of the same shapes, in one process: the runtime that the map takes, warm and loaded anew as for a
map, with the network as it stands in the model file; on a machine that others use too, compare the processor time. `series` embeds 40 dates of ten bands by Presto. `points` judges “Map from points”, its regression, on raw bands and on embeddings of the same pixels: Leipzig's 97
real points by cross-validation by place with three seeds, and three draws of 30 points for each class of a SIMULATED landscape, whose map is held
against its truth. The encoders of images are those of models/, trained without labels on the RGB images of EuroSAT, and see the bands in its 8 bits.
Run: python -m benchmarks.embeddings speed|series|points DATA_FOLDER [--size 1024] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
import shapely

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.landscape import create
from eo_pretrain_qgis.engine.mapping import series
from eo_pretrain_qgis.engine.mapping.blocks import anchored_tiles
from eo_pretrain_qgis.engine.measures.accuracy import confusion, scores
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.network import LoadedNetwork
from eo_pretrain_qgis.engine.models.session import on_processor
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes

MODELS = Path(__file__).resolve().parents[1] / "models"
ENCODERS = {"EfficientNet-Lite0": MODELS / "eurosat_rgb_lite0_barlow_twins", "ResNet-18": MODELS / "eurosat_rgb_barlow_twins"}
OPTICAL = ("B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B11", "B12")
DATES = 40
#: Digital numbers that are white in the RGB images of EuroSAT.
WHITE = 2750
SEEDS, EACH, FAR = (1, 2, 3), 30, 7
ROUNDS = 3
#: Of the images whose speed is measured [px], and the names of their bands.
SIZES, NAMES = (1024, 2048), ("B04", "B03", "B02")


def job(name: str, **values: Any) -> dict[str, Any]:
    """Runs a job on plain values and paths."""
    return JOBS[name].from_values({key: str(value) if isinstance(value, Path) else value for key, value in values.items()}).run(SILENT)


def write_dates(folder: Path, size: int) -> list[str]:
    """Forty images of a year, noise in the range of land, as tiled files."""
    rng, paths = np.random.default_rng(0), []
    for number in range(DATES):
        day = np.datetime64("2023-01-01") + 9 * number
        path = folder / f"S2_{str(day).replace('-', '')}.tif"
        scenes.write_raster(path, rng.integers(300, 4000, (len(OPTICAL), size, size), np.uint16), names=OPTICAL, tiled=True, blockxsize=256,
                            blockysize=256, compress="deflate")
        paths.append(str(path))
    return paths


def timed(ways: dict[str, Callable[[], object]]) -> dict[str, tuple[float, float]]:
    """Least wall clock and processor time of each way [s], taken in turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started, busy = time.perf_counter(), time.process_time()
            way()
            found[name].append((time.perf_counter() - started, time.process_time() - busy))
    return {name: (min(wall for wall, _ in rows), min(busy for _, busy in rows)) for name, rows in found.items()}


def told(found: Figures, name: str, times: dict[str, tuple[float, float]], pixels: int, seen: int) -> None:
    """Adds rates and ratios of a map and the bare runtime, which both compute the pixels `seen`, borders of blocks among them, for `pixels` of the
    image; as if borders were lost time, too, in the last ratio.
    """
    found.add(name, "bare runtime [Mpx/s]", value=pixels / 1e6 / times["bare"][0], form=".4f")
    found.add(name, "embedding of a file [Mpx/s]", value=pixels / 1e6 / times["map"][0], form=".4f")
    found.add(name, "ratio by wall clock", value=times["bare"][0] / times["map"][0], form=".2f")
    found.add(name, "ratio by processor time", value=times["bare"][1] / times["map"][1], form=".2f")
    if "loaded" in times:
        found.add(name, "ratio by processor time, the runtime loaded for the image, too", value=times["loaded"][1] / times["map"][1], form=".2f")
    found.add(name, "pixels computed for one of the image", value=seen / pixels, form=".2f")
    found.add(name, "ratio by processor time, borders not counted", value=times["bare"][1] / times["map"][1] * pixels / seen, form=".2f")
    print(name, times, f"ratio {times['bare'][0] / times['map'][0]:.3f}, of processor time {times['bare'][1] / times['map'][1]:.3f}", flush=True)


def speed_of_images(found: Figures, folder: Path, sizes: Sequence[int]) -> None:
    """The encoders of models/ on images of 8 bits."""
    for size in sizes:
        noise = np.random.default_rng(1).normal(95, 35, (3, size, size)).clip(1, 255).astype(np.uint8)
        scenes.write_raster(folder / f"{size}.tif", noise, names=NAMES, tiled=True, blockxsize=512, blockysize=512, compress="deflate")
    small = scenes.write_raster(folder / "small.tif", noise[:, :64, :64], names=NAMES)
    for name, encoder in ENCODERS.items():
        path = folder / f"{name}.onnx"
        job("compute_embeddings", encoder=encoder, images=[str(small)], output=folder / "small_embedding.tif", model=path)
        for size in sizes:
            speed_of_image(found, f"{name}, 64 numbers, {size} × {size} px", package.open(path), folder / f"{size}.tif", size)


def speed_of_image(found: Figures, name: str, model: package.Package, image: Path, size: int) -> None:
    """An embedding of an image of `size` × `size` pixels by a model file."""
    warm = model.session("cpu")
    tiles = anchored_tiles(size, size, block=model.block, halo=model.halo, stride=model.stride)
    arrays = {(tile.seen.height, tile.seen.width): np.full((1, 3, tile.seen.height, tile.seen.width), 95, np.float32) for tile in tiles}

    def bare(session: LoadedNetwork) -> None:
        for tile in tiles:
            session.run({model.image.name: arrays[tile.seen.height, tile.seen.width]})

    times = timed({"bare": lambda: bare(warm), "loaded": lambda: bare(package.open(model.path).session("cpu")),
                   "map": lambda: job("compute_embeddings", encoder=model.path, images=[str(image)], output=image.with_name("e.tif"), device="cpu")})
    told(found, name, times, size**2, sum(tile.seen.width * tile.seen.height for tile in tiles))


def speed_of_series(found: Figures, folder: Path, data: Path, size: int = 64) -> None:
    """Presto on forty dates."""
    images, path = write_dates(folder, size), folder / "presto.onnx"
    asked = {"images": images, "output": folder / "p.tif"}
    job("compute_embeddings", encoder=data / "weights" / "presto_default_model.pt", preset="sentinel2_l2a", **asked, model=path)
    model = package.open(path)
    session, (seen,), together = on_processor(path.read_bytes()), model.inputs.values(), series.ASKED
    values = np.random.default_rng(0).integers(300, 4000, (together, DATES, len(OPTICAL))).astype(np.float32)
    days = np.tile(9.0 * np.arange(DATES, dtype=np.float32), (together, 1))

    def bare() -> None:
        for first in range(0, size * size, together):
            count = min(together, size * size - first)
            session.run(None, dict(zip(seen.ports, (values[:count], days[:count]), strict=True)))

    told(found, f"Presto, 128 numbers, {size} × {size} px × {DATES} dates", timed({
        "bare": bare, "map": lambda: job("compute_embeddings", encoder=path, **asked)}), size**2, size**2)


def long_series(found: Figures, folder: Path, data: Path, size: int) -> None:
    """How long forty dates take by Presto, once."""
    images = write_dates(folder, size)
    made = job("compute_embeddings", encoder=data / "weights" / "presto_default_model.pt", preset="sentinel2_l2a", images=images, output=folder / "p.tif")
    found.add(f"Presto, {size} × {size} px × {DATES} dates of {len(OPTICAL)} bands", "minutes", value=made["seconds"] / 60, form=".1f")
    found.add(f"Presto, {size} × {size} px × {DATES} dates of {len(OPTICAL)} bands", "pixels per second", value=size**2 / made["seconds"], form=".0f")
    print(made, flush=True)


def in_8_bits(path: Path, source: str, names: tuple[str, str, str]) -> Path:
    """Red, green and blue of an image in digital numbers as EuroSAT has them."""
    with rasterio.open(source) as raster:
        bands = [list(raster.descriptions).index(name) + 1 for name in names]
        values, profile = raster.read(bands).astype(np.float32), raster.profile
        valid = raster.dataset_mask() > 0
    stored = np.rint(values * 255 / WHITE).clip(1, 255)
    profile.update(count=3, dtype="uint8", nodata=0)
    with rasterio.open(path, "w", **profile) as target:
        target.write(np.where(valid & np.isfinite(values).all(0), stored, 0).astype(np.uint8))
        target.descriptions = ("B04", "B03", "B02")
    return path


def inputs_of(folder: Path, raw: str, rgb: Path) -> dict[str, list[str]]:
    """What “Map from points” is given: raw bands, the three that the encoders see, and embeddings of these."""
    found = {"raw bands": [raw], "red, green, blue": [str(rgb)]}
    for name, encoder in ENCODERS.items():
        path = folder / f"{name}_embedding.tif"
        job("compute_embeddings", encoder=encoder, images=[str(rgb)], output=path)
        found |= {f"embedding, {name}": [str(path)], f"raw bands and embedding, {name}": [raw, str(path)]}
    return found


def leipzig(found: Figures, folder: Path, data: Path) -> None:
    """Real points, judged by place, with three seeds."""
    place = data / "landcover" / "leipzig_s2"
    raw = str(place / "leipzig_raster.tif")
    given = inputs_of(folder, raw, in_8_bits(folder / "rgb.tif", raw, ("b04", "b03", "b02")))
    for name, images in given.items():
        outcomes = [job("map_from_points", images=images, labels=place / "leipzig_points.gpkg", class_field="land_cover", approach="statistics",
                        seed=seed, output=folder / "map.tif", model=folder / "m.onnx", report=folder / "m.html") for seed in SEEDS]
        compared(found, "Leipzig, 97 points, places held out", name, outcomes)


def compared(found: Figures, data: str, name: str, outcomes: list[dict[str, Any]]) -> None:
    """Adds overall accuracy and mean IoU, the lowest and highest of the seeds beside their means."""
    for key, words in (("overall_accuracy", "overall accuracy"), ("mean_iou", "mean IoU")):
        found.add(data, name, words, value=[each[key] for each in outcomes], spread=True)
    print(data, name, [(round(each["overall_accuracy"], 3), round(each["mean_iou"], 3)) for each in outcomes], flush=True)


def landscape(found: Figures, folder: Path, data: Path, size: int) -> None:
    """Simulated points and truth, three draws."""
    files = create(folder / "landscape", size)
    raw, season = files["sentinel2"], sorted(Path(files["season"]).glob("*.tif"))
    images, masks = ([str(path) for path in season if ("scl" in path.name.lower() or "classes" in path.name.lower()) == is_mask]
                     for is_mask in (False, True))
    given = inputs_of(folder, raw, in_8_bits(folder / "rgb.tif", raw, ("B04", "B03", "B02")))
    presto = folder / "presto.tif"
    job("compute_embeddings", encoder=data / "weights" / "presto_default_model.pt", preset="sentinel2_l2a", images=images, masks=masks, output=presto)
    given |= {"embedding of the season, Presto": [str(presto)], "raw bands and embedding of the season, Presto": [raw, str(presto)]}
    with rasterio.open(files["land_cover"]) as raster:
        truth, transform, crs = raster.read(1), raster.transform, raster.crs
    for name, chosen in given.items():
        outcomes = []
        for seed in SEEDS:
            rows, columns = drawn(truth, seed)
            points = geopandas.GeoDataFrame({"cover": [str(value) for value in truth[rows, columns]]}, crs=crs, geometry=[
                shapely.Point(transform @ (column + 0.5, row + 0.5)) for row, column in zip(rows, columns, strict=True)])
            points.to_file(folder / f"points_{seed}.gpkg")
            job("map_from_points", images=chosen, labels=folder / f"points_{seed}.gpkg", class_field="cover", approach="statistics", seed=seed,
                output=folder / "map.tif", model=folder / "m.onnx", report=folder / "m.html")
            outcomes.append(against(truth, folder / "map.tif", folder / "m.onnx", rows, columns))
        compared(found, "landscape (simulated), 30 points per class", name, outcomes)


def drawn(truth: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of points, as many of each class."""
    rng = np.random.default_rng(seed)
    places = [np.flatnonzero(truth.ravel() == value) for value in np.unique(truth[truth > 0])]
    chosen = np.concatenate([rng.choice(own, min(EACH, len(own)), replace=False) for own in places])
    return np.unravel_index(chosen, truth.shape)


def against(truth: np.ndarray, path: Path, model: Path, rows: np.ndarray, columns: np.ndarray) -> dict[str, float]:
    """Overall accuracy and mean IoU of a map where no point is near."""
    with rasterio.open(path) as raster:
        found = raster.read(1)
    near = np.zeros(truth.shape, bool)
    for row, column in zip(rows, columns, strict=True):
        near[max(0, row - FAR):row + FAR + 1, max(0, column - FAR):column + FAR + 1] = True
    names = {entry.value: int(entry.name) for entry in package.open(model).classes}
    asked = (found != 255) & ~near & (truth > 0)
    order = sorted(set(names.values()))
    place = {value: number for number, value in enumerate(order)}
    said = np.array([place[names[value]] for value in found[asked]])
    return scores(confusion(np.array([place[value] for value in truth[asked]]), said, len(order)))


def main() -> None:
    """See above."""
    arguments = argparse.ArgumentParser()
    arguments.add_argument("what", choices=("speed", "series", "points"))
    arguments.add_argument("data", type=Path, help="the folder of real data, with landcover/ and weights/ in it")
    arguments.add_argument("--size", type=int, help="of the image, series or landscape [px]; 1024 and 2048, 1000 and 256")
    arguments.add_argument("--csv", type=Path, help="folder for the figures")
    asked = arguments.parse_args()
    found = Figures("data", "input", "figure") if asked.what == "points" else Figures("what", "figure")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if asked.what == "speed":
            speed_of_images(found, folder, [asked.size] if asked.size else SIZES)
            speed_of_series(found, folder, asked.data)
        elif asked.what == "series":
            long_series(found, folder, asked.data, asked.size or 1000)
        else:
            leipzig(found, folder, asked.data)
            landscape(found, folder, asked.data, asked.size or 256)
    if asked.csv:
        found.write(asked.csv / f"embeddings_{asked.what}.csv")


if __name__ == "__main__":
    main()

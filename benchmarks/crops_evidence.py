"""What quick baselines reach on real crop series when whole fields are kept apart, and what a split by pixel would pretend.

  belgium      monthly series of 35 fields in Belgium 2019 (tables; WorldCereal, Apache-2.0), five crops, about 30 points a field
  worldcereal  two 640 m squares in Belgium with Sentinel-2, scene classes and Sentinel-1 of a whole season, through
               create_crop_dataset; the fields are the connected areas of one declared crop, so few that the figures are shaky
  sample       the simulated landscape's season of twelve dates, through create_crop_dataset; SIMULATED, not evidence of skill on Earth

For each of three seeds (split and forest) a random forest and a logistic regression on gap-filled series; macro-F1 of the test
samples beside that of the most common class. "by pixel" is the same forest on a random split, to show what leakage pretends.
Run: python -m benchmarks.crops_evidence DATA_FOLDER [--sample SAMPLE_FOLDER] [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
import contextlib
import csv
import tempfile
import time
import warnings
from datetime import datetime, timedelta
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rasterio.features
import shapely
from scipy import ndimage
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.datasets.footprints import read_footprints
from eo_pretrain_qgis.engine.datasets.splitting.by_group import split_by_group
from eo_pretrain_qgis.engine.datasets.splitting.by_place import SplitPlan
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

SEEDS = (1, 2, 3)
BLOCK_M = 2500
WORLDCEREAL = ("worldcereal_00002806639B424A", "worldcereal_000028085BF08E7E")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path, help="the folder of real data, with crops/ in it")
    arguments.add_argument("--sample", type=Path, help="a folder made by create_sample")
    arguments.add_argument("--csv", type=Path, help="folder for crops.csv")
    asked, found = arguments.parse_args(), Figures("data", "method")
    warnings.simplefilter("ignore")
    begun = time.process_time()
    print("macro-F1 on test samples, mean of three seeds (lowest to highest); fields or blocks kept whole\n")
    keep(found, "Belgium", belgium(asked.data / "crops" / "belgium_2019_monthly_timeseries.csv"))
    for name in WORLDCEREAL:
        with tempfile.TemporaryDirectory() as folder:
            keep(found, f"WorldCereal {name.split('_')[1].lstrip('0')[:8]}", worldcereal(asked.data / "crops" / name, Path(folder)))
    if asked.sample:
        with tempfile.TemporaryDirectory() as folder:
            keep(found, "sample landscape (simulated)", sample(asked.sample, Path(folder)))
    if asked.csv:
        found.write(asked.csv / "crops.csv")
    print(f"\n{time.process_time() - begun:.0f} s of processor time")


def belgium(path: Path) -> list[dict[str, float]]:
    """Series from a table: 12 months × NDVI, B08, B11, VV/VH."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    columns = [name for name in rows[0] if name[-8:-3] == "_2019"]
    values = np.array([[float(row[name] or 0) for name in columns] for row in rows])
    crops, labels = np.unique([row["crop"] for row in rows], return_inverse=True)
    fields = np.array([row["sampleID"] for row in rows])
    print(f"belgium: {len(rows)} points of {len(set(fields))} fields, {len(crops)} crops, {values.shape[1]} values each")
    results = [scores(values, labels, split_by_group(fields, labels, SplitPlan(0, 0.3, seed=seed), "fields").names == "test", seed)
               for seed in SEEDS]
    return tell(results)


def worldcereal(source: Path, folder: Path) -> list[dict[str, float]]:
    """NetCDF files as GeoTIFFs, one per date, then through the job."""
    given = convert(source, folder)
    table = given.pop("table")
    print(f"{source.name}: {len(given['images'])} dates of Sentinel-2, {len(given['radar'])} of Sentinel-1; fields per crop code: "
          f"{', '.join(f'{code}: {count}' for code, count in sorted(table.items()))}; codes with one field are left out")
    return tell_job(given, folder, minimum_parcels=0, crop_table=given.pop("crop_table"), preset="sentinel2_l2a", split_by="parcel", inner_buffer=10)


def sample(source: Path, folder: Path) -> list[dict[str, float]]:
    """The simulated season."""
    season = source / "season"
    given = {"images": sorted(map(str, season.glob("S2_*.tif"))), "masks": sorted(map(str, season.glob("SCL_*.tif"))),
             "parcels": str(source / "parcels.gpkg"), "crop_field": "crop"}
    print(f"sample (SIMULATED): {len(given['images'])} dates")
    return tell_job(given, folder, sample_count=4000, minimum_samples=30, split_by="blocks")


def tell_job(given: dict, folder: Path, **values) -> list[dict[str, float]]:
    """Makes a dataset, fills the gaps, and scores splits of three seeds that keep parcels, or blocks of ground, whole."""
    output, blocks = folder / "dataset", values["split_by"] == "blocks"
    made = JOBS["create_crop_dataset"].from_values({**given, **values, "validation_share": 0, "test_share": 0.35,
                                                    "output": str(output)}).run(SILENT)
    dataset = Dataset.open(output)
    everything = np.arange(len(dataset))
    features = np.concatenate([filled(dataset, sensor.name, everything) for sensor in dataset.sensors], 1)
    flags, labels = dataset.array("flags", everything), dataset.labels(everything).astype(int)
    print(f"  {made['samples']} samples of {dataset.tiles['parcel'].nunique()} parcels, {made['classes']} classes "
          f"({', '.join(row.name for row in dataset.classes)}), {(flags == 0).mean():.0%} of the dates clear")
    groups = dataset.tiles["parcel"].to_numpy()
    if blocks:  # a parcel belongs to the block of its first sample
        points = read_footprints(output).geometry
        cells = np.char.add(np.floor(points.x.to_numpy() / BLOCK_M).astype(str), np.floor(points.y.to_numpy() / BLOCK_M).astype(str))
        _, first, parcel = np.unique(groups, return_index=True, return_inverse=True)
        groups = cells[first][parcel]
    return tell([scores(features, labels, split_by_group(groups, labels, SplitPlan(0, 0.35, seed=seed), "groups").names == "test", seed)
                 for seed in SEEDS])


def filled(dataset: Dataset, sensor: str, indices: np.ndarray) -> np.ndarray:
    """Values every 15 days, between the clear dates on straight lines: (n, step × band)."""
    number = [each.name for each in dataset.sensors].index(sensor)
    suffix = "" if number == 0 else f"_{sensor}"
    values, days = dataset.images(indices, sensor).astype(float), dataset.array("days" + suffix, indices)
    clear = dataset.array("flags" + suffix, indices) == 0
    steps = np.arange(days.min(), days.max() + 1, 15)
    result = np.zeros((len(indices), len(steps), values.shape[2]))
    for sample_number in range(len(indices)):
        seen = clear[sample_number]
        if seen.any():
            for band in range(values.shape[2]):
                result[sample_number, :, band] = np.interp(steps, days[sample_number, seen], values[sample_number, seen, band])
    return result.reshape(len(indices), -1)


def scores(features: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> dict[str, float]:
    """Macro-F1 and accuracy of the baselines on the test samples."""
    common = np.full(test.sum(), np.bincount(labels[~test]).argmax())
    found = {"samples": int(test.sum()), "most common class": macro(labels[test], common)}
    forest = RandomForestClassifier(60, random_state=seed, n_jobs=1).fit(features[~test], labels[~test])
    answer = forest.predict(features[test])
    found |= {"random forest": macro(labels[test], answer), "forest, accuracy": accuracy_score(labels[test], answer)}
    linear = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=200)).fit(features[~test], labels[~test])
    found["logistic regression"] = macro(labels[test], linear.predict(features[test]))
    shuffled = np.random.default_rng(seed).permutation(test)
    forest = RandomForestClassifier(60, random_state=seed, n_jobs=1).fit(features[~shuffled], labels[~shuffled])
    found["forest, split by pixel"] = macro(labels[shuffled], forest.predict(features[shuffled]))
    return found


def macro(truth: np.ndarray, answer: np.ndarray) -> float:
    """F1 averaged over the classes of the truth."""
    return float(f1_score(truth, answer, labels=np.unique(truth), average="macro", zero_division=0))


def tell(results: list[dict[str, float]]) -> list[dict[str, float]]:
    print(f"  test samples per seed: {', '.join(str(each['samples']) for each in results)}")
    for name in results[0]:
        if name != "samples":
            values = [each[name] for each in results]
            print(f"  {name:24} {np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})")
    print()
    return results


def keep(found: Figures, data: str, results: list[dict[str, float]]) -> None:
    """Macro-F1 over the seeds."""
    for name in ("most common class", "random forest", "logistic regression", "forest, split by pixel"):
        found.add(data, name, value=[each[name] for each in results], form=".2f", spread=True)


def convert(source: Path, folder: Path) -> dict:
    """One GeoTIFF for each date, a layer of fields, and a table that leaves crops with a single field out."""
    files = {kind: next(iter(sorted(source.glob(f"{kind}*.nc"))), None) for kind in ("S2_L2A_10m", "S2_L2A_20m", "S1_GRD", "OUTPUT_POLY")}
    crop, bounds, _ = variable(files["OUTPUT_POLY"], "CT")
    optical = [(name, files["S2_L2A_10m"]) for name in ("B02", "B03", "B04", "B08")] if files["S2_L2A_10m"] else []
    optical += [(name, files["S2_L2A_20m"]) for name in ("B05", "B06", "B07", "B8A", "B11", "B12")]
    read = {name: variable(path, name) for name, path in optical}
    size = max(values.shape[1] for values, _, _ in read.values())
    days = next(iter(read.values()))[2]
    images = write(folder, "S2", bounds, days, {name: stretched(values, size) for name, (values, _, _) in read.items()}, "uint16", 0)
    classes, _, mask_days = variable(files["S2_L2A_20m"], "SCL")
    masks = write(folder, "SCL", bounds, mask_days, {"scene classes": classes}, "uint8", 0)
    radar_bands = {name: variable(files["S1_GRD"], name) for name in ("VV", "VH")}
    decibels = {name: np.where(values == 0, np.nan, values * 1e-4).astype(np.float32) for name, (values, _, _) in radar_bands.items()}
    radar = write(folder, "S1", bounds, radar_bands["VV"][2], decibels, "float32", np.nan)
    table = fields(folder / "fields.gpkg", crop[0], bounds)
    with (folder / "crops.csv").open("w", newline="") as stream:
        csv.writer(stream).writerows([("crop", "class"), *((code, f"CT {code}" if count >= 2 else "") for code, count in table.items())])
    return {"images": images, "masks": masks, "radar": radar, "parcels": str(folder / "fields.gpkg"), "crop_field": "crop",
            "crop_table": str(folder / "crops.csv"), "table": table}


def variable(path: Path, name: str) -> tuple[np.ndarray, list[float], list[datetime]]:
    """Values (date, y, x), bounds and times of a NetCDF variable."""
    with rasterio.open(f'NETCDF:"{path}":{name}') as source:
        tags = {**source.tags(), **source.tags(1)}
        values = source.read()
    bounds = [float(part) for part in tags["bounds"].strip("(){}").split(",")]
    if "timestamp#units" not in tags:
        return values, bounds, []
    unit, _, start = tags["timestamp#units"].partition(" since ")
    begin = datetime.fromisoformat(start)
    steps = [float(part) for part in tags["NETCDF_DIM_timestamp_VALUES"].strip("{}").split(",")]
    return values, bounds, [begin + timedelta(**{unit: step}) for step in steps]


def write(folder: Path, kind: str, bounds: list[float], days: list[datetime], bands: dict[str, np.ndarray], dtype: str,
          nodata: float) -> list[str]:
    """The first image of each day; several passes a day would repeat the date."""
    size, paths = next(iter(bands.values())).shape[1], []
    transform = rasterio.transform.from_bounds(*bounds, size, size)
    for number, day in enumerate(days):
        path = folder / f"{kind}_{day:%Y%m%d}.tif"
        if str(path) in paths:
            continue
        with rasterio.open(path, "w", driver="GTiff", width=size, height=size, count=len(bands), dtype=dtype, nodata=nodata, crs="EPSG:32631",
                           transform=transform) as target:
            for index, (name, values) in enumerate(bands.items(), 1):
                target.write(values[number].astype(dtype), index)
                target.set_band_description(index, name)
        paths.append(str(path))
    return paths


def stretched(values: np.ndarray, size: int) -> np.ndarray:
    """Larger pixels repeated to the size of the smaller ones."""
    factor = size // values.shape[1]
    return values.repeat(factor, 1).repeat(factor, 2)


def fields(path: Path, crop: np.ndarray, bounds: list[float]) -> dict[int, int]:
    """Connected areas of one declared crop as polygons; returns the number of fields of each crop code."""
    transform = rasterio.transform.from_bounds(*bounds, crop.shape[1], crop.shape[0])
    shapes, codes = [], []
    for code in np.unique(crop[crop > 0]):
        areas, _ = ndimage.label(crop == code)
        for shape, _ in rasterio.features.shapes(areas.astype(np.int32), areas > 0, transform=transform):
            outline = shapely.geometry.shape(shape)
            if outline.buffer(-10).area > 900:
                shapes.append(outline)
                codes.append(int(code))
    with contextlib.suppress(FileNotFoundError):
        path.unlink()
    geopandas.GeoDataFrame({"crop": codes}, geometry=shapes, crs="EPSG:32631").to_file(path)
    return {int(code): codes.count(code) for code in set(codes)}


if __name__ == "__main__":
    main()

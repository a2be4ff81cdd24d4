"""What the incidence angle is worth for patches of sea ice, and what the poolings of VGG-16 cost, on SIMULATED scenes.

  angle   six scenes of 100 x 900 px whose angle goes from 20 to 45 degrees; backscatter of four classes falls at rates between those that Lohse,
          Doulgeris and Dierking 2020 (doi 10.1017/aog.2020.45) report for open water and for multi-year ice, and the classes overlap: each field
          has a level of its own, each scene another calibration, and speckle of ten looks. Patches of 20 px, divided by scene, three seeds.
          The run of “Fine-tune a model” (auto) with the angle as a band, without it, and with one slope taken off; beside it Lohse's classifier
          and the angle alone; errors by tercile of the angle.
  pools   parameters and multiply-adds for a patch of 10, 20 and 32 px by how many poolings are left; and the accuracy of some of them on the test
          scenes of such scenes, three seeds, of the network at its last epoch, so that nothing falls back to the regression.

No skill on real ice follows from either.
Run: python -m benchmarks.ice_patches [--csv docs/evidence/data] [--part angle pools]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import shapely
import torch
from rasterio.transform import from_origin

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning.answers import NetworkAnswers
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.networks.class_networks import multiply_adds
from eo_pretrain_qgis.engine.learning.networks.patch_encoders import poolings_that_fit
from eo_pretrain_qgis.engine.learning.networks.spectral import DeepSpectralClassifier
from eo_pretrain_qgis.engine.runs.answers import KeptClassifier
from eo_pretrain_qgis.engine.runs.run_folder import NETWORK
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

SEEDS, SCENES, FIELD, ROWS, COLUMNS, PIXEL = (1, 2, 3), 6, 50, 2, 18, 40.0
ANGLES, LOOKS = (20.0, 45.0), 10
#: HH and HV at 30 degrees [dB], and slopes [dB per degree].
KINDS = {"open water": (-17.5, -27.5, -0.65, -0.20), "young ice": (-17.0, -26.5, -0.30, -0.15),
         "first-year ice": (-15.0, -25.0, -0.24, -0.12), "multi-year ice": (-12.5, -21.5, -0.17, -0.08)}
#: Deviations of a field's level, and of a scene's calibration [dB].
OF_FIELD, OF_SCENE = 1.2, 0.5
WAYS = {"band": "angle as a band", "none": "without the angle", "slope": "one slope taken off"}
POOLS = ("as many as fit", "3", "2", "1", "0")
#: Patch [px] and poolings that are trained, steps of 32 patches each in two epochs, and seeds: what a core does in some minutes.
TRAINED, STEPS, POOL_SEEDS = ((10, 3), (10, 2), (10, 1), (20, 4), (20, 3), (32, 5)), 20, (1, 2, 3)


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--csv", type=Path, help="folder for ice_patches.csv and ice_pools.csv")
    arguments.add_argument("--part", nargs="*", default=["angle", "pools"], choices=["angle", "pools"])
    asked, begun = arguments.parse_args(), time.monotonic()
    for part in asked.part:
        with tempfile.TemporaryDirectory() as folder:
            found = {"angle": angle, "pools": pools}[part](Path(folder))
        if asked.csv:
            found.write(asked.csv / {"angle": "ice_patches.csv", "pools": "ice_pools.csv"}[part])
    print(f"{(time.monotonic() - begun) / 60:.1f} min")


def simulate(folder: Path, seed: int, size: int, stride: int) -> Dataset:
    """Scenes, their polygons, and the dataset of patches that is cut from them, divided by scene."""
    rng, names, scenes, shapes, rows = np.random.default_rng(seed), list(KINDS), [], [], []
    height, width = ROWS * FIELD, COLUMNS * FIELD
    theta = np.broadcast_to(np.linspace(*ANGLES, width), (height, width))
    for number in range(SCENES):
        origin = (400_000 + number * 100_000, -1_200_000)
        kinds = rng.permutation(np.arange(ROWS * COLUMNS) % len(names)).reshape(ROWS, COLUMNS)
        level = np.array(list(KINDS.values()))[np.kron(kinds, np.ones((FIELD, FIELD), int))]
        own = np.stack([np.kron(rng.normal(0, OF_FIELD, (ROWS, COLUMNS)), np.ones((FIELD, FIELD))) for _ in range(2)])
        speckle = 10 * np.log10(rng.gamma(LOOKS, 1 / LOOKS, (2, height, width)))
        bands = np.stack([level[..., band] + level[..., band + 2] * (theta - 30) for band in (0, 1)]) + own + speckle
        bands += rng.normal(0, OF_SCENE, (2, 1, 1))
        path = folder / f"scene{number}.tif"
        place = {"crs": "EPSG:3413", "transform": from_origin(*origin, PIXEL, PIXEL)}
        with rasterio.open(path, "w", driver="GTiff", count=3, height=height, width=width, dtype="float32", **place) as target:
            target.write(np.concatenate([bands, theta[None]]).astype(np.float32))
            for band, name in enumerate(("HH", "HV", "incidence_angle"), 1):
                target.set_band_description(band, name)
        scenes.append(str(path))
        for (row, column), kind in np.ndenumerate(kinds):
            x, y = origin[0] + PIXEL * FIELD * column, origin[1] - PIXEL * FIELD * row
            shapes.append(shapely.box(x, y - PIXEL * FIELD, x + PIXEL * FIELD, y))
            rows.append(names[kind])
    geopandas.GeoDataFrame({"kind": rows}, geometry=shapes, crs="EPSG:3413").to_file(folder / "fields.gpkg")
    output = folder / "dataset"
    JOBS["create_sea_ice_dataset"].from_values({
        "images": scenes, "labels": str(folder / "fields.gpkg"), "class_field": "kind", "size": size, "stride": stride, "split_by": "scene",
        "validation_share": 0.17, "test_share": 0.33, "seed": seed, "output": str(output)}).run(SILENT)
    return Dataset.open(output)


def angle(folder: Path) -> Figures:
    """Accuracy on the test scenes by how the angle is treated, all together and by tercile of the angle."""
    right: dict[tuple[str, str], list[float]] = {}
    for seed in SEEDS:
        place = folder / str(seed)
        place.mkdir()
        dataset = simulate(place, seed, 20, 25)
        tiles = dataset.indices("test")
        truth, seen = dataset.labels(tiles), dataset.column("incidence_angle")[tiles]
        bounds = np.quantile(seen, [1 / 3, 2 / 3])
        terciles = {"near range": seen <= bounds[0], "middle": (seen > bounds[0]) & (seen <= bounds[1]), "far range": seen > bounds[1]}
        for way, words in WAYS.items():
            output = place / way
            JOBS["finetune"].from_values({
                "dataset": str(dataset.folder), "encoder": "adhoc_cnn", "incidence_angle": way, "epochs": 5, "epoch_steps": 12, "batch_size": 32,
                "device": "cpu", "seed": seed, "output": str(output)}).run(SILENT)
            run = Run.open(str(output))
            answers = NetworkAnswers.of(run, dataset, torch.device("cpu")) if run.kept == NETWORK else KeptClassifier(run, dataset)
            answer = np.concatenate([scores.argmax(1) for _, _, scores in answers.of_tiles(tiles, 64)])
            keep(right, words, answer == truth, terciles)
            print(f"seed {seed}, {words}: {len(tiles)} patches, {(answer == truth).mean():.3f} (kept: {run.kept})", flush=True)
            facts = place / f"{way}.json"
            if way == "band":
                measured = JOBS["evaluate_model"].from_values({
                    "run_folder": str(output), "device": "cpu", "output": str(place / "page.html"), "facts": str(facts)}).run(SILENT)
                for who, name in (("majority_", "majority class"), ("angle_", "angle alone"), ("gaussian_angle_", "Lohse's Gaussian"),
                                  ("statistics_", "regression, angle as a band")):
                    right.setdefault((name, "all"), []).append(measured[f"{who}overall_accuracy"])
    found = Figures("SIMULATED, test scenes", "overall accuracy")
    for (words, where), values in right.items():
        found.add(words, where, value=values)
    return found


def keep(right: dict[tuple[str, str], list[float]], words: str, correct: np.ndarray, terciles: dict[str, np.ndarray]) -> None:
    """Shares of correct answers, of all patches and of each tercile."""
    for where, chosen in {"all": np.ones(len(correct), bool), **terciles}.items():
        right.setdefault((words, where), []).append(float(correct[chosen].mean()))


def pools(folder: Path) -> Figures:
    """What a patch costs by the poolings that are left, and what some of them reach."""
    found = Figures("patch and poolings", "what")
    sets = {(side, seed): simulate(place(folder, f"{side}-{seed}"), seed, side, 25) for side in sorted({side for side, _ in TRAINED}) for seed in POOL_SEEDS}
    dataset = sets[10, 1]
    for side in (10, 20, 32):
        for left in POOLS:
            count = poolings_that_fit(side) if left == POOLS[0] else int(left)
            encoder = "vgg16_bn" if count == 5 else f"vgg16_bn_{count}pool{'' if count == 1 else 's'}"
            if left != POOLS[0] and count >= poolings_that_fit(side):
                continue
            network = DeepSpectralClassifier(encoder, dataset.choose([dataset.sensors[0].name], None), len(KINDS))
            row = f"{side} px, {count} poolings" + (" (as many as fit)" if left == POOLS[0] else "")
            found.add(row, "multiply-adds [million]", value=multiply_adds(network, side) / 1e6, form=",.0f")
            found.add(row, "parameters [million]", value=sum(one.numel() for one in network.parameters()) / 1e6, form=".2f")
            if (side, count) in TRAINED:
                reached = [accuracy(folder, sets[side, seed], encoder, seed) for seed in POOL_SEEDS]
                found.add(row, "accuracy, SIMULATED test scenes", value=reached, spread=True)
    return found


def place(folder: Path, name: str) -> Path:
    """A new folder in another one."""
    (folder / name).mkdir()
    return folder / name


def accuracy(folder: Path, dataset: Dataset, encoder: str, seed: int) -> float:
    """Share of the test patches that a network with that encoder gets right, from scratch."""
    output, begun = folder / f"{dataset.tile_size}-{encoder}-{seed}", time.monotonic()
    JOBS["finetune"].from_values({
        "dataset": str(dataset.folder), "approach": "network", "encoder": encoder, "epochs": 2, "epoch_steps": STEPS, "batch_size": 32, "keep": "last",
        "device": "cpu", "seed": seed, "output": str(output)}).run(SILENT)
    answers, tiles = NetworkAnswers.of(Run.open(str(output)), dataset, torch.device("cpu")), dataset.indices("test")
    right = np.concatenate([scores.argmax(1) == truth for _, truth, scores in answers.of_tiles(tiles, 64)])
    print(f"{dataset.tile_size} px, {encoder}, seed {seed}: {len(tiles)} patches, {right.mean():.3f}, {time.monotonic() - begun:.0f} s", flush=True)
    return float(right.mean())


if __name__ == "__main__":
    main()

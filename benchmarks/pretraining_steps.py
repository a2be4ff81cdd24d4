"""What data and augmentation cost in training: steps of each method fed by its dataset, beside the same steps on a batch that is ready.

The step is that of the one loop (forward, loss, backward, update of all parts). “fed” takes each batch from the method: read at random from
the dataset's arrays, cropped, augmented, blocks hidden, sent to the device. “ready” takes one such batch again and again from the device's
memory. Both run in turns, so that a busy machine is busy for both; the ratio of the times is the share of the throughput that data leaves.
On a machine that others use too, compare the processor time, of all threads of this process and of the peers' loader workers.

Peers, on the same images, with as many images per step and in the same precision, also in turns:
  lightly    the loop of its Barlow Twins example: torchvision's ResNet-18 without its head, projector 512-2048-2048-2048, BYOL's
             transforms of 64 px images, a loader with --workers, SGD; ours: the same encoder and projector width; in this process, where
             lightly is installed beside the engine's packages (uv pip install --no-deps lightly==1.6.0);
  torchgeo   SemanticSegmentationTask with a U-Net on ResNet-18 under Lightning's trainer, a loader over the same arrays, no augmentation;
             ours: with augmentation; its own process, with the Python of an environment that has it:
             uv venv peers && uv pip install --python peers/bin/python torchgeo
What a GPU gives: benchmarks/gpu.py.
Run: python -m benchmarks.pretraining_steps [METHOD …] [--steps 10] [--device cpu] [--peers peers/bin/python] [--images FOLDER] [--csv docs/evidence/data]
METHOD is any of: inpainting, barlow, translation, cycle, multitask, segmentation, scene, patches, series, fields, dated, lightly, torchgeo; without one, all that is there.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.engine.learning.finetuning import recipe as finetuning
from eo_pretrain_qgis.engine.learning.loop.device import pick_precision, start_fabric
from eo_pretrain_qgis.engine.learning.loop.runs import Run
from eo_pretrain_qgis.engine.learning.loop.training import _Loop
from eo_pretrain_qgis.engine.learning.loop.training_runs import Session
from eo_pretrain_qgis.engine.learning.networks.encoders import OF_SERIES
from eo_pretrain_qgis.engine.learning.pretraining.barlow_twins import recipe as barlow_twins
from eo_pretrain_qgis.engine.learning.pretraining.inpainting import recipe as inpainting
from eo_pretrain_qgis.engine.learning.pretraining.multitask import recipe as multitask
from eo_pretrain_qgis.engine.learning.pretraining.multitask.tasks import common_inputs
from eo_pretrain_qgis.engine.learning.pretraining.translation import recipe as translation
from eo_pretrain_qgis.engine.runs.run_folder import first_card
from eo_pretrain_qgis.progress import SILENT
from tests import scenes_fields, scenes_series, settings
from tests.engine.learning.tiny import write_dataset
from tests.engine.learning.tiny_ice import write_ice
from tests.engine.learning.tiny_scenes import write_scenes
from tests.scenes_pretraining import backscatter, optical, optical_sensor, radar_sensor, write_unlabelled

WARM_UP = 2  # steps that choose algorithms and allocate
TWELVE = ("B01", "B02", "B03", "B04", "B05", "B06", "B07", "B08", "B8A", "B09", "B11", "B12")


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("methods", nargs="*", help="which to run; without any, all that is there")
    arguments.add_argument("--steps", type=int, default=10)
    arguments.add_argument("--tiles", type=int, default=96)
    arguments.add_argument("--seconds", type=float, default=float("inf"), help="no step begins after them, but of each way one is counted")
    arguments.add_argument("--device", default="cpu")
    arguments.add_argument("--encoder", default="resnet18")
    arguments.add_argument("--peers", help="Python of an environment with torchgeo")
    arguments.add_argument("--images", help="folder of folders of RGB images of 64 px; without it some are made")
    arguments.add_argument("--workers", type=int, default=2, help="of the peers' loaders")
    arguments.add_argument("--csv", type=Path, help="folder for training_speed.csv: fed and ready, medians")
    asked = arguments.parse_args()
    asked.found = Figures("step", "precision", "figure")
    asked.precision = pick_precision("auto", torch.device(asked.device))
    asked.fabric = start_fabric(torch.device(asked.device), asked.precision)
    print(f"{asked.device}, {torch.get_num_threads()} threads, {asked.precision}", flush=True)
    for name in asked.methods or [*METHODS, *(["lightly"] if find_spec("lightly") else []), *(["torchgeo"] if asked.peers else [])]:
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            if name == "lightly":
                beside_lightly(place, asked)
            elif name == "torchgeo":
                beside_torchgeo(place, asked)
            else:
                label, recipe, batch = METHODS[name](place, asked)
                compare(label, batch, asked, {"fed": fed(*(loop := build(recipe, place, asked))), "ready": ready(*loop)})
    if asked.csv:
        asked.found.write(asked.csv / "training_speed.csv")


def build(recipe: Any, place: Path, asked: argparse.Namespace) -> tuple[_Loop, Any]:
    """The loop and the method of a recipe, as `training_runs.train` makes them."""
    card = first_card(recipe.method_name, recipe.datasets, recipe.inputs, asdict(recipe.settings))
    run = Run.begin(str(place / f"run-{recipe.method_name}"), {**card, **recipe.card()})
    torch.manual_seed(1)
    method = recipe.build(Session(run, asked.fabric))
    loop = _Loop(method, recipe.plan(), asked.fabric, SILENT)
    for network in loop.networks.values():
        network.train()
    return loop, method


def fed(loop: _Loop, method: Any) -> Callable[[], int]:
    def endless() -> Iterator[Any]:
        epoch = 0
        while True:
            yield from method.batches(1, epoch)
            epoch += 1

    batches = endless()

    def step() -> int:
        batch = next(batches)
        loop._step([batch], 1e-4)
        return len(batch)

    return step


def ready(loop: _Loop, method: Any) -> Callable[[], int]:
    batch = next(iter(method.batches(1, 0)))

    def step() -> int:
        loop._step([batch], 1e-4)
        return len(batch)

    return step


def compare(label: str, batch: int, asked: argparse.Namespace, ways: dict[str, Callable[[], int]]) -> dict[str, float]:
    """Runs the ways in turns and prints images per second and ratios to the first; gives the medians of the rates."""
    clock: dict[str, list[float]] = {name: [] for name in ways}
    busy: dict[str, list[float]] = {name: [] for name in ways}
    until = time.perf_counter() + asked.seconds
    for number in range(asked.steps + WARM_UP):
        if number > WARM_UP and time.perf_counter() > until:
            break
        for name, step in ways.items():
            began, used = time.perf_counter(), processor_seconds()
            images = step()
            if asked.device != "cpu":
                torch.cuda.synchronize()
            if number >= WARM_UP:
                clock[name].append((time.perf_counter() - began) / images)
                busy[name].append((processor_seconds() - used) / images)
    first, *others = ways
    rates = ", ".join(f"{1 / np.median(clock[name]):.2f} {name} ({1 / min(clock[name]):.2f} at best)" for name in ways)
    print(f"{label}, batches of {batch}: images/s {rates}")
    if first == "fed":
        for name in ways:
            asked.found.add(f"{label}, batches of {batch}", asked.precision, name, value=1 / np.median(clock[name]), form=".2f")
        asked.found.add(f"{label}, batches of {batch}", asked.precision, "fed / ready",
                        value=np.median(clock["ready"]) / np.median(clock["fed"]), form=".2f")
    for name in others:
        by = [f"{how(times[name]) / how(times[first]):.3f} of {what} {measure}" for measure, times in (("clock", clock), ("processor", busy))
              for what, how in (("median", np.median), ("best", min))]
        print(f"  {first} reaches of {name}: {', '.join(by)}", flush=True)
    return {name: float(1 / np.median(clock[name])) for name in ways}


def processor_seconds() -> float:
    """Processor time of this process and of the loader workers it started, which work ahead: over many steps they even out."""
    times = [child.cpu_times() for child in psutil.Process().children(recursive=True)]
    return time.process_time() + sum(spent.user + spent.system for spent in times)


def inpaint(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    folder = write_unlabelled(place / "data", [[(optical_sensor(TWELVE), optical(asked.tiles, 12, 128))]])
    chosen = settings.inpainting(encoder=asked.encoder, batch_size=8, device=asked.device, adversarial_warmup=0)
    return "inpainting, 12 bands, 128 px", inpainting.Inpainting([Dataset.open(folder)], chosen), 8


def barlow(place: Path, asked: argparse.Namespace, side: int = 64, bands: int = 12, batch: int = 48, count: int = 0) -> tuple[str, Any, int]:
    folder = write_unlabelled(place / f"data{side}", [[(optical_sensor(TWELVE[:bands]), optical(count or 2 * asked.tiles, bands, side))]])
    dataset = Dataset.open(folder)
    chosen = settings.barlow_twins(encoder=asked.encoder, batch_size=batch, device=asked.device)
    return f"Barlow Twins, {bands} bands, {side} px", barlow_twins.BarlowTwins(dataset, dataset.inputs, chosen), batch


def translate(mode: str) -> Callable[[Path, argparse.Namespace], tuple[str, Any, int]]:
    def make(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
        count = asked.tiles // 2
        pair = [(optical_sensor(TWELVE, "s2"), optical(count, 12, 128)), (radar_sensor(name="s1"), backscatter(count, 2, 128))]
        folder = write_unlabelled(place / "data", [pair] if mode == "paired" else [[side] for side in pair], mode=mode)
        chosen = settings.translation(mode=mode, encoder=asked.encoder, batch_size=4, device=asked.device)
        return f"translation, {mode}, 12 and 2 bands, 128 px", translation.TranslationRecipe(Dataset.open(folder), chosen), 4

    return make


def tasks(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    folders = [write_dataset(place / f"data{seed}", count=asked.tiles // 2, size=128, bands=4, seed=seed) for seed in (1, 2)]
    datasets = [Dataset.open(folder) for folder in folders]
    chosen = settings.multitask(encoder=asked.encoder, batch_size=4, inner_steps=2, device=asked.device, mode="joint")
    return "multitask, joint, 2 tasks, 4 bands, 128 px", multitask.Multitasking(datasets, common_inputs(datasets), chosen), 4


def segmentation(place: Path, asked: argparse.Namespace, side: int = 256, batch: int = 8) -> tuple[str, Any, int]:
    folder = write_dataset(place / "data", count=asked.tiles // 2, size=side, bands=4)
    chosen = settings.finetuning(encoder=asked.encoder, batch_size=batch, device=asked.device)
    return f"segmentation, 4 bands, {side} px", finetuning.FineTuning(Dataset.open(folder), chosen), batch


def scene(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    folder = write_scenes(place / "data", count=4 * asked.tiles, size=64, bands=12)
    chosen = settings.finetuning(encoder=asked.encoder, batch_size=32, device=asked.device)
    return "scene classification, 12 bands, 64 px", finetuning.FineTuning(Dataset.open(folder), chosen), 32


def patches(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    folder = write_ice(place / "data", count=32 * asked.tiles, size=32)
    chosen = settings.finetuning(encoder="adhoc_cnn", batch_size=64, device=asked.device)
    return "patches of sea ice, ad-hoc CNN, 3 bands, 32 px", finetuning.FineTuning(Dataset.open(folder), chosen), 64


def series(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    folder = scenes_series.write_crop_series(place / "data", parcels=16 * asked.tiles)
    chosen = settings.finetuning(encoder=None, batch_size=256, device=asked.device)
    recipe = finetuning.FineTuning(Dataset.open(folder), replace(chosen, encoder=OF_SERIES[0]))
    return "series, L-TAE, 2 bands", recipe, 256


def fields(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    return of_scene(place, asked, scenes_fields.field_dataset, "fields", "resnet18", 8)


def dated(place: Path, asked: argparse.Namespace) -> tuple[str, Any, int]:
    return of_scene(place, asked, scenes_series.dated_tiles, "dated tiles, U-TAE", "utae", 4)


def of_scene(place: Path, asked: argparse.Namespace, make: Callable[[Path], Path], words: str, encoder: str, batch: int) -> tuple[str, Any, int]:
    """A recipe on a dataset of the tests, made in a folder whose scenes are made with it."""
    (place / "data").mkdir()
    dataset = Dataset.open(make(place / "data"))
    shape = dataset.shards.shape(f"images of {dataset.sensors[0].name}")
    recipe = finetuning.FineTuning(dataset, settings.finetuning(encoder=encoder, batch_size=batch, device=asked.device))
    return f"{words}, {' × '.join(map(str, shape))}", recipe, batch


METHODS: dict[str, Callable[..., tuple[str, Any, int]]] = {
    "inpainting": inpaint, "barlow": barlow, "translation": translate("paired"), "cycle": translate("unpaired"), "multitask": tasks,
    "segmentation": segmentation, "scene": scene, "patches": patches, "series": series, "fields": fields, "dated": dated}


def beside_lightly(place: Path, asked: argparse.Namespace) -> None:
    """Our loop, and lightly's example loop, on RGB images of 64 px."""
    import torchvision
    from lightly.loss import BarlowTwinsLoss
    from lightly.models.modules.heads import BarlowTwinsProjectionHead
    from lightly.transforms.byol_transform import BYOLTransform, BYOLView1Transform, BYOLView2Transform

    batch, count = 48, 2 * asked.tiles
    _, recipe, _ = barlow(place, asked, bands=3, batch=batch, count=count)
    images = asked.images or write_images(place / "images", optical(count, 3, 64))
    transform = BYOLTransform(BYOLView1Transform(input_size=64, gaussian_blur=0.0), BYOLView2Transform(input_size=64, gaussian_blur=0.0))
    data = torchvision.datasets.ImageFolder(images, transform=transform)
    loader = torch.utils.data.DataLoader(data, batch_size=batch, shuffle=True, drop_last=True, num_workers=asked.workers,
                                         persistent_workers=asked.workers > 0)
    device = torch.device(asked.device)
    half = asked.precision == "bfloat16"
    backbone = torch.nn.Sequential(*list(torchvision.models.resnet18().children())[:-1])
    model = torch.nn.Sequential(backbone, torch.nn.Flatten(), BarlowTwinsProjectionHead(512, 2048, 2048)).to(device).train()
    criterion, optimizer = BarlowTwinsLoss(), torch.optim.SGD(model.parameters(), lr=0.06)

    def endless() -> Iterator[Any]:
        while True:
            yield from loader

    batches = endless()

    def step() -> int:
        first, second = next(batches)[0]
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            seen = [model(view.to(device)) for view in (first, second)]
        loss = criterion(*(outputs.float() for outputs in seen))
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return len(first)

    compare(f"Barlow Twins beside lightly's example ({asked.workers} loader workers), RGB, 64 px", batch, asked,
            {"ours": fed(*build(recipe, place, asked)), "lightly": step})


def write_images(folder: Path, tiles: np.ndarray) -> str:
    """The tiles (n, 3, y, x) as JPEG files in the folder of a class."""
    import imageio.v3

    (folder / "any").mkdir(parents=True)
    for number, tile in enumerate(tiles):
        imageio.v3.imwrite(folder / "any" / f"{number}.jpg", (tile / 4000 * 255).clip(0, 255).astype(np.uint8).transpose(1, 2, 0))
    return str(folder)


def beside_torchgeo(place: Path, asked: argparse.Namespace) -> None:
    """Our loop, and Lightning's trainer over TorchGeo's task in another process, with as many threads."""
    side, batch, count = 128, 8, asked.tiles
    folder = write_dataset(place / "data", count=count, size=side, bands=4)
    chosen = settings.finetuning(encoder=asked.encoder, batch_size=batch, device=asked.device, class_weights="none")
    step = fed(*build(finetuning.FineTuning(Dataset.open(folder), chosen), place, asked))
    script = Path(__file__).with_name("pretraining_steps_peers.py")
    process = subprocess.Popen([asked.peers, str(script), str(folder), asked.encoder, str(batch), asked.device, str(asked.workers),
                                str(torch.get_num_threads()), asked.precision],
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    rates: dict[str, list[float]] = {"ours": [], "torchgeo": []}
    busy: dict[str, list[float]] = {"ours": [], "torchgeo": []}
    for number in range(4):
        began, used = time.perf_counter(), time.process_time()
        images = sum(step() for _ in range(asked.steps))
        seconds, spent = time.perf_counter() - began, time.process_time() - used
        process.stdin.write(f"{asked.steps}\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        if number:  # the first round starts things
            rates["ours"].append(images / seconds)
            busy["ours"].append(images / spent)
            rates["torchgeo"].append(answer["images"] / answer["seconds"])
            busy["torchgeo"].append(answer["images"] / answer["busy"])
    process.stdin.close()
    for measure, found in (("clock", rates), ("processor", busy)):
        ours, theirs = (max(found[name]) for name in ("ours", "torchgeo"))
        print(f"U-Net beside TorchGeo's trainer, 4 bands, {side} px, batches of {batch}, images per second of the {measure}: {ours:.2f} ours, "
              f"{theirs:.2f} torchgeo, ratio {ours / theirs:.2f} of the best, {np.median(found['ours']) / np.median(found['torchgeo']):.2f} of medians",
              flush=True)


if __name__ == "__main__":
    main()

"""The parts of `benchmarks.gpu`, each of which runs in a process of its own."""

from __future__ import annotations

import argparse
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pandas
import torch
from lightning_fabric.plugins.environments.lightning import find_free_network_port

from benchmarks import mapping_speed, pretraining_steps
from benchmarks.figures import Figures
from benchmarks.gpu_findings import Asked
from eo_pretrain_qgis.engine.learning.loop.checkpoints import load_state
from eo_pretrain_qgis.engine.learning.loop.device import start_fabric
from eo_pretrain_qgis.engine.mapping.inference import map_scene
from eo_pretrain_qgis.engine.mapping.products.classes import ClassMap, Confidence
from eo_pretrain_qgis.engine.mapping.request import MapRequest
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.decided import DECIDED, decided
from eo_pretrain_qgis.engine.models.kinds import score_range
from eo_pretrain_qgis.engine.models.session import Session, _options, _providers
from eo_pretrain_qgis.engine.runs.run_folder import CHECKPOINT
from eo_pretrain_qgis.errors import Cancelled, EngineError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job
from eo_pretrain_qgis.progress import Progress
from tests.engine.learning.tiny import write_dataset
from tests.scenes_pretraining import optical, optical_sensor, write_unlabelled

ROOT = Path(__file__).resolve().parents[1]
RGB, BATCH = ("B04", "B03", "B02"), 1024  # as in the slides
#: EuroSAT's official training images, and the Sentinel-2 patches of BigEarthNet (Sumbul et al., BigEarthNet, IGARSS 2019).
EUROSAT, BIGEARTHNET, SLIDES_EPOCHS = 16_200, 590_326, 1000
NO_GPU = "no GPU"
#: What computes; with --tiny one of timm's networks for tests.
ENCODER, TINY = "resnet18", "tu-test_resnet"
#: The command line where NCCL is left out.
OVER_GLOO = """import sys, torch
torch.distributed.is_nccl_available = lambda: False
from eo_pretrain_qgis.__main__ import main
sys.exit(main(sys.argv[1:]))"""
#: Within this share of each other losses are called equal on a GPU, where sums have no fixed order; on a processor they are equal to the last digit.
ROUNDING = 1e-3


def take_part(asked: Asked) -> None:
    """Runs a part in a process of its own; what it says, and the traceback of what goes wrong, is in the log."""
    os.setsid()  # whatever it starts ends with it
    log = os.open(asked.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    print(f"\n=== {asked.part}", flush=True)
    FUNCTIONS[asked.part](asked)


def encoder(asked: Asked) -> str:
    return TINY if asked.tiny else ENCODER


def training(asked: Asked) -> None:
    """Barlow Twins in three precisions, then larger images and a U-Net; “fed” by the dataset, “ready” on one batch in the device's memory."""
    batch = 8 if asked.tiny else BATCH
    runs = [(precision, f"Barlow Twins {precision}", lambda place, ns: pretraining_steps.barlow(place, ns, 64, 3, batch, 4 * batch))
            for precision in ("bfloat16", "float16", "float32")]
    if not asked.tiny:
        runs += [("bfloat16", "Barlow Twins 120 px", lambda place, ns: pretraining_steps.barlow(place, ns, 120, 3, batch // 2, 2 * batch)),
                 ("bfloat16", "U-Net 256 px", lambda place, ns: pretraining_steps.segmentation(place, ns, 256, 64))]
    for number, (precision, words, make) in enumerate(runs):
        if precision == "float16" and not asked.gpu:
            asked.add(words, NO_GPU, note="float16 is for GPUs")
            continue
        place = Path(asked.place) / str(number)
        place.mkdir()
        fed = steps_of(asked, words, make, place, argparse.Namespace(
            device=asked.device, encoder=encoder(asked), steps=2 if asked.tiny else 30, tiles=512, precision=precision,
            seconds=asked.seconds / len(runs) / 2, fabric=start_fabric(torch.device(asked.device), precision), found=Figures("step", "precision", "figure")))
        if words == "Barlow Twins 120 px":
            asked.add("1,000 epochs of BigEarthNet's Sentinel-2", SLIDES_EPOCHS * BIGEARTHNET / fed / 3600, "hours", "calculated from the rate")


def steps_of(asked: Asked, words: str, make: Callable, place: Path, how: argparse.Namespace) -> float:
    """The rates of a method's steps, of which that with data is given back."""
    label, recipe, size = make(place, how)
    loop, method = pretraining_steps.build(recipe, place, how)
    rates = pretraining_steps.compare(label, size, how, {"fed": pretraining_steps.fed(loop, method), "ready": pretraining_steps.ready(loop, method)})
    for name, rate in rates.items():
        asked.add(f"{words}, {name}", rate, "images/s", f"{label}, batches of {size}")
    asked.add(f"{words}, fed / ready", rates["fed"] / rates["ready"], "ratio")
    if asked.gpu:
        asked.add(f"{words}, memory", torch.cuda.max_memory_allocated() / 1e9, "GB")
        torch.cuda.reset_peak_memory_stats()
    return rates["fed"]


def mapping(asked: Asked) -> None:
    """Bare onnxruntime on blocks in memory; the same bound to the device; the same that decides there; and what `predict_map` does."""
    size, rounds, place = (128, 1, Path(asked.place)) if asked.tiny else (4096, 3, Path(asked.place))
    model = package.open(mapping_speed.write_model(place / "model.onnx", encoder(asked)))
    image = mapping_speed.write_image(place / "image.tif", size, model.image.names)
    bound = Session(model.path, asked.device, output=model.kind.output, channels=model.channels)
    deciding = Session(model.path, asked.device, output=DECIDED, channels=2,
                       content=decided(Path(model.path).read_bytes(), model.kind.output, score_range(model.kind)))
    name, blocks = model.image.name, mapping_speed.blocks_in_memory(model, size)
    bare = onnxruntime.InferenceSession(model.path, _options(), providers=_providers(asked.device, 0))

    def flown(session: Session) -> None:
        with ThreadPoolExecutor(session.flights) as pool:
            list(pool.map(lambda block: session.run({name: block}), blocks))

    def mapped() -> None:
        map_scene(model, MapRequest([{"path": str(image)}], device=asked.device),
                  [ClassMap(str(place / "map.tif")), Confidence(str(place / "sure.tif"))])

    ways: dict[str, Callable[[], object]] = {
        "bare onnxruntime": lambda: [bare.run([model.kind.output], {name: block}) for block in blocks], "bound to the device": lambda: flown(bound),
        "bound, decided in the graph": lambda: flown(deciding), "predict_map": mapped}
    if asked.gpu:
        usual = onnxruntime.InferenceSession(model.path, providers=["CUDAExecutionProvider"])
        ways["bare onnxruntime, its defaults (TF32)"] = lambda: [usual.run([model.kind.output], {name: block}) for block in blocks]
    times = {way: statistics.median(found) for way, found in mapping_speed.in_turns(ways, rounds).items()}
    for way, seconds in times.items():
        asked.add(way, size**2 / 1e6 / seconds, "million pixels/s", "" if asked.gpu or "bound" not in way else f"{NO_GPU}: nothing is bound")
        if way != "bare onnxruntime":
            asked.add(f"{way} / bare onnxruntime", times["bare onnxruntime"] / seconds, "ratio")
    noise = np.random.default_rng(1).normal(1500, 300, blocks[0].shape).clip(1, 10_000).astype(np.float32)
    scores, = bare.run([model.kind.output], {name: noise})
    own = np.stack([scores.argmax(1), np.rint(100 * scores.max(1))], 1)
    differ = float((np.asarray(deciding.run({name: noise})).reshape(own.shape) != own).mean())
    asked.check("classes and confidence decided in the graph are those of the probabilities", differ <= (1e-4 if asked.gpu else 0),
                f"{100 * differ:.4f} % of the values differ")


class Watched(Progress):
    """Keeps the messages, and from the second epoch on how far the training is and when; cancels when the time is over."""

    def __init__(self, seconds: float = math.inf, epochs: int = 1) -> None:
        self.until, self.epochs, self.said, self.seen = time.monotonic() + seconds, epochs, [], []

    def cancelled(self) -> bool:
        return time.monotonic() > self.until

    def emit(self, event: dict) -> None:
        if event["event"] == "message":
            self.said.append(event["text"])
            print(event["text"], flush=True)
        elif event["text"].startswith("Epoch") and self.epochs * event["fraction"] >= 1:
            self.seen.append((time.monotonic(), self.epochs * event["fraction"]))

    def epochs_per_minute(self) -> float:
        """Between the first and the last that was seen; all that a run does is in it, also what it writes."""
        (first, before), (last, after) = self.seen[0], self.seen[-1]
        return 60 * (after - before) / (last - first)


def epochs(asked: Asked) -> None:
    """Barlow Twins with ResNet-18 on EuroSAT's images, or made ones of their number and size, as long as there is time."""
    began, data, count = time.monotonic(), asked.data, 48 if asked.tiny else EUROSAT
    if not data:
        some = np.concatenate([optical(min(count, 4050), len(RGB), 64)] * max(1, count // 4050))
        data = str(write_unlabelled(Path(asked.place) / "data", [[(optical_sensor(RGB), some)]], ["training"] * len(some)))
    planned = 4 if asked.tiny else SLIDES_EPOCHS
    watched = Watched(began + asked.seconds - 8 - time.monotonic(), planned)
    job = {"dataset": data, "output": str(Path(asked.place) / "run"), "encoder": encoder(asked), "batch_size": 16 if asked.tiny else BATCH,
           "epochs": planned, "warmup_epochs": 1 if asked.tiny else 10, "optimizer": "adam", "device": asked.device}
    with suppress(Cancelled):
        run_job(JOBS["pretrain_barlow_twins"](**job), watched)
    rate = watched.epochs_per_minute()
    what = "EuroSAT" if asked.data else f"{count} made images of EuroSAT's size"
    asked.add(f"epochs of {what}", rate, "per minute", f"{job['encoder']}, batches of {job['batch_size']}, precision auto")
    asked.add(f"1,000 epochs of {what}", SLIDES_EPOCHS / rate / 60, "hours", "calculated from the epochs per minute")


def small_run(asked: Asked, output: str, **more: Any) -> dict[str, Any]:
    """Values of a short pretraining, in float16 on a GPU."""
    data = Path(asked.place) / "data"
    if not data.exists():
        count = 24 if asked.tiny else 768
        write_unlabelled(data, [[(optical_sensor(RGB), optical(count, len(RGB), 32 if asked.tiny else 64))]])
    return {"dataset": str(data), "output": str(Path(asked.place) / output), "encoder": encoder(asked), "batch_size": 8 if asked.tiny else 128,
            "epochs": 6 if asked.tiny else 30, "warmup_epochs": 1, "optimizer": "adam", "projector_width": 64 if asked.tiny else 1024,
            "precision": "float16" if asked.gpu else "float32", "device": asked.device, **more}


def command(job: str, values: dict[str, Any]) -> list[str]:
    """The command line of a job."""
    return [sys.executable, "-m", "eo_pretrain_qgis", job, *(word for name, value in values.items() for word in (f"--{name}", str(value)))]


def losses(folder: str) -> np.ndarray:
    return pandas.read_csv(Path(folder) / "metrics.csv")["loss"].to_numpy()


def apart(first: np.ndarray, second: np.ndarray) -> float:
    """The largest difference of losses, of the larger one."""
    return float(np.max(np.abs(first - second) / np.maximum(np.abs(first), np.abs(second)))) if len(first) == len(second) else math.inf


def resume(asked: Asked) -> None:
    """A run is killed when its first checkpoint is there, and goes on; beside it runs that nobody killed."""
    job, whole, again, killed = "pretrain_barlow_twins", *(small_run(asked, name) for name in ("whole", "again", "killed"))
    process = subprocess.Popen(command(job, killed), cwd=ROOT)
    checkpoint = Path(killed["output"]) / CHECKPOINT
    while not checkpoint.exists() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.wait()
    state = load_state(str(checkpoint))
    before = state["progress"]["epoch"] if state else 0
    asked.check("the run was killed within", 0 < before < killed["epochs"], f"after epoch {before} of {killed['epochs']}, in {killed['precision']}")
    for values in (killed, whole, *([again] if asked.gpu else [])):
        run_job(JOBS[job](**values), Watched())
    usual = apart(losses(whole["output"]), losses(again["output"])) if asked.gpu else 0.0
    found = apart(losses(whole["output"]), losses(killed["output"]))
    words = f"largest difference of the losses {found:.2g}" + (f"; of two runs that were not killed {usual:.2g}" if asked.gpu else f"; {NO_GPU}: in float32")
    asked.check("the losses are those of a run that was not killed", found <= (3 * usual + ROUNDING if asked.gpu else 0), words)
    scales = [load_state(str(Path(values["output"]) / CHECKPOINT))["precision"] for values in (whole, killed)]
    if asked.gpu:
        asked.check("the loss scale is that of a run that was not killed", bool(scales[0]) and scales[0] == scales[1], f"{scales[1]}")
    else:
        asked.add("the loss scale", NO_GPU, note="float16 is for GPUs")


def processes(asked: Asked) -> None:
    """Two processes with half of the batch each, and one with all of it; where there is one GPU both share it."""
    values = small_run(asked, "one", precision="float32", epochs=3)
    alone = Watched()
    run_job(JOBS["pretrain_barlow_twins"](**values), alone)
    several = torch.cuda.device_count() > 1 if asked.gpu else True
    for backend in ("nccl", "gloo") if asked.gpu else ("gloo",):
        half = values | {"batch_size": values["batch_size"] // 2, "output": str(Path(asked.place) / backend)}
        failed = together(asked, half, backend, several)
        where = NO_GPU if not asked.gpu else "a GPU each" if several else "both on one GPU"
        if failed:
            asked.add(f"two processes over {backend}", "could not be had", note=f"{where}: {failed}")
            continue
        ones, twos = losses(values["output"]), losses(half["output"])
        asked.check(f"two processes over {backend} train together", len(twos) == len(ones) and bool(np.isfinite(twos).all()), where)
        asked.add(f"two processes over {backend}, largest difference of the losses from those of one", apart(ones, twos), "",
                  "each process draws other crops and changes of tiles")
        rates = [float(pandas.read_csv(Path(folder) / "metrics.csv")["images_per_second"].median()) for folder in (values["output"], half["output"])]
        asked.add(f"two processes over {backend} / one", rates[1] / rates[0], "ratio of images/s", where)
        return
    asked.check("two processes learn together", False, "Neither NCCL nor gloo could be had.")


def together(asked: Asked, values: dict[str, Any], backend: str, several: bool) -> str:
    """Starts two processes; what went wrong, or nothing.

    On one GPU each is told that it is alone on a computer of its own, for the engine refuses to share a GPU, and so does NCCL unless it takes them for
    two hosts (NCCL_HOSTID).
    """
    meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(find_free_network_port()), "WORLD_SIZE": "2", "TORCHELASTIC_RUN_ID": "gpu"}
    members = []
    for rank in range(2):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank if several else 0), "LOCAL_WORLD_SIZE": "2" if several else "1",
               "GROUP_RANK": "0" if several else str(rank), **({} if several else {"NCCL_HOSTID": f"computer{rank}"})}
        words = command("pretrain_barlow_twins", values)
        if backend == "gloo":
            words[1:3] = ["-c", OVER_GLOO]
        members.append(subprocess.Popen(words, cwd=ROOT, env={**os.environ, **meeting, **own}, stderr=subprocess.PIPE, text=True))
    until, said = time.monotonic() + (asked.seconds - 20) / (2 if asked.gpu else 1), []
    for member in members:
        try:
            said.append(member.communicate(timeout=max(1.0, until - time.monotonic()))[1])
        except subprocess.TimeoutExpired:
            said.append("no answer in time")
        if member.poll() != 0:
            for one in members:
                one.kill()
    print("\n".join(said), flush=True)
    return "" if not any(member.wait() for member in members) else (said[0].strip().splitlines() or ["it was ended"])[-1][:300]


def memory(asked: Asked) -> None:
    """Batches that do not fit, where torch may take a part of the memory only."""
    side, count = (32, 6) if asked.tiny else (128, 256)
    labelled = {"encoder": encoder(asked), "epochs": 1, "warmup_epochs": 0, "approach": "network", "precision": "float32", "device": asked.device}
    data = write_dataset(Path(asked.place) / "data", count=count, size=side, bands=4, splits=["training"] * count)
    watched = Watched()
    with at_most(asked, 2.0):
        run_job(JOBS["finetune"](dataset=str(data), output=str(Path(asked.place) / "run"), batch_size=count, **labelled), watched)
    said = next((text for text in watched.said if text.startswith("Memory ran out: batches are now worked off in")), "")
    if not asked.gpu:
        asked.add("a batch that is too large", NO_GPU, note="the memory was not limited")
        return
    asked.check("a batch that is too large is worked off in pieces, and a sentence says so", bool(said), said)
    data = write_dataset(Path(asked.place) / "large", count=4, size=1024, bands=4, splits=["training"] * 4)
    try:
        with at_most(asked, 0.7):
            run_job(JOBS["finetune"](dataset=str(data), output=str(Path(asked.place) / "none"), batch_size=4, **labelled), Watched())
        error = "it fitted"
    except EngineError as refused:
        error = str(refused)
    asked.check("one tile that is too large ends in a sentence", error.startswith("The memory of cuda"), error[:300])


@contextmanager
def at_most(asked: Asked, gigabytes: float) -> Iterator[None]:
    """Torch may take so much of the GPU's memory; without a GPU it takes what it likes."""
    if asked.gpu:
        torch.cuda.empty_cache()
        torch.cuda.set_per_process_memory_fraction(gigabytes * 1e9 / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield
    finally:
        if asked.gpu:
            torch.cuda.set_per_process_memory_fraction(1.0)


def optimizers(asked: Asked) -> None:
    """Inpainting with an adversary: two networks, an optimizer each, and one loss scale for both."""
    values = small_run(asked, "inpainting", batch_size=8 if asked.tiny else 32, epochs=2 if asked.tiny else 5, adversarial_weight=0.01, adversarial_warmup=0)
    values = {name: value for name, value in values.items() if name not in ("optimizer", "projector_width")}
    run_job(JOBS["pretrain_inpainting"](**values), Watched())
    state = load_state(str(Path(values["output"]) / CHECKPOINT))
    steps = {name: int(max(float(one["step"]) for one in optimizer["state"].values())) for name, optimizer in state["optimizers"].items()}
    finite = bool(np.isfinite(losses(values["output"])).all())
    note = f"{values['precision']}, steps {steps}, loss scale {state['precision'].get('scale', NO_GPU if not asked.gpu else 'none')}"
    asked.check("two optimizers both take steps, with finite losses", finite and len(steps) == 2 and min(steps.values()) > 0, note)


def too_many(asked: Asked) -> None:
    """One process more than there are GPUs."""
    values = small_run(asked, "none", device="cuda", precision="auto")
    count, words = torch.cuda.device_count() + 1, command("pretrain_barlow_twins", values)
    if asked.gpu:
        words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=localhost", f"--nproc_per_node={count}", *words[1:]]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=max(1.0, asked.seconds - 2))
    print(done.stdout, done.stderr, flush=True)
    expected = f"torchrun started {count} processes here" if asked.gpu else "The device “cuda” is not there: "
    said = next((line.strip() for line in (done.stdout + done.stderr).splitlines() if expected in line), "")
    asked.check("more processes than GPUs end in a sentence", done.returncode != 0 and bool(said), (NO_GPU + ": " if not asked.gpu else "") + said)


FUNCTIONS: dict[str, Callable[[Asked], None]] = {function.__name__: function for function in (
    training, mapping, epochs, resume, processes, memory, optimizers, too_many)}

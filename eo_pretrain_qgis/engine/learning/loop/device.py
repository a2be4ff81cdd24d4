"""Where the training runs: the device asked for, the precision it computes natively, and one or many processes."""

from __future__ import annotations

import atexit
import logging
import os
import re
import warnings
from typing import Any

import psutil
import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy

from ....errors import EngineError

FABRIC_PRECISION = {"float32": "32-true", "bfloat16": "bf16-mixed", "float16": "16-mixed"}


def pick_device(asked: str) -> torch.device:
    """The device of that name.

    Args:
        asked: ``auto`` (the environment variable EOPRETRAIN_DEVICE if set, else CUDA, MPS or the processor, in this order),
            ``cpu``, ``cuda``, ``cuda:<n>`` or ``mps``; of several, see `process_count`, the first.

    Raises:
        EngineError: when the name is unknown, or names a device that is not there.
    """
    name = _name(asked)
    if not re.fullmatch("auto|mps|cpu(:[1-9][0-9]?)?|cuda(:[0-9]{1,4}|:all)?", name):
        raise EngineError(f"“{name}” is no device. Choose auto, cpu, cpu:2, cuda, cuda:0, cuda:all or mps.")
    kind, _, number = name.partition(":")
    if kind == "cpu" and int(number or 1) > max(2, os.cpu_count() or 1):
        raise EngineError(f"The device “{name}” asks for {number} processes, and this computer has {os.cpu_count()} processors. "
                          "Choose cpu, which uses all of them.")
    index = int(number) if kind == "cuda" and number.isdigit() else 0
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    if kind == "mps" and not torch.backends.mps.is_available():
        raise EngineError("The device “mps” is not there: this is no Mac with a GPU that torch can use. Choose auto or cpu.")
    if kind == "cuda" and index >= torch.cuda.device_count():
        raise EngineError(f"The device “{name}” is not there: torch sees {torch.cuda.device_count()} CUDA GPU(s). "
                          "Choose auto or cpu, or run “Check the engine”.")
    return torch.device(kind, index) if kind == "cuda" else torch.device(kind)


def process_count(asked: str) -> int:
    """How many processes this one is to start for training: one a GPU for ``cuda:all``, n for ``cpu:<n>``; 1 means that it trains itself.

    Raises:
        EngineError: see `pick_device`.
    """
    device, number = pick_device(asked), _name(asked).partition(":")[2]
    if "LOCAL_WORLD_SIZE" in os.environ:  # it is one of several already
        return 1
    return torch.cuda.device_count() if number == "all" else int(number or 1) if device.type == "cpu" else 1


def _name(asked: str) -> str:
    name = (asked or "auto").strip().lower()
    return os.environ.get("EOPRETRAIN_DEVICE", "auto").strip().lower() or "auto" if name == "auto" else name


def describe_device(device: torch.device) -> str:
    """The device in words, such as ``cuda:0 (NVIDIA A100)`` or ``cpu (8 threads)``."""
    if device.type == "cuda":
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"cpu ({torch.get_num_threads()} threads)" if device.type == "cpu" else str(device)


def pick_precision(asked: str, device: torch.device, half: bool = True) -> str:
    """float32, bfloat16 or float16 for `asked`; ``auto`` takes bfloat16 where the device computes it natively.

    On other CUDA devices, of a compute capability below 8, it takes float16, whose loss is scaled.

    Args:
        asked: a precision, or ``auto``.
        device: that computes.
        half: whether what is trained bears float16.

    Raises:
        EngineError: for float16 off CUDA, where its narrow range has no loss scaling to help.
    """
    if asked == "float16" and device.type != "cuda":
        raise EngineError(f"float16 is not supported on {device.type}. Choose the precision auto, float32 or bfloat16.")
    if asked != "auto":
        return asked
    if device.type == "cuda":
        return "bfloat16" if torch.cuda.get_device_capability(device) >= (8, 0) else "float16" if half else "float32"
    return "bfloat16" if device.type == "cpu" and torch.cpu.get_capabilities().get("avx512_bf16", False) else "float32"


def use_all_cores() -> None:
    """Lets torch compute on this process's share of the processors it may use, unless OMP_NUM_THREADS says otherwise."""
    if not os.environ.get("OMP_NUM_THREADS"):
        affinity = getattr(os, "sched_getaffinity", None)
        cores = len(affinity(0)) if affinity else os.cpu_count() or 1
        torch.set_num_threads(max(1, cores // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))


def memory_megabytes(device: torch.device) -> float:
    """Memory in use: the most that tensors took on a CUDA device so far, elsewhere what this process holds now."""
    used = torch.cuda.max_memory_allocated(device) if device.type == "cuda" else psutil.Process().memory_info().rss
    return round(used / 1e6, 1)


def start_fabric(device: torch.device, precision: str) -> Fabric:
    """Fabric for this process or, where several were started, for all of them: one GPU each, or gloo on the processor.

    Args:
        device: from `pick_device`; of several processes only its kind counts.
        precision: from `pick_precision`.

    Raises:
        EngineError: ``torchrun`` started more processes than there are GPUs.
    """
    if device.type == "cuda":
        torch.backends.cudnn.benchmark = True  # tiles of a run have one size, for which the quickest way is looked for once
    logging.getLogger("lightning_fabric.utilities.rank_zero").setLevel(logging.WARNING)  # its precision is told in our words
    plain: dict[str, Any] = {"accelerator": device.type, "precision": FABRIC_PRECISION[precision]}
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_WORLD_SIZE" in os.environ:
        per_machine = int(os.environ["LOCAL_WORLD_SIZE"])
        if device.type == "cuda" and per_machine > torch.cuda.device_count():
            raise EngineError(f"torchrun started {per_machine} processes here, each of which needs a GPU of its own, and torch sees "
                              f"{torch.cuda.device_count()} CUDA GPU(s). Start as many processes as there are GPUs (--nproc_per_node), or choose "
                              "the device cpu.")
        backend = "nccl" if device.type == "cuda" and torch.distributed.is_nccl_available() else "gloo"
        # It is to be replaced, but by nothing yet that leaves buffers alone at the start too, as its own words say.
        warnings.filterwarnings("ignore", message=".broadcast_buffers. is deprecated")
        fabric = Fabric(devices=per_machine, num_nodes=int(os.environ["WORLD_SIZE"]) // per_machine,
                        # Buffers stay each process's own, such as a history of images; the loop averages running statistics.
                        strategy=DDPStrategy(process_group_backend=backend, broadcast_buffers=False), **plain)
    else:
        fabric = Fabric(devices=[device.index or 0] if device.type == "cuda" else 1, **plain)
    fabric.launch()
    if fabric.world_size > 1:
        atexit.register(_part)
    return fabric


def _part() -> None:
    """Ends the connection with the other processes; its threads, left running, now and then abort a process that had finished."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()

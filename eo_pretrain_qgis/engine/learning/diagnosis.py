"""Whether this engine trains: one step of a small U-Net on one tile, on the device asked for."""

from __future__ import annotations

import math
import os
import time
from typing import Any

import torch

from ...errors import EngineError, first_line
from ...progress import SILENT, Progress
from ..models import session
from .loop.device import describe_device, pick_device
from .networks.encoders import build_unet

BANDS, CLASSES, TILE_PX = 4, 3, 64


def train_once(device: str, progress: Progress = SILENT) -> dict[str, Any]:
    """One forward and backward pass and one update.

    Returns:
        ``asked``, ``device``, ``torch``, ``cuda`` (of the build, or None), ``loss``, ``seconds``, and ``fallback``: why a GPU that is there was
        not used, or nothing.

    Raises:
        EngineError: when the device cannot be used, runs out of memory, or gives a loss that is no number.
    """
    taken = pick_device(device)
    name = str(taken)
    try:
        name = describe_device(taken)
        progress.at(0.2, f"One training step on {name}")
        generator = torch.Generator().manual_seed(1)
        image = torch.rand(1, BANDS, TILE_PX, TILE_PX, generator=generator).to(taken)
        truth = torch.randint(CLASSES, (1, TILE_PX, TILE_PX), generator=generator).to(taken)
        started = time.perf_counter()
        network = build_unet("resnet18", BANDS, CLASSES).to(taken)
        optimizer = torch.optim.AdamW(network.parameters(), lr=1e-3)
        loss = torch.nn.functional.cross_entropy(network(image), truth)
        loss.backward()
        optimizer.step()
        value = loss.item()
    except RuntimeError as error:  # torch's name for every failure of a device, out of memory among them
        raise EngineError(f"{name} fails in training ({first_line(error)}). "
                          "Update the graphics driver, close other programs that use the GPU, or use “cpu”.") from None
    if not math.isfinite(value):
        raise EngineError(f"{name} computes a loss of {value}. Update the graphics driver, or use “cpu”.")
    return {"asked": device, "device": name, "torch": torch.__version__, "cuda": torch.version.cuda,
            "loss": round(value, 4), "seconds": round(time.perf_counter() - started, 2), "fallback": _why_no_gpu(device, taken)}


def _why_no_gpu(asked: str, taken: torch.device) -> str:
    """Why `auto` did not take the GPU that is there, and what to do; empty where all is well."""
    left_open = asked == os.environ.get("EOPRETRAIN_DEVICE", "auto") == "auto"
    if taken.type != "cpu" or not left_open or not session.cuda_devices():
        return ""
    able = session.driver_cuda()
    can = f" and its driver can do CUDA {able[0]}.{able[1]}" if able else ""
    built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is built for processors only"
    return f"There is an NVIDIA GPU{can}, but torch {torch.__version__} {built} and trains on the processor. Update the graphics driver, then run " \
           "“Install the engine” again."

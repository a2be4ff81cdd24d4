"""Which runtime computes a model: on a processor OpenVINO, and where that lacks an operator, or on other devices, onnxruntime.

A rule, and not whichever was faster in a trial: else the same map made twice could differ in a pixel.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ...progress import SILENT, Progress
from .decided import DECIDED, decided
from .network import LoadedNetwork
from .openvino_session import OpenVinoSession, UnknownOperatorError, has_bfloat16
from .session import Session, asked_device, chosen_device, warned_of_gpu


def loaded(path: str, outputs: tuple[str, int, Mapping[str, int]], device: str = "auto", threads: int = 0, fast: bool = False,
           progress: Progress = SILENT, content: bytes | None = None, decide: tuple[float, float] | None = None) -> LoadedNetwork:
    """A network ready to run.

    Args:
        path: the .onnx file.
        outputs: name and channels of the chief one, and those of more, see `LoadedNetwork`.
        device: see `Session`.
        threads: of the processor; 0 leaves it to the runtime.
        fast: compute in bfloat16 where that can be had, and say so where it cannot.
        progress: warned when ``auto`` found a GPU that onnxruntime cannot use.
        content: the network, where it is another than that in the file.
        decide: the smallest and the largest value that a probability may have, where only the most probable class and its probability are wanted:
            a GPU then gives `decided.DECIDED`.

    Raises:
        EngineError: when a device asked for by name cannot be used.
        ModelError: when the network cannot be loaded.
    """
    asked = asked_device(device)
    if chosen_device(asked)[0] == "cpu":
        try:
            network = OpenVinoSession(path, fast, threads, *outputs, content)
        except UnknownOperatorError:
            pass
        else:
            network.fallback = warned_of_gpu(progress) if asked == "auto" else ""
            if fast and not has_bfloat16():
                progress.message("This processor does not compute bfloat16, so “fast” is the same as “exact” here.", level="warning")
            return network
    elif decide and (own := decided(content or Path(path).read_bytes(), outputs[0], decide)):
        outputs, content = (DECIDED, 2, {}), own
    session = Session(path, device, threads, progress, *outputs, content)
    if fast:
        progress.message(f"“fast” is for networks on a processor, and {path} runs on {session.device}: it is computed exactly.", level="warning")
    return session

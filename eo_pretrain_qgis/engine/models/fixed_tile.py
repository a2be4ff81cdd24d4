"""A model of any size → the same network for square tiles of one size, which is all that some programs open."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import onnx

from ...errors import JobError, ModelError
from ...progress import SILENT, Progress
from . import package
from .package import Package


def write_fixed_tile(model: Package, side: int, target: str, tolerance: float = 1e-4, progress: Progress = SILENT) -> Package:
    """Writes the model again for tiles of one size.

    Half of each tile is kept at least: where the border that the model needs is wider than a quarter of it, a narrower one is noted.

    Args:
        model: that takes any size.
        side: height and width of the tiles [px], a multiple of the model's stride.
        target: the .onnx file to write.
        tolerance: largest difference allowed between a value of the two networks.
        progress: warned when the border is narrower than the model needs.

    Raises:
        JobError: tiles of `side` pixels do not fit the network, or it answers for images as a whole.
        ModelError: it gives something else for them.
    """
    if model.kind.whole:
        raise JobError(f"“Fixed tile [px]” (fixed_tile) is {side}, and the model gives {model.kind.gives}, so it takes squares of "
                       f"{model.record.tile_size} px and no others. Leave it empty.")
    stride = model.stride
    if side % stride or side < 2 * stride:
        least = max(2, side // stride) * stride
        raise JobError(f"Tiles of {side} px do not fit the network in {target}, which works in steps of {stride} px. Choose {least} or "
                       f"{least + stride} px.")
    halo = min(model.halo, max(side // 4, stride if side >= 3 * stride else 0) // stride * stride)
    if halo < model.halo:
        progress.message(f"Of tiles of {side} px a border of {halo} px is thrown away, and this model needs {model.halo} px: maps may show faint "
                         f"seams. Choose a fixed tile of {4 * model.halo} px for maps without.", "warning")
    graph = onnx.load(model.path)
    package.fix_tile(graph, side)
    with tempfile.TemporaryDirectory() as folder:
        description = {**model.description, "halo": halo, "block": None, "small_block": None}
        if halo != model.halo:
            description["halo_measured"] = None
        fixed = package.write(graph, description, os.path.join(folder, os.path.basename(target)))
        difference = _difference(model, fixed, side)
        if not difference <= tolerance:
            raise ModelError(f"For tiles of {side} px the network gives values that differ by up to {difference:.2g}, more than the "
                             f"{tolerance:g} allowed. Leave “Fixed tile” empty, or allow a larger difference.")
    return package.write(graph, fixed.description, target)


def _difference(free: Package, fixed: Package, side: int) -> float:
    """Largest difference of a value on noise with the statistics of the training pixels; values of a translation count in their deviations."""
    generator, images = np.random.default_rng(0), {}
    for seen in free.inputs.values():
        centre, spread = (np.array([getattr(band, fact) for band in seen.bands])[:, None, None] for fact in ("mean", "std"))
        images[seen.name] = (centre + spread * generator.standard_normal((1, len(centre), side, side))).astype(np.float32)
    unit = np.array([band.std for band in free.targets])[:, None, None] if free.targets else 1.0
    return float((np.abs(free.session("cpu").run(images) - fixed.session("cpu").run(images)) / unit).max())

"""OmniCloudMask, version 4: two U-Nets that tell cloud and shadow from red, green and near infrared, of any optical sensor.

Wright et al. 2025, doi 10.1016/j.rse.2025.114694. What is known of it is from its public project, https://github.com/DPIRD-DMA/OmniCloudMask
(omnicloudmask/model_utils.py, cloud_mask.py, docs/how-it-works.md): U-Nets of segmentation-models-pytorch with RegNetY-004 and EdgeNeXt-small, of
3 bands and 4 classes, whose outputs are averaged before the most probable class is taken; each band of each patch is brought to mean 0 and deviation
1 over its measured pixels, others are 0. There patches of 1000 px overlap by 300 px and are blended. Here they have 1024 px, which the stride of
these networks divides, overlap by 320 px, are counted from the first pixel of the image, and each pixel is decided by the patch in whose middle it
lies: so the mask of an extent is that part of the mask of the whole image.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from torch import nn

from ...errors import DataError, ModelError, first_line, listed
from ...progress import SILENT, Progress
from ..mapping.clouds.red_green_infrared import find_bands
from ..models import catalog
from ..rasters.clouds import CLEAR, CLOUD, SHADOW
from ..rasters.grid import Grid, Window
from ..rasters.raster import Scene
from ..waiting import PythonCall, patiently
from .loop.device import describe_device, pick_device
from .networks.starting_weights import load_weights

#: Class of the networks (clear, thick cloud, thin cloud, cloud shadow) → flag.
FLAGS = np.array([CLEAR, CLOUD, CLOUD, SHADOW], np.uint8)
BANDS = 3
#: What divides the edges of what the networks see [px].
STRIDE = 32
#: Sizes of pixels that they learned from [m], and how much smaller or larger one may be.
FINEST, COARSEST, TOLERANCE = 9.0, 50.0, 0.05


@dataclass(frozen=True)
class Patches:
    """What the networks see at once: squares of `side` px, of which `halo` px at each side are thrown away inside the image."""

    side: int = 1024
    halo: int = 160

    def over(self, grid: Grid, area: Window) -> Iterator[tuple[Window, Window]]:
        """What is seen, and what of it is kept; all that is kept covers the area. At the edges of the image what is seen is moved inside."""
        core = self.side - 2 * self.halo
        for row in range(area.row // core * core, area.row + area.height, core):
            for col in range(area.col // core * core, area.col + area.width, core):
                kept = Window(col, row, core, core).intersection(area)
                if kept:
                    yield Window(self._start(col, grid.width), self._start(row, grid.height), min(self.side, grid.width),
                                 min(self.side, grid.height)), kept

    def _start(self, place: int, length: int) -> int:
        return max(0, min(place - self.halo, length - self.side))


def build_network(encoder: str) -> nn.Module:
    """A network without weights, as smp.Unet of such an encoder; its tensors have the names and shapes of the published files."""
    return smp.Unet(encoder, encoder_weights=None, in_channels=BANDS, classes=len(FLAGS))


def read_network(path: str, encoder: str) -> nn.Module:
    """A network with the weights of a file, which must be all of its own and no others.

    Raises:
        ModelError: the file cannot be read, see `load_weights`, or is of another network.
    """
    network = build_network(encoder)
    try:
        network.load_state_dict(load_weights(path), strict=True)
    except RuntimeError as error:
        raise ModelError(f"{path} does not hold the weights of a U-Net with {encoder}, {BANDS} bands and {len(FLAGS)} classes ({first_line(error)}). "
                         "Delete it, so that it is downloaded again.") from None
    return network.eval()


def normalised(values: np.ndarray, measured: np.ndarray) -> np.ndarray:
    """Bands (band, y, x) float32, each with mean 0 and deviation 1 over the measured pixels (y, x); others are 0."""
    result = np.zeros(values.shape, np.float32)
    if measured.any():
        for band, target in zip(values, result, strict=True):
            own = band[measured].astype(np.float64)
            target[measured] = (own - own.mean()) / (own.std() or 1.0)
    return result


@dataclass(frozen=True)
class OmniCloudMask:
    """The networks, ready to look at a scene; a `mapping.clouds.sources.CloudSource`.

    Attributes:
        networks: whose outputs are averaged.
        sources: raster values of a job, the scene.
        bands: positions of red, green and near infrared.
        device: that computes.
        nodata: a nodata value besides those in the files.
        preset: of the sensor, a key of `sensors.PRESETS`.
        patches: see there.
        name: what it is called.
        words: what is taken for cloud.
    """

    networks: Sequence[nn.Module]
    sources: Sequence[dict[str, Any]]
    bands: tuple[int, int, int]
    device: torch.device
    nodata: float | None = None
    preset: str = ""
    patches: Patches = Patches()
    name: str = "OmniCloudMask 4"
    words: str = ("Clouds are from OmniCloudMask 4 (Wright et al. 2025, MIT licence), from red, green and near infrared: thick and thin cloud count "
                  "as cloud, cloud shadow as shadow, all others as clear. It does not tell snow.")

    @classmethod
    def of(cls, sources: Sequence[dict[str, Any]], preset: str, names: str, nodata: float | None, device: str, progress: Progress = SILENT
           ) -> OmniCloudMask:
        """The published networks for a scene, whose weights are downloaded where they are not on this machine.

        Args:
            sources: raster values of a job, the scene.
            preset: of its sensor, a key of `sensors.PRESETS`.
            names: of its bands in order, separated by commas; empty takes those in the files.
            nodata: a nodata value besides those in the files.
            device: see `device.pick_device`.
            progress: told of a download.

        Raises:
            DataError: the scene lacks a band, or its pixels are larger or smaller than those that the networks learned from.
            ModelError: the weights cannot be fetched or read.
        """
        with Scene.open(list(sources), nodata, preset) as scene:
            bands = find_bands(scene, preset, names, progress)
            _check_resolution(scene)
        place = pick_device(device)
        entries = [catalog.find(name) for name in catalog.CLOUD_NETWORKS]
        networks = [read_network(catalog.fetch(entry, progress), entry.encoder).to(place) for entry in entries]
        progress.message(f"Looking for clouds on {describe_device(place)}.")
        return cls(networks, sources, bands, place, nodata, preset)

    def fill(self, grid: Grid, area: Window, flags: np.ndarray, progress: Progress) -> None:
        """See `mapping.clouds.sources.CloudSource`."""
        pairs = list(self.patches.over(grid, area))
        with Scene.open(list(self.sources), self.nodata, self.preset) as scene:
            for done, (seen, kept) in enumerate(pairs):
                progress.at(done / len(pairs), f"Looking for clouds, {done} of {len(pairs)} patches")
                values, measured = scene.read(seen, list(self.bands))
                inner = np.s_[kept.row - seen.row:kept.row - seen.row + kept.height, kept.col - seen.col:kept.col - seen.col + kept.width]
                if not measured[inner].any():
                    continue
                call = PythonCall(lambda: self._classes(values, measured))  # noqa: B023
                classes = patiently(call, call.stop, progress, done / len(pairs), f"Looking for clouds, {done} of {len(pairs)} patches")
                place = np.s_[kept.row - area.row:kept.row - area.row + kept.height, kept.col - area.col:kept.col - area.col + kept.width]
                flags[place] = np.where(measured[inner], FLAGS[classes[inner]], flags[place])

    def _classes(self, values: np.ndarray, measured: np.ndarray) -> np.ndarray:
        """Position of the most probable class (y, x) of a patch (band, y, x)."""
        height, width = measured.shape
        image = np.pad(normalised(values, measured), ((0, 0), (0, -height % STRIDE), (0, -width % STRIDE)))
        with torch.inference_mode():
            given = torch.from_numpy(image)[None].to(self.device)
            scores = torch.stack([network(given) for network in self.networks]).mean(0)
            return scores[0, :, :height, :width].argmax(0).to(torch.uint8).cpu().numpy()


def _check_resolution(scene: Scene) -> None:
    sizes = scene.grid.metres_per_pixel()
    if min(sizes) < FINEST * (1 - TOLERANCE) or max(sizes) > COARSEST * (1 + TOLERANCE):
        measured = listed([f"{size:.3g} m" for size in dict.fromkeys(sizes)])
        raise DataError(f"The pixels of {scene.path} measure {measured}, and OmniCloudMask learned from {FINEST:g} to {COARSEST:g} m. Resample the "
                        "image, to 10 m for example, with “Warp (reproject)”; the mask may lie on another grid than the images it is used for.")

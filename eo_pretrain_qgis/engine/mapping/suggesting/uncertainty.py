"""How unsure models are of each pixel, and of each place: entropy, margin, disagreement of an ensemble, and mixture of classes.

Several models that take the same bands and give the same classes are run as one network with several heads, so the image is read once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ....errors import JobError
from ....progress import SILENT, Progress
from ...models.kinds import block_sizes
from ...models.network import LoadedNetwork
from ...models.package import Package
from ...rasters.grid import Window

#: Of a pixel; a place has their mean over its pixels.
MEASURES = ("entropy", "margin", "disagreement")
#: Of a place as a whole, see `Places.mixture`.
MIXTURE = "mixture"
_TINY = 1e-12


@dataclass(frozen=True)
class Doubt:
    """What the models say of some pixels.

    Attributes:
        probabilities: mean over the models, float32 (class, y, x).
        measures: name in `MEASURES` → float32 (y, x), 0 sure to 1 unsure.
    """

    probabilities: np.ndarray
    measures: dict[str, np.ndarray]


def measure(scores: np.ndarray, models: int) -> Doubt:
    """Works out all measures.

    entropy: of the mean probabilities, over its largest value log(classes). margin: 1 less the difference of the two largest mean
    probabilities ("breaking ties", Luo et al., JMLR 6, 2005). disagreement: the entropy of the mean less the mean entropy of the models,
    over log(classes): what the models do not agree on, without what all find ambiguous (Houlsby et al., arXiv 1112.5745; for ensembles
    Beluch et al., CVPR 2018); 0 for one model.

    Args:
        scores: probabilities (model·class, y, x) float32.
        models: number of models.
    """
    each = scores.reshape(models, -1, *scores.shape[1:])
    classes = each.shape[1]
    mean = each[0] if models == 1 else each.mean(0)
    largest = math.log(max(classes, 2))
    total = _entropy(mean) / largest
    within = total if models == 1 else np.mean([_entropy(one) for one in each], axis=0) / largest
    first, second = mean[0], np.zeros_like(mean[0])
    for one in mean[1:]:  # class by class, several times as fast as sorting along the first axis
        second, first = np.maximum(second, np.minimum(first, one)), np.maximum(first, one)
    return Doubt(mean, {"entropy": total, "margin": 1 - (first - second), "disagreement": (total - within).clip(0)})


@dataclass(frozen=True)
class Ensemble(Package):
    """Several models as one: as the first of them, with the widest halo, a stride that suits all, and their networks side by side."""

    packages: tuple[Package, ...]

    @classmethod
    def of(cls, packages: Sequence[Package]) -> Ensemble:
        """Checks that the models go together.

        Raises:
            JobError: naming two models that take different bands or give different classes.
        """
        first = packages[0]
        for other in packages[1:]:
            for what, ours, theirs in (("tasks", [first.task], [other.task]), ("bands", _bands(first), _bands(other)),
                                       ("units of the bands", _units(first), _units(other)), ("classes", _classes(first), _classes(other))):
                if ours != theirs:
                    raise JobError(f"The models {first.path} and {other.path} have different {what} ({', '.join(ours)}; {', '.join(theirs)}), so "
                                   "they cannot be asked together. Choose models trained on the same dataset.")
        if len(packages) == 1:
            return cls(first.path, {**first.description, "beside": (), "further": (), "members": ()}, (first,))
        stride, halo = math.lcm(*(package.stride for package in packages)), max(package.halo for package in packages)
        whole = first.kind.whole
        tiles = sorted({side for package in packages if (side := package.record.tile_size if whole else package.fixed_tile)})
        if len(tiles) > 1 or any(tile % stride for tile in tiles):
            raise JobError(f"The models take tiles of {', '.join(map(str, tiles))} px at multiples of {stride} px, so they cannot be asked together. "
                           "Choose models exported with one fixed tile, or without.")
        blocks = ({"fixed_tile": tiles[0], "dense_step": None, "block": None, "small_block": None} if tiles else
                  {"fixed_tile": None, **block_sizes(halo, stride)})
        return cls(first.path, {**first.description, "stride": stride, "halo": halo, "beside": (), "further": (), "members": (), **blocks},
                   tuple(packages))

    @property
    def id(self) -> str:
        """Those of all models."""
        return ", ".join(package.id for package in self.packages)

    @cached_property
    def sha256(self) -> str:
        """Checksums of all files."""
        return ", ".join(package.sha256 for package in self.packages)

    def session(self, device: str = "auto", threads: int = 0, fast: bool = False, progress: Progress = SILENT, decide: bool = False) -> LoadedNetwork:
        """Loads all networks, of which none is to decide by itself."""
        return _Sessions([(package.session(device, threads, fast, progress), list(package.inputs)) for package in self.packages])


class _Sessions(LoadedNetwork):
    """Networks run one after the other on the same images, each by the names it knows them by; their classes follow one another, without what
    they give besides.
    """

    def __init__(self, sessions: list[tuple[LoadedNetwork, list[str]]]) -> None:
        super().__init__(sessions[0][0].path)
        self.sessions = sessions

    @property
    def device(self) -> str:
        return self.sessions[0][0].device

    @property
    def runtime(self) -> str:
        return ", ".join(dict.fromkeys(session.runtime for session, _ in self.sessions))

    def run(self, images: dict[str, np.ndarray]) -> np.ndarray:
        return self._computed(images)[0]

    def _computed(self, images: dict[str, np.ndarray]) -> list[np.ndarray]:
        results = [session.run(dict(zip(names, images.values())))[:, :session.channels] for session, names in self.sessions]
        if len({result.ndim for result in results}) > 1:  # some say of a square alone what they could say of those of a larger image
            results = [result.reshape(len(result), -1) for result in results]
        return [np.concatenate(results, 1)]

    def stop(self) -> None:
        for session, _ in self.sessions:
            session.stop()


@dataclass
class Places:
    """Sums over the valid pixels of each place, collected part by part.

    Attributes:
        pixels: all pixels of each place (place,).
        find: gives for a window the places it touches: number, rows and columns within the window, and a mask or None.
    """

    pixels: np.ndarray
    find: Callable[[Window], list[tuple[int, tuple[slice, slice], np.ndarray | None]]]
    valid: np.ndarray = field(init=False)
    sums: dict[str, np.ndarray] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Starts at nothing."""
        self.valid = np.zeros(len(self.pixels), np.int64)

    def add(self, window: Window, valid: np.ndarray, layers: dict[str, np.ndarray]) -> None:
        """Adds layers (channel, y, x) of a window; only valid pixels count."""
        for number, place, mask in self.find(window):
            inside = valid[place] if mask is None else valid[place] & mask
            count = int(inside.sum())
            if not count:
                continue
            self.valid[number] += count
            for name, layer in layers.items():
                part = layer[(slice(None), *place)]
                if name not in self.sums:
                    self.sums[name] = np.zeros((len(self.pixels), len(layer)))
                self.sums[name][number] += part[:, inside].sum(1, dtype=np.float64)

    def mean(self, name: str) -> np.ndarray:
        """Mean of a layer over the valid pixels of each place (place, channel); 0 where there is none."""
        return self.sums[name] / np.maximum(self.valid, 1)[:, None]

    def mixture(self) -> np.ndarray:
        """Entropy of the mean class probabilities of each place over its largest value (place,).

        It is the mean entropy of the pixels plus what the pixels differ in (the Jensen-Shannon divergence of their probabilities), so it is
        high where a model expects several classes side by side as well as where it does not know which one there is. It is the region
        impurity of Xie et al. (Towards fewer annotations, CVPR 2022) with probabilities in place of decisions. How it fares beside mean
        entropy and random picks stands in docs/evidence/suggested-labels.md.
        """
        shares = self.mean("probabilities")
        return _entropy(shares.T) / math.log(max(shares.shape[1], 2))

    @property
    def valid_share(self) -> np.ndarray:
        """Share of the pixels of each place that were measured (place,)."""
        return self.valid / np.maximum(self.pixels, 1)


def _entropy(probabilities: np.ndarray) -> np.ndarray:
    return -(probabilities * np.log(np.maximum(probabilities, _TINY))).sum(0)


def _bands(package: Package) -> list[str]:
    return [name for seen in package.inputs.values() for name in seen.names]


def _units(package: Package) -> list[str]:
    return [f"{band.unit} × {band.scale:g} + {band.offset:g}" for seen in package.inputs.values() for band in seen.bands]


def _classes(package: Package) -> list[str]:
    return [f"{row.value} {row.name}" for row in package.classes]

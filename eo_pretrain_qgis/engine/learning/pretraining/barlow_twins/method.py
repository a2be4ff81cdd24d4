"""Barlow Twins as a method to train: towers of encoder and projector, batches of views, the loss, and what held-out tiles say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from .....progress import SILENT, Progress
from ....cards import Input
from ....datasets.dataset import Dataset, SensorInfo
from ....rasters.sensors import Band
from ...data import mixed_sample
from ...loop.shares import ALONE, Share
from ...networks.class_networks import band_row, renew_statistics, scaled
from ...networks.encoders import build_encoder
from ...probes import Probe, encoder_features
from .loss import correlation, shared_loss, twin_loss
from .neighbours import Neighbours
from .views import Views

MINIMUM_TILES = 4  # fewer leave nothing to compare
HELD_OUT, RENEWAL_TILES = 512, 256  # most tiles the figures and the statistics of normalisation layers are taken from
FIGURES = ("validation_loss", "feature_rank", "feature_spread", "probe_knn", "probe_linear", "probe_score")
LEAST_RANK, LEAST_SPREAD = 1.5, 0.01  # below them the features say the same of all tiles


def usable_tiles(dataset: Dataset, split: str, sensors: Sequence[SensorInfo]) -> np.ndarray:
    """Tiles of a split that show all of the sensors."""
    tiles = dataset.indices(split, sensors[0].name)
    for sensor in sensors[1:]:
        tiles = np.intersect1d(tiles, dataset.indices(split, sensor.name))
    return tiles


class Tower(nn.Module):
    """Encoder and projector of one sensor.

    Args:
        encoder: name of the encoder.
        seen: what it takes.
        width: of the projector's three layers.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, encoder: str, seen: Input, width: int) -> None:
        super().__init__()
        self.encoder = build_encoder(encoder, len(seen.bands))
        features = int(cast(Any, self.encoder).out_channels[-1])
        self.projector = nn.Sequential(
            nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Linear(width, width, bias=False))
        self.register_buffer("centre", band_row(seen.centre))
        self.register_buffer("spread", band_row([spread or 1.0 for spread in seen.spread]))

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, width) of scaled views (n, band, y, x)."""
        return self.projector(self.encoder(view)[-1].mean((2, 3)))

    @property
    def scaling(self) -> tuple[list[float], list[float]]:
        """Centre and spread of the bands, stored units."""
        return self.centre.flatten().tolist(), self.spread.flatten().tolist()


class TwinNetwork(nn.Module):
    """A tower for each sensor; all views go through it at once, because processes exchange gradients once for each call."""

    def __init__(self, towers: Sequence[Tower]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)

    def forward(self, views: list[list[torch.Tensor]]) -> list[list[torch.Tensor]]:
        """Embeddings of the views of each sensor; each view has batch statistics of its own, as in the paper."""
        return [[tower(view) for view in pair] for tower, pair in zip(self.towers, views)]


@dataclass
class TwinBatch:
    """Two views of each tile for each sensor: float32 (n, band, y, x), scaled; `divided` is told when the batch is worked off in parts."""

    views: list[list[torch.Tensor]]
    divided: Callable[[int], None]

    def __len__(self) -> int:
        return len(self.views[0][0])

    def split(self, pieces: int) -> list[TwinBatch]:
        """The same tiles in at most `pieces` smaller batches of two tiles at least, whose losses are those of smaller batches."""
        bounds = np.array_split(np.arange(len(self)), max(1, min(pieces, len(self) // 2)))
        if len(bounds) > 1:
            self.divided(len(bounds[0]))
        return [TwinBatch([[view[part[0]:part[-1] + 1] for view in pair] for pair in self.views], self.divided) for part in bounds]


class Twins:
    """Barlow Twins as a method to train.

    Args:
        dataset: with training tiles.
        sensors: one or two.
        network: a tower for each.
        settings: what was chosen.
        device: where it is trained.
        probe: labelled tiles to ask the tower with the same bands with.
        share: of this process.
        progress: told of collapse.

    Attributes:
        neighbours: tiles whose second view is one of another tile; None: both views are of one tile.
    """

    additive = False  # the loss compares the tiles of a batch

    def __init__(self, dataset: Dataset, sensors: Sequence[SensorInfo], network: TwinNetwork, settings: Any, device: torch.device,
                 probe: Probe | None = None, share: Share = ALONE, progress: Progress = SILENT) -> None:
        self.dataset, self.sensors, self.network, self.settings, self.device = dataset, list(sensors), network, settings, device
        self.probe, self.share, self.progress = probe, share, progress
        self.score = "probe_score" if probe else "validation_score"
        self.views = [Views(sensor, *tower.scaling, dataset.tile_size, settings, device)
                      for sensor, tower in zip(self.sensors, self.towers)]
        self.tiles = usable_tiles(dataset, "training", self.sensors)
        self.held_out = mixed_sample(usable_tiles(dataset, "validation", self.sensors), HELD_OUT)
        self.asked_tower, self.asked_scaling = 0, self.towers[0].scaling
        if probe:
            bands = next(info for info in probe.dataset.sensors if info.name == probe.sensor).bands
            self.asked_tower = next(number for number, sensor in enumerate(self.sensors) if same_bands(sensor.bands, bands))
            self.asked_scaling = stored_as(bands, self.sensors[self.asked_tower].bands, *self.towers[self.asked_tower].scaling)
        self.epoch, self.collapsed, self.told, self.probe_score = 0, False, False, np.nan
        self.shared = round(settings.shared * settings.projector_width)
        self.neighbours: Neighbours | None = None

    @property
    def towers(self) -> list[Tower]:
        """Encoder and projector of each sensor."""
        return cast(list[Tower], list(self.network.towers))

    @property
    def parts(self) -> dict[str, nn.Module]:
        """All towers learn from one loss."""
        return {"network": self.network}

    @property
    def steps(self) -> int:
        """Batches per epoch and process."""
        return _pieces(self.share.count(len(self.tiles)), self.settings.batch_size)

    def batches(self, seed: int, epoch: int) -> Iterator[TwinBatch]:
        """Views of the training tiles once, in an order and with changes that follow from seed, epoch and rank alone."""
        self.epoch = epoch
        order = np.random.default_rng([seed, epoch]).permutation(self.tiles)
        mine = self.share.deal(order, self.share.count(len(order)))
        generator = _generator(seed, epoch, self.share.rank)
        for tiles in np.array_split(mine, self.steps):
            tiles = np.sort(tiles)
            yield self._batch(tiles, generator, self.neighbours.draw(tiles, generator) if self.neighbours else None)

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: TwinBatch) -> torch.Tensor:
        """The loss of the batch of all processes, the mean over sensors and pairs of them."""
        return self._loss(networks[part](batch.views))

    def _loss(self, embeddings: list[list[torch.Tensor]]) -> torch.Tensor:
        weight = self.settings.redundancy_weight
        with torch.autocast(self.device.type, enabled=False):  # sums of thousands of products: float32
            terms = [twin_loss(correlation(*pair), weight) for pair in embeddings]
            if len(embeddings) == 2:
                terms.append(shared_loss(correlation(embeddings[0][0], embeddings[1][0]), self.shared, weight))
        return torch.stack(terms).mean()

    @torch.no_grad()
    def validate(self, progress: Progress = SILENT) -> np.ndarray:
        """`FIGURES` of the held-out tiles, NaN where not known; every process computes them, the first one counts."""
        found = dict.fromkeys(FIGURES, np.nan)
        if len(self.held_out) >= MINIMUM_TILES:
            found["validation_loss"] = self._held_out_loss(progress.part(0, 0.4))
        sample = mixed_sample(self.tiles, RENEWAL_TILES)
        for number, tower in enumerate(self.towers):
            renew_statistics(tower, (self._plain(part, number) for part in self._portions(sample)))
        if len(self.held_out) >= MINIMUM_TILES:
            features = [self.features(number, self.held_out, progress.part(0.4, 0.6)) for number in range(len(self.towers))]
            found["feature_rank"] = float(np.mean([effective_rank(rows) for rows in features]))
            found["feature_spread"] = float(np.mean([feature_spread(rows) for rows in features]))
        if self.probe:
            found.update(self._ask_probe(self.probe, progress.part(0.6, 1)))
        return np.array([found[name] if self.share.rank == 0 else 0.0 for name in FIGURES])

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """The figures that are known, and the score."""
        found = {name: float(value) for name, value in zip(FIGURES, sums) if np.isfinite(value)}
        if "validation_loss" in found:
            found["validation_score"] = -found["validation_loss"]
        rank, spread = found.get("feature_rank", np.inf), found.get("feature_spread", np.inf)
        if (rank < LEAST_RANK or spread < LEAST_SPREAD) and not self.collapsed:
            self.progress.message(f"The features of the held-out tiles hardly differ (effective rank {rank:.2g}, spread {spread:.2g}): the "
                                  "encoder says the same of every tile. Take a larger batch, a lower learning rate or weaker views.", "warning")
            self.collapsed = True
        return found

    def features(self, number: int, tiles: np.ndarray, progress: Progress = SILENT, turned: bool = False) -> np.ndarray:
        """Features (n, channel) of whole tiles by the encoder of a sensor, see `encoder_features`."""
        tower, name = self.towers[number], self.sensors[number].name
        return encoder_features(tower.encoder, *tower.scaling, self.dataset, tiles, sensor=name, turned=turned, progress=progress)

    def _ask_probe(self, probe: Probe, progress: Progress) -> dict[str, float]:
        """Scores of nearest neighbours and of a linear classifier, every few epochs, in the last one and whenever there are none yet."""
        due = (self.epoch + 1) % self.settings.probe_every == 0 or self.epoch + 1 >= self.settings.epochs
        if not due and np.isfinite(self.probe_score):
            return {"probe_score": self.probe_score}
        found = probe(self.towers[self.asked_tower].encoder, *self.asked_scaling, progress)
        self.probe_score = found["probe_linear"]
        return {**found, "probe_score": self.probe_score}

    def _divided(self, size: int) -> None:
        if not self.told:
            self.told = True
            self.progress.message(f"The loss is now that of batches of {size} tiles, which is not the loss of the whole batch: Barlow Twins "
                                  "correlates over a batch, so gradients of parts do not add up to it. Choose smaller views or a smaller "
                                  "encoder to keep the batch, or share it among several GPUs with torchrun.", "warning")

    def _held_out_loss(self, progress: Progress) -> float:
        """The loss of views of held-out tiles, the same in every epoch, with batch statistics as in training."""
        generator, losses, portions = _generator(self.settings.seed, 2**31, 0), [], self._portions(self.held_out)
        self.network.train()
        for done, tiles in enumerate(portions, 1):
            losses.append(float(self._loss(self.network(self._batch(tiles, generator).views))))
            progress.at(done / len(portions), f"Loss of the held-out tiles, {done} of {len(portions)} batches")
        return float(np.mean(losses))

    def _batch(self, tiles: np.ndarray, generator: torch.Generator, partners: np.ndarray | None = None) -> TwinBatch:
        """Views of tiles; the second ones are of their partners where there are any."""
        views = []
        for sensor, draw in zip(self.sensors, self.views):
            first = self._read(tiles, sensor, draw.centre)
            second = first if partners is None else self._read(partners, sensor, draw.centre)
            views.append([draw(*seen, generator) for seen in (first, second)])
        return TwinBatch(views, self._divided)

    def _plain(self, tiles: np.ndarray, number: int) -> torch.Tensor:
        """Whole tiles, scaled."""
        tower = self.towers[number]
        images, _ = self._read(tiles, self.sensors[number], tower.centre)
        return scaled(images, tower.centre, tower.spread).contiguous(memory_format=torch.channels_last)

    def _read(self, tiles: np.ndarray, sensor: SensorInfo, fill: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Images on the device, float32 in stored units with `fill` for missing pixels, and which are not missing; None: all are there."""
        images = self.dataset.images(tiles, sensor.name)
        complete = sensor.nodata is None and images.dtype.kind in "iu"
        valid = None if complete else sensor.valid(images)
        if self.device.type == "mps" and images.dtype in (np.float64, np.uint16, np.uint32):
            images = images.astype(np.float32)  # types Apple's GPUs do not have
        pixels = torch.from_numpy(np.ascontiguousarray(images)).to(self.device).float()
        if valid is None or valid.all():
            return pixels, None
        known = torch.from_numpy(valid).to(self.device)
        return torch.where(known[:, None], pixels, fill), known

    def _portions(self, tiles: np.ndarray) -> list[np.ndarray]:
        return np.array_split(tiles, _pieces(len(tiles), self.settings.batch_size))


def effective_rank(features: np.ndarray) -> float:
    """How many dimensions the features fill: exp of the entropy of the eigenvalues of their correlation.

    After Roy and Vetterli, The effective rank (EUSIPCO 2007), who take singular values.

    Args:
        features: (n, dimension).
    """
    centred = features.astype(np.float64) - features.mean(0)
    deviation = centred.std(0)
    centred = centred[:, deviation > 1e-9] / deviation[deviation > 1e-9]
    if not centred.size:
        return 1.0
    energy = np.linalg.svd(centred, compute_uv=False) ** 2
    share = energy[energy > 0] / energy.sum()
    return float(np.exp(-(share * np.log(share)).sum()))


def feature_spread(features: np.ndarray) -> float:
    """Deviation of features of length 1 per dimension, times the root of their number: 1 when they point everywhere, 0 when collapsed.

    After Chen and He, SimSiam, arXiv 2011.10566, §4.1.
    """
    length = np.linalg.norm(features, axis=1, keepdims=True)
    return float((features / np.maximum(length, 1e-12)).std(0).mean() * np.sqrt(features.shape[1]))


def same_bands(ours: Sequence[Band], theirs: Sequence[Band]) -> bool:
    """Whether bands have the same names and units in the same order."""
    return [(band.name, band.unit) for band in ours] == [(band.name, band.unit) for band in theirs]


def stored_as(bands: Sequence[Band], known: Sequence[Band], centre: Sequence[float], spread: Sequence[float]) -> tuple[list[float], list[float]]:
    """Centre and spread in the stored units of `bands`, which may have another scale or offset than the bands they are `known` of.

    Sentinel-2 products before and since baseline 04.00 differ so.
    """
    pairs = list(zip(bands, known))
    if all((ours.scale, ours.offset) == (theirs.scale, theirs.offset) for ours, theirs in pairs):
        return list(centre), list(spread)
    return ([(value * theirs.scale + theirs.offset - ours.offset) / ours.scale for value, (ours, theirs) in zip(centre, pairs)],
            [value * theirs.scale / ours.scale for value, (ours, theirs) in zip(spread, pairs)])


def _pieces(tiles: int, size: int) -> int:
    """How many batches of at most `size` tiles; rather one tile more in some than one alone, which has no statistics."""
    return max(1, min(-(-tiles // size), tiles // 2))


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.default_rng(list(numbers)).integers(2**62)))

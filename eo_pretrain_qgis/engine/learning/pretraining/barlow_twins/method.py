"""Barlow Twins as a method to train: towers of encoder and projector, batches of views, the loss, and what held-out tiles say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import torch
from torch import nn

from .....progress import SILENT, Progress
from ....cards import Input, Inputs
from ....datasets.dataset import Dataset
from ...data import Batch, Part, TileReader, mixed_sample
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


class Tower(nn.Module):
    """Encoder and projector of one sensor.

    Args:
        encoder: of it.
        features: how many that gives.
        seen: what it takes.
        width: of the projector's three layers.
    """

    centre: torch.Tensor
    spread: torch.Tensor

    def __init__(self, encoder: nn.Module, features: int, seen: Input, width: int) -> None:
        super().__init__()
        self.seen, self.encoder = seen, encoder
        self.projector = nn.Sequential(
            nn.Linear(features, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True),
            nn.Linear(width, width, bias=False), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Linear(width, width, bias=False))
        self.register_buffer("centre", band_row(seen.centre))
        self.register_buffer("spread", band_row([spread or 1.0 for spread in seen.spread]))



class ImageTower(Tower):
    """Encoder and projector of the images of one sensor; see `Tower`."""

    def __init__(self, encoder: str, seen: Input, width: int) -> None:
        network = build_encoder(encoder, len(seen.bands))
        super().__init__(network, int(cast(Any, network).out_channels[-1]), seen, width)

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, width) of scaled views (n, band, y, x)."""
        return self.projector(self.encoder(view)[-1].mean((2, 3)))


class TwinNetwork(nn.Module):
    """A tower for each sensor; all views go through it at once, because processes exchange gradients once for each call."""

    def __init__(self, towers: Sequence[Tower]) -> None:
        super().__init__()
        self.towers = nn.ModuleList(towers)

    @property
    def inputs(self) -> Inputs:
        """What the towers see."""
        return {tower.seen.name: tower.seen for tower in cast(list[Tower], list(self.towers))}

    def forward(self, first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> list[list[torch.Tensor]]:
        """Embeddings of two views of each input; each view has batch statistics of its own, as in the paper."""
        return [[tower(views[name]) for views in (first, second)] for name, tower in zip(self.inputs, self.towers)]


class Twins:
    """Barlow Twins as a method to train. Images of its batches are the first views, scaled, and their targets the second ones, by input.

    Args:
        dataset: with training tiles.
        network: a tower for each input, of which there are one or two.
        settings: what was chosen.
        device: where it is trained.
        probe: labelled tiles to ask the tower with the same bands with.
        share: of this process.
        progress: told of collapse.

    Attributes:
        neighbours: tiles whose second view is one of another tile; None: both views are of one tile.
    """

    additive = False  # the loss compares the tiles of a batch

    def __init__(self, dataset: Dataset, network: TwinNetwork, settings: Any, device: torch.device, probe: Probe | None = None,
                 share: Share = ALONE, progress: Progress = SILENT) -> None:
        self.dataset, self.network, self.settings, self.device = dataset, network, settings, device
        self.probe, self.share, self.progress = probe, share, progress
        self.score = "probe_score" if probe else "validation_score"
        self.reader = TileReader(dataset, network.inputs, 1, device)
        self.views = {name: self.drawing(seen) for name, seen in network.inputs.items()}
        self.tiles = self.reader.indices("training")
        self.held_out = mixed_sample(self.reader.indices("validation"), HELD_OUT)
        self.asked = next(tower for tower in self.towers if not probe or probe.dataset.find(tower.seen))
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

    def batches(self, seed: int, epoch: int) -> Iterator[Batch]:
        """Views of the training tiles once, in an order and with changes that follow from seed, epoch and rank alone."""
        self.epoch = epoch
        order = np.random.default_rng([seed, epoch]).permutation(self.tiles)
        mine = self.share.deal(order, self.share.count(len(order)))
        generator = _generator(seed, epoch, self.share.rank)
        for batch in self._read([np.sort(tiles) for tiles in np.array_split(mine, self.steps)]):
            partners = next(self._read([self.neighbours.draw(batch.samples, generator)])) if self.neighbours else batch
            yield self._viewed(batch, partners, generator)

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """The loss of the batch of all processes, the mean over sensors and pairs of them."""
        if len(batch) < self.share.count(len(self.tiles)) // self.steps and not self.told:
            self.told = True
            self.progress.message(f"The loss is now that of batches of {len(batch)} tiles, which is not the loss of the whole batch: Barlow Twins "
                                  "correlates over a batch, so gradients of parts do not add up to it. Choose smaller views or a smaller "
                                  "encoder to keep the batch, or share it among several GPUs (device “cuda:all”).", "warning")
        return self._loss(networks[part](batch.images, batch.targets))

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
        for tower in self.towers:
            renew_statistics(tower, self.plain(tower.seen, sample))
        if len(self.held_out) >= MINIMUM_TILES:
            features = [self.features(tower, self.held_out, progress.part(0.4, 0.6)) for tower in self.towers]
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

    def features(self, tower: Tower, tiles: np.ndarray, progress: Progress = SILENT, turned: bool = False) -> np.ndarray:
        """Features (n, channel) of whole tiles by the encoder of a tower, see `encoder_features`."""
        return encoder_features(tower.encoder, self.dataset, tower.seen, tiles, turned=turned, progress=progress)

    def _ask_probe(self, probe: Probe, progress: Progress) -> dict[str, float]:
        """Scores of nearest neighbours and of a linear classifier, every few epochs, in the last one and whenever there are none yet."""
        due = (self.epoch + 1) % self.settings.probe_every == 0 or self.epoch + 1 >= self.settings.epochs
        if not due and np.isfinite(self.probe_score):
            return {"probe_score": self.probe_score}
        found = probe(self.asked.encoder, self.asked.seen, progress)
        self.probe_score = found["probe_linear"]
        return {**found, "probe_score": self.probe_score}

    def _held_out_loss(self, progress: Progress) -> float:
        """The loss of views of held-out tiles, the same in every epoch, with batch statistics as in training."""
        generator, losses, portions = _generator(self.settings.seed, 2**31, 0), [], self.portions(self.held_out)
        self.network.train()
        for done, batch in enumerate(self._read(portions), 1):
            views = self._viewed(batch, batch, generator)
            losses.append(float(self._loss(self.network(views.images, views.targets))))
            progress.at(done / len(portions), f"Loss of the held-out tiles, {done} of {len(portions)} batches")
        return float(np.mean(losses))

    def _read(self, portions: Sequence[np.ndarray]) -> Iterator[Batch]:
        """Whole tiles; what was measured of an input is not there where all was, so that its views need no mask."""
        return self.reader.batches(map(Part, portions), lambda tiles, arrays: {
            key: array for key, array in arrays.items() if key[0] != "valid" or not array.all()})

    def _viewed(self, batch: Batch, partners: Batch, generator: torch.Generator) -> Batch:
        """Views of tiles and of their partners, or of the same tiles once more."""
        pairs = {name: [draw(seen, generator) for seen in (batch, partners)] for name, draw in self.views.items()}
        first, second = ({name: pair[place] for name, pair in pairs.items()} for place in (0, 1))
        return replace(batch, images=first, valid={}, targets=second, together=2)

    def drawing(self, seen: Input) -> Callable[[Batch, torch.Generator], torch.Tensor]:
        """What draws a view of each tile of a batch."""
        views, name = Views(seen, self.dataset.sensor_of(seen).dtype, self.dataset.tile_size, self.settings, self.device), seen.name
        return lambda batch, generator: views(batch.images[name], batch.valid.get(name), generator)

    def plain(self, seen: Input, tiles: np.ndarray) -> Iterator[torch.Tensor]:
        """Whole tiles as the tower of an input sees them, scaled."""
        reader, rows = TileReader(self.dataset, {seen.name: seen}, 1, self.device), ([value or 1.0 for value in seen.spread], seen.centre)
        spread, centre = (band_row(values).to(self.device) for values in rows)
        return (scaled(batch.images[seen.name], centre, spread) for batch in reader.batches(map(Part, self.portions(tiles))))

    def portions(self, tiles: np.ndarray) -> list[np.ndarray]:
        """Tiles in batches."""
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


def _pieces(tiles: int, size: int) -> int:
    """How many batches of at most `size` tiles; rather one tile more in some than one alone, which has no statistics."""
    return max(1, min(-(-tiles // size), tiles // 2))


def _generator(*numbers: int) -> torch.Generator:
    return torch.Generator().manual_seed(int(np.random.default_rng(list(numbers)).integers(2**62)))

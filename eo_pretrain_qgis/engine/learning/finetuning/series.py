"""Classes of series of dates: one for each, or one for every pixel of dated tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from ....errors import DataError
from ....progress import SILENT, Progress
from ...cards import Input, single
from ...classic.models import Labelled
from ...datasets.dataset import Dataset
from ...datasets.dates import NO_DAY
from ..data import LABELS, Batch, TileReader
from ..networks.class_networks import ClassNetwork
from ..networks.series_start import stand_in_the_middle
from .classification import Classification
from .heads import Head
from .labelled_tiles import Choices
from .segmentation import Segmentation

#: Share of the dates of a tile that “full” augmentation hides.
DROPPED_DATES = 0.2


@dataclass(frozen=True)
class Today:
    """Hides, in each batch, all dates after a day drawn from the season, and the labels of series that show nothing then.

    Args:
        seen: the input.
        early: whether a day is drawn; else only the labels of series without a date that counts are hidden.
        ignore: stands for a label that is not known.
    """

    seen: Input
    early: bool
    ignore: int

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch as it was known on that day."""
        days = batch.days[self.seen.days_port]
        if self.early:
            first, last = self.seen.days[0], self.seen.days[-1]
            days = torch.where(days > first + (last - first) * float(torch.rand(1, generator=generator)), float(NO_DAY), days)
        return hidden(batch, self.seen, days, self.ignore)


def hidden(batch: Batch, seen: Input, days: torch.Tensor, ignore: int) -> Batch:
    """A batch of series without the dates that do not count by `days` (n, date), and without the labels of what then shows nothing."""
    flat = [1] * (batch.images[seen.name].ndim - 3)  # axes of pixels, of dated tiles
    known = batch.valid[seen.name] & (days >= 0).reshape(*days.shape, *flat)
    centre = torch.tensor(seen.centre, dtype=torch.float32, device=days.device).reshape(-1, *flat)
    labels = torch.where(known.any(1), batch.targets[LABELS], ignore)
    return replace(batch, images={seen.name: torch.where(known.unsqueeze(2), batch.images[seen.name], centre)}, valid={seen.name: known},
                   days={seen.days_port: days}, targets={**batch.targets, LABELS: labels})


class SeriesMethod(Classification):
    """Classes of series, learned from labelled ones."""

    def __init__(self, dataset: Dataset, network: ClassNetwork, device: torch.device, choices: Choices) -> None:
        if choices.augmentation != "none":
            raise DataError(f"The augmentation “{choices.augmentation}” turns images, and {dataset.folder} holds series of single places. Choose "
                            "“none” or “auto”.")
        super().__init__(dataset, network, device, choices)
        self.training.augmentation = Today(single(network.inputs), choices.early, dataset.ignore)

    def begin(self, new: list[str], labelled: Labelled, device: torch.device, progress: Progress = SILENT) -> None:
        """The network begins as a regression on the series brought to the same days and, with starting weights, on the encoder's features too."""
        network: Any = self.network
        network.begin(labelled.whitening, labelled.regression)
        stand_in_the_middle(network.encoder, self.dataset)
        if "classification_head.weight" in new:
            network.begin_with_features(self.joint(labelled, device, progress))


class DatesAndTurns:
    """Turns dated tiles, and hides some of their dates, as clouds do.

    Args:
        kind: “none”; “flips”, which turns; or “full”, which hides dates, too.
        today: see there; it comes last.
    """

    def __init__(self, kind: str, today: Today) -> None:
        self.kind, self.today = kind, today

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch, changed; labels of pixels that show nothing are hidden."""
        if self.kind != "none":
            batch = batch.turned(torch.randint(0, 8, (len(batch),), generator=generator).tolist())
        if self.kind == "full":
            days = batch.days[self.today.seen.days_port]
            kept = torch.rand(days.shape, generator=generator) >= DROPPED_DATES
            batch = hidden(batch, self.today.seen, torch.where(kept.to(days.device), days, float(NO_DAY)), self.today.ignore)
        return self.today(batch, generator)


class TilesInTimeMethod(Segmentation):
    """A class for every pixel of dated tiles."""

    def __init__(self, dataset: Dataset, network: ClassNetwork, device: torch.device, choices: Choices) -> None:
        super().__init__(dataset, network, device, replace(choices, augmentation="none"))
        today = Today(single(network.inputs), choices.early, dataset.ignore)
        self.training.augmentation = DatesAndTurns(choices.augmentation, today)

    @staticmethod
    def of_batch(network: ClassNetwork, reader: TileReader, batch: Batch) -> torch.Tensor:
        """See `Segmentation`; nothing is said of pixels that no date shows."""
        return network(batch.given).nan_to_num()

    @staticmethod
    def truth(reader: TileReader, batch: Batch, head: Head) -> torch.Tensor:
        """See `Segmentation`; the truth of these pixels is hidden."""
        return torch.where(batch.valid[single(reader.inputs).name].any(1), batch.targets[head.labels], reader.dataset.ignore)


def check_series(dataset: Dataset, settings: Mapping[str, Any]) -> None:
    """Refuses settings that mean something for one of series and images, and not for the other.

    Args:
        dataset: to learn from.
        settings: of the job.

    Raises:
        DataError: saying what to choose.
    """
    if not dataset.kind.dates and settings["early_season"]:
        raise DataError(f"“Learn for early answers” hides the last dates of series, and {dataset.folder} has {dataset.kind.words}. Leave it off.")
    if dataset.kind.dates and settings["mode"] not in ("fine_tune", "frozen", "probe"):
        raise DataError(f"The mode “{settings['mode']}” is for encoders of images, and {dataset.folder} holds series of dates. Choose the mode "
                        "“fine_tune”, “frozen” or “probe”; a regression on series is the approach “statistics”.")
    if dataset.kind.dates and settings["mode"] == "probe" and not settings["start"]:
        raise DataError("The features of an encoder without starting weights say nothing. Give starting weights, or choose the approach "
                        "“statistics”.")

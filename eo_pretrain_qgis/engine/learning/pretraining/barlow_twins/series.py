"""Barlow Twins on series of dates: two views of a place are what two sets of its clear dates, drawn at random, show of it.

After TESSERA (arXiv 2506.20380), which learns from pixels so: whatever dates were clear, the features of a place shall be the same. A view holds
standardised bands and, behind the last of them, the day of each date, below 0 where the date is not in the view: (n, date, band + 1).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from .....errors import DataError
from ....cards import Input, Inputs
from ....datasets.dataset import Dataset
from ....datasets.dates import NO_DAY, read_series
from ....even_sample import even_sample
from ...data import Batch, Part, TileReader
from ...networks.class_networks import band_row
from ...networks.series import ENCODERS, standardised
from .method import Tower, Twins
from .views import ViewPlan

#: Least and largest share of the clear dates in a view, where none is asked for.
SHARES = (0.25, 0.75)
LOOKED_AT = 2000  # series that are looked at for dates


class SeriesTower(Tower):
    """Encoder and projector of the series of one sensor; see `Tower`."""

    def __init__(self, encoder: str, seen: Input, width: int) -> None:
        network = ENCODERS[encoder](seen)
        super().__init__(network, int(network.width), seen, width)  # type: ignore[arg-type]

    def forward(self, view: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, width) of views, see above."""
        return self.projector(self.encoder(view[..., :-1], view[..., -1]))


class DateViews:
    """Draws views of series.

    Args:
        seen: the input.
        plan: how many of the dates are in a view.
        device: of the series.
    """

    def __init__(self, seen: Input, plan: ViewPlan, device: torch.device) -> None:
        self.seen, self.shares = seen, date_shares(plan)
        self.centre, self.spread = (band_row(values).to(device) for values in (seen.centre, [spread or 1.0 for spread in seen.spread]))

    def __call__(self, batch: Batch, generator: torch.Generator | None = None) -> torch.Tensor:
        """A view of each series; without a generator all of its dates."""
        values, days = batch.images[self.seen.name], batch.days[self.seen.days_port]
        if generator is not None:
            known = days >= 0
            chance = torch.rand(days.shape, generator=generator).to(days.device)
            place = torch.where(known, chance, 2.0).argsort(1).argsort(1)  # of a date among the clear ones, in an order of chance
            low, high = self.shares
            share = (torch.rand((len(days), 1), generator=generator) * (high - low) + low).to(days.device)
            days = torch.where(known & (place < (share * known.sum(1, keepdim=True)).ceil()), days, float(NO_DAY))
        return torch.cat([standardised(values, days, self.centre, self.spread), days[..., None]], 2)


class SeriesTwins(Twins):
    """`Twins` of series of dates."""

    def drawing(self, seen: Input) -> DateViews:
        """See `Twins`."""
        return DateViews(seen, self.settings, self.device)

    def plain(self, seen: Input, tiles: np.ndarray) -> Iterator[torch.Tensor]:
        """See `Twins`."""
        whole = DateViews(seen, self.settings, self.device)
        return map(whole, TileReader(self.dataset, {seen.name: seen}, 1, self.device).batches(map(Part, self.portions(tiles))))


def date_shares(plan: ViewPlan) -> tuple[float, float]:
    """Least and largest share of the clear dates in a view.

    Raises:
        DataError: the least is larger.
    """
    smallest, largest = plan.smallest, plan.largest
    low = min(SHARES[0], largest or 1) if smallest is None else smallest
    high = max(SHARES[1], low) if largest is None else largest
    if low > high:
        raise DataError(f"The least share of the dates in a view ({low:g}) is larger than the largest ({high:g}). Exchange the two, or leave both "
                        "empty.")
    return low, high


def check_series_views(dataset: Dataset, inputs: Inputs, plan: ViewPlan) -> None:
    """Refuses series of which two views would be the same, and what only views of images have.

    Raises:
        DataError: saying what to choose.
    """
    if dataset.kind.sample_axes != "tb":
        raise DataError(f"The dataset {dataset.folder} holds dated tiles, of which Barlow Twins has no views. Choose a dataset of series, with the "
                        "samples “series” in “Create crop dataset”, or one of images.")
    if plan.crop:
        raise DataError(f"A view of {plan.crop} px was asked for, and {dataset.folder} holds series of single places. Leave “Size of a view” empty.")
    date_shares(plan)
    looked, shown = even_sample(dataset.indices("training", *(seen.sensor for seen in inputs.values())), LOOKED_AT), []
    for seen in inputs.values():
        clear = (read_series(dataset, seen, looked)[1] >= 0).sum(1) if seen.season else np.zeros(len(looked), int)
        if not (clear > 1).any():
            raise DataError(f"No training series of {seen.sensor} in {dataset.folder} has two clear dates, so two views of a place would be the "
                            "same. Add dates, or check the cloud masks.")
        shown.append(clear > 0)
    if not np.logical_and.reduce(shown).any():
        names = " and one of ".join(seen.sensor for seen in inputs.values())
        raise DataError(f"No training place in {dataset.folder} has a clear date of {names}, so nothing shows what both see. Choose series of "
                        "the same places, or “one” and a sensor.")

"""One of two sensors hidden in some tiles, so that a network learns to answer for what the other one saw."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch

from ...cards import Inputs
from ..data import LABELS, Batch, laid

#: Share of the tiles, of those that both sensors measured, in which one of the two is hidden.
HIDDEN = 0.25


class HiddenSensors:
    """Hides a sensor in some tiles of a batch, after another change; never both.

    Args:
        change: made first.
        inputs: of the two sensors.
        fill: of each, what stands for a pixel without a measurement, (1, band, 1, 1), stored units.
        ignore: label of what is not known.
    """

    def __init__(self, change: Callable[[Batch, torch.Generator], Batch], inputs: Inputs, fill: Mapping[str, torch.Tensor], ignore: int) -> None:
        self.change, self.names, self.fill, self.ignore = change, list(inputs), fill, ignore

    def __call__(self, batch: Batch, generator: torch.Generator) -> Batch:
        """The batch; a pixel that no sensor shows has no label."""
        batch = self.change(batch, generator)
        chosen = torch.rand(len(batch), generator=generator) < HIDDEN
        which = torch.randint(0, len(self.names), (len(batch),), generator=generator)
        both = torch.stack([batch.valid[name].flatten(1).any(1) for name in self.names]).all(0)
        images, valid = dict(batch.images), dict(batch.valid)
        for number, name in enumerate(self.names):
            gone = (chosen & (which == number)).to(both.device) & both
            images[name] = laid(torch.where(gone[:, None, None, None], self.fill[name], images[name]))
            valid[name] = valid[name] & ~gone[:, None, None]
        shown = torch.stack(list(valid.values())).any(0)
        targets = {name: torch.where(shown, target, self.ignore) if name.startswith(LABELS) and target.ndim == 3 else target
                   for name, target in batch.targets.items()}
        return replace(batch, images=images, valid=valid, targets=targets)

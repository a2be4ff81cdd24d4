"""Networks that join two sensors of which one may be missing: each has a regression of its own, and what is missing counts nothing.

Where a sensor has not measured a tile, its encoder does not see the tile, so that normalisation learns no zeros, and the network says what the other
branch says alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from ...cards import Input, Inputs
from .class_networks import ClassificationNetwork, ClassNetwork, SegmentationNetwork, detail_layers
from .joined_encoders import Gated, present_of, shares_of, where_there
from .patch_encoders import hidden_widths
from .spectral import (
    AboveRegression,
    Linear,
    LinearOfSamples,
    SampleStatistics,
    SpectralClassifier,
    SpectralStatistics,
    SpectralUNet,
    Standing,
    Whitened,
)

#: Of each sensor the statistics, and how much it counts.
Weighed = list[tuple[torch.Tensor, torch.Tensor]]


def mean_of(values: Sequence[torch.Tensor], weights: Sequence[torch.Tensor]) -> torch.Tensor:
    """The mean of values by weights that are 1 in all."""
    return torch.stack([value * weight for value, weight in zip(values, weights, strict=True)]).sum(0)


class OfSensor(Standing):
    """The regression of one sensor."""

    def __init__(self, spectral: Whitened, layer: Callable[[], Linear | LinearOfSamples]) -> None:
        super().__init__()
        self.stand_on(spectral, layer)


class GatedRegressions(AboveRegression):
    """What adds to the mean of a regression for each sensor.

    Attributes:
        sensors: the regressions, in the order of the inputs.
    """

    sensors: nn.ModuleList

    @property
    def standing(self) -> dict[Input, Standing]:
        """See `AboveRegression`."""
        return dict(zip(self.seen.each, self.sensors, strict=True))  # type: ignore[arg-type]

    def statistics(self, image: torch.Tensor, weights: Sequence[torch.Tensor]) -> Weighed:
        """Of each sensor, of images with the bands of all in stored units."""
        parts = image.split(self.seen.widths, 1)
        return [(own.spectral(part), weight) for own, part, weight in zip(self.standing.values(), parts, weights, strict=True)]

    def regressed(self, statistics: Weighed, begun: bool = False) -> torch.Tensor:
        """See `AboveRegression`."""
        layers = [own.begun if begun else own.linear for own in self.standing.values()]
        values, weights = zip(*statistics, strict=True)
        return mean_of([layer(own) for layer, own in zip(layers, values, strict=True)], weights)


class GatedUNet(GatedRegressions, SegmentationNetwork):
    """A U-Net on encoders that are joined by gates, above a regression of pixels for each sensor; see `joined_encoders.Gated`.

    Args:
        encoder: name of the encoders.
        inputs: what it sees.
        classes: number of classes.
    """

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(Gated(encoder, inputs), inputs, classes)
        del self.detail  # of networks that see stored bands there
        self.fine = nn.ModuleList(detail_layers(width) for width in self.seen.widths)
        self.sensors = nn.ModuleList(OfSensor(SpectralStatistics(seen.centre), partial(Linear, 3 * len(seen.bands), classes, 1))
                                     for seen in inputs.values())

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.segmentation_head

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[Weighed, torch.Tensor]:
        """See `AboveRegression`."""
        image = self.image(given)
        there = self.there(image)
        weights = shares_of(there)
        statistics, levels = self.statistics(image, weights), self.decoder(self.encoder(self.scaled(image), there))
        fine = [where_there(layers, values[:, :width], present)[0] for layers, (values, _), width, present
                in zip(self.fine, statistics, self.seen.widths, present_of(there), strict=True)]
        return statistics, self.segmentation_head(torch.cat([levels, mean_of(fine, weights)], 1))


class GatedClassifier(GatedRegressions, ClassificationNetwork):
    """Encoders that are joined by a gate at their deepest level, above a regression of whole images for each sensor.

    Args:
        encoder: name of the encoders.
        inputs: what it sees.
        classes: number of classes.
    """

    fitted = ("classification_head.",)

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(Gated(encoder, inputs, whole=True), inputs, classes, hidden_widths(encoder))
        self.sensors = nn.ModuleList(OfSensor(SampleStatistics(seen.centre), partial(LinearOfSamples, 4 * len(seen.bands), classes))
                                     for seen in inputs.values())

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.classification_head

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[Weighed, torch.Tensor]:
        """See `AboveRegression`; a sensor counts by the share of the image that it measured."""
        image = self.image(given)
        there = self.there(image)
        statistics = self.statistics(image, shares_of([one.flatten(1).mean(1, keepdim=True) for one in there]))
        features = self.encoder(self.scaled(image), there)[-1].mean((2, 3))
        return statistics, self.classification_head(self.hidden(features))


def _parts(member: AboveRegression, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """See `AboveRegression.parts`; of images of its sensor."""
    return member.parts({member.seen.name: image})


class MeanOfHeads(AboveRegression):
    """A network above a regression for each sensor; their scores are merged by the mean of those whose sensor is there.

    Args:
        member: makes the network of a sensor.
        encoder: name of the encoders.
        inputs: what they see.
        classes: number of classes.

    Attributes:
        members: the networks, in the order of the inputs.
        pixelwise: whether each pixel counts by itself, and not each image.
    """

    def __init__(self, member: Callable[[str, Inputs, int], SpectralUNet | SpectralClassifier], encoder: str, inputs: Inputs, classes: int) -> None:
        super().__init__(nn.Identity(), inputs)
        self.members = nn.ModuleList(member(encoder, {name: seen}, classes) for name, seen in inputs.items())
        first: Any = self.members[0]
        self.stride, self.halved, self.pixelwise = first.stride, first.halved, isinstance(first, SegmentationNetwork)

    @property
    def branches(self) -> list[tuple[Any, Input]]:
        """See `ClassNetwork`: the networks."""
        return list(zip(self.members, self.seen.each, strict=True))

    @property
    def standing(self) -> dict[Input, Standing]:
        """See `AboveRegression`."""
        return {seen: member for member, seen in self.branches}

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`: the last layers of all."""
        return nn.ModuleList(member.head for member, _ in self.branches)

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[Weighed, torch.Tensor]:
        """See `AboveRegression`."""
        there = self.there(self.image(given))
        present = present_of(there)
        weights = shares_of(there if self.pixelwise else [one[:, None].float() for one in present])
        found = [where_there(member, given[seen.name], own, partial(_parts, member))
                 for (member, seen), own in zip(self.branches, present, strict=True)]
        statistics, added = zip(*found, strict=True)
        return list(zip(statistics, weights, strict=True)), mean_of(added, weights)

    def regressed(self, statistics: Weighed, begun: bool = False) -> torch.Tensor:
        """See `AboveRegression`."""
        values, weights = zip(*statistics, strict=True)
        return mean_of([member.regressed(own, begun) for (member, _), own in zip(self.branches, values, strict=True)], weights)


def members_of(network: ClassNetwork) -> list[Any]:
    """The networks of a network that has one for each sensor; of another itself."""
    return list(network.members) if isinstance(network, MeanOfHeads) else [network]

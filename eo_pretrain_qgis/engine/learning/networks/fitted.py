"""Networks that take no step of gradient descent: simple classifiers on the features of a frozen encoder."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ...cards import Inputs, stacked
from ...classic.classifiers import Regression
from ...measures.linear_probe import NEIGHBOURS
from .class_networks import ClassNetwork
from .encoders import build_encoder
from .spectral import AboveRegression, Linear, SpectralStatistics, fill

#: Samples that are remembered, at most.
REMEMBERED = 2000


class PixelProbe(AboveRegression):
    """A class per pixel by a linear layer on `SpectralStatistics` and on all levels of an encoder, brought to the size of the image (hypercolumns;
    Hariharan et al., arXiv 1411.5752).

    Args:
        encoder: name of the encoder.
        inputs: what it sees.
        classes: number of classes.
    """

    fitted = ("segmentation_head.",)

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        bands = len(stacked(inputs.values()).bands)
        network = build_encoder(encoder, bands)
        super().__init__(network, inputs)
        self.stand_on(SpectralStatistics(self.seen.centre, self.seen.widths), lambda: Linear(3 * bands, classes, 1))
        self.channels = [int(width) for width in network.out_channels[1:]]  # type: ignore[index]
        self.segmentation_head = nn.ModuleList(nn.Conv2d(width, classes, 1, bias=False) for width in self.channels if width)

    @property
    def head(self) -> nn.Module:
        """See `AboveRegression`."""
        return self.segmentation_head

    def levels(self, image: torch.Tensor) -> list[torch.Tensor]:
        """The levels of the encoder behind the image itself, of images in stored units."""
        return [level for level, width in zip(self.encoder(self.scaled(image))[1:], self.channels) if width]

    def parts(self, given: dict[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        """See `AboveRegression`."""
        image = self.image(given)
        # A linear layer before enlarging is the same as behind it, and has fewer pixels to work on.
        scores = [functional.interpolate(layer(level), image.shape[2:], mode="bilinear")
                  for layer, level in zip(self.segmentation_head, self.levels(image), strict=True)]
        return self.spectral(image), torch.stack(scores).sum(0)

    @torch.no_grad()
    def features_at(self, image: torch.Tensor, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """What the head sees of some pixels of one image (1, band, y, x), in stored units: float32 (pixel, channel)."""
        height, width = image.shape[2:]
        places = np.stack([(2 * columns + 1) / width - 1, (2 * rows + 1) / height - 1], -1).astype(np.float32)
        grid = torch.from_numpy(places)[None, None].to(image.device)
        found = [functional.grid_sample(level.float(), grid, padding_mode="border", align_corners=False)[0, :, 0] for level in self.levels(image)]
        return torch.cat(found).T.cpu().numpy()

    @torch.no_grad()
    def begin_with_features(self, joint: Regression) -> None:
        """Makes it a regression on statistics and features together, after `begin`, whose regression on the statistics alone stays beside it.

        Args:
            joint: on the statistics, then the features.
        """
        at = self.linear.weight.shape[1]
        fill(self.linear, joint.weight[:, :at], joint.bias)
        for weight in self.segmentation_head.parameters():
            weight.copy_(torch.from_numpy(joint.weight[:, at:at + weight.shape[1]]).view_as(weight))
            at += weight.shape[1]


class NearestNeighbours(ClassNetwork):
    """Classes of whole tiles by a vote of the labelled tiles whose features are nearest by their cosine, as `linear_probe.nearest_neighbours`.

    Args:
        encoder: name of the encoder.
        inputs: what it sees.
        classes: number of classes.
    """

    known: torch.Tensor
    votes: torch.Tensor
    count: torch.Tensor
    several: torch.Tensor

    def __init__(self, encoder: str, inputs: Inputs, classes: int) -> None:
        network = build_encoder(encoder, len(stacked(inputs.values()).bands))
        super().__init__(network, inputs)
        self.stride = 1
        width = int(network.out_channels[-1])  # type: ignore[index]
        self.register_buffer("known", torch.zeros(REMEMBERED, width))
        self.register_buffer("votes", torch.zeros(REMEMBERED, classes))
        self.register_buffer("count", torch.zeros(()))
        self.register_buffer("several", torch.zeros(()))

    @torch.no_grad()
    def remember(self, features: np.ndarray, labels: np.ndarray) -> None:
        """Takes in at most `REMEMBERED` labelled tiles: features (n, channel), class positions (n,) or 0 and 1 (n, class)."""
        several = labels.ndim == 2
        votes = labels if several else np.eye(self.votes.shape[1])[labels]
        self.known[:len(features)] = functional.normalize(torch.from_numpy(features), dim=1)
        self.votes[:len(features)] = torch.from_numpy(votes).float()
        self.count.fill_(len(features))
        self.several.fill_(float(several))

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """Class scores before softmax or sigmoid, (n, class), of images in stored units, float32 (n, band, y, x)."""
        return self.vote(self.features(self.image(images)))

    def vote(self, features: torch.Tensor) -> torch.Tensor:
        """Class scores (n, class) of what the encoder finds in images (n, channel)."""
        with torch.autocast(features.device.type, enabled=False):
            likeness = functional.normalize(features.float(), dim=1) @ self.known.T
            likeness = torch.where(torch.arange(REMEMBERED, device=likeness.device) < self.count, likeness, -2.0)
            nearest = likeness.topk(NEIGHBOURS).indices
            share = (self.votes[nearest].sum(1) / self.count.clamp(1, NEIGHBOURS)).clamp(1e-3, 1 - 1e-3)
            return torch.where(self.several > 0, share.logit(), share.log())

"""Networks of patches in their fully convolutional form: what they say of all patches of an image at once (Long et al., arXiv 1411.4038).

It is the same as what they say of each patch alone only where no kernel sees pixels that were added at the border of a patch, so of encoders
without such padding, see `patch_encoders.SmallEncoder`, and for patches that begin at multiples of its poolings.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from .patch_encoders import SmallEncoder
from .spectral import SpectralClassifier


def has_dense_form(network: nn.Module) -> bool:
    """Whether what a network says of the patches of an image can be computed at once."""
    return isinstance(network, SpectralClassifier) and isinstance(network.encoder, SmallEncoder) and len(network.inputs) == 1


class Dense(nn.Module):
    """Class scores of all patches of an image that begin at multiples of the encoder's stride.

    Kernels, and what they have in common where patches overlap, are computed once; the statistics of the regression are those of each patch.

    Args:
        network: see `has_dense_form`.
        side: of a patch [px].
    """

    beside: tuple[str, ...] = ()

    def __init__(self, network: SpectralClassifier, side: int) -> None:
        super().__init__()
        self.network, self.side, self.seen, self.heads = network, side, network.seen, network.heads
        self.step = int(network.encoder.output_stride)  # type: ignore[arg-type]

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """Scores before softmax or sigmoid (n, class, row, column) of images in stored units (n, band, y, x) of side + step · (rows − 1) pixels."""
        image, network = images[self.seen.name], self.network
        levels = network.encoder(network.scaled(image))[-1]
        means = functional.avg_pool2d(levels, SmallEncoder.left_of(self.side), 1)
        count, _, rows, columns = means.shape
        added = network.classification_head(network.hidden(means.permute(0, 2, 3, 1).flatten(0, 2)))
        patches = image.unfold(2, self.side, self.step).unfold(3, self.side, self.step).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        scores = network.linear(network.spectral(patches)) + added
        return scores.reshape(count, rows, columns, -1).permute(0, 3, 1, 2)

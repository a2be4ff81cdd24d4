"""The loss of Barlow Twins: what two views of a tile agree on, with every dimension saying something of its own.

Over a batch, the correlation of each dimension with itself in the other view shall be 1, with all other dimensions 0 (Zbontar et al.,
Barlow Twins, arXiv 2103.03230, eq. 1 and 2). The loss belongs to the batch, not to its tiles: half a batch twice is not one batch, so
gradients of small batches cannot be added up in its place. Several processes bring their embeddings together before it is computed.
"""

from __future__ import annotations

import torch

from ...loop.processes import gathered

EPSILON = 1e-5  # added to variances, as normalisation layers do


def correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """Correlation over the batch of all processes between each dimension of two embeddings.

    Args:
        first: (n, dimension).
        second: (n, dimension), of the same tiles.

    Returns:
        float32 (dimension, dimension).
    """
    first, second = (_normalised(gathered(embeddings.float())) for embeddings in (first, second))
    return first.T @ second / len(first)


def twin_loss(matrix: torch.Tensor, redundancy_weight: float) -> torch.Tensor:
    """Sum of (1 - c_ii)² and of λ · c_ij² over a correlation matrix, λ being `redundancy_weight`."""
    diagonal = torch.diagonal(matrix)
    return (diagonal - 1).square().sum() + redundancy_weight * (matrix.square().sum() - diagonal.square().sum())


def shared_loss(matrix: torch.Tensor, shared: int, redundancy_weight: float) -> torch.Tensor:
    """The loss between two sensors, of which the first `shared` dimensions shall agree and the others have nothing in common.

    What only one sensor sees keeps dimensions of its own (Wang et al., DeCUR, arXiv 2309.05300, eq. 3 and 4).
    """
    own = matrix[shared:, shared:]
    diagonal = torch.diagonal(own)
    rest = diagonal.square().sum() + redundancy_weight * (own.square().sum() - diagonal.square().sum())
    return twin_loss(matrix[:shared, :shared], redundancy_weight) + rest


def _normalised(embeddings: torch.Tensor) -> torch.Tensor:
    """Mean 0 and variance 1 over the batch."""
    centred = embeddings - embeddings.mean(0)
    return centred * (centred.square().mean(0) + EPSILON).rsqrt()

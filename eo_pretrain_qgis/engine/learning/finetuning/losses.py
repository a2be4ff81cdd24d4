"""Losses per pixel or per sample, among them some that forgive wrong labels.

Labels from coarse maps or volunteers are wrong in places, and cross-entropy learns hardest from what fits least, thus from the
errors. The robust losses bound what a single label can do; soft labels and smoothing say how sure a label is.
"""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, log_softmax, logsigmoid, one_hot

#: What a loss is called in the job `finetune`.
LOSSES = ("cross_entropy", "generalised_cross_entropy", "symmetric_cross_entropy", "soft_labels", "purity_smoothing")
#: Those that need the shares of the classes in each pixel.
NEED_SHARES = ("soft_labels", "purity_smoothing")
#: Exponent of the generalised cross-entropy: 0 is cross-entropy, 1 the mean absolute error (Zhang and Sabuncu 2018, §3.2).
Q = 0.7
#: Weights of both directions of the symmetric cross-entropy and its value for log 0 (Wang et al. 2019, §3.2 and 4.1).
ALPHA, BETA, LOG_ZERO = 0.1, 1.0, -4.0


def class_losses(kind: str, outputs: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor, ignore: int,
                 shares: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted loss of each labelled element, and its weight, to divide the sum of the losses by the sum of the weights.

    * ``cross_entropy``: -log p of the label's class.
    * ``generalised_cross_entropy``: (1 - p^q) / q with q = 0.7 (Zhang and Sabuncu, arXiv 1805.07836).
    * ``symmetric_cross_entropy``: 0.1 · cross-entropy + the same with label and prediction exchanged, 4 · (1 - p) (Wang et al.,
      arXiv 1908.06112).
    * ``soft_labels``: cross-entropy with the shares of the classes in place of one class.
    * ``purity_smoothing``: label smoothing (Szegedy et al., arXiv 1512.00567, §7) whose strength is what the label's class lacks to
      the whole pixel: full trust in pure pixels, none in evenly mixed ones.

    Args:
        kind: one of `LOSSES`.
        outputs: scores before softmax, (n, class, …).
        labels: class positions, int64 (n, …).
        class_weights: (class,).
        ignore: the label of elements without one.
        shares: of the classes, (n, class, …), in any unit; for `NEED_SHARES`.

    Returns:
        Both (n, …), 0 where nothing is labelled.
    """
    known = labels != ignore
    place = labels.where(known, torch.zeros_like(labels))
    weights = class_weights[place] * known
    if kind == "cross_entropy":
        return cross_entropy(outputs, labels, class_weights, ignore_index=ignore, reduction="none"), weights
    logs = log_softmax(outputs, 1)
    if kind in NEED_SHARES:
        if shares is None:
            raise ValueError(f"The loss {kind} needs shares of the classes.")
        parts = shares.float() / shares.sum(1, keepdim=True).clamp_min(1e-6)
        if kind == "soft_labels":
            counted = parts * class_weights.view(1, -1, *[1] * (outputs.ndim - 2))
            return -(counted * logs).sum(1), counted.sum(1)
        trust = parts.gather(1, place[:, None])[:, 0]
        return -(trust * logs.gather(1, place[:, None])[:, 0] + (1 - trust) * logs.mean(1)) * weights, weights
    return _robust(kind, logs.gather(1, place[:, None])[:, 0]) * weights, weights


def binary_losses(kind: str, outputs: torch.Tensor, labels: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
    """The loss of each class of each sample where several classes may occur: (n, class); robust kinds as in `class_losses`.

    Args:
        kind: ``cross_entropy``, ``generalised_cross_entropy`` or ``symmetric_cross_entropy``.
        outputs: scores before the sigmoid, (n, class).
        labels: 0 and 1, (n, class).
        positive_weights: of a class where it occurs, (class,).
    """
    logs = logsigmoid(torch.where(labels == 1, outputs, -outputs))
    return _robust(kind, logs) * torch.where(labels == 1, positive_weights, torch.ones_like(positive_weights))


def dice_loss(outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, ignore: int) -> torch.Tensor:
    """1 - Dice of each class over a batch, averaged over classes; 0 for those without a label (Milletari et al., arXiv 1606.04797).

    That of segmentation-models-pytorch, in which tiles cannot be weighted.

    Args:
        outputs: scores (n, class, y, x).
        labels: positions (n, y, x).
        weights: of the tiles (n,).
        ignore: the label of pixels that do not count.
    """
    known = labels != ignore
    counted = (weights[:, None, None] * known)[:, None]
    truth = one_hot(labels.where(known, torch.zeros_like(labels)), outputs.shape[1]).movedim(-1, 1) * counted
    found = outputs.softmax(1)
    common, both = (found * truth).sum((0, 2, 3)), (found * counted + truth).sum((0, 2, 3))
    present = truth.sum((0, 2, 3)) > 0
    return ((1 - 2 * common / both.clamp_min(1e-7)) * present).mean()


def _robust(kind: str, logs: torch.Tensor) -> torch.Tensor:
    """The loss of a label from the log of its probability; powers by logarithms, or their slope at 0 would be infinite."""
    if kind == "generalised_cross_entropy":
        return (1 - torch.exp(Q * logs)) / Q
    if kind == "symmetric_cross_entropy":
        return -ALPHA * logs - BETA * LOG_ZERO * (1 - logs.exp())
    return -logs

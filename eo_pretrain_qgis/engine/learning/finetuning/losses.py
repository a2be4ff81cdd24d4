"""Losses per pixel or per sample, among them some that forgive wrong labels, and losses of regions.

Labels from coarse maps or volunteers are wrong in places, and cross-entropy learns hardest from what fits least, thus from the
errors. The robust losses bound what a single label can do; soft labels and smoothing say how sure a label is.
"""

from __future__ import annotations

from functools import partial

import torch
from segmentation_models_pytorch.losses import DiceLoss, LovaszLoss, TverskyLoss
from segmentation_models_pytorch.losses._functional import focal_loss_with_logits, softmax_focal_loss_with_logits
from torch.nn.functional import cross_entropy, log_softmax, logsigmoid, one_hot

#: Losses of each element, and those of regions, which need a class per pixel; what they are called in the job `finetune`.
SINGLE = ("cross_entropy", "focal", "generalised_cross_entropy", "symmetric_cross_entropy", "soft_labels", "purity_smoothing")
REGIONS = ("dice", "lovasz", "tversky")
LOSSES = (*SINGLE, *REGIONS)
#: Those that need the shares of the classes in each pixel.
NEED_SHARES = ("soft_labels", "purity_smoothing")
#: Exponent of the focal loss (Lin et al., arXiv 1708.02002, §3.2), and what false alarms and misses cost in Tversky's index.
FOCUS, FALSE_ALARM, MISS = 2.0, 0.3, 0.7
#: Exponent of the generalised cross-entropy: 0 is cross-entropy, 1 the mean absolute error (Zhang and Sabuncu 2018, §3.2).
Q = 0.7
#: Weights of both directions of the symmetric cross-entropy and its value for log 0 (Wang et al. 2019, §3.2 and 4.1).
ALPHA, BETA, LOG_ZERO = 0.1, 1.0, -4.0


def class_losses(kind: str, outputs: torch.Tensor, labels: torch.Tensor, class_weights: torch.Tensor, ignore: int,
                 shares: torch.Tensor | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """The weighted loss of each labelled element, and its weight, to divide the sum of the losses by the sum of the weights.

    * ``cross_entropy``: -log p of the label's class.
    * ``focal``: (1 - p)² times that, so that what is known already hardly counts (Lin et al., arXiv 1708.02002).
    * ``generalised_cross_entropy``: (1 - p^q) / q with q = 0.7 (Zhang and Sabuncu, arXiv 1805.07836).
    * ``symmetric_cross_entropy``: 0.1 · cross-entropy + the same with label and prediction exchanged, 4 · (1 - p) (Wang et al.,
      arXiv 1908.06112).
    * ``soft_labels``: cross-entropy with the shares of the classes in place of one class.
    * ``purity_smoothing``: label smoothing (Szegedy et al., arXiv 1512.00567, §7) whose strength is what the label's class lacks to
      the whole pixel: full trust in pure pixels, none in evenly mixed ones.

    Args:
        kind: one of `SINGLE`.
        outputs: scores before softmax, (n, class, …).
        labels: class positions, int64 (n, …).
        class_weights: (class,).
        ignore: the label of elements without one.
        shares: of the classes, (n, class, …), in any unit; for `NEED_SHARES`.

    Returns:
        Both (n, …), 0 where nothing is labelled.
    """
    weights = label_weights(kind, labels, class_weights, ignore, shares)
    if kind == "cross_entropy":
        return cross_entropy(outputs, labels, class_weights, ignore_index=ignore, reduction="none"), weights
    place = labels.where(labels != ignore, torch.zeros_like(labels))
    if kind == "focal":
        return softmax_focal_loss_with_logits(outputs, place, FOCUS, reduction="none") * weights, weights
    logs = log_softmax(outputs, 1)
    if kind in NEED_SHARES:
        parts = _parts(kind, shares)
        if kind == "soft_labels":
            return -(parts * class_weights.view(1, -1, *[1] * (outputs.ndim - 2)) * logs).sum(1), weights
        trust = parts.gather(1, place[:, None])[:, 0]
        return -(trust * logs.gather(1, place[:, None])[:, 0] + (1 - trust) * logs.mean(1)) * weights, weights
    return _robust(kind, logs.gather(1, place[:, None])[:, 0]) * weights, weights


def binary_losses(kind: str, outputs: torch.Tensor, labels: torch.Tensor, positive_weights: torch.Tensor) -> torch.Tensor:
    """The loss of each class of each sample where several classes may occur: (n, class); robust kinds as in `class_losses`.

    Args:
        kind: ``cross_entropy``, ``focal``, ``generalised_cross_entropy`` or ``symmetric_cross_entropy``.
        outputs: scores before the sigmoid, (n, class).
        labels: 0 and 1, (n, class).
        positive_weights: of a class where it occurs, (class,).
    """
    weights = torch.where(labels == 1, positive_weights, torch.ones_like(positive_weights))
    if kind == "focal":
        return focal_loss_with_logits(outputs, labels, FOCUS, alpha=None, reduction="none") * weights
    return _robust(kind, logsigmoid(torch.where(labels == 1, outputs, -outputs))) * weights


def region_loss(kind: str, outputs: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor, ignore: int) -> torch.Tensor:
    """How badly predicted and labelled regions overlap, 0 to 1; the losses are those of segmentation-models-pytorch.

    * ``dice``: 1 - Dice of each class over the batch, averaged over the classes; 0 for those without a label (Milletari et al., arXiv 1606.04797).
    * ``tversky``: the same with a missed pixel costing 0.7 and a false alarm 0.3 (Salehi et al., arXiv 1706.05721, §3).
    * ``lovasz``: the surrogate of 1 - IoU of each class in each tile (Berman et al., arXiv 1705.08790), averaged over the tiles.

    Each class counts the same whatever its share, so class weights have no part in it.

    Args:
        kind: one of `REGIONS`.
        outputs: scores (n, class, y, x).
        labels: positions (n, y, x).
        weights: of the tiles (n,).
        ignore: the label of pixels that do not count.
    """
    known = labels != ignore
    if kind == "lovasz":
        loss, some = LovaszLoss("multiclass", ignore_index=ignore), [number for number in range(len(labels)) if known[number].any()]
        values = [weights[number] * loss(outputs[number:number + 1], labels[number:number + 1]) for number in some]
        return torch.stack(values).sum() / weights[some].sum().clamp_min(1e-6) if values else outputs.sum() * 0
    # Given as separate classes, truth may have any weight: that of its tile, and none where nothing is labelled.
    counted = (weights[:, None, None] * known)[:, None]
    truth = one_hot(labels.where(known, torch.zeros_like(labels)), outputs.shape[1]).movedim(-1, 1) * counted
    chosen = DiceLoss if kind == "dice" else partial(TverskyLoss, alpha=FALSE_ALARM, beta=MISS)
    return chosen("multilabel", from_logits=False)(outputs.softmax(1) * counted, truth)


def label_weights(kind: str, labels: torch.Tensor, class_weights: torch.Tensor, ignore: int, shares: torch.Tensor | None = None) -> torch.Tensor:
    """By how much each element counts, (n, …), 0 where nothing is labelled; arguments as of `class_losses`."""
    known = labels != ignore
    if kind == "soft_labels":
        return (_parts(kind, shares) * class_weights.view(1, -1, *[1] * (labels.ndim - 1))).sum(1)
    return class_weights[labels.where(known, torch.zeros_like(labels))] * known


def _parts(kind: str, shares: torch.Tensor | None) -> torch.Tensor:
    """Shares of the classes that add up to 1, or to 0 where nothing is known."""
    if shares is None:
        raise ValueError(f"The loss {kind} needs shares of the classes.")
    return shares.float() / shares.sum(1, keepdim=True).clamp_min(1e-6)


def _robust(kind: str, logs: torch.Tensor) -> torch.Tensor:
    """The loss of a label from the log of its probability; powers by logarithms, or their slope at 0 would be infinite."""
    if kind == "generalised_cross_entropy":
        return (1 - torch.exp(Q * logs)) / Q
    if kind == "symmetric_cross_entropy":
        return -ALPHA * logs - BETA * LOG_ZERO * (1 - logs.exp())
    return -logs

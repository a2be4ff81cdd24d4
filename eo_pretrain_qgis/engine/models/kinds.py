"""What models of each task give, and how the blocks are laid out in which they map."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What models of a task give.

    Attributes:
        words: what they give, for people.
        output: name of the graph's output.
        sound: the smallest and the largest value that it may hold.
        products: what a map run can write of it (`mapping.products.PRODUCTS`, and polygons), the chief one first.
        translates: whether its channels are bands of another sensor, and not classes.
        whole: whether it answers for an image as a whole, (n, class), and not for each of its pixels.
    """

    words: str
    output: str
    sound: tuple[float, float]
    products: tuple[str, ...]
    translates: bool = False
    whole: bool = False


SEGMENTATION, TRANSLATION = "segmentation", "translation"
_CHANCE, _OF_CLASSES = (0.0, 1.0), ("class_map", "confidence", "class_shares", "polygons", "survey")
#: Task → what its models give. That probabilities of a pixel sum to 1 is not asked for, since the most probable class is also that of a
#: network with a sigmoid for each. Where a place may have several classes there is no map of one, and each class has a band.
KINDS = {
    SEGMENTATION: Kind("a class for every pixel", "probabilities", _CHANCE, _OF_CLASSES),
    "scene": Kind("a class for every image", "probabilities", _CHANCE, _OF_CLASSES, whole=True),
    "patch": Kind("a class for every patch", "probabilities", _CHANCE, _OF_CLASSES, whole=True),
    "multilabel": Kind("several classes for every image", "probabilities", _CHANCE, ("class_shares",), whole=True),
    TRANSLATION: Kind("images of another sensor", "translation", (-math.inf, math.inf), ("synthetic_image",), translates=True),
}
#: Edge of a block, what the network sees at once [px], and of the smaller one for little memory; more where the halo is wide.
BLOCK, SMALL_BLOCK = 1024, 256


def block_sizes(halo: int, stride: int) -> dict[str, int]:
    """The two blocks of a model as its description names them. Half of the larger one's edge is kept at least, of the smaller one's a third."""
    return {"block": up(max(BLOCK, 4 * up(halo, stride)), stride), "small_block": up(max(SMALL_BLOCK, 3 * up(halo, stride)), stride)}


def up(length: int, stride: int) -> int:
    """`length`, or the next multiple of `stride`."""
    return -(-length // stride) * stride

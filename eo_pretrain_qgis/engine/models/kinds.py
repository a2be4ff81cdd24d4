"""What models of each task give, and how the blocks are laid out in which they map."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Kind:
    """What models of a task give.

    Attributes:
        gives: what they give, for people.
        output: name of the graph's output.
        sound: the smallest and the largest value that it may hold.
        products: what a map run can write of it (`mapping.products.PRODUCTS`, and polygons), the chief one first.
        of_bands: whether its channels are bands, of another sensor or of an embedding, and not classes.
        synthetic: whether these are bands of another sensor.
        axes: of the output: "byx" of pixels, "b" where a sample has one answer.
        takes: axes of the inputs, see `cards.Axes`.
        words: what it does, as the STAC extension for models names tasks.
    """

    gives: str
    output: str
    sound: tuple[float, float]
    products: tuple[str, ...]
    of_bands: bool = False
    synthetic: bool = False
    axes: str = "byx"
    takes: str = "byx"
    words: str = "semantic-segmentation"

    @property
    def whole(self) -> bool:
        """Whether it answers for an image as a whole, and not for each of its pixels."""
        return (self.axes, self.takes) == ("b", "byx")


SEGMENTATION, FIELDS, TRANSLATION, SERIES, TILES_IN_TIME = "segmentation", "fields", "translation", "series", "tiles in time"
EMBEDDING, SERIES_EMBEDDING = "embedding", "embedding of series"
APPLICABILITY = "applicability"
_CHANCE, _OF_SERIES = (0.0, 1.0), ("class_map", "confidence", "class_shares", "polygons", "survey")
_OF_CLASSES = (*_OF_SERIES, APPLICABILITY, "sensor_map")
_PIXELS, _SCENE = "a class for every pixel", "scene-classification"
_EMBEDS = "an embedding of every pixel"
#: Task → what its models give. That probabilities of a pixel sum to 1 is not asked for, since the most probable class is also that of a
#: network with a sigmoid for each. Where a place may have several classes there is no map of one, and each class has a band.
KINDS = {
    SEGMENTATION: Kind(_PIXELS, "probabilities", _CHANCE, _OF_CLASSES),
    FIELDS: Kind(_PIXELS, "probabilities", _CHANCE, (*_OF_CLASSES, "fields")),
    "scene": Kind("a class for every image", "probabilities", _CHANCE, _OF_CLASSES, axes="b", words=_SCENE),
    "patch": Kind("a class for every patch", "probabilities", _CHANCE, _OF_CLASSES, axes="b", words=_SCENE),
    "multilabel": Kind("several classes for every image", "probabilities", _CHANCE, ("class_shares", APPLICABILITY, "sensor_map"), axes="b",
                       words=_SCENE),
    TRANSLATION: Kind("images of another sensor", "translation", (-math.inf, math.inf), ("synthetic_image",), of_bands=True, synthetic=True,
                      words="generative"),
    SERIES: Kind("a class for every series", "probabilities", _CHANCE, _OF_SERIES, axes="b", takes="tb", words="classification"),
    TILES_IN_TIME: Kind(_PIXELS, "probabilities", _CHANCE, _OF_SERIES, takes="tbyx"),
    EMBEDDING: Kind(_EMBEDS, "embedding", (-1.0, 1.0), ("embedding",), of_bands=True, words="similarity-search"),
    SERIES_EMBEDDING: Kind(_EMBEDS, "embedding", (-1.0, 1.0), ("embedding",), of_bands=True, axes="b", takes="tb", words="similarity-search"),
}
#: Edge of a block, what the network sees at once [px], and of the smaller one for little memory; more where the halo is wide.
BLOCK, SMALL_BLOCK = 1024, 256


def block_sizes(halo: int, stride: int) -> dict[str, int]:
    """The two blocks of a model as its description names them. Half of the larger one's edge is kept at least, of the smaller one's a third."""
    return {"block": up(max(BLOCK, 4 * up(halo, stride)), stride), "small_block": up(max(SMALL_BLOCK, 3 * up(halo, stride)), stride)}


def up(length: int, stride: int) -> int:
    """`length`, or the next multiple of `stride`."""
    return -(-length // stride) * stride

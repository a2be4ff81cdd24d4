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

    @property
    def embeds_images(self) -> bool:
        """Whether it gives an embedding of each pixel of an image, and not of a series."""
        return self.of_bands and not self.synthetic and self.takes == "byx"


SEGMENTATION, FIELDS, TRANSLATION, SERIES, TILES_IN_TIME = "segmentation", "fields", "translation", "series", "tiles in time"
EMBEDDING, SERIES_EMBEDDING = "embedding", "embedding of series"
APPLICABILITY, DISAGREEMENT, OUT_OF_RANGE = "applicability", "disagreement", "out_of_range"
_OF_PLACES = (OUT_OF_RANGE, DISAGREEMENT, APPLICABILITY)
_CHANCE, _OF_SERIES = (0.0, 1.0), ("class_map", "confidence", "runner_up", "margin", "class_shares", "polygons", "survey", *_OF_PLACES)
_OF_CLASSES = (*_OF_SERIES, "sensor_map")
_PIXELS, _SCENE = "a class for every pixel", "scene-classification"
_EMBEDS = "an embedding of every pixel"
#: Task → what its models give. That probabilities of a pixel sum to 1 is not asked for, since the most probable class is also that of a
#: network with a sigmoid for each. Where a place may have several classes there is no map of one, and each class has a band.
KINDS = {
    SEGMENTATION: Kind(_PIXELS, "probabilities", _CHANCE, (*_OF_CLASSES, "roads")),
    FIELDS: Kind(_PIXELS, "probabilities", _CHANCE, (*_OF_CLASSES, "fields")),
    "scene": Kind("a class for every image", "probabilities", _CHANCE, _OF_CLASSES, axes="b", words=_SCENE),
    "patch": Kind("a class for every patch", "probabilities", _CHANCE, _OF_CLASSES, axes="b", words=_SCENE),
    "multilabel": Kind("several classes for every image", "probabilities", _CHANCE, ("class_shares", *_OF_PLACES, "sensor_map"), axes="b",
                       words=_SCENE),
    TRANSLATION: Kind("images of another sensor", "translation", (-math.inf, math.inf), ("synthetic_image",), of_bands=True, synthetic=True,
                      words="generative"),
    SERIES: Kind("a class for every series", "probabilities", _CHANCE, _OF_SERIES, axes="b", takes="tb", words="classification"),
    TILES_IN_TIME: Kind(_PIXELS, "probabilities", _CHANCE, _OF_SERIES, takes="tbyx"),
    EMBEDDING: Kind(_EMBEDS, "embedding", (-1.0, 1.0), ("embedding",), of_bands=True, words="similarity-search"),
    SERIES_EMBEDDING: Kind(_EMBEDS, "embedding", (-1.0, 1.0), ("embedding",), of_bands=True, axes="b", takes="tb", words="similarity-search"),
}
#: By how much a value may lie outside what is sound: half floats are rounded.
OUTSIDE = 0.01


def score_range(kind: Kind) -> tuple[float, float]:
    """The smallest and the largest value that the output of a model may have."""
    return kind.sound[0] - OUTSIDE, kind.sound[1] + OUTSIDE


#: Edge of a block, what the network sees at once [px], and of the smaller one for little memory; more where the halo is wide.
BLOCK, SMALL_BLOCK = 1024, 256
#: How many times the pixels of a map are computed at most, because blocks overlap by the halo, where the block needed for it is not larger than this:
#: U-Nets with ResNet-18 to 50 take 1.4 to 1.7 GB for one of 1536 px, in float32.
HALO_COST, LARGEST_BLOCK = 1.3, 1536
#: The same for encoders that embed: their borders are wide, and 64 numbers by EfficientNet-Lite0 or ResNet-18 take 3.7 or 3.8 GB for such a block.
LARGEST_EMBEDDED = 2048


def block_sizes(halo: int, stride: int, largest: int = LARGEST_BLOCK) -> dict[str, int]:
    """The two blocks of a model as its description names them. Half of the larger one's edge is kept at least, of the smaller one's a third.

    Args:
        halo: pixels at the rim that are thrown away.
        stride: of the network.
        largest: edge that the larger one has at most, but for the half that is kept [px].
    """
    wide = up(halo, stride)
    wanted = min(largest, math.ceil(2 * wide / (1 - HALO_COST**-0.5)))
    return {"block": up(max(BLOCK, wanted, 4 * wide), stride), "small_block": up(max(SMALL_BLOCK, 3 * wide), stride)}


def up(length: int, stride: int) -> int:
    """`length`, or the next multiple of `stride`."""
    return -(-length // stride) * stride

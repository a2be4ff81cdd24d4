"""What can be made of a model's answers in one run over a scene."""

from __future__ import annotations

from collections.abc import Callable

from ..inference import Product
from .alternatives import Margin, RunnerUp
from .applicability import Applicability
from .classes import ClassMap, ClassShares, Confidence
from .disagreement import Disagreement
from .embedding import Embedding
from .out_of_range import OutOfRange
from .sensor_map import SensorMap
from .synthetic_image import SyntheticImage

#: Name in `models.kinds.Kind.products` → what makes it as one raster.
PRODUCTS: dict[str, Callable[[str], Product]] = {
    product.name: product for product in (ClassMap, Confidence, RunnerUp, Margin, ClassShares, OutOfRange, Disagreement, Applicability, SensorMap,
                                          SyntheticImage, Embedding)}

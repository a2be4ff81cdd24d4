"""Where the clouds of a scene are known from: its own classification, or a model file that tells cloud from shadow."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar, Protocol

import numpy as np

from ....errors import DataError, JobError, ModelError, listed
from ....progress import Progress
from ...cards import ClassInfo
from ...models.package import Package
from ...rasters.clouds import CLEAR, CLOUD, NOT_MEASURED, SHADOW, SNOW, CloudMask, table_text
from ...rasters.deliveries import delivery_of, mask_of
from ...rasters.grid import Grid, Window, blocks
from ...rasters.raster import Raster
from ..inference import Part, map_scene
from ..journal import Pixels
from ..request import Canvas, MapRequest

#: Kind of classification → what it is called.
CLASSIFICATIONS = {"scl": "the scene classification of Sentinel-2 (SCL)", "qa_pixel": "Landsat's QA_PIXEL"}
#: The same → the words by which bands and files are called so.
CALLED = {"scl": r"(^|[^a-z0-9])scl([^a-z0-9]|$)", "qa_pixel": r"qa_?pixel"}
#: Begin the names of classes without clouds.
WITHOUT = ("no ", "not ", "non", "clear", "cloud-free", "cloud free", "cloudless")
PIECE = 2048


class CloudSource(Protocol):
    """What tells the clouds of a scene.

    Attributes:
        name: of it, as a result.
        words: what it takes for cloud, as a sentence.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def words(self) -> str: ...  # noqa: D102

    def fill(self, grid: Grid, area: Window, flags: np.ndarray, progress: Progress) -> None:
        """Writes the flags of a part of a scene, uint8 (y, x), all of which were “not measured”; see `clouds.FLAG_NAMES`."""


@dataclass(frozen=True)
class Classification:
    """A classification that came with a scene: its mask and its kind, a key of `CLASSIFICATIONS`."""

    mask: CloudMask
    name: str

    @property
    def words(self) -> str:
        """See `CloudSource`."""
        return f"Clouds are from {CLASSIFICATIONS[self.name]}, {self.mask.raster.path}. {table_text(self.name)}"

    def fill(self, grid: Grid, area: Window, flags: np.ndarray, progress: Progress) -> None:
        """See `CloudSource`.

        Raises:
            DataError: it knows no pixel of the area.
        """
        pieces, known = blocks(area, PIECE), False
        for done, piece in enumerate(pieces):
            progress.at(done / len(pieces), "Reading the classification")
            top, left = piece.row - area.row, piece.col - area.col
            read = self.mask.read(grid, piece)
            known = known or bool((read != NOT_MEASURED).any())
            flags[top:top + piece.height, left:left + piece.width] = read
        self.mask.close()
        if not known:
            raise DataError(f"The classification {self.mask.raster.path} knows no pixel of the area: it lies elsewhere, or holds only nodata there. "
                            "Choose that of this scene, or another extent.")


def find_classification(images: Sequence[dict], given: dict | None, kind: str = "") -> Classification:
    """The classification of a scene: the one that was given, or that it was delivered with, or a band of it that is called so.

    Args:
        images: raster values of a job, the scene.
        given: another one, its classification.
        kind: key of `CLASSIFICATIONS`; empty takes what is there.

    Raises:
        DataError: there is none.
        JobError: it is of the other kind.
    """
    source = given or images[0]
    delivery = delivery_of(source["path"])
    if delivery and (delivery.mask or given):
        own, found = mask_of(source, kind)
        return Classification(CloudMask(Raster(**own), _same(found, kind, source["path"])), found)
    for each in [given] if given else images:
        raster = Raster(**{key: value for key, value in each.items() if key != "categories"})
        names, stem = raster.band_names, PurePath(raster.path).stem
        raster.close()
        for band, name in enumerate(names):
            text = f"{name} {stem}" if len(names) == 1 else name
            for found, pattern in CALLED.items():
                if re.search(pattern, text.lower()):
                    return Classification(CloudMask(raster, _same(found, kind, raster.path), band), found)
        if kind and len(names) == 1 and (given or len(images) == 1):
            return Classification(CloudMask(raster, kind), kind)
    if given:
        raise DataError(f"Nothing says what {given['path']} is: neither its name nor its bands are called SCL or QA_PIXEL. Set “Clouds are known "
                        "from” (method) to scl or qa_pixel, and give a raster with one band.")
    raise DataError(f"{images[0]['path']} brings no classification of its clouds: no band is called SCL or QA_PIXEL. Give it as “Classification” "
                    "(classification), or set “Clouds are known from” (method) to model.")


def _same(found: str, kind: str, path: str) -> str:
    if found not in CLASSIFICATIONS or kind not in ("", found):
        raise JobError(f"“Clouds are known from” (method) is {kind or 'auto'}, and {path} has "
                       f"{CLASSIFICATIONS.get(found, 'a mask of another kind')}. Set it to {found if found in CLASSIFICATIONS else 'model'}.")
    return found


@dataclass(frozen=True)
class ModelFlags:
    """A model file, and the run that asks it."""

    model: Package
    request: MapRequest
    output: str

    @property
    def name(self) -> str:
        """See `CloudSource`."""
        return self.model.id

    @property
    def words(self) -> str:
        """See `CloudSource`."""
        table = flags_of_classes(self.model)
        named = [f"{row.name} as {('clear', 'cloud', 'shadow', 'snow')[flag]}" for row, flag in zip(self.model.classes, table, strict=True)]
        return f"Clouds are from the model {self.model.id}, which knows {listed(named, 20)}."

    def fill(self, grid: Grid, area: Window, flags: np.ndarray, progress: Progress) -> None:
        """See `CloudSource`."""
        map_scene(self.model, self.request, [FlagLayer(flags, flags_of_classes(self.model), self.output)], progress)


@dataclass
class FlagLayer:
    """The flag of the most probable class: a product of a map run.

    Attributes:
        flags: to be filled, uint8 (y, x).
        table: position of a class → flag, uint8 (class,).
        output: beside which a killed run keeps what is finished.
    """

    name: ClassVar[str] = "class_map"
    decision: ClassVar[bool] = True
    clouds_become: ClassVar[str] = ""
    flags: np.ndarray
    table: np.ndarray
    output: str

    @contextmanager
    def open(self, canvas: Canvas, progress: Progress) -> Iterator[Callable[[Part], None]]:
        """Takes the parts of a run."""
        table = self.table  # not self, whose array would be sent to workers

        def values(part: Part) -> np.ndarray:
            return np.where(part.valid, table[part.winner[0]], NOT_MEASURED).astype(np.uint8)

        def put(own: np.ndarray, place: Window) -> None:
            self.flags[place.row:place.row + place.height, place.col:place.col + place.width] = own

        yield Pixels(self.output, 1, "uint8", canvas, values, put)


def flags_of_classes(model: Package) -> np.ndarray:
    """The flag of each class of a model, by its name, uint8 (class,).

    Raises:
        ModelError: it gives no class for each pixel of an image, or none that is called cloud.
    """
    if FlagLayer.name not in model.kind.products or model.kind.whole or model.kind.takes != "byx":
        raise ModelError(f"The model {model.path} gives {model.gives}, and a mask of clouds needs a class for every pixel of an image. "
                         "Choose another model.")
    table = np.array([flag_of(row) for row in model.classes], np.uint8)
    if CLOUD not in table:
        raise ModelError(f"The model {model.path} has the classes {listed([row.name for row in model.classes])}, and none of them is called cloud. "
                         "Choose a model that tells clouds.")
    return table


def flag_of(row: ClassInfo) -> int:
    """The flag of a class, by words in its name; ground is clear."""
    name = row.name.casefold().strip()
    if name.startswith(WITHOUT):
        return CLEAR
    return SHADOW if "shadow" in name else SNOW if "snow" in name else CLOUD if "cloud" in name or "cirrus" in name else CLEAR

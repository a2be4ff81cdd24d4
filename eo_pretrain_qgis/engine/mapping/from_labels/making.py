"""From an image and labels on it to a model, a map and a page."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ....errors import DataError, listed
from ....progress import SILENT, Progress
from ...cards import Input, SensorInfo
from ...classic.classifiers import CLASSIFIERS, fit
from ...classic.graph import count_numbers
from ...classic.ground_graph import SAMPLES, Places, put
from ...classic.models import SimpleModel
from ...classic.samples import Rows
from ...classic.value_range import ValueRange
from ...classic.whitening import MARGIN, Whitening
from ...datasets.labels import JoinedLabels, RasterLabels, VectorLabels
from ...datasets.legend import refuse_rare
from ...datasets.whereabouts import as_learned_from
from ...even_sample import even_sample
from ...looks.place import outline_of
from ...measures.applicability import KnownGround, known_ground
from ...models import package
from ...models.identity import identified
from ...models.kinds import SEGMENTATION, SMALL_BLOCK, block_sizes
from ...rasters.meaning import simulated_of
from ...rasters.raster import Scene
from ..inference import Product, map_scene
from ..products.applicability import Applicability
from ..products.classes import ClassMap, Confidence
from ..reporting.page import Mapped
from ..request import MapRequest
from .ground import Pixels, labelled_pixels, learnable_rows, measure
from .judging import Judgement, judge
from .page import WORDS, Learned, write_page

AUTO = "auto"


@dataclass(frozen=True)
class LabelledImage:
    """An image and labels of some of its pixels.

    Attributes:
        scene: the image.
        sensor: what `building.describe_sensor` said of it.
        labels: what `labels.open_labels` gave for it.
        name: of the labels.
    """

    scene: Scene
    sensor: SensorInfo
    labels: VectorLabels | RasterLabels | JoinedLabels
    name: str

    def pixels(self, seed: int, progress: Progress = SILENT) -> Pixels:
        """Its labelled pixels; labels that are of no use are told.

        Raises:
            DataError: there is none, or too few of a class.
        """
        outside = getattr(self.labels, "outside", 0)
        if outside:
            progress.message(f"{outside} features of {self.labels.path} lie beside the image and are left out.")
        found = labelled_pixels(self.scene, self.labels, seed, progress)
        if not found.counts.any():
            what = (f"all {found.clouded} labelled pixels that were measured lie under clouds or their shadows. Label other places, or choose "
                    "an image of a clear day." if found.clouded else
                    f"none of the {found.unmeasured} labelled pixels was measured; all are nodata. Check the nodata value of the image, or label "
                    "other places." if found.unmeasured else "no label lies on a pixel of it. Check the CRS of both layers, or label this image.")
            raise DataError(f"Nothing can be learned of {self.scene.path}, because {what}")
        if found.clouded:
            progress.message(f"{found.clouded} labelled pixels of {self.scene.name} lie under clouds or their shadows and are left out.",
                             level="warning")
        if found.unmeasured:
            progress.message(f"{found.unmeasured} labelled pixels of {self.scene.name} are nodata and are left out.", level="warning")
        if found.contradicted:
            wide = f" A buffer of {self.labels.facts['buffer_m']:g} m may be too wide." if self.labels.facts.get("buffer_m") else ""
            progress.message(f"{found.contradicted} pixels have labels of more than one class in {self.labels.path}; the last in the layer counts. "
                             f"Check these labels.{wide}", level="warning")
        refuse_rare([row.name for row in self.labels.legend.classes], found.counts.tolist(), self.labels.path, progress=progress)
        return found


@dataclass(frozen=True)
class Lesson:
    """All that can be learned from a labelled image, and how well.

    Attributes:
        image: see there.
        seen: what a model sees of it.
        whitening: of its bands.
        values: their range; None where the pixels are too few for one.
        pixels: its labelled pixels.
        rows: of these, those to learn from.
        judged: how well that goes.
        seed: of all of it.
    """

    image: LabelledImage
    seen: Input
    whitening: Whitening
    values: ValueRange | None
    pixels: Pixels
    rows: Rows
    judged: Judgement
    seed: int

    @classmethod
    def of(cls, image: LabelledImage, seed: int, progress: Progress = SILENT) -> Lesson:
        """Reads the image and judges by cross-validation."""
        pixels = image.pixels(seed, progress.part(0, 0.15))
        seen, whitening, values = measure(image.scene, image.sensor, progress.part(0.15, 0.3))
        _refuse_constant(image.scene, seen, progress)
        rows = learnable_rows(image.scene, whitening, pixels, seed, progress.part(0.3, 0.45))
        image.scene.close()
        judged = judge(rows, [row.name for row in image.labels.legend.classes], seed, progress.part(0.45, 1))
        if judged.reason:
            progress.message(judged.reason, level="warning")
        return cls(image, seen, whitening, values, pixels, rows, judged, seed)

    @cached_property
    def known(self) -> KnownGround | None:
        """What the image shows at the labelled pixels, each compared with those of other places; None where these tell nothing."""
        chosen = even_sample(np.arange(len(self.rows.labels)), SAMPLES)
        return known_ground(self.rows.features[chosen], self.rows.tiles[chosen])

    def write(self, approach: str, target: str, provenance: dict[str, Any], progress: Progress = SILENT) -> package.Package:
        """Learns from all rows and writes the model."""
        classes = self.image.labels.legend.classes
        learned = fit(CLASSIFIERS[approach], self.rows, len(classes), self.seed, progress, progress)
        graph = SimpleModel(self.seen, self.whitening, learned).graph()
        name = f"{self.image.name} {approach}"
        facts: dict[str, Any] = {"stride": 1, "halo": MARGIN, **block_sizes(MARGIN, 1)}
        if self.values:
            facts["ranges"] = {self.seen.name: self.values.facts()}
        if self.known is not None:
            places = Places({self.seen.name: len(self.seen.bands)}, self.whitening, self.seen.centre)
            facts |= put([(self.known, places)], graph, facts)
        return package.write(graph, identified({
            "task": SEGMENTATION, "inputs": [package.taken(self.seen)], "classes": [asdict(row) for row in classes],
            "resolution_m": [round(metres, 4) for metres in self.image.scene.grid.metres_per_pixel()], "tile_size": SMALL_BLOCK,
            "architecture": WORDS[approach], "encoder": None, "parameters": count_numbers(graph), "name": name, "licence": "not stated",
            **facts, "scores": self._scores(approach),
            **({"confusion": self.judged.matrices[approach].tolist()} if self.judged.matrices else {}),
            "provenance": {"labels": self.image.name, "image": self.image.scene.name, "seed": self.seed, "start": "scratch",
                           "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), **simulated_of([self.image.scene]),
                           "learned_from": _learned_from(self.image.scene), **provenance},
        }, package.weights_checksum(graph)), target)

    def _scores(self, approach: str) -> dict[str, Any] | None:
        found = self.judged.figures(approach)
        if not found:
            return None
        names = [row.name for row in self.image.labels.legend.classes]
        return {"split": "cross-validation by place", "mean_iou": found["mean_iou"], "overall_accuracy": found["overall_accuracy"],
                "iou": {name: row["iou"] for name, row in zip(names, found["classes"], strict=True)}}


@dataclass(frozen=True)
class Outputs:
    """Files to write: model, class map, page and, unless empty, confidence and area of applicability."""

    model: str
    output: str
    report: str
    confidence: str = ""
    applicability: str = ""


def make_map(image: LabelledImage, approach: str, seed: int, request: MapRequest, outputs: Outputs, progress: Progress = SILENT) -> dict[str, Any]:
    """Learns from the labels of an image, and maps it.

    Args:
        image: see there.
        approach: a key of `classifiers.CLASSIFIERS`, or `AUTO` for the better one.
        seed: decides which pixels are drawn, how places are held out, and how boosting begins.
        request: the same image, and how it is to be mapped; the model's provenance is the request's.
        outputs: what to write.
        progress: told how far it is.

    Returns:
        ``chosen_approach``, ``labelled_pixels``, ``clouded_pixels``, ``seconds`` and, where they could be measured, ``mean_iou`` and
        ``overall_accuracy``; with an area of applicability ``unlike_share``, the share of the map outside.

    Raises:
        DataError: the image has no measured pixel with a label, or too few of a class, or the extent misses it; or an area of applicability is
            asked for, and all labels lie in one place.
    """
    started = time.monotonic()
    request.area(image.scene.grid)  # an extent elsewhere is refused before anything is written
    lesson = Lesson.of(image, seed, progress.part(0, 0.6))
    if outputs.applicability and lesson.known is None:
        raise DataError(f"All labelled pixels of {image.name} lie in one place or look the same, so nobody can say how unlike them a place is. "
                        "Leave “Area of applicability” (applicability) empty, or label ground in other parts of the image, too.")
    taken = lesson.judged.best() if approach == AUTO else approach
    model = lesson.write(taken, outputs.model, {"plugin_version": request.provenance.get("version", ""),
                                                "parameters": request.provenance.get("values", {})}, progress.part(0.6, 0.7))
    ground = [Applicability(outputs.applicability)] if outputs.applicability else []
    products: list[Product] = [ClassMap(outputs.output), *([Confidence(outputs.confidence)] if outputs.confidence else []), *ground]
    map_scene(model, request, products, progress.part(0.7, 1))
    seconds, counts = round(time.monotonic() - started, 2), lesson.pixels.counts
    learned = Learned(image.scene.name, image.name, counts, len(lesson.rows.labels), len(np.unique(lesson.rows.tiles)), lesson.pixels.edge(), taken,
                      approach == AUTO, lesson.pixels.clouded)
    mapped = Mapped("Map", outputs.output, facts={"unlike_share": ground[0].outside} if ground else {},
                    measured=bool(lesson.judged.matrices), warnings=progress.warned())
    write_page(outputs.report, mapped, model, learned, lesson.judged, seconds)
    figures = {name: value for name, value in lesson.judged.figures(taken).items() if name in ("mean_iou", "overall_accuracy")}
    unlike = {"unlike_share": ground[0].outside} if ground else {}
    return {"chosen_approach": taken, "labelled_pixels": int(counts.sum()), "clouded_pixels": lesson.pixels.clouded, **figures, **unlike,
            "seconds": seconds}


def _learned_from(scene: Scene) -> dict[str, Any]:
    """Where and when the image was taken, for the card of a model."""
    outline = outline_of(scene.grid)
    return as_learned_from([outline] if outline is not None else [], [scene.acquired] if scene.acquired else [], [])


def _refuse_constant(scene: Scene, seen: Input, progress: Progress) -> None:
    """Refuses an image of one value in every band, and warns of such a band."""
    same = [band for band in seen.bands if band.minimum == band.maximum]
    if len(same) == len(seen.bands):
        raise DataError(f"Nothing can be learned of {scene.path}, because every band holds one value everywhere: "
                        f"{listed([f'{band.name} {band.minimum:g}' for band in same], 6)}. Choose another image.")
    for band in same:
        progress.message(f"The band {band.name} of {scene.name} is {band.minimum:g} everywhere, so it tells nothing apart.", level="warning")

"""From images to topics and back to the map: which topic where, what each document holds, what changed between two dates."""

from __future__ import annotations

import colorsys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import rasterio
from scipy.sparse import vstack

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.cloud_masks import Clouds, clear_scene
from ..datasets.dataset import ClassInfo
from ..datasets.footprints import footprint
from ..datasets.legend import PALETTE
from ..looks.category_style import Step, color_option, graduated
from ..looks.class_style import beside, class_map_qml, colormap, polygons_qml, raster_attributes
from ..mapping.polygons import sums_by_kind
from ..rasters.cog import Contents, TiledWriter
from ..rasters.grid import Grid, Window
from ..rasters.lengths import PixelAreas
from ..rasters.meaning import Conversion, as_stored, refuse_one_sided, refuse_other_baseline
from ..rasters.plausibility import brightness, unlike
from ..rasters.raster import Scene
from ..rasters.sensors import Band
from ..rasters.vector import write_layer
from .channels import read_channels
from .model import Topics, distance, learn_topics
from .visual_words import NO_WORD, Dictionary, Layout, Picture, count_words, learn_dictionary, write_words

NO_TOPIC = 255
LAYER = "documents"
CHANGES = (ClassInfo(0, "same topic", "#d9d9d9"), ClassInfo(1, "other topic", "#d7191c"))
#: Longest edge of the overview in the report [px].
OVERVIEW = 800
#: What GDAL keeps of the files [byte]: a strip of documents through a scene; by default it would keep a twentieth of the memory.
CACHE_BYTES = 128 * 2**20


@dataclass(frozen=True)
class Asked:
    """What is looked for.

    Attributes:
        topics: how many.
        words: size of the dictionary.
        word: edge of a word [px].
        document: edge of a document [px], a multiple of `word`.
        sample: words the dictionary is learned from.
        scaling: "none" or "standard", see `visual_words.learn_dictionary`.
        seed: of every random choice.
        clouds: what hides the ground; a mask for each date.
    """

    topics: int = 11
    words: int = 50
    word: int = 4
    document: int = 256
    sample: int = 200_000
    scaling: str = "none"
    seed: int = 1
    clouds: Clouds = Clouds()


@dataclass
class Found:
    """What was found, for the files and the report.

    Attributes:
        shares: of each date, topic shares (document, topic); NaN for a document without a word.
        valid: of each date, share of the words of each document that were measured (document,).
        areas: of each date, ground of each topic in its map [m²] (topic,).
        overviews: of each date, a small topics map, uint8 (y, x), 255 where there is none.
        changed: share of the words measured on both dates whose topic differs; None for one date.
        distance: Jensen-Shannon distance of each document between the dates, over words measured on both; None for one date.
    """

    pictures: list[Picture]
    layout: Layout
    grid: Grid
    dictionary: Dictionary
    topics: Topics
    classes: list[ClassInfo]
    shares: list[np.ndarray] = field(default_factory=list)
    valid: list[np.ndarray] = field(default_factory=list)
    areas: list[np.ndarray] = field(default_factory=list)
    overviews: list[np.ndarray] = field(default_factory=list)
    changed: float | None = None
    distance: np.ndarray | None = None
    difference: np.ndarray | None = None


def open_pictures(dates: Sequence[list[dict]], channels: str, extent: dict | None, nodata: float | None,
                  asked: Asked, progress: Progress = SILENT) -> tuple[list[Picture], Layout, Grid]:
    """Opens one or two dates and reads what their channels are; values are physical ones where the files say what these are.

    Raises:
        DataError: dates on different grids or of different bands, or an image smaller than a word.
        JobError: a channel that cannot be read.
    """
    scenes = [Scene.open(sources, nodata) for sources in dates]
    first, bands = scenes[0], len(scenes[0].band_names)
    for other in scenes[1:]:
        if not first.grid.same_as(other.grid):
            raise DataError(f"The two dates {first.path} and {other.path} lie on different grids ({first.grid}; {other.grid}). "
                            "Resample one to the grid of the other with “Warp (reproject)”.")
        if len(other.band_names) != bands:
            raise DataError(f"The two dates have different bands: {first.path} has {bands} and {other.path} {len(other.band_names)}. "
                            "Choose images with the same bands.")
    area = first.grid.window_of(extent) if extent else first.grid.window
    layout = Layout(area, asked.word, asked.document)
    if not layout.columns or not layout.rows:
        raise DataError(f"The area of {first.path} is {area.width} × {area.height} pixels, smaller than a word of {asked.word} × {asked.word}. "
                        "Choose a larger image or extent.")
    formulas = read_channels(channels, first.band_names)
    _to_physical(scenes, progress)
    kind, masks = asked.clouds.kind, [[mask] for mask in asked.clouds.masks] or [[]] * len(scenes)
    for scene, mask in zip(scenes, masks, strict=True):
        clear_scene(scene, mask, kind, progress)  # says once what is odd about it
    pictures = [Picture(lambda sources=sources, scene=scene, mask=mask:  # type: ignore[misc]
                        clear_scene(_as(scene, Scene.open(sources, nodata)), mask, kind), formulas, scene.name, scene.acquired,
                        scene.band_names, [raster.path for raster in scene.rasters], scene.rasters[0].understood)
                for sources, scene, mask in zip(dates, scenes, masks, strict=True)]
    grid = first.grid
    for scene in scenes:
        scene.close()
    return pictures, layout, grid


def _to_physical(scenes: list[Scene], progress: Progress) -> None:
    """Lets scenes give physical values where their files declare a scale and an offset, or all as they are stored.

    Raises:
        DataError: only one of the dates says what its values mean.
    """
    stored = [as_stored(scene, [Band(name) for name in scene.band_names], progress) for scene in scenes]
    for scene, bands in zip(scenes, stored, strict=True):
        for band, first in zip(bands, stored[0], strict=True):
            refuse_one_sided(band, first, scene.path, scenes[0].path)
        refuse_other_baseline(scenes[0], scene, bands)
        if any((band.scale, band.offset) != (1, 0) for band in bands):
            scene.conversion = Conversion(tuple(band.scale for band in bands), tuple(band.offset for band in bands), "float32")
    bright = [brightness(scene, bands) for scene, bands in zip(scenes, stored, strict=True)] if len(scenes) > 1 else []
    for other in bright[1:]:
        warning = unlike(bright[0], other)
        if warning:
            progress.message(warning, level="warning")


def _as(scene: Scene, opened: Scene) -> Scene:
    """The scene opened anew, whose values are converted alike."""
    opened.conversion = scene.conversion
    return opened


def discover(pictures: list[Picture], layout: Layout, grid: Grid, asked: Asked, maps: Sequence[str | None], change: str | None,
             progress: Progress = SILENT) -> Found:
    """Learns dictionary and topics from all dates together and writes the maps.

    Args:
        pictures: one or two dates.
        layout: of words and documents.
        grid: of the images.
        asked: sizes and seed.
        maps: for each date the topics map to write, a Byte COG with one pixel per word, or None.
        change: map of the words whose topic differs between the dates to write, or None.
        progress: told how far it is.

    Raises:
        DataError: no valid word, fewer documents than topics, or the disk is full.
    """
    with rasterio.Env(GDAL_CACHEMAX=CACHE_BYTES), tempfile.TemporaryDirectory(prefix="words-") as folder:
        dictionary = learn_dictionary(pictures, layout, asked.words, asked.sample, asked.scaling, asked.seed, progress.part(0, 0.2))
        steps = [progress.part(0.2 + 0.4 * number / len(pictures), 0.2 + 0.4 * (number + 1) / len(pictures)) for number in range(len(pictures))]
        words = [write_words(Path(folder) / f"{number}.npy", picture, layout, dictionary, step)
                 for number, (picture, step) in enumerate(zip(pictures, steps, strict=True))]
        counts = [count_words(one, layout, len(dictionary), progress=progress.part(0.6, 0.62)) for one in words]
        topics = learn_topics(vstack(counts, format="csr"), layout, asked.topics, asked.seed, progress.part(0.62, 0.85))
        found = Found(pictures, layout, grid, dictionary, topics, _classes(len(topics)))
        for one in counts:
            found.shares.append(topics.shares(one, progress.part(0.85, 0.86)))
            whole = np.array([part.width * part.height for part in map(layout.part, range(layout.documents))])
            found.valid.append(np.asarray(one.sum(1)).ravel() / whole)
        if len(words) > 1:
            both = [topics.shares(count_words(one, layout, len(dictionary), other)) for one, other in (words, words[::-1])]
            found.distance, found.difference = distance(*both), both[1] - both[0]
        _write_maps(found, words, maps, change, progress.part(0.86, 1))
        del words  # Windows removes no file that is mapped
    return found


def write_documents(path: str, found: Found, progress: Progress = SILENT) -> None:
    """Writes the documents as a styled layer.

    Fields: document, col, row [px of the image], valid (share of its words), topic (the largest), topic_1, topic_2, … (shares); for two
    dates also valid_b, topic_b, topic_1_b, … of the second, difference_1, … (second less first) and change, the Jensen-Shannon distance.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    layout = found.layout
    parts = [layout.pixels(layout.part(number)) for number in range(layout.documents)]
    columns: dict[str, Any] = {"document": np.arange(1, len(parts) + 1), "col": [part.col for part in parts],
                                    "row": [part.row for part in parts]}
    for date, suffix in zip(range(len(found.shares)), ("", "_b"), strict=False):
        shares = found.shares[date]
        columns[f"valid{suffix}"] = found.valid[date].round(4)
        columns[f"topic{suffix}"] = np.where(np.isnan(shares[:, 0]), NO_TOPIC, 1 + np.nan_to_num(shares).argmax(1)).astype(np.int32)
        columns |= {f"topic_{row.value}{suffix}": shares[:, number].round(4) for number, row in enumerate(found.classes)}
    style = polygons_qml(found.classes, "topic")
    if found.distance is not None and found.difference is not None:
        columns["change"] = found.distance.round(4)
        columns |= {f"difference_{row.value}": found.difference[:, number].round(4) for number, row in enumerate(found.classes)}
        style = change_qml()
    outlines = [footprint(found.grid, part, found.grid.crs) for part in parts]
    write_layer(path, LAYER, geopandas.GeoDataFrame(columns, geometry=outlines, crs=found.grid.crs), style, progress)


def change_qml() -> str:
    """QGIS style of documents by their distance between two dates, pale to red in five steps."""
    colors = ("#f7f7f7", "#fddbc7", "#f4a582", "#d6604d", "#b2182b")
    return graduated("change", "fill", [
        Step(number / 5, (number + 1) / 5, f"{number / 5:g} to {(number + 1) / 5:g}",
             {"color": color_option(color, 204), "style": "solid", "outline_style": "no"}) for number, color in enumerate(colors)])


def _classes(count: int) -> list[ClassInfo]:
    """Topics as classes 1, 2, …; beyond the palette hues turn by the golden ratio, which keeps neighbours apart."""
    turned = [colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.55, 0.85) for number in range(count)]
    colors = [*PALETTE, *("#" + "".join(f"{round(255 * part):02x}" for part in one) for one in turned[len(PALETTE):])]
    return [ClassInfo(number, f"topic {number}", color) for number, color in enumerate(colors[:count], 1)]


class _Maps:
    """The rasters being written, one pixel per word."""

    def __init__(self, found: Found, maps: Sequence[str | None], change: str | None, progress: Progress) -> None:
        self.found, self.grid, self.progress = found, found.layout.grid(found.grid), progress
        self.writers = [self._writer(path, found.classes, "topic") for path in maps]
        self.change = self._writer(change, CHANGES, "change")
        self.styles = [(path, classes) for path, classes in (*((path, found.classes) for path in maps), (change, CHANGES)) if path]

    def _writer(self, path: str | None, classes: Sequence[ClassInfo], name: str) -> TiledWriter | None:
        if not path:
            return None
        tags = {"EO_PRETRAIN_CHANNELS": ", ".join(channel.text for channel in self.found.pictures[0].channels)}
        return TiledWriter(path, self.grid, Contents("uint8", NO_TOPIC, [name], colormap(classes), tags), self.progress)


def _write_maps(found: Found, words: list[np.ndarray], maps: Sequence[str | None], change: str | None, progress: Progress) -> None:
    layout = found.layout
    step = max(1, -(-max(layout.columns, layout.rows) // OVERVIEW))
    found.overviews = [np.full((-(-layout.rows // step), -(-layout.columns // step)), NO_TOPIC, np.uint8) for _ in words]
    targets = _Maps(found, maps, change, progress)
    found.areas = [np.zeros(len(found.topics)) for _ in words]
    ground = PixelAreas(layout.grid(found.grid))
    differing = compared = 0
    with ExitStack() as stack:
        for path, classes in targets.styles:
            stack.enter_context(beside(path, progress, aux_xml=lambda rows=classes: raster_attributes(rows),  # type: ignore[misc]
                                       qml=lambda rows=classes: class_map_qml(rows)))  # type: ignore[misc]
        for writer in (*targets.writers, targets.change):
            if writer:
                stack.enter_context(writer)
        for strip in layout.strips():
            progress.at(0.9 * strip.row / layout.rows, "Writing the topics map")
            read = [_topics_of(found, date, one, strip) for date, one in enumerate(words)]
            for date, (drawn, writer) in enumerate(zip(read, targets.writers, strict=True)):
                if writer:
                    writer.write(drawn, strip)
                _keep(found.overviews[date], drawn, strip, step)
                found.areas[date] += sums_by_kind(drawn, len(found.topics) + 1, ground[strip.row:strip.row + strip.height])[1][1:]
            if len(read) > 1:
                known = (read[0] != NO_TOPIC) & (read[1] != NO_TOPIC)
                differs = (read[0] != read[1]) & known
                differing, compared = differing + int(differs.sum()), compared + int(known.sum())
                if targets.change:
                    targets.change.write(np.where(known, differs, NO_TOPIC).astype(np.uint8), strip)
    found.changed = differing / compared if compared else None


def _topics_of(found: Found, date: int, words: np.ndarray, strip: Window) -> np.ndarray:
    """The topics map of a strip of documents: uint8 (row, column), 1 for the first topic."""
    layout = found.layout
    part = np.asarray(words[strip.row:strip.row + strip.height, strip.col:strip.col + strip.width])
    first = strip.row // layout.edge * layout.documents_across + strip.col // layout.edge
    count = -(-strip.width // layout.edge)
    best = found.topics.of_words(found.shares[date][first:first + count])
    document = np.arange(strip.width) // layout.edge
    known = part != NO_WORD
    drawn = best[document[None], np.where(known, part, 0)] + 1
    return np.where(known, drawn, NO_TOPIC).astype(np.uint8)


def _keep(overview: np.ndarray, drawn: np.ndarray, strip: Window, step: int) -> None:
    """Copies every `step`-th word of a strip into the overview."""
    top, left = -strip.row % step, -strip.col % step
    piece = drawn[top::step, left::step]
    row, col = (strip.row + top) // step, (strip.col + left) // step
    overview[row:row + piece.shape[0], col:col + piece.shape[1]] = piece

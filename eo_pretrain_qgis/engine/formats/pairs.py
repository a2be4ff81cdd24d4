"""Images and label images that belong together: what GeoTIFF pairs and Esri's classified tiles share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import DataError
from ...progress import SILENT, Progress
from ..datasets.dataset import IGNORE, ClassInfo
from ..datasets.legend import BACKGROUND, Legend, check_whole, class_key, default_color, make_legend, top_values, without_negative
from ..datasets.splitting.by_place import Split
from ..rasters.class_names import NamedClass
from ..rasters.grid import tile_windows
from .imported_bands import ImportedBands
from .pictures import Header, Picture
from .samples import Content, ImportOptions, Sample, write_samples
from .tree import Tree

#: A pixel with this value in a label image has no label, as nodata has none.
UNLABELLED = 255
#: All values of masks of one kind of object.
BINARY = {0, UNLABELLED}
MORE_CLASSES = "Name two classes or more in “Classes”, or choose other data."
#: Pictures whose compression changes values.
LOSSY = (".jpg", ".jpeg")
#: Edge of the pieces in which label images are searched for their classes [px].
PIECE = 2048


@dataclass(frozen=True)
class Pair:
    """Paths of an image and its labels, name, split, the images of further sensors, and what opens the label image."""

    name: str
    image: str
    label: str
    split: str = ""
    others: tuple[tuple[str, str], ...] = ()
    opened: Callable[[Tree, str], Picture] = Picture

    def labels(self, tree: Tree) -> Picture:
        """The label image, to be opened in a ``with`` block."""
        return self.opened(tree, self.label)


def write_pairs(tree: Tree, folder: Path, pairs: list[Pair], ignored: tuple[int, ...], table: list[dict] | None,
                options: ImportOptions, facts: dict, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "segmentation".

    Args:
        tree: where the pairs lie.
        folder: an empty folder to fill.
        pairs: in order, with their splits.
        ignored: label values that are no class, besides 255 and nodata.
        table: rows value, name, color of the classes; None takes the values found and the colours in the files.
        options: tile size, preset, bands, split.
        facts: of the format.
        progress: also hears warnings.

    Raises:
        DataError: a pair whose sizes differ, images that differ in bands or size, or a damaged file.
    """
    imported = _sensors(tree, pairs[0], options, progress)
    sensors = tuple(bands.info for bands in imported)
    with Picture(tree, pairs[0].image) as opened:
        first = opened.header
    size = options.tile_size or first.width
    if not options.tile_size and first.width != first.height:
        raise DataError(f"{first.path} has {first.width} × {first.height} px and is not square. Give a “Tile size” to cut the images into.")
    table = table or options.class_table
    if table:
        legend = _named(table, ignored, str(tree.path), progress)
    else:
        legend, negative = _found(tree, pairs, ignored, progress.part(0, 0.1))
        ignored = (*ignored, *negative)
    lookup = _lookup(legend, ignored)
    count = _count(tree, pairs, size, options, progress.part(0.1, 0.12))
    strange: dict[int, int] = {}

    def samples() -> Iterator[Sample]:
        for pair in pairs:
            yield from _cut(tree, pair, imported, size, lookup, strange, whole=not options.tile_size)

    content = Content("segmentation", sensors, legend.classes, size, count, samples(), tree.path, facts,
                      options.pixel_size or first.pixel_size)
    split = write_samples(folder, content, options, progress.part(0.12, 1))
    for bands in imported:
        bands.tell(progress)
    if strange:
        listed = ", ".join(f"{value} ({pixels} px)" for value, pixels in sorted(strange.items())[:8])
        progress.message(f"The label images have values that are no class; they are ignored: {listed}.", level="warning")
    return split


def _sensors(tree: Tree, pair: Pair, options: ImportOptions, progress: Progress) -> tuple[ImportedBands, ...]:
    """What the images of one pair are."""
    sensors: list[ImportedBands] = []
    for name, path in (("", pair.image), *pair.others):
        with Picture(tree, path) as opened:
            chosen = ("generic", "") if sensors else (options.preset, options.bands)
            sensors.append(ImportedBands(opened.seen(), *chosen, name, progress=progress))
    return tuple(sensors)


def _cut(tree: Tree, pair: Pair, sensors: tuple[ImportedBands, ...], size: int, lookup: tuple[np.ndarray, np.ndarray],
         strange: dict[int, int], whole: bool) -> Iterator[Sample]:
    """The tiles of one pair; those without a measured or a labelled pixel are left out, unless images stay whole."""
    paths = (pair.image, *(path for _, path in pair.others))
    digest = hashlib.sha256("".join(tree.checksum(path) for path in (*paths, pair.label)).encode()).digest()
    with ExitStack() as stack:
        images = [stack.enter_context(Picture(tree, path)) for path in paths]
        label = stack.enter_context(pair.labels(tree))
        first = images[0].header
        _compare([image.header for image in images], label.header, size if whole else None)
        stored = [sensor.of(image.seen()) for image, sensor in zip(images, sensors, strict=True)]
        for window in tile_windows(first.width, first.height, size, size):
            read, measured = {}, np.zeros((size, size), bool)
            for image, sensor, as_kept in zip(images, sensors, stored, strict=True):
                pixels, valid = image.seen(sensor.empty).read(window)
                read[sensor.info.name] = as_kept(pixels, valid)
                measured |= valid
            values, labelled = label.read(window)
            drawn = _positions(values[0], labelled & measured, *lookup, strange)
            if not whole and (drawn == IGNORE).all():
                continue
            yield Sample(read, drawn, first.grid.sub(window) if first.grid else None, pair.split,
                         {"scene": pair.name, "col": window.col, "row": window.row}, digest)
            digest = b""


def _positions(drawn: np.ndarray, valid: np.ndarray, values: np.ndarray, positions: np.ndarray, strange: dict[int, int]) -> np.ndarray:
    """Label values (y, x) as positions of classes; values that are none are counted in `strange`."""
    place = np.minimum(np.searchsorted(values, drawn), len(values) - 1)
    known = values[place] == drawn
    for value, pixels in zip(*np.unique(drawn[valid & ~known], return_counts=True), strict=True):
        strange[int(value)] = strange.get(int(value), 0) + int(pixels)
    return np.where(valid & known, positions[place], np.uint8(IGNORE)).astype(np.uint8)


def _named(table: list[dict], ignored: tuple[int, ...], path: str, progress: Progress) -> Legend:
    check_whole(table, path)
    wanted = [row for row in table if int(class_key(row["value"]) or 0) not in ignored]
    return make_legend({str(row["value"]) for row in wanted}, f"The label images of {path}", wanted, None, False, progress, MORE_CLASSES)


def _found(tree: Tree, pairs: list[Pair], ignored: tuple[int, ...], progress: Progress) -> tuple[Legend, list[int]]:
    """The classes in the label images where no table names them, and the values below 0, which are none."""
    where = f"The label images of {tree.path}"
    values, tops, known = _search(tree, pairs, progress)
    if values == BINARY and not ignored:
        progress.message(f"{where} hold 0 and {UNLABELLED} only, as masks of one kind of object do: 0 is taken for “{BACKGROUND.name}” and "
                         f"{UNLABELLED} for “object”. Give “Classes” to name them otherwise.", level="warning")
        return Legend((BACKGROUND, ClassInfo(1, "object", default_color(0))), {"0": 0, str(UNLABELLED): 1}, None), []
    unlabelled = tops & values - {value for value, told in known.items() if told.name and value != UNLABELLED}
    if len(values - unlabelled) < len(BINARY):  # as of masks: what is left would be no two classes
        unlabelled &= {UNLABELLED}
    if unlabelled:
        told = " and ".join(map(str, sorted(unlabelled)))
        progress.message(f"{where} have pixels of {told}, which is no label; they are ignored. List it in “Classes” if it is a class.")
    classes = set(without_negative(values, f"The folder {tree.path}", progress)) - unlabelled
    keys = {str(value) for value in classes} - {str(value) for value in ignored}
    if not keys:
        raise DataError(f"{where} have no labelled pixel. Choose another folder.")
    styles = {"classes": [{"value": str(value), "name": told.name, "color": told.color} for value, told in known.items()]}
    return make_legend(keys, where, None, styles, False, progress, MORE_CLASSES), sorted(values - set(classes))


def _search(tree: Tree, pairs: list[Pair], progress: Progress) -> tuple[set[int], set[int], dict[int, NamedClass]]:
    """Every value of the label images, those that mean “no label” in their types of pixels, and what the images say of their classes."""
    found: set[float] = set()
    tops: set[int] = set()
    known: dict[int, NamedClass] = {}
    named_in: dict[int, str] = {}
    for done, pair in enumerate(pairs):
        progress.at(done / len(pairs), "Looking for the classes")
        with pair.labels(tree) as label:
            for window in label.pieces(PIECE):
                values, valid = label.read(window)
                found.update(np.unique(values[0][valid]).tolist())
                tops |= top_values(values.dtype.name)
            for value, told in label.classes(progress).items():
                if told.name:
                    named_in.setdefault(value, label.path)
                known[value] = _agreed(value, known.get(value, told), told, (named_in.get(value, ""), label.path))
        if len(found) > 256 or any(value != int(value) for value in found):
            raise DataError(f"{label.path} holds measurements and no classes. Choose label images whose pixels are numbers of classes, 0 to 254.")
        if len(found) > len(BINARY) and pair.label.lower().endswith(LOSSY):
            raise DataError(f"{label.path} is a JPEG, whose compression changes the numbers of the classes. Choose label images in PNG or GeoTIFF.")
    return {int(value) for value in found}, tops, known


def _agreed(value: int, first: NamedClass, told: NamedClass, paths: tuple[str, str]) -> NamedClass:
    """What two label images say of a value together.

    Raises:
        DataError: they name it differently.
    """
    if first.name and told.name and first.name.casefold() != told.name.casefold():
        raise DataError(f"The value {value} is “{first.name}” in {paths[0]}, but “{told.name}” in {paths[1]}. Give it the same meaning in all label "
                        "images, or say in “Classes” what the values mean.")
    return NamedClass(first.name or told.name, first.color or told.color)


def _lookup(legend: Legend, ignored: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Label values in rising order and the position of each, 255 for those that are ignored."""
    known = {int(key): position for key, position in legend.positions.items()}
    pairs = sorted({**dict.fromkeys((*ignored, UNLABELLED), IGNORE), **known}.items())
    return np.array([value for value, _ in pairs]), np.array([position for _, position in pairs], np.uint8)


def _count(tree: Tree, pairs: list[Pair], size: int, options: ImportOptions, progress: Progress) -> int:
    """How many tiles there will be at most; checks on the way that the images fit."""
    if not options.tile_size:
        return len(pairs)
    total = 0
    for done, pair in enumerate(pairs):
        progress.at(done / len(pairs), "Measuring the images")
        with Picture(tree, pair.image) as image:
            width, height = image.header.width, image.header.height
        if min(width, height) < size:
            raise DataError(f"{image.path} has {width} × {height} px, less than a tile of {size} × {size}. Choose a tile size of at most "
                            f"{min(width, height)}, or remove the image.")
        total += len(tile_windows(width, height, size, size))
    return total


def _compare(images: list[Header], label: Header, size: int | None) -> None:
    first = images[0]
    if size and (first.width, first.height) != (size, size):
        raise DataError(f"{first.path} has {first.width} × {first.height} px, but the images before it {size} × {size}. Give a “Tile size” to "
                        "cut all images into.")
    for other in (*images[1:], label):
        if (other.width, other.height) != (first.width, first.height):
            raise DataError(f"{first.path} has {first.width} × {first.height} px, but {other.path} {other.width} × {other.height}. Bring both "
                            "to one size.")
        if first.grid and other.grid and not first.grid.same_as(other.grid):
            raise DataError(f"{first.path} and {other.path} lie at different places, although they belong together. Check how they were "
                            "georeferenced.")
    if len(label.bands) != 1:
        raise DataError(f"{label.path} has {len(label.bands)} bands, but a label image has one, of numbers of classes. Convert its colours "
                        "to classes first.")

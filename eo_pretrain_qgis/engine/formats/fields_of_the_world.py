"""Fields of The World: chips of Sentinel-2 of two dates with field interior, boundary and background, a folder for each country.

Kerner et al., arXiv 2409.16252; folders and split as in the README of the data (fieldsoftheworld/ftw-datasets-list, version 1.0.0): 25 folders with
70,462 chips of 256 × 256 px, in blocks of 3 × 3 chips 80, 10 and 10 % for training, validation and test. An image has red, green, blue and near
infrared as Sentinel-2 L2A stores them (fieldsoftheworld/ftw-baselines, ftw_tools/settings.py). In Brazil, India, Kenya and Rwanda only some fields
are drawn: 3 in a label image says that nobody knows (TorchGeo, torchgeo/datasets/ftw.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.ndimage import distance_transform_edt, find_objects

from ...errors import DataError
from ...progress import SILENT, Progress
from ...tables import shortened
from ..datasets.dataset import IGNORE
from ..datasets.splitting.by_place import Split
from ..rasters.grid import Window
from ..themes.fields.labels import BACKGROUND, BOUNDARY, CLASSES, DISTANCE, INTERIOR, OBJECTS
from .imported_bands import ImportedBands
from .parquet import read_columns
from .pictures import Picture, Seen
from .samples import Content, ImportOptions, Sample, read_ahead, write_samples
from .split_lists import NAMES, chosen
from .tree import Tree, joined, stem

TITLE = "Fields of The World"
LOOKED_FOR = "s2_images/window_a, s2_images/window_b and label_masks in a folder for each country (Fields of The World)"
IMAGES, LABELS = "s2_images", "label_masks"
#: Folders of a country: the two dates, the classes, and the number of each field.
PARTS = (f"{IMAGES}/window_a", f"{IMAGES}/window_b", f"{LABELS}/semantic_3class", f"{LABELS}/instance")
PRESET, OF_ONE_DATE = "sentinel2_l2a", ("B04", "B03", "B02", "B08")
BANDS = (*OF_ONE_DATE, *(f"{name} (2)" for name in OF_ONE_DATE))
#: Value in a label image → position in `CLASSES`.
MEANING = {0: BACKGROUND, 1: INTERIOR, 2: BOUNDARY, 3: IGNORE}
#: The list of chips: beginning of its name, endings that are read, and columns. It is handed out in Parquet; CSV beside it is read without Arrow.
LIST, ENDINGS, NAME, SPLIT = "chips_", (".csv", ".geojson", ".parquet"), "aoi_id", "split"
#: Of chips that the original data curator did not divide, in India.
UNDIVIDED = "none"
#: As published 333 of 70,462 chips lack an image (TorchGeo); where more than this share lack a file the folder was copied in part.
SOME_MISSING = 0.1
ADVICE = "Copy or download the country again."


@dataclass(frozen=True)
class _Chip:
    """Name, folder of its country, and split."""

    name: str
    place: str
    split: str

    @property
    def files(self) -> list[str]:
        """Paths of its two images, its classes and its numbers of fields."""
        return [joined(self.place, f"{part}/{self.name}.tif") for part in PARTS]


def recognise(tree: Tree) -> bool:
    """Whether there is a country."""
    return bool(_countries(tree))


def write(tree: Tree, folder: Path, options: ImportOptions, progress: Progress = SILENT) -> Split:
    """Writes a dataset of the task "fields", with the bands of window A and then those of window B, called “B04 (2)” and so on.

    Args:
        tree: one country, or a folder with several.
        folder: an empty folder to fill.
        options: preset, split.
        progress: also hears which chips were left out.

    Raises:
        DataError: a country without one of its folders or without its list of chips, many chips without a file, or an image or label image of
            another form.
    """
    countries = _countries(tree)
    if not countries:
        raise DataError(f"{tree.path} holds no {LOOKED_FOR}. Choose the folder that holds these.")
    chips = [chip for name, place in countries.items() for chip in _chips(tree, name, place, progress)]
    taken = chosen([chip.name for chip in chips], options.lists, str(tree.path), progress)
    chips = [replace(chip, split=taken[chip.name] or chip.split) for chip in chips if chip.name in taken]
    if not chips:
        raise DataError(f"{tree.path} holds no chip that is for training, validation or test. {ADVICE}")
    with _Opened(tree, chips[0]) as first:
        bands = ImportedBands(first.seen(), PRESET if options.preset == "generic" else options.preset, ",".join(BANDS), progress=progress)
        size = first.header.width

    unnumbered: list[str] = []

    def read(chip: _Chip) -> Sample:
        with _Opened(tree, chip) as opened:
            sample = _sample(chip, opened, bands, size)
        if (sample.label == INTERIOR).any() and not sample.beside[OBJECTS].any():
            unnumbered.append(joined(chip.place, chip.name))
        return sample

    facts = {"format": "fields_of_the_world", "countries": {name: sum(chip.place == place for chip in chips) for name, place in countries.items()}}
    content = Content("fields", (bands.info,), CLASSES, size, len(chips), read_ahead(chips, read), tree.path, facts, options.pixel_size,
                      {DISTANCE: "uint8", OBJECTS: "uint32"})
    split = write_samples(folder, content, options, progress.part(0.05, 1))
    bands.tell(progress)
    if unnumbered:
        progress.message(f"The fields of {len(unnumbered)} of {len(chips)} chips have no numbers in {PARTS[-1]}, such as {min(unnumbered)}: how "
                         "far inside their field its pixels lie is 0 there, and fields are not told apart. Copy the country again, or leave these "
                         "chips out.", level="warning")
    return split


class _Opened:
    """The four files of a chip, opened for reading; use it in a ``with`` block.

    Raises:
        DataError: naming a file that is damaged or of another form.
    """

    def __init__(self, tree: Tree, chip: _Chip) -> None:
        self._tree, self._chip, self._stack = tree, chip, ExitStack()

    def __enter__(self) -> _Opened:
        with ExitStack() as stack:
            *self.images, self.classes, self.objects = [stack.enter_context(Picture(self._tree, path)) for path in self._chip.files]
            self.header = self.images[0].header
            self._check()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def digest(self) -> bytes:
        """SHA-256 of its files."""
        return hashlib.sha256("".join(map(self._tree.checksum, self._chip.files)).encode()).digest()

    def seen(self, empty: float | None = None) -> Seen:
        """Both images as one with the bands of both; a pixel counts as measured where both dates measured it."""
        one, other = (image.seen(empty) for image in self.images)

        def read(window: Window) -> tuple[np.ndarray, np.ndarray]:
            (first, valid), (second, also) = one.read(window), other.read(window)
            return np.concatenate([first, second]), valid & also

        dtype = np.result_type(one.header.dtype, other.header.dtype).name
        return Seen(replace(one.header, bands=(*one.header.bands, *other.header.bands), dtype=dtype), read, empty)

    def _check(self) -> None:
        first = self.header
        for image in self.images:
            if len(image.header.bands) != len(OF_ONE_DATE):
                raise DataError(f"{image.path} has {len(image.header.bands)} bands, but an image of Fields of The World has four: red, green, blue "
                                f"and near infrared. {ADVICE}")
        early, late = (image.header.dtype for image in self.images)
        if early != late:
            raise DataError(f"{self.images[0].path} holds {early} values and {self.images[1].path} {late}, but both dates are stored alike. {ADVICE}")
        for label in (self.classes, self.objects):
            if len(label.header.bands) != 1:
                raise DataError(f"{label.path} has {len(label.header.bands)} bands, but a label image has one. {ADVICE}")
        for other in (self.images[1], self.classes, self.objects):
            if (other.header.width, other.header.height) != (first.width, first.height):
                raise DataError(f"{first.path} has {first.width} × {first.height} px, but {other.path} {other.header.width} × {other.header.height}. "
                                f"{ADVICE}")
            if first.grid and other.header.grid and not first.grid.same_as(other.header.grid):
                raise DataError(f"{first.path} and {other.path} lie at different places, although they belong together. {ADVICE}")


def _sample(chip: _Chip, opened: _Opened, bands: ImportedBands, size: int) -> Sample:
    header = opened.header
    if (header.width, header.height) != (size, size):
        raise DataError(f"{header.path} has {header.width} × {header.height} px, but the first image {size} × {size}. Import it with the countries "
                        "whose chips have its size.")
    window = Window(0, 0, size, size)
    seen = opened.seen(bands.empty)
    pixels, valid = seen.read(window)
    labels = _labels(opened.classes, window)
    labels[~valid] = IGNORE
    objects = _objects(opened.objects, window)
    objects[labels == IGNORE] = 0
    metres = header.grid.metres_per_pixel() if header.grid else (1.0, 1.0)
    country = chip.place.rpartition("/")[2]
    columns = {"scene": joined(country, chip.name), "country": country, "fields": len(np.setdiff1d(objects, [0]))}
    return Sample({bands.info.name: bands.of(seen)(pixels, valid)}, labels, header.grid, chip.split, columns, opened.digest,
                  {DISTANCE: distances(objects, metres), OBJECTS: objects})


def _labels(label: Picture, window: Window) -> np.ndarray:
    """Positions in `CLASSES`, 255 where nothing is known (y, x); 0 counts although the files may declare it as nodata."""
    values = label.read(window)[0][0]
    drawn = np.full(values.shape, IGNORE, np.uint8)
    for value in np.unique(values).tolist():
        if value not in MEANING:
            raise DataError(f"{label.path} holds the value {value:g}, but label images of Fields of The World hold 0 background, 1 field, 2 boundary "
                            f"and 3 where nobody knows. It may be of another version. {ADVICE}")
        drawn[values == value] = MEANING[value]
    return drawn


def _objects(label: Picture, window: Window) -> np.ndarray:
    """The number of the field of each pixel, 0 for none, uint32 (y, x)."""
    values = label.read(window)[0][0]
    found = np.nan_to_num(values).astype(np.int64)
    if (found != values).any() or found.min() < 0 or found.max() >= 2**32:
        raise DataError(f"{label.path} holds something other than numbers of fields from 0 on. {ADVICE}")
    return found.astype(np.uint32)


def distances(objects: np.ndarray, metres: tuple[float, float]) -> np.ndarray:
    """How far inside its field each pixel lies, as in `themes.fields.labels`: 255 · distance over the largest in the field, uint8 (y, x).

    What lies beyond the chip is not known, so the edge of a chip is no border of a field.

    Args:
        objects: number of the field of each pixel, 0 for none (y, x).
        metres: size of a pixel (x, y).
    """
    numbers, places = np.unique(objects, return_inverse=True)
    places = places.reshape(objects.shape) + (numbers[0] != 0)
    found = np.zeros(objects.shape, np.uint8)
    for number, part in enumerate(find_objects(places), 1):
        if part is None:
            continue
        around = tuple(slice(max(side.start - 1, 0), side.stop + 1) for side in part)
        mask = places[around] == number
        far = np.ones(mask.shape) if mask.all() else distance_transform_edt(mask, sampling=metres[::-1])
        found[around][mask] = np.rint(255 * far / far[mask].max())[mask]
    return found


def _countries(tree: Tree) -> dict[str, str]:
    """Name → folder of each country: the root, folders in it, or folders in its only folder."""
    names = tree.children()[0]
    if IMAGES in names:
        return {tree.name: ""}
    for root in ("", *(names if len(names) == 1 else ())):
        found = {name: joined(root, name) for name in tree.children(root)[0] if {IMAGES, LABELS} & {*tree.children(joined(root, name))[0]}}
        if found:
            return {name.removesuffix(".zip"): place for name, place in found.items()}
    return {}


def _chips(tree: Tree, country: str, place: str, progress: Progress) -> list[_Chip]:
    """The chips of a country in the order of its list, without those that nobody divided or that lack a file."""
    there = {part: _stems(tree, place, part) for part in PARTS}
    listed = _split_of(tree, place)
    chips = [_Chip(name, place, NAMES[split]) for name, split in listed.items() if split != UNDIVIDED]
    if len(chips) < len(listed):
        progress.message(f"Chips of {country} that are for no split, as published, are left out: {len(listed) - len(chips)} of {len(listed)}.")
    lacking = [(chip, next(part for part in PARTS if chip.name not in there[part])) for chip in chips
               if not all(chip.name in names for names in there.values())]
    if lacking:
        chip, part = lacking[0]
        first = tree.full(joined(place, f"{part}/{chip.name}.tif"))
        if len(lacking) > SOME_MISSING * len(chips):
            raise DataError(f"{len(lacking)} of the {len(chips)} chips of {country} lack an image or a label image, the first {first}. {ADVICE}")
        progress.message(f"{len(lacking)} of the {len(chips)} chips of {country} lack an image or a label image, such as {first}; they are left out. "
                         "Some are missing as published.", level="warning")
    without = {chip.name for chip, _ in lacking}
    return [chip for chip in chips if chip.name not in without]


def _stems(tree: Tree, place: str, part: str) -> set[str]:
    """Names of the chips with a file in a folder."""
    above, _, name = joined(place, part).rpartition("/")
    parent, _, middle = above.rpartition("/")
    if middle not in tree.children(parent)[0] or name not in tree.children(above)[0]:
        raise DataError(f"{tree.full(place) if place else tree.path} has no folder {part}, which a country of Fields of The World has. {ADVICE}")
    return {stem(file) for file in tree.children(joined(place, part))[1] if file.lower().endswith(".tif")}


def _split_of(tree: Tree, place: str) -> dict[str, str]:
    """Name of a chip → its split, as its country lists them."""
    where = tree.full(place) if place else str(tree.path)
    lists = [name for name in tree.children(place)[1] if name.startswith(LIST)]
    known = next((name for ending in ENDINGS for name in lists if name.lower().endswith(ending)), "")
    if not known:
        if not lists:
            raise DataError(f"{where} has no list of its chips, such as chips_austria.parquet, which says their split. {ADVICE}")
        raise DataError(f"{tree.full(joined(place, lists[0]))} is in no form that is read. Write it beside as {stem(lists[0])}.csv with the columns "
                        f"{NAME} and {SPLIT}.")
    found: dict[str, str] = {}
    path = tree.full(joined(place, known))
    for name, split in _rows(tree, joined(place, known)):
        if split != UNDIVIDED and split not in NAMES:
            raise DataError(f"{path} has the split “{shortened(split)}” for {shortened(name)}, but a chip is train, val, test or none. {ADVICE}")
        if found.setdefault(name, split) != split:
            raise DataError(f"{path} lists {shortened(name)} for {split} and for {found[name]}. {ADVICE}")
    return found


def _rows(tree: Tree, name: str) -> Iterator[tuple[str, str]]:
    """Name and split of each chip of a list."""
    if name.lower().endswith(".csv"):
        table = tree.table(name, (NAME, SPLIT))
        table.require((NAME, SPLIT), ADVICE)
        yield from ((row[NAME], row[SPLIT]) for row in table.rows)
        return
    if name.lower().endswith(".parquet"):
        columns = read_columns(tree, name, {NAME: str, SPLIT: str}, ADVICE)
        yield from zip(columns[NAME], columns[SPLIT], strict=True)
        return
    features = tree.json(name, ADVICE).get("features")
    for feature in features if isinstance(features, list) else [None]:
        row = feature.get("properties") if isinstance(feature, dict) else None
        if not isinstance(row, dict) or not isinstance(row.get(NAME), str) or not isinstance(row.get(SPLIT), str):
            raise DataError(f"{tree.full(name)} lists no chips with {NAME} and {SPLIT}. {ADVICE}")
        yield row[NAME], row[SPLIT]

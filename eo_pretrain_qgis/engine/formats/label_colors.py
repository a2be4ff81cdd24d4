"""Label images that are pictures: which colour stands for which class, from the table that data sets bring along."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ...tables import shortened
from ..datasets.legend import BACKGROUND
from ..looks.class_style import rgb
from ..rasters.class_names import NamedClass
from ..rasters.grid import Window
from .pictures import Picture
from .tree import Tree

#: The table of colours as DeepGlobe and CamVid bring it along: a line for each class with its name and its red, green and blue.
CLASS_TABLE = "class_dict.csv"
COLUMNS = ("name", "r", "g", "b")
ADVICE = "Correct the table, or choose the label images that belong to it."
#: Classes of these names are what the makers did not label.
NO_LABEL = re.compile(r"unknown|void|ignored?|no[ _-]?data|unlabell?ed", re.IGNORECASE)
#: Value of pixels without a label, see `pairs.UNLABELLED`.
UNLABELLED = 255
#: From here on a part of a colour counts as 255 where the table has 0 and 255 alone: the makers of DeepGlobe (Demir et al., arXiv 1805.06561)
#: say that its masks may not be pure, and to binarize them at 128.
HALF = 128
#: Edge of the pieces in which a label image is held against the table [px].
PIECE = 2048


@dataclass(frozen=True)
class ClassColor:
    """A class, the value its pixels get (255 for no label), and its colour in label images."""

    value: int
    name: str
    color: tuple[int, int, int]


class LabelColors:
    """Turns the colours of label images into values of classes.

    Args:
        path: of the table, for messages.
        rows: its classes.

    Raises:
        DataError: a colour stands for two classes, or there is no class.
    """

    def __init__(self, path: str, rows: Sequence[ClassColor]) -> None:
        if all(row.value == UNLABELLED for row in rows):
            raise DataError(f"{path} names no class with a colour. Give each class a line, such as water,0,0,255.")
        self.path, self.rows = path, tuple(rows)
        codes: dict[int, ClassColor] = {}
        for row in rows:
            other = codes.setdefault(int(_code(np.array(row.color))), row)
            if other is not row:
                raise DataError(f"{path} gives “{shortened(other.name)}” and “{shortened(row.name)}” the same colour, {_words(row.color)}. Give each "
                                "class a colour of its own.")
        self._codes = np.array(sorted(codes))
        self._values = np.array([codes[code].value for code in sorted(codes)])
        self._pure = {part for row in rows for part in row.color} <= {0, 255}
        self.grey = all(len(set(row.color)) == 1 for row in rows)
        self.strange: dict[int, int] = {}
        self._first = ""

    @classmethod
    def read(cls, tree: Tree, name: str) -> LabelColors:
        """The colours of a table with the columns name, r, g and b.

        “background” gets the value 0, the others 1, 2 and so on in the order of the table; “unknown” and the like are no label.

        Raises:
            DataError: the table lacks a column or a colour, or names a class twice.
        """
        table = tree.table(name, COLUMNS)
        table.require(COLUMNS, "Give it the headings name,r,g,b, or remove it.")
        table.require_unique("name")
        rows, number = [], 0
        for row in table.rows:
            parts = [row[part] for part in COLUMNS[1:]]
            if not row["name"] or not all(re.fullmatch(r"\d{1,3}", part) and int(part) <= 255 for part in parts):
                raise DataError(f"Line {row.line} of {table.path} is “{shortened(','.join((row['name'], *parts)))}”, but a class has a name and a "
                                "colour, such as water,0,0,255. Correct the table.")
            first, none = row["name"].casefold() == BACKGROUND.name, NO_LABEL.fullmatch(row["name"])
            number += not (first or none)
            rows.append(ClassColor(UNLABELLED if none else 0 if first else number, row["name"], (int(parts[0]), int(parts[1]), int(parts[2]))))
        if number >= UNLABELLED:
            raise DataError(f"{table.path} has {number} classes, and label images tell at most {UNLABELLED - 1} apart. Join some of them.")
        return cls(table.path, rows)

    @classmethod
    def of(cls, rows: Iterable[dict]) -> LabelColors:
        """The colours of the rows value, name and color of a job's table of classes."""
        return cls("“Classes”", [ClassColor(int(row["value"]), row["name"], rgb(row["color"])) for row in rows if row["color"]])

    @property
    def table(self) -> list[dict]:
        """Rows value, name and color of its classes."""
        return [{"value": str(row.value), "name": row.name, "color": "#{:02x}{:02x}{:02x}".format(*row.color)}
                for row in sorted(self.rows, key=lambda row: row.value) if row.value != UNLABELLED]

    def values(self, pixels: np.ndarray, path: str) -> np.ndarray:
        """The values of colours (3, y, x), (y, x); 255 where a colour is not in the table, which is kept in `strange`."""
        codes = _code(np.where(pixels >= HALF, 255, 0) if self._pure else pixels.astype(np.int64))
        place = np.minimum(np.searchsorted(self._codes, codes), len(self._codes) - 1)
        known = self._codes[place] == codes
        if not known.all():
            self._first = self._first or path
            for code, pixels_of in zip(*np.unique(codes[~known], return_counts=True), strict=True):
                self.strange[int(code)] = self.strange.get(int(code), 0) + int(pixels_of)
        return np.where(known, self._values[place], UNLABELLED)

    def tell(self, progress: Progress) -> None:
        """Says, once all label images are read, which rows are no label, and which colours were in no row."""
        for row in self.rows:
            if row.value == UNLABELLED:
                progress.message(f"“{row.name}” of {self.path} is no label: its pixels are ignored.")
        if self.strange:
            progress.message(f"Label images have colours that are not in {self.path}; these pixels have no label: {self.words}, first in "
                             f"{self._first}.", level="warning")

    @property
    def words(self) -> str:
        """The colours in no row, the most frequent first."""
        most = sorted(self.strange, key=lambda code: -self.strange[code])
        return listed([f"{_words((code >> 16, code >> 8 & 255, code & 255))} ({self.strange[code]} px)" for code in most], 4)


class ColoredLabels(Picture):
    """A label image in grey or in colours, read as one band of values.

    Args:
        tree: where it lies.
        name: its path in there.
        colors: what its colours mean; None where its greys are the values.
    """

    def __init__(self, tree: Tree, name: str, colors: LabelColors | None) -> None:
        super().__init__(tree, name)
        self._colors = colors

    def __enter__(self) -> ColoredLabels:
        super().__enter__()
        self.count = len(self.header.bands)
        if self.count == 3:
            self.header = replace(self.header, bands=self.header.bands[:1])
        return self

    def read(self, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Values (1, y, x) of a window inside the picture and which pixels hold one, bool (y, x).

        Raises:
            DataError: colours, and there is no table of them.
        """
        pixels, valid = super().read(window)
        if self._colors:
            return self._colors.values(np.broadcast_to(pixels, (3, *pixels.shape[1:])), self.path)[None], valid
        if (pixels != pixels[:1]).any():
            raise DataError(f"{self.path} is a label image in colours, and nothing says which colour is which class. Put a table {CLASS_TABLE} with "
                            "the headings name,r,g,b beside the data, or give “Classes” with their colours.")
        return pixels[:1], valid

    def classes(self, progress: Progress = SILENT) -> dict[int, NamedClass]:
        """See `Picture.classes`; none of a picture in colours."""
        return super().classes(progress) if self.count == 1 and not self._colors else {}

    def check(self) -> None:
        """Holds the label image against the table of colours.

        Raises:
            DataError: it is grey and the table has colours, or it has none of its colours.
        """
        if not self._colors or self.count not in (1, 3):
            return
        if self.count == 1 and not self._colors.grey:
            raise DataError(f"{self.path} has one band, but the classes of {self._colors.path} have colours. Choose label images in colour, or "
                            "remove the table.")
        before = dict(self._colors.strange)
        if all((self.read(window)[0] == UNLABELLED).all() for window in self.pieces(PIECE)) and self._colors.strange:
            raise DataError(f"{self.path} has none of the colours of {self._colors.path}, but {self._colors.words}. {ADVICE}")
        self._colors.strange = before


def _code(color: np.ndarray) -> np.ndarray:
    """Colours (3, …) as one number each."""
    return color[0] << 16 | color[1] << 8 | color[2]


def _words(color: tuple[int, int, int]) -> str:
    return "{}, {}, {}".format(*color)

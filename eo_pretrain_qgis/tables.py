"""Tables as text: CSV read as spreadsheets write it, and written so that a spreadsheet computes nothing."""

from __future__ import annotations

import codecs
import csv
import io
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from .errors import DataError
from .markup import writable
from .outputs import explained

DELIMITERS = (",", ";", "\t")
#: Largest table read [byte]: of incidence angles a few megabytes, of dates far less.
LARGEST = 512 * 2**20
#: Characters of a value that a message quotes.
QUOTED = 80
SAVE_ANEW = "Save it as “CSV UTF-8”, as spreadsheets offer it, and choose it again."

COLOR = re.compile(r"#[0-9a-fA-F]{6}")

_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32"), (codecs.BOM_UTF32_BE, "utf-32"),
          (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
#: What Windows-1252 makes of other code pages: marks and fractions inside a word, capitals after small letters, or more accents in a row
#: than Western languages have.
_DOUBTFUL = re.compile(
    "[a-zA-Zß-öø-ÿ](?:[‚ƒ„†‡ˆ‰‹]|[€…•™¡¢£¤¥¦§¨©¬®¯±²³´¶¸¹¼½¾¿“”][a-zß-öø-ÿ])|[a-zß-öø-ÿ][ŠŒŽŸ]"
    "|[A-ZÀ-ÖØ-Þ][ŠŒŽŸ][a-zß-öø-ÿ]|[À-ÃÅ-ÕØ-ÛÝÞà-ãå-õø-ûý-ÿ]{5}")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER = re.compile(r"[-+]?(\d+([.,]\d*)?|[.,]\d+)([eE][-+]?\d{1,4})?")
#: What a spreadsheet takes for a formula, also in full width as some do, and such text that has been defused already.
_FORMULA = re.compile("'*[=+\\-@\t\r\n＝＋－＠]")


@dataclass(frozen=True)
class Line:
    """The cells of a line, and its number in the file, from 1."""

    number: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Row:
    """A row of a table: heading → cell, and the number of its line in the file."""

    line: int
    cells: dict[str, str]

    def __getitem__(self, heading: str) -> str:
        """The cell below a heading; empty where the row or the table does not reach so far."""
        return self.cells.get(heading, "")


@dataclass(frozen=True)
class Table:
    """A table with headings, in lower case.

    Attributes:
        path: for messages.
        headings: from left to right.
        rows: without empty ones.
        delimiter: what the cells stand between.
    """

    path: str
    headings: tuple[str, ...]
    rows: tuple[Row, ...]
    delimiter: str

    def require(self, columns: Sequence[str], advice: str) -> None:
        """Checks that columns are there.

        Raises:
            DataError: naming the first that is not, and the headings; `advice` says what to do.
        """
        for column in columns:
            if column not in self.headings:
                raise DataError(f"{self.path} has no column “{column}”; it has {shortened(', '.join(self.headings)) or 'none'}. {advice}")

    def require_unique(self, column: str) -> None:
        """Checks that no cell of a column stands twice.

        Raises:
            DataError: naming the second line that holds it.
        """
        seen: set[str] = set()
        for row in self.rows:
            if row[column] in seen:
                raise DataError(f"Line {row.line} of {self.path} has the {column} “{shortened(row[column])}” a second time. Keep one of the lines.")
            seen.add(row[column])

    def numbers(self, heading: str, name: str = "") -> list[float]:
        """A column of numbers, with a point or, as in German, a comma before the fraction.

        Args:
            heading: of the column.
            name: what messages call it, if not by its heading.

        Raises:
            DataError: naming the line whose cell is no number, or the column that could be read in two ways.
        """
        cells, name = [row[heading] for row in self.rows], name or heading
        dotted = next((cell for cell in cells if "." in cell), "")
        comma = next((cell for cell in cells if "," in cell and (dotted or (self.delimiter == "," and re.search(r",\d{3}$", cell)))), "")
        if comma:
            other = f" beside “{shortened(dotted)}”" if dotted else ""
            raise DataError(f"{self.path} has “{shortened(comma)}”{other} in the column {name}, so that the comma may stand before a fraction or "
                            "between thousands. Write numbers with a point and without marks between thousands.")
        found = []
        for row, cell in zip(self.rows, cells):
            number = float(cell.replace(",", ".")) if _NUMBER.fullmatch(cell) else math.nan
            if not math.isfinite(number):
                raise DataError(f"Line {row.line} of {self.path} has “{shortened(cell)}” in the column {name}, which is no number. "
                                "Correct the table.")
            found.append(number)
        return found


def read_table(path: str | Path, known: Iterable[str] = ()) -> Table:
    """Reads a table from a file; see `parse_table`."""
    return parse_table(file_content(path), str(path), known)


def parse_table(content: bytes, path: str, known: Iterable[str] = ()) -> Table:
    """Reads a table whose first line names the columns.

    Args:
        content: of the file.
        path: its name, for messages.
        known: headings, in lower case, that may be there once only; of others that are there twice the first counts.

    Raises:
        DataError: no text, quotes left open, a row with more cells than there are headings, or a known heading that is there twice.
    """
    lines, delimiter = _lines(decoded(content, path), path)
    if not lines:
        return Table(path, (), (), delimiter)
    headings = tuple(cell.lower() for cell in lines[0].cells)
    twice = next((heading for heading in known if headings.count(heading) > 1), "")
    if twice:
        raise DataError(f"{path} has the column “{twice}” twice. Rename one of the two.")
    rows = []
    for line in lines[1:]:
        if any(line.cells[len(headings):]):
            raise DataError(f"Line {line.number} of {path} has {len(line.cells)} cells, but its heading names {len(headings)} columns. Put text "
                            f"that holds “{_named(delimiter)}” in double quotes, or name all columns.")
        rows.append(Row(line.number, dict(reversed(list(zip(headings, line.cells))))))
    return Table(path, tuple(heading for heading in headings if heading), tuple(rows), delimiter)


def parse_lines(content: bytes, path: str) -> list[Line]:
    """The cells of all lines that are not empty, of a table that may have no heading.

    Raises:
        DataError: no text, or quotes left open.
    """
    return _lines(decoded(content, path), path)[0]


def file_content(path: str | Path) -> bytes:
    """The bytes of a table.

    Raises:
        DataError: a file that cannot be read, or that is too large to be such a table.
    """
    try:
        with Path(path).open("rb") as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise DataError(f"{path} cannot be read ({reason}). Check that the file exists and may be read.") from None
    if len(content) > LARGEST:
        raise DataError(f"{path} is larger than {LARGEST / 2**20:.0f} MB, too much for a table as is asked for here. Choose another file.")
    return content


def decoded(content: bytes, path: str) -> str:
    """The text of a file: UTF-8, UTF-16 as its first bytes say, or Windows-1252, which spreadsheets write in Western Europe.

    Raises:
        DataError: bytes that are no text, or text of another encoding.
    """
    encoding = next((encoding for mark, encoding in _MARKS if content.startswith(mark)), "")
    try:
        text = content.decode(encoding or "utf-8").lstrip("\ufeff")
    except UnicodeDecodeError as error:
        if encoding:
            raise DataError(f"{path} begins as {encoding.upper()}, but is none from byte {error.start} on. {SAVE_ANEW}") from None
        text = _western(content, path)
    text = text.rstrip("\x1a")  # the end of a file of DOS
    strange = _CONTROL.search(text)
    if strange:
        line = 1 + len(re.findall("\r\n?|\n", text[:strange.start()]))
        raise DataError(f"Line {line} of {path} holds the character U+{ord(strange[0]):04X}, which is no text. {SAVE_ANEW}")
    return text


def write_table(path: str | Path, rows: Iterable[Sequence[object]]) -> None:
    """Writes a table in UTF-8; text that a spreadsheet would take for a formula is defused, and `read_table` reads it as it was.

    Raises:
        DataError: disk full, or not permitted.
    """
    with explained(path), Path(path).open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([defused(cell) for cell in row] for row in rows)


def defused(cell: object) -> object:
    """A cell as it may be written: “'” before text that begins as a formula, as OWASP advises (CSV Injection); numbers stay numbers."""
    if not isinstance(cell, str):
        return cell
    cell = writable(cell)
    return "'" + cell if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def restored(cell: str) -> str:
    """The text of a cell that `defused` may have written."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def shortened(text: str, most: int = QUOTED) -> str:
    """A value as a message may quote it, on one line."""
    plain = writable(" ".join(text.split()))
    return plain if len(plain) <= most else plain[:most - 1] + "…"


def _western(content: bytes, path: str) -> str:
    """Bytes that are no UTF-8, as Windows-1252."""
    damaged = content.decode("utf-8", "replace")
    try:
        text = content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is neither UTF-8 nor Windows-1252 (byte {error.start}). {SAVE_ANEW}") from None
    if any(ord(character) > 127 and character != "\ufffd" for character in damaged):
        raise DataError(f"{path} is UTF-8 in one part and not in another. {SAVE_ANEW}")
    for number, line in enumerate(re.split("\r\n?|\n", text), 1):
        doubt = _DOUBTFUL.search(line)
        if doubt:
            words = line[:doubt.start()].split(" ")[-1] + line[doubt.start():].split(" ")[0]
            raise DataError(f"{path} is not UTF-8, and read as Windows-1252 line {number} holds “{shortened(words)}”. {SAVE_ANEW}")
    return text


def _lines(text: str, path: str) -> tuple[list[Line], str]:
    """The lines that are not empty, and the delimiter."""
    stream = io.StringIO(text, newline=None)  # a lone CR, as old Macs write it, ends a line as well
    first = next((line for line in stream if line.strip()), "")
    told = re.fullmatch(r"\s*\"?sep=(.)\"?\s*", first)  # as spreadsheets write it for each other
    plain = re.sub('"[^"]*"', "", first)
    delimiter = told[1] if told and told[1] in DELIMITERS else max(DELIMITERS, key=plain.count)
    stream.seek(0)
    reader = csv.reader(stream, delimiter=delimiter, strict=True)
    found: list[Line] = []
    number = 1
    try:
        for cells in reader:
            if any(map(str.strip, cells)) and not (told and not found and cells[0].strip().lower().startswith("sep=")):
                found.append(Line(number, tuple(restored(re.sub("[\r\n]+", " ", cell).strip()) for cell in cells)))
            number = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"Line {number} of {path} cannot be read ({error}). Check that double quotes are closed and doubled inside text.") from None
    return found, delimiter


def _named(delimiter: str) -> str:
    return "tab" if delimiter == "\t" else delimiter

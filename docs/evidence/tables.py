"""Writes the tables of these pages from the figures in data/. Run by `make docs`; a test holds the pages against it.

    python3 docs/evidence/tables.py

A page says where a table stands and which file it comes from:

    <!-- table: roads -->
    <!-- end -->

data/roads.csv has one of two forms. With a column “value” each row is one figure. The columns before “value” name it: the last of them becomes a
column of the table, the others its row. “half_width”, “lowest”, “highest” and “note” are optional. This is what the benchmarks write
(benchmarks/figures.py). Without a column “value” the file is the table itself. In it {roads: inner: network: f1} stands for a figure of another
file, so that no figure is written twice.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

FOLDER = Path(__file__).parent
#: A table in a page: its name, and what was written there before.
PLACE = re.compile(r"<!-- table: (\w+) -->\n(.*?)<!-- end -->", re.DOTALL)
REFERENCE = re.compile(r"\{(\w+(?:: [^{}:]+)+)\}")


def read(name: str) -> list[dict[str, str]]:
    """The rows of a file of figures."""
    with (FOLDER / "data" / f"{name}.csv").open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def shown(row: dict[str, str]) -> str:
    """A figure with what is known of its spread."""
    text = row["value"]
    if row.get("half_width"):
        text += f" ± {row['half_width']}"
    elif row.get("lowest"):
        text += f" ({row['lowest']} to {row['highest']})"
    return f"{text} ({row['note']})" if row.get("note") else text


def figures(name: str) -> dict[tuple[str, ...], str]:
    """Labels of each figure of a file → the figure as it is shown."""
    found: dict[tuple[str, ...], str] = {}
    for row in read(name):
        labels = tuple(list(row.values())[:list(row).index("value")])
        if labels in found:
            raise ValueError(f"data/{name}.csv has two figures for {', '.join(labels)}. Remove one.")
        found[labels] = shown(row)
    return found


def referred(match: re.Match[str]) -> str:
    """The figure that {file: label: label} stands for."""
    name, *labels = match[1].split(": ")
    try:
        return figures(name)[tuple(labels)]
    except KeyError:
        raise ValueError(f"data/{name}.csv has no figure for {', '.join(labels)}, which {match[0]} asks for. Correct the labels.") from None


def grid(name: str) -> list[list[str]]:
    """A table as lines of cells, its head first."""
    rows = read(name)
    head = list(rows[0])
    if "value" not in head:
        return [head, *([REFERENCE.sub(referred, cell) for cell in row.values()] for row in rows)]
    keys = head[:head.index("value")]
    found = figures(name)
    columns = list(dict.fromkeys(labels[-1] for labels in found))
    lines = dict.fromkeys(labels[:-1] for labels in found)
    return [[*keys[:-1], *columns], *([*line, *(found.get((*line, column), "") for column in columns)] for line in lines)]


def table(name: str) -> str:
    """A table in Markdown."""
    head, *lines = grid(name)
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *lines))


def filled(page: str) -> str:
    """The text of a page with its tables as they should be."""
    return PLACE.sub(lambda place: f"<!-- table: {place[1]} -->\n{table(place[1])}\n<!-- end -->", page)


def main() -> None:
    """Writes the tables of all pages in this folder."""
    for path in sorted(FOLDER.glob("*.md")):
        path.write_text(filled(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

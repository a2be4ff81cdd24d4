"""Self-contained HTML reports: text, tables, curves and pictures in one file, without a server or a network."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.image import imsave

from ...markup import escaped
from ...outputs import new_file

matplotlib.rcParams["text.parse_math"] = False  # a “$” in the name of a class or a band begins no formula

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; color: #1c2733; background: #fff; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.15rem; margin-top: 2rem; border-bottom: 1px solid #d5dce3; }
table { border-collapse: collapse; margin: .6rem 0; } th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #e6ebf0; }
th:first-child, td:first-child { text-align: left; } th { color: #51606f; font-weight: 600; }
img, svg { max-width: 100%; height: auto; } .chip { display: inline-block; width: .9em; height: .9em; margin: 0 .35em 0 .8em; }
"""


def write_page(path: str, title: str, sections: Iterable[str]) -> None:
    """Writes the page aside and renames it, so that a browser never loads half of it."""
    body = "\n".join(sections)
    page = (f"<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{escaped(title)}</title><style>{STYLE}</style></head>\n"
            f"<body><h1>{escaped(title)}</h1>\n{body}\n</body></html>\n")
    with new_file(path) as part:
        part.write_text(page, encoding="utf-8")


def heading(text: str) -> str:
    """A heading of the second level."""
    return f"<h2>{escaped(text)}</h2>"


def paragraph(text: str) -> str:
    """A paragraph of plain text."""
    return f"<p>{escaped(text)}</p>"


def bullets(texts: Iterable[str]) -> str:
    """A list of sentences."""
    return "<ul>" + "".join(f"<li>{escaped(text)}</li>" for text in texts) + "</ul>"


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table; numbers with a fraction get three digits, None a dash."""
    lines = ["".join(f"<th>{escaped(str(cell))}</th>" for cell in head)]
    lines += ["".join(f"<td>{escaped(_text(cell))}</td>" for cell in row) for row in rows]
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table>"


def legend(names: Sequence[str], colors: Sequence[str]) -> str:
    """Class names with their colours."""
    chips = (f"<span class=\"chip\" style=\"background:{escaped(color)}\"></span>{escaped(name)}" for name, color in zip(names, colors))
    return f"<p>{''.join(chips)}</p>"


def curves(panels: Sequence[tuple[str, dict[str, Sequence[float | None]]]]) -> str:
    """Line charts side by side, as SVG.

    Args:
        panels: title and named series over the epochs 1, 2, …; None leaves a gap.
    """
    figure = Figure(figsize=(4.6 * len(panels), 3), layout="constrained")
    for number, (title, series) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), number, title=title, xlabel="epoch")
        for name, values in series.items():
            points = [np.nan if value is None else value for value in values]
            axes.plot(range(1, len(points) + 1), points, label=name, marker="." if len(points) < 3 else None)
        axes.grid(alpha=0.3)
        if len(series) > 1:
            axes.legend(fontsize="x-small")
    return _svg(figure)


def reliability(series: dict[str, Sequence[tuple[float, float]]]) -> str:
    """What was said against what was found, both 0 to 1, of named series of points, as SVG; on the diagonal both are the same."""
    figure = Figure(figsize=(4, 4), layout="constrained")
    axes = figure.add_subplot(1, 1, 1, xlabel="probability that was given", ylabel="share that was right", xlim=(0, 1), ylim=(0, 1), aspect="equal")
    axes.plot((0, 1), (0, 1), color="0.6", linestyle="--", linewidth=1)
    for name, points in series.items():
        axes.plot(*zip(*points, strict=True), label=name, marker=".")
    axes.grid(alpha=0.3)
    axes.legend(fontsize="x-small")
    return _svg(figure)


def bars(names: Sequence[str], series: Sequence[tuple[str, Sequence[float | None], Sequence[float | None] | None]], unit: str) -> str:
    """Bars beside each other for each name, as SVG.

    Args:
        names: from top to bottom.
        series: label, values, and half of the interval of each, or None where there are none.
        unit: of the values.
    """
    figure = Figure(figsize=(7, 0.8 + 0.45 * len(names)), layout="constrained")
    axes = figure.add_subplot(xlabel=unit)
    height, places = 0.8 / len(series), np.arange(len(names))
    for number, (label, values, half_widths) in enumerate(series):
        lengths, reach = ([np.nan if value is None else value for value in row] for row in (values, half_widths or [None] * len(names)))
        axes.barh(places + number * height, lengths, height, xerr=None if np.isnan(reach).all() else reach, label=label, capsize=3)
    axes.set_yticks(places + height * (len(series) - 1) / 2, names)
    axes.invert_yaxis()
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter("{x:,.4g}")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize="x-small")
    return _svg(figure)


def _svg(figure: Figure) -> str:
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": "eo-pretrain"}):
        figure.savefig(buffer, format="svg", metadata={"Date": None})
    return re.sub(r"^.*?(?=<svg)", "", buffer.getvalue(), flags=re.DOTALL)


def picture(pixels: np.ndarray, text: str) -> str:
    """An image from uint8 (y, x, 3), with words for those who do not see it."""
    buffer = io.BytesIO()
    imsave(buffer, pixels, format="png")
    return f"<img alt=\"{escaped(text)}\" src=\"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}\">"


def gallery(pictures: Iterable[np.ndarray], captions: Iterable[str]) -> str:
    """Small images uint8 (y, x, 3) in rows, each with words under it."""
    return "".join("<figure style=\"display:inline-block;vertical-align:top;margin:.3rem;max-width:8rem;font-size:.75rem\">"
                   f"{picture(pixels, words)}<figcaption>{escaped(words)}</figcaption></figure>" for pixels, words in zip(pictures, captions))


def _text(cell: object) -> str:
    if cell is None:
        return "–"
    return f"{cell:.3f}" if isinstance(cell, float) else f"{cell:,}" if isinstance(cell, int) and not isinstance(cell, bool) else str(cell)


def with_interval(value: float | None, ends: Sequence[float] | None, digits: int = 3) -> str:
    """A figure and the ends of its interval for a cell: “0.713 (0.661 to 0.752)”."""
    if value is None:
        return "–"
    return f"{value:.{digits}f}" + ("" if ends is None else f" ({ends[0]:.{digits}f} to {ends[1]:.{digits}f})")

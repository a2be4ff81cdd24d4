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
from matplotlib.ticker import MaxNLocator

from ...markup import escaped, page_of
from ...outputs import new_file
from ...version import plugin_version

matplotlib.rcParams["text.parse_math"] = False  # a “$” in the name of a class or a band begins no formula

#: Title of the section that every report has.
NOT_SHOWN = "What this does not show"
#: Small diagrams in a row.
BESIDE = 4
#: Names beside each other in the legend of a line chart.
LEGEND_COLUMNS = 3
#: Ends every page.
FOOT = f"Made with EO Pretrain for QGIS {plugin_version()}. The page holds all that it shows; to print it, use the browser’s “Print” (A4)."


def write_page(path: str, title: str, sections: Iterable[str]) -> None:
    """Writes the page aside and renames it, so that a browser never loads half of it.

    Args:
        path: an .html file.
        title: in words.
        sections: HTML; the first says what was reached, see `lead`.
    """
    with new_file(path) as part:
        part.write_text(page_of(title, "\n".join(sections), FOOT), encoding="utf-8")


def lead(text: str) -> str:
    """The first sentences of a page: what was reached."""
    return f"<p class=\"lead\">{escaped(text)}</p>"


def caution(texts: Iterable[str]) -> list[str]:
    """What one must know before reading on, in a box under the title. Nothing without texts."""
    texts = list(texts)
    return [f"<div class=\"caution\">{''.join(paragraph(text) for text in texts)}</div>"] if texts else []


def not_shown(texts: Iterable[str]) -> list[str]:
    """The section on what a page does not show, which every report has."""
    return [heading(NOT_SHOWN), bullets(texts)]


def technical(rows: Iterable[tuple[str, object]]) -> list[str]:
    """What few readers want, folded at the end of a page; on paper only where it was unfolded before printing. Nothing without rows."""
    rows = list(rows)
    return [f"<details><summary>Technical details</summary>{facts_table(rows)}</details>"] if rows else []


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
    heads = "".join(f"<th>{escaped(str(cell))}</th>" for cell in head)
    lines = ("".join(f"<td>{escaped(_text(cell))}</td>" for cell in row) for row in rows)
    return f"<div class=\"wide\"><table><thead><tr>{heads}</tr></thead>" + "".join(f"<tr>{line}</tr>" for line in lines) + "</table></div>"


def shaded_table(head: Sequence[str], names: Sequence[str], shares: np.ndarray) -> str:
    """Shares of a whole (row, column), 0 to 1, in percent, the darker the more; a dash where there is no number."""
    heads = "".join(f"<th>{escaped(cell)}</th>" for cell in head)
    lines = []
    for name, row in zip(names, shares.tolist()):
        cells = (f"<td class=\"shaded\" style=\"background:rgba(31,119,180,{0.6 * share:.2f})\">{100 * share:.1f}</td>" if share == share else
                 "<td>–</td>" for share in row)
        lines.append(f"<tr><td>{escaped(name)}</td>{''.join(cells)}</tr>")
    return f"<div class=\"wide\"><table><thead><tr>{heads}</tr></thead>{''.join(lines)}</table></div>"


def facts_table(rows: Iterable[tuple[str, object]]) -> str:
    """What is known of something: a word and what it is, without a head."""
    lines = (f"<tr><td>{escaped(name)}</td><td>{escaped(_text(cell))}</td></tr>" for name, cell in rows)
    return f"<table class=\"facts\">{''.join(lines)}</table>"


def legend(names: Sequence[str], colors: Sequence[str]) -> str:
    """Class names with their colours."""
    chips = (f"<span class=\"chip\" style=\"background:{escaped(color)}\"></span>{escaped(name)}" for name, color in zip(names, colors))
    return f"<p>{''.join(chips)}</p>"


def curves(panels: Sequence[tuple[str, dict[str, Sequence[float | None]]]]) -> str:
    """Line charts side by side, as SVG.

    Args:
        panels: title and named series over the epochs 1, 2, …; None leaves a gap.
    """
    figure = Figure(figsize=(4.6 * len(panels), 3.4), layout="constrained")
    for number, (title, series) in enumerate(panels, 1):
        axes = figure.add_subplot(1, len(panels), number, title=title, xlabel="epoch")
        for name, values in series.items():
            points = [np.nan if value is None else value for value in values]
            axes.plot(range(1, len(points) + 1), points, label=name, marker="." if len(points) < 3 else None)
        axes.grid(alpha=0.3)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
        if len(series) > 1:  # under the diagram, where it hides no curve
            axes.legend(fontsize="x-small", loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=min(len(series), LEGEND_COLUMNS), frameon=False)
    return as_svg(figure)


def reliability(panels: dict[str, dict[str, Sequence[tuple[float, float]]]]) -> str:
    """What was said against what was found, both 0 to 1, as SVG; on the diagonal both are the same.

    Args:
        panels: title of a diagram, such as a class → name of a series → its points; they stand `BESIDE` in a row.
    """
    if not panels:
        return ""
    across = min(len(panels), BESIDE)
    down, side = -(-len(panels) // across), 4 if across == 1 else 2.6
    figure = Figure(figsize=(side * across, side * down + (across > 1)), layout="constrained")
    for number, (title, series) in enumerate(panels.items(), 1):
        axes = figure.add_subplot(down, across, number, title=title, xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.plot((0, 1), (0, 1), color="0.6", linestyle="--", linewidth=1)
        for name, points in series.items():
            axes.plot(*zip(*points, strict=True), label=name, marker=".")
        axes.grid(alpha=0.3)
    figure.supxlabel("probability that was given", fontsize="medium")
    figure.supylabel("share that was right", fontsize="medium")
    lines, labels = axes.get_legend_handles_labels()
    if across == 1:
        axes.legend(fontsize="x-small")
    else:
        figure.legend(lines, labels, loc="outside upper center", fontsize="x-small", ncols=len(labels))
    return as_svg(figure)


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
    return as_svg(figure)


def as_svg(figure: Figure) -> str:
    """A figure as text for a page, the same for the same figure."""
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

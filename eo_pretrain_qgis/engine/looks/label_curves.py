"""Curves of a score over the number of labels, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from .html_page import as_svg


def label_curves(curves: Mapping[str, Sequence[tuple[float, float, float | None]]], score: str) -> str:
    """One line for each curve, with the interval of each point.

    Args:
        curves: name → labels, score and half of its interval (None: there is none) of each point.
        score: what is on the axis, in words.
    """
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axes = figure.add_subplot(xlabel="labelled samples", ylabel=score, xscale="log")
    for number, (name, points) in enumerate(curves.items()):
        labels, scores, halves = (np.array([np.nan if value is None else value for value in row]) for row in zip(*points, strict=True))
        # Points that would hide each other's interval are set beside each other.
        beside = labels * 1.01 ** (number - len(curves) / 2)
        axes.errorbar(beside, scores, halves, label=name, marker=".", capsize=2, linestyle=("-", "--", ":", "-.")[number // 10 % 4])
    means = [point[1] for points in curves.values() for point in points]
    room = 0.1 * (max(means) - min(means)) + 0.02  # long intervals of few draws would hide the curves
    axes.set_ylim(min(means) - room, max(means) + room)
    places = sorted({point[0] for points in curves.values() for point in points})
    axes.set_xticks(places, [f"{place:.0f}" for place in places])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside right upper", fontsize="small")
    return as_svg(figure)


def plus_minus(value: float, half_width: float | None, sign: str = "") -> str:
    """A figure and half of its interval for a cell: “0.713 ± 0.020”."""
    return f"{value:{sign}.3f}" + ("" if half_width is None else f" ± {half_width:.3f}")

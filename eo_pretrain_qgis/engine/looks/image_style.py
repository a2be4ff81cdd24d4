"""QGIS style of an image: three bands as red, green and blue, or one in grey, stretched between two values each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .class_style import raster_qml

_COLOURS = ("red", "green", "blue")


@dataclass(frozen=True)
class ShownBand:
    """A band, counted from 1, and the stored values that become black and full colour."""

    number: int
    low: float
    high: float


def image_qml(shown: Sequence[ShownBand], parts: str = "Symbology", more: str = "") -> str:
    """The text of a .qml.

    Args:
        shown: bands for red, green and blue; another number of them shows the first in grey.
        parts: see `class_style.raster_qml`, as `more`.
        more: further elements, such as notes.
    """
    if len(shown) == len(_COLOURS):
        bands = " ".join(f'{colour}Band="{band.number}"' for colour, band in zip(_COLOURS, shown, strict=True))
        content = "".join(_stretch(f"{colour}ContrastEnhancement", band) for colour, band in zip(_COLOURS, shown, strict=True))
        return raster_qml(f'type="multibandcolor" opacity="1" alphaBand="-1" nodataColor="" {bands}', content, parts, more)
    attributes = f'type="singlebandgray" opacity="1" alphaBand="-1" nodataColor="" gradient="BlackToWhite" grayBand="{shown[0].number}"'
    return raster_qml(attributes, _stretch("contrastEnhancement", shown[0]), parts, more)


def _stretch(element: str, band: ShownBand) -> str:
    return (f"      <{element}>\n        <minValue>{band.low:g}</minValue>\n        <maxValue>{band.high:g}</maxValue>\n"
            f"        <algorithm>StretchToMinimumMaximum</algorithm>\n      </{element}>\n")

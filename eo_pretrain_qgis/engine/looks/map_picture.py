"""A picture of a map with its scale bar and an arrow to the north, as one SVG."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence

import numpy as np
import pyproj
from matplotlib.axes import Axes
from matplotlib.image import imsave

from ...markup import escaped
from ..rasters.grid import Grid
from .place import LONLAT

#: Longest edge of the picture in units of the SVG, and the strip under it for the scale bar.
EDGE, STRIP = 900, 46
#: The bar is at most this share of the width of the map.
SHARE = 0.3
#: First digits of the length of a scale bar.
ROUND = (1, 2, 5)
INK = "#1c2733"
#: A step to the north, to see where that is on the map [degree].
STEP = 1e-3
#: A map is called turned from here on [degree].
TURNED = 5


def map_picture(pixels: np.ndarray, grid: Grid, words: str) -> str:
    """The picture.

    Args:
        pixels: of the whole map, uint8 (y, x, 3), the first row in the north of its grid; may have fewer pixels than that.
        grid: of the map.
        words: for those who do not see it.
    """
    across, down = (cells * size for cells, size in zip((grid.width, grid.height), grid.metres_per_pixel(), strict=True))
    scale = EDGE / max(across, down)
    width, height = max(across * scale, 1.0), max(down * scale, 1.0)
    frame = max(width, EDGE / 3)  # a narrow map leaves room for its bar all the same
    bar, text = scale_bar(SHARE * frame / scale)
    turn = north(grid)
    buffer = io.BytesIO()
    imsave(buffer, np.ascontiguousarray(pixels), format="png")
    turned = abs(turn) >= TURNED
    return (f'<figure style="margin:.6rem 0"><svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {frame:.0f} {height + STRIP:.0f}" width="{frame:.0f}" role="img" aria-label="{escaped(words)}">'
            f"<title>{escaped(words)}</title>"
            f'<image width="{width:.1f}" height="{height:.1f}" preserveAspectRatio="none" style="image-rendering:pixelated" '
            f'xlink:href="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"/>'
            f'<rect width="{width:.1f}" height="{height:.1f}" fill="none" stroke="{INK}" stroke-width="0.8"/>'
            f'<g transform="translate(4 {height + 14:.1f})" stroke="{INK}" fill="{INK}" font-family="sans-serif" font-size="14">'
            f'<path d="M0 0v8h{bar * scale:.1f}v-8" fill="none" stroke-width="2"/><text y="25" stroke="none">{text}</text></g>'
            f'<g transform="translate({frame - 70:.1f} {height + STRIP / 2 + 2:.1f})" fill="{INK}" font-family="sans-serif" font-size="14">'
            f'<g transform="rotate({turn:.1f})"><path d="M0 -17L6 9L0 4L-6 9Z"/></g><text x="11" y="5">N{"*" if turned else ""}</text></g></svg>'
            + (f"<figcaption>* North is {abs(turn):.0f}° to the {'right' if turn > 0 else 'left'} of upward in the middle of the map.</figcaption>"
               if turned else "") + "</figure>")


def mark(axes: Axes, bounds: Sequence[float], crs: str) -> None:
    """Draws a scale bar and an arrow to the north under a map.

    Args:
        axes: of a diagram in units of a CRS.
        bounds: west, south, east, north of what is drawn there.
        crs: of these.
    """
    west, south, east, top = bounds
    if not (east > west and top > south):
        return
    grid = Grid(pyproj.CRS.from_user_input(crs).to_wkt(), (east - west, 0.0, west, 0.0, south - top, top), 1, 1)
    across = grid.metres_per_pixel()[0]
    metres, words = scale_bar(SHARE * across)
    length, line = metres / across * (east - west), south - 0.05 * (top - south)
    axes.plot([west, west + length], [line, line], color=INK, linewidth=2, solid_capstyle="butt")
    axes.annotate(words, (west + length / 2, line), (0, -4), textcoords="offset points", ha="center", va="top", fontsize="small")
    turn = math.radians(north(grid))
    away = (22 * math.sin(turn), 22 * math.cos(turn))
    axes.annotate("N", (0.97, 0.04), away, xycoords="axes fraction", textcoords="offset points", ha="center", va="center", fontsize="small",
                  arrowprops={"arrowstyle": "<|-", "color": INK})
    axes.set_ylim(bottom=south - 0.16 * (top - south))


def scale_bar(most: float) -> tuple[float, str]:
    """The longest round length that is at most so many metres, and its words: (2000.0, “2 km”)."""
    power = 10.0 ** math.floor(math.log10(most))
    length = max(first * power for first in ROUND if first * power <= most * (1 + 1e-9))
    return length, f"{length:g} m" if length < 1000 else f"{length / 1000:,.6g} km"


def north(grid: Grid) -> float:
    """By how much true north is to the right of upward in the middle of a grid [degree], −180 to 180."""
    longitude, latitude = grid.centre_lonlat()
    step = STEP if latitude < 0 else -STEP  # never across a pole
    forward = pyproj.Transformer.from_crs(LONLAT, grid.crs, always_xy=True)
    (x, x_on), (y, y_on) = forward.transform([longitude, longitude], [latitude, latitude + step])
    sign = 1 if step > 0 else -1
    return math.degrees(math.atan2(sign * (x_on - x), sign * (y_on - y)))

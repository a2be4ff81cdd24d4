"""A small map that says where on the Earth something lies: land and sea, meridians and parallels, and the place in red, as SVG.

The map is azimuthal equidistant around the middle of the place (Snyder 1987, Map Projections: A Working Manual, pp. 191-202, on the sphere), so it
can show every place, the poles and the 180th meridian too. Land and sea are those of Natural Earth (110 m, public domain), which odc-geo ships.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from functools import cache

import numpy as np
import shapely
from matplotlib.image import imsave

from ...markup import escaped

#: Size of the map [px], and of the squares in which land is told from sea.
WIDTH, HEIGHT, SQUARE = 300, 220, 2
#: From the middle to the upper edge [degree of the great circle]: at least, and at most, where it is half of the Earth.
LEAST, MOST = 10.0, 150.0
#: Room around the place.
ROOM = 1.6
#: Steps between meridians and parallels [degree].
STEPS = (2, 5, 10, 15, 30)
#: Lines of the graticule in half of the height, about.
LINES = 2.5
#: A place that is drawn smaller than this gets a ring around it [px].
SEEN = 8
#: Height of letters [px].
LETTER = 9
SEA, LAND, LINE, PLACE = (221, 232, 240), (246, 243, 234), "#9fb2c1", "#c8102e"


def locator(places: Sequence[shapely.Geometry], words: str) -> str:
    """The map.

    Args:
        places: polygons and points in longitude and latitude [degree].
        words: for those who do not see it.

    Returns:
        An SVG, empty where there are no places.
    """
    points = [part for part in map(shapely.get_coordinates, places) if len(part)]
    if not points:
        return ""
    middle = _middle(np.concatenate([part.mean(0, keepdims=True) for part in points]))
    far = max(float(np.hypot(*_seen_from(middle, part).T).max()) for part in points)
    reach = min(max(LEAST, ROOM * far), MOST)
    scale = HEIGHT / 2 / reach
    drawn = [_on_paper(middle, scale, part) for part in points]
    shapes = "".join(_outline(part) for part in drawn)
    everywhere = np.concatenate(drawn)
    ring = "" if np.ptp(everywhere, axis=0).max() >= SEEN else _ring(everywhere.mean(0))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{escaped(words)}" '
            f'style="border:1px solid {LINE}"><title>{escaped(words)}</title>'
            f'<image width="{WIDTH}" height="{HEIGHT}" xlink:href="data:image/png;base64,{_land(middle, scale)}"/>'
            f'<g fill="none" stroke="{LINE}" stroke-width="0.6">{_graticule(middle, scale, reach)}</g>'
            f'<g fill="{PLACE}" fill-opacity="0.25" stroke="{PLACE}" stroke-width="1.5">{shapes}{ring}</g></svg>')


def _middle(points: np.ndarray) -> tuple[float, float]:
    """Longitude and latitude of the middle of points (n, 2) on the sphere [degree]."""
    longitude, latitude = np.radians(points).T
    x, y, z = (np.mean(axis) for axis in (np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude), np.sin(latitude)))
    return float(np.degrees(np.arctan2(y, x))), float(np.degrees(np.arctan2(z, np.hypot(x, y))))


def _seen_from(middle: tuple[float, float], points: np.ndarray) -> np.ndarray:
    """Points (n, 2) in longitude and latitude as x to the east and y to the north of the middle (n, 2) [degree of the great circle]."""
    (first, lower), (longitude, latitude) = np.radians(middle), np.radians(points).T
    turn = longitude - first
    x = np.cos(latitude) * np.sin(turn)
    y = np.cos(lower) * np.sin(latitude) - np.sin(lower) * np.cos(latitude) * np.cos(turn)
    along = np.sin(lower) * np.sin(latitude) + np.cos(lower) * np.cos(latitude) * np.cos(turn)
    length = np.hypot(x, y)
    stretch = np.degrees(np.arctan2(length, along)) / np.maximum(length, 1e-12)
    return np.column_stack([x * stretch, y * stretch])


def _on_earth(middle: tuple[float, float], plane: np.ndarray) -> np.ndarray:
    """The way back of `_seen_from`; not a number beyond half of the Earth."""
    first, lower = np.radians(middle)
    x, y = plane.T
    length = np.hypot(x, y)
    angle = np.radians(np.where(length <= 180, length, np.nan))
    unit = np.maximum(length, 1e-12)
    latitude = np.arcsin((np.cos(angle) * np.sin(lower) + y / unit * np.sin(angle) * np.cos(lower)).clip(-1, 1))
    longitude = first + np.arctan2(x / unit * np.sin(angle), np.cos(lower) * np.cos(angle) - np.sin(lower) * y / unit * np.sin(angle))
    return np.column_stack([(np.degrees(longitude) + 180) % 360 - 180, np.degrees(latitude)])


def _on_paper(middle: tuple[float, float], scale: float, points: np.ndarray) -> np.ndarray:
    """Points (n, 2) in longitude and latitude as pixels of the map (n, 2)."""
    return _seen_from(middle, points) * (scale, -scale) + (WIDTH / 2, HEIGHT / 2)


@cache
def _ocean() -> shapely.Geometry:
    """The oceans in longitude and latitude."""
    from odc.geo.data import ocean_geom

    ocean = shapely.make_valid(ocean_geom().geom)
    shapely.prepare(ocean)
    return ocean


def _land(middle: tuple[float, float], scale: float) -> str:
    """Land and sea as a picture, for a data address."""
    across, down = (np.arange(0, size, SQUARE) + SQUARE / 2 for size in (WIDTH, HEIGHT))
    x, y = np.meshgrid((across - WIDTH / 2) / scale, (HEIGHT / 2 - down) / scale)
    places = _on_earth(middle, np.column_stack([x.ravel(), y.ravel()]))
    known = np.isfinite(places).all(1)
    pixels = np.full((len(places), 3), 255, np.uint8)
    pixels[known] = np.where(shapely.contains_xy(_ocean(), places[known])[:, None], SEA, LAND)
    buffer = io.BytesIO()
    imsave(buffer, pixels.reshape(*x.shape, 3), format="png")
    return base64.b64encode(buffer.getvalue()).decode()


def _graticule(middle: tuple[float, float], scale: float, reach: float) -> str:
    """Meridians and parallels, each with its degrees where it leaves the map below or on the left."""
    step = next((step for step in STEPS if reach / step <= LINES), STEPS[-1])
    apart = next((wide for wide in STEPS if wide * np.cos(np.radians(middle[1])) >= 0.7 * step), STEPS[-1])
    meridians = {float(degree): np.column_stack([np.full(681, degree), np.linspace(-85, 85, 681)]) for degree in np.arange(-180, 180, apart)}
    parallels = {float(degree): np.column_stack([np.linspace(-180, 180, 1441), np.full(1441, degree)]) for degree in np.arange(-90 + step, 90, step)}
    drawn, taken = "", np.full((1, 2), -999.0)
    for lines, letters, axis in ((parallels, "NS", 0), (meridians, "EW", 1)):
        for degree, line in lines.items():
            points = _on_paper(middle, scale, line)
            drawn += _path(points)
            inside = points[((points > 0) & (points < (WIDTH, HEIGHT))).all(1)]
            ends = inside[inside[:, 0] < SEEN] if axis == 0 else inside[inside[:, 1] > HEIGHT - SEEN]
            if not len(ends):
                continue
            place = np.array([3, ends[0, 1] - 2] if axis == 0 else [ends[0, 0] + 2, HEIGHT - 4]).clip(LETTER, (WIDTH - 4 * LETTER, HEIGHT - 4))
            if (np.abs(taken - place) > (4 * LETTER, 1.2 * LETTER)).any(1).all():
                taken = np.vstack([taken, place])
                letter = "" if degree in (0, -180) else letters[0 if degree > 0 else 1]
                drawn += (f'<text x="{place[0]:.1f}" y="{place[1]:.1f}" font-size="{LETTER}" font-family="sans-serif" fill="#3d4d5c" stroke="none">'
                          f"{abs(degree):g}°{letter}</text>")
    return drawn


def _path(points: np.ndarray) -> str:
    """Those parts of a line (n, 2) that the map shows."""
    near = np.asarray((np.abs(points - (WIDTH / 2, HEIGHT / 2)) < (WIDTH, HEIGHT)).all(axis=1))
    pieces = np.split(np.arange(len(points)), np.flatnonzero(~near[1:] | ~near[:-1]) + 1)
    return "".join('<polyline points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in points[piece]) + '"/>' for piece in pieces if len(piece) > 1)


def _outline(points: np.ndarray) -> str:
    """A place (n, 2) on paper: its outline, or a dot where it is a point."""
    if len(points) == 1:
        return f'<circle cx="{points[0, 0]:.1f}" cy="{points[0, 1]:.1f}" r="2"/>'
    return '<polygon points="' + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + '"/>'


def _ring(point: np.ndarray) -> str:
    return f'<circle cx="{point[0]:.1f}" cy="{point[1]:.1f}" r="{SEEN}" fill="none"/>'

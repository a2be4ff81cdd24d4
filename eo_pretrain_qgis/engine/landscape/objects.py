"""The things a landscape is made of: kinds of surface, and every single object with its own look.

A pixel is a mixture of objects; an object is a mixture of materials that changes with the day of the year (linear
spectral mixing: Adams, Smith and Johnson 1986, doi 10.1029/JB091iB08p08098). Objects of one kind differ in
brightness, soil, vigour and timing, so that kinds overlap in every band.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields

import numpy as np

from . import crops
from .spectra import MATERIALS, SPECTRA, WAVELENGTHS, material


@dataclass(frozen=True)
class LandCover:
    """A class of the land cover map; `lc100` is its code in the Copernicus 100 m map."""

    value: int
    name: str
    color: str
    lc100: int


LAND_COVER = (
    LandCover(1, "Water", "#2b7bba", 80),
    LandCover(2, "Forest", "#1d7a3c", 115),
    LandCover(3, "Cropland", "#e6c35c", 40),
    LandCover(4, "Grassland", "#a6d96a", 30),
    LandCover(5, "Built-up", "#c0392b", 50),
    LandCover(6, "Bare", "#a89f91", 60),
)


@dataclass(frozen=True)
class Kind:
    """A kind of surface.

    Attributes:
        land_cover: value in the map, or 0 for roads, which are lines and take the class of what is around them.
        mixture: materials and their shares; empty for fields, trees and grass, whose mixture depends on the day.
        spread: standard deviation of the logarithm of brightness between objects.
        crowns, patches: amplitude of the crown shading and of the slow variation within an object.
        vv, vh: mean backscatter in dB at 37° (see `radar`); None where the crop decides.
    """

    name: str
    land_cover: int
    mixture: dict[str, float] = field(default_factory=dict)
    spread: float = 0.1
    crowns: float = 0.02
    patches: float = 0.0
    vv: float | None = None
    vh: float | None = None


KINDS = (
    Kind("field", 3, spread=0.15, crowns=0.025, patches=0.10),
    Kind("grass", 4, spread=0.14, crowns=0.04, patches=0.11, vv=-12.2, vh=-18.5),
    Kind("broadleaf", 2, spread=0.17, crowns=0.17, patches=0.06, vv=-9.3, vh=-14.6),
    Kind("conifer", 2, spread=0.15, crowns=0.15, patches=0.04, vv=-10.4, vh=-15.6),
    Kind("river", 1, {"silty water": 0.75, "clear water": 0.25}, 0.10, 0.01, vv=-19.0, vh=-27.5),
    Kind("lake", 1, {"clear water": 0.8, "silty water": 0.2}, 0.15, 0.01, vv=-20.5, vh=-28.5),
    Kind("garden", 5, spread=0.15, crowns=0.12, patches=0.06, vv=-9.8, vh=-15.2),
    Kind("yard", 5, {"paving": 0.55, "asphalt": 0.25, "dark soil": 0.1, "grass leaf": 0.1}, 0.14, 0.05, vv=-11.5, vh=-18.5),
    Kind("red roof", 5, {"red tile": 0.85, "shade": 0.15}, 0.18, 0.03, vv=-2.0, vh=-9.5),
    Kind("grey roof", 5, {"grey roof": 0.8, "shade": 0.2}, 0.2, 0.03, vv=-2.0, vh=-9.5),
    Kind("hall", 5, {"white roof": 0.55, "grey roof": 0.4, "shade": 0.05}, 0.25, 0.03, vv=-1.0, vh=-9.5),
    Kind("asphalt", 0, {"asphalt": 0.95, "grass leaf": 0.05}, 0.08, 0.03, vv=-16.5, vh=-24.5),
    Kind("gravel road", 0, {"gravel": 0.6, "dark soil": 0.15, "grass leaf": 0.25}, 0.12, 0.05, vv=-13.0, vh=-21.0),
    Kind("quarry", 6, {"limestone": 0.5, "gravel": 0.2, "pale soil": 0.2, "shade": 0.1}, 0.15, 0.07, 0.12, vv=-10.5, vh=-18.5),
    Kind("open soil", 6, {"pale soil": 0.45, "dark soil": 0.3, "gravel": 0.17, "grass leaf": 0.08}, 0.15, 0.07, 0.10, vv=-11.0, vh=-19.5),
)
CODE = {kind.name: code for code, kind in enumerate(KINDS)}
ROOFS = tuple(CODE[name] for name in ("red roof", "grey roof", "hall"))


def of_kinds(attribute: str) -> np.ndarray:
    """An attribute of every kind as an array; None becomes NaN."""
    values = [getattr(kind, attribute) for kind in KINDS]
    return np.array([np.nan if value is None else value for value in values], np.float32)


@dataclass
class Objects:
    """Columns of all objects; the row number is the number painted on the fine grid. Row 0 is land nobody claimed:
    grass.
    """

    kind: np.ndarray
    crop: np.ndarray
    shift: np.ndarray
    vigour: np.ndarray
    brightness: np.ndarray
    tilt: np.ndarray
    paleness: np.ndarray
    angle: np.ndarray
    period: np.ndarray
    loudness: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def land_cover(self) -> np.ndarray:
        """Land cover value of each object, 0 for roads, uint8."""
        values = np.array([kind.land_cover for kind in KINDS], np.uint8)[self.kind]
        return np.where((self.kind == CODE["field"]) & (self.crop == crops.GRASSLAND), 4, values).astype(np.uint8)

    def texture(self) -> np.ndarray:
        """Amplitudes (object, 3) of crown shading, of patches and of rows."""
        rows = np.array([crop.row_contrast for crop in crops.CROPS], np.float32)[self.crop]
        rows = np.where(self.kind == CODE["field"], rows, 0)
        crowns = of_kinds("crowns")[self.kind]
        plantation = (self.kind == CODE["field"]) & (self.crop == crops.PERMANENT)
        return np.stack([np.where(plantation, 0.09, crowns), of_kinds("patches")[self.kind], rows], 1).astype(np.float32)

    def mixtures(self, day: float) -> np.ndarray:
        """Shares (object, material) on a day of the year; a row adds up to 1."""
        shares = np.zeros((len(self), len(MATERIALS)), np.float32)
        for code, kind in enumerate(KINDS):
            for name, share in kind.mixture.items():
                shares[self.kind == code, material(name)] = share
        self._field(shares, day)
        self._grass(shares, day)
        self._trees(shares, day)
        return shares

    def spectra(self, day: float) -> np.ndarray:
        """Reflectance × 10000 of (object, band) under an even sky on a day of the year."""
        tilt = np.exp(self.tilt[:, None] * (WAVELENGTHS - 0.8)[None])
        return (self.mixtures(day) @ SPECTRA) * self.brightness[:, None] * tilt

    def green_cover(self, day: float) -> np.ndarray:
        """Share of the ground under living leaves, 0 to 1."""
        leaves = [material(name) for name in ("crop leaf", "grass leaf", "broad leaf", "needle", "bloom")]
        return self.mixtures(day)[:, leaves].sum(1)

    def _soil(self, shares: np.ndarray, rows: np.ndarray, amount: np.ndarray) -> None:
        shares[rows, material("pale soil")] += amount * self.paleness[rows]
        shares[rows, material("dark soil")] += amount * (1 - self.paleness[rows])

    def _cut(self, rows: np.ndarray, day: float) -> np.ndarray:
        """What mowing leaves of the green cover: three cuts, each grown over after five weeks; each meadow has its
        own days.
        """
        left = np.ones(rows.sum())
        for first in (142, 196, 252):
            since = day - (first + 1.6 * self.shift[rows])
            left = np.where((since >= 0) & (since < 35), 0.45 + 0.55 * since / 35, left)
        return left

    def _field(self, shares: np.ndarray, day: float) -> None:
        rows = self.kind == CODE["field"]
        green, dry, bloom = crops.cover(self.crop[rows], self.shift[rows], self.vigour[rows], day)
        meadow = self.crop[rows] == crops.GRASSLAND
        cut = np.where(meadow, green * (1 - self._cut(rows, day)), 0)
        green, dry = green - cut, dry + 0.7 * cut
        shares[rows, material("grass leaf")] = np.where(meadow, green, 0)
        shares[rows, material("crop leaf")] = np.where(meadow, 0, green)
        shares[rows, material("dry plant")] = dry + np.where(meadow, 0.5 * (1 - green - dry), 0)
        shares[rows, material("bloom")] = bloom
        self._soil(shares, rows, 1 - shares[rows].sum(1))

    def _grass(self, shares: np.ndarray, day: float) -> None:
        for name, leaf, built in (("grass", 1.0, 0.0), ("garden", 0.62, 0.12)):
            rows = self.kind == CODE[name]
            everywhere = np.full(rows.sum(), crops.GRASSLAND)
            green, _, _ = crops.cover(everywhere, self.shift[rows], self.vigour[rows], day)
            shares[rows, material("grass leaf")] = green * leaf
            shares[rows, material("broad leaf")] = (1 - leaf) * 0.6 * self._foliage(rows, day)
            shares[rows, material("paving")] = built
            rest = 1 - shares[rows].sum(1)
            shares[rows, material("dry plant")] = 0.55 * rest
            self._soil(shares, rows, 0.45 * rest)

    def _foliage(self, rows: np.ndarray, day: float) -> np.ndarray:
        late = day - self.shift[rows]
        out = 1 / (1 + np.exp(-0.16 * (late - 116)))
        return (out / (1 + np.exp(0.10 * (late - 296)))).astype(np.float32)

    def _trees(self, shares: np.ndarray, day: float) -> None:
        rows = self.kind == CODE["broadleaf"]
        leaves = 0.84 * self._foliage(rows, day) * np.clip(self.vigour[rows], 0.7, 1.0)
        shares[rows, material("broad leaf")] = leaves
        shares[rows, material("needle")] = 0.06
        shares[rows, material("shade")] = 0.06 + 0.10 * (1 - leaves)
        rest = np.maximum(1 - shares[rows].sum(1), 0)
        shares[rows, material("dry plant")] = 0.45 * rest
        self._soil(shares, rows, 0.55 * rest)
        rows = self.kind == CODE["conifer"]
        leaves = 0.80 * np.clip(self.vigour[rows], 0.8, 1.05)
        shares[rows, material("needle")] = leaves * 0.9
        shares[rows, material("broad leaf")] = 0.1 * leaves * self._foliage(rows, day)
        shares[rows, material("shade")] = 0.12
        rest = np.maximum(1 - shares[rows].sum(1), 0)
        shares[rows, material("dry plant")] = rest


class ObjectTable:
    """Collects objects while the landscape is laid out."""

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng
        self._columns: dict[str, list[np.ndarray]] = {each.name: [] for each in fields(Objects)}
        self._count = 0
        self.add("grass", 1)

    def add(self, kind: str, count: int, crop: np.ndarray | int = 0, shift: np.ndarray | float = 0.0, angle: np.ndarray | float = 0.0) -> np.ndarray:
        """Makes `count` objects of a kind and returns their numbers.

        Args:
            kind: name of the kind.
            count: how many.
            crop: index into `crops.CROPS`, for fields.
            shift: days by which the place is late, to which every object adds its own.
            angle: direction of the rows in radians.
        """
        rng = self._rng
        soil = np.clip(rng.beta(2.2, 2.6, count), 0, 1)
        new = {
            "kind": np.full(count, CODE[kind], np.uint8),
            "crop": np.broadcast_to(np.asarray(crop, np.uint8), count),
            "shift": shift + rng.normal(0, 7, count),
            "vigour": np.clip(rng.normal(0.94, 0.13, count), 0.5, 1.12),
            "brightness": np.exp(rng.normal(0, KINDS[CODE[kind]].spread, count)),
            "tilt": rng.normal(0, 0.14, count),
            "paleness": soil,
            "angle": np.broadcast_to(np.asarray(angle, float), count),
            "period": rng.uniform(24, 48, count),
            "loudness": rng.normal(0, 1.1, count),
        }
        for name, values in new.items():
            self._columns[name].append(np.asarray(values))
        self._count += count
        return np.arange(self._count - count, self._count)

    def turn_into(self, kind: str, numbers: np.ndarray) -> None:
        """Makes objects of the kind added last into another kind."""
        start = self._count - len(self._columns["kind"][-1])
        self._columns["kind"][-1][numbers - start] = CODE[kind]

    def finish(self) -> Objects:
        """All objects as columns."""
        joined = {name: np.concatenate(chunks) for name, chunks in self._columns.items()}
        return Objects(**{name: column if column.dtype == np.uint8 else column.astype(np.float32) for name, column in joined.items()})

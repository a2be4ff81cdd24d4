"""How wide a border of a block depends on where the block ends, measured on a network that was translated, at places of real images."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from ...progress import SILENT, Progress
from ..cards import Input
from ..datasets.dataset import Dataset
from ..datasets.dates import read_series
from ..datasets.surroundings import Surroundings
from ..even_sample import even_sample
from ..models.kinds import LARGEST_BLOCK, block_sizes, up
from ..models.session import InferenceSession, RunOptions
from ..waiting import patiently

#: Scenes looked at, parts compared in the four quarters of the middle of each, edge of a part and of the middle [px]. No pixel of a part is farther
#: than half its edge from its border, as in the smallest blocks of a map. One part may be a lucky one: of 16 parts, between 0.04 and
#: 3.3 % of the classes changed with a halo of 32 px.
SCENES, PART, CORE = 4, 64, 128
HALO_STEP, LARGEST_HALO = 32, 256
REFERENCE_HALO = LARGEST_HALO + 32
#: Share of the classes that a halo may leave different from a larger one: of all parts, and of the worst but one in ten.
CHANGED_SHARE, CHANGED_QUANTILE, QUANTILE = 0.0005, 0.001, 0.9
#: Tiles of networks that see these as a whole.
TILES = 32
#: Borders tried for dated tiles, of which the last is farther than their network looks; places, dates and edge of a part compared; and the edge
#: of what is kept of a block, which is small because memory holds it once for each date.
DATED_HALOS, DATED_PLACES, DATED_DATES, DATED_PART, DATED_CORE = (32, 48, 64, 80), 3, 6, 64, 128
_TEXT = "Measuring the border that blocks need"


def scene_side(stride: int) -> int:
    """Height and width of the scenes that `measure_halo` needs [px], a multiple of `stride`."""
    return up(CORE, stride) + 2 * up(REFERENCE_HALO, stride)


def real_scenes(folder: str, seen: Input, stride: int) -> list[np.ndarray]:
    """Images of `scene_side` float32 (band, y, x) as the network was trained on, or noise with their statistics when the dataset is gone.

    In the middle of each is a tile with what lies around it, see `Surroundings`.

    Args:
        folder: of the dataset.
        seen: what the network sees; its centre stands for missing pixels.
        stride: of the network.
    """
    centre, spread = (np.array(values, np.float32)[:, None, None] for values in (seen.centre, seen.spread))
    side, generator = scene_side(stride), np.random.default_rng(0)
    if not Path(folder).is_dir():
        return [centre + spread * generator.standard_normal((len(seen.bands), side, side)).astype(np.float32) for _ in range(SCENES)]
    dataset = Dataset.open(folder)
    chosen = generator.permutation(dataset.showing("all", seen))[:SCENES]
    images, valid = Surroundings(dataset, seen, max(0, -(-(side - dataset.tile_size) // 2))).read(np.resize(chosen, SCENES))
    start = -(-(images.shape[-1] - side) // 2)
    inner = slice(start, start + side)
    return [np.where(known, image, centre).astype(np.float32)[:, inner, inner] for image, known in zip(images, valid)]


def real_tiles(folder: str, seen: Input, side: int) -> list[np.ndarray]:
    """Tiles float32 (n, band, side, side) that the network learned from, one alone and some together, then noise with their statistics.

    Args:
        folder: of the dataset; of one that is gone, or of tiles of another size, noise alone.
        seen: what the network sees; its centre stands for missing pixels.
        side: of the tiles [px].
    """
    centre, spread = (np.array(values, np.float32)[:, None, None] for values in (seen.centre, seen.spread))
    generator = np.random.default_rng(0)
    found = [centre + spread * generator.standard_normal((3, len(seen.bands), side, side)).astype(np.float32)]
    if Path(folder).is_dir() and (dataset := Dataset.open(folder)).tile_size == side:
        images, valid = dataset.read(seen, generator.permutation(dataset.showing("all", seen))[:TILES])
        shown = np.where((valid & np.isfinite(images).all(1))[:, None], images, centre).astype(np.float32)
        found += [shown[:1], shown]
    return found


def measured(session: InferenceSession, seen: Input, scenes: list[np.ndarray], stride: int, progress: Progress,
             view: Callable[[np.ndarray], np.ndarray], differs: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.not_equal,
             largest: int = LARGEST_BLOCK) -> dict[str, Any]:
    """The border of a translated network, the blocks that follow from it, and what was measured, as a model's description names them.

    Args:
        session: the network.
        seen: what it takes.
        scenes: see `measure_halo`.
        stride: of the network.
        progress: also warned when even the largest border is not enough.
        view: turns results (1, channel, y, x) into what is compared.
        differs: see `measure_halo`.
        largest: see `block_sizes`.
    """
    options = RunOptions()

    def run(image: np.ndarray) -> np.ndarray:
        return view(session.run(None, seen.divided(image), options)[0])

    halo, tried = measure_halo(run, scenes, stride, progress, differs, partial(setattr, options, "terminate", True))
    if tried[halo] > CHANGED_SHARE:
        progress.message(f"Even with a border of {halo} px, {tried[halo]:.2%} of the pixels depend on where blocks begin, because this network "
                         "looks farther. Maps may show faint seams.", "warning")
    found = {"places": 4 * len(scenes), "changed": tried[halo], "tried": {str(border): share for border, share in sorted(tried.items())}}
    return {"halo": halo, **block_sizes(halo, stride, largest), "halo_measured": found}


def measured_dated(session: InferenceSession, folder: str, seen: Input, progress: Progress) -> dict[str, Any]:
    """`measured` of a network of dated tiles: the smallest of some borders that changes few enough of the classes.

    Args:
        session: the network.
        folder: of the dataset; of one that is gone, noise is looked at.
        seen: what the network sees.
        progress: told of each border that is tried.
    """
    widest, rng = DATED_HALOS[-1], np.random.default_rng(0)
    side = DATED_PART + 2 * widest
    centre, spread = (np.array(values, np.float32)[:, None, None] for values in (seen.centre, seen.spread))
    if Path(folder).is_dir():
        dataset = Dataset.open(folder)
        tiles = np.sort(rng.permutation(dataset.indices("all", dataset.sensor_of(seen).name))[:DATED_PLACES])
        around = Surroundings(dataset, seen, max(0, -(-(side - dataset.tile_size) // 2)))
        images, pixel_days = (part[..., :side, :side] for part in read_series(dataset, seen, tiles, around))
        chosen = even_sample(np.arange(images.shape[1]), DATED_DATES)
        images, days = images[:, chosen], pixel_days[:, chosen].max((2, 3))
    else:
        images = centre + spread * rng.standard_normal((DATED_PLACES, DATED_DATES, len(seen.bands), side, side)).astype(np.float32)
        days = np.tile(np.linspace(seen.days[0], seen.days[-1], DATED_DATES, dtype=np.float32), (DATED_PLACES, 1))

    def classes(halo: int, place: int) -> np.ndarray:
        cut, inner = slice(widest - halo, side - widest + halo), slice(halo, halo + DATED_PART)
        given = {seen.name: np.ascontiguousarray(images[place:place + 1, ..., cut, cut]), seen.days_port: days[place:place + 1]}
        return np.nan_to_num(session.run(None, given)[0])[0, :, inner, inner].argmax(0)

    references, tried, halo = [classes(widest, place) for place in range(len(images))], {}, widest
    for number, halo in enumerate(DATED_HALOS):
        progress.at(number / len(DATED_HALOS), f"{_TEXT}: trying {halo} px")
        tried[str(halo)] = round(float(np.mean([(classes(halo, place) != one).mean() for place, one in enumerate(references)])), 7)
        if tried[str(halo)] <= CHANGED_SHARE:
            break
    return {"halo": halo, "block": DATED_CORE + 2 * halo, "small_block": None,
            "halo_measured": {"places": len(images), "changed": tried[str(halo)], "tried": tried}}


def measure_halo(classes: Callable[[np.ndarray], np.ndarray], scenes: list[np.ndarray], stride: int, progress: Progress = SILENT,
                 differs: Callable[[np.ndarray, np.ndarray], np.ndarray] = np.not_equal,
                 stop: Callable[[], None] = lambda: None) -> tuple[int, dict[int, float]]:
    """The border that has to be thrown away so that the classes inside hardly depend on where the block ends.

    Args:
        classes: float32 (1, band, y, x) → class positions (1, y, x).
        scenes: float32 (band, y, x), at least `scene_side` pixels on each side.
        stride: of the network; blocks stay on its grid.
        progress: told of every size tried.
        differs: which pixels of two results (y, x), or (band, y, x), are not the same.
        stop: makes a call of `classes` under way fail soon.

    Returns:
        The wider of the two smallest neighbouring multiples of 32 (and of the stride) up to 256 px that both change few enough of the classes:
        a step more than is needed here, for other places. Also the share that each one tried changes.
    """
    part, margin, core = up(PART, stride), up(REFERENCE_HALO, stride), up(CORE, stride)
    corners = [(margin + row, margin + column) for row in (0, core - part) for column in (0, core - part)]

    def found(scene: np.ndarray, top: int, left: int, size: int, fraction: float) -> np.ndarray:
        image = np.ascontiguousarray(scene[None, :, top:top + size, left:left + size])
        return patiently(lambda: classes(image), stop, progress, fraction, _TEXT)[0]

    progress.at(0, _TEXT)
    references = [found(scene, 0, 0, core + 2 * margin, 0.3 * done / len(scenes)) for done, scene in enumerate(scenes)]

    @cache
    def changed(halo: int) -> np.ndarray:
        shares = []
        for done, (scene, reference) in enumerate(zip(scenes, references, strict=True)):
            fraction = 1 - 0.7 * 0.5 ** len(tried) * (1 - 0.5 * done / len(scenes))  # nobody knows how many are tried: each is half of the rest
            progress.at(fraction, f"{_TEXT}: trying {halo} px")
            for top, left in corners:
                inside = found(scene, top - halo, left - halo, part + 2 * halo, fraction)
                shares.append(differs(inside[..., halo:halo + part, halo:halo + part], reference[..., top:top + part, left:left + part]).mean())
        tried[halo] = round(float(np.mean(shares)), 7)
        return np.array(shares)

    def enough(halo: int) -> bool:
        return bool(changed(halo).mean() <= CHANGED_SHARE and np.quantile(changed(halo), QUANTILE) <= CHANGED_QUANTILE)

    tried: dict[int, float] = {}
    step = up(HALO_STEP, stride)
    halos = range(step, max(LARGEST_HALO, step) + 1, step)
    position = bisect_left(halos, True, hi=len(halos) - 1, key=enough)
    while position + 1 < len(halos):  # what passes alone may do so by chance
        position += 1
        if enough(halos[position]) and enough(halos[position - 1]):
            break
    changed(halos[position])
    return halos[position], tried

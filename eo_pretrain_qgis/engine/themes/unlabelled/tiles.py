"""Tiles without labels: from one sensor, from two on one grid, or from two that are not paired; cloudy and repeated ones left out."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import geopandas
import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...datasets.building import scene_facts
from ...datasets.cloud_masks import check_masks
from ...datasets.cutting import Cut, Cutter, Cutting, Piece
from ...datasets.dataset import IGNORE, SensorInfo
from ...datasets.likeness import RESOLUTION_TOLERANCE
from ...datasets.shards import ShardWriter
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import divide
from ...even_sample import even_sample
from ...rasters.clouds import CLOUD, SHADOW, open_mask, table_text
from ...rasters.raster import Scene
from ...scheduling import in_order
from .near_duplicates import Fingerprint, SeenTiles, joined

#: Sources of clouds: none, a scene classification or a mask per scene, or an estimate from the brightness.
CLOUD_SOURCES = ("none", "scl", "qa_pixel", "flags", "mask", "brightness")
# Green above 0.39, or above 0.175 and above red, is cloud (Braaten, Cohen and Yang 2015, doi 10.1016/j.rse.2015.08.006), and bright at
# 1.6 µm, which snow is not (the form for Sentinel-2 of custom-scripts.sentinel-hub.com, cby_cloud_detection; 88 % of the pixels of the
# Hollstein data). Cirrus above 0.01 is our choice: ground is dark at 1.4 µm, where water vapour absorbs.
BRIGHT_GREEN, WHITE_GREEN, BRIGHT_INFRARED, CIRRUS = 0.39, 0.175, 0.2, 0.01
#: Tiles measured before the first is cut, to know by how much images vary.
SAMPLE = 48


@dataclass(frozen=True)
class Clouds:
    """How clouds are known.

    Attributes:
        source: of `CLOUD_SOURCES`.
        most: largest share of cloud and shadow in a tile.
        masks: raster values, one for each scene, for those that are masks.
    """

    source: str = "none"
    most: float = 0.1
    masks: tuple = ()

    def text(self) -> str:
        """What was taken for cloud, for the record."""
        if self.source == "brightness":
            return (f"Pixels count as cloud whose green is above {BRIGHT_GREEN}, or above {WHITE_GREEN} and above red, and whose B11, where "
                    f"there is one, is above {BRIGHT_INFRARED}; also those whose B10, where there is one, is above {CIRRUS}. An estimate: "
                    "thin cloud is missed, shadows are not seen, and bright roofs and sand may count.")
        return "Clouds were not looked at." if self.source == "none" else f"{table_text(self.source)} Cloud and shadow count."


@dataclass
class Judged:
    """A piece that was cut, with the cloud share (n,) of each tile, negative where not asked, and its description (n, d)."""

    cut: Cut
    clouds: np.ndarray
    descriptions: np.ndarray


class Judge:
    """Cuts pieces and looks at their tiles; several threads may use one.

    Args:
        cutter: cuts tiles without labels.
        clouds: how clouds are known.
        fingerprints: per sensor how tiles are described; none to leave that out.
    """

    def __init__(self, cutter: Cutter, clouds: Clouds, fingerprints: list[Fingerprint]) -> None:
        self.cutter, self.clouds, self.fingerprints = cutter, clouds, fingerprints
        self.masks = [open_mask(source, clouds.source) for source in clouds.masks]

    def judge(self, piece: Piece) -> Judged:
        """Cuts a piece; what it says depends on the piece alone."""
        cut = self.cutter.cut(piece)
        if not cut.rows:
            return Judged(cut, np.zeros(0), np.zeros((0, 1), np.float32))
        described = [print_.describe(cut.arrays[sensor.name], sensor.valid(cut.arrays[sensor.name]))
                     for print_, sensor in zip(self.fingerprints, self.cutter.sensors, strict=False)]
        descriptions = joined(described) if described else np.zeros((len(cut.rows), 1), np.float32)
        return Judged(cut, self._cloud_shares(piece, cut), descriptions)

    def _cloud_shares(self, piece: Piece, cut: Cut) -> np.ndarray:
        if self.clouds.source == "none":
            return np.full(len(cut.rows), -1.0)
        sensor = self.cutter.sensors[0]
        if self.clouds.source == "brightness":
            images = cut.arrays[sensor.name]
            valid = sensor.valid(images)
            return (bright(images, sensor) & valid).sum((1, 2)) / np.maximum(valid.sum((1, 2)), 1)
        windows = {(window.col, window.row): window for window in piece.windows}
        grid = self.cutter.scenes[piece.scene][0].grid
        shares = []
        with copy.deepcopy(self.masks[piece.scene]) as mask:  # an open file belongs to one thread
            for row in cut.rows:
                flags = mask.read(grid, windows[row["col"], row["row"]])
                shares.append(float(((flags == CLOUD) | (flags == SHADOW)).mean()))
        return np.array(shares)


def bright(images: np.ndarray, sensor: SensorInfo) -> np.ndarray:
    """Which pixels of images (n, band, y, x) look like cloud, bool (n, y, x).

    Raises:
        DataError: the sensor has no green and red as reflectance.
    """
    bands = {band.name: (at, band) for at, band in enumerate(sensor.bands) if band.unit == "reflectance"}
    if not {"B03", "B04"} <= set(bands):
        names = ", ".join(band.name for band in sensor.bands)
        raise DataError(f"The brightness of clouds needs the bands B03 and B04 as reflectance, and the images have {names}. Choose the "
                        "sensor and name its bands, or give cloud masks.")

    def reflectance(name: str) -> np.ndarray:
        at, band = bands[name]
        return images[:, at] * np.float32(band.scale) + np.float32(band.offset)

    green = reflectance("B03")
    cloud = (green > BRIGHT_GREEN) | ((green > WHITE_GREEN) & (green > reflectance("B04")))
    if "B11" in bands:
        cloud &= reflectance("B11") > BRIGHT_INFRARED
    return cloud | (reflectance("B10") > CIRRUS) if "B10" in bands else cloud


@dataclass(frozen=True)
class Source:
    """Scenes of one sensor, or of several on one grid: `scenes` holds a group for each place, in the order of `sensors`."""

    sensors: list[SensorInfo]
    scenes: list[list[Scene]]
    clouds: Clouds
    pairs: list[dict]


def build_pretraining_dataset(folder: Path, sources: list[Source], cutting: Cutting, plan: SplitPlan, name: str, *,
                              near_duplicates: float = 0.05, progress: Progress = SILENT) -> tuple[Split, dict]:
    """Cuts tiles without labels, leaves out cloudy and repeated ones, writes and splits them.

    Args:
        folder: an empty folder to fill.
        sources: one, or two whose images are not paired.
        cutting: how tiles are cut.
        plan: how they are split.
        name: of the dataset.
        near_duplicates: see `near_duplicates.SeenTiles`; 0 keeps all.
        progress: told how far it is.

    Returns:
        The split, and how many tiles were considered, kept and left out for which reason.

    Raises:
        DataError: no tile is left, or what `Cutter` and `divide` raise.
    """
    crs = sources[0].scenes[0][0].grid.crs
    _compare_resolutions(sources, progress)
    for source in sources:
        if source.clouds.masks:
            check_masks([group[0] for group in source.scenes], source.clouds.masks, source.clouds.source, progress)
    sensors = [sensor for source in sources for sensor in source.sensors]
    arrays = {key: value for source in sources for key, value in Cutter(source.scenes, source.sensors, None, cutting, crs).samples.items()}
    rows, shapes, counts = [], [], dict.fromkeys(("considered", "nodata", "cloudy", "near_duplicates", "kept"), 0)
    with ShardWriter(folder, arrays) as writer:
        for at, source in enumerate(sources):
            part = progress.part(0.7 * at / len(sources), 0.7 * (at + 1) / len(sources))
            for tile_rows, tile_shapes, samples in _tiles(source, cutting, crs, near_duplicates, counts, part):
                writer.add(**samples)
                rows += tile_rows
                shapes += tile_shapes
        shards = writer.close()
    progress.message(_text(counts))
    if not rows:
        raise DataError(f"No tile is left: {_text(counts)} Allow more cloud or nodata, or choose other images.")
    first = sources[0].scenes[0][0]
    facts = {"mode": "unpaired" if len(sources) > 1 else "paired" if len(sensors) > 1 else "single", "rejected": counts,
             "clouds": [{"sensor": source.sensors[0].name, "source": source.clouds.source, "most": source.clouds.most,
                         "text": source.clouds.text()} for source in sources],
             "near_duplicates": {"threshold": near_duplicates, "found": counts["near_duplicates"]},
             "pairs": [pair for source in sources for pair in source.pairs]}
    groups = [(group, source.sensors) for source in sources for group in source.scenes]
    description = {
        "task": "pretraining", "name": name, "sensors": sensors, "tile_size": cutting.tile_size, "classes": [], "ignore": IGNORE,
        "stride": cutting.stride or cutting.tile_size, "resolution_m": [round(metres, 4) for metres in first.grid.metres_per_pixel()],
        "scenes": [scene_facts(group, own, progress.part(0.7, 0.75)) for group, own in groups], "labels": {}, "shards": shards,
        "theme": "pretraining", "facts": facts,
    }
    frame = geopandas.GeoDataFrame([{"tile": at, **row} for at, row in enumerate(rows)], geometry=shapes, crs=crs)
    return divide(folder, description, frame, plan, progress.part(0.75, 1)), counts


def _tiles(source: Source, cutting: Cutting, crs: str, threshold: float, counts: dict[str, int],
           progress: Progress) -> Iterator[tuple[list[dict], list, dict[str, np.ndarray]]]:
    """Yields rows, footprints and arrays of the tiles of each piece that are kept, in order, and counts the others."""
    cutter = Cutter(source.scenes, source.sensors, None, cutting, crs)
    pieces = [piece for number in range(len(source.scenes)) for piece in cutter.pieces(number)]
    if not pieces:
        raise DataError(f"The extent does not overlap {source.scenes[0][0].path}. Choose an extent that overlaps an image, or check its CRS.")
    for scene in (scene for group in source.scenes for scene in group):
        scene.close()
    fingerprints, sample = _measure(cutter, pieces, progress.part(0, 0.1)) if threshold else ([], np.zeros((1, 1), np.float32))
    seen, judge = SeenTiles(threshold, sample), Judge(cutter, source.clouds, fingerprints)
    total, done = len(pieces), 0
    with closing(cutter), closing(in_order(Judge.judge, judge, pieces, lambda: progress.at(0.1 + 0.9 * done / total, "Reading"))) as cuts:
        for piece, judged in zip(pieces, cuts, strict=True):
            progress.at(0.1 + 0.9 * done / total, f"Cutting tiles from {source.scenes[piece.scene][0].name}")
            done += 1
            counts["considered"] += len(piece.windows)
            counts["nodata"] += judged.cut.too_few_valid
            clear = judged.clouds <= source.clouds.most
            counts["cloudy"] += int((~clear).sum())
            kept = [int(at) for at in np.flatnonzero(clear) if seen.is_new(judged.descriptions[at])]
            counts["near_duplicates"] += int(clear.sum()) - len(kept)
            counts["kept"] += len(kept)
            if kept:
                rows = [_row(judged, at, source, piece) for at in kept]
                yield rows, [judged.cut.shapes[at] for at in kept], {key: array[kept] for key, array in judged.cut.arrays.items()}


def _row(judged: Judged, at: int, source: Source, piece: Piece) -> dict:
    row = {key: value for key, value in judged.cut.rows[at].items() if key != "labelled"}
    cloud = float(judged.clouds[at])
    days = source.pairs[piece.scene]["days"] if source.pairs else None
    return {**row, "sensor": "+".join(sensor.name for sensor in source.sensors), "date": source.scenes[piece.scene][0].date,
            "cloud": round(cloud, 4) if cloud >= 0 else None, **({"days_apart": days} if source.pairs else {})}


def _measure(cutter: Cutter, pieces: list[Piece], progress: Progress) -> tuple[list[Fingerprint], np.ndarray]:
    """How bands vary over some tiles of all scenes, and the descriptions of these tiles."""
    windows = [Piece(piece.scene, (window,)) for piece in pieces for window in piece.windows]
    chosen = [windows[at] for at in even_sample(np.arange(len(windows)), SAMPLE)]
    cuts = []
    for done, piece in enumerate(chosen):
        progress.at(done / len(chosen), "Measuring how images vary")
        cuts.append(cutter.cut(piece))
    images = {sensor.name: [cut.arrays[sensor.name] for cut in cuts if cut.arrays] for sensor in cutter.sensors}
    if not any(images.values()):
        return [], np.zeros((1, 1), np.float32)
    stacked = [np.concatenate(images[sensor.name]) for sensor in cutter.sensors]
    valid = [sensor.valid(array) for sensor, array in zip(cutter.sensors, stacked, strict=True)]
    prints = [Fingerprint.of(array, shown) for array, shown in zip(stacked, valid, strict=True)]
    return prints, joined([one.describe(array, shown) for one, array, shown in zip(prints, stacked, valid, strict=True)])


def _compare_resolutions(sources: list[Source], progress: Progress) -> None:
    first = sources[0].scenes[0][0]
    for source in sources[1:]:
        other = source.scenes[0][0]
        apart = max(abs(a / b - 1) for a, b in zip(other.grid.metres_per_pixel(), first.grid.metres_per_pixel(), strict=True))
        if apart > RESOLUTION_TOLERANCE:
            progress.message(f"The pixels of {other.path} differ in size from those of {first.path} by {apart:.0%}.", level="warning")


def _text(counts: dict[str, int]) -> str:
    return (f"{counts['kept']} of {counts['considered']} tiles kept; {counts['nodata']} have too few valid pixels, {counts['cloudy']} are too "
            f"cloudy, {counts['near_duplicates']} are near-duplicates of others.")


def named(sensor: SensorInfo, name: str) -> SensorInfo:
    """The sensor under another name."""
    return replace(sensor, name=name)

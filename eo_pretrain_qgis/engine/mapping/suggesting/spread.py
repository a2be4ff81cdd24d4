"""Places to label where there is no model yet: as different from one another as the image allows, and each typical of its kind.

Uncertainty needs a model, and a model needs labels. For the first ones, places are grouped by what they look like, into as many groups as
labels are wanted, and of each group the place nearest its middle is taken. Of few labels typical ones teach more than odd ones, which
the farthest point would take (Hacohen, Dekel and Weinshall, Active learning on a budget, ICML 2022, arXiv 2202.02794; the groups are those of
k-means, Lloyd 1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import geopandas
import numpy as np

from ....errors import DataError
from ....progress import SILENT, Progress
from ...classic.whitening import Whitening
from ...datasets.cloud_masks import clear_scene
from ...datasets.dataset import Dataset
from ...datasets.legend import default_color
from ...even_sample import even_sample
from ...rasters.grid import Window, blocks
from ...rasters.nearest import NearestPixels, class_band
from ...rasters.raster import Raster, Scene
from ...rasters.vector import write_layer
from ..request import MapRequest
from .choice import CLASS_FIELD, LAYER, Candidates, blocked, polygon_candidates, tile_candidates
from .style import suggestions_qml
from .survey import Wanted, none_left
from .uncertainty import Places

#: Edge of the pieces that are read at once [px], and pixels that the bands are whitened by.
PIECE, LOOKED_AT = 512, 200_000
#: Of the pixels of a piece, one in so many along each axis is looked at for that.
EVERY = 16
#: k-means begins so many times; of more groups than this it is fitted to batches.
STARTS, MANY = 5, 500
#: Topics of a map; with more values it holds measurements.
MOST_TOPICS = 255
#: Edges of a tile where none is given [px], the largest first: that of scene labelling in the source, 256 px at 10 m, or smaller in small areas.
TILES = (256, 128, 64, 32)


@dataclass(frozen=True)
class Appearance:
    """What places look like: sums of layers over their pixels, and for people what these are."""

    places: Places
    what: str

    def features(self) -> np.ndarray:
        """float64 (place, feature)."""
        if "topics" in self.places.sums:
            # The root of shares makes Euclidean distance that of Hellinger, in which a topic of 1 % is not lost beside one of 90 %.
            return np.sqrt(self.places.mean("topics"))
        means = self.places.mean("values")
        return np.concatenate([means, np.sqrt((self.places.mean("squares") - means**2).clip(0))], 1)


def spread(output: str, wanted: Wanted, request: MapRequest, topics: dict | None = None, classes: Sequence[str] = (),
           progress: Progress = SILENT) -> dict:
    """Chooses places without a model and writes them as a layer to be labelled.

    Args:
        output: GeoPackage to write. Fields: rank, group (number of the kind of place), group_share (share of the candidates that are of this
            kind), valid, class (an empty text) and note.
        wanted: what is to be suggested; measure and diversity have no meaning here.
        request: the image.
        topics: raster value of a topics map by “Discover topics”; None takes mean and deviation of the whitened bands.
        classes: names for the form of the layer; none lets the analyst write them.
        progress: also hears a warning when fewer places are left than asked for.

    Returns:
        ``suggestions`` and ``candidates``.

    Raises:
        DataError: the image holds no valid pixel, or no place is left to suggest.
    """
    scene = clear_scene(Scene.open(list(request.sources), request.nodata), request.cloud_masks, request.clouds, progress)
    grid, name, area = scene.grid, scene.name, request.area(scene.grid)
    side = wanted.tile_size or usual_side(area, wanted.count)
    candidates = polygon_candidates(wanted.areas, grid, area, progress) if wanted.areas else tile_candidates(grid, side, area)
    if not (wanted.areas or wanted.tile_size):
        progress.message(f"Places are tiles of {side} × {side} px. “Tile size” makes others.")
    taken = blocked(candidates, Dataset.open(wanted.dataset) if wanted.dataset else None)
    appearance = (_topics if topics else _statistics)(scene, area, candidates, topics, progress.part(0, 0.8))
    scene.close()
    places = appearance.places
    free = np.flatnonzero((places.valid > 0) & (places.valid_share >= wanted.minimum_valid) & ~taken)
    if not len(free):
        raise none_left(candidates, places, taken, wanted, name, bool(request.cloud_masks))
    if len(free) < wanted.count:
        more = "" if wanted.areas else f" Smaller tiles than {side} px are more places."
        progress.message(f"Only {len(free)} of the {len(taken)} places are clear, measured and not labelled yet, and {wanted.count} were asked for; "
                         f"these {len(free)} are in the layer.{more}", level="warning")
    progress.message(f"Places are spread over {appearance.what}.")
    chosen, groups, shares = typical(appearance.features()[free], wanted.count, progress.part(0.8, 0.95))
    _write(output, candidates, places, (free[chosen], groups, shares), classes, progress)
    return {"suggestions": len(chosen), "candidates": int((~taken).sum())}


def usual_side(area: Window, count: int) -> int:
    """Edge of the largest tiles of which so many lie in an area beside each other [px]; the smallest where no tiles do."""
    return next((side for side in TILES if (area.width // side) * (area.height // side) >= count), TILES[-1])


def typical(features: np.ndarray, count: int, progress: Progress = SILENT, seed: int = 1) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Groups places and takes the one nearest the middle of each group.

    Args:
        features: of each place (n, feature).
        count: places wanted.
        progress: told how far it is.
        seed: of the first middles.

    Returns:
        Positions of the chosen, those of the largest groups first; the number of the group of each, from 1; and its share of all places.
    """
    from sklearn.cluster import KMeans, MiniBatchKMeans  # slow to load, and only needed here
    from threadpoolctl import threadpool_limits

    progress.at(0, "Grouping the places")
    distinct = len(np.unique(features.round(9), axis=0))
    groups = min(count, distinct)
    method = KMeans if groups <= MANY else MiniBatchKMeans
    with threadpool_limits(1):  # sums in one order: the same places on every machine
        fitted = method(groups, n_init=STARTS if groups <= MANY else 1, random_state=seed).fit(features)
    sizes = np.bincount(fitted.labels_, minlength=groups)
    order = [group for group in np.argsort(-sizes, kind="stable") if sizes[group]]
    away = ((features - fitted.cluster_centers_[fitted.labels_]) ** 2).sum(1)
    ranked = {group: np.flatnonzero(fitted.labels_ == group)[np.argsort(away[fitted.labels_ == group], kind="stable")] for group in order}
    chosen: list[int] = []
    of: list[int] = []
    # Of places that look the same there are fewer groups than are wanted: then the next of each group follow.
    for depth in range(int(sizes.max())):
        for number, group in enumerate(order, 1):
            if depth < len(ranked[group]) and len(chosen) < min(count, len(features)):
                chosen.append(int(ranked[group][depth]))
                of.append(number)
        if len(chosen) >= min(count, len(features)):
            break
    return np.array(chosen), np.array(of), sizes[order][np.array(of) - 1] / len(features)


def _statistics(scene: Scene, area: Window, candidates: Candidates, topics: dict | None, progress: Progress) -> Appearance:
    pieces = blocks(area, PIECE)
    whitening = _whitening(scene, pieces, progress.part(0, 0.4))
    places = candidates.places()
    for number, piece in enumerate(pieces):
        progress.at(0.4 + 0.6 * number / len(pieces), f"Looking at {scene.name}")
        values, valid = scene.read(piece)
        white = whitening(values[None])[0]
        places.add(piece, valid, {"values": white, "squares": white**2})
    return Appearance(places, "mean and deviation of the whitened bands")


def _whitening(scene: Scene, pieces: list[Window], progress: Progress) -> Whitening:
    """Of pixels spread over the image.

    Raises:
        DataError: nothing was measured.
    """
    found = []
    for number, piece in enumerate(pieces):
        progress.at(number / len(pieces), f"Measuring the bands of {scene.name}")
        values, valid = scene.read(piece)
        known = valid[::EVERY, ::EVERY] if valid[::EVERY, ::EVERY].any() else valid
        part = values[:, ::EVERY, ::EVERY] if known.shape != valid.shape else values
        found.append(part[:, known].T)
    pixels = np.concatenate(found)
    if not len(pixels):
        raise DataError(f"{scene.name} has no valid pixel in the area to look at: all are nodata. Check the nodata value of the layer, or choose "
                        "another image or extent.")
    return Whitening.of(pixels[even_sample(np.arange(len(pixels)), LOOKED_AT)].astype(np.float64), ["unknown"] * pixels.shape[1])


def _topics(scene: Scene, area: Window, candidates: Candidates, topics: dict | None, progress: Progress) -> Appearance:
    """Shares of the topics of a map in each place; pixels without a topic count as not measured.

    Raises:
        DataError: a raster that is no map of topics, or that lies elsewhere.
    """
    plain = {key: value for key, value in (topics or {}).items() if key not in ("layer", "field")}
    raster = Raster(**plain)
    if np.dtype(raster.dtype).kind == "f" or not scene.grid.windows_on(raster.grid):
        why = "holds fractions" if np.dtype(raster.dtype).kind == "f" else f"does not overlap {scene.name}"
        raise DataError(f"{raster.path} {why}, so it is no map of its topics. Choose the topics map that “Discover topics” made of this image.")
    pixels, pieces, places = NearestPixels(raster, class_band(raster, progress)), blocks(area, PIECE), candidates.places()
    count = _count_topics(scene, pixels, pieces, progress.part(0, 0.4))
    for number, piece in enumerate(pieces):
        progress.at(0.4 + 0.6 * number / len(pieces), f"Looking at {scene.name}")
        _, valid = scene.read(piece)
        values, known = pixels.read(scene.grid, piece)
        places.add(piece, valid & known, {"topics": (values == np.arange(count)[:, None, None]).astype(np.float32)})
    pixels.close()
    return Appearance(places, f"the topics of {raster.name}")


def _count_topics(scene: Scene, pixels: NearestPixels, pieces: list[Window], progress: Progress) -> int:
    """One more than the largest number of a topic.

    Raises:
        DataError: values that are no numbers of topics, or none at all.
    """
    lows, highs = [], []
    for number, piece in enumerate(pieces):
        progress.at(number / len(pieces), f"Reading {pixels.raster.name}")
        values, known = pixels.read(scene.grid, piece)
        if known.any():
            lows.append(int(values[known].min()))
            highs.append(int(values[known].max()))
    if not highs or min(lows) < 0 or max(highs) >= MOST_TOPICS:
        found = f"values from {min(lows)} to {max(highs)}" if highs else "no topic on the image"
        raise DataError(f"{pixels.raster.path} holds {found}, and topics are numbered 0 to {MOST_TOPICS - 1}. Choose the topics map that “Discover "
                        "topics” made of this image.")
    return max(highs) + 1


def _write(path: str, candidates: Candidates, places: Places, found: tuple[np.ndarray, np.ndarray, np.ndarray], classes: Sequence[str],
           progress: Progress) -> None:
    chosen, groups, shares = found
    columns = {"rank": np.arange(1, len(chosen) + 1), "group": groups, "group_share": shares.round(4), "valid": places.valid_share[chosen].round(4)}
    if candidates.sources:
        columns["feature"] = np.array(candidates.sources)[chosen]
    table = geopandas.GeoDataFrame(columns, geometry=[candidates.shapes[number] for number in chosen], crs=candidates.grid.crs)
    table[CLASS_FIELD] = np.full(len(chosen), None, object)
    table["note"] = np.full(len(chosen), None, object)
    progress.at(0.95, "Writing the places")
    write_layer(path, LAYER, table, suggestions_qml([(name, name, default_color(number)) for number, name in enumerate(classes)], CLASS_FIELD),
                progress)

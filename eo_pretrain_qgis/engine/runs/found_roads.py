"""Roads that a model found and the map lacks: their length, a sample of places to be judged by eye, and what the judged places say."""

from __future__ import annotations

from typing import Any

import geopandas
import numpy as np
import shapely

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..datasets.dataset import Dataset
from ..datasets.footprints import read_footprints
from ..datasets.legend import class_key
from ..looks.category_style import Category, categorized, color_option
from ..looks.forms import HIDDEN, form, value_list
from ..rasters.vector import VectorLayer, write_layer
from .road_scores import Unmapped, grid_of

LAYER, FIELD, MODEL_FIELD = "places", "is_road", "model"
#: Places that are drawn.
PLACES = 50
YES, NO = "yes", "no"


def unmapped_facts(found: Unmapped, line_px: int, pixel_m: float, seed: int) -> dict[str, Any]:
    """Length of what the map lacks [km], its share of all that the model found, and how much of it another source has, of where that reaches."""
    total, reached = len(found.rows), np.array([known is not None for known in found.known], bool)
    known = sum(bool(value) for value in found.known[reached])
    return {"km": round(total * pixel_m / 1000, 3), "share": total / line_px if line_px else None, "places": min(PLACES, total), "seed": seed,
            "in_reference": known / int(reached.sum()) if reached.any() else None}


def write_places(path: str, dataset: Dataset, found: Unmapped, model: str, seed: int, progress: Progress = SILENT) -> None:
    """Writes places drawn at random from what the map lacks, to be judged in QGIS: every pixel of the lines is as likely as another.

    Fields: place, scene, tile, is_road (empty, for the analyst: yes or no), in_reference (of another source, where it reaches), note and model.

    Args:
        path: to write.
        dataset: of the tiles.
        found: see there.
        model: checksum of the model, so that the places are not taken for those of another.
        seed: of the draw.
        progress: told when a style of the user's is kept.

    Raises:
        DataError: disk full, not permitted, or open elsewhere.
    """
    crs = read_footprints(dataset.folder).crs
    chosen = np.sort(np.random.default_rng(seed).permutation(len(found.rows))[:PLACES])
    points = np.empty(len(chosen), object)
    for scene in dict.fromkeys(found.scene[chosen]):
        here, grid = found.scene[chosen] == scene, grid_of(dataset, scene)
        a, _, c, _, e, f = grid.transform
        own = shapely.points(c + a * (found.cols[chosen][here] + 0.5), f + e * (found.rows[chosen][here] + 0.5))
        points[here] = np.asarray(geopandas.GeoSeries(own, crs=grid.crs).to_crs(crs).values, object)
    words = [None if known is None else YES if known else NO for known in found.known[chosen]]
    table = {"place": np.arange(1, len(chosen) + 1), "scene": found.scene[chosen].astype(str), "tile": found.tiles[chosen].astype(np.int64),
             FIELD: "", "in_reference": np.array(words, object), "note": "", MODEL_FIELD: model}
    write_layer(path, LAYER, geopandas.GeoDataFrame(table, geometry=geopandas.GeoSeries(points, crs=crs)), places_qml(), progress,
                empty="Point")


def places_qml() -> str:
    """QGIS style of the places: hollow until judged, and a form that asks whether there is a road."""
    shape = {"name": "circle", "size": "3", "outline_width": "0.4"}
    rows = [Category(YES, "a road", {**shape, "color": color_option("#1a9850"), "outline_color": color_option("#ffffff")}),
            Category(NO, "no road", {**shape, "color": color_option("#d73027"), "outline_color": color_option("#ffffff")}),
            Category("", "to be judged", {**shape, "color": color_option("#ffffff", 0), "outline_color": color_option("#ff00ff")})]
    widgets = form({FIELD: value_list([("", "not judged"), (YES, "a road"), (NO, "no road")]), MODEL_FIELD: HIDDEN},
                   ("place", "scene", "tile", "in_reference"))
    return categorized(FIELD, "marker", rows, "Symbology|Fields|Forms", widgets)


def judged_facts(source: dict, model: str, kilometres: float) -> dict[str, Any]:
    """What judged places say: the share of them that are roads, with Wilson's interval (1927), and the length that this makes.

    Args:
        source: a job's vector value, of a layer that `write_places` wrote.
        model: checksum of the model that is measured.
        kilometres: length from which the places were drawn.

    Raises:
        DataError: another layer, places of another model, other words than yes and no, or nothing that is judged.
    """
    layer = VectorLayer.open(source)
    if not {FIELD, MODEL_FIELD} <= set(layer.fields):
        raise DataError(f"{layer.path} has no fields “{FIELD}” and “{MODEL_FIELD}”, so it is not a layer of places that this job has drawn. Choose "
                        "one that was written as “Places where the map may lack a road”.")
    rows = layer.read([FIELD, MODEL_FIELD])
    if set(rows[MODEL_FIELD]) != {model}:
        raise DataError(f"The places of {layer.path} were drawn from another model than that of this run. Judge places of this run.")
    words = [(class_key(value) or "").strip().lower() for value in rows[FIELD]]
    if strange := sorted(set(words) - {YES, NO, ""}):
        raise DataError(f"The field “{FIELD}” of {layer.path} holds {listed(f'“{word}”' for word in strange)}, but a place is judged with yes or no. "
                        "Correct it.")
    count, roads = sum(word != "" for word in words), words.count(YES)
    if not count:
        raise DataError(f"No place of {layer.path} is judged: the field “{FIELD}” is empty. Write yes or no for each place first.")
    low, high = wilson(roads, count)
    return {"path": layer.path, "places": len(words), "judged": count, "roads": roads, "share": roads / count, "interval": [low, high],
            "km": round(kilometres * roads / count, 3), "km_interval": [round(kilometres * low, 3), round(kilometres * high, 3)]}


def wilson(hits: int, count: int, z: float = 1.96) -> tuple[float, float]:
    """The 95 % interval of a share of a simple random sample (Wilson 1927), which keeps within 0 and 1 also where few are drawn."""
    share, weight = hits / count, z * z / count
    middle, reach = share + weight / 2, z * np.sqrt(share * (1 - share) / count + weight / count / 4)
    return max(0.0, float((middle - reach) / (1 + weight))), min(1.0, float((middle + reach) / (1 + weight)))

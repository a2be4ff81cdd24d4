"""Vector layers over the truth: the parcels farmers declare, and polygons as an analyst would draw them for
training.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import shapely
import shapely.geometry
from rasterio.features import shapes as outlines
from rasterio.transform import Affine

from ...progress import SILENT, Progress
from .crops import CROPS
from .files import write_layer
from .landscape import Landscape
from .noise import stream
from .objects import LAND_COVER
from .painting import PIXEL
from .styles import PARCELS, POLYGONS
from .water import blob

#: A parcel is declared when at least this share of it is open field.
OPEN_SHARE = 0.9
#: Training polygons for each square kilometre.
POLYGONS_PER_KM2 = 4.2


def write_parcels(path: Path, land: Landscape, painted: np.ndarray) -> None:
    """Writes the parcels under crops and grass, a few metres inside their borders, with crop code, crop name and area
    in hectares.

    Args:
        path: GeoPackage to write.
        land: the landscape.
        painted: square metres that each object covers in the image.
    """
    frame = shapely.box(0, 0, land.image.east, land.image.south)
    parcels = np.array(land.parcels, object)
    crossed = ~shapely.is_valid(parcels)  # rounding can let the border of a narrow parcel cross itself
    parcels[crossed] = shapely.make_valid(parcels[crossed])
    inside = shapely.intersection(parcels, frame)
    areas = shapely.area(inside)
    open_area = painted[land.parcel_objects : land.parcel_objects + len(land.parcels)]
    declared = shapely.buffer(inside, -3.0)
    keep = (areas > 2500) & (open_area > OPEN_SHARE * areas) & (shapely.get_type_id(declared) == 3) & ~shapely.is_empty(declared)
    chosen = land.crops[keep]
    columns = {
        "parcel": np.flatnonzero(keep) + 1,
        "crop_code": [CROPS[crop].code for crop in chosen],
        "crop": [CROPS[crop].name for crop in chosen],
        "area_ha": np.round(shapely.area(declared[keep]) / 1e4, 2),
    }
    write_layer(path, columns, declared[keep], PARCELS)


def write_training_polygons(path: Path, land: Landscape, truth: np.ndarray, progress: Progress = SILENT) -> None:
    """Writes polygons with the name of their class in the field ``class``: rounded shapes inside the classes, some
    hectares each, that leave most of the image unlabelled. All classes get a share; the rare ones are not drawn as
    often as the common ones.

    Args:
        path: GeoPackage to write.
        land: the landscape.
        truth: land cover (y, x).
        progress: told once per class.
    """
    rng = stream(land.seed, "training polygons")
    wanted = max(60, round(POLYGONS_PER_KM2 * land.image.area / 1e6))
    shares = {2: 0.22, 3: 0.30, 4: 0.18, 5: 0.14, 1: 0.08, 6: 0.08}
    names, drawn = [], []
    for number, each in enumerate(LAND_COVER):
        progress.at(number / len(LAND_COVER), "Drawing training polygons")
        mask = truth == each.value
        if not mask.any():
            continue
        areas = outlines(mask.astype(np.uint8), mask=mask, transform=Affine(PIXEL, 0, 0, 0, PIXEL, 0))
        regions = shapely.buffer(np.array([shapely.geometry.shape(region) for region, _ in areas if len(region["coordinates"][0]) > 8]), -9.0)
        regions = regions[shapely.area(regions) > 2500]
        weights = np.sqrt(shapely.area(regions))
        count = round(wanted * shares[each.value]) if len(regions) else 0
        for index in rng.choice(len(regions), count, p=weights / weights.sum()) if count else ():
            polygon = _draw(rng, regions[index])
            if polygon is not None:
                names.append(each.name)
                drawn.append(polygon)
    free = _without_overlaps(drawn)
    write_layer(path, {"class": [names[i] for i in free]}, np.array([drawn[i] for i in free]), POLYGONS)


def _draw(rng: np.random.Generator, region: shapely.Geometry) -> shapely.Polygon | None:
    """One polygon inside a region, or None when no attempt gave one of at least a third of a hectare."""
    for _ in range(12):
        west, north, east, south = region.bounds
        spot = shapely.Point(rng.uniform(west, east), rng.uniform(north, south))
        if region.contains(spot):
            hand = blob(rng, spot.x, spot.y, float(np.exp(rng.normal(4.55, 0.4))), 0.18)
            shape = shapely.simplify(shapely.intersection(hand, region), 14.0)
            parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon"]
            best = max(parts, key=lambda part: part.area, default=None)
            if best is not None and best.area > 3300 and best.is_valid:
                return shapely.Polygon(best.exterior)
    return None


def _without_overlaps(polygons: list[shapely.Polygon]) -> list[int]:
    """Numbers of polygons that touch none of those before them."""
    tree = shapely.STRtree(polygons)
    kept: set[int] = set()
    for number, polygon in enumerate(polygons):
        if not any(other in kept for other in tree.query(polygon, predicate="intersects")):
            kept.add(number)
    return sorted(kept)

"""Where samples lie in metres, on a plane that touches the earth in the middle of them."""

from __future__ import annotations

import geopandas
import numpy as np


def plane_around(places: geopandas.GeoSeries) -> str:
    """The plane of equal distances from the middle of some places, as a CRS; a thousand kilometres away its scale is off by half a percent."""
    longitude, latitude = places.representative_point().to_crs("EPSG:4326").get_coordinates().median()
    return f"+proj=aeqd +lat_0={latitude:.6f} +lon_0={longitude:.6f} +datum=WGS84 +units=m"


def in_metres(places: geopandas.GeoSeries, plane: str = "") -> np.ndarray | None:
    """Shapes (n,) on such a plane; None where a place is not known, or lies where it has no coordinates.

    Args:
        places: with their CRS.
        plane: empty takes that around them.
    """
    if not len(places) or places.crs is None or places.isna().any() or places.is_empty.any():
        return None
    moved = places.to_crs(plane or plane_around(places))
    return np.asarray(moved.values, object) if np.isfinite(moved.bounds.to_numpy()).all() else None

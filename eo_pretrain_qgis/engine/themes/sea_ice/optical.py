"""How long before or after a radar scene an optical scene showed the ice of a polygon: what an expert drew it from is as old as that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import geopandas
import numpy as np
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ...rasters.raster import Scene
from ...rasters.vector import VectorLayer
from ...scenes.partners import moment, taken
from .labels import IceLabels
from .patches import Found

#: Field of the time in the layer of “Find scenes”, and that of the gap in the footprints of patches.
ACQUIRED, HOURS = "acquired", "optical_hours"


@dataclass(frozen=True)
class OpticalScenes:
    """Footprints of optical scenes.

    Attributes:
        path: of the layer.
        shapes: the footprints (n,).
        moments: when each was taken, in UTC.
        most_hours: farther from the radar scene than so none counts; None: however far.
    """

    path: str
    shapes: geopandas.GeoSeries
    moments: tuple[datetime, ...]
    most_hours: float | None = None

    @classmethod
    def open(cls, source: dict, most_hours: float | None) -> OpticalScenes:
        """Reads a layer that “Find scenes” wrote, or one with its field “acquired”.

        Raises:
            DataError: the field is not there, or a scene has no time of day.
        """
        layer = VectorLayer.open(source)
        if ACQUIRED not in layer.fields:
            raise DataError(f"{layer.path} has no field “{ACQUIRED}”, which says when each optical scene was taken. Choose the layer that “Find "
                            "scenes” wrote, or add that field with times such as 2023-04-05T05:12:34Z.")
        found = layer.read([ACQUIRED])
        moments = [moment(str(value)) for value in found[ACQUIRED]]
        if (strange := next((str(value) for value, one in zip(found[ACQUIRED], moments, strict=True) if one is None), None)) is not None:
            raise DataError(f"{layer.path}: “{strange}” in the field “{ACQUIRED}” is no time of day. Write times as 2023-04-05T05:12:34Z.")
        return cls(layer.path, found.geometry, tuple(one for one in moments if one), most_hours)

    def hours(self, scene: Scene, labels: IceLabels) -> np.ndarray:
        """Hours from a radar scene to the nearest of these that shows a point inside a polygon, − is before (polygon,); NaN where none does.

        Raises:
            DataError: the time of day of the radar scene is not known.
        """
        own = next((found for raster in scene.rasters if (found := taken(raster))), None)
        if own is None:
            raise DataError(f"The time of day of {scene.path} is not known, and the hours to optical scenes are counted from it. Put it into the "
                            "name of the file, such as S1A_EW_20220503T081532.tif.")
        points = geopandas.GeoSeries(labels.shapes.representative_point(), crs=labels.shapes.crs).to_crs(self.shapes.crs)
        nearest = np.full(len(points), np.nan)
        for shape, when in zip(self.shapes, self.moments, strict=True):
            gap = (when - own).total_seconds() / 3600
            if self.most_hours is None or abs(gap) <= self.most_hours:
                closer = shapely.intersects(points.to_numpy(), shape) & ~(np.abs(nearest) <= abs(gap))
                nearest[closer] = gap
        return nearest.round(3)

    def of(self, scenes: list[Scene], labels: IceLabels, progress: Progress = SILENT) -> Gaps:
        """The same for several radar scenes, and says how many polygons optical scenes show.

        Raises:
            DataError: as `hours`, or no polygon is shown.
        """
        found = np.stack([self.hours(scene, labels) for scene in scenes])
        known = np.abs(found[:, labels.labelled])
        shown = np.isfinite(known)
        within = "" if self.most_hours is None else f" within {self.most_hours:g} hours"
        if not shown.any():
            raise DataError(f"No scene of {self.path} shows a labelled polygon{within} of the radar scene. Check that it was found for this scene, "
                            "or allow more hours.")
        progress.message(f"{shown.any(0).sum()} of {known.shape[1]} labelled polygons are shown by an optical scene{within}, "
                         f"{known[shown].min():.1f} to {known[shown].max():.1f} hours from the radar scene.")
        return Gaps(self, found)


@dataclass(frozen=True)
class Gaps:
    """Hours from each radar scene to the nearest optical scene that shows a polygon (scene, polygon); NaN where none does."""

    source: OpticalScenes
    hours: np.ndarray

    @property
    def wanted(self) -> np.ndarray | None:
        """Whether a polygon may label a scene, bool (scene, polygon); None: each may."""
        return None if self.source.most_hours is None else np.isfinite(self.hours)

    def each(self, found: Found) -> np.ndarray:
        """Of each patch (n,)."""
        return self.hours[found.each("scene"), found.each("polygon")]

    def facts(self, found: Found) -> dict[str, Any]:
        """What a dataset says of its patches."""
        own = np.abs(self.each(found))
        known = own[np.isfinite(own)]
        return {"path": self.source.path, "most_hours": self.source.most_hours, "without": int(len(own) - len(known)),
                "median_hours": round(float(np.median(known)), 2) if len(known) else None,
                "largest_hours": round(float(known.max()), 2) if len(known) else None}

"""How far the incidence angle from the orbit is from that of products: at the tie points of annotations, and along the swath of a scene on no map.

Annotations are those of Sentinel-1 GRD products in EW or IW mode (annotation/*.xml); their tie points are taken for the measured pixels, so that the
edges of the swath are known to the kilometre. The scene in DATA/seaice/glia_s1_ew_20220503 has an angle beside HH and HV but no place: its columns are
put at equal distances on the ground between the mode's angles at the edges, at the height of 79° N, which tests the curve and the two edges alone.
Run: python -m benchmarks.orbit_angle DATA ANNOTATION... [--csv docs/evidence/data]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from benchmarks.figures import Figures
from eo_pretrain_qgis.engine.themes.sea_ice.orbit import EDGES, RADIUS_M, Acquisition, fitted

GLIA, SHAPE = "seaice/glia_s1_ew_20220503/IA.img", (714, 700)
#: Distance of the ellipsoid from the middle of the earth at 79° N [m].
EARTH_M = 6_357_550.0


def main() -> None:
    arguments = argparse.ArgumentParser()
    arguments.add_argument("data", type=Path)
    arguments.add_argument("annotations", type=Path, nargs="*")
    arguments.add_argument("--csv", type=Path, help="folder for orbit_angle.csv")
    asked, found = arguments.parse_args(), Figures("scene", "figure")
    for path in asked.annotations:
        name, off = of_annotation(path)
        add(found, name, off)
    add(found, "EW, 3 May 2022, curve across the swath alone", across(np.fromfile(asked.data / GLIA, np.float32).reshape(SHAPE)))
    if asked.csv:
        found.write(asked.csv / "orbit_angle.csv")


def add(found: Figures, name: str, off: np.ndarray) -> None:
    print(f"{name}: median {np.median(off):.3f}°, largest {off.max():.3f}°, {off.size} places")
    found.add(name, "median error [°]", value=float(np.median(off)))
    found.add(name, "largest error [°]", value=float(off.max()))
    found.add(name, "places", value=off.size, form=",.0f")


def of_annotation(path: Path) -> tuple[str, np.ndarray]:
    """What the scene is called, and the error at each tie point [degree]."""
    root = ElementTree.parse(path).getroot()
    mode, start = root.findtext("adsHeader/mode"), root.findtext("adsHeader/startTime")
    longitude, latitude, angle = np.array([[float(point.findtext(name)) for name in ("longitude", "latitude", "incidenceAngle")]
                                           for point in root.iter("geolocationGridPoint")]).T
    hours = [int(start[11:13]), int(start[14:16]) / 60, float(start[17:]) / 3600]
    orbit, *_ = min(fitted(Acquisition(mode, sum(hours)), longitude, latitude), key=lambda one: abs(one[1] - EDGES[mode][0]))
    return f"{mode}, {start[:10]}, {latitude.mean():.0f}° N", np.abs(orbit.angles(longitude, latitude) - angle)


def across(angle: np.ndarray) -> np.ndarray:
    """Errors of the angle of an image in the geometry of the radar (y, x) [degree]."""
    angles = np.linspace(10, 60, 50_001)
    arc = np.radians(angles) - np.arcsin(EARTH_M / RADIUS_M * np.sin(np.radians(angles)))
    near, far = np.interp(EDGES["EW"], angles, arc)
    return np.abs(np.interp(np.linspace(near, far, angle.shape[1]), arc, angles) - angle)


if __name__ == "__main__":
    main()

"""The landscape as a whole: everything laid out as shapes and objects, ready to be painted block by block."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import shapely
import shapely.ops
from scipy.spatial import cKDTree

from ...progress import SILENT, Progress
from . import buildings, crops
from .noise import Box, Field, Grain, stream
from .objects import Objects, ObjectTable
from .parcels import Division, divide
from .roads import Road, make_through_roads
from .settlements import Site, make_sites
from .streets import make_network
from .terrain import Terrain
from .water import Water, blob, make_water

#: Share of the open land under forest; Austria's lowlands have about a third.
FOREST_SHARE = 0.30


@dataclass
class Landscape:
    """What there is.

    Attributes:
        parcels, parcel_objects: polygons that cover the land, and the first object number; parcel i is object
            `parcel_objects + i` where it is
            open and `parcel_objects + len(parcels) + i` where it is under forest.
        crops, angles: crop index and direction of each parcel.
        forest_offset: added to the forest field, per parcel; forest stands where the sum is positive.
        covers: shapes painted over parcels, in order, as (shape, object number).
        surfaces: road surfaces, painted last, as (shape, object number).
    """

    seed: int
    terrain: Terrain
    objects: Objects
    parcels: np.ndarray
    parcel_objects: int
    crops: np.ndarray
    angles: np.ndarray
    forest: Field
    forest_offset: np.ndarray
    covers: list[tuple[shapely.Geometry, int]]
    surfaces: list[tuple[shapely.Geometry, int]]
    roads: list[Road]
    sites: list[Site]
    grains: tuple[Grain, Grain]
    patches: Field

    @property
    def image(self) -> Box:
        """Where the image is."""
        return self.terrain.image


def make_landscape(seed: int, size_px: int, progress: Progress = SILENT) -> Landscape:
    """Lays out a landscape of `size_px` × `size_px` pixels of 10 m."""
    progress.at(0.0, "Raising hills and laying water")
    terrain = Terrain(seed, size_px * 10.0)
    progress.at(0.05, "Raising hills and laying water")
    water = make_water(seed, terrain)
    progress.at(0.1, "Founding settlements and routing roads")
    sites = make_sites(seed, terrain, water)
    progress.at(0.12, "Founding settlements and routing roads")
    through, motorway = make_through_roads(seed, terrain, water, sites)
    division = divide(seed, terrain, water, sites, through, motorway, progress.part(0.2, 0.6))
    progress.at(0.6, "Joining roads")
    roads = make_network(seed, through, motorway, division, sites, water, terrain)
    progress.at(0.75, "Choosing crops and forests")
    table = ObjectTable(stream(seed, "objects"))
    use = _land_use(seed, terrain, water, sites, division)
    late = (_heights(terrain, division) - 220) * 0.035
    first = table.add("field", len(division.parcels), crop=use.crop, shift=late, angle=np.array(division.angles))[0]
    _stands(table, use, late)
    covers = _covers(seed, terrain, water, sites, division, table, progress.part(0.8, 0.88))
    progress.at(0.88, "Paving roads")
    surfaces = _surfaces(roads, table, stream(seed, "surfaces"))
    bend, rng = Warp(seed, terrain.box, progress.part(0.9, 1.0)), stream(seed, "grain")
    return Landscape(
        seed,
        terrain,
        table.finish(),
        bend.shapes(division.parcels, 0.0),
        int(first),
        use.crop,
        np.array(division.angles),
        use.field,
        use.offset,
        bend.painted(covers, 0.2),
        bend.painted(surfaces, 0.5),
        [replace(road, line=line) for road, line in zip(roads, bend.shapes([r.line for r in roads], 0.7), strict=True)],
        [replace(s, outline=line) for s, line in zip(sites, bend.shapes([s.outline for s in sites], 0.9), strict=True)],
        (Grain(rng), Grain(rng)),
        Field(rng, terrain.box, 420, octaves=3, persistence=0.7),
    )


class Warp:
    """Moves points by up to about 20 m, smoothly, so that cuts between parcels are not ruled with a ruler. Shared
    ends stay shared.
    """

    def __init__(self, seed: int, box: Box, progress: Progress) -> None:
        rng = stream(seed, "warp")
        wide = box.grown(3000)
        self._x, self._y = Field(rng, wide, 520, 2), Field(rng, wide, 520, 2)
        self._report = progress

    def shapes(self, shapes: list[shapely.Geometry], done: float) -> np.ndarray:
        """Bent copies of shapes, when a share `done` of all was bent before."""
        self._report.at(done, "Bending straight lines")
        return shapely.transform(shapely.segmentize(np.array(shapes), 25.0), self._bend)

    def painted(self, shapes: list[tuple[shapely.Geometry, int]], done: float) -> list[tuple[shapely.Geometry, int]]:
        """Bent copies of shapes that come with the number of their object."""
        bent = self.shapes([shape for shape, _ in shapes], done)
        return list(zip(bent, [number for _, number in shapes], strict=True))

    def _bend(self, points: np.ndarray) -> np.ndarray:
        return points + 9 * np.stack([self._x.at(points[:, 0], points[:, 1]), self._y.at(points[:, 0], points[:, 1])], 1)


@dataclass
class _Use:
    crop: np.ndarray
    field: Field
    offset: np.ndarray
    conifer: np.ndarray


def _heights(terrain: Terrain, division: Division) -> np.ndarray:
    return terrain.height_at(shapely.get_coordinates(shapely.centroid(np.array(division.parcels))))


def _land_use(seed: int, terrain: Terrain, water: Water, sites: list[Site], division: Division) -> _Use:
    """Crops by their priors, grass on slopes and along water, vines and fruit on some slopes, forest where the field
    says so and land is steep.
    """
    rng = stream(seed, "land use")
    parcels = np.array(division.parcels)
    middles = shapely.get_coordinates(shapely.centroid(parcels))
    slope = terrain.slope()[terrain.cells(middles)]
    wet = np.array([water.river, *water.lakes, *water.brooks])
    banks = shapely.get_coordinates(shapely.segmentize(wet, 20.0))
    distance = cKDTree(banks).query(middles)[0]
    places = np.array([[site.x, site.y, site.radius] for site in sites])
    near = cKDTree(places[:, :2]).query(middles, k=min(4, len(places)))
    town = (near[0].reshape(len(middles), -1) - places[near[1].reshape(len(middles), -1), 2]).min(1)
    crop = rng.choice(len(crops.CROPS), len(parcels), p=crops.shares())
    grass = 1 / (1 + np.exp(-(-1.25 + 14 * slope + 1.9 * np.exp(-distance / 160) - 0.5 * (shapely.area(parcels) / 6e4))))
    crop = np.where(rng.random(len(parcels)) < grass, crops.GRASSLAND, crop)
    vines = (slope > 0.05) & (rng.random(len(parcels)) < 0.2)
    crop = np.where(vines, crops.PERMANENT, crop)
    field = Field(stream(seed, "forest"), terrain.box, 3600, octaves=5, persistence=0.5)
    offset = 6.0 * slope + rng.normal(0, 0.35, len(parcels)) - 1.3 * np.exp(-np.maximum(town, 0) / 350) - 0.7 * np.exp(-distance / 150)
    score = field.at(middles[:, 0], middles[:, 1]) + offset
    order = np.argsort(-score)
    share = np.cumsum(shapely.area(parcels)[order]) / shapely.area(parcels).sum()
    offset = offset - score[order[np.searchsorted(share, FOREST_SHARE)]]
    kinds = Field(stream(seed, "tree kinds"), terrain.box, 2400, octaves=2)
    conifer = kinds.at(middles[:, 0], middles[:, 1]) + rng.normal(0, 0.7, len(parcels)) > 0.25
    return _Use(crop.astype(np.uint8), field, offset.astype(np.float32), conifer)


def _stands(table: ObjectTable, use: _Use, late: np.ndarray) -> None:
    """One forest stand per parcel, of one kind of trees."""
    numbers = table.add("broadleaf", len(use.conifer), shift=late)
    table.turn_into("conifer", numbers[use.conifer])


def _covers(
    seed: int, terrain: Terrain, water: Water, sites: list[Site], division: Division, table: ObjectTable, progress: Progress
) -> list[tuple[shapely.Geometry, int]]:
    """What lies on top of fields and forest, in the order of painting."""
    progress.at(0, "Planting hedges")
    rng = stream(seed, "covers")
    covers: list[tuple[shapely.Geometry, int]] = []
    keep_out = shapely.union_all([site.outline.buffer(120) for site in sites] + [water.river.buffer(60), *water.lakes])
    shapely.prepare(keep_out)
    strips, trees, brook = table.add("grass", 16), table.add("broadleaf", 24), table.add("river", 6)
    for line in water.brooks:
        covers.append((line.buffer(rng.uniform(7, 14)), int(rng.choice(strips))))
        covers += [(part.buffer(rng.uniform(5, 11)), int(rng.choice(trees))) for part in _stretches(rng, line, 0.65)]
        covers.append((line.buffer(rng.uniform(1.0, 2.6)), int(rng.choice(brook))))
    for track in division.tracks:
        if rng.random() < 0.12:
            hedge = shapely.offset_curve(track, float(rng.choice([-7, 7])))
            covers += [(part.buffer(rng.uniform(3, 6)), int(rng.choice(trees))) for part in _stretches(rng, hedge, 0.8)]
    covers += _pits(rng, terrain, keep_out, table)
    covers.append((water.river.buffer(18), int(rng.choice(strips))))
    covers += [(part.buffer(rng.uniform(18, 55)), int(rng.choice(trees))) for part in _stretches(rng, water.course, 0.6)]
    ground, houses = buildings.build(seed, division, sites, table, progress)
    yards, barns = buildings.farms(seed, division, keep_out, table, round(terrain.image.area / 1.6e6))
    river = table.add("river", 1)
    lakes = table.add("lake", max(len(water.lakes), 1))
    covers += ground + yards + houses + barns
    covers += [(lake.buffer(rng.uniform(4, 12)), int(rng.choice(trees))) for lake in water.lakes]
    covers += [(lake, int(number)) for lake, number in zip(water.lakes, lakes, strict=False)]
    return [*covers, (water.river, int(river[0]))]


def _stretches(rng: np.random.Generator, line: shapely.Geometry, share: float) -> list[shapely.LineString]:
    """Random stretches of 60 to 260 m that make up about a share of a line."""
    found = []
    for part in shapely.get_parts(line):
        place = 0.0
        while place < part.length:
            length = rng.uniform(60, 260)
            if rng.random() < share:
                found.append(shapely.ops.substring(part, place, min(place + length, part.length)))
            place += length
    return [stretch for stretch in found if stretch.length > 5]


def _pits(rng: np.random.Generator, terrain: Terrain, keep_out: shapely.Geometry, table: ObjectTable) -> list[tuple[shapely.Geometry, int]]:
    """Quarries, gravel pits and building sites."""
    quarries, soils = table.add("quarry", 24), table.add("open soil", 24)
    pits: list[tuple[shapely.Geometry, int]] = []
    image = terrain.image
    for _ in range(max(6, round(image.area / 2.2e6))):
        shape = blob(
            rng,
            rng.uniform(image.west, image.east),
            rng.uniform(image.north, image.south),
            float(np.clip(rng.lognormal(4.4, 0.5), 35, 230)),
            0.32,
            float(rng.uniform(1, 2.2)),
        )
        if shape.intersects(keep_out):
            continue
        quarry = rng.random() < 0.5
        pits.append((shape, int(rng.choice(quarries if quarry else soils))))
        inner = blob(rng, shape.centroid.x, shape.centroid.y, 0.6 * np.sqrt(shape.area / np.pi), 0.4)
        pits.append((shapely.intersection(inner, shape), int(rng.choice(soils if rng.random() < 0.5 else quarries))))
    return pits


def _surfaces(roads: list[Road], table: ObjectTable, rng: np.random.Generator) -> list[tuple[shapely.Geometry, int]]:
    """Verges and surfaces of the roads one can see from above; bridges are painted last."""
    asphalt, gravel, verges = table.add("asphalt", 24), table.add("gravel road", 24), table.add("grass", 12)
    seen = sorted((road for road in roads if not road.tunnel), key=lambda road: road.bridge)
    surfaces = []
    for road in seen:
        verge = {"motorway": 9.0, "motorway_link": 4.0, "primary": 2.5}.get(road.highway, 0.0)
        if verge and not road.bridge:
            surfaces.append((road.line.buffer(road.width / 2 + verge, quad_segs=3), int(rng.choice(verges))))
    for road in seen:
        paved = road.highway not in ("track", "path")
        surfaces.append((road.line.buffer(road.width / 2, quad_segs=3), int(rng.choice(asphalt if paved else gravel))))
    return surfaces

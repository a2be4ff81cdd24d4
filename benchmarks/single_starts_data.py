"""What `single_starts` learns from: simulated landscapes and simulated sea ice with labels, weak labels and none, and topics of real sea ice."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from itertools import count, islice
from pathlib import Path
from typing import Any

import geopandas
import numpy as np
import pandas
import rasterio
import shapely
from rasterio.features import shapes
from rasterio.transform import from_origin

from benchmarks import simulated_ice
from benchmarks.approaches import job
from eo_pretrain_qgis.engine.landscape import create

#: Seeds of the landscapes that starts learn from; those with labels are the first from another seed on in which bare ground is rare.
UNLABELLED, LABELLED, LABELLED_COUNT = range(601, 607), 701, 9
#: Of a landscape [px], whole tiles and whole cells of 100 m; and the share of bare ground below which it is rare.
SIZE, TILE, BARE, MOST_BARE = 640, 64, 6, 0.01
#: Of the simulated images of ice: seeds of those with labels and of those with topics alone, how many there are, and the side [px].
ICE, ICE_TOPICS, ICE_SCENES, ICE_SIDE = 11, 12, 9, 384
#: Topics as in docs/evidence/topics.md; HH brought to one angle, as the help of “Discover topics” says.
TOPICS = {"channels": "HH + 0.2*(b3 - 35), HV", "topic_count": 6, "words": 40, "document_size": 32}
GREENLAND, BANDS = "seaice/glia_s1_ew_20220503", {"HH": "Sigma0_HH_db.img", "HV": "Sigma0_HV_db.img", "incidence_angle": "IA.img"}


def landscape(out: Path, seed: int) -> Path:
    """The folder of a landscape, made unless it is there."""
    folder = out / "landscapes" / str(seed)
    if not folder.exists():
        folder.parent.mkdir(exist_ok=True)
        create(folder, SIZE, seed)
    return folder


def with_rare(out: Path) -> list[int]:
    """Seeds of the landscapes with labels."""
    def share(seed: int) -> float:
        with rasterio.open(landscape(out, seed) / "land_cover.tif") as truth:
            return float((truth.read(1) == BARE).mean())

    return list(islice((seed for seed in count(LABELLED) if 0 < share(seed) < MOST_BARE), LABELLED_COUNT))


def ground(out: Path, name: str, seeds: Sequence[int]) -> Path:
    """Landscapes side by side: an image of each, and of all together land cover, roads of the map, true visible roads, and bare ground."""
    folder = out / name
    if folder.exists():
        return folder
    part = out / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    covers: dict[str, list[np.ndarray]] = {"land_cover": [], "land_cover_100m": []}
    lines: dict[str, list[geopandas.GeoDataFrame]] = {"roads": [], "roads_truth": []}
    for number, seed in enumerate(seeds):
        made = landscape(out, seed)
        with rasterio.open(made / "sentinel2.tif") as image:
            profile = {**image.profile, "transform": image.transform @ image.transform.translation(number * SIZE, 0)}
            with rasterio.open(part / f"{seed}.tif", "w", **profile) as moved:
                moved.write(image.read())
                moved.descriptions = image.descriptions
                moved.update_tags(**image.tags())
            box, first = shapely.box(*image.bounds), image.transform
        for layer, found in covers.items():
            with rasterio.open(made / f"{layer}.tif") as raster:
                found.append(raster.read(1))
        for layer, drawn in lines.items():
            read = geopandas.clip(geopandas.read_file(made / f"{layer}.gpkg"), box)
            read = read[read["visible"]].drop(columns=["tunnel", "bridge"]) if "visible" in read else read
            drawn.append(read.set_geometry(read.translate(number * SIZE * 10)))
    for layer, found in covers.items():
        write_raster(part / f"{layer}.tif", np.concatenate(found, 1)[None], (first.c, first.f), SIZE * 10 / len(found[0]), image.crs)
    write_raster(part / "bare.tif", (np.concatenate(covers["land_cover"], 1) == BARE)[None].astype(np.uint8), (first.c, first.f), 10, image.crs)
    for layer, drawn in lines.items():
        pandas.concat(drawn, ignore_index=True).to_file(part / f"{layer}.gpkg")
    return part.rename(folder)


def write_raster(path: Path, values: np.ndarray, corner: tuple[float, float], pixel: float, crs: Any, names: Sequence[str] = ()) -> None:
    """Writes (band, y, x) values with their upper left corner at (east, north) [m]."""
    with rasterio.open(path, "w", driver="GTiff", count=len(values), height=values.shape[1], width=values.shape[2], dtype=values.dtype, crs=crs,
                       transform=from_origin(*corner, pixel, pixel), compress="deflate") as raster:
        raster.write(values)
        raster.descriptions = tuple(names) or (None,) * len(values)


def land(data: Path, out: Path) -> None:
    """The datasets of landscapes: without labels, with weak labels, and with true ones, of which three of nine landscapes are the test."""
    del data
    plain, known = ground(out, "plain", UNLABELLED), ground(out, "known", with_rare(out))
    weak, true = ({"images": sorted(map(str, folder.glob("[0-9]*.tif"))), "preset": "sentinel2_l2a", "tile_size": TILE} for folder in (plain, known))
    job("create_pretraining_dataset", out / "unlabelled", **weak)
    job("create_road_dataset", out / "osm", roads=str(plain / "roads.gpkg"), test_share=0, **weak)
    job("create_land_cover_dataset", out / "coarse", land_cover=str(plain / "land_cover_100m.tif"), legend="cgls_lc100", test_share=0, **weak)
    whole = {**true, "validation_share": 0, "test_share": 0}
    bare = [{"value": "0", "name": "other", "color": "#1b7837"}, {"value": "1", "name": "bare", "color": "#d7191c"}]
    job("create_training_dataset", out / "bare.whole", labels=[str(known / "bare.tif")], class_table=json.dumps(bare), **whole)
    job("create_training_dataset", out / "cover.whole", labels=[str(known / "land_cover.tif")], **whole)
    job("create_road_dataset", out / "truth.whole", roads=str(known / "roads_truth.gpkg"), incomplete="keep", **whole)
    for name in ("bare", "cover", "truth"):
        job("split_dataset", out / name, dataset=str(out / f"{name}.whole"), way="scene", validation_share=0, test_share=0.34)


def ice(data: Path, out: Path) -> None:
    """The datasets of ice: simulated stages, of which three of nine scenes are the test, and topics of other scenes and of a real one."""
    rows = {"class_field": "stage", "samples": "tiles", "size": TILE}
    for seed in (ICE, ICE_TOPICS):
        if not (out / f"scenes-{seed}").exists():
            part = out / f"scenes-{seed}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            simulated_ice.simulate(part, seed, ICE_SCENES, ICE_SIDE)
            part.rename(out / f"scenes-{seed}")
    scenes = [str(out / f"scenes-{ICE}" / f"scene{number}.tif") for number in range(ICE_SCENES)]
    job("create_sea_ice_dataset", out / "ice", images=scenes, labels=str(out / f"scenes-{ICE}" / "ice.gpkg"), split_by="scene", validation_share=0,
        test_share=0.34, **rows)
    others = [rasterio.open(out / f"scenes-{ICE_TOPICS}" / f"scene{number}.tif").read() for number in range(ICE_SCENES)]
    values = np.stack([rasterio.open(data / GREENLAND / name).read(1) for name in BANDS.values()])
    seen = rasterio.open(data / GREENLAND / "valid.img").read(1) > 0
    for name, image in (("greenland", np.where(seen, values, np.nan)), ("simulated", np.concatenate(others, 2))):
        if not (out / f"{name}.tif").exists():  # the real scene has no place: one is invented
            write_raster(out / f"{name}.tif", image.astype(np.float32), (400_000, -1_200_000), simulated_ice.PIXEL, "EPSG:3413", list(BANDS))
        job("discover_topics", out / f"{name}_topics.tif", images=[str(out / f"{name}.tif")], **TOPICS)
        polygons = out / f"{name}_topics.gpkg"
        if not polygons.exists():
            with rasterio.open(out / f"{name}_topics.tif") as raster:
                drawn = [(shapely.geometry.shape(shape), f"topic {int(value)}") for shape, value
                         in shapes(raster.read(1), raster.read_masks(1) > 0, transform=raster.transform)]
            named, outlines = [topic for _, topic in drawn], [shape for shape, _ in drawn]
            geopandas.GeoDataFrame({"stage": named}, geometry=outlines, crs="EPSG:3413").to_file(polygons)
        job("create_sea_ice_dataset", out / f"topics_{name}", images=[str(out / f"{name}.tif")], labels=str(polygons), split_by="place", test_share=0,
            **rows)

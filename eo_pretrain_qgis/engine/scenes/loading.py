"""Images of found scenes on a chosen grid, one GeoTIFF for each day or place, read from the network or the disk by odc-stac in strips."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import rasterio
import shapely
from rasterio.crs import CRS
from rasterio.errors import CRSError, RasterioError
from shapely.geometry.base import BaseGeometry

from ...errors import DataError, listed
from ...outputs import disk_full
from ...progress import SILENT, Progress
from ..rasters import sources
from ..rasters.deliveries.items import Item, bands_of, mask_key, stored_of
from ..rasters.grid import reproject_bounds
from .areas import LONLAT
from .asking import Found
from .waiting import waited

#: Pixels of a strip, and its rows at least.
STRIP, ROWS = 2**22, 512
LARGEST_EDGE = 200_000
MASK = "SCL"
#: How long GDAL waits for a server [s], and how often it asks again.
PATIENCE = {"GDAL_HTTP_CONNECTTIMEOUT": "10", "GDAL_HTTP_TIMEOUT": "60", "GDAL_HTTP_MAX_RETRY": "3", "GDAL_HTTP_RETRY_DELAY": "1",
            "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR"}
#: What reading raises where a file or what an item says of it is damaged.
DAMAGED = (RasterioError, CRSError, OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError)
ERRORS = (DataError, *DAMAGED)


@dataclass(frozen=True)
class Chosen:
    """The grid and bands that images are wanted on.

    Attributes:
        bands: names; empty takes all of the first scene.
        crs: of the images; empty is that of the first scene, or the UTM zone of a place.
        resolution: edge of a pixel [units of the CRS]; None is that of the first band.
    """

    bands: tuple[str, ...] = ()
    crs: str = ""
    resolution: float | None = None


@dataclass(frozen=True)
class Target:
    """An image to make.

    Attributes:
        file: its name.
        scenes: it is made of, the one that goes before all others first.
        ground: in longitude and latitude.
        edge: of a square around the middle of the ground, which then says no more than that middle [m]; None is all of the ground.
    """

    file: str
    scenes: Sequence[Found]
    ground: BaseGeometry
    edge: float | None = None


@dataclass(frozen=True)
class _Facts:
    """What a file of a band says: type, nodata, scale, offset, CRS and edge of a pixel."""

    dtype: str
    nodata: float | None
    scale: float
    offset: float
    crs: str
    pixel: float


class Loader:
    """Writes images of scenes.

    Args:
        chosen: grid and bands.
        folder: to write into.
        local: whether files on this computer may be read, which items from the network must not ask for.
        progress: told how far it is.
    """

    def __init__(self, chosen: Chosen, folder: Path, local: bool, progress: Progress = SILENT) -> None:
        self.chosen, self.folder, self.local, self.progress = chosen, folder, local, progress

    def write(self, target: Target, start: float, end: float) -> bool:
        """Writes an image and the mask of its clouds, where there is one; False where no scene measured anything of its ground.

        Raises:
            DataError: a scene lacks a band, a file cannot be read, the grid cannot be, or the disk is full.
        """
        first = target.scenes[0].item
        bands = self.chosen.bands or tuple(bands_of(first))
        assets = {item.id: _assets(item, bands) for item in (found.item for found in target.scenes)}
        text = f"Loading {target.file}"
        facts = [waited(lambda key=key: self._facts(first, key), ERRORS, self.progress, start, text)  # type: ignore[misc]
                 for key in (assets[first.id][band] for band in bands)]
        box = self._grid(target, facts[0])
        dtype = np.result_type(*(fact.dtype for fact in facts)).name
        nodata = _nodata(first, [assets[first.id][band] for band in bands], facts, dtype)
        stored = [_stored_alike(target, assets, band, fact) for band, fact in zip(bands, facts, strict=True)]
        self._check_room(box, len(bands) * np.dtype(dtype).itemsize, target.file)
        tags = {"ACQUISITION_DATE": first.day, "datetime": first.when.isoformat() if first.when else "",
                "EO_PRETRAIN_ITEMS": ", ".join(found.item.id for found in target.scenes)}
        path = self.folder / target.file
        with _Image(path, box, (dtype, nodata, bands), stored, tags) as image:
            measured = self._strips(target, assets, image, start, end)
        if not measured:
            path.unlink()
            return False
        self._write_mask(target, box, tags)
        return True

    def _write_mask(self, target: Target, box: Any, tags: dict[str, str]) -> None:
        assets = {found.item.id: {MASK: mask_key(found.item)} for found in target.scenes}
        if not all(keys[MASK] for keys in assets.values()):
            return
        (self.folder / "masks").mkdir(exist_ok=True)
        with _Image(self.folder / "masks" / target.file, box, ("uint8", 0, (MASK,)), [(1.0, 0.0)], tags) as image:
            self._strips(target, assets, image, 1, 1)

    def _strips(self, target: Target, assets: dict[str, dict[str, str]], image: _Image, start: float, end: float) -> int:
        """Reads and writes strip by strip; returns how many pixels were measured."""
        dtype, nodata, bands = image.holds
        height, width = image.box.shape
        rows = max(ROWS, STRIP // width // ROWS * ROWS)
        measured = 0
        for first in range(0, height, rows):
            part = image.box[first:min(first + rows, height), :]
            fraction = start + (end - start) * first / height
            values = waited(lambda part=part: self._read(target, assets, bands, part, dtype, nodata), ERRORS,  # type: ignore[misc]
                            self.progress, fraction, f"Loading {target.file}")
            image.file.write(values, window=rasterio.windows.Window(0, first, width, values.shape[1]))
            shown = np.isfinite(values) if nodata is None or np.isnan(nodata) else values != nodata
            measured += int(np.count_nonzero(shown.any(0)))
        return measured

    def _read(self, target: Target, assets: dict[str, dict[str, str]], bands: Sequence[str], box: Any, dtype: str, nodata: float | None
              ) -> np.ndarray:
        """Values (band, y, x) of a piece of the grid; where scenes overlap, of the first that measured the place."""
        import odc.stac

        items = [_pystac(found, assets[found.item.id], self.local) for found in target.scenes]
        try:
            with rasterio.Env(**sources.online(), **PATIENCE):
                loaded = odc.stac.load(items, bands=list(bands), geobox=box, groupby=lambda *_: 0, preserve_original_order=True, dtype=dtype,
                                       nodata=nodata, resampling="nearest" if tuple(bands) == (MASK,) else "bilinear", fail_on_error=True)
        except DAMAGED as error:
            raise DataError(f"A file of {listed([found.item.id for found in target.scenes], 3)} cannot be read ({str(error)[:200]}). Run again; "
                            "if it fails once more, the file is damaged or gone.") from None
        return np.stack([loaded[band].values[0] for band in bands])

    def clouds(self, found: Found, ground: BaseGeometry, crs: str, pixel: float) -> tuple[np.ndarray, rasterio.Affine] | None:
        """The scene classification (y, x) uint8 over some ground of that CRS, and where its pixels lie; None where the scene has none."""
        from odc.geo.geobox import GeoBox

        if not mask_key(found.item):
            return None
        box = GeoBox.from_bbox(ground.bounds, crs=crs, resolution=pixel)
        target, assets = Target(found.item.id, [found], ground), {found.item.id: {MASK: mask_key(found.item)}}
        values = waited(lambda: self._read(target, assets, (MASK,), box, "uint8", 0), ERRORS, self.progress, 0.9,
                        f"Looking at clouds of {target.file}")
        return values[0], box.affine

    def _facts(self, item: Item, key: str) -> _Facts:
        """What the file of an asset says."""
        path = _place(item, key, self.local)
        try:
            with rasterio.Env(**PATIENCE), sources.raster(path) as opened:
                if opened.count != 1:
                    raise DataError(f"{path} of {item.id} holds {opened.count} bands, where each file should hold one. Choose other bands (bands).")
                if not opened.crs:
                    raise DataError(f"{path} of {item.id} does not lie on a grid of a coordinate system, as radar images before terrain "
                                    "correction do not. Take a collection of terrain-corrected scenes, or load it with another program.")
                return _Facts(opened.dtypes[0], opened.nodata, opened.scales[0], opened.offsets[0], opened.crs.to_wkt(), abs(opened.transform.a))
        except RasterioError as error:
            raise DataError(f"{path} of {item.id} cannot be read ({str(error)[:200]}). Check the network, or the file.") from None

    def _grid(self, target: Target, facts: _Facts) -> Any:
        """The pixels of an image, whose edges are multiples of their size."""
        from odc.geo.geobox import GeoBox

        try:
            crs = CRS.from_user_input(self.chosen.crs or facts.crs)
        except CRSError:
            raise DataError(f"The coordinate system {self.chosen.crs[:60]} is not known. Give one such as EPSG:32633.") from None
        pixel = self.chosen.resolution or (facts.pixel if crs.is_projected == CRS.from_wkt(facts.crs).is_projected else None)
        if pixel is None:
            raise DataError(f"{crs.to_string()[:60]} counts in other units than the scenes, so that nothing says how large a pixel is. Give "
                            "“Pixel size” (resolution).")
        bounds = reproject_bounds(_round_the_world(target.ground), LONLAT, crs.to_wkt())
        if target.edge is not None:
            if not crs.is_projected:
                raise DataError(f"{crs.to_string()[:60]} does not count in metres, and images around places are squares of {target.edge:g} m. Leave "
                                "“Coordinate system” (crs) empty.")
            side = max(1, round(target.edge / pixel)) * pixel
            west, south = (round((middle - side / 2) / pixel) * pixel for middle in ((bounds[0] + bounds[2]) / 2, (bounds[1] + bounds[3]) / 2))
            bounds = west, south, west + side, south + side
        if not np.isfinite(bounds).all() or (crs.is_geographic and bounds[2] > 180):
            raise DataError(f"The area reaches over 180° or beyond {crs.to_string()[:60]}, so that no image holds it. Give a “Coordinate system” "
                            "(crs) such as that of a UTM zone there.")
        shape = [(high - low) / pixel for low, high in ((bounds[0], bounds[2]), (bounds[1], bounds[3]))]
        if max(shape) > LARGEST_EDGE:
            raise DataError(f"An image of the area with pixels of {pixel:g} would have {shape[0]:.0f} × {shape[1]:.0f} of them, and each edge may "
                            f"have {LARGEST_EDGE}. Give a smaller area or larger pixels (resolution).")
        return GeoBox.from_bbox(bounds, crs=crs.to_wkt(), resolution=pixel)

    def _check_room(self, box: Any, bytes_: int, file: str) -> None:
        if box.shape[0] * box.shape[1] * bytes_ > shutil.disk_usage(self.folder).free:
            raise disk_full(self.folder / file)


class _Image:
    """A GeoTIFF that is written strip by strip."""

    def __init__(self, path: Path, box: Any, holds: tuple[str, float | None, Sequence[str]], stored: Sequence[tuple[float, float]],
                 tags: dict[str, str]) -> None:
        self.path, self.box, self.holds, self.stored, self.tags = path, box, holds, stored, tags

    def __enter__(self) -> _Image:
        dtype, nodata, bands = self.holds
        height, width = self.box.shape
        self.file = rasterio.open(self.path, "w", driver="GTiff", width=width, height=height, count=len(bands), dtype=dtype, nodata=nodata,
                                  crs=self.box.crs.to_wkt(), transform=self.box.affine, tiled=True, blockxsize=512, blockysize=512,
                                  compress="deflate", predictor=3 if np.dtype(dtype).kind == "f" else 2, bigtiff="if_safer")
        self.file.descriptions = tuple(bands)
        self.file.scales, self.file.offsets = zip(*self.stored, strict=True)
        self.file.update_tags(**{key: value for key, value in self.tags.items() if value})
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


def _assets(item: Item, bands: Sequence[str]) -> dict[str, str]:
    """Band → key of the asset.

    Raises:
        DataError: the item lacks one.
    """
    have = bands_of(item)
    missing = [band for band in bands if band not in have]
    if missing or not bands:
        raise DataError(f"The scene {item.id} has no band {listed(missing or ['at all'], 6)}; it has {listed(list(have) or ['none'], 13)}. Name "
                        "bands that all scenes have in “Bands” (bands).")
    return {band: have[band] for band in bands}


def _place(item: Item, key: str, local: bool) -> str:
    """What GDAL opens for an asset.

    Raises:
        DataError: it needs an account, or lies on this computer though the item is from the network.
    """
    href = item.assets[key]["href"]
    if urlsplit(href).path.lower().endswith(".vrt"):
        raise DataError(f"The scene {item.id} has its band in {href[:200]}, which only refers to other files. Choose a catalogue with the images.")
    if sources.is_address(href) or urlsplit(href).scheme in ("http", "https", "s3"):
        if urlsplit(href).scheme not in ("http", "https"):
            raise DataError(f"The scene {item.id} has its band at {href[:200]}, which needs an account. Take a catalogue with files for "
                            "everybody, or fetch it with another program.")
        return href
    if not local:
        raise DataError(f"The scene {item.id} names {href[:200]}, a file on this computer, though it is from the network. Do not use this catalogue.")
    if not os.path.isfile(href):
        raise DataError(f"The scene {item.id} has its band in {href}, which is not there. Copy the file there, or correct the item.")
    return href


def _pystac(found: Found, assets: dict[str, str], local: bool) -> Any:
    """The item as odc-stac takes it: with the files of some bands alone, named like these."""
    import pystac

    item, kept = found.item, {}
    for band, key in assets.items():
        asset = item.assets[key]
        kept[band] = {"href": _place(item, key, local), "type": "image/tiff; application=geotiff", "roles": ["data"],
                      **{name: value for name, value in asset.items() if name.startswith("proj:")}}
    properties = {name: value for name, value in item.properties.items() if name.startswith("proj:")}
    return pystac.Item.from_dict({"type": "Feature", "stac_version": "1.0.0", "id": item.id,
                                  "geometry": shapely.geometry.mapping(found.footprint), "bbox": list(found.footprint.bounds),
                                  "properties": {**properties, "datetime": item.when.isoformat() if item.when else None}, "links": [],
                                  "collection": "scenes", "assets": kept,
                                  "stac_extensions": ["https://stac-extensions.github.io/projection/v2.0.0/schema.json"]})


def _nodata(item: Item, keys: Sequence[str], facts: Sequence[_Facts], dtype: str) -> float | None:
    """The value of what was not measured: of the items, else of the files; of whole numbers 0 where neither says one, else NaN."""
    said = [value for key, fact in zip(keys, facts, strict=True) for value in (stored_of(item, key).nodata, fact.nodata) if value is not None]
    if said:
        return said[0]
    return 0 if np.dtype(dtype).kind in "ui" else float("nan")


def _stored_alike(target: Target, assets: dict[str, dict[str, str]], band: str, fact: _Facts) -> tuple[float, float]:
    """Scale and offset of a band, which is the same in all scenes of an image.

    Raises:
        DataError: it is not.
    """
    found = {}
    for scene in target.scenes:
        stored = stored_of(scene.item, assets[scene.item.id][band])
        found[scene.item.id] = (fact.scale if stored.scale is None else stored.scale, fact.offset if stored.offset is None else stored.offset)
    if len(set(found.values())) > 1:
        (one, first), (other, second) = next((pair, another) for pair in found.items() for another in found.items() if pair[1] != another[1])
        raise DataError(f"{one} stores its band {band} × {first[0]:g} {first[1]:+g}, and {other} × {second[0]:g} {second[1]:+g}, so they make no "
                        "image together. Choose scenes of one processing baseline.")
    return next(iter(found.values()))


def _round_the_world(ground: BaseGeometry) -> tuple[float, float, float, float]:
    """The bounds of some ground; of what was cut at 180° with an east beyond it."""
    west, south, east, north = ground.bounds
    if east - west > 180:
        parts = [part.bounds for part in shapely.get_parts(ground)]
        west = min(box[0] for box in parts if box[0] >= 0) if any(box[0] >= 0 for box in parts) else west
        east = max(box[2] for box in parts if box[0] < 0) + 360 if west >= 0 else east
    return west, south, east, north

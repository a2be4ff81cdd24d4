"""The band files of a scene on one grid, as a virtual raster of GDAL. Its text is built here and never written to a file.

Bands of other pixels are resampled bilinearly while they are read; towards larger pixels GDAL widens the kernel (GDALRasterIO). Pixels that
were not measured are left out of the kernel, so that no value is half of one: GDAL does so for sources that declare nodata, which the inner
virtual raster of each file does.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import rasterio
from rasterio.enums import ColorInterp, MaskFlags
from rasterio.errors import RasterioIOError

from ....errors import DataError
from ....markup import escaped
from .. import sources
from .packages import BandFile, Delivery, Virtual

#: Relative difference of sizes and coordinates that is taken for rounding.
TOLERANCE = 1e-6
#: Largest edge of the blocks that the raster says it has [px].
LARGEST_BLOCK = 1024
#: Largest edge of a scene [px].
LARGEST_EDGE = 1_000_000
COPY = "Copy or download the scene again."
UNPACK = "Unpack the archive and choose the folder, or download it again."
#: NumPy names of types → those of GDAL.
TYPES = {"uint8": "Byte", "int8": "Int8", "uint16": "UInt16", "int16": "Int16", "uint32": "UInt32", "int32": "Int32", "float32": "Float32",
         "float64": "Float64"}


@dataclass(frozen=True)
class _Header:
    file: BandFile
    width: int
    height: int
    transform: rasterio.Affine
    crs: str
    unit: str
    dtype: str
    nodata: float | None
    scale: float
    offset: float
    block: tuple[int, int]

    @property
    def pixel(self) -> float:
        return self.transform.a

    @property
    def area(self) -> float:
        return abs(self.transform.a * self.transform.e)


def build(delivery: Delivery, path: str, pixel: float | None) -> Virtual:
    """Puts the bands of a scene on one grid.

    Args:
        delivery: the scene.
        path: what the user gave, for messages.
        pixel: edge of a pixel [units of the CRS]; None is that of the finest band.

    Raises:
        DataError: the files do not cover the same ground, or not in whole pixels of that size.
    """
    if delivery.prepare:
        return delivery.prepare(path, pixel)
    headers: dict[str, list[_Header]] = defaultdict(list)
    for file in delivery.files:
        headers[file.name].append(_header(file, delivery.nodata, path))
    _check_alike([header for several in headers.values() for header in several], path)
    pixel = pixel or min((header for several in headers.values() for header in several), key=lambda header: header.area).pixel
    chosen = [_nearest(several, pixel) for several in headers.values()]
    _check_scales(chosen, path)
    first = min(chosen, key=lambda header: (abs(header.pixel - pixel), header.area))
    width, height = (edge * first.pixel / pixel for edge in (first.width, first.height))
    if min(width, height) < 1 or max(width, height) > LARGEST_EDGE or max(abs(width - round(width)), abs(height - round(height))) > TOLERANCE * width:
        raise DataError(f"{path} measures {first.width} × {first.height} pixels of {first.pixel:g}, which are no whole number of pixels of "
                        f"{pixel:g}. Give another size.")
    size = (round(width), round(height))
    # A band that has the grid says where it lies to the last digit.
    transform = first.transform @ rasterio.Affine.scale(pixel / first.pixel)
    tags = {**delivery.tags, **({"ACQUISITION_DATE": delivery.date} if delivery.date else {})}
    lines = [f'<VRTDataset rasterXSize="{size[0]}" rasterYSize="{size[1]}">', f"<SRS>{escaped(first.crs)}</SRS>" if first.crs else "",
             f"<GeoTransform>{', '.join(map(repr, transform.to_gdal()))}</GeoTransform>", "<Metadata>",
             *(f'<MDI key="{escaped(key)}">{escaped(value)}</MDI>' for key, value in tags.items() if value), "</Metadata>",
             *(_band(number, header, size) for number, header in enumerate(chosen, 1)), "</VRTDataset>"]
    return Virtual("".join(lines), _understood(delivery, path, pixel, chosen, size), delivery.date, delivery.missing)


def _header(file: BandFile, nodata: float | None, path: str) -> _Header:
    try:
        with sources.raster(file.path) as opened:
            if opened.count != 1:
                raise DataError(f"{file.path} in {path} holds {opened.count} bands, where each file should hold one. Choose the file itself.")
            if opened.colorinterp[0] == ColorInterp.palette:
                raise DataError(f"{file.path} in {path} holds numbers of colours in a table, and no measurements. Give the image it was made from.")
            if MaskFlags.per_dataset in opened.mask_flag_enums[0]:
                raise DataError(f"{file.path} has a mask of its own, which a folder of band files cannot keep. Choose the files themselves, as the "
                                "“bands” of one scene.")
            if opened.dtypes[0] not in TYPES:
                raise DataError(f"{file.path} holds {opened.dtypes[0]} values, which are no measurements to learn from. Choose another image.")
            scale, offset = opened.scales[0], opened.offsets[0]
            return _Header(file, opened.width, opened.height, opened.transform, opened.crs.to_wkt() if opened.crs else "",
                           _unit(opened.crs), opened.dtypes[0],
                           opened.nodata if nodata is None else nodata, scale if file.scale is None else file.scale,
                           offset if file.offset is None else file.offset, opened.block_shapes[0])
    except RasterioIOError as error:
        raise DataError(f"{file.path} cannot be opened as a raster ({error}). {UNPACK if file.path.startswith('/vsi') else COPY}") from None


def _unit(crs: rasterio.crs.CRS | None) -> str:
    """The unit of a CRS as it follows a number."""
    if not crs or not crs.is_projected:
        return "°" if crs else ""
    return " m" if crs.linear_units_factor[1] == 1 else f" {crs.linear_units}"


def _check_alike(headers: list[_Header], path: str) -> None:
    first = headers[0]
    box = _box(first)
    for other in headers[1:]:
        if other.crs != first.crs or any(abs(one - two) > TOLERANCE * (box[2] - box[0]) for one, two in zip(_box(other), box, strict=True)):
            raise DataError(f"{first.file.path} and {other.file.path} do not cover the same ground, so they are no bands of one scene. Choose "
                            "the images themselves, or bring one onto the grid of the other with “Warp (reproject)”.")
    names = [(header.file.name, round(header.pixel, 6)) for header in headers]
    twice = next((header for header, name in zip(headers, names, strict=True) if names.count(name) > 1), None)
    if twice:
        raise DataError(f"{path} holds the band {twice.file.name} more than once, as in {twice.file.path}. Choose the images themselves.")


def _check_scales(headers: list[_Header], path: str) -> None:
    """Refuses a scene of which only some files say how their values become physical ones."""
    silent = [header for header in headers if (header.scale, header.offset) == (1, 0)]
    if silent and len(silent) < len(headers):
        other = next(header for header in headers if header not in silent)
        raise DataError(f"{other.file.path} declares a scale or an offset and {silent[0].file.path} none, so their values are not of one kind. "
                        "Declare them in all files, or in none.")


def _box(header: _Header) -> tuple[float, float, float, float]:
    x, y = header.transform @ (header.width, header.height)
    return (header.transform.c, header.transform.f, x, y)


def _nearest(several: list[_Header], pixel: float) -> _Header:
    """Of the files of a band, the one with such pixels, else the next finer one, else the finest."""
    finer = [header for header in several if header.pixel <= pixel * (1 + TOLERANCE)]
    return max(finer, key=lambda header: header.pixel) if finer else min(several, key=lambda header: header.pixel)


def _band(number: int, header: _Header, size: tuple[int, int]) -> str:
    kind = TYPES[header.dtype]
    nodata = "" if header.nodata is None else f"<NoDataValue>{header.nodata!r}</NoDataValue>"
    block = (min(LARGEST_BLOCK, header.block[1], size[0]), min(LARGEST_BLOCK, header.block[0], size[1]))
    name, resampling = header.file.path, ""
    if (header.width, header.height) != size:
        resampling = ' resampling="bilinear"'
        name = (f'<VRTDataset rasterXSize="{header.width}" rasterYSize="{header.height}"><VRTRasterBand dataType="{kind}" band="1">{nodata}'
                f"{_source(header, header.file.path, (header.width, header.height))}</VRTRasterBand></VRTDataset>")
    return (f'<VRTRasterBand dataType="{kind}" band="{number}" blockXSize="{block[0]}" blockYSize="{block[1]}">'
            f"<Description>{escaped(header.file.name)}</Description>{nodata}<Scale>{header.scale!r}</Scale><Offset>{header.offset!r}</Offset>"
            f"{_source(header, name, size, resampling)}</VRTRasterBand>")


def _source(header: _Header, name: str, size: tuple[int, int], resampling: str = "") -> str:
    own = f'xSize="{header.width}" ySize="{header.height}"'
    return (f'<SimpleSource{resampling}><SourceFilename relativeToVRT="0">{escaped(name)}</SourceFilename><SourceBand>1</SourceBand>'
            f'<SourceProperties RasterXSize="{header.width}" RasterYSize="{header.height}" DataType="{TYPES[header.dtype]}" '
            f'BlockXSize="{header.block[1]}" BlockYSize="{header.block[0]}"/>'
            f'<SrcRect xOff="0" yOff="0" {own}/><DstRect xOff="0" yOff="0" xSize="{size[0]}" ySize="{size[1]}"/></SimpleSource>')


def _understood(delivery: Delivery, path: str, pixel: float, chosen: list[_Header], size: tuple[int, int]) -> str:
    resampled: dict[float, list[str]] = defaultdict(list)
    for header in chosen:
        if (header.width, header.height) != size:
            resampled[header.pixel].append(header.file.name)
    stored = {(header.scale, header.offset) for header in chosen}
    parts = [f"bands {', '.join(header.file.name for header in chosen)} on a grid of {pixel:g}{chosen[0].unit}",
             *(f"{', '.join(names)} resampled from {size:g}{chosen[0].unit}" for size, names in sorted(resampled.items()))]
    if len(stored) == 1 and stored != {(1.0, 0.0)}:
        scale, offset = stored.pop()
        parts.append(f"values × {scale:.6g} {'-' if offset < 0 else '+'} {abs(offset):.6g}")
    parts = [*parts,
             *([f"its cloud mask is {delivery.mask.rpartition('/')[2].partition('?')[0]}"] if delivery.mask else []),
             *([f"not used: {', '.join(delivery.left_out[:8])}"] if delivery.left_out else [])]
    return f"{path}: {delivery.title}{f' of {delivery.date}' if delivery.date else ''}; {'; '.join(parts)}."

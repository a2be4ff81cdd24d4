"""What the bands of imported images are, and how each image is brought to the values of the first; `meaning` decides both."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count

import numpy as np

from ...errors import DataError, listed
from ...progress import SILENT, Progress
from ..datasets.dataset import SensorInfo
from ..rasters.meaning import as_stored, check_held, conversion, refuse_other_baseline, refuse_other_maker, warn_of_level
from ..rasters.plausibility import brightness, unlike
from ..rasters.same_band import are_unnamed, same_band
from ..rasters.sensors import PRESETS, Band, Called, name_bands
from .pictures import Header, Seen

#: Gives values (band, y, x) as the dataset stores them, from those of a file and which pixels were measured.
Stored = Callable[[np.ndarray, np.ndarray], np.ndarray]


class ImportedBands:
    """The bands of one sensor of a data set, as its first image has them.

    Args:
        first: that image.
        preset: of the sensor; "generic" where nothing was chosen.
        bands: names separated by commas, or empty.
        name: of the sensor; empty takes that in the file, or "image".
        default: preset and names of the bands for files that do not name theirs.
        progress: told what was taken for granted.

    Attributes:
        info: what the dataset says of the sensor.

    Raises:
        DataError: values that are no measurements or contradict the sensor, or names that do not fit the bands.
    """

    def __init__(self, first: Seen, preset: str, bands: str, name: str = "", default: tuple[str, Sequence[str]] | None = None,
                 progress: Progress = SILENT) -> None:
        header = first.header
        self._chosen, self._names_given, self._default, self._first = preset, bands, default, header
        dtype = _measured(header)
        used, known = self._known(header, progress)
        self.empty = PRESETS[used].nodata
        seen = replace(first, empty=self.empty)
        refuse_other_maker(seen, used)
        warn_of_level(seen, used, progress)
        known = as_stored(seen, known, progress)
        nodata = header.nodata if header.nodata is not None else self.empty
        holds = dtype.kind in "iu" and nodata is not None and np.iinfo(dtype).min <= nodata <= np.iinfo(dtype).max
        kept = int(nodata) if holds and nodata is not None else None
        name = name or re.sub(r"[^\w-]+", "_", header.sensor).strip("_")[:100] or "image"  # what a file says becomes no path
        self.info = SensorInfo(name, used, "float32" if dtype.kind == "f" else dtype.name, kept, tuple(known))
        self._brightness, self._seen = brightness(seen, known), seen
        self._numbers, self._converted, self._warning = count(1), 0, ""

    def of(self, image: Seen) -> Stored:
        """How the values of an image are stored: in type, scale and offset of the dataset, what was not measured filled in all bands.

        Every image is asked what its file says; whether its values can be that, only some are, for of thousands a few may be odd.

        Raises:
            DataError: it has other bands than the first one, or nobody knows whether its values mean the same.
        """
        header, info, number = image.header, self.info, next(self._numbers)
        self._check(header)
        seen, judged = replace(image, empty=self.empty), number & (number - 1) == 0
        refuse_other_maker(seen, info.preset)
        refuse_other_baseline(self._seen, seen, info.bands)
        own = as_stored(seen, self._known(header, SILENT)[1], SILENT, judged)
        converted = conversion(seen, own, self._first.path, list(info.bands), info.dtype)
        if converted:
            check_held(seen, converted, SILENT)
            self._converted += not np.can_cast(header.dtype, info.dtype) or {*converted.gains} != {1.0} or {*converted.biases} != {0.0}
        if judged or np.dtype(header.dtype).kind == "f":
            read = replace(seen, reader=lambda window: _converted(converted, *seen.reader(window)))
            self._warning = self._warning or unlike(self._brightness, brightness(read, info.bands))
        places = list(range(len(info.bands)))

        def stored(values: np.ndarray, valid: np.ndarray) -> np.ndarray:
            measured = valid if self.empty is None else valid & (values != self.empty).any(0)
            result = converted(values, places) if converted else values.astype(info.dtype)
            if info.nodata is not None:
                result[:, ~measured] = info.nodata
            elif result.dtype.kind == "f":
                result[:, ~measured] = np.nan
            return result

        return stored

    def tell(self, progress: Progress) -> None:
        """Says, once all images are read, what was done to them."""
        if self._converted:
            progress.message(f"{self._converted} images store their values in another way than {self._first.path}; they are brought to its scale and "
                             "offset.")
        if self._warning:
            progress.message(self._warning, level="warning")

    def _known(self, header: Header, progress: Progress) -> tuple[str, list[Band]]:
        """The preset, and the bands of an image as chosen, else as its file says, else as is usual in the data set."""
        preset, names, default = self._chosen, header.names, self._default
        if preset == "generic" and default and not self._names_given and not any(band.name for band in header.bands):
            preset, names = default[0], list(default[1])
        own = preset == "generic" and header.preset in PRESETS
        known = name_bands(header.preset if own else preset, names, self._names_given, progress, Called(header.path))
        if own or preset == "generic":
            known = [replace(band, scale=told.scale, offset=told.offset, unit=told.unit if told.unit != "unknown" else band.unit,
                             wavelength_um=told.wavelength_um or band.wavelength_um)
                     for band, told in zip(known, header.bands, strict=True)]
        return header.preset if own else preset, known

    def _check(self, header: Header) -> None:
        """Holds the bands and the type of an image against those of the first."""
        first, info = self._first, self.info
        if len(header.bands) != len(info.bands):
            raise DataError(f"{header.path} has {len(header.bands)} bands, but the images before it {len(info.bands)}. Bring copies of the "
                            "images to the same bands, and import these.")
        alike = (are_unnamed(header.names) and are_unnamed(first.names)) or all(map(same_band, header.names, first.names))
        if not self._names_given and not alike:
            raise DataError(f"{header.path} has the bands {listed(header.names, 13)}, but {first.path} {listed(first.names, 13)}. Bring copies of "
                            "the images to the same bands, or name those of all in “Bands”.")
        ours, theirs = _measured(header), np.dtype(info.dtype)
        mixed = ours.kind != theirs.kind and "f" in (ours.kind, theirs.kind)
        if any(band.unit == "unknown" for band in info.bands) and (mixed or (not np.can_cast(ours, theirs) and info.dtype != "float32")):
            raise DataError(f"{header.path} holds {header.dtype} values, but the images before it {info.dtype}, so they may be of two sensors. "
                            "Import images of one sensor. If they are, choose it in “Sensor”, so that their values can be brought to one meaning.")


def _converted(converted: Callable | None, values: np.ndarray, valid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return converted(values, list(range(len(values)))) if converted else values, valid


def _measured(header: Header) -> np.dtype:
    dtype = np.dtype(header.dtype)
    if dtype.kind not in "iuf":
        raise DataError(f"{header.path} holds {dtype.name} values, which are no measurements to learn from. Convert the images first.")
    return dtype

"""Map series: model of series + dated images → class map, confidence, class shares and polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...version import plugin_version
from .. import mapping, training
from ..record import values_without_folders
from ..spec import Job, Result, choice, extent, file, number, pixel_value, raster_output, rasters, text, vector_output
from ..tiling import DELIVERED, PRESETS


@dataclass(frozen=True)
class MapSeries(Job):
    """Maps crops, or other classes of a model of series or of dated tiles, over images of many dates.

    The dates of each pixel are asked for together, of a model of dated tiles with its surroundings; gaps and clouds are bridged as in training. A
    pixel without a clear date stays nodata. The model says its season: images of another part of the year are refused, single dates outside are left
    out, and other years are fine. Images of the first part of the season give an early map; best with a model that learned for early answers.

    A model knows the classes of its parcels alone: forest, water and towns get the crop that they look most like. Give an extent of farmland, or
    mask the map with a land-cover map.

    Memory does not grow with the images, but with their number: a model of dated tiles of ten bands needs about 60 MB for each.
    """

    title = "Map a series"
    group = "4 Map"
    tags = ("crop types", "time series", "agriculture", "inference", "classification", "ONNX")
    results = {"valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"),
               "dates": Result("number", "Dates that the model looked at"), "device": training.DEVICE,
               "seconds": Result("number", "Duration of the mapping, in seconds")}

    model: str = file("Model", extension="onnx", help="Written by “Export model” from a run on series or dated tiles.")
    images: list = rasters("Images of the series", help="One raster layer for each date, all on one grid; or a data cube." + DELIVERED)
    masks: list = rasters("Cloud masks", optional=True, help="One for each date. What they hide is bridged; images without one count as clear.")
    mask_kind: str = choice("Kind of cloud mask", ("scl", "qa_pixel", "flags", "mask"), default="scl",
                            help="“scl”: Sentinel-2 scene classification. “qa_pixel”: that of Landsat. “flags”: 0 clear, 1 cloud, 2 shadow, 3 snow. "
                                 "“mask”: every value but 0 is cloud.")
    date_pattern: str = text("Pattern of the dates", default=None,
                             help="Of the file names, such as *_YYYYMMDD_*; empty reads the layers, the names and the tags.")
    date_table: str = file("Table of the dates", "csv", optional=True, help="CSV file with the columns file and date.")
    first_day: str = text("First day", default=None, help="Of the season or crop year to map, such as 09-01, or 2018-09-01; images of other days are "
                                                          "left out. Empty takes all, of which the model leaves out those outside its season.")
    last_day: str = text("Last day", default=None, help="Such as 08-31; a season may reach over New Year.")
    arrangement: str = choice("Arrangement", ("dates", "bands"), default="dates", advanced=True,
                              help="“dates”: each raster holds all bands of a date. “bands”: several rasters of one date are its bands.")
    preset: str = choice("Sensor", ("as_model", *PRESETS), default="as_model", advanced=True,
                         help="How the stored values are scaled, when that differs from the images the model was trained on.")
    bands: str = text("Bands", default=None, advanced=True,
                      help="Names of the images' bands in order, such as B02,B03,B04,B08; empty takes the names in the files.")
    extent: dict = extent("Extent", optional=True)
    nodata: float = pixel_value("Nodata value", advanced=True,
                                help="Used besides the layers' own nodata, the files' masks and values that are not finite.")
    minimum_area: float = number("Smallest polygon [m²]", default=0, minimum=0, maximum=1e15, advanced=True)
    output: str = raster_output("Class map")
    confidence: str = mapping.confidence()
    class_shares: str = mapping.class_shares()
    polygons: str = vector_output("Polygons", optional=True, created=False)

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.datasets.season import Season
        from ...engine.mapping.polygons import write_polygons
        from ...engine.mapping.products import PRODUCTS
        from ...engine.mapping.series import SeriesRequest, map_series
        from ...engine.models import package

        model = package.open(self.model)
        also = {name: getattr(self, name) for name in ("confidence", "class_shares", "polygons") if getattr(self, name)}
        request = SeriesRequest(self.images, self.masks or (), self.mask_kind, self.date_pattern, self.date_table, self.arrangement == "bands",
                                Season.read(self.first_day, self.last_day), self.preset, self.bands or "", self.extent, self.nodata,
                                {"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        products = [PRODUCTS[name](path) for name, path in {"class_map": self.output, **also}.items() if name in PRODUCTS]
        facts = map_series(model, request, products, progress.part(0, 0.9 if self.polygons else 1))
        if self.polygons:
            write_polygons(self.output, model.classes, self.polygons, self.minimum_area, progress.part(0.9, 1))
        progress.message(f"Mapped {facts['dates']} dates in {facts['seconds']:.1f} s.")
        return {"output": self.output, **also, **facts}

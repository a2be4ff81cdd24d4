"""Map series: model of series + dated images → class map, confidence, class shares and polygons."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...progress import Noting
from ...version import plugin_version
from .. import mapping, masking, training
from ..record import values_without_folders
from ..spec import Job, Result, file, raster_output, rasters
from ..tiling import DELIVERED


@dataclass(frozen=True)
class MapSeries(Job):
    """Maps crops, or other classes of a model of series or of dated tiles, over images of many dates.

    The dates of each pixel are asked for together, of a model of dated tiles with its surroundings; gaps and clouds are bridged as in training. A
    pixel without a clear date stays nodata. The model says its season: images of another part of the year are refused, single dates outside are left
    out, and other years are fine. Images of the first part of the season give an early map; best with a model that learned for early answers.

    A model knows the classes of its parcels alone: forest, water and towns get the crop that they look most like. Give an extent of farmland, or
    mask the map with a land-cover map.

    The “Area of applicability” shows where series are like those that the model learned from: one pixel of every 4 × 4 is compared with training
    series, in the bands on the days of the season. Where it is above 100 %, nobody has measured how right the map is.

    “Out of range” looks at the mean of each band over the clear dates of a pixel, and at that of the training series.

    Memory does not grow with the images, but with their number: a model of dated tiles of ten bands needs about 60 MB for each.
    """

    title = "Map a series"
    group = "4 Map"
    tags = ("crop types", "time series", "agriculture", "inference", "classification", "ONNX", "classify", "AI", "neural network",
            "deep learning")
    results = {"valid_share": Result("number", "Share of the pixels that have a result, 0 to 1"), "unlike_share": mapping.UNLIKE,
               "outside_share": mapping.OUTSIDE,
               "dates": Result("number", "Dates that the model looked at"), "device": training.DEVICE,
               "seconds": mapping.SECONDS}

    images: list = rasters("Images of the series", help="One raster layer for each date, all on one grid; or a data cube." + DELIVERED)
    model: str = file("Model", extension="onnx", help="A model file, written by “Export model” from a run on series or dated tiles.")
    masks: list = masking.masks_of_dates()
    mask_kind: str = masking.kind()
    extent: dict = mapping.area()
    first_day: str = mapping.first_day()
    last_day: str = mapping.last_day()
    date_pattern: str = mapping.date_pattern()
    date_table: str = mapping.date_table()
    arrangement: str = mapping.dates_arrangement()
    preset: str = mapping.preset()
    bands: str = mapping.bands()
    nodata: float = mapping.nodata()
    minimum_area: float = mapping.smallest_polygon()
    output: str = raster_output("Class map", help="The class of each pixel.")
    confidence: str = mapping.confidence()
    polygons: str = mapping.polygons()
    applicability: str = mapping.applicability()
    runner_up: str = mapping.runner_up()
    margin: str = mapping.margin()
    class_shares: str = mapping.class_shares()
    out_of_range: str = mapping.out_of_range()
    disagreement: str = mapping.disagreement()
    report: str = mapping.report(advanced=True)

    def run(self, progress: Any) -> dict[str, Any]:
        progress = Noting(progress)
        progress.at(0, "Reading the model")  # before anything heavy is loaded
        from ...engine.datasets.season import Season
        from ...engine.mapping.dated_images import SeriesRequest
        from ...engine.mapping.products import PRODUCTS
        from ...engine.mapping.series import map_series
        from ...engine.models import package

        model = package.open(self.model)
        names = ("confidence", "runner_up", "margin", "class_shares", "out_of_range", "disagreement", "applicability", "polygons")
        also = {name: getattr(self, name) for name in names if getattr(self, name)}
        request = SeriesRequest(self.images, self.masks or (), self.mask_kind, self.date_pattern, self.date_table, self.arrangement == "bands",
                                Season.read(self.first_day, self.last_day), self.preset, self.bands or "", self.extent, self.nodata,
                                {"job": self.name(), "version": plugin_version(), "values": values_without_folders(self)})
        products: dict[str, Any] = {name: PRODUCTS[name](path) for name, path in {"class_map": self.output, **also}.items() if name in PRODUCTS}
        facts = map_series(model, request, list(products.values()), progress.part(0, 0.9 if self.polygons else 1))
        facts |= {"unlike_share": products["applicability"].outside} if self.applicability else {}
        facts |= {"outside_share": products["out_of_range"].outside} if self.out_of_range else {}
        if self.polygons:
            from ...engine.mapping.polygons import write_polygons

            write_polygons(self.output, model.classes, self.polygons, self.minimum_area, progress.part(0.9, 1))
        progress.message(f"Mapped {facts['dates']} dates in {facts['seconds']:.1f} s.")
        also |= mapping.reported(self, model, progress, what="Map", raster=self.output, facts=facts)
        return {"output": self.output, **also, **facts}

"""Find scenes: an area and days → scenes of a catalogue or an item file, as footprints, items and images."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Any

from ...errors import JobError
from .. import tiling
from ..spec import Job, Result, boolean, choice, crs, extent, file, file_output, folder_output, integer, number, raster, text, vector, vector_output

EARTH_SEARCH = "https://earth-search.aws.element84.com/v1"


@dataclass(frozen=True)
class FindScenes(Job):
    """Finds Sentinel-2 or Sentinel-1 scenes of an area and of some days, and loads their images on one grid.

    It goes online only here, and only because you run it: it asks the “STAC API”, and with a “Folder of images” it fetches the parts of the images
    that show the area. With a “File of STAC items”, which was saved before, nothing is asked for, and the images may lie on this computer.

    The layer of footprints has the time, the share of cloud, and how much of the area each scene shows. The “Items” can be given to this
    algorithm again, and to those that map: scenes whose files are on this computer are opened from there.

    The folder gets one GeoTIFF for each day: a series that “Create crop dataset” and “Map series” take, with the scene classification of Sentinel-2
    in its folder “masks”. Where scenes of a day overlap, the one with fewer clouds is taken. Values stay as they are stored, with scale and
    offset in the file; bands with other pixels are brought to the grid bilinearly.

    “Scenes at random” draws places over land, each square kilometre as likely as any other, and takes the clearest scene of each, so that 50 of
    them make images to pretrain on in one run. The outline of land is Natural Earth’s, 1:110 million.

    With a “Radar scene” it finds the scenes that were taken within some hours of it, nearest first: how many hours before (−) or after, how much of
    the radar scene they show, and how much of that is clear.

    Sentinel-1 GRD of most catalogues is not on a grid yet, or needs an account; then it is found, but not loaded.
    """

    title = "Find scenes"
    group = "1 Prepare data"
    tags = ("STAC", "search", "download", "catalogue", "Sentinel-1", "Sentinel-2", "Earth Search", "random", "pairs", "cloud cover",
            "time series", "satellite image", "Copernicus")
    results = {"scenes": Result("number", "Scenes that were found"), "days": Result("number", "Days they are of"),
               "images": Result("number", "Images that were loaded"),
               "covered": Result("number", "Share of the area, or of the radar scene, that they show together, 0 to 1")}

    area: dict = extent("Area", optional=True, help="A rectangle to search in.")
    polygons: dict = vector("Area as polygons", optional=True, advanced=True, help="In place of a rectangle.")
    first_day: str = text("First day", default=None, help="Such as 2023-05-01. Needed online; of a file of items, empty takes all.")
    last_day: str = text("Last day", default=None, help="Such as 2023-09-30. This day is searched, too.")
    sensor: str = choice("Scenes of", {"sentinel2_l2a": "Sentinel-2 L2A (optical)", "sentinel1_grd": "Sentinel-1 GRD (radar)"},
                         default="sentinel2_l2a", help="Radar sees through clouds.")
    cloud_limit: float = number("Most clouds [%]", default=20, minimum=0, maximum=100, help="Of the whole scene. Not asked of radar.")
    months: str = text("Months", default=None, advanced=True, help="Such as 6,7,8, in all years; empty takes all.")
    items: str = file("File of STAC items", extension="json|geojson", optional=True, advanced=True,
                      help="Searched in place of the network: the “Items” of an earlier run, or a search that was saved elsewhere.")
    address: str = text("STAC API", default=EARTH_SEARCH, advanced=True,
                        help="Where scenes are looked for online. Not asked where there is a file of items.")
    collection: str = text("Collection", default=None, advanced=True,
                           help="Its name in the catalogue. Empty: sentinel-2-c1-l2a or sentinel-1-grd, as Earth Search calls them.")
    radar: dict = raster("Radar scene", optional=True, advanced=True,
                         help="A raster, or an item as items.json|item=its id, whose time of day is known.")
    hours: float = number("Longest time to the radar scene [h]", default=12, minimum=0, maximum=10_000, advanced=True, help="Before and after it.")
    look: bool = boolean("Look at clouds", advanced=True,
                         help="The clear share is counted in the scene classification over the common ground, at 100 m. Else the scene’s.")
    count: int = integer("Scenes at random", default=None, minimum=1, maximum=10_000, advanced=True,
                         help="Number of places over land to draw. Empty: all scenes of the area.")
    size: float = number("Size around a place [m]", default=10_240, minimum=100, maximum=200_000, advanced=True,
                          help="Edge of images at random places.")
    least_overlap: float = number("Least overlap", default=0, minimum=0, maximum=1, advanced=True,
                                  help="Share of the area, or of the radar scene, that a scene must show, from 0 to 1.")
    most: int = integer("Most scenes", default=1000, minimum=1, maximum=100_000, advanced=True,
                        help="Of more, the first so many are taken, and a message says so.")
    bands: str = text("Bands", default=None, help="Of the images to be loaded, such as B02,B03,B04,B08. Empty takes all.")
    crs: str = crs("Coordinate system", optional=True, advanced=True,
                    help="Of the images, such as EPSG:32633. Empty: that of the first scene; at random places the UTM zone of each.")
    resolution: float = number("Pixel size", default=None, minimum=1e-9, maximum=1e6, advanced=True,
                               help="Of the images, in units of their coordinate system. Empty: that of the first band.")
    seed: int = tiling.seed()
    output: str = vector_output("Footprints", help="A layer with the outline, time and clouds of each scene.")
    items_output: str = file_output("Items", "json", optional=True, created=False, advanced=True, help="A STAC item file of what was found.")
    folder: str = folder_output("Folder of images", optional=True, created=False, fresh=True,
                                help="A new or empty folder. Empty: no images are loaded.")

    def check(self) -> None:
        first, last = self._day("first_day"), self._day("last_day")
        if first and last and last < first:
            raise JobError(f"“Last day” (last_day) is {last}, before “First day” (first_day), {first}. Exchange them.")
        self._months()
        if self.radar and self.count:
            raise JobError("“Radar scene” (radar) and “Scenes at random” (count) are both given. Leave one of them empty.")
        if self.look and not self.radar:
            raise JobError("“Look at clouds” (look) needs a “Radar scene” (radar). Choose one, or switch it off.")

    def _refuse_endless(self) -> None:
        """Raises JobError where a search online would be for the whole earth, or for all days."""
        if not (self.area or self.polygons or self.radar or self.count or self.items):
            raise JobError("There is no area to search. Give “Area” (area), “Area as polygons” (polygons), a “Radar scene” (radar), or a number of "
                           "“Scenes at random” (count).")
        missing = next((name for name in ("first_day", "last_day") if not getattr(self, name)), None)
        if missing and not self.items and not self.radar:
            raise JobError(f"“{self.parameters()[missing].label}” ({missing}) is missing, and a search online is of some days. Give it.")

    def _day(self, name: str) -> date | None:
        value = (getattr(self, name) or "").strip()
        try:
            return date.fromisoformat(value) if value else None
        except ValueError:
            raise JobError(f"“{self.parameters()[name].label}” ({name}) is “{value}”, which is no day. Write it as 2023-05-01.") from None

    def _months(self) -> frozenset[int]:
        parts = [part.strip() for part in (self.months or "").split(",") if part.strip()]
        wrong = next((part for part in parts if not re.fullmatch("0?[1-9]|1[0-2]", part)), None)
        if wrong:
            raise JobError(f"“Months” (months) has the part “{wrong[:40]}”, which is no month. Write numbers from 1 to 12, such as 6,7,8.")
        return frozenset(int(part) for part in parts)

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading what is asked")
        self._refuse_endless()
        from ...engine.scenes.areas import area_of
        from ...engine.scenes.asking import Query, moments
        from ...engine.scenes.finding import Drawing, Outputs, Pairing, find
        from ...engine.scenes.loading import Chosen
        from ...engine.scenes.partners import partner_of
        from ...engine.scenes.searching import Catalogue

        first, last = moments(self._day("first_day") or date(1970, 1, 1), self._day("last_day") or date(9998, 12, 31))
        query = Query(self.sensor, first, last, area_of(self.area, self.polygons), self._months(), self.cloud_limit / 100, self.collection or "",
                      self.most)
        how = (Pairing(partner_of(self.radar), self.hours, self.look) if self.radar else
               Drawing(self.count, self.seed, self.size) if self.count else None)
        bands = tuple(name.strip() for name in (self.bands or "").split(",") if name.strip())
        outputs = Outputs(self.output, self.items_output or "", self.folder or "", Chosen(bands, self.crs or "", self.resolution))
        facts = find(Catalogue(self.address, self.items or ""), query, how, self.least_overlap, outputs, progress)
        progress.message(f"{facts['scenes']} scenes of {facts['days']} days" + (f", {facts['images']} images." if self.folder else "."))
        also = {name: getattr(self, name) for name in ("items_output", "folder") if getattr(self, name)}
        return {"output": self.output, **also, **facts}

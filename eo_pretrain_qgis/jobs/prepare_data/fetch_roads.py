"""Fetch roads: image or extent → the roads that OpenStreetMap has there, as a line layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from ..spec import Job, Result, extent, layer, text, vector_output


@dataclass(frozen=True)
class FetchRoads(Job):
    """Asks an Overpass server for the roads of OpenStreetMap where an image or a layer is, and writes them as lines with their tags.

    This goes online: the server is told the place. Nothing else here does so without being asked. The layer is what “Create road dataset” and “Map
    roads” read: each way whole, also where it leaves the place, with “highway”, “width”, “lanes”, “surface”, “bridge”, “tunnel” and others as
    fields, and the rest in “other_tags”. Tunnels and footpaths are there too; the road jobs leave out what they do not want.

    The layer's metadata hold the licence, the time of the data, the server and what it was asked. OpenStreetMap may be used by everybody under the
    ODbL 1.0, and who shows or passes on what is made of it names “© OpenStreetMap contributors”.

    A large place is asked for in pieces of 25 × 25 km, at most 100; a scene of Sentinel-2 has 25. A server that is busy is asked again after some
    seconds, up to five times. An answer with an error in it or without its end is not taken, so a layer is complete or not there. For a country take
    an extract from download.geofabrik.de: the road jobs read it as it is.
    """

    title = "Fetch roads"
    group = "1 Prepare data"
    tags = ("OpenStreetMap", "OSM", "Overpass", "QuickOSM", "osmnx", "streets", "highway", "download")
    results = {"roads": Result("number", "Ways in the layer"), "length_km": Result("number", "Their length, in kilometres"),
               "data_of": Result("text", "Time of OpenStreetMap's data"), "requests": Result("number", "Requests that the place needed")}

    image: dict = layer("Image or layer", help="The roads where it lies are fetched.")
    extent: dict = extent("Extent", optional=True, help="Of the roads, in place of all of the image or layer.")
    server: str = text("Server", default=None, advanced=True,
                       help="Address of an Overpass server. Empty: that of the settings (EOPRETRAIN_OVERPASS), or "
                            "https://overpass-api.de/api/interpreter, which is run by volunteers.")
    output: str = vector_output("Roads of OpenStreetMap", help="A line layer with the tags as fields.")

    def check(self) -> None:
        if self.server and not self.server.startswith(("https://", "http://")):
            raise JobError(f"“Server” (server) is {self.server}, but must be an address that begins with https://.")

    def run(self, progress: Progress) -> dict[str, Any]:
        progress.at(0, "Finding the place")
        from ...engine.themes.roads.fetching import fetch_roads

        return {"output": self.output, **fetch_roads(self.image, self.extent, self.server, self.output, progress)}

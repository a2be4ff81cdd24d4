"""Scenes with known roads, on the ground of `scenes.land`: 256 x 256 px of 10 m."""

import xml.etree.ElementTree as ElementTree

import geopandas
import numpy as np
import pyproj
import shapely

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .scenes import write_raster

UTM = "EPSG:32633"
ORIGIN = (500_000, 5_300_000)
#: Row or column of `land` along whose middle each way runs from border to border -> its tags.
WAYS = {
    ("row", 40): {"highway": "primary", "width": "20 m"},
    ("row", 80): {"highway": "secondary", "lanes": "2"},
    ("row", 120): {"highway": "primary", "tunnel": "yes"},
    ("row", 140): {"highway": "secondary", "covered": "yes", "layer": "-1"},
    ("row", 160): {"highway": "footway", "tunnel": "building_passage"},
    ("row", 180): {"highway": "footway", "name": 'Zum "Anker", hinten\\vorn'},
    ("row", 200): {"highway": "residential", "tunnel": "no", "covered": "yes"},
    ("row", 220): {"highway": "proposed", "proposed": "primary"},
    ("column", 50): {"highway": "construction", "construction": "primary"},
    ("column", 90): {"highway": "track", "abandoned": "yes"},
    ("column", 130): {"highway": "pedestrian", "area": "yes"},
    ("column", 170): {"highway": "service"},
    ("column", 210): {"highway": "elevator"},
    ("column", 230): {"waterway": "river", "width": "30"},
}
OWN_FIELDS = ("highway", "waterway", "tunnel")


def line_of(place):
    """The way along the middle of a row or column of `land`, in UTM."""
    kind, number = place
    x, y = ORIGIN
    if kind == "row":
        return shapely.LineString([(x + dx, y - 10 * number - 5) for dx in (0, 640, 1280, 2560)])
    return shapely.LineString([(x + 10 * number + 5, y - dy) for dy in (0, 640, 1280, 2560)])


def hstore(tags):
    """Tags as GDAL writes them in other_tags."""
    def quoted(text):
        return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'

    return ",".join(f"{quoted(key)}=>{quoted(value)}" for key, value in tags.items()) or None


def road_layer(folder):
    """`WAYS` as QGIS saves an OSM layer: some tags as fields, the others in other_tags."""
    columns = {name: [tags.get(name) for tags in WAYS.values()] for name in OWN_FIELDS}
    columns["other_tags"] = [hstore({k: v for k, v in tags.items() if k not in OWN_FIELDS}) for tags in WAYS.values()]
    roads = geopandas.GeoDataFrame(columns, geometry=[line_of(place) for place in WAYS], crs=UTM)
    roads.to_crs(4326).to_file(folder / "roads.gpkg", layer="lines")
    return folder / "roads.gpkg"


def write_osm(path, east=0.0):
    """`WAYS` as an OpenStreetMap XML file, moved to the east by some metres."""
    root = ElementTree.Element("osm", version="0.6")
    to_lonlat = pyproj.Transformer.from_crs(UTM, 4326, always_xy=True)
    ways, node = [], 0
    for number, (place, tags) in enumerate(WAYS.items(), 1):
        way = ElementTree.Element("way", id=str(number), version="1")
        for x, y in line_of(place).coords:
            node += 1
            lon, lat = to_lonlat.transform(x + east, y)
            ElementTree.SubElement(root, "node", id=str(node), lat=f"{lat:.8f}", lon=f"{lon:.8f}", version="1")
            ElementTree.SubElement(way, "nd", ref=str(node))
        for key, value in tags.items():
            ElementTree.SubElement(way, "tag", k=key, v=value)
        ways.append(way)
    root.extend(ways)
    ElementTree.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)
    return path


def osm_file(folder):
    """`WAYS` as an OpenStreetMap file."""
    return write_osm(folder / "roads.osm")


def osm_elsewhere(folder):
    """`WAYS`, 100 km further east."""
    return write_osm(folder / "elsewhere.osm", east=100_000)


def broken_pbf(folder):
    """An .osm.pbf whose download broke off after its first header."""
    header = b"\x0a\x09OSMHeader\x18\x7f"
    path = folder / "broken.osm.pbf"
    path.write_bytes(len(header).to_bytes(4, "big") + header + bytes(20))
    return path


def only_tunnels(folder):
    """Three tunnels and a footway."""
    roads = geopandas.GeoDataFrame(
        {"highway": ["primary", "residential", "footway", "footway"], "tunnel": ["yes", "yes", "yes", None]},
        geometry=[line_of(("row", row)) for row in (40, 80, 120, 160)], crs=UTM)
    roads.to_file(folder / "tunnels.gpkg")
    return folder / "tunnels.gpkg"


def own_classes(folder):
    """Roads of a national map: art "Hauptstrasse" (row 40) and "Feldweg" (row 80), breite in cm."""
    roads = geopandas.GeoDataFrame({"art": ["Hauptstrasse", "Feldweg"], "breite": ["900 cm", None]},
                                   geometry=[line_of(("row", row)) for row in (40, 80)], crs=UTM)
    roads.to_file(folder / "art.gpkg")
    return folder / "art.gpkg"


def own_widths(folder):
    """A table that knows the classes of `own_classes`."""
    (folder / "widths.csv").write_text("class;width\nHauptstrasse;8,5\nFeldweg;3 m\n", encoding="utf-8")
    return folder / "widths.csv"


def wrong_widths(folder):
    """A table with a width that is none, in its third line."""
    (folder / "wrong.csv").write_text("class,width\nresidential,6\ntrack,wide\n", encoding="utf-8")
    return folder / "wrong.csv"


def town_without_roads(folder):
    """A raster of 0 and 1 on `land`: the eastern half is built up."""
    built = np.zeros((256, 256), np.uint8)
    built[:, 128:] = 1
    return write_raster(folder / "built.tif", built)


def road_sample(folder):
    """The sample landscape of 256 px."""
    from eo_pretrain_qgis.engine.landscape import create

    create(str(folder / "sample"), 256, 3)
    return folder / "sample"


def road_simple_run(folder):
    """Boosted trees that learned the roads of the sample landscape."""
    place = road_sample(folder)
    values = {"images": [str(place / "sentinel2.tif")], "roads": str(place / "roads.gpkg"), "preset": "sentinel2_l2a", "tile_size": 32,
              "test_share": 0.3, "incomplete": "keep", "output": str(folder / "roads_dataset")}
    JOBS["create_road_dataset"].from_values(values).run(SILENT)
    JOBS["finetune"].from_values({"dataset": values["output"], "approach": "boosting", "output": str(folder / "road_run")}).run(SILENT)
    return folder / "road_run"


def true_roads(folder):
    """All roads of the sample landscape, also those that its map lacks."""
    return road_sample(folder) / "roads_truth.gpkg"


def corrupt_pbf(folder):
    """A web page saved under the name of a map."""
    (folder / "page.osm.pbf").write_text("<html>404</html>")
    return folder / "page.osm.pbf"


def lines_elsewhere(folder):
    """A residential road 100 km further east, in a file that knows its bounds."""
    line = shapely.transform(line_of(("row", 40)), lambda points: points + np.array([100_000, 0]))
    geopandas.GeoDataFrame({"highway": ["residential"]}, geometry=[line], crs=UTM).to_file(folder / "far.gpkg")
    return folder / "far.gpkg"

"""Files of STAC items whose images lie beside them, and what goes wrong with such files."""

import json

import numpy as np
import shapely
from rasterio.transform import from_origin
from rasterio.warp import transform_bounds

from eo_pretrain_qgis.scene_names import with_item

from .scenes import write_raster

#: Days, hours and shares of cloud of the scenes of `item_file`.
SCENES = {"S2A_33UVP_20230605": ("2023-06-05T10:15:00Z", 5.0), "S2B_33UVP_20230610": ("2023-06-10T10:15:00Z", 40.0),
          "S2A_33UVQ_20230605": ("2023-06-05T10:15:12Z", 10.0), "S2B_33UVP_20230820": ("2023-08-20T10:15:00Z", 0.0)}
WEST, NORTH, SIDE = 500_000, 5_300_000, 60


def item(name, moment, clouds, *, north=NORTH, crs="EPSG:32633", folder=None, value=1000, hidden=0, bands=("blue", "red"), href="{name}_{key}.tif"):
    """An item of 60 × 60 px of 10 m, and its images: blue = value, red = value + 500, the `hidden` upper rows cloud."""
    corner = from_origin(WEST, north, 10, 10)
    box = transform_bounds(crs, "OGC:CRS84", WEST, north - 10 * SIDE, WEST + 10 * SIDE, north)
    assets = {}
    for key in (*bands, "scl"):
        path = href.format(name=name, key=key)
        assets[key] = {"href": path, "type": "image/tiff; application=geotiff; profile=cloud-optimized", "roles": ["data"]}
        if key != "scl":
            assets[key]["raster:bands"] = [{"nodata": 0, "data_type": "uint16", "scale": 0.0001, "offset": -0.1}]
        if folder is not None:
            stored = np.full((1, SIDE, SIDE), value + 500 * (key == "red"), np.uint16)
            if key == "scl":
                stored = np.full((1, SIDE, SIDE), 4, np.uint8)
                stored[:, :hidden] = 9
            write_raster(folder / path, stored, nodata=0, crs=crs, transform=corner)
    return {"type": "Feature", "stac_version": "1.0.0", "id": name, "collection": "sentinel-2-c1-l2a", "bbox": list(box), "links": [],
            "geometry": json.loads(shapely.to_geojson(shapely.box(*box))), "assets": assets,
            "properties": {"datetime": moment, "eo:cloud_cover": clouds, "platform": "sentinel-2a", "proj:code": crs}}


def written(folder, features, name="items.json"):
    path = folder / name
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}), encoding="utf-8")
    return path


def item_file(folder):
    """Four scenes: three of one place in June and August, and one 300 m further north that overlaps it by half, with other values."""
    features = []
    for number, (name, (moment, clouds)) in enumerate(SCENES.items()):
        north = NORTH + (300 if "UVQ" in name else 0)
        features.append(item(name, moment, clouds, north=north, folder=folder, value=1000 * (number + 1), hidden=15 if number == 0 else 0))
    return written(folder, features)


def one_item(folder):
    """The first scene of `item_file`, as a job takes it."""
    return with_item(str(item_file(folder)), "S2A_33UVP_20230605")


def broken_item_file(folder):
    """Half of a JSON file."""
    path = folder / "broken.json"
    path.write_text('{"type": "FeatureCollection", "features": [', encoding="utf-8")
    return path


def no_item_file(folder):
    """JSON that holds no items."""
    path = folder / "other.json"
    path.write_text('{"layers": []}', encoding="utf-8")
    return path


def empty_item_file(folder):
    return written(folder, [], "empty.json")


def item_file_without_red(folder):
    """The second of two scenes has no red band."""
    return written(folder, [item("whole", "2023-06-05T10:15:00Z", 0, folder=folder), item("half", "2023-06-06T10:15:00Z", 0, folder=folder,
                                                                                       bands=("blue",))], "half.json")


def item_file_without_files(folder):
    """A scene whose images were not copied with the file."""
    return written(folder, [item("gone", "2023-06-05T10:15:00Z", 0)], "gone.json")


def item_file_on_the_web(folder):
    """A scene whose images are on the network."""
    return written(folder, [item("away", "2023-06-05T10:15:00Z", 0, href="https://example.com/{name}/{key}.tif")], "away.json")


def radar_scene(folder):
    """Radar of the place of `item_file` on 5 June 2023 at 05:15."""
    return write_raster(folder / "S1A_IW_20230605T051500_VV.tif", np.full((1, SIDE, SIDE), -12, np.float32), names=["VV"],
                        transform=from_origin(WEST, NORTH, 10, 10))


def radar_scene_without_time(folder):
    return write_raster(folder / "radar_20230605.tif", np.full((1, SIDE, SIDE), -12, np.float32), names=["VV"],
                        transform=from_origin(WEST, NORTH, 10, 10))


def west_half(folder):
    """The left 60 columns of `two_halves`, with its values."""
    values = np.full((1, 96, 60), 1000, np.uint16)
    values[:, :, 48:] = 2000
    return write_raster(folder / "west_2023-06-05.tif", values, names=["B02"])


def east_half(folder):
    """The right 50 columns of `two_halves`; where it overlaps the left half it has other values, of a later day."""
    return write_raster(folder / "east_2023-06-10.tif", np.full((1, 96, 50), 2000, np.uint16), names=["B02"],
                        transform=from_origin(WEST + 460, NORTH, 10, 10))


def east_half_of_another_band(folder):
    return write_raster(folder / "green.tif", np.full((1, 96, 50), 2000, np.uint16), names=["B03"], transform=from_origin(WEST + 460, NORTH, 10, 10))


def folder_of_halves(folder):
    """Both halves in a folder."""
    place = folder / "halves"
    place.mkdir(exist_ok=True)
    west_half(place)
    east_half(place)
    return place

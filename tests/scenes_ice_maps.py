"""Radar images of sea ice with known concentration in cells of 1 km, and models that read it off HH: 40 x 40 px of 100 m in EPSG:3413."""

import geopandas
import numpy as np
import onnx
import shapely
from onnx import TensorProto, helper, numpy_helper
from rasterio.transform import from_origin

from eo_pretrain_qgis.engine.models import package

from .networks import band, description, taken, write_threshold_model
from .scenes import write_raster
from .scenes_delivered import grd
from .scenes_ice import POLAR

#: Upper left corner [m], at whole kilometres.
CORNER = (400_000, -1_200_000)
#: HH of each class [dB].
WATER, YOUNG, OLD = -20.0, -14.0, -8.0
STAGES = ((0, "open water", "#96c8ff"), (2, "young ice", "#aa28f0"), (5, "old ice", "#b46432"))
TENTHS = ((0, "open water", "#96c8ff"), (50, "5/10", "#ffe100"), (100, "10/10", "#ff0000"))


def radar(name, **facts):
    """A band in dB, or the incidence angle in degrees."""
    return band(name, mean=-15.0, std=5.0, unit="dB", scale=1.0, **{"minimum": -40.0, "maximum": 10.0, "p001": -30.0, "p999": 0.0, **facts})


def angle_band():
    return band("incidence_angle", mean=30.0, std=8.0, minimum=18.0, maximum=47.0, p001=19.0, p999=46.0, unit="degree", scale=1.0)


def write_ice_model(path, classes=STAGES, further=(), bands=("HH", "HV"), angle=False, means=(WATER, YOUNG, OLD), **facts):
    """The class whose HH is nearest, almost surely; the same for further targets, (name, classes)."""
    count = len(bands) + angle
    weight, bias = np.zeros((len(classes), count, 1, 1), np.float32), -np.square(means[:len(classes)], dtype=np.float32)
    weight[:, 0, 0, 0] = 2 * np.array(means[:len(classes)])
    outputs = ["probabilities", *(f"probabilities_{name}" for name, _ in further)]
    nodes = [helper.make_node("Conv", ["image", "w", "b"], ["scores"]),
             *(helper.make_node("Softmax", ["scores"], [name], axis=1) for name in outputs)]
    graph = helper.make_graph(
        nodes, "network", [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", count, "y", "x"])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", len(classes), "y", "x"]) for name in outputs],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(bias, "b")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert onnx.checker.check_model(model) is None
    needed = [*(radar(name) for name in bands), *([angle_band()] if angle else [])]
    more = [{"name": name, "classes": [{"value": v, "name": n, "color": c} for v, n, c in rows]} for name, rows in further]
    told = description(classes=classes, inputs=[taken(needed, sensor="image", preset="sentinel1_db")], resolution_m=[100, 100],
                       **({"target_name": "stage", "further": more} if more else {}), **facts)
    package.write(model, told, path)
    return path


def ice_map_model(folder):
    """HH and HV → open water, young ice, old ice."""
    return write_ice_model(folder / "ice.onnx")


def ice_map_angle_model(folder):
    """HH, HV and incidence angle → the same."""
    return write_ice_model(folder / "angle.onnx", angle=True)


def ice_map_targets_model(folder):
    """The same, with a further target “concentration”: young ice is 5/10, old ice 10/10."""
    return write_ice_model(folder / "targets.onnx", further=[("concentration", TENTHS)])


def ice_map_other_names_model(folder):
    """The same with names of classes that say little."""
    return write_ice_model(folder / "names.onnx", classes=((0, "dark", ""), (1, "grey", ""), (2, "bright", "")))


def ice_map_other_model(folder):
    """The same with a class of rock."""
    return write_ice_model(folder / "rock.onnx", classes=((0, "open water", ""), (1, "rock", ""), (2, "old ice", "")))


def ice_map_no_water_model(folder):
    """Ice alone."""
    return write_ice_model(folder / "all_ice.onnx", classes=((0, "new ice", ""), (1, "young ice", ""), (2, "old ice", "")))


def not_ice_model(folder):
    """Water and forest."""
    return write_threshold_model(folder / "forest.onnx")


def half_ice():
    """HH: water in the left half, old ice in the right (40, 40)."""
    values = np.full((40, 40), WATER, np.float32)
    values[:, 20:] = OLD
    return values


def write_ice(path, hh, names=("HH", "HV"), angle=False, nodata=None, resolution=100.0, crs=POLAR):
    """HV is 8 dB below HH; the angle grows from 20 degrees on the left."""
    bands = [hh, np.where(hh == nodata, nodata, hh - 8)] + ([np.broadcast_to(20 + 0.1 * np.arange(hh.shape[1]), hh.shape)] if angle else [])
    return write_raster(path, np.stack(bands).astype(np.float32), crs=crs, nodata=nodata, transform=from_origin(*CORNER, resolution, resolution),
                        names=[*names, *(["IA"] if angle else [])])


def ice_half(folder):
    """See `half_ice`."""
    return write_ice(folder / "half.tif", half_ice())


def ice_half_angle(folder):
    """The same with a band IA, the incidence angle."""
    return write_ice(folder / "half_angle.tif", half_ice(), angle=True)


def ice_half_vertical(folder):
    """The same as VV and VH."""
    return write_ice(folder / "vertical.tif", half_ice(), ("VV", "VH"))


def ice_map_delivered(folder):
    """A scene of Sentinel-1 in EW mode as it is delivered, HH between -14 and -6 dB: ice everywhere. Its annotation has the incidence angle."""
    return grd(folder)


def ice_map_delivered_vertical(folder):
    """The same of VV and VH."""
    return grd(folder, ("VV", "VH"))


def ice_none(folder):
    """Water alone."""
    return write_ice(folder / "water.tif", np.full((40, 40), WATER, np.float32))


def ice_half_degrees(folder):
    """The same in longitudes and latitudes."""
    bands = np.stack([half_ice(), half_ice() - 8])
    return write_raster(folder / "degrees.tif", bands, crs="EPSG:4326", transform=from_origin(10, 80, 0.005, 0.001), names=["HH", "HV"])


def ice_map_land(folder):
    """Land in the uppermost 10 rows of pixels."""
    shape = shapely.box(CORNER[0], CORNER[1] - 1000, CORNER[0] + 4000, CORNER[1])
    geopandas.GeoDataFrame({"land": [1]}, geometry=[shape], crs=POLAR).to_file(folder / "land.gpkg")
    return folder / "land.gpkg"


def _land_raster(path, east):
    land = np.zeros((1, 40, 40), np.uint8)
    land[:, :10] = 1
    return write_raster(path, land, crs=POLAR, transform=from_origin(CORNER[0] + east, CORNER[1], 100, 100))


def ice_map_land_raster(folder):
    """The same land as a raster."""
    return _land_raster(folder / "land.tif", 0)


def ice_map_land_raster_elsewhere(folder):
    """100 km from there."""
    return _land_raster(folder / "land_elsewhere.tif", 100_000)


def ice_map_land_elsewhere(folder):
    """Land 100 km from there."""
    shape = shapely.box(CORNER[0] + 100_000, CORNER[1] - 1000, CORNER[0] + 104_000, CORNER[1])
    geopandas.GeoDataFrame({"land": [1]}, geometry=[shape], crs=POLAR).to_file(folder / "elsewhere.gpkg")
    return folder / "elsewhere.gpkg"


def ice_map_land_everywhere(folder):
    """Nothing but land."""
    shape = shapely.box(CORNER[0] - 1000, CORNER[1] - 9000, CORNER[0] + 9000, CORNER[1] + 1000)
    geopandas.GeoDataFrame({"land": [1]}, geometry=[shape], crs=POLAR).to_file(folder / "everywhere.gpkg")
    return folder / "everywhere.gpkg"


def ice_map_angles(folder):
    """A table of the incidence angle: 20 degrees at the left edge, 24 at the right."""
    rows = [f"{col},{row},{20 + 0.1 * col}" for row in (0, 20, 40) for col in (0, 20, 40)]
    (folder / "angles.csv").write_text("\n".join(["pixel,line,incidenceAngle", *rows]), encoding="utf-8")
    return folder / "angles.csv"


def ice_map_angle_elsewhere(folder):
    """An incidence angle on pixels of 200 m."""
    return write_raster(folder / "IA.tif", np.full((1, 20, 20), 30, np.float32), crs=POLAR, transform=from_origin(*CORNER, 200, 200),
                        names=["incidence_angle"])

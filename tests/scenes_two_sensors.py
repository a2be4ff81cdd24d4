"""Images of two sensors of one place, whose quarters show what each of them sees, and models of both."""

import numpy as np

from .networks import write_two_sensor_model, write_two_sensor_squares
from .scenes import write_raster

SIDE = 32


def _quarters(*bands):
    return np.kron(np.array(bands), np.ones((1, SIDE, SIDE)))


def optical_image(folder):
    """B02 1200 on the left and 800 on the right, 64 x 64 px of 10 m; nothing measured in the upper left quarter."""
    return write_raster(folder / "optical.tif", _quarters([[0, 800], [1200, 800]]).astype(np.uint16), names=["B02"], nodata=0)


def radar_image(folder):
    """VV -14 dB above and -20 below, VH -22; nothing measured in the lower right quarter."""
    values = _quarters([[-14, -14], [-20, np.nan]], [[-22, -22], [-22, np.nan]])
    return write_raster(folder / "radar.tif", values.astype(np.float32), names=["VV", "VH"])


def coarse_radar_image(folder):
    """`radar_image` with pixels of 20 m."""
    values = _quarters([[-14, -14], [-20, -20]], [[-22, -22], [-22, -22]])
    return write_raster(folder / "coarse_radar.tif", values.astype(np.float32), names=["VV", "VH"], resolution=20.0)


def left_clouds(folder):
    """A mask of clouds: 1 on the left of `optical_image`."""
    return write_raster(folder / "left_clouds.tif", _quarters([[1, 0], [1, 0]]).astype(np.uint8))


def either_sensor_model(folder):
    """Class 2 where B02 or VV is high, by what of them was measured; see `networks.write_two_sensor_model`."""
    return write_two_sensor_model(folder / "either_sensor_model.onnx", optional=("s1", "s2"))


def both_sensors_model(folder):
    """`either_sensor_model`, but it needs both."""
    return write_two_sensor_model(folder / "both_sensors_model.onnx")


def either_sensor_squares_model(folder):
    """`either_sensor_model` for squares of 32 px."""
    return write_two_sensor_squares(folder / "either_sensor_squares_model.onnx", SIDE, optional=("s1", "s2"))

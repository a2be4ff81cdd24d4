"""Datasets of two sensors from which a translation learns, and some from which it cannot."""

import numpy as np
import onnx

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

from .networks import band, description
from .scenes_pretraining import SIDE, backscatter, optical, optical_sensor, radar_sensor, unlabelled_paired, write_unlabelled

COLOURS = ("B04", "B03", "B02")


def pairs_all_constant(folder):
    """12 paired tiles whose radar holds -10 dB everywhere."""
    flat = np.full((12, 2, SIDE, SIDE), -10, np.float32)
    return write_unlabelled(folder / "constant", [[(optical_sensor(COLOURS, "s2"), optical(12, 3)), (radar_sensor(name="s1"), flat)]], mode="paired")


def pairs_two_tiles(folder):
    """Two paired tiles, one of them held out."""
    group = [(optical_sensor(COLOURS, "s2"), optical(2, 3)), (radar_sensor(name="s1"), backscatter(2, 2))]
    return write_unlabelled(folder / "two", [group], ["training", "validation"], mode="paired")


def pairs_two_grids(folder):
    """12 pairs whose radar has pixels twice as large, so that its tiles are half as wide."""
    group = [(optical_sensor(COLOURS, "s2"), optical(12, 3)), (radar_sensor(name="s1"), backscatter(12, 2, side=SIDE // 2))]
    return write_unlabelled(folder / "grids", [group], mode="paired")


def pairs_odd(folder):
    """12 pairs of 45 px, one band of each sensor."""
    group = [(optical_sensor(("B08",), "s2"), optical(12, 1, side=45)), (radar_sensor(("VV",), "s1"), backscatter(12, 1, side=45))]
    return write_unlabelled(folder / "odd", [group], mode="paired")


def same_bands_unpaired(folder):
    """12 tiles of one optical sensor and 12 of another with the same bands."""
    groups = [[(optical_sensor(COLOURS, "s2_l1c"), optical(12, 3))], [(optical_sensor(COLOURS, "s2_l2a"), optical(12, 3, seed=5))]]
    return write_unlabelled(folder / "same", groups, mode="unpaired")


def translation_run(folder):
    """Generators between s2 (B04, B03, B02) and s1 (VV, VH), trained for two epochs on `unlabelled_paired`."""
    values = {"dataset": str(unlabelled_paired(folder)), "encoder": "tu-test_resnet", "epochs": 2, "batch_size": 8, "learning_rate": 0.003,
              "discriminator_width": 4, "device": "cpu", "output": str(folder / "run")}
    JOBS["pretrain_translation"].from_values(values).run(SILENT)
    return folder / "run"


def doubling_model(folder):
    """Translates B02 to a sensor “sx” with the bands VV = 2 · B02 and VH = 2 · B02 + 10."""
    from onnx import TensorProto, helper, numpy_helper

    from eo_pretrain_qgis.engine.models import package


    weights = [numpy_helper.from_array(np.full((2, 1, 1, 1), 2, np.float32), "w"), numpy_helper.from_array(np.float32([0, 10]), "b")]
    graph = helper.make_graph([helper.make_node("Conv", ["image", "w", "b"], ["translation"])], "network",
                              [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 1, "y", "x"])],
                              [helper.make_tensor_value_info("translation", TensorProto.FLOAT, ["n", 2, "y", "x"])], weights)
    network: onnx.ModelProto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    target = {"sensor": "sx", "preset": "generic", "bands": [band(name, 2000.0, unit="unknown", scale=1.0) for name in ("VV", "VH")]}
    said = description(("B02",), (), task="translation", target=target, id="synthetic-sx-from-s2-0123abcd", name="Synthetic sx from s2")
    package.write(network, said, folder / "doubling.onnx")
    return folder / "doubling.onnx"

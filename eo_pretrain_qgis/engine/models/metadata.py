"""What a model file says to others: a STAC item with the machine learning model extension, and the keys Deepness reads."""

from __future__ import annotations

import math
import re
from typing import Any
from urllib.parse import quote

from ..cards import days_port
from .kinds import DISAGREEMENT, EMBEDDING, KINDS, up

STAC_VERSION = "1.1.0"
MLM_SCHEMA = "https://stac-extensions.github.io/mlm/v1.5.2/schema.json"
RASTER_SCHEMA = "https://stac-extensions.github.io/raster/v2.0.0/schema.json"
EO_SCHEMA = "https://stac-extensions.github.io/eo/v2.0.0/schema.json"
_LAST_BYTE = 255.0
_LARGEST_OVERLAP = 75  # percent
_AXES = {"t": "time", "b": "bands", "y": "height", "x": "width"}


def stac_item(description: dict[str, Any], file_name: str = "model.onnx") -> dict[str, Any]:
    """A STAC 1.1 item that describes the model by the extension MLM v1.5.2 (github.com/stac-extensions/mlm).

    A model has no place on Earth, so the geometry is null; the time is that of its making. The extension wants the bands among the
    properties, and STAC allows them there only where an asset names them too.

    Args:
        description: see `package.write`.
        file_name: of the model, beside which the item is thought to lie.
    """
    provenance = description.get("provenance") or {}
    properties = {
        "title": description["name"],
        "datetime": provenance.get("created"),
        "license": _spdx(description["licence"]),
        "bands": [_band(band) for seen in description["inputs"] for band in seen["bands"]],
        "mlm:name": mlm_name(description["id"]),
        "mlm:architecture": description["architecture"],
        "mlm:tasks": _tasks(description),
        "mlm:framework": "ONNX",
        "mlm:pretrained": (provenance.get("start") or "scratch") != "scratch",
        "mlm:pretrained_source": provenance.get("start") if (provenance.get("start") or "scratch") != "scratch" else None,
        "mlm:accelerator": None,
        "mlm:accelerator_constrained": False,
        "mlm:input": [port for seen in description["inputs"] for port in _inputs(seen, description.get("fixed_tile") or -1)],
        "mlm:output": [_output(description), *(_further(row, description) for row in description.get("further", ())),
                       *(_beside(name, description) for name in description.get("beside", ()))],
    }
    if not properties["datetime"]:  # STAC asks for a range where there is no instant
        properties |= {"datetime": None, "start_datetime": "1900-01-01T00:00:00Z", "end_datetime": "9999-12-31T23:59:59Z"}
    if description.get("parameters"):
        properties["mlm:total_parameters"] = int(description["parameters"])
    optical = any("eo:center_wavelength" in band for band in properties["bands"])
    return {
        "type": "Feature", "stac_version": STAC_VERSION, "stac_extensions": [MLM_SCHEMA, RASTER_SCHEMA, *([EO_SCHEMA] if optical else [])],
        "id": description["id"], "geometry": None, "properties": properties, "links": [],
        "assets": {"model": {"href": "./" + quote(file_name), "type": "application/octet-stream", "roles": ["mlm:model", "mlm:weights"],
                             "mlm:artifact_type": "onnx", "bands": [{"name": band["name"]} for band in properties["bands"]]}},
    }


def deepness_keys(description: dict[str, Any]) -> dict[str, Any]:
    """The metadata Deepness (github.com/PUTvision/qgis-plugin-deepness) reads; each value is stored as JSON text.

    It opens models of one image and one output with a class for each pixel, so others get no keys, and of a fixed tile. It divides by 255 before it
    standardizes. Our graph scales by itself, so a mean of 0 and a deviation of 1/255 give the raw values back. `tiles_size` is what its
    documentation names, `tile_size` what its code reads. Without a threshold of 0 every pixel without a class above 50 % would become the first
    class; a smallest segment of 0 keeps the map unsmoothed.
    """
    kind = KINDS[description["task"]]
    more = description.get("beside") or description.get("further") or description["task"] == EMBEDDING
    if len(description["inputs"]) > 1 or (kind.takes, kind.axes) != ("byx", "byx") or more:
        return {}
    bands, halo, stride = len(description["inputs"][0]["bands"]), description["halo"], description["stride"]
    tile = description.get("fixed_tile") or max(description["tile_size"], up(4 * halo, stride))
    x, y = description["resolution_m"]
    names = [synthetic_name(band["name"]) for band in _targets(description)] or [row["name"] for row in description["classes"]]
    return {
        "model_type": "Regressor" if _targets(description) else "Segmentor",
        "class_names": {str(position): name for position, name in enumerate(names)},
        "resolution": 100 * (x + y) / 2,
        "tile_size": tile,
        "tiles_size": tile,
        "tiles_overlap": _overlap(tile, halo, stride),
        "standardization_mean": [0.0] * bands,
        "standardization_std": [1 / _LAST_BYTE] * bands,
        **({} if _targets(description) else {"seg_thresh": 0.0, "seg_small_segment": 0}),
    }


def _overlap(tile: int, halo: int, stride: int) -> int:
    """Overlap of tiles in whole percent, of which Deepness throws away half on each side.

    Where some percentage lets tiles begin at multiples of the stride, as in our maps, it is that.
    """
    least = math.ceil(200 * halo / tile)
    aligned = (percent for percent in range(least, _LARGEST_OVERLAP + 1) if (tile - int(tile * percent / 100 * 2) // 2) % stride == 0)
    return min(next(aligned, least), _LARGEST_OVERLAP)


def synthetic_name(band: str) -> str:
    """What a band is called that was made and not measured."""
    return f"{band} (synthetic)"


def mlm_name(text: str) -> str:
    """`text` in the characters the extension allows: a letter first, a letter or digit last."""
    name = re.sub(r"[^a-zA-Z0-9_.\-\s]+", "-", text)
    name = re.sub(r"^[^a-zA-Z]+", "", name)
    name = re.sub(r"[^a-zA-Z0-9]+$", "", name)
    return name if len(name) >= 3 else f"model {name}1"


def _band(band: dict[str, Any]) -> dict[str, Any]:
    facts = {
        "name": band["name"], "data_type": "float32", "unit": band["unit"], "raster:scale": band["scale"], "raster:offset": band["offset"],
        "statistics": {"mean": band["mean"], "stddev": band["std"], "minimum": band["minimum"], "maximum": band["maximum"]},
    }
    if band.get("wavelength_um"):
        facts["eo:center_wavelength"] = band["wavelength_um"]
    return facts


def _inputs(seen: dict[str, Any], side: int) -> list[dict[str, Any]]:
    """The ports of an input: of a series its days, too."""
    found = [_input(seen, side)]
    if seen.get("season"):
        first, last = seen["season"].get("window") or (seen["season"]["days"][0], seen["season"]["days"][-1])
        found.append({
            "name": days_port(seen["name"]),
            "description": "Days of the dates since 1 January of the year in which the series begins, below 0 where a date is missing, cloudy or "
                           f"padding. The model learned from day {first:g} to day {last:g}.",
            "bands": [],
            "input": {"shape": [-1, -1], "dim_order": ["batch", "time"], "data_type": "float32"},
            "value_scaling": None, "resize_type": None, "pre_processing_function": None,
        })
    return found


def _input(seen: dict[str, Any], side: int) -> dict[str, Any]:
    axes = seen.get("axes", "byx")
    sizes = {"t": -1, "b": len(seen["bands"]), "y": side, "x": side}
    return {
        "name": seen["name"],
        "description": "Stored values as in the training images, which the graph scales itself; "
                       "physical value = stored value x scale + offset of the band.",
        "bands": [band["name"] for band in seen["bands"]],
        "input": {"shape": [-1, *(sizes[axis] for axis in axes)], "dim_order": ["batch", *(_AXES[axis] for axis in axes)],
                  "data_type": "float32"},
        "value_scaling": None,
        "resize_type": None,
        "pre_processing_function": None,
    }


def _targets(description: dict[str, Any]) -> list[dict[str, Any]]:
    """Bands of the sensor a translation gives, or of an embedding; none for classes."""
    return description["target"]["bands"] if KINDS[description["task"]].of_bands else []


def _tasks(description: dict[str, Any]) -> list[str]:
    return [KINDS[description["task"]].words]


def _output(description: dict[str, Any]) -> dict[str, Any]:
    classes, targets, side = description["classes"], _targets(description), description.get("fixed_tile") or -1
    whole = KINDS[description["task"]].axes == "b"
    if targets and not KINDS[description["task"]].synthetic:
        return {
            "name": KINDS[description["task"]].output,
            "description": "Embedding: numbers from -1 to 1 that images embedded by this model share, and no other's.",
            "tasks": _tasks(description),
            "bands": [band["name"] for band in targets],
            "result": {"shape": [-1, len(targets), *([] if whole else [side, side])],
                       "dim_order": ["batch", "bands", *([] if whole else ["height", "width"])], "data_type": "float32"},
            "post_processing_function": None,
        }
    if targets:
        return {
            "name": "translation",
            "description": "Synthetic image: values as another sensor would store them, made and not measured; "
                           "physical value = stored value x scale + offset of the band.",
            "tasks": _tasks(description),
            "bands": [synthetic_name(band["name"]) for band in targets],
            "result": {"shape": [-1, len(targets), side, side], "dim_order": ["batch", "bands", "height", "width"], "data_type": "float32"},
            "post_processing_function": None,
        }
    return {
        "name": "probabilities",
        "description": "Probability of each class; the map holds the value of the class with the largest.",
        "tasks": _tasks(description),
        "result": {"shape": [-1, len(classes), *([] if whole else [side, side])],
                   "dim_order": ["batch", "class", *([] if whole else ["height", "width"])], "data_type": "float32"},
        "classification:classes": [_class(row) for row in classes],
        "post_processing_function": None,
    }


def _further(row: dict[str, Any], description: dict[str, Any]) -> dict[str, Any]:
    """The output of a further target, see `record.ModelRecord`."""
    return {**_output({**description, "classes": row["classes"]}), "name": f"probabilities_{row['name']}",
            "description": f"Probability of each class of the target “{row['name']}”."}


def _beside(name: str, description: dict[str, Any]) -> dict[str, Any]:
    """An output besides the classes, see `record.ModelRecord`."""
    side, whole = description.get("fixed_tile") or -1, KINDS[description["task"]].axes == "b"
    doubt = name.startswith(DISAGREEMENT)
    return {
        "name": name,
        "description": "How much the members disagree: the mutual information of class and member over its largest value, 0 to 1." if doubt else
                       "A share from 0 to 1 of each pixel, learned beside the classes.",
        "tasks": ["regression"],
        "result": {"shape": [-1, 1, *([] if whole else [side, side])], "dim_order": ["batch", "channel", *([] if whole else ["height", "width"])],
                   "data_type": "float32"},
        "post_processing_function": None,
    }


def _class(row: dict[str, Any]) -> dict[str, Any]:
    title = row["name"] or str(row["value"])
    facts = {"value": row["value"], "name": re.sub(r"[^0-9A-Za-z_-]+", "-", title), "description": title}
    return facts | ({"color_hint": row["color"].lstrip("#").upper()} if row["color"] else {})


def _spdx(licence: str) -> str:
    return licence if re.fullmatch(r"[\w\-.+]+", licence) else "other"

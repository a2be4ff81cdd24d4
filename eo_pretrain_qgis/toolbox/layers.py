"""Map layers as files: what another process needs to read the very pixels and features the analyst sees.

Runs in the main thread, where layers live. A layer that is a file is handed over as its path; what exists only inside QGIS
(memory layers, selections, filters, joins, unsaved edits, databases) is copied to a temporary GeoPackage.
"""

from __future__ import annotations

import math
import os
from typing import Any

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeedback,
    QgsProcessingUtils,
    QgsProject,
    QgsProviderRegistry,
    QgsRasterLayer,
    QgsVariantUtils,
    QgsVectorFileWriter,
    QgsVectorLayer,
)

from ..errors import DataError

EXPORTED_LAYER = "features"


def source_of(layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback | None) -> dict[str, Any]:
    """Describes `layer` as the plain dict that jobs take (see `jobs/spec.py`).

    Args:
        layer: a raster or vector layer.
        context: names the temporary folder.
        feedback: hears what was copied; None only checks the layer and copies nothing.

    Raises:
        DataError: when no other process could read the layer.
    """
    if isinstance(layer, QgsRasterLayer):
        return _raster(layer)
    if isinstance(layer, QgsVectorLayer):
        return _vector(layer, context, feedback)
    raise DataError(f"“{layer.name()}” is neither a raster nor a vector layer. Choose a raster or vector layer.")


def crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """The shortest text that names `crs`: its code, WKT where it has none, nothing where it is invalid."""
    return crs.authid() or crs.toWkt(Qgis.CrsWktVariant.Preferred) if crs.isValid() else ""


def layer_showing(path: str, project: QgsProject | None) -> str:
    """Name of the project's layer that has the file `path` open, or an empty string."""
    wanted = _real(path)
    for layer in project.mapLayers().values() if project is not None else ():
        opened = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source()).get("path")
        if opened and _real(opened) == wanted:
            return layer.name()
    return ""


def _real(path: str) -> str:
    return os.path.normcase(os.path.realpath(path))


# --- rasters

def _raster(layer: QgsRasterLayer) -> dict[str, Any]:
    if layer.providerType() != "gdal":
        raise DataError(f"“{layer.name()}” is a {layer.providerType()} layer. Save it as a raster file first.")
    _require_crs(layer)
    registry = QgsProviderRegistry.instance()
    parts = registry.decodeUri("gdal", layer.source())
    if parts.get("authcfg") or parts.get("credentialOptions"):
        raise DataError(f"“{layer.name()}” needs credentials that QGIS keeps to itself. Save it as a raster file first.")
    if os.path.exists(parts["path"]):
        parts["path"] = os.path.abspath(parts["path"])
    open_options = parts.pop("openOptions", None)
    source: dict[str, Any] = {"path": registry.encodeUri("gdal", parts), "name": layer.name()}
    if open_options:
        source["open_options"] = list(open_options)
    nodata = [_nodata(layer, band) for band in range(1, layer.bandCount() + 1)]
    if any(nodata):
        source["nodata"] = nodata
    if isinstance(layer.renderer(), QgsPalettedRasterRenderer):
        source["categories"] = {"classes": [
            _class(item.value, item.label, item.color.name()) for item in layer.renderer().classes()]}
    return {**source, **_date(layer), **_overridden_crs(layer)}


def _date(layer: QgsRasterLayer) -> dict[str, str]:
    """The day on which the layer's temporal property begins; nothing where the analyst has set none."""
    properties = layer.temporalProperties()
    if not properties.isActive() or properties.mode() != Qgis.RasterTemporalMode.FixedTemporalRange:
        return {}
    begin = properties.fixedTemporalRange().begin()
    return {"date": begin.date().toString("yyyy-MM-dd")} if begin.isValid() else {}


def _nodata(layer: QgsRasterLayer, band: int) -> list[float]:
    """The file's own nodata value and those of the layer's properties; values that are not finite are never valid anyway."""
    provider = layer.dataProvider()
    ranges = provider.userNoDataValues(band)
    if any(item.min() != item.max() for item in ranges):
        raise DataError(f"“{layer.name()}” has a range as additional nodata value. Give single values in its properties (Transparency).")
    values = [item.min() for item in ranges]
    if provider.sourceHasNoDataValue(band) and provider.useSourceNoDataValue(band):
        values.insert(0, provider.sourceNoDataValue(band))
    return [value for value in values if math.isfinite(value)]


# --- vectors

def _vector(layer: QgsVectorLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback | None) -> dict[str, Any]:
    if not layer.isSpatial():
        raise DataError(f"“{layer.name()}” is a table without geometry. Choose a layer with points, lines or polygons.")
    _require_crs(layer)
    parts = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source())
    why = _why_copied(layer, parts)
    if not why:
        source = {"path": os.path.abspath(parts["path"]), **({"layer": parts["layerName"]} if parts.get("layerName") else {})}
        source.update(_overridden_crs(layer))
    elif feedback is None:
        source = {"path": layer.source()}
    else:
        source = {"path": _copied(layer, why, context, feedback), "layer": EXPORTED_LAYER}
    source["name"] = layer.name()
    categories = _categories(layer)
    return {**source, "categories": categories} if categories else source


def _why_copied(layer: QgsVectorLayer, parts: dict) -> str:
    """Why the file alone is not what the analyst sees; an empty string when it is."""
    reasons = (
        (layer.selectedFeatureCount() > 0, "only its selected features are used"),
        (bool(layer.subsetString()), "it has a filter"),
        (layer.providerType() != "ogr" or not os.path.isfile(parts.get("path") or ""), "it is not a plain file"),
        (any(parts.get(key) for key in ("vsiSuffix", "geometryType", "openOptions", "authcfg")), "it is not a plain file"),
        (layer.isModified(), "it has unsaved edits"),
        (any(layer.fields().fieldOrigin(index) != Qgis.FieldOrigin.Provider for index in range(layer.fields().count())),
         "it has joined or virtual fields"),
    )
    return next((text for holds, text in reasons if holds), "")


def _copied(layer: QgsVectorLayer, why: str, context: QgsProcessingContext, feedback: QgsProcessingFeedback) -> str:
    path = QgsProcessingUtils.generateTempFilename(EXPORTED_LAYER + ".gpkg", context)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    selected = layer.selectedFeatureCount()
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = EXPORTED_LAYER
    options.onlySelectedFeatures = selected > 0
    options.layerOptions = ["FID=row"]  # an attribute named fid, copied from another GeoPackage, need not be unique
    options.feedback = feedback
    error, text, _, _ = QgsVectorFileWriter.writeAsVectorFormatV3(layer, path, context.transformContext(), options)
    if error != QgsVectorFileWriter.WriterError.NoError:
        raise DataError(f"“{layer.name()}” could not be copied to {path}: {text}. Save it as a GeoPackage and choose that.")
    total = layer.featureCount()
    count = f"{selected} of {total}" if selected else str(total) if total >= 0 else "all"
    feedback.pushInfo(f"“{layer.name()}” is copied to a temporary file because {why} (features: {count}).")
    return path


def _categories(layer: QgsVectorLayer) -> dict[str, Any]:
    renderer = layer.renderer()
    if not isinstance(renderer, QgsCategorizedSymbolRenderer) or layer.fields().lookupField(renderer.classAttribute()) < 0:
        return {}
    classes = []
    for category in renderer.categories():
        values = category.value() if isinstance(category.value(), list) else [category.value()]
        symbol = category.symbol()
        color = symbol.color().name() if symbol is not None else ""
        # The category without a value is QGIS's “all other values”.
        classes += [_class(value, category.label(), color) for value in values
                    if not QgsVariantUtils.isNull(value) and value != ""]
    return {"field": renderer.classAttribute(), "classes": classes}


# --- both

def _require_crs(layer: QgsMapLayer) -> None:
    if not layer.crs().isValid():
        raise DataError(f"“{layer.name()}” has no coordinate reference system. "
                        "Set it with Layer ▸ Set Layer CRS, or in the file with “Assign projection”.")


def _class(value: Any, name: str, color: str) -> dict[str, str]:
    text = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return {"value": text, "name": name or text, "color": color}


def _overridden_crs(layer: QgsMapLayer) -> dict[str, str]:
    """The layer's CRS where the analyst set another than the file's."""
    return {"crs": crs_text(layer.crs())} if layer.crs() != layer.dataProvider().crs() else {}

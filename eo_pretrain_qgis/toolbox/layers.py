"""Map layers as files: what another process needs to read the very pixels and features the analyst sees.

Runs in the main thread, where layers live. A layer that is a file is handed over as its path; what exists only inside QGIS
(memory layers, filters, joins, unsaved edits, an encoding of its own, databases, the selection where it is asked for) is copied to a
temporary GeoPackage.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from qgis.core import (
    Qgis,
    QgsCategorizedSymbolRenderer,
    QgsCoordinateReferenceSystem,
    QgsFeatureRequest,
    QgsMapLayer,
    QgsPalettedRasterRenderer,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
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
from ..jobs.spec import Job

EXPORTED_LAYER = "features"
COPY = f"{EXPORTED_LAYER}.gpkg"


def source_of(layer: QgsMapLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback | None,
              asked: QgsProcessingFeatureSourceDefinition | None = None) -> dict[str, Any]:
    """Describes `layer` as the plain dict that jobs take (see `jobs/spec.py`).

    Args:
        layer: a raster or vector layer.
        context: names the temporary folder.
        feedback: hears what was copied; None only checks the layer and copies nothing.
        asked: which features the dialog asks for, such as the selected ones; None is all.

    Raises:
        DataError: when no other process could read the layer.
    """
    if isinstance(layer, QgsRasterLayer):
        return _raster(layer)
    if isinstance(layer, QgsVectorLayer):
        return _vector(layer, context, feedback, asked)
    raise DataError(f"“{layer.name()}” is neither a raster nor a vector layer. Choose a raster or vector layer.")


def copies(job: Job) -> dict[str, str]:
    """Path → name of the layers of a job that are read from a copy, whose path nobody knows."""
    values = (value if isinstance(value, (list, tuple)) else [value] for value in job.values().values())
    sources = [item for items in values for item in items if isinstance(item, Mapping) and item.get("layer") == EXPORTED_LAYER and item.get("name")]
    return {source["path"]: source["name"] for source in sources if os.path.basename(source["path"]) == COPY}


def crs_text(crs: QgsCoordinateReferenceSystem) -> str:
    """The shortest text that names `crs` everywhere: its code, WKT where it has none or one of this QGIS profile, nothing where it is invalid."""
    if not crs.isValid():
        return ""
    code = crs.authid()
    return code if code and not code.startswith("USER:") else crs.toWkt(Qgis.CrsWktVariant.Preferred)


def layer_showing(path: str, project: QgsProject | None) -> str:
    """Name of the project's layer that has the file `path` open, or an empty string."""
    wanted = _real(path)
    for layer in project.mapLayers().values() if project is not None else ():
        opened = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source()).get("path")
        if opened and _real(opened) == wanted:
            return layer.name()
    return ""


def names(project: QgsProject | None) -> set[str]:
    """Names of the project's layers."""
    return {layer.name() for layer in project.mapLayers().values()} if project is not None else set()


def may_be_image(layer: QgsMapLayer | None) -> bool:
    """Whether a layer is a raster of a file that holds measurements for all we know, and no classes."""
    return (isinstance(layer, QgsRasterLayer) and layer.isValid() and layer.providerType() == "gdal"
            and not isinstance(layer.renderer(), QgsPalettedRasterRenderer))


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
    provider = layer.dataProvider()
    own = [provider.useSourceNoDataValue(band) or not provider.sourceHasNoDataValue(band) for band in range(1, layer.bandCount() + 1)]
    if not all(own):
        source["own_nodata"] = own
    categories = _shown_band(layer)
    if isinstance(layer.renderer(), QgsPalettedRasterRenderer):
        categories["classes"] = [_class(item.value, item.label, item.color.name()) for item in layer.renderer().classes()]
    if categories:
        source["categories"] = categories
    return {**source, **_date(layer), **_overridden_crs(layer)}


def _shown_band(layer: QgsRasterLayer) -> dict[str, Any]:
    """The one band of several that the symbology shows; nothing where it shows several."""
    bands = set(layer.renderer().usesBands()) if layer.renderer() is not None and layer.bandCount() > 1 else ()
    return {"band": bands.pop()} if len(bands) == 1 else {}


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

def _vector(layer: QgsVectorLayer, context: QgsProcessingContext, feedback: QgsProcessingFeedback | None,
            asked: QgsProcessingFeatureSourceDefinition | None) -> dict[str, Any]:
    if not layer.isSpatial():
        raise DataError(f"“{layer.name()}” is a table without geometry. Choose a layer with points, lines or polygons.")
    _require_crs(layer)
    parts = QgsProviderRegistry.instance().decodeUri(layer.providerType(), layer.source())
    some = _is_some(asked)
    if asked is not None and asked.selectedFeaturesOnly and not layer.selectedFeatureCount():
        raise DataError(f"“{layer.name()}” has no selected features, and only those are asked for. Select some, or untick “Selected features only”.")
    why = _why_copied(layer, parts, "only its selected features are used" if asked is not None and asked.selectedFeaturesOnly
                      else "only some of its features are asked for" if some else "")
    if feedback is not None:
        _tell_what_does_not_count(layer, some, feedback)
    if not why:
        source = {"path": os.path.abspath(parts["path"]), **({"layer": parts["layerName"]} if parts.get("layerName") else {})}
        source.update(_overridden_crs(layer))
    elif feedback is None:
        source = {"path": layer.source()}
    else:
        source = {"path": _copied(layer, why, context, feedback, asked), "layer": EXPORTED_LAYER}
    source["name"] = layer.name()
    categories = _categories(layer)
    return {**source, "categories": categories} if categories else source


def _is_some(asked: QgsProcessingFeatureSourceDefinition | None) -> bool:
    """Whether the dialog asks for less than all features; a filter there is known since QGIS 3.32."""
    return asked is not None and (asked.selectedFeaturesOnly or asked.featureLimit >= 0 or bool(getattr(asked, "filterExpression", "")))


def _tell_what_does_not_count(layer: QgsVectorLayer, some: bool, feedback: QgsProcessingFeedback) -> None:
    """What the analyst sees on the map and the run does not use."""
    if layer.selectedFeatureCount() and not some:
        feedback.pushInfo(f"“{layer.name()}” has selected features ({layer.selectedFeatureCount()}), but all of its features are used. Tick "
                          "“Selected features only” to use these alone; where the dialog does not have it, save them as a layer of their own.")
    if layer.temporalProperties().isActive():
        feedback.pushInfo(f"“{layer.name()}” shows its features by time, but those of all times are used. Set a filter to use some.")


def _why_copied(layer: QgsVectorLayer, parts: dict, some: str) -> str:
    """Why the file alone is not what the analyst sees and asks for; an empty string when it is. `some` says why not all features are."""
    reasons = (
        (bool(some), some),
        (bool(layer.subsetString()), "it has a filter"),
        (layer.providerType() != "ogr" or not os.path.isfile(parts.get("path") or ""), "it is not a plain file"),
        (any(parts.get(key) for key in ("vsiSuffix", "geometryType", "openOptions", "authcfg")), "it is not a plain file"),
        (layer.isModified(), "it has unsaved edits"),
        (any(layer.fields().fieldOrigin(index) != Qgis.FieldOrigin.Provider for index in range(layer.fields().count())),
         "it has joined or virtual fields"),
        (_has_own_encoding(layer), f"its encoding is set to {layer.dataProvider().encoding()}"),
    )
    return next((text for holds, text in reasons if holds), "")


def _has_own_encoding(layer: QgsVectorLayer) -> bool:
    """Whether the analyst chose another encoding than the one with which QGIS opens the file."""
    fresh = QgsVectorLayer(layer.source(), layer.name(), layer.providerType())
    return fresh.isValid() and fresh.dataProvider().encoding() != layer.dataProvider().encoding()


def _copied(layer: QgsVectorLayer, why: str, context: QgsProcessingContext, feedback: QgsProcessingFeedback,
            asked: QgsProcessingFeatureSourceDefinition | None) -> str:
    path = QgsProcessingUtils.generateTempFilename(COPY, context)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    copied, selected = layer, asked is not None and asked.selectedFeaturesOnly
    if _is_some(asked) and (asked.featureLimit >= 0 or getattr(asked, "filterExpression", "")):
        copied, selected = _some_features(layer, asked), False
    options = QgsVectorFileWriter.SaveVectorOptions()
    options.driverName = "GPKG"
    options.layerName = EXPORTED_LAYER
    options.onlySelectedFeatures = selected
    options.layerOptions = ["FID=row"]  # an attribute named fid, copied from another GeoPackage, need not be unique
    options.feedback = feedback
    error, text, _, _ = QgsVectorFileWriter.writeAsVectorFormatV3(copied, path, context.transformContext(), options)
    if error != QgsVectorFileWriter.WriterError.NoError:
        raise DataError(f"“{layer.name()}” could not be copied to {path}: {text}. Save it as a GeoPackage and choose that.")
    total = layer.featureCount()
    number = layer.selectedFeatureCount() if selected else copied.featureCount()
    count = f"{number} of {total}" if _is_some(asked) else str(total) if total >= 0 else "all"
    feedback.pushInfo(f"“{layer.name()}” is copied to a temporary file because {why} (features: {count}).")
    return path


def _some_features(layer: QgsVectorLayer, asked: QgsProcessingFeatureSourceDefinition) -> QgsVectorLayer:
    """A layer in memory with the features that the dialog's filter and limit leave."""
    if asked.selectedFeaturesOnly:
        layer = layer.materialize(QgsFeatureRequest().setFilterFids(layer.selectedFeatureIds()))
    request = QgsFeatureRequest()
    if getattr(asked, "filterExpression", ""):
        request.setFilterExpression(asked.filterExpression)
    if asked.featureLimit >= 0:
        request.setLimit(asked.featureLimit)
    return layer.materialize(request)


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


def same_file(source: dict[str, Any]) -> dict[str, Any]:
    """What is the same in all layers of one file, whatever they and the links to it are called."""
    return {**source, "path": os.path.realpath(source["path"]), "name": ""}

"""How each kind of job parameter is declared in QGIS and read back into the plain value a job takes: the table `KINDS`."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

from qgis.core import (
    Qgis,
    QgsMapLayer,
    QgsProcessing,
    QgsProcessingContext,
    QgsProcessingFeatureSourceDefinition,
    QgsProcessingFeedback,
    QgsProcessingOutputLayerDefinition,
    QgsProcessingParameterBoolean,
    QgsProcessingParameterCrs,
    QgsProcessingParameterDefinition,
    QgsProcessingParameterEnum,
    QgsProcessingParameterExtent,
    QgsProcessingParameterFeatureSource,
    QgsProcessingParameterField,
    QgsProcessingParameterFile,
    QgsProcessingParameterFileDestination,
    QgsProcessingParameterFolderDestination,
    QgsProcessingParameterMapLayer,
    QgsProcessingParameterMatrix,
    QgsProcessingParameterMultipleLayers,
    QgsProcessingParameterNumber,
    QgsProcessingParameterRasterDestination,
    QgsProcessingParameters,
    QgsProcessingParameterString,
    QgsProcessingParameterVectorDestination,
    QgsProcessingUtils,
    QgsProperty,
    QgsVariantUtils,
)

from ..errors import JobError
from ..jobs import JOBS
from ..jobs.files import CATALOGUE
from ..jobs.spec import REQUIRED, Job, Param
from . import layers, recent
from .definitions import BandsOfImage, ChoiceOfWords, RasterOrScene, RastersOrScenes, flat, is_scene, worked_out
from .translation import as_shown, tr

CLASS_COLUMNS = ("value", "name", "color")
# By name, for qgis_process needs no widgets.
FIELD_WIDGET = f"{__package__}.field_widget.FieldWidget"
CHOICE_WIDGET = f"{__package__}.choice_widget.ChoiceWidget"
KNOWN_VALUES_WIDGET = f"{__package__}.known_values_widget.KnownValuesWidget"
PLAIN_WIDGET = f"{__package__}.plain_widget.PlainWidget"
#: Begins the name of the parameter that has the rasters of an image beyond the first.
MORE = "MORE_"


@dataclass(frozen=True)
class Asked:
    """One parameter of one run: its declaration here and in QGIS, and where its value stands.

    `feedback` is None while values are only checked: then no layer is copied.
    """

    param: Param
    name: str
    definition: QgsProcessingParameterDefinition
    parameters: dict[str, Any]
    context: QgsProcessingContext
    feedback: QgsProcessingFeedback | None

    @property
    def value(self) -> Any:
        """What the user gave, data-defined values worked out; None when nothing, the default of what may be nothing when it was not named."""
        value = self.parameters.get(self.name, self.param.default if self.param.optional else None)
        if isinstance(value, QgsProperty):
            value = worked_out(value, self.definition, self.name, self.context)
        return None if QgsVariantUtils.isNull(value) else value


@dataclass(frozen=True)
class Kind:
    """One kind of parameter: how QGIS shows it and how its value is read."""

    declare: Callable[[str, Param, Any], QgsProcessingParameterDefinition]
    read: Callable[[Asked], Any]


def declare(name: str, param: Param) -> list[QgsProcessingParameterDefinition]:
    """The QGIS declarations of the job parameter `name`, in the user's language: one, and of an image a second, for rasters beyond the first."""
    param = replace(param, label=tr(param.label), labels=tuple(tr(label) for label in param.labels))
    definition = _kind(param).declare(name.upper(), param, None if param.default is REQUIRED else param.default)
    definition.setHelp(as_shown(param.help))
    if param.suggests or recent.kept(param):
        definition.setMetadata({"widget_wrapper": {"class": KNOWN_VALUES_WIDGET}})
    if param.advanced:
        definition.setFlags(definition.flags() | Qgis.ProcessingParameterFlag.Advanced)
    return [definition, _more(name, param)] if param.one_image else [definition]


def declare_all(job: type[Job]) -> list[QgsProcessingParameterDefinition]:
    """The QGIS declarations of all parameters of a job, of which one has a widget of ours: by it a batch proposes lasting places (see `lasting`)."""
    found = [definition for name, param in job.parameters().items() for definition in declare(name, param)]
    if not any("class" in definition.metadata().get("widget_wrapper", {}) for definition in found):
        may_be = (QgsProcessingParameterNumber, QgsProcessingParameterString)
        plain = next((definition for definition in found if isinstance(definition, may_be)), None)
        if plain is not None:
            plain.setMetadata({"widget_wrapper": {**plain.metadata().get("widget_wrapper", {}), "class": PLAIN_WIDGET}})
    return found


def _more(name: str, param: Param) -> QgsProcessingParameterDefinition:
    more = RastersOrScenes(MORE + name.upper(), _more_label(param.label), Qgis.ProcessingSourceType.Raster, None, True)
    more.setHelp(tr("Where its bands lie in several files: those beyond the first. Scripts may give all of them there, as a list."))
    more.setFlags(more.flags() | Qgis.ProcessingParameterFlag.Advanced)
    return more


def _more_label(label: str) -> str:
    return tr("More files of “{}”").format(label)


def read(job: type[Job], definitions: dict[str, QgsProcessingParameterDefinition], parameters: dict[str, Any],
         context: QgsProcessingContext, feedback: QgsProcessingFeedback | None = None) -> dict[str, Any]:
    """The values for `job.from_values`, from what QGIS was given.

    Values stay as the user wrote them wherever possible: QGIS would turn a wrong word into the default, an empty number into 0.

    Args:
        job: whose parameters are read.
        definitions: by QGIS name, as `declare` made them.
        parameters: what QGIS was given, by QGIS name.
        context: of the run; names the project and the temporary folder.
        feedback: hears what was copied or assumed; None only checks.

    Raises:
        JobError, DataError: naming what cannot be read.
    """
    unknown = sorted(set(parameters) - set(definitions))
    if unknown:
        raise JobError(f"There is no parameter {', '.join(unknown)} in “{job.title}”. It has: {', '.join(definitions)}.")
    return {name: _kind(param).read(Asked(param, name.upper(), definitions[name.upper()], parameters, context, feedback))
            for name, param in job.parameters().items()}


def destinations(job: Job, definitions: dict[str, QgsProcessingParameterDefinition], parameters: dict[str, Any],
                 context: QgsProcessingContext) -> dict[str, str]:
    """The final paths of the outputs that `job` is to write; tells `context` which of them to load.

    To be called once, because each call names new temporary files, and from `processAlgorithm`: what `prepareAlgorithm` tells a
    context of layers to load is forgotten when the algorithm runs in a thread.
    """
    paths = {}
    for name, param in job.parameters().items():
        if param.is_output and getattr(job, name) is not None:
            evaluate = (QgsProcessingParameters.parameterAsOutputLayer if param.kind in ("raster_output", "vector_output")
                        else QgsProcessingParameters.parameterAsFileOutput)
            paths[name] = os.path.abspath(evaluate(definitions[name.upper()], parameters, context))
    return paths


def _kind(param: Param) -> Kind:
    return KINDS["image" if param.one_image else param.kind + "s" if param.multiple else param.kind]


# --- how values are read

def _given(asked: Asked) -> Any:
    return asked.value


def _layer(asked: Asked) -> dict[str, Any] | None:
    return _source(asked, asked.value)


def _layers(asked: Asked) -> list[dict[str, Any]]:
    return [_source(asked, item) for item in flat(asked.value)]


def _image(asked: Asked) -> list[dict[str, Any]]:
    """The raster of an image, then those in the list beside it, in which the first may stand once more."""
    beyond = replace(asked, name=MORE + asked.name, param=replace(asked.param, label=_more_label(asked.param.label)))
    found = _layers(asked)
    known = [layers.same_file(source) for source in found]
    found += [source for source in _layers(beyond) if layers.same_file(source) not in known]
    if not found and asked.param.required:
        label = asked.definition.description()
        raise JobError(f"“{label}” ({asked.name}) and “{_more_label(label)}” ({MORE}{asked.name}) are both empty. Choose an image in the first.")
    return found


def _source(asked: Asked, value: Any) -> dict[str, Any] | None:
    asked_features = value if isinstance(value, QgsProcessingFeatureSourceDefinition) else None
    if asked_features is not None:  # “Selected features only”, or what stands under the dialog's advanced options
        value = worked_out(value.source, asked.definition, asked.name, asked.context)
    if value is None or value == "":
        return None
    if asked.param.kind == "raster" and is_scene(value):
        return {"path": os.path.abspath(value)}
    hint = QgsProcessingUtils.LayerHint.Raster if asked.param.kind == "raster" else QgsProcessingUtils.LayerHint.UnknownType
    layer = QgsProcessingParameters.parameterAsLayer(asked.definition, value, asked.context, hint)
    wrong = {"raster": Qgis.LayerType.Vector, "vector": Qgis.LayerType.Raster}.get(asked.param.kind)
    if layer is None or not layer.isValid() or layer.type() == wrong:
        kind = {"layer": "layer"}.get(asked.param.kind, f"{asked.param.kind} layer")
        raise JobError(f"“{asked.param.label}” ({asked.name}): {_text(value)} is no {kind} that QGIS can open. "
                       "Choose a layer of the project or an existing file.")
    if asked.context.temporaryLayerStore().mapLayer(layer.id()) is not None:
        layer.loadDefaultStyle()  # given as a path: class names and colours stand in the style saved beside it
    return layers.source_of(layer, asked.context, asked.feedback, asked_features)


def _text(value: Any) -> str:
    return value.name() if isinstance(value, QgsMapLayer) else str(value)


def _path(asked: Asked) -> Any:
    if asked.value in asked.param.words:
        return asked.value
    return os.path.abspath(asked.value) if isinstance(asked.value, str) and asked.value else asked.value


def _weights(asked: Asked) -> Any:
    """A path, or a name in the catalogue, which is no path."""
    return asked.value if isinstance(asked.value, str) and asked.value.startswith(CATALOGUE) else _path(asked)


def _paths(asked: Asked) -> list[Any]:
    return [os.path.abspath(item) if isinstance(item, str) and item else item for item in flat(asked.value)]


def _extent(asked: Asked) -> Any:
    value = asked.value
    box = QgsProcessingParameters.parameterAsExtent(asked.definition, asked.parameters, asked.context)
    if value is None or box.isEmpty():
        return value  # the job says what is wrong with it
    crs = QgsProcessingParameters.parameterAsExtentCrs(asked.definition, asked.parameters, asked.context)
    if asked.feedback is not None and isinstance(value, str) and value.count(",") == 3 and "[" not in value:
        whose = f"of the project ({crs.authid()})" if crs.isValid() else "of the image"
        asked.feedback.pushInfo(f"“{asked.definition.description()}” names no coordinate reference system; it is read in the one {whose}.")
    return {"box": [box.xMinimum(), box.yMinimum(), box.xMaximum(), box.yMaximum()], "crs": layers.crs_text(crs)}


def _crs(asked: Asked) -> Any:
    """A code or WKT; QGIS also hands over a layer, an object, or the word “ProjectCrs”."""
    if asked.value is None or asked.value == "":
        return None
    crs = QgsProcessingParameters.parameterAsCrs(asked.definition, asked.value, asked.context)
    if not crs.isValid():
        raise JobError(f"“{asked.param.label}” ({asked.name}): {_text(asked.value)} is no coordinate system that QGIS knows. Choose one, or give a "
                       "code such as EPSG:32633.")
    return layers.crs_text(crs)


def _class_table(asked: Asked) -> Any:
    """QGIS and qgis_process hand a table over as one flat list, JSON as a list of rows, a CSV file as its path."""
    value = asked.value
    if isinstance(value, (list, tuple)):
        cells = [None if QgsVariantUtils.isNull(cell) else cell for cell in flat(value)]
        if len(cells) == 1:
            return cells[0]
        width = len(CLASS_COLUMNS)
        return [cells[start:start + width] for start in range(0, len(cells), width)]
    return value


def _planned(asked: Asked) -> str | None:
    """Where an output is going to be; `destinations` gives temporary ones their final name."""
    value = asked.value
    if isinstance(value, QgsProcessingOutputLayerDefinition):
        value = worked_out(value.sink, asked.definition, asked.name, asked.context)
    if value is None or value == "":
        return None
    if value == QgsProcessing.TEMPORARY_OUTPUT:
        extension = f".{asked.param.extension.split('|')[0]}" if asked.param.extension else ""
        return os.path.join(QgsProcessingUtils.tempFolder(asked.context), asked.name.lower() + extension)
    path = os.path.abspath(str(value))
    layer = layers.layer_showing(path, asked.context.project())
    if layer:
        raise JobError(f"“{asked.param.label}” ({asked.name}): {path} is open in QGIS as layer “{layer}”. "
                       "Choose another name or remove the layer.")
    return path


# --- how parameters are declared

#: Beyond this the box for whole numbers shows its smallest number instead of the value (tried on 3.40).
LARGEST_SPIN = 2**31 - 1


def _number(number_type: Qgis.ProcessingNumberParameterType) -> Callable[..., QgsProcessingParameterNumber]:
    def declare_number(name: str, param: Param, default: Any) -> QgsProcessingParameterNumber:
        limits = {key: limit for key, limit in (("minValue", param.minimum), ("maxValue", param.maximum)) if limit is not None}
        if number_type == Qgis.ProcessingNumberParameterType.Integer and "maxValue" in limits:
            limits["maxValue"] = min(limits["maxValue"], LARGEST_SPIN)
        definition = QgsProcessingParameterNumber(name, param.label, number_type, default, param.optional, **limits)
        decimals = max(2, *(_decimals(value) for value in (default, param.minimum, param.maximum)))
        definition.setMetadata({"widget_wrapper": {"decimals": decimals}})
        return definition

    return declare_number


def _decimals(value: float | None) -> int:
    """Digits after the point that show `value` in full: 2 for 0.25, 7 for 1e-7."""
    return len(f"{value or 0:.12f}".rstrip("0").partition(".")[2])


def _file_filter(param: Param) -> str:
    every = tr("All files (*)")
    if not param.extension:
        return every  # with an empty filter QGIS refuses names without a dot, such as bin/python
    endings = param.extension.split("|")
    named = tr("{} files").format(", ".join(endings).upper())
    # With a second filter QGIS accepts words in place of a path, and for weights folders and names of the catalogue, which are typed.
    return f"{named} ({' '.join('*.' + ending for ending in endings)})" + f";;{every}" * bool(param.words or param.kind == "weights")


def _field(name: str, param: Param, default: Any) -> QgsProcessingParameterField:
    definition = QgsProcessingParameterField(name, param.label, default, param.parent.upper(), optional=param.optional)
    definition.setMetadata({"widget_wrapper": {"class": FIELD_WIDGET, **({"by_style": True} if param.by_style else {})}})
    return definition


def _enum(name: str, param: Param, default: Any) -> QgsProcessingParameterEnum:
    definition = ChoiceOfWords(name, param.label, param.options, defaultValue=default, optional=param.optional, usesStaticStrings=True)
    return _labelled(definition, param.labels)


def show_labels(definition: QgsProcessingParameterDefinition) -> None:
    """Lets a ready model show the labels of a choice that it hands on to a job."""
    declared = (param for job in JOBS.values() for param in job.parameters().values() if param.options)
    labels = next((param.labels for param in declared if isinstance(definition, QgsProcessingParameterEnum)
                   and list(param.options) == definition.options()), None)
    if labels:
        _labelled(definition, [tr(label) for label in labels])


def _labelled(definition: QgsProcessingParameterEnum, labels: Iterable[str]) -> QgsProcessingParameterEnum:
    definition.setMetadata({"widget_wrapper": {"class": CHOICE_WIDGET, "labels": list(labels)}})
    return definition


def _existing(behavior: Qgis.ProcessingFileParameterBehavior) -> Callable[..., QgsProcessingParameterFile]:
    return lambda name, param, default: QgsProcessingParameterFile(
        name, param.label, behavior, "", default, param.optional, _file_filter(param))


KINDS = {
    "raster": Kind(lambda n, p, d: RasterOrScene(n, p.label, d, p.optional), _layer),
    "rasters": Kind(lambda n, p, d: RastersOrScenes(n, p.label, Qgis.ProcessingSourceType.Raster, d, p.optional), _layers),
    "image": Kind(lambda n, p, d: BandsOfImage(n, p.label, d, p.optional), _image),
    "vector": Kind(lambda n, p, d: QgsProcessingParameterFeatureSource(n, p.label, [], d, p.optional), _layer),
    "layer": Kind(lambda n, p, d: QgsProcessingParameterMapLayer(
        n, p.label, d, p.optional, [Qgis.ProcessingSourceType.Raster, Qgis.ProcessingSourceType.VectorAnyGeometry]), _layer),
    "layers": Kind(lambda n, p, d: QgsProcessingParameterMultipleLayers(
        n, p.label, Qgis.ProcessingSourceType.MapLayer, d, p.optional), _layers),
    "attribute": Kind(_field, _given),
    "integer": Kind(_number(Qgis.ProcessingNumberParameterType.Integer), _given),
    "number": Kind(_number(Qgis.ProcessingNumberParameterType.Double), _given),
    "boolean": Kind(lambda n, p, d: QgsProcessingParameterBoolean(n, p.label, d, p.optional), _given),
    "text": Kind(lambda n, p, d: QgsProcessingParameterString(n, p.label, d, False, p.optional), _given),
    "crs": Kind(lambda n, p, d: QgsProcessingParameterCrs(n, p.label, d, p.optional), _crs),
    "choice": Kind(_enum, _given),
    "extent": Kind(lambda n, p, d: QgsProcessingParameterExtent(n, p.label, d, p.optional), _extent),
    "classes": Kind(lambda n, p, d: QgsProcessingParameterMatrix(
        n, p.label, headers=CLASS_COLUMNS, defaultValue=d, optional=p.optional), _class_table),
    "file": Kind(_existing(Qgis.ProcessingFileParameterBehavior.File), _path),
    "files": Kind(lambda n, p, d: QgsProcessingParameterMultipleLayers(
        n, p.label, Qgis.ProcessingSourceType.File, d, p.optional), _paths),
    "folder": Kind(_existing(Qgis.ProcessingFileParameterBehavior.Folder), _path),
    "weights": Kind(_existing(Qgis.ProcessingFileParameterBehavior.File), _weights),
    "raster_output": Kind(lambda n, p, d: QgsProcessingParameterRasterDestination(n, p.label, d, p.optional, p.created), _planned),
    "vector_output": Kind(lambda n, p, d: QgsProcessingParameterVectorDestination(
        n, p.label, Qgis.ProcessingSourceType.VectorAnyGeometry, d, p.optional, p.created), _planned),
    "folder_output": Kind(lambda n, p, d: QgsProcessingParameterFolderDestination(n, p.label, d, p.optional, p.created), _planned),
    "file_output": Kind(lambda n, p, d: QgsProcessingParameterFileDestination(
        n, p.label, _file_filter(p), d, p.optional, p.created), _planned),
}

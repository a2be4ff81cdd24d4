"""Parameters that the jobs which map with a model declare alike."""

from __future__ import annotations

from typing import Any

from ..errors import JobError
from ..sensor_labels import AS_MODEL, AS_MODEL_LABEL
from .spec import Result, choice, crs, extent, file, file_output, number, pixel_value, raster_output, text, vector_output
from .suggestions import DEVICES
from .tiling import PRESETS

#: Of every map of an image.
OUT_OF_RANGE = Result("number", "Share of the valid pixels outside the training range of the model, in the worst band, 0 to 1")
SECONDS = Result("number", "Duration of the mapping, in seconds")
#: Of a map with its area of applicability.
UNLIKE = Result("number", "Share of the map that is unlike all ground that the model learned from, 0 to 1; where the area of applicability is "
                          "written")
#: Of a map with its out-of-range layer.
OUTSIDE = Result("number", "Share of the map whose values, taken together, lie farther out than those of 99 of 100 training places, 0 to 1; where "
                           "“Out of range” is written")

#: Stands for the model that comes with the plugin for a theme, and for no model.
BUNDLED, NO_MODEL = "bundled", "none"
#: Those that have such a model.
THEMES = ("roads", "land_cover", "sea_ice", "crops")


def model(written: str, learned: str, none: str = "") -> Any:
    """The model of a theme, which comes with the plugin.

    Args:
        written: which other models there are.
        learned: what the one that comes with the plugin learned from.
        none: what it means to have no model; empty where there must be one.
    """
    help = f"{written} “{BUNDLED}” is the one that comes with the plugin. It learned from {learned}."
    return file("Model", "onnx", BUNDLED, words=(BUNDLED, *([NO_MODEL] if none else [])), help=f"{help} {none}".strip())


#: Words of “Several rasters are”; all but the first are rules of a mosaic.
BANDS, SCENES = "bands", {
    "first": "Scenes beside each other: the first in the list on top",
    "last": "Scenes beside each other: the last in the list on top",
    "newest": "Scenes beside each other: the newest on top",
}


def several() -> Any:
    return choice("Several rasters are", {BANDS: "Bands of one scene", **SCENES}, default=BANDS, advanced=True,
                  help="Scenes beside each other are mapped as one image. Pixels are taken as they are stored, each from the nearest one, and what "
                       "no scene shows is nodata. A folder of scenes and a file of STAC items stand for all scenes in them.")


def mosaic_crs() -> Any:
    return crs("Coordinate system of the mosaic", optional=True, advanced=True,
                help="Such as EPSG:32633. Empty: that of the first scene. Scenes in others are brought there.")


def mosaic_resolution() -> Any:
    return number("Pixels of the mosaic", default=None, minimum=1e-9, maximum=1e6, advanced=True,
                  help="Edge of a pixel [units of the coordinate system]. Empty: as in the first scene.")


def check_mosaic(job: Any) -> None:
    """Raises JobError where a grid is given and no mosaic is made."""
    given = [name for name in ("mosaic_crs", "mosaic_resolution") if getattr(job, name)]
    if given and job.several == BANDS:
        raise JobError(f"“{job.parameters()[given[0]].label}” ({given[0]}) is given, and the rasters are the bands of one scene. Set “Several "
                       f"rasters are” (several) to {', '.join(list(SCENES)[:-1])} or {list(SCENES)[-1]}, or leave it empty.")


def mosaic_of(job: Any) -> Any:
    """How the scenes of a job become one image; None where its rasters are one scene."""
    from ..engine.rasters.mosaic import Mosaicking

    return None if job.several == BANDS else Mosaicking(job.several, job.mosaic_crs or "", job.mosaic_resolution)


def preset(label: str = "Sensor", trained: str = "model") -> Any:
    return choice(label, {AS_MODEL: AS_MODEL_LABEL.format(trained), **PRESETS}, default=AS_MODEL, advanced=True,
                  help=f"How the stored values are scaled, when that differs from the images the {trained} learned from.")


def device() -> Any:
    return text("Device", default="auto", advanced=True, **DEVICES,
                help="auto, cpu (the processor), cuda or cuda:0 (a GPU). A device that is named and not there is an error.")


def bands() -> Any:
    return text("Bands", default=None, advanced=True,
                help="Names of the image's bands in order, such as B02,B03,B04,B08. Empty: the names in the file.")


def nodata() -> Any:
    return pixel_value("Nodata value", advanced=True,
                       help="A pixel value that means “not measured”. It counts besides the layer's own nodata and the file's mask.")


def area() -> Any:
    return extent("Extent", optional=True, help="Only this part is mapped. Empty: the whole image.")


def confidence(advanced: bool = False) -> Any:
    return raster_output("Confidence", optional=True, created=False, advanced=advanced, help="Probability of the mapped class [%].")


def runner_up() -> Any:
    return raster_output("Runner-up", optional=True, created=False, advanced=True, help="The most probable class besides the mapped one.")


def margin() -> Any:
    return raster_output("Margin", optional=True, created=False, advanced=True,
                         help="Probability of the mapped class less that of the runner-up [%]. Near 0 the class might as well be the other.")


def out_of_range() -> Any:
    return raster_output("Out of range", optional=True, created=False, advanced=True,
                         help="How far the values of each place, taken together, lie from the mean of the training data [%]. 99 of 100 training "
                              "places have less than 100 %. Above it look for haze, another season or another unit.")


def applicability(advanced: bool = False) -> Any:
    return raster_output("Area of applicability", optional=True, created=False, advanced=advanced,
                         help="How unlike the training ground each place is [%], and how many training samples are like it. Above 100 % the model "
                              "has not learned from such ground.")


def disagreement() -> Any:
    return raster_output("Disagreement", optional=True, created=False, advanced=True,
                         help="Of a model of several runs: how much these disagree [% of the most that they could], as mutual information. High "
                              "where the model was taught too little.")


def class_shares() -> Any:
    return raster_output("Class shares", optional=True, created=False, advanced=True,
                         help="Probability of every class [%]; a band for each, named as the class.")


def speed() -> Any:
    return choice("Speed", {"exact": "Exact (float32)", "fast": "Fast (bfloat16); a few pixels get another class"}, default="exact", advanced=True,
                  help="Fast is about twice as fast on processors that have bfloat16; some pixels in a thousand get another class. The tags of the "
                       "map say which it was.")


def polygons() -> Any:
    return vector_output("Classes as polygons", optional=True, created=False, help="The areas of the class map as polygons, with their class.")


def smallest_polygon() -> Any:
    return number("Smallest polygon [m²]", default=0, minimum=0, maximum=1e15, advanced=True,
                  help="Of the polygons: smaller ones become part of their largest neighbour. 0 keeps all.")


# --- of images of several dates

def dates_arrangement() -> Any:
    return choice("Arrangement", {"dates": "Dates: each raster has all bands of a date", "bands": "Bands: one raster for each band of a date"},
                  default="dates", advanced=True, help="What the images of a series are.")


def date_pattern() -> Any:
    return text("Pattern of the dates", default=None, advanced=True,
                help="Where the date stands in the file names, such as *_YYYYMMDD_*. Empty: read from the layers, the names and the tags.")


def date_table() -> Any:
    return file("Table of the dates", "csv", optional=True, advanced=True, help="CSV file with the columns file and date.")


def first_day(advanced: bool = True) -> Any:
    return text("First day", default=None, advanced=advanced,
                help="Of the season or crop year, such as 09-01, or 2018-09-01 [month-day or year-month-day]. Images of other days are left out. "
                     "Empty: all count.")


def last_day(advanced: bool = True) -> Any:
    return text("Last day", default=None, advanced=advanced,
                help="Such as 08-31, or 05-31 for a map as of that day [month-day]. A season may reach over New Year.")


# --- the page on a map

def report(advanced: bool = False) -> Any:
    return file_output("Map report", "html", optional=True, created=False, advanced=advanced,
                       help="A page to hand over or to print on A4: the map with its legend, scale and north, hectares by class, where it lies, "
                            "dates and files, how good the model is where that was measured, and what all this does not show.")


def reported(job: Any, model: Any, progress: Any, **mapped: Any) -> dict[str, str]:
    """Writes the map report of a job where one is wanted, and gives it as a result.

    Args:
        job: with `report`; its files are written.
        model: that made the map; None where none did.
        progress: told how far it is; its warnings go on the page.
        mapped: see `engine.mapping.reporting.page.Mapped`.
    """
    if not job.report:
        return {}
    from ..engine.mapping.reporting.page import Mapped, write_map_report

    progress.at(1, "Writing the map report")
    facts = mapped.get("facts", {})
    figures = dict(_figure(name, told.text, facts[name]) for name, told in job.results.items()
                   if told.kind == "number" and told.text != SECONDS.text and facts.get(name) is not None)
    write_map_report(job.report, Mapped(**mapped, figures=figures, warnings=progress.warned()), model, progress.part(1, 1))
    return {"report": job.report}


def _figure(name: str, text: str, value: float) -> tuple[str, float | str]:
    """A result as the report tells it: of a share its words up to the range, and percent."""
    words, found, _ = text.partition(", 0 to 1")
    return (words, f"{value:.2%}") if found and name.endswith("_share") else (text, value)

"""Parameters that the jobs which map with a model declare alike."""

from __future__ import annotations

from typing import Any

from .spec import pixel_value, raster_output, text


def bands() -> Any:
    return text("Bands", default=None, advanced=True,
                help="Names of the image's bands in order, such as B02,B03,B04,B08; empty takes the names in the file.")


def nodata() -> Any:
    return pixel_value("Nodata value", advanced=True,
                       help="Used besides the layer's own nodata, the file's mask and values that are not finite.")


def confidence() -> Any:
    return raster_output("Confidence", optional=True, created=False, help="Probability of the mapped class, in percent.")


def applicability() -> Any:
    return raster_output("Area of applicability", optional=True, created=False,
                         help="How unlike the training ground each place is, in percent of the most that counts as like it, and how many training "
                              "samples are like it. Above 100 % the model has not learned from such ground.")


def class_shares() -> Any:
    return raster_output("Class shares", optional=True, created=False,
                         help="Probability of every class, in percent; a band for each, named as the class.")

"""Parameters that every job which cuts images into tiles declares alike, and the rules between them."""

from __future__ import annotations

from typing import Any

from ..errors import JobError
from ..sensor_labels import LABELS as PRESETS
from .spec import LARGEST_SEED, MOST_PIXELS, Result, choice, dataset_output, extent, integer, number, pixel_value, text, vector_output

#: How the rasters of one parameter belong together, where they need no dates.
ARRANGEMENTS = {"scenes": "Scenes: each raster has all its bands", "bands": "Bands of one scene: one raster for each"}

#: Largest edge of a tile where none is given [px], see `engine.datasets.tile_size`.
LARGEST_PROPOSED = 256

#: Ends the help of images.
DELIVERED = (" A Sentinel-1 (GRD), Sentinel-2 or Landsat scene may be its folder, archive or metadata file, as it is delivered; one date of a data "
             "cube is cube.nc|date=2019-04-05.")

#: Ends the help of a table of classes.
CLASS_ORDER = ("Whole numbers from 0 to 254 stay the values of their classes; where one is larger, all get 1, 2, 3 and so on, and a message says so. "
               "Words get these in the order of the symbology; without one, as on the command line, in alphabetical order.")

#: Help of the switch for computers with little memory.
SMALL_BLOCKS = ("For when memory does not hold a block of the model: smaller ones, which the model file fixes too. A few pixels may differ from the "
                "usual map, so the tags of the map say it.")


def arrangement() -> Any:
    return choice("The images are", ARRANGEMENTS, default="scenes", advanced=True,
                  help="A scene is one place on one date. The bands of one scene are taken in the order given.")


def preset() -> Any:
    return choice("Sensor", PRESETS, default="generic",
                  help="Names the bands and says how stored values become reflectance or backscatter. The offset of Sentinel-2 came with processing "
                       "baseline 04.00. Embeddings are decoded; those of TESSERA in x.tif need their scales beside them, in x_scales.tif.")


def tile_size() -> Any:
    return integer("Tile size [px]", default=None, minimum=32, maximum=2048,
                   help="Edge of a tile. Empty: of 256, 128 and 64 the largest that leaves enough tiles for training; the messages say how many.")


def stride() -> Any:
    return integer("Stride between tiles [px]", default=None, minimum=8, maximum=2048, advanced=True,
                   help="From the edge of one tile to that of the next. Empty: the tile size, so that tiles do not overlap.")


def nodata() -> Any:
    return pixel_value("Nodata value", advanced=True,
                       help="Declared here it is used besides the layer's own nodata, the file's mask and values that are not finite.")


def minimum_valid(default: float = 0.5) -> Any:
    return number("Minimum share of valid pixels", default=default, minimum=0, maximum=1, advanced=True,
                  help="From 0 to 1. Tiles with fewer measured pixels are left out.")


def validation_share(of: str = "blocks", default: float = 0.15, advanced: bool = True) -> Any:
    return number(f"Share of validation {of}", default=default, minimum=0, maximum=0.5, advanced=advanced,
                  help="From 0 to 0.5. Validation says during training which weights are best.")


def test_share(of: str = "blocks", default: float = 0.2, advanced: bool = True) -> Any:
    return number(f"Share of test {of}", default=default, minimum=0, maximum=0.5, advanced=advanced,
                  help="From 0 to 0.5. The test is not used in training; it says at the end how good a model is.")


def block_size() -> Any:
    return integer("Block size for the split [px]", default=None, minimum=32, maximum=MOST_PIXELS, advanced=True,
                   help="Empty: chosen from the size of the images; larger blocks are a harder, more honest test.")


def seed() -> Any:
    return integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, advanced=True,
                   help="A whole number for the random choices. The same seed gives the same result.")


def output() -> Any:
    return dataset_output()


def footprints(label: str = "Footprints of the tiles") -> Any:
    return vector_output(label, optional=True, created=False, help="A layer with the place and the part of the split of each, to look at.")


def minimum_labelled(default: float) -> Any:
    return number("Minimum share of labelled pixels", default=default, minimum=0, maximum=1, advanced=True,
                  help="From 0 to 1. Tiles with fewer labels are left out.")


def bands(label: str = "Bands") -> Any:
    return text(label, default=None, advanced=True,
                help="Names of the image's bands in order, such as B02,B03,B04,B08. Empty takes the names in the file or of the sensor.")


def extent_of_tiles() -> Any:
    return extent("Extent", optional=True, advanced=True, help="Only tiles inside are cut. Empty: all of the images.")


def second_sensor(advanced: bool) -> Any:
    return choice("Second sensor", PRESETS, default="generic", advanced=advanced, help="That of the second images.")


def second_arrangement() -> Any:
    return choice("The images of the second sensor are", ARRANGEMENTS, default="scenes", advanced=True,
                  help="A scene is one place on one date. The bands of one scene are taken in the order given.")


def second_bands() -> Any:
    return text("Bands of the second sensor", default=None, advanced=True,
                help="Names of its bands in order, such as VV,VH. Empty takes the names in the file or of the sensor.")


def most_days() -> Any:
    return integer("Most days between the two sensors", default=None, minimum=0, maximum=36500, advanced=True,
                   help="Images farther apart in time are not paired. Empty: any number of days.")


def split_results(what: str = "tiles") -> dict[str, Result]:
    """How many tiles or samples each part of the split has."""
    return {**{f"{part}_{what}": Result("number", f"{what.capitalize()} for {part}") for part in ("training", "validation", "test")},
            f"dropped_{what}": Result("number", f"{what.capitalize()} that belong to no part, because they lie too near to another part or in a "
                                                "named subset")}


def counted_results(what: str = "tiles") -> dict[str, Result]:
    """How many tiles or samples a new dataset has."""
    return {what: Result("number", f"{what.capitalize()} in the dataset, with those dropped between the splits"), **split_results(what)}


LEAKAGE = Result("number", "Least distance between a training tile and a test tile, in pixels; the larger, the less a score flatters")


def check_stride(stride: int | None, tile_size: int | None) -> None:
    """Raises JobError for a stride that leaves gaps."""
    largest = tile_size or LARGEST_PROPOSED
    if stride is not None and stride > largest:
        raise JobError(f"The stride ({stride} px) is larger than the tile ({largest} px), so pixels between tiles would be lost. Choose a stride of "
                       "at most the tile size.")


def check_tiling(job: Any) -> None:
    """Raises JobError for a stride that leaves gaps, or shares that leave too little to train on."""
    check_stride(job.stride, job.tile_size)
    if job.validation_share + job.test_share > 0.8:
        raise JobError("Validation and test blocks together take more than 0.8 of the area. Lower one of the two shares.")

"""Parameters that every job which cuts images into tiles declares alike, and the rules between them."""

from __future__ import annotations

from typing import Any

from ..errors import JobError
from .spec import LARGEST_SEED, MOST_PIXELS, Result, choice, dataset_output, integer, number, pixel_value, vector_output

PRESETS = ("generic", "sentinel2_l1c", "sentinel2_l1c_0400", "sentinel2_l2a", "sentinel2_l2a_0400", "sentinel1_db", "sentinel1_linear",
           "landsat89_l2", "landsat457_l2", "sentinel3_olci", "sar_db", "sar_linear", "alphaearth_v1", "tessera_v1")

#: Largest edge of a tile where none is given [px], see `engine.datasets.tile_size`.
LARGEST_PROPOSED = 256

#: Ends the help of images.
DELIVERED = (" A Sentinel-1 (GRD), Sentinel-2 or Landsat scene may be its folder, archive or metadata file, as it is delivered; one date of a data "
             "cube is cube.nc|date=2019-04-05.")

#: Help of the switch for computers with little memory.
SMALL_BLOCKS = ("For when memory does not hold a block of the model: smaller ones, which the model file fixes too. A few pixels may differ from the "
                "usual map, so the tags of the map say it.")


def arrangement() -> Any:
    return choice("The images are", ("scenes", "bands"), default="scenes",
                  help="“scenes”: each image is a place or date with all its bands. “bands”: the images are the bands of one scene.")


def preset() -> Any:
    return choice("Sensor", PRESETS, default="generic",
                  help="Names the bands and says how stored values become reflectance or backscatter. "
                       "“_0400”: Sentinel-2 from processing baseline 04.00 on, with its offset of -1000. “alphaearth_v1”, “tessera_v1”: published "
                       "embeddings, which are decoded; that of x.tif from TESSERA needs its scales beside it, in x_scales.tif.")


def tile_size() -> Any:
    return integer("Tile size [px]", default=None, minimum=32, maximum=2048,
                   help="Empty: of 256, 128 and 64 the largest that leaves enough tiles for training; the messages say how many.")


def stride() -> Any:
    return integer("Stride between tiles [px]", default=None, minimum=8, maximum=2048,
                   help="Empty: the tile size, so that tiles do not overlap.")


def nodata() -> Any:
    return pixel_value("Nodata value", advanced=True,
                       help="Declared here it is used besides the layer's own nodata, the file's mask and values that are not finite.")


def minimum_valid() -> Any:
    return number("Minimum share of valid pixels", default=0.5, minimum=0, maximum=1, advanced=True)


def validation_share() -> Any:
    return number("Share of validation blocks", default=0.15, minimum=0, maximum=0.5)


def test_share() -> Any:
    return number("Share of test blocks", default=0.2, minimum=0, maximum=0.5)


def block_size() -> Any:
    return integer("Block size for the split [px]", default=None, minimum=32, maximum=MOST_PIXELS, advanced=True,
                   help="Empty: chosen from the size of the images; larger blocks are a harder, more honest test.")


def seed() -> Any:
    return integer("Seed", default=1, minimum=0, maximum=LARGEST_SEED, advanced=True)


def output() -> Any:
    return dataset_output()


def footprints() -> Any:
    return vector_output("Footprints of the tiles", optional=True, created=False)


def split_results(what: str = "tiles") -> dict[str, Result]:
    """How many tiles or samples each part of the split has."""
    return {f"{part}_{what}": Result("number", f"{what.capitalize()} for {part}") for part in ("training", "validation", "test")}


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

"""Imported images that store their values in different ways: each is brought to the first, or refused."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.errors import DataError

from .. import scenes
from .test_formats import imported


def test_images_that_store_their_values_otherwise_are_brought_to_the_first(tmp_path):
    def imported_pairs(place, images, preset):
        root = pairs_with_scales(tmp_path / place, images)
        return imported(tmp_path / place / "made", source=str(root), preset=preset, validation_share=0, test_share=0)

    dataset = imported_pairs("alike", [(1e-4, 0.0, 1200), (1e-4, -0.1, 2200), (2e-4, 0.0, 600)], "sentinel2_l2a")
    assert {int(value) for value in np.unique(dataset.images(dataset.indices("all")))} == {1200}
    with pytest.raises(DataError, match="b.tif does not declare a scale and an offset for its band B04, but the images before it do"):
        imported_pairs("mixed", [(1e-4, -0.1, 2200), (1.0, 0.0, 1200)], "generic")
    with pytest.raises(DataError, match="declares that values of its band 1 are"):
        imported_pairs("wrong", [(float("nan"), 0.0, 1200)], "generic")


def pairs_with_scales(folder, images):
    """GeoTIFF pairs of one band B04 with (scale, offset, value) in the files."""
    for name, (scale, offset, value) in zip("abc", images, strict=False):
        for kind, array, names in (("images", np.full((1, 32, 32), value, np.uint16), ["B04"]), ("labels", np.eye(32, dtype=np.uint8)[None], ())):
            (folder / "pairs" / kind).mkdir(parents=True, exist_ok=True)
            scenes.write_raster(folder / "pairs" / kind / f"{name}.tif", array, names=names)
        with rasterio.open(folder / "pairs" / "images" / f"{name}.tif", "r+") as file:
            file.scales, file.offsets = [scale], [offset]
    return folder / "pairs"

"""Land-cover tiles of two sensors of which one has a gap."""

import numpy as np
import pytest
import rasterio

from eo_pretrain_qgis.engine.datasets.dataset import Dataset
from eo_pretrain_qgis.jobs import JOBS
from tests.listening import Listening
from tests.scenes_landcover import ground_cover_100m, ground_optical, ground_radar


@pytest.mark.parametrize("either", [False, True])
def test_ground_under_a_gap_keeps_its_labels_where_either_sensor_counts(tmp_path, either):
    """The optical image lacks its first 40 rows: the first row of tiles of 32 px and a quarter of the second."""
    optical = ground_optical(tmp_path)
    with rasterio.open(optical, "r+") as image:
        image.nodata = 0
        image.write(np.where(np.arange(256)[:, None] < 40, 0, image.read()))
    values = {"images": [str(optical)], "preset": "sentinel2_l2a", "second_images": [str(ground_radar(tmp_path))], "second_preset": "sentinel1_db",
              "land_cover": str(ground_cover_100m(tmp_path)), "legend": "cgls_lc100", "tile_size": 32, "validation_share": 0, "test_share": 0,
              "either_sensor": either, "output": str(tmp_path / "dataset")}
    assert JOBS["create_land_cover_dataset"].from_values(values).run(Listening())["tiles"] == (64 if either else 56)
    dataset = Dataset.open(tmp_path / "dataset")
    assert dataset.either == either
    second = np.flatnonzero(dataset.tiles["row"] == 32)
    assert (dataset.labels(second)[:, :8] != 255).any() == either and (dataset.images(second, "s2")[:, :, :8] == 0).all()
    assert (dataset.labels(second)[:, 8:] != 255).mean() > 0.9

import numpy as np
import pytest

from eo_pretrain_qgis.engine.datasets import statistics
from eo_pretrain_qgis.engine.datasets.dataset import SensorInfo
from eo_pretrain_qgis.engine.datasets.shards import Shards, ShardWriter
from eo_pretrain_qgis.engine.rasters.sensors import Band
from eo_pretrain_qgis.progress import SILENT


@pytest.mark.parametrize(("dtype", "nodata"), [("uint16", 0), ("int16", -32768), ("uint8", 0), ("float32", None), ("int32", -1)])
def test_against_numpy(folder, dtype, nodata, monkeypatch):
    monkeypatch.setattr(statistics, "BATCH_BYTES", 4096)  # several batches
    rng = np.random.default_rng(1)
    images = np.clip(rng.normal([[[[60]], [[120]]]], [[[[9]], [[30]]]], (20, 2, 16, 16)), 1, 250).astype(dtype)
    valid = rng.random((20, 16, 16)) > 0.3
    images[:, 0][~valid] = images[:, 1][~valid] = np.nan if nodata is None else nodata
    with ShardWriter(folder, {"image": ((2, 16, 16), dtype)}) as writer:
        writer.add(image=images)
        shards = Shards(folder, writer.close())
    sensor = SensorInfo("image", "generic", dtype, nodata, (Band("a"), Band("b")))
    some = np.array([3, 4, 5, 9, 17])
    found = statistics.band_statistics(shards, some, sensor, SILENT)
    for band, name in enumerate("ab"):
        values = images[some, band][valid[some]].astype(float)
        row = found[name]
        assert row["mean"] == pytest.approx(values.mean()) and row["std"] == pytest.approx(values.std())
        assert (row["minimum"], row["maximum"]) == (values.min(), values.max())
        low, high = np.quantile(values, [0.001, 0.999], method="inverted_cdf")
        assert row["p001"] == pytest.approx(low, abs=0.01) and row["p999"] == pytest.approx(high, abs=0.01)
        assert len(row["edges"]) == len(row["histogram"]) + 1
        assert sum(row["histogram"]) == pytest.approx(values.size, rel=0.02)


def test_no_tiles(folder):
    with ShardWriter(folder, {"image": ((1, 4, 4), "float32")}) as writer:
        writer.add(image=np.ones((1, 1, 4, 4), np.float32))
        shards = Shards(folder, writer.close())
    for dtype, nodata in (("float32", None), ("uint16", 0)):
        row = statistics.band_statistics(shards, np.array([], int), SensorInfo("image", "generic", dtype, nodata, (Band("a"),)))["a"]
        assert row["mean"] == row["std"] == row["minimum"] == row["maximum"] == 0

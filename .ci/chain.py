"""One whole chain by qgis_process, short enough for every version of QGIS: sample, training data, fine-tuning, model file, map.

    python3 .ci/chain.py FOLDER

It ends with an error where the map is not better than calling everything by the sample's most frequent class.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "docs"))

import numpy as np  # noqa: E402
from demo import Demo  # noqa: E402
from osgeo import gdal  # noqa: E402

gdal.UseExceptions()


def pixels(path: str) -> np.ndarray:
    return gdal.Open(path).ReadAsArray()


def main(folder: Path) -> int:
    folder.mkdir(parents=True, exist_ok=True)
    demo = Demo(folder.resolve())
    sample = demo.run("createsample", size=512, seed=1, output=demo.path("sample"))
    demo.run("createtrainingdataset", images=[sample["sentinel2"]], labels=sample["land_cover"], preset="sentinel2_l2a", tile_size=64,
             test_share=0.25, output=demo.path("dataset"))
    demo.run("finetune", dataset=demo.path("dataset"), epochs=2, patience=2, batch_size=8, output=demo.path("run"))
    demo.run("exportmodel", run_folder=demo.path("run"), model_name="chain", licence="CC0-1.0", output=demo.path("model.onnx"))
    demo.run("predictmap", model=demo.path("model.onnx"), images=[sample["sentinel2"]], output=demo.path("map.tif"))
    demo.finish()
    truth, mapped = pixels(sample["land_cover"]), pixels(demo.path("map.tif"))
    right, frequent = float(np.mean(truth == mapped)), float(np.bincount(truth.ravel()).max() / truth.size)
    print(f"chain: {right:.1%} of {truth.size:,} pixels of the simulated sample are mapped right; its most frequent class has {frequent:.1%}.")
    return 0 if right > frequent else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))

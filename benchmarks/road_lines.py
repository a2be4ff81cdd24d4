"""Centre lines of Chicago: a U-Net and boosted trees trained on the north of the Loop, lines drawn in its south and held against OpenStreetMap; and how
long the lines of a large simulated mask take.

    .engine/train/bin/python benchmarks/road_lines.py DATA OUTPUT [EPOCHS [FINER]]

DATA is the folder of real imagery that lies beside a checkout, OUTPUT a folder; models that are there already are taken. Prints each job as the command
line that repeats it; OUTPUT/road_lines.csv is for docs/evidence/data. Ground, labels and training are those of roads_evidence.py with its first seed. All
choices of map_roads are its defaults, none was made on the south; “plain” are the same lines with no gap bridged and no short one left out. Service
roads and tracks of OpenStreetMap are no roads here, as in the labels, so lines along them count as false. FINER, 2 or 4, draws labels and lines on pixels
of a half or a quarter of the edge; tiles show the same ground.
"""

import sys
import time
from pathlib import Path

import numpy as np
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.figures import Figures  # noqa: E402
from benchmarks.roads_evidence import EPOCHS, NORTH, OPTIONS, RULES, SEEDS, SOUTH, TILES, extent_text, job, twelve_bands  # noqa: E402
from eo_pretrain_qgis.engine.mapping.roads.layers import RoadLayers  # noqa: E402
from eo_pretrain_qgis.engine.mapping.roads.making import RoadRecipe, road_lines  # noqa: E402

FIGURES = ("precision", "recall", "f1", "apls", "topo_f1", "length_km")
#: Distance within which lines agree: two pixels, and one [m].
TOLERANCES = (20, 10)
#: Choices of map_roads, by what the lines are called.
LINES = {"plain": {"gap": 0, "minimum_length": 0}, "tidied": {}}
#: Edge of the simulated mask [px], and how many roads cross it.
SIDE, ROADS = 5000, 300


def simulated(side: int, roads: int) -> np.ndarray:
    """Probabilities in percent, uint8 (y, x): wavy roads 3 px wide through noise."""
    rng = np.random.default_rng(0)
    percent = np.zeros((side, side), np.float32)
    along = np.linspace(0, 1, 4 * side)
    for _ in range(roads):
        (x, y), (u, v) = rng.uniform(0, side, (2, 2))
        col = x + (u - x) * along + 20 * np.sin(rng.uniform(20, 60) * along)
        row = y + (v - y) * along + 20 * np.cos(rng.uniform(20, 60) * along)
        percent[row.clip(0, side - 1).astype(int), col.clip(0, side - 1).astype(int)] = 1
    percent = 90 * ndimage.maximum_filter(percent, 3) + rng.normal(10, 6, percent.shape).astype(np.float32)
    return percent.clip(0, 100).astype(np.uint8)


def main() -> None:
    data, out = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    epochs, finer = int(sys.argv[3]) if len(sys.argv) > 3 else EPOCHS, int(sys.argv[4]) if len(sys.argv) > 4 else 1
    tiles = {**TILES, "finer": str(finer), "tile_size": TILES["tile_size"] * finer, "stride": TILES["stride"] * finer}
    out.mkdir(parents=True, exist_ok=True)
    image, osm = twelve_bands(data, out), data / "osm" / "chicago_loop.osm.pbf"
    truth = f'{osm}|layername=lines|subset="highway" NOT IN (\'service\', \'track\')'
    if not (out / "north").exists():
        job("create_road_dataset", images=[str(image)], roads=str(osm), extent=extent_text(NORTH), validation_share=0, test_share=0,
            output=str(out / "north"), **RULES, **tiles)
    found = Figures("area", "model", "lines", "tolerance", "figure")
    for model, options in (("network", {"epochs": epochs, "keep": "last", "seed": SEEDS[0], **OPTIONS}), ("boosting", {})):
        if not (out / f"{model}.onnx").exists():
            job("finetune", dataset=str(out / "north"), approach=model, output=str(out / model), **options)
            job("export_model", run_folder=str(out / model), output=str(out / f"{model}.onnx"))
        for area, box in SOUTH.items():
            given = {"images": [str(image)], "model": str(out / f"{model}.onnx"), "extent": extent_text(box), "device": "cpu"}
            for lines, choices in LINES.items():
                for tolerance in TOLERANCES:
                    result = job("map_roads", **given, **choices, reference=truth, tolerance=tolerance, output=str(out / f"{model}-{area}.gpkg"))
                    for name in FIGURES:
                        found.add(area, model, lines, f"{tolerance} m", name, value=result[name])
            result = job("map_roads", **given, output=str(out / f"{model}-{area}.gpkg"))
            print(f"{area}, {model}: {result['roads']} lines in {result['seconds']} s, without a comparison", flush=True)
    found.write(out / "road_lines.csv")
    percent = simulated(SIDE, ROADS)
    layers = RoadLayers(percent, np.zeros_like(percent))
    started, worked = time.perf_counter(), time.process_time()
    lines, bridged = road_lines(layers, (10.0, 10.0), RoadRecipe())
    seconds, worked = time.perf_counter() - started, time.process_time() - worked
    print(f"simulated mask, {SIDE} × {SIDE} px, {(layers.road > 0).mean():.1%} road: {len(lines.shapes)} lines, {bridged} gaps, {seconds:.1f} s, "
          f"{worked:.1f} s of one processor")


if __name__ == "__main__":
    main()

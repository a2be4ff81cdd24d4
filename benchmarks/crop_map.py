"""The share of parcels whose crop `map_crop_types` tells, of parcels that no training saw.

Two seasons: the simulated sample (blocks of ground kept apart), and a WorldCereal cube of real Sentinel-2 images with 13 fields (fields kept apart; too
few to claim skill). The dataset is split by create_crop_dataset, a model of approach “statistics” learns from the training part, all parcels are
mapped, and only those of the test part are counted. No choice is made on them.

Run: python -m benchmarks.crop_map DATA_FOLDER WORK_FOLDER [--sample SAMPLE]
"""

import argparse
from pathlib import Path

import geopandas
import numpy as np

from benchmarks.crops_evidence import convert
from eo_pretrain_qgis.engine.datasets.dataset import SPLITS, Dataset
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT

REAL = "worldcereal_000028085BF08E7E"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--sample", type=Path, help="folder of create_sample; empty makes one of 768 px with seed 11")
    asked = parser.parse_args()
    asked.work.mkdir(parents=True, exist_ok=True)
    real = asked.work / "real"
    real.mkdir()
    given = convert(asked.data / "crops" / REAL, real)
    told("WorldCereal 28085BF0 (real)", real, {name: given[name] for name in ("images", "masks", "parcels", "crop_field", "crop_table")},
         {"preset": "sentinel2_l2a", "split_by": "parcel", "kind": "pixels", "minimum_parcels": 0, "validation_share": 0.15, "test_share": 0.35})
    sample = asked.sample or asked.work / "sample"
    if not sample.exists():
        JOBS["create_sample"].from_values({"size": 768, "seed": 11, "output": str(sample)}).run(SILENT)
    simulated = asked.work / "simulated"
    simulated.mkdir()
    told("sample (simulated)", simulated,
         {"images": sorted(map(str, (sample / "season").glob("S2_*.tif"))), "masks": sorted(map(str, (sample / "season").glob("SCL_*.tif"))),
          "parcels": str(sample / "parcels.gpkg"), "crop_field": "crop"}, {"kind": "parcels", "split_by": "blocks"})


def told(name: str, folder: Path, given: dict, options: dict) -> None:
    """Learns, maps and prints the figures of a season."""
    data, run, model, output = (str(folder / each) for each in ("data", "run", "crops.onnx", "map.gpkg"))
    JOBS["create_crop_dataset"].from_values({**given, **options, "output": data}).run(SILENT)
    JOBS["finetune"].from_values({"dataset": data, "approach": "statistics", "output": run}).run(SILENT)
    JOBS["export_model"].from_values({"run_folder": run, "output": model}).run(SILENT)
    facts = JOBS["map_crop_types"].from_values({**{key: given[key] for key in ("images", "masks", "parcels")}, "model": model, "output": output}
                                               ).run(SILENT)
    dataset = Dataset.open(data)
    rows = dataset.tiles.assign(split=dataset.splits, true=[dataset.classes[label].name for label in dataset.labels(np.arange(len(dataset)))])
    rows = rows.drop_duplicates("parcel").set_index("parcel")
    layer = geopandas.read_file(output, layer="map")
    layer["parcel"] = np.arange(len(layer)) + 1
    field = "crop_map" if "crop_map" in layer else "crop"
    test = layer[layer["parcel"].isin(rows.index[rows["split"] == SPLITS[2]]) & layer[field].notna()]
    truth = rows.loc[test["parcel"], "true"].to_numpy()
    common = rows.loc[rows["split"] == SPLITS[0], "true"].mode()[0]
    right = test[field].to_numpy() == truth
    sure = test["confidence"].to_numpy() >= 80
    print(f"{name}: {facts}")
    print(f"  test parcels {len(test)}, right {right.sum()} ({right.mean():.3f}); most common class of training {np.mean(truth == common):.3f}; runner-up "
          f"right where the crop is not {np.mean(test['runner_up'].to_numpy()[~right] == truth[~right]) if (~right).any() else float('nan'):.3f}; "
          f"confidence of 80 % or more: {sure.sum()}, right {right[sure].mean() if sure.any() else float('nan'):.3f}; classes {len(dataset.classes)}")


if __name__ == "__main__":
    main()

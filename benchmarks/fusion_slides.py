"""The slides' two tables of fusion, with the figures of the simulated landscape beside them.

    .engine/train/bin/python -m benchmarks.fusion_slides [--data docs/evidence/data]

Nothing is trained: the figures are those of fusion.csv, which `benchmarks.fusion` writes. Those of the slides (J. B. Pedro Costa, Unsupervised Learning
for Data Fusion, Living Planet Symposium 2022) are mean average precision on BigEarthNet, real patches of ten countries; ours are mean IoU of simulated ground. Only
the order within a column can be compared. The slides do not say what e1 to e3 are; beside them stand the other ways to join that are offered here.
Percents are differences from the fusion at the deepest level, of the same column, as in the slides.
"""

from __future__ import annotations

import argparse
import csv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
TILES = ("clear", "cloudy")
#: Experiment → the slides' figure with 10 and 100 % of the labels, and ours: what it is given, its method, and how it is called here.
EXPERIMENTS = {
    "a (no fusion), S2": ("0.696", "0.836", "S2 only", "S2 network"),
    "b (no fusion), S1": ("0.652", "0.795", "S1 only", "S1 network"),
    "c (early)": ("0.722", "0.855", "both", "early"),
    "d (feature)": ("0.734", "0.853", "both", "feature"),
    "e1 (feature)": ("0.723", "0.858", "both", "all levels"),
    "e2 (feature)": ("0.732", "0.862", "both", "gated"),
    "e3 (feature)": ("0.730", "0.864", "both", "mean of heads"),
}
#: Data source → the slides' figures with 100 % of the labels on the validation patches, and on those with clouds and shadows; and ours.
SOURCES = {"S2": ("0.836 (-2 %)", "0.778 (-5.23 %)", "S2 only", "S2 network"), "S1": ("0.795 (-6.8 %)", "0.723 (-11.94 %)", "S1 only", "S1 network"),
           "DF (S1+S2)": ("0.853", "0.821", "both", "feature"), "DF (S1+S2), mean of heads": ("–", "–", "both", "mean of heads")}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, default=ROOT / "docs" / "evidence" / "data")
    folder = parser.parse_args().data
    with (folder / "fusion.csv").open(newline="", encoding="utf-8") as stream:
        ours = {(row["tiles"], row["given"], row["method"]): row for row in csv.DictReader(stream)}

    def figure(tiles: str, given: str, method: str) -> str:
        return f"{{fusion: {tiles}: {given}: {method}}}"

    def difference(tiles: str, given: str, method: str) -> str:
        value, fused = (float(ours[tiles, *key]["value"]) for key in ((given, method), ("both", "feature")))
        return "" if method == "feature" else f" ({100 * (value / fused - 1):+.1f} %)"

    write(folder / "fusion_slides.csv", ["experiment", "slides, 10 %", "slides, 100 %", "ours is called", *(f"simulated, {tiles}" for tiles in TILES)],
          [[name, ten, whole, method, *(figure(tiles, given, method) for tiles in TILES)] for name, (ten, whole, given, method) in EXPERIMENTS.items()])
    write(folder / "fusion_slides_clouds.csv",
          ["data source", "slides, validation", "slides, clouds and shadows", *(f"simulated, {tiles}" for tiles in TILES)],
          [[name, usual, clouds, *(figure(tiles, given, method) + difference(tiles, given, method) for tiles in TILES)]
           for name, (usual, clouds, given, method) in SOURCES.items()])


def write(path: Path, head: list[str], lines: list[list[str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator="\n").writerows([head, *lines])
    print(f"{len(lines)} rows in {path}")


if __name__ == "__main__":
    main()

"""What filters of a coarse land-cover map gain: the share of wrong labels against a truth at 10 m, before and after.

    .engine/train/bin/python benchmarks/land_cover_purity.py [--size 1024] [--seeds 1 2 3] [--slovenia FOLDER] [--csv docs/evidence/data]

The sample landscape has its truth at 10 m and a map of 100 m with the errors such maps have (13 % of the cells wrong besides mixed
ones): simulated. With --slovenia, the folder of the eo-learn patch: official land use of 1 km² at 10 m, and the majority of each
10 × 10 pixels as the coarse map, so all its errors are those of mixing. A wrong label is a pixel whose common class (tree cover,
cropland, …) is not that of the truth; kept is the share of pixels that still have a label. Whether cleaner but fewer labels make a
better map is another question: a forest on the bands of single pixels learns from 4,000 labelled pixels of the western half and is
scored on 20,000 pixels of the truth in the eastern half, overall accuracy and mean F1 over the classes. It learns twice: from pixels
drawn at random, and from as many of each class as the whole map has, because filters take some classes away more than others.
"""

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import rasterio
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import f1_score

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.figures import Figures  # noqa: E402
from eo_pretrain_qgis.engine.landscape import create  # noqa: E402
from eo_pretrain_qgis.engine.rasters.raster import Raster  # noqa: E402
from eo_pretrain_qgis.engine.themes.land_cover.labels import Filters, MapChoice, open_land_cover  # noqa: E402

TRUTH = "value,name,group\n1,Water,Water\n2,Forest,Tree cover\n3,Cropland,Cropland\n4,Grassland,Grassland\n5,Built-up,Built-up\n6,Bare,Bare or sparse vegetation\n"
SLOVENIA = "value,name,group\n1,Cultivated,Cropland\n2,Forest,Tree cover\n3,Grassland,Grassland\n4,Shrubland,Shrubland\n8,Artificial,Built-up\n"
FILTERS = {
    "none": Filters(), "purity 0.55": Filters(purity=5 / 9), "purity 0.66": Filters(purity=6 / 9), "purity 0.77": Filters(purity=7 / 9),
    "purity 0.88": Filters(purity=8 / 9), "purity 1": Filters(purity=1.0), "border 30 m": Filters(border=30), "border 50 m": Filters(border=50),
    "purity 0.66, border 30 m": Filters(purity=6 / 9, border=30),
}


def classes_at(labels, grid) -> np.ndarray:
    """Names of the classes (y, x) on the whole grid; empty where there is no label."""
    names = np.array([row.name for row in labels.legend.classes] + [""] * (256 - len(labels.legend.classes)))
    return names[labels.read(grid, grid.window)]


def measure(image: Path, truth: MapChoice, coarse: MapChoice, found: dict) -> None:
    """Adds (kept, wrong) of every filter to `found`."""
    with Raster(str(image)) as raster:
        grid = raster.grid
        bands, valid = raster.read(grid.window)
    right = classes_at(open_land_cover(truth, [grid]), grid)
    shares: dict[str, float] = {}
    for name, filters in FILTERS.items():
        labels = classes_at(open_land_cover(coarse, [grid], filters=filters), grid)
        known = (right != "") & valid
        kept = (labels != "") & known
        wrong = float((labels[kept] != right[kept]).mean())
        if not shares:
            shares.update({str(name): float((labels[kept] == name).mean()) for name in np.unique(labels[kept])})
        found.setdefault(name, []).append((kept.sum() / known.sum(), wrong, *learn(bands, labels, right, kept, known, shares)))


def learn(bands, labels, right, kept, known, shares) -> list[float]:
    """Overall accuracy and mean F1 in the eastern half of forests that learned from the kept labels of the western half: from pixels at
    random, and from classes in the given shares.
    """
    rng, middle = np.random.default_rng(1), bands.shape[2] // 2
    rows, cols = np.nonzero(kept[:, :middle])
    own = labels[rows, cols]
    at_random = rng.choice(len(rows), min(len(rows), 4000), replace=False)
    by_share = np.concatenate([rng.choice(np.flatnonzero(own == name), round(4000 * share)) for name, share in shares.items() if (own == name).any()])
    east = np.argwhere(known[:, middle:]) + np.array([0, middle])
    truth_rows, truth_cols = east[rng.choice(len(east), min(len(east), 20000), replace=False)].T
    truth, scores = right[truth_rows, truth_cols], []
    for chosen in (at_random, by_share):
        forest = RandomForestClassifier(60, min_samples_leaf=3, random_state=1, n_jobs=2)
        said = forest.fit(bands[:, rows[chosen], cols[chosen]].T, own[chosen]).predict(bands[:, truth_rows, truth_cols].T)
        scores += [float((said == truth).mean()), float(f1_score(truth, said, average="macro", labels=np.unique(truth), zero_division=0))]
    return scores


def show(title: str, found: dict) -> None:
    """Prints a Markdown table of means over the landscapes, with their range."""
    print(f"\n{title}\n\n| filter | kept | wrong labels | of those without a filter | forest: accuracy | mean F1 | classes as in the map: accuracy | mean F1 |\n"
          "|---|---|---|---|---|---|---|---|")
    before = np.mean([row[1] for row in found["none"]])
    for name, rows in found.items():
        kept, wrong, *scores = np.array(rows).T
        spread = f" ({wrong.min():.3f}–{wrong.max():.3f})" if len(rows) > 1 else ""
        print(f"| {name} | {kept.mean():.3f} | {wrong.mean():.3f}{spread} | {wrong.mean() / before:.2f} | "
              + " | ".join(f"{score.mean():.3f}" for score in scores) + " |")


def keep(kept: Figures, data: str, found: dict) -> None:
    """Means over the landscapes, with their range."""
    for name, rows in found.items():
        for figure, values in zip(("kept", "wrong labels", "forest accuracy", "forest mean F1"), np.transpose(rows)):
            kept.add(data, name, figure, value=values, spread=True)


def majority(path: Path, target: Path) -> None:
    """Writes the most frequent code of each 10 × 10 pixels of a class raster."""
    with rasterio.open(path) as source:
        codes, transform, crs = source.read(1), source.transform, source.crs
    height, width = (size // 10 for size in codes.shape)
    cells = codes[:height * 10, :width * 10].reshape(height, 10, width, 10).transpose(0, 2, 1, 3).reshape(height, width, 100)
    counts = np.stack([(cells == code).sum(-1) for code in range(256)])
    counts[0] = 0
    with rasterio.open(target, "w", driver="GTiff", width=width, height=height, count=1, dtype="uint8", crs=crs, nodata=0,
                       transform=transform @ rasterio.Affine.scale(10)) as made:
        made.write(counts.argmax(0).astype(np.uint8), 1)


def main() -> None:
    """Runs what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--size", type=int, default=1024)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--slovenia", type=Path)
    parser.add_argument("--csv", type=Path, help="folder for land_cover_filters.csv")
    asked, kept = parser.parse_args(), Figures("data", "filter", "figure")
    with tempfile.TemporaryDirectory() as place:
        folder, found = Path(place), {}
        (folder / "truth.csv").write_text(TRUTH, encoding="utf-8")
        (folder / "slovenia.csv").write_text(SLOVENIA, encoding="utf-8")
        for seed in asked.seeds:
            made = folder / f"sample{seed}"
            create(str(made), asked.size, seed)
            measure(made / "sentinel2.tif", MapChoice({"path": str(made / "land_cover.tif")}, "own", str(folder / "truth.csv")),
                    MapChoice({"path": str(made / "land_cover_100m.tif")}, "cgls_lc100"), found)
        show(f"Simulated landscape, {asked.size} px, {len(asked.seeds)} seeds", found)
        keep(kept, "simulated", found)
        if asked.slovenia:
            found = {}
            use = asked.slovenia / "derived" / "LULC.tif"
            majority(use, folder / "coarse.tif")
            table = str(folder / "slovenia.csv")
            measure(asked.slovenia / "derived" / "scene_0.tif", MapChoice({"path": str(use)}, "own", table),
                    MapChoice({"path": str(folder / "coarse.tif")}, "own", table), found)
            show("Official land use, western Slovenia, 1 km²", found)
            keep(kept, "Slovenia", found)
    if asked.csv:
        kept.write(asked.csv / "land_cover_filters.csv")


if __name__ == "__main__":
    main()

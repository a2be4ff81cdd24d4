"""Is “Assess map” right? Published figures, intervals against a truth that is known everywhere, and the time and memory of a large map.

    OMP_NUM_THREADS=1 .engine/train/bin/python benchmarks/assess_map.py DATA OUTPUT [golden] [coverage] [large]

DATA is the folder of real data that lies beside a checkout, OUTPUT a folder; what is there already is not done again.

golden    the examples of Olofsson et al. 2014 and Stehman 2014, and the published estimates of two states of Sudan, computed and as published
coverage  a SIMULATED landscape of 768 x 768 px, mapped by a regression; of 200 samples of each design, how many have a 95 % interval that holds the true
                    value, for each class; and of those that met five errors or more of the class. An interval without a width counts as a miss
large     a map of 10,980 x 10,980 px with 2,000 places, each job in a process of its own

OUTPUT/assess_map_golden.csv, assess_map_coverage.csv and assess_map_cost.csv are for docs/evidence/data.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import geopandas
import numpy as np
import rasterio
import rasterio.features
import shapely
from rasterio.windows import Window

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.approaches import job, made  # noqa: E402
from benchmarks.figures import Figures  # noqa: E402
from eo_pretrain_qgis.engine.assessment.assessing import Assessment, Options, assess  # noqa: E402
from eo_pretrain_qgis.engine.assessment.ground import Learned  # noqa: E402
from eo_pretrain_qgis.engine.assessment.planning import LAYER, Wanted, draw_sample  # noqa: E402
from eo_pretrain_qgis.engine.assessment.reference import SIZE_FIELD, STRATUM_FIELD, Fields, Reference, reference_of  # noqa: E402
from eo_pretrain_qgis.engine.mapping.map_survey import ClassMap  # noqa: E402
from eo_pretrain_qgis.engine.measures.areas import FEW_ERRORS, Estimates, Figure, Places, Z, estimate, sample_size  # noqa: E402
from eo_pretrain_qgis.progress import Progress  # noqa: E402
from tests.scenes_assessment import PAPER, PAPER_CLASSES, PAPER_PIXELS  # noqa: E402

DRAWS, SEED, SIZE = 200, 5, 768
#: Points drawn all over the map; squares [px] and points in each; polygons.
POINTS, SQUARES, EDGE, EACH, POLYGONS = 500, 100, 8, 5, 300
LARGE, PLACES = 10_980, 2_000
#: Of the landscape; and samples of which a share is told.
CLASSES, LEAST = ("Water", "Forest", "Cropland", "Grassland", "Built-up", "Bare"), 20
CHILD = """
import json, sys, time
from benchmarks.building_memory import peak_megabytes
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
began, busy = time.monotonic(), time.process_time()
result = JOBS[sys.argv[1]].from_values(json.loads(sys.argv[2])).run(SILENT)
print(json.dumps({"seconds": time.monotonic() - began, "busy": time.process_time() - busy, "peak": peak_megabytes(), "result": result}))
"""


def golden(data: Path, out: Path) -> None:
    """Published figures beside computed ones, rounded as they were published."""
    rows = [*_olofsson(), *_stehman(), *_sudan(data / "reference" / "sudan_area_estimates" / "published_area_2022_2023.csv")]
    with (out / "assess_map_golden.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(("example", "figure", "published", "computed", "equal"))
        writer.writerows((*row, "yes" if row[2] == row[3] else "no") for row in rows)
    print(f"{sum(row[2] == row[3] for row in rows)} of {len(rows)} published figures are equal")


def _points(table: np.ndarray) -> Places:
    """Places of a table of counts, rows map, columns truth, drawn in each class of the map."""
    mapped, truth = (np.repeat(numbers.ravel(), table.ravel()) for numbers in np.indices(table.shape))
    return Places.of_points(mapped, mapped, truth)


def _told(value: float, width: float, form: str, width_form: str = "") -> str:
    return f"{value:{form}} ± {width:{width_form or form}}"


def _olofsson() -> list[tuple[str, str, str, str]]:
    found, area = estimate(_points(PAPER), np.array(PAPER_PIXELS), len(PAPER_CLASSES)), 900_000
    published = {"area [ha]": ("21,158 ± 6,158", "11,686 ± 3,756", "285,770 ± 15,510", "581,386 ± 16,282"),
                 "user's accuracy": ("0.88 ± 0.07", "0.73 ± 0.10", "0.93 ± 0.04", "0.96 ± 0.02"),
                 "producer's accuracy": ("0.75 ± 0.21", "0.85 ± 0.25", "0.93 ± 0.03", "0.96 ± 0.02")}
    computed = {"area [ha]": [_told(one.value * area, one.half_width * area, ",.0f") for one in found.areas],
                "user's accuracy": [_told(one.value, one.half_width, ".2f") for one in found.users],
                "producer's accuracy": [_told(one.value, one.half_width, ".2f") for one in found.producers]}
    rows = [("Olofsson et al. 2014", f"{figure}, {name}", told, computed[figure][number])
            for figure, each in published.items() for number, (name, told) in enumerate(zip(PAPER_CLASSES, each, strict=True))]
    places = sample_size([0.02, 0.015, 0.32, 0.645], [0.7, 0.6, 0.9, 0.95], 0.01 * Z)
    return [*rows, ("Olofsson et al. 2014", "overall accuracy", "0.947 ± 0.0185", _told(found.overall.value, found.overall.half_width, ".3f", ".4f")),
            ("Olofsson et al. 2014", "places for a standard error of 0.01", "641", str(places))]


def _stehman() -> list[tuple[str, str, str, str]]:
    """Standard errors are what is published there."""
    letters = ("A" * 10 + "B" * 10 + "C" * 10 + "D" * 10, "A" * 7 + "BBB" + "A" + "B" * 11 + "C" * 6 + "BB" + "D" * 10,
               "AAAAA" + "CBABCA" + "BBBBB" + "AABB" + "CCCCC" + "DDBBA" + "D" * 7 + "CCB")
    strata, mapped, truth = (np.array(["ABCD".index(letter) for letter in each]) for each in letters)
    found = estimate(Places.of_points(strata, mapped, truth), np.array([40_000, 30_000, 20_000, 10_000]), 4)
    rows = (("overall accuracy", "0.63 ± 0.085", found.overall), ("area of A, share", "0.35 ± 0.082", found.areas[0]),
            ("area of C, share", "0.20 ± 0.064", found.areas[2]), ("user's accuracy of B", "0.574 ± 0.125", found.users[1]),
            ("producer's accuracy of B", "0.794 ± 0.117", found.producers[1]))
    return [("Stehman 2014", f"{name} ± standard error", told, _told(one.value, one.half_width / Z, *_forms(told.split(" ± ")))) for name, told, one in rows]


def _forms(published: Sequence[str]) -> list[str]:
    """As many decimals as were published."""
    return [f".{len(text.partition('.')[2])}f" for text in published]


def _sudan(path: Path) -> list[tuple[str, str, str, str]]:
    """The published size of a pixel is rounded, so the total is that of the published areas."""
    rows = []
    with path.open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    for row in table:
        where, names = f"{row['state']} {row['year']}", ("noncrop", "crop")
        counts = np.array([float(row[f"implied_n_mapped_{name}"]) for name in names])
        right = np.rint(counts * [float(row[f"users_{name}"]) for name in names])
        found = estimate(_points(np.array([[right[0], counts[0] - right[0]], [counts[1] - right[1], right[1]]]).astype(int)),
                         np.array([float(row[f"{name}_pixels"]) for name in names]), 2)
        total = sum(float(row[f"{name}_area_ha"]) for name in names)
        for number, name in enumerate(names):
            area = found.areas[number]
            rows += [(where, f"area of {name} [ha]", _told(float(row[f"{name}_area_ha"]), float(row[f"{name}_area_ci95_ha"]), ",.0f"),
                      _told(area.value * total, area.half_width * total, ",.0f"))]
            for word, one in (("users", found.users[number]), ("producers", found.producers[number])):
                published = row[f"{word}_{name}"], row[f"{word}_{name}_ci95"]
                rows += [(where, f"{word[:-1]}'s accuracy of {name}", " ± ".join(published), _told(one.value, one.half_width, *_forms(published)))]
    return rows


@dataclass(frozen=True)
class Ground:
    """A map, and what is really there.

    Attributes:
        path: of the map.
        truth: classes that are really there (y, x).
    """

    path: Path
    truth: np.ndarray

    @cached_property
    def mapped(self) -> np.ndarray:
        """What the map shows (y, x); 255 where it shows nothing."""
        with rasterio.open(self.path) as source:
            return source.read(1)

    @cached_property
    def transform(self) -> rasterio.Affine:
        """Of the map."""
        with rasterio.open(self.path) as source:
            return source.transform

    def table(self, shapes: np.ndarray, classes: np.ndarray, **columns: np.ndarray) -> geopandas.GeoDataFrame:
        """Places with their class."""
        with rasterio.open(self.path) as source:
            return geopandas.GeoDataFrame({"class": classes.astype(int), **columns}, geometry=shapes, crs=source.crs)

    def points(self, rows: np.ndarray, cols: np.ndarray, **columns: np.ndarray) -> geopandas.GeoDataFrame:
        """Points in the middle of pixels."""
        a, _, c, _, e, f = self.transform[:6]
        return self.table(shapely.points(c + a * (cols + 0.5), f + e * (rows + 0.5)), self.truth[rows, cols], **columns)

    @cached_property
    def polygons(self) -> geopandas.GeoDataFrame:
        """Ground of one class within each square of a grid; together they are all of the map."""
        rows, cols = np.indices(self.truth.shape) // EDGE
        numbers = (rows * (SIZE // EDGE) + cols).astype(np.int32) * 10 + self.truth
        found = list(rasterio.features.shapes(numbers, self.mapped != 255, transform=self.transform))
        return self.table(np.array([shapely.geometry.shape(shape) for shape, _ in found], object), np.array([value % 10 for _, value in found]))

    def really(self) -> dict[str, np.ndarray]:
        """What the figures are of all pixels; shares of the area."""
        known = self.mapped != 255
        mapped, truth = self.mapped[known], self.truth[known]
        classes = np.unique(np.concatenate([mapped, truth]))
        right = {number: ((mapped == number) & (truth == number)).sum() for number in classes}
        return {"overall accuracy": np.array([(mapped == truth).mean()]), "area": np.array([(truth == number).mean() for number in classes]),
                "user's accuracy": np.array([right[number] / (mapped == number).sum() for number in classes]),
                "producer's accuracy": np.array([right[number] / (truth == number).sum() for number in classes])}


#: What a design gives of a seed: a table of places, the fields of it, and how they are assessed.
Drawn = tuple[geopandas.GeoDataFrame, Fields, Options]


def planned(ground: Ground, drawn_from: Ground, out: Path, wanted: dict, seed: int) -> Drawn:
    """A sample of “Draw an assessment sample”, labelled with the truth."""
    path = out / "sample.gpkg"
    draw_sample(ClassMap({"path": str(drawn_from.path)}), Wanted(seed=seed, **wanted), Learned(), str(path))
    table = geopandas.read_file(path, layer=LAYER)
    cols, rows = ~ground.transform @ (table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
    table["class"] = ground.truth[np.floor(rows).astype(int), np.floor(cols).astype(int)].astype(int)
    path.unlink()
    return table, Fields(truth="class", stratum=STRATUM_FIELD, size=SIZE_FIELD), Options()


def at_random(ground: Ground, seed: int) -> Drawn:
    """Points all over the map."""
    chosen = np.random.default_rng(seed).choice(SIZE**2, POINTS, replace=False)
    return ground.points(chosen // SIZE, chosen % SIZE), Fields(truth="class"), Options(design="random", merge=True)


def together(ground: Ground, seed: int) -> Drawn:
    """Some points in each of some squares."""
    rng, side = np.random.default_rng(seed), SIZE // EDGE
    squares = np.repeat(rng.choice(side**2, SQUARES, replace=False), EACH)
    inside = np.concatenate([rng.choice(EDGE**2, EACH, replace=False) for _ in range(SQUARES)])
    table = ground.points(squares // side * EDGE + inside // EDGE, squares % side * EDGE + inside % EDGE, square=squares)
    return table, Fields(truth="class", cluster="square"), Options(design="random", merge=True)


def outlines(ground: Ground, by_area: bool, whole: bool, seed: int) -> Drawn:
    """Polygons of one class each, all alike or the larger the likelier; as a whole, or one pixel of each."""
    rng, every = np.random.default_rng(seed), ground.polygons
    areas = every.geometry.area.to_numpy()
    chosen = rng.choice(len(every), POLYGONS, replace=by_area, p=areas / areas.sum() if by_area else None)
    return every.iloc[chosen].reset_index(drop=True), Fields(truth="class"), Options(design="random", whole=whole, merge=True, seed=seed)


def coverage(data: Path, out: Path) -> None:
    """How often intervals hold the truth."""
    ground, other = landscape(out)
    designs: dict[str, tuple[Ground, Callable[[int], Drawn]]] = {
        "planned, ± 0.02": (ground, partial(planned, ground, ground, out, {})),
        "planned, 300 places": (ground, partial(planned, ground, ground, out, {"count": 300})),
        "planned on another map, ± 0.02": (other, partial(planned, other, ground, out, {})),
        f"{POINTS} points at random": (ground, partial(at_random, ground)),
        f"{SQUARES} squares, {EACH} points each, grouped": (ground, partial(together, ground)),
        f"{POLYGONS} polygons from a list, whole": (ground, partial(outlines, ground, False, True)),
        f"{POLYGONS} polygons from a list, one pixel": (ground, partial(outlines, ground, False, False)),
        f"{POLYGONS} polygons around points, one pixel": (ground, partial(outlines, ground, True, False))}
    figures = Figures("design", "figure", "class")
    for name, (mapped, drawn) in designs.items():
        begun, truth = time.monotonic(), mapped.really()
        found = [_drawn_once(mapped, drawn, seed, truth) for seed in range(DRAWS)]
        figures.add(name, "places", "all", value=float(np.mean([one["places"] for one in found])), form=".0f")
        for figure in truth:
            held, errors = (np.array([one[what][figure] for one in found]) for what in ("held", "errors"))
            for number, label in enumerate(CLASSES if held.shape[1] > 1 else ("all",)):
                figures.add(name, figure, label, value=100 * float(held[:, number].mean()), form=".0f")
                enough = errors[:, number] >= FEW_ERRORS
                if figure != "overall accuracy" and enough.sum() >= LEAST:
                    figures.add(name, f"{figure}, {FEW_ERRORS} errors or more", label, value=100 * float(held[enough, number].mean()), form=".0f",
                                note="" if enough.all() else f"{enough.sum()} samples")
        print(name, f"{time.monotonic() - begun:.0f} s", [row["value"] for row in figures.rows if row["design"] == name], flush=True)
        figures.write(out / "assess_map_coverage.csv")


def _drawn_once(mapped: Ground, drawn: Callable[[int], Drawn], seed: int, truth: dict[str, np.ndarray]) -> dict:
    """Of one sample: whether each interval holds the truth, and how many errors it rests on."""
    table, fields, options = drawn(seed)
    found = assess({"path": str(mapped.path)}, partial(_referred, table, fields), options)
    if tuple(row.name for row in found.classes) != CLASSES:
        raise ValueError(f"The map has the classes {found.classes}. Correct CLASSES.")
    counts = found.places.counts(len(CLASSES))
    missed, false = (counts.sum(axis) - counts.diagonal() for axis in (1, 0))
    return {"held": {figure: _holds(values, truth[figure]) for figure, values in _by_figure(found).items()}, "places": len(found.reference),
            "errors": {"overall accuracy": [missed.sum()], "area": np.minimum(missed, false), "user's accuracy": false, "producer's accuracy": missed}}


def _referred(table: geopandas.GeoDataFrame, fields: Fields, mapped: ClassMap, progress: Progress) -> Reference:
    return reference_of(table, fields, mapped, ("sample", "sample"), progress)


def landscape(out: Path) -> tuple[Ground, Ground]:
    """A simulated landscape, mapped by a regression and by boosting."""
    sample, made_maps = out / "sample", []
    job("create_sample", sample, size=SIZE, seed=SEED)
    image = str(sample / "sentinel2.tif")
    job("create_training_dataset", out / "dataset", images=[image], labels=str(sample / "land_cover.tif"), preset="sentinel2_l2a", tile_size=64)
    for name in ("statistics", "boosting"):
        job("finetune", out / name, dataset=str(out / "dataset"), approach=name, seed=1)
        job("export_model", out / f"{name}.onnx", run_folder=str(out / name))
        job("predict_map", out / f"{name}.tif", model=str(out / f"{name}.onnx"), images=[image], preset="sentinel2_l2a", device="cpu")
        made_maps.append(out / f"{name}.tif")
    with rasterio.open(sample / "land_cover.tif") as source:
        truth = source.read(1)
    first, second = (Ground(path, truth) for path in made_maps)
    return first, second


def _by_figure(found: Assessment) -> dict[str, tuple[Figure, ...]]:
    given: Estimates = found.found
    return {"overall accuracy": (given.overall,), "area": given.areas, "user's accuracy": given.users, "producer's accuracy": given.producers}


def _holds(found: tuple[Figure, ...], truth: np.ndarray) -> np.ndarray:
    return np.array([one.value is not None and one.half_width > 0 and abs(one.value - really) <= one.half_width
                     for one, really in zip(found, truth, strict=True)])


def large(data: Path, out: Path) -> None:
    """The cost of a map of the size of a tile of Sentinel-2."""
    ground, _ = landscape(out)
    image, sample, labelled = out / "large.tif", out / "large.gpkg", out / "labelled.gpkg"
    if not image.exists():
        _repeat(ground, image)
    figures = Figures("job", "figure")
    values = {"plan_assessment": {"class_map": str(image), "count": PLACES, "output": str(sample)},
              "assess_map": {"class_map": str(image), "reference": str(labelled), "output": str(out / "large.html"), "facts": str(out / "large.json"),
                             "places": str(out / "places.gpkg")}}
    for name, given in values.items():
        for path in (given["output"], given.get("places", "")):
            Path(path).unlink(missing_ok=True) if path else None
        child = subprocess.run([sys.executable, "-c", CHILD, name, json.dumps(given)], capture_output=True, text=True, check=True, cwd=ROOT)
        found = json.loads(child.stdout.splitlines()[-1])
        figures.add(name, "seconds", value=found["seconds"], form=".1f")
        figures.add(name, "of these, of the processor", value=found["busy"], form=".1f")
        figures.add(name, "peak [MB]", value=found["peak"], form=".0f")
        print(name, found, flush=True)
        if name == "plan_assessment":
            table = geopandas.read_file(sample, layer=LAYER)
            cols, rows = ~ground.transform @ (table.geometry.x.to_numpy(), table.geometry.y.to_numpy())
            table["class"] = ground.truth[np.floor(rows).astype(int) % SIZE, np.floor(cols).astype(int) % SIZE].astype(int)
            labelled.unlink(missing_ok=True)
            table.to_file(labelled)
    figures.write(out / "assess_map_cost.csv")


def _repeat(ground: Ground, path: Path) -> None:
    """The map again and again."""
    with rasterio.open(ground.path) as source:
        profile = {"driver": "GTiff", "dtype": "uint8", "count": 1, "nodata": 255, "crs": source.crs, "transform": source.transform,
                   "height": LARGE, "width": LARGE, "tiled": True, "compress": "deflate"}
    with rasterio.open(path, "w", **profile) as target:
        for row in range(0, LARGE, SIZE):
            for col in range(0, LARGE, SIZE):
                height, width = min(SIZE, LARGE - row), min(SIZE, LARGE - col)
                target.write(ground.mapped[None, :height, :width], window=Window(col, row, width, height))


def main() -> None:
    data, out = Path(sys.argv[1]).resolve(), made(Path(sys.argv[2]).resolve())
    parts = {"golden": golden, "coverage": coverage, "large": large}
    for part in sys.argv[3:] or parts:
        begun = time.monotonic()
        parts[part](data, out)
        print(f"{part}: {time.monotonic() - begun:.0f} s", flush=True)


if __name__ == "__main__":
    main()

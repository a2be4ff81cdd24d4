"""The demo: the whole path on a simulated landscape, through qgis_process, ending with a QGIS project that opens styled.

    make demo

Each step is one algorithm, called as an analyst calls it on the command line. Everything lands in demo/.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / ".ci"))
sys.path.insert(0, str(ROOT / "docs"))

from demo_project import draw_picture, write_project  # noqa: E402
from link_plugin import link_plugin  # noqa: E402

MARK = "made-by-make-demo"
LEFT_BY_QGIS = (".aux.xml", "-wal", "-shm", "-journal", ".qgz~")
SIZE_PX = 1024
#: Half a minute without labels, on the training tiles alone, so that no test block was ever seen.
PRETRAINING = {"epochs": 6, "adversarial_warmup": 2}
#: About three minutes on two cores. Steps of 16 small tiles cost hardly more than steps of 8.
SCHEDULE = {"epochs": 12, "patience": 12, "batch_size": 16, "augmentation": "flips", "class_weights": "none"}


class Demo:
    """A folder to work in and a clean QGIS profile in which the plugin is enabled."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        if not (folder / MARK).exists() and any(path.name not in self.others() for path in folder.glob("*")):
            sys.exit(f"demo: {folder} was not made by this demo. Move it away and run again.")
        foreign = self.foreign_files()
        if foreign:
            sys.exit(f"demo: {folder / foreign[0]} was not made by this demo. Move it away and run again.")
        self.clear()
        link_plugin(folder / ".qgis" / "plugins")
        (folder / MARK).touch()
        python = ROOT / ".engine" / "train"
        self.environment = {
            "PATH": "/usr/bin:/bin", "HOME": str(folder / ".qgis"), "QT_QPA_PLATFORM": "offscreen", "LANG": "C.UTF-8",
            "QGIS_PLUGINPATH": str(folder / ".qgis" / "plugins"), "EOPRETRAIN_ENGINE": str(python),
        }
        self.call(["qgis_process", "plugins", "enable", "eo_pretrain_qgis"])

    def others(self) -> list[str]:
        """Folders in it that another demo has made."""
        return [path.parent.name for path in self.folder.glob(f"*/{MARK}")]

    def clear(self) -> None:
        """Removes what an earlier run has made."""
        others = self.others()
        for path in self.folder.glob("*"):
            if path.is_dir() and not path.is_symlink():
                if path.name not in others:
                    shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()

    def files(self) -> list[str]:
        """What lies in the folder, but the QGIS profile, what QGIS leaves beside a layer or project that was opened, the mark, and other demos."""
        left_out = (".qgis", MARK, *self.others())
        found = (path.relative_to(self.folder) for path in sorted(self.folder.rglob("*")) if path.is_file())
        return [str(path) for path in found if path.parts[0] not in left_out and not path.name.endswith(LEFT_BY_QGIS)]

    def foreign_files(self) -> list[str]:
        """Files that somebody put into the folder after the demo; a demo that was stopped left no list, and nobody's files."""
        mark = self.folder / MARK
        known = mark.read_text(encoding="utf-8").splitlines() if mark.exists() else []
        return [name for name in self.files() if known and name not in known]

    def finish(self) -> None:
        """Lists what was made, so that the next demo removes nothing else."""
        (self.folder / MARK).write_text("\n".join(self.files()) + "\n", encoding="utf-8")

    def call(self, command: list, document: str = "") -> str:
        """Runs one command; a failure ends the demo with what it said."""
        ran = subprocess.run(command, input=document, env=self.environment, capture_output=True, text=True)
        if ran.returncode:
            sys.exit(f"demo: {' '.join(command)} failed.\n{ran.stderr[-3000:]}")
        return ran.stdout

    def run(self, algorithm: str, **inputs: object) -> dict:
        """Runs one algorithm with a JSON document and returns its results."""
        started = time.monotonic()
        print(f"  eopretrain:{algorithm:<24}", end="", flush=True)
        document = json.dumps({"inputs": {name.upper(): value for name, value in inputs.items()}})
        printed = self.call(["qgis_process", "--json", "run", "eopretrain:" + algorithm, "-"], document)
        print(f"{time.monotonic() - started:6.1f} s", flush=True)
        return {name.lower(): value for name, value in json.loads(printed)["results"].items()}

    def path(self, name: str) -> str:
        return str(self.folder / name)


def the_path(demo: Demo) -> dict:
    """Landscape → dataset → pretraining → model → map; returns the figures of the evaluation."""
    sample = demo.run("createsample", size=SIZE_PX, seed=1, output=demo.path("sample"))
    demo.run("createtrainingdataset", images=[sample["sentinel2"]], labels=sample["land_cover"], preset="sentinel2_l2a",
             tile_size=64, test_share=0.25, output=demo.path("dataset"))
    demo.run("describedataset", dataset=demo.path("dataset"), output=demo.path("dataset.html"))
    demo.run("pretraininpainting", dataset=demo.path("dataset"), output=demo.path("pretraining"), **PRETRAINING)
    demo.run("finetune", dataset=demo.path("dataset"), start=demo.path("pretraining"), output=demo.path("run"), **SCHEDULE)
    demo.run("evaluatemodel", run_folder=demo.path("run"), output=demo.path("evaluation.html"), facts=demo.path("evaluation.json"))
    demo.run("exportmodel", run_folder=demo.path("run"), model_name="demo land cover", licence="CC0-1.0", output=demo.path("land_cover.onnx"))
    demo.run("inspectmodel", model=demo.path("land_cover.onnx"), output=demo.path("model.html"))
    demo.run("predictmap", model=demo.path("land_cover.onnx"), images=[sample["sentinel2"]], output=demo.path("map.tif"),
             confidence=demo.path("confidence.tif"), polygons=demo.path("polygons.gpkg"))
    shutil.copy(demo.path("run/report.html"), demo.path("report.html"))
    layers = {"Sentinel-2 (simulated)": sample["sentinel2"], "Land cover, mapped": demo.path("map.tif"),
              "Land cover, truth": sample["land_cover"], "Confidence": demo.path("confidence.tif"), "Roads": sample["roads"],
              "Tiles by split": demo.path("dataset/tiles.gpkg")}
    write_project(layers, demo.path("demo.qgz"))
    draw_picture([layers["Sentinel-2 (simulated)"], layers["Land cover, mapped"], layers["Land cover, truth"]],
                 ["Sentinel-2 (simulated)", "mapped", "truth"], demo.path("demo.png"))
    return json.loads(Path(demo.path("evaluation.json")).read_text(encoding="utf-8"))


#: Of the columns of scores.
WIDTHS = (8, 13, 11, 17)


def print_scores(figures: dict) -> None:
    """IoU per class on the test blocks, beside the baselines."""
    print("\n  IoU on the test blocks (simulated landscape)     model   regression   boosting   majority class")
    columns = [figures[who] for who in ("model", "statistics", "boosting", "majority")]
    for rows in zip(*(column["classes"] for column in columns)):
        print(f"  {rows[0]['name']:<46}" + "".join(f"{shown(row['iou']):>{width}}" for row, width in zip(rows, WIDTHS)))
    print(f"  {'mean':<46}" + "".join(f"{shown(column['mean_iou']):>{width}}" for column, width in zip(columns, WIDTHS)))


def shown(value: object) -> str:
    return "-" if value is None else f"{value:.3f}"


def main(folder: str) -> None:
    os.environ.update(QT_QPA_PLATFORM="offscreen")
    started = time.monotonic()
    demo = Demo(Path(folder).resolve())
    print(f"demo: the path from map layers to a map layer, in {demo.folder}")
    figures = the_path(demo)
    demo.finish()
    print_scores(figures)
    minutes = (time.monotonic() - started) / 60
    print(f"\ndemo: done in {minutes:.1f} min; open {demo.path('demo.qgz')} in QGIS and {demo.path('report.html')} in a browser.")


if __name__ == "__main__":
    main(sys.argv[1])

"""The demo of the themes: each theme mapped with the model that comes with the plugin, through qgis_process, ending with a QGIS project.

    make demo-themes [DATA=FOLDER]

Nothing is trained. Without DATA all ground is simulated; with it, real scenes of that folder are mapped beside it. Everything lands in demo/themes.
"""

import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from demo import Demo  # noqa: E402
from demo_project import draw_picture, write_project  # noqa: E402

SIZE_PX, ICE_PX = 512, 512
#: Of the simulated sea: cells of the concentration [km], for 20 km of it.
CELL_KM = 1
SAID = """
  The ground is simulated, so the maps on it are simulated too. The models of roads, land cover and crops learned from real places
  and have never seen such ground: what you see there is the path, and not their skill. The model of sea ice learned from simulated
  images alone. What each model can do on ground like its own stands on its card in models/cards and in docs/evidence/bundled-models.md."""
ROADS, COVER, ICE, CROPS = "Roads", "Land cover", "Sea ice", "Crops"
#: Theme → scene under DATA, algorithm, and the file it writes.
REAL = {ROADS: ("s2/chicago/s2_median.tif", "maproads", "real_roads.gpkg"),
        COVER: ("landcover/slovenia_eopatch/derived/scene_0.tif", "maplandcover", "real_land_cover.tif")}


def simulated(demo: Demo) -> dict:
    """Each theme on simulated ground; gives name → layer of the project, the lowest first."""
    sample = demo.run("createsample", size=SIZE_PX, seed=1, output=demo.path("sample"))
    image, ice = sample["sentinel2"], simulated_ice(demo)
    season = sorted(str(path) for path in Path(sample["season"]).glob("S2_*.tif"))
    clouds = sorted(str(path) for path in Path(sample["season"]).glob("SCL_*.tif"))
    cover = demo.run("maplandcover", images=[image], output=demo.path("land_cover.tif"), polygons=demo.path("land_cover.gpkg"),
                     areas=demo.path("land_cover.csv"))
    roads = demo.run("maproads", images=[image], known=sample["roads"], output=demo.path("roads.gpkg"), candidates=demo.path("road_candidates.gpkg"),
                     probability=demo.path("road_probability.tif"))
    crops = demo.run("mapcroptypes", images=season, masks=clouds, parcels=sample["parcels"], output=demo.path("crops.gpkg"),
                     table=demo.path("crops.csv"))
    sea = demo.run("mapseaice", images=[ice], cell=CELL_KM, output=demo.path("sea_ice.tif"), concentration=demo.path("ice_concentration.tif"),
                   edge=demo.path("ice_edge.gpkg"), chart=demo.path("ice_chart.gpkg"))
    return {"Sentinel-2 (simulated)": image, f"{COVER} (simulated ground)": cover["output"], f"{CROPS} (simulated ground)": crops["output"],
            f"{ROADS} (simulated ground)": roads["output"], f"{ICE} (simulated)": sea["output"], "Ice edge (simulated)": sea["edge"]}


def simulated_ice(demo: Demo) -> str:
    """A radar image of a simulated sea that the model did not learn from."""
    python = Path(demo.environment["EOPRETRAIN_ENGINE"]) / "bin" / "python"
    folder = Path(demo.path("simulated_ice"))
    ran = subprocess.run([python, "-m", "benchmarks.simulated_ice", folder, "--seed", "101", "--scenes", "1", "--side", str(ICE_PX)],
                         cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"demo-themes: the sea could not be simulated.\n{ran.stderr[-3000:]}")
    return str(folder / "scene0.tif")


def real(demo: Demo, data: Path) -> dict:
    """The themes of which DATA has a scene; gives name → layer of the project."""
    layers = {}
    for theme, (place, job, name) in REAL.items():
        if (data / place).is_file():
            layers[f"{theme} ({place})"] = demo.run(job, images=[str(data / place)], output=demo.path(name))["output"]
        else:
            print(f"  {theme}: {data / place} is not there, so no real scene is mapped.")
    return layers


def main(folder: str, data: str) -> None:
    os.environ.update(QT_QPA_PLATFORM="offscreen")
    started = time.monotonic()
    if data and not Path(data).is_dir():
        sys.exit(f"demo-themes: there is no folder {data}. Give DATA the folder of real scenes, or leave it out.")
    demo = Demo(Path(folder).resolve())
    print(f"demo-themes: each theme from its bundled model, in {demo.folder}")
    layers = simulated(demo)
    layers |= real(demo, Path(data).resolve()) if data else {}
    write_project(layers, demo.path("themes.qgz"), "EO Pretrain: themes from bundled models")
    shown = [f"{COVER} (simulated ground)", f"{ICE} (simulated)"]
    draw_picture([layers["Sentinel-2 (simulated)"], *(layers[name] for name in shown)], ["Sentinel-2 (simulated)", *shown], demo.path("themes.png"))
    demo.finish()
    print(SAID)
    print(f"\ndemo-themes: done in {(time.monotonic() - started) / 60:.1f} min; open {demo.path('themes.qgz')} in QGIS.")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "")

"""Makes the pictures of the documents in a real window of QGIS on a display that nobody sees (Xvfb), so that they show what a user meets today.

    make pictures [DATA=FOLDER]

The ground is simulated; with DATA, real scenes of that folder are mapped, too. Each picture has a fixed name in docs/pictures; what QGIS does for
them stands in docs/pictures_in_qgis.py. A picture that could not be made is named at the end, and the old one stays.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PICTURES = ROOT / "docs" / "pictures"
ENGINE = ROOT / ".engine" / "train" / "bin" / "python"
SCREEN = "1400x1000x24"
PROFILE = ".local/share/QGIS/QGIS3/profiles/default"
SETTINGS = """[PythonPlugins]
eo_pretrain_qgis=true
processing=true

[qgis]
checkVersion=false
showTips=false

[locale]
overrideFlag=true
userLocale=en_US
"""
#: Colours are taken away, then pixels, until a picture has this size; tests/test_docs.py asks for it.
MOST_BYTES = 145_000
SHRINK = """
import io, sys
from PIL import Image
for path in sys.argv[2:]:
    picture = Image.open(path).convert("RGB")
    while True:
        for colours in (256, 128, 64, 40):
            made = io.BytesIO()
            picture.quantize(colours, dither=Image.Dither.NONE).save(made, "PNG", optimize=True)
            if made.tell() <= int(sys.argv[1]):
                break
        if made.tell() <= int(sys.argv[1]):
            break
        picture = picture.resize((int(picture.width * 0.9), int(picture.height * 0.9)), Image.Resampling.LANCZOS)
    open(path, "wb").write(made.getvalue())
"""
#: Real scenes under DATA: the picture, and the file.
REAL = {"ROADS": "s2/chicago/s2_median.tif", "COVER": "landcover/slovenia_eopatch/derived/scene_0.tif"}


def engine(*words: object) -> None:
    """Runs one module of the engine's Python; a failure ends all with what it said."""
    ran = subprocess.run([str(ENGINE), "-m", *map(str, words)], cwd=ROOT, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(f"pictures: {' '.join(map(str, words))} failed.\n{ran.stderr[-3000:]}")


def prepare(folder: Path) -> None:
    """Makes what the window opens: a sea, and a model of fields."""
    engine("benchmarks.simulated_ice", folder / "sea", "--seed", 101, "--scenes", 1, "--side", 512)
    fields_model(folder, engine)


def fields_model(folder: Path, run: Callable[..., None]) -> Path:
    """Makes fields.onnx in a folder, of boosted trees and two dates of a simulated landscape, since no model of fields is bundled; seconds.

    Args:
        folder: is there; what the model learned from stays beside it.
        run: runs a module of the engine's Python with arguments.
    """
    run("eo_pretrain_qgis", "create_sample", "--size", 512, "--seed", 2, "--output", folder / "learned_from")
    season = folder / "learned_from" / "season"
    run("eo_pretrain_qgis", "create_field_dataset", "--images", season / "S2_2023-04-08.tif", "--second_images", season / "S2_2023-06-27.tif",
        "--parcels", folder / "learned_from" / "parcels.gpkg", "--preset", "sentinel2_l2a", "--output", folder / "fields")
    run("eo_pretrain_qgis", "finetune", "--dataset", folder / "fields", "--approach", "boosting", "--output", folder / "run")
    run("eo_pretrain_qgis", "export_model", "--run_folder", folder / "run", "--output", folder / "fields.onnx")
    return folder / "fields.onnx"


def install(plugin: Path) -> None:
    """Copies the plugin as the zip has it, so that no path of this checkout is seen."""
    shutil.copytree(ROOT / "eo_pretrain_qgis", plugin, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "metadata.txt", plugin)
    for folder in ("ready", "cards"):
        shutil.copytree(ROOT / "models" / folder, plugin / "models" / folder)
    shutil.copy(ROOT / "models" / "catalog.json", plugin / "models")
    (plugin / "help" / "algorithms").mkdir(parents=True)
    for page in ROOT.glob("docs/algorithms/*.md"):  # empty ones are enough for the Help buttons to be there
        (plugin / "help" / "algorithms" / f"{page.stem}.html".replace("README", "index")).touch()


def show(home: Path, folder: Path, made: Path, data: str) -> bool:
    """Lets QGIS make the pictures; tells whether all were made."""
    install(home / PROFILE / "python" / "plugins" / "eo_pretrain_qgis")
    (home / PROFILE / "QGIS").mkdir(parents=True)
    (home / "tmp").mkdir()  # of QGIS; it marks layers there as temporary
    (home / PROFILE / "QGIS" / "QGIS3.ini").write_text(SETTINGS, encoding="utf-8")
    real = {name: str(Path(data) / place) for name, place in REAL.items() if data and (Path(data) / place).is_file()}
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home), "TMPDIR": str(home / "tmp"), "LANG": "C.UTF-8", "QT_QPA_PLATFORM": "xcb",
                   "EOPRETRAIN_ENGINE": str(ENGINE), "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", ""),
                   "PICTURES_FOLDER": str(folder), "PICTURES_MADE": str(made), **real}
    command = ["xvfb-run", "-a", "-s", f"-screen 0 {SCREEN}", "qgis", "--nologo", "--noversioncheck", "--code",
               str(ROOT / "docs" / "pictures_in_qgis.py")]
    ran = subprocess.run(command, cwd=home, env={name: value for name, value in environment.items() if value}, timeout=1800, capture_output=True,
                         text=True)
    print(*(line for line in ran.stdout.splitlines() if line.startswith("  ")), sep="\n")
    if ran.returncode:
        print(f"pictures: QGIS ended with {ran.returncode}. {ran.stderr[-2000:]}", file=sys.stderr)
    return ran.returncode == 0


def make(place: Path, data: str) -> bool:
    """Makes all pictures in a folder and takes them over; tells whether none is missing."""
    home, folder, made = (place / name for name in ("home", "work", "made"))
    for path in (home, folder, made):
        path.mkdir()
    prepare(folder)
    whole = show(home, folder, made, data)
    pictures = sorted(made.glob("*.png"))
    subprocess.run([str(ENGINE), "-c", SHRINK, str(MOST_BYTES), *map(str, pictures)], check=True)
    for path in pictures:
        shutil.copy(path, PICTURES / path.name)
    print(f"pictures: {len(pictures)} in {PICTURES}; look at them before you commit them.")
    return whole


def main(data: str) -> None:
    if data and not Path(data).is_dir():
        sys.exit(f"pictures: there is no folder {data}. Give DATA the folder of real scenes, or leave it out.")
    place = Path(tempfile.gettempdir(), "pictures")  # a fixed name, because it is seen in some pictures
    try:
        place.mkdir()
    except FileExistsError:
        sys.exit(f"pictures: {place} is there; another run makes pictures there, or one was stopped. Remove it and run again.")
    try:
        whole = make(place, str(Path(data).resolve()) if data else "")
    finally:
        shutil.rmtree(place)
    if not whole:
        sys.exit(1)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "")

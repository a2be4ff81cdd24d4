"""Fails when what the plugin site runs, or the analyzer of PyQGIS code, finds anything in the packaged zip.

The site runs bandit, detect-secrets and flake8 (qgis/QGIS-Plugins-Website: qgis-app/plugins/security_scanner.py, with the rules that its
data/*_rules.json enable). No configuration file goes into the zip: the site then says "Validated" without a remark. Nothing is left out of
the scans: published checksums are written in groups of eight digits, as people read them, and look like no key.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
#: The rules of flake8 that the site enables; all others, such as the length of lines, it leaves to the author.
FLAKE8 = ("E101,E711,E712,E713,E714,E721,E722,E731,E741,E742,E743,E901,E902,E999,W605,F402,F403,F404,F405,F811,F821,F822,F823,F831,F901,"
          "C901")
#: What qgis-plugin-analyzer says and this project decides otherwise, and where that is kept.
ANALYZER_LEAVES = {
    "MISSING_I18N": "titles, labels and choices are translated by their English text, sentences stay English (tests/toolbox/test_translation.py)",
    "MISSING_DOCSTRING": "ruff's rules D decide",
    "MAGIC_NUMBER": "a number that stands once is named where it stands",
    "GOD_OBJECT": "the fields of a job are its parameters; tests/test_layers.py keeps lengths",
    "HIGH_COMPLEXITY": "tests/test_layers.py keeps lengths",
    "SPAGHETTI_CODE": "tests/test_layers.py keeps lengths",
    "UNSAFE_THREAD": "the worker and its client know no Qt; in toolbox/ it counts",
    "UNSAFE_SUBPROCESS": "bandit decides",
    "METADATA_REPOSITORY": "see OF_A_RELEASE",
}
#: What .ci/package.py takes from release.toml, and asks for itself where it is not set.
OF_A_RELEASE = ("homepage", "repository", "tracker", "email")


def tool(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def secrets(folder: Path) -> list[str]:
    """Of detect-secrets, which always ends with success."""
    scan = subprocess.run([tool("detect-secrets"), "scan", "--all-files", "."], cwd=folder, capture_output=True, text=True, check=True)
    return [f"{name}:{hit['line_number']}: {hit['type']}" for name, hits in json.loads(scan.stdout)["results"].items() for hit in hits]


def bandit(folder: Path) -> list[str]:
    """With all its rules, of which the site enables all but four."""
    return subprocess.run([tool("bandit"), "-q", "-r", "."], cwd=folder, capture_output=True, text=True).stdout.splitlines()


def flake8(folder: Path) -> list[str]:
    command = [tool("flake8"), "--isolated", "--max-line-length=120", "--select", FLAKE8, "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True).stdout.splitlines()


def analyzer(folder: Path) -> list[str]:
    """Of qgis-plugin-analyzer: Qt 6, threads, imports and metadata, in all that QGIS loads; the engine knows no QGIS."""
    with tempfile.TemporaryDirectory() as aside:
        package = Path(aside, "eo_pretrain_qgis")
        shutil.copytree(folder / package.name, package, ignore=shutil.ignore_patterns("engine", "models"))
        command = [tool("qgis-analyzer"), "analyze", "--json", "--no-cache", "--workers", "1", "--linters", "none", "-o", str(Path(aside, "report")),
                   str(package)]
        said = json.loads(subprocess.run(command, cwd=aside, capture_output=True, text=True).stdout)
    found = [*said["qgis_compliance"]["best_practices"]["issues"], *said["security"]["findings"]]
    counted = [one for one in found if one["type"] not in ANALYZER_LEAVES or (one["type"] == "UNSAFE_THREAD" and one["file"].startswith("toolbox"))]
    standards = said["qgis_compliance"]["repository_standards"]
    missing = [name for name in standards["metadata"]["missing"] if name not in OF_A_RELEASE]
    lines = [f"{one['file']}:{one['line']}: {one['type']} {one['message']}" for one in counted]
    lines += [f"metadata.txt: {name} is missing" for name in missing]
    return lines if standards["structure"]["is_valid"] else [*lines, f"structure: {standards['structure']}"]


GATES: tuple[Callable[[Path], list[str]], ...] = (bandit, secrets, flake8, analyzer)


def main(given: list[str]) -> int:
    """Scans the zip that is given, or one made from the last commit."""
    with tempfile.TemporaryDirectory() as folder:
        package = Path(given[0]) if given else Path(folder, "plugin.zip")
        if not given:
            subprocess.run(["make", "-s", "package", f"ZIP={package}"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        unpacked = Path(folder, "unpacked")
        zipfile.ZipFile(package).extractall(unpacked)
        found = [f"{gate.__name__}: {line}" for gate in GATES for line in gate(unpacked)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

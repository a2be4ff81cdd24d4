"""Writes the installable zip of the last commit: the plugin, its models and its pages, with the addresses of release.toml in metadata.txt.

    /usr/bin/python3 .ci/package.py dist/plugin.zip [release.toml]
"""

import re
import subprocess
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path

import pages
from pages import EOPretrainError

ROOT = Path(__file__).resolve().parents[1]
NAME = "eo_pretrain_qgis"
#: What a release file says, and what each must look like.
FORMS = {"homepage": r"https://\S+", "repository": r"https://\S+", "tracker": r"https://\S+", "email": r"[^@\s]+@[^@\s]+\.[^@\s]+"}
#: The plugin site refuses a zip without these.
ASKED_BY_THE_SITE = ("email", "repository", "tracker")
MODELS = ("models/catalog.json", "models/cards/*.md", "models/ready/*")
#: Browsers read this of a page from a server, and its twin in JavaScript of a page from a folder.
SERVED_ONLY = "search/search_index.json"


def read_release(path: Path) -> dict[str, str]:
    """The addresses of a release file that are set."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        sys.exit(f"package: {path} cannot be read ({error}). Each of its lines is a name, = and a text in quotes: {', '.join(FORMS)}.")
    for name, value in found.items():
        if name not in FORMS or not isinstance(value, str) or (value and not re.fullmatch(FORMS[name], value)):
            sys.exit(f"package: {path}: {name} = {value!r} is not understood. Known are {', '.join(FORMS)}: addresses that begin with https://, "
                     "and an e-mail; leave empty what does not exist yet.")
    return {name: found[name] for name in FORMS if found.get(name)}


def filled(card: str, release: dict[str, str]) -> str:
    """The text of metadata.txt with the addresses after its author."""
    lines = "".join(f"{name}={value}\n" for name, value in release.items())
    return re.sub(r"^(author=.*\n)", lambda found: found[1] + lines, card, flags=re.MULTILINE)


def told(release: dict[str, str]) -> str:
    """What is not set, and what follows from it; empty when all is."""
    missing = [name for name in FORMS if name not in release]
    if not missing:
        return ""
    site = [name for name in ASKED_BY_THE_SITE if name in missing]
    follows = f" The plugin site asks for {', '.join(site)}: install this zip from the file, and do not upload it." if site else ""
    return f"package: release.toml does not say {', '.join(missing)}.{follows} Help opens the pages in the zip."


def files(release: dict[str, str], site: Path) -> dict[str, bytes]:
    """What the zip holds beside the package of the last commit, by its place in the plugin's folder."""
    found = {"metadata.txt": filled((ROOT / "metadata.txt").read_text(encoding="utf-8"), release).encode(),
             "LICENSE": (ROOT / "LICENSE").read_bytes()}
    for pattern in MODELS:
        found |= {path.relative_to(ROOT).as_posix(): path.read_bytes() for path in sorted(ROOT.glob(pattern))}
    pages_found = (path for path in sorted(site.rglob("*")) if path.is_file() and "__pycache__" not in path.parts)
    return found | {f"help/{path.relative_to(site).as_posix()}": path.read_bytes() for path in pages_found
                    if path.relative_to(site).as_posix() != SERVED_ONLY}


def write(target: Path, release: dict[str, str]) -> None:
    """Writes the zip; all files have the time of the commit."""
    git = ["git", "-C", str(ROOT)]
    subprocess.run([*git, "archive", "--format=zip", "-o", str(target.absolute()), f"--prefix={NAME}/", f"HEAD:{NAME}"], check=True)
    commit = int(subprocess.run([*git, "log", "-1", "--format=%ct"], check=True, capture_output=True, text=True).stdout)
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(target, "a", zipfile.ZIP_DEFLATED) as archive:
        pages.build(Path(folder))
        for name, content in files(release, Path(folder)).items():
            entry = zipfile.ZipInfo(f"{NAME}/{name}", time.gmtime(commit)[:6])
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, content)


def main(target: str, release_file: str = "") -> None:
    release = read_release(Path(release_file or ROOT / "release.toml"))
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    write(Path(target), release)
    print(f"package: {target}, {Path(target).stat().st_size // 1000:,} kB; install it in QGIS under Plugins > Install from ZIP.")
    if said := told(release):
        print(said)


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except EOPretrainError as error:
        sys.exit(f"package: {error}")

"""What mkdocs is told beyond mkdocs.yml: pages from outside docs/, links into the code, folders in the contents, and what a reader does not need.

mkdocs calls these functions by their names (https://www.mkdocs.org/user-guide/configuration/#hooks).
"""

import posixpath
import re
import shutil
from pathlib import Path

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
#: Markdown of the repository that lies outside docs/, and where it stands in the site.
OUTSIDE = {"CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md", "models/README.md": "models/README.md",
           **{f"models/cards/{path.name}": f"models/cards/{path.name}" for path in (ROOT / "models/cards").glob("*.md")}}
ICON = "eo_pretrain_qgis/toolbox/icons/provider.svg"
#: Not read by any page in English, or only by a debugger.
UNUSED = ("assets/javascripts/lunr", "assets/images/favicon.png", "sitemap.xml", "sitemap.xml.gz")
_LINK = re.compile(r"(\[(?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*\])\(([^)\s]+)\)")


def on_config(config):
    """Puts the pages of a folder in the place of its `*`."""
    config.nav = [_filled(entry) for entry in config.nav]
    return config


def _filled(entry):
    if isinstance(entry, dict):
        return {title: [page for item in inside for page in _pages(item)] if isinstance(inside, list) else inside for title, inside in entry.items()}
    return entry


def _pages(item) -> list:
    if not (isinstance(item, str) and item.endswith("/*")):
        return [item]
    folder = item[:-2]
    found = [ROOT / inside for inside, outside in OUTSIDE.items() if posixpath.dirname(outside) == folder] or (ROOT / "docs" / folder).glob("*.md")
    return sorted((f"{folder}/{path.name}" for path in found if path.name != "README.md"), key=lambda page: page if "/adr/" in page else _title(page))


def _title(page: str) -> str:
    """The title of a page, as the contents sort it."""
    path = ROOT / "docs" / page
    return (path if path.exists() else ROOT / page).read_text(encoding="utf-8").lstrip().split("\n")[0].lstrip("# ").lower()


def on_files(files, config):
    """Adds the pages from outside docs/, and the icon."""
    for inside, outside in {**OUTSIDE, ICON: "assets/icon.svg"}.items():
        files.append(File.generated(config, outside, abs_src_path=str(ROOT / inside)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Turns links between files of the repository into links between pages; code that is not in the site keeps its name alone."""
    home = {outside: inside for inside, outside in OUTSIDE.items()}.get(page.file.src_uri, "docs/" + page.file.src_uri)
    return _LINK.sub(lambda found: _link(found, home, page.file.src_uri, files), markdown)


def _link(found, home: str, here: str, files) -> str:
    words, (target, hash_mark, anchor) = found[1], found[2].partition("#")
    if "://" in target or not target:
        return found[0]
    place = posixpath.normpath(posixpath.join(posixpath.dirname(home), target))
    page = posixpath.join(place, "README.md") if (ROOT / place).is_dir() else place
    seen = "index.md" if page == "README.md" else OUTSIDE.get(page, page.removeprefix("docs/"))
    if seen not in files.src_uris:
        return words[1:-1] if (ROOT / place).exists() else found[0]  # of what is nowhere mkdocs complains
    return f"{words}({posixpath.relpath(seen, posixpath.dirname(here) or '.')}{hash_mark}{anchor})"


def on_post_build(config):
    """Leaves out what no reader asks for, so that the zip stays small."""
    site = Path(config.site_dir)
    for name in UNUSED:
        path = site / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    for path in site.rglob("*.map"):
        path.unlink()
    for path in [*site.rglob("*.js"), *site.rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\n?(//|/\*)# sourceMappingURL=\S+( \*/)?", "", text), encoding="utf-8")

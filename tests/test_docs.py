"""What the documents name is there: linked files, paths, modules to run and make targets."""

import re
from pathlib import Path

import pytest

from eo_pretrain_qgis.jobs import JOBS

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("models/**/*.md")])
#: Folders from which a path may start; those of the package may be named without it.
FOLDERS = "docs|tests|benchmarks|models|eo_pretrain_qgis|jobs|engine|toolbox|worker"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_what_a_page_names_is_there(page):
    text = page.read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#\s]+)", text) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []
    paths = re.findall(rf"(?<![\w/.-])((?:{FOLDERS})/(?:[\w.-]+/)*[\w-]+\.(?:py|md|txt|in|json|yaml|sh))\b", text)
    assert [path for path in paths if not any((start / path).exists() for start in (ROOT, ROOT / "eo_pretrain_qgis"))] == []
    modules = re.findall(r"python -m (benchmarks\.\w+)", text)
    assert [module for module in modules if not (ROOT / (module.replace(".", "/") + ".py")).exists()] == []
    pictures = re.findall(r"<img[^>]*src=\"([^\"]+)\"", text)
    assert [picture for picture in pictures if not (page.parent / picture).exists()] == []
    targets = re.findall(r"`make ([a-z]+)`", text)
    assert [target for target in targets if f"\n{target}:" not in (ROOT / "Makefile").read_text(encoding="utf-8")] == []


def test_each_picture_is_shown_and_small():
    """Palette pictures of windows and maps are clear below 150 kB; they travel in the zip."""
    shown = {(page.parent / link).resolve() for page in PAGES
             for link in re.findall(r"!\[[^\]]*\]\(([^)\s]+)\)", page.read_text(encoding="utf-8"))}
    pictures = [path for path in ROOT.glob("docs/pictures/*") if path.suffix in (".png", ".svg")]
    assert [path.name for path in pictures if path.resolve() not in shown] == []
    assert [path.name for path in pictures if path.stat().st_size > 150_000] == []


def test_each_page_stands_in_the_contents_of_the_site():
    contents = (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2]
    listed = re.findall(r"([\w/-]+(?:\.md|/\*))$", contents, re.MULTILINE)
    folders = [entry[:-2] for entry in listed if entry.endswith("/*")]
    pages = [path.relative_to(ROOT / "docs").as_posix() for path in ROOT.glob("docs/**/*.md")]
    assert [page for page in pages if page not in listed and page.rpartition("/")[0] not in folders] == []


def test_algorithms_stand_in_the_toolbox_where_pages_say():
    """“4 Map › Map roads” is a group and an algorithm in it; ready models stand beside them."""
    titles = {f"{job.group} › {job.title}" for job in JOBS.values()}
    models = (ROOT / "docs" / "algorithms" / "README.md").read_text(encoding="utf-8")
    for page in PAGES:
        if "algorithms" not in page.parts:
            named = re.findall(r"\*(\d [^*\n›]+ › ([^*\n]+))\*", page.read_text(encoding="utf-8"))
            assert [place for place, title in named if place not in titles and f"</a>{title}\n" not in models] == [], page

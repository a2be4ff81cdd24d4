"""What the documents name is there: linked files, paths, modules to run and make targets."""

import re
from pathlib import Path

import pytest

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
    targets = re.findall(r"`make ([a-z]+)`", text)
    assert [target for target in targets if f"\n{target}:" not in (ROOT / "Makefile").read_text(encoding="utf-8")] == []

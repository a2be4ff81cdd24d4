"""The pages of evidence: their tables are what the generator writes, and they can be read."""

import importlib.util
import re

import pytest

from .conftest import ROOT

FOLDER = ROOT / "docs" / "evidence"
PAGES = sorted(FOLDER.glob("*.md"))
QUESTIONS = [page for page in PAGES if page.name not in ("README.md", "notebook.md")]
PARTS = ["Answer", "Table", "Command", "Machine and time", "What this does not show"]
DOCUMENTS = [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "models").rglob("*.md")]


@pytest.fixture(scope="module")
def tables():
    spec = importlib.util.spec_from_file_location("evidence_tables", FOLDER / "tables.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_tables_are_those_of_the_generator(page, tables):
    text = page.read_text(encoding="utf-8")
    assert tables.filled(text) == text, "run `make docs`"


def test_every_file_of_figures_is_shown(tables):
    shown = {name for page in PAGES for name, _ in tables.PLACE.findall(page.read_text(encoding="utf-8"))}
    assert {path.stem for path in (FOLDER / "data").glob("*.csv")} == shown


@pytest.mark.parametrize("page", QUESTIONS, ids=lambda page: page.name)
def test_a_page_has_its_parts(page):
    text = page.read_text(encoding="utf-8")
    assert [part.replace("Tables", "Table") for part in re.findall(r"^## (.+)$", text, re.MULTILINE)] == PARTS
    assert text.split("\n")[0].startswith("# ")


@pytest.mark.parametrize("page", QUESTIONS, ids=lambda page: page.name)
def test_figures_of_an_answer_stand_in_a_table(page):
    text = page.read_text(encoding="utf-8")
    answer = text.split("## Answer\n")[1].split("\n## ")[0]
    shown = "\n".join(line for line in text.split("\n") if line.startswith("|"))
    figures = re.findall(r"[+-]?\d+\.\d{3,}(?: ± \d+\.\d+)?", answer)
    assert [figure for figure in figures if figure not in shown] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_paragraphs_are_short(page):
    text = re.sub(r"^\|.*$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [part for part in re.split(r"\n\s*\n|\n(?=- )", text) if len(part.split()) > 110] == []


def test_the_overview_lists_every_page_in_few_words(tables):
    rows = tables.read("questions")
    assert sorted(re.search(r"\((.+)\)", row["page"])[1] for row in rows) == [page.name for page in QUESTIONS]
    assert [row["answer"] for row in rows if len(row["answer"].split()) > 12] == []


def test_a_wrong_reference_and_a_doubled_figure_are_refused(tables, tmp_path, monkeypatch):
    monkeypatch.setattr(tables, "FOLDER", tmp_path)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "scores.csv").write_text("class,method,value,half_width,note\nwater,network,0.9,0.1,\nwater,none,0.5,,old\n")
    (tmp_path / "data" / "asked.csv").write_text("figure\n{scores: water: network}\n{scores: land: network}\n")
    assert tables.table("scores").split("\n")[2] == "| water | 0.9 ± 0.1 | 0.5 (old) |"
    with pytest.raises(ValueError, match="data/scores.csv has no figure for land, network, which"):
        tables.table("asked")
    (tmp_path / "data" / "scores.csv").write_text("class,method,value\nwater,network,0.9\nwater,network,0.8\n")
    with pytest.raises(ValueError, match="data/scores.csv has two figures for water, network. Remove one."):
        tables.table("scores")


@pytest.mark.parametrize("page", DOCUMENTS, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page):
    text = page.read_text(encoding="utf-8")
    targets = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    assert [target for target in targets if target and not (page.parent / target).exists()] == []

"""Where the Help button of each algorithm and ready model leads."""

import re

import pytest

from eo_pretrain_qgis.toolbox import help_pages

from ..conftest import ROOT


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """A plugin with pages in it, in a folder with a space and an umlaut."""
    folder = tmp_path / "Käthe Müller" / "help"
    for name in ("algorithms/map.html", "algorithms/index.html"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    monkeypatch.setattr(help_pages, "BUNDLED", folder)
    return folder


def test_help_is_the_page_in_the_plugin(bundle, monkeypatch):
    monkeypatch.setattr(help_pages, "homepage", lambda: "https://example.org/eo")
    address = help_pages.address("algorithms/map.md#map_roads")
    assert address.startswith("file:///") and address.endswith("/K%C3%A4the%20M%C3%BCller/help/algorithms/map.html#map_roads")
    assert help_pages.address("algorithms/README.md#ice_chart").endswith("/help/algorithms/index.html#ice_chart")


def test_without_pages_help_is_that_of_the_release(bundle, monkeypatch):
    monkeypatch.setattr(help_pages, "homepage", lambda: "https://example.org/eo")
    assert help_pages.address("algorithms/train.md#finetune") == "https://example.org/eo/algorithms/train.html#finetune"


def test_without_pages_and_release_help_is_the_text_of_the_checkout_or_none(bundle, monkeypatch, tmp_path):
    monkeypatch.setattr(help_pages, "homepage", lambda: "")
    assert help_pages.address("algorithms/train.md#finetune") == (ROOT / "docs/algorithms/train.md").as_uri() + "#finetune"
    monkeypatch.setattr(help_pages, "WRITTEN", tmp_path)
    assert help_pages.address("algorithms/train.md#finetune") == ""


def test_each_algorithm_and_ready_model_has_a_place_in_the_handbook(provider):
    for algorithm in provider.algorithms():
        found = re.fullmatch(r".*/docs/(algorithms/[a-zA-Z-]+\.md)#([a-z_]+)", algorithm.helpUrl())
        assert found and found[2].replace("_", "") == algorithm.name(), algorithm.helpUrl()
        assert f'<a id="{found[2]}"></a>{algorithm.displayName()}\n' in (ROOT / "docs" / found[1]).read_text(encoding="utf-8")

"""Without an engine: one message at the first start, and every dialog that needs one says so when it opens, with a link."""

import time
from types import SimpleNamespace

import pytest
from qgis.core import QgsApplication, QgsSettings
from qgis.gui import QgsMessageBar
from qgis.PyQt.QtCore import QUrl
from qgis.PyQt.QtGui import QDesktopServices
from qgis.PyQt.QtWidgets import QPushButton

from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.worker import environment

LINK = '“<a href="eopretrain:installengine">Install the engine</a>”'


@pytest.fixture
def machine(provider, monkeypatch, tmp_path):
    """A machine with no engine; `machine.has(kind)` gives it one."""
    monkeypatch.setattr(environment, "locations", lambda: [str(tmp_path)])
    monkeypatch.delenv("EOPRETRAIN_ENGINE", raising=False)

    def has(kind):
        (tmp_path / f"{kind}.json").write_text('{"python": "/bin/true"}')

    return SimpleNamespace(has=has)


@pytest.fixture
def window(provider, monkeypatch):
    """A window that has but a message bar."""
    from qgis import utils

    from eo_pretrain_qgis.toolbox import first_start

    bar = QgsMessageBar()
    made = SimpleNamespace(messageBar=lambda: bar)
    monkeypatch.setattr(utils, "iface", made)
    QgsSettings().remove(first_start.CLOSED)
    yield made
    QgsSettings().remove(first_start.CLOSED)


def asked(name):
    return QgsApplication.processingRegistry().createAlgorithmById(f"eopretrain:{name}").canExecute()


def test_a_dialog_says_on_opening_what_is_missing(machine):
    assert asked("maproads") == (False, f"The engine is not installed. Run {LINK} first.")
    assert asked("pretraininpainting") == (False, f"The engine is not installed. Run {LINK} with “Train and make maps” (train) first.")
    assert asked("roadsbesideamap") == asked("maproads")
    assert {name for name, job in JOBS.items() if asked(job.id())[0]} == {"install_engine", "check_engine", "remove_engine"}


def test_after_the_installation_it_opens_without_a_restart(machine):
    assert not asked("maproads")[0]
    machine.has("predict")
    assert asked("maproads") == (True, "") and asked("roadsbesideamap")[0]
    assert asked("pretraininpainting") == (
        False, f"The installed engine makes maps, and cannot train (it is “predict”). Run {LINK} with “Train and make maps” (train) first.")
    machine.has("train")
    assert asked("pretraininpainting") == (True, "")


@pytest.mark.parametrize("name", ["finetune", "mask_clouds", "export_model", "evaluate_model", "compute_embeddings"])
def test_what_some_values_need_a_larger_engine_for_opens_with_the_smaller(name, machine):
    machine.has("predict")
    assert asked(JOBS[name].id()) == (True, "")


def test_asking_is_quick_and_starts_nothing(machine, monkeypatch):
    monkeypatch.setattr(environment.processes, "start", lambda *command, **more: pytest.fail("a process was started"))
    started = time.perf_counter()
    for job in JOBS.values():
        asked(job.id())
    assert (time.perf_counter() - started) / len(JOBS) < 0.05


def test_one_message_with_a_button_at_the_first_start(machine, window, monkeypatch):
    from eo_pretrain_qgis.toolbox import first_start, links

    opened = []
    monkeypatch.setattr(links, "open_dialog", opened.append)
    assert first_start.tell(window)
    [message] = window.messageBar().items()
    assert message.title() == "EO Pretrain" and "install the engine" in message.text()
    [button] = [child for child in message.findChildren(QPushButton) if child.text() == "Install the engine…"]
    button.click()
    QgsApplication.processEvents()
    assert opened == ["eopretrain:installengine"] and window.messageBar().items() == []
    assert first_start.tell(window), "the dialog was opened, and there is no engine still"


def test_the_message_comes_again_until_the_user_closes_it(machine, window):
    from eo_pretrain_qgis.toolbox import first_start

    bar = window.messageBar()
    assert first_start.tell(window)
    bar.pushMessage("Another plugin", "has something to say")
    bar.popWidget(bar.currentItem())
    assert [message.title() for message in bar.items()] == ["EO Pretrain"] and QgsSettings().value(first_start.CLOSED) is None
    next_bar = QgsMessageBar()
    window.messageBar = lambda: next_bar
    assert first_start.tell(window)
    next_bar.popWidget(next_bar.currentItem())
    assert not first_start.tell(window)


def test_no_message_where_an_engine_is(machine, window):
    from eo_pretrain_qgis.toolbox import first_start

    machine.has("train")
    assert not first_start.tell(window) and window.messageBar().items() == []
    assert QgsSettings().value(first_start.CLOSED) is None


def test_the_link_opens_the_dialog(machine, monkeypatch):
    from eo_pretrain_qgis.toolbox import links

    opened = []
    monkeypatch.setattr(links, "open_dialog", opened.append)
    handler = links.Links()
    QDesktopServices.openUrl(QUrl("eopretrain:installengine"))
    QgsApplication.processEvents()
    assert opened == ["eopretrain:installengine"]
    handler.withdraw()


def test_links_open_nothing_else(machine, monkeypatch):
    import processing

    from eo_pretrain_qgis.toolbox import links

    monkeypatch.setattr(processing, "execAlgorithmDialog", lambda name: pytest.fail(f"{name} was opened"))
    for name in ("native:buffer", "eopretrain:nothing", "https://example.org"):
        links.open_dialog(name)


def test_the_help_of_the_installation_tells_of_this_computer(machine):
    told = QgsApplication.processingRegistry().createAlgorithmById("eopretrain:installengine").shortHelpString()
    assert told.startswith("<p><b>On this computer</b></p><ul><li>") and " GB are free where it will be built, " in told
    assert "On this computer" not in QgsApplication.processingRegistry().createAlgorithmById("eopretrain:maproads").shortHelpString()

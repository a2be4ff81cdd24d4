"""What QGIS 4 asks of the code that QGIS loads: PyQt by way of qgis.PyQt, enumerators by the name of their enumeration, internals guarded.

The enumerators are looked up in the QGIS that runs the test.
"""

import ast
import enum
import importlib
import sys
from pathlib import Path

import pytest

pytest.importorskip("qgis.core", reason="QGIS's own Python runs these tests.")

PACKAGE = Path(__file__).parents[2] / "eo_pretrain_qgis"
FILES = [*sorted((PACKAGE / "toolbox").glob("*.py")), PACKAGE / "plugin.py"]
#: Gone or renamed in Qt 6 or PyQt 6 (https://github.com/qgis/QGIS/wiki/Plugin-migration-to-be-compatible-with-Qt5-and-Qt6).
GONE = {"exec_", "print_", "qApp", "QRegExp", "QDesktopWidget", "SIGNAL", "SLOT", "QVariant"}
#: Modules of QGIS's own Processing plugin that are no public API: QGIS 4 has renamed some. What it offers for others to use stays.
INTERNAL = "processing."
OFFERED = {"processing.core.ProcessingConfig"}
#: Files that need such modules as a whole; who imports them does without them where they are not there.
ALL_INTERNAL = ("model_copies", "dialog")


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def named(tree):
    """What a file imports from QGIS: name → object."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("qgis."):
            module = importlib.import_module(node.module)
            found.update({alias.asname or alias.name: getattr(module, alias.name) for alias in node.names})
    return found


def is_enumerator(value):
    """Of Python's enumerations, or of sip's, which are a kind of int."""
    return isinstance(value, enum.Enum) or (isinstance(value, int) and type(value) not in (int, bool))


def unscoped(tree, names):
    """The enumerators that are named without their enumeration, such as ``Qt.AlignLeft``: PyQt 6 does not know them."""
    found = []
    for node in ast.walk(tree):
        chain, inner = [], node
        while isinstance(inner, ast.Attribute):
            chain.insert(0, inner.attr)
            inner = inner.value
        if not chain or not isinstance(inner, ast.Name) or inner.id not in names:
            continue
        parent, value = None, names[inner.id]
        for name in chain:
            parent, value = value, getattr(value, name, None)
        if is_enumerator(value) and parent is not type(value):
            found.append(f"line {node.lineno}: {inner.id}.{'.'.join(chain)}")
    return found


def test_the_scan_finds_what_it_looks_for(provider):
    tree = ast.parse("from qgis.PyQt.QtCore import Qt\nfrom qgis.core import QgsProcessing, QgsProcessingParameterDefinition as Definition\n"
                     "a = Qt.AlignLeft\nb = Qt.AlignmentFlag.AlignLeft\nc = QgsProcessing.TypeRaster\nd = QgsProcessing.SourceType.TypeRaster\n"
                     "e = Definition.FlagAdvanced\nf = Definition.Flag.FlagAdvanced\n")
    assert unscoped(tree, named(tree)) == ["line 3: Qt.AlignLeft", "line 5: QgsProcessing.TypeRaster", "line 7: Definition.FlagAdvanced"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_enumerators_are_scoped(path, provider):
    tree = parsed(path)
    assert unscoped(tree, named(tree)) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_qt_comes_from_qgis_and_nothing_of_it_is_gone(path):
    for node in ast.walk(parsed(path)):
        modules = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in getattr(node, "names", [])
                                                                              if isinstance(node, ast.Import)]
        assert [module for module in modules if module.startswith(("PyQt", "PySide", "sip", "qgis.PyQt.Qt5", "qgis.PyQt.Qt6"))] == []
        names = {getattr(node, "attr", None), getattr(node, "id", None)}
        if isinstance(node, ast.ImportFrom):
            names |= {alias.name for alias in node.names}
        assert names & GONE == set(), f"line {getattr(node, 'lineno', '?')}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_internals_of_processing_are_guarded(path):
    """Where QGIS keeps them elsewhere, one convenience is missing and not the plugin."""
    tree = parsed(path)
    guarded = {id(node) for block in ast.walk(tree) if isinstance(block, ast.Try)
               and any(isinstance(handler.type, ast.Name) and handler.type.id == "ImportError" for handler in block.handlers)
               for statement in block.body for node in ast.walk(statement)}
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and id(node) not in guarded]
    if path.stem not in ALL_INTERNAL:
        assert [node.module for node in imports if (node.module or "").startswith(INTERNAL) and node.module not in OFFERED] == []


def hide(monkeypatch, internal, user):
    """Lets a module of QGIS be gone, and the file of ours that needs it be imported anew."""
    monkeypatch.setitem(sys.modules, internal, None)
    monkeypatch.delitem(sys.modules, f"eo_pretrain_qgis.toolbox.{user}", raising=False)
    monkeypatch.delattr(f"eo_pretrain_qgis.toolbox.{user}", raising=False)


def test_a_qgis_that_renamed_its_dialog_shows_its_own(provider, monkeypatch):
    hide(monkeypatch, "processing.gui.AlgorithmDialog", "dialog")
    assert provider.algorithms()[0].createCustomParametersWidget(None) is None


def test_a_qgis_that_keeps_its_internals_elsewhere_lacks_one_entry(provider, monkeypatch):
    from eo_pretrain_qgis.plugin import Plugin

    hide(monkeypatch, "processing.gui.ContextAction", "model_copies")
    monkeypatch.setattr(Plugin, "initProcessing", lambda plugin: None)
    plugin = Plugin(None)
    plugin.initGui()
    assert plugin._edit_copy is None
    plugin.unload()


def test_without_qgiss_model_designer_a_copy_is_not_offered(provider, monkeypatch):
    from eo_pretrain_qgis.toolbox import model_copies

    action = model_copies.EditCopy()
    action.setData(next(found for found in provider.algorithms() if isinstance(found, model_copies.ReadyModel)), None)
    assert action.isEnabled()
    monkeypatch.setattr(model_copies, "DESIGNER", "processing.modeler.elsewhere")
    assert not action.isEnabled()

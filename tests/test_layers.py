"""Reads every import and holds it against the table of layers; also file and function budgets."""

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "eo_pretrain_qgis"
FILES = sorted(PACKAGE.rglob("*.py"))
SHARED = {"errors", "progress", "outputs", "claims", "process_identity", "tables", "markup", "offline", "scene_names", "version"}
SCIENCE = {"numpy", "scipy", "rasterio", "pyogrio", "geopandas", "pandas", "pyproj", "shapely", "skimage", "sklearn", "onnx", "google",
           "onnxruntime", "matplotlib", "psutil", "distributed", "msgspec"}
TORCH = {"torch", "timm", "segmentation_models_pytorch", "lightning_fabric", "safetensors", "onnxscript"}

# layer -> (packages from outside, packages of our own), allowed at module level; then those allowed inside functions only
LAYERS = {
    "root": ({"qgis"}, SHARED | {"jobs", "plugin", "toolbox", "worker.failures"}, {"worker"}),
    "toolbox": ({"qgis", "processing"}, SHARED | {"jobs", "worker.client", "worker.environment", "toolbox"}, set()),
    "worker": (set(), SHARED | {"worker"}, set()),
    "jobs": (set(), SHARED | {"jobs"}, {"engine", "learning"}),
    "engine": (SCIENCE, SHARED | {"engine"}, set()),
    "learning": (SCIENCE | TORCH, SHARED | {"engine", "learning"}, set()),
    "shared": (set(), SHARED, set()),
}
# The worker's process runs jobs; the two jobs that build and examine the engine must run where there is none (docs/adr/0001-jobs-without-an-engine.md).
EXTRA_INSIDE_FUNCTIONS = {"worker/main.py": {"jobs"}, "jobs/start_here/install_engine.py": {"worker"},
                          "jobs/start_here/check_engine.py": {"worker"}}
FOR_QGIS = {"toolbox", "jobs", "shared", "root"}


def layer_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return "shared" if path.stem in SHARED else "root"
    return "learning" if parts[:2] == ("engine", "learning") else parts[0]


def imports(path: Path):
    """Yields (module, own package?, inside a function?) of every import; own modules are named from the package's root."""
    here = path.relative_to(PACKAGE).parent.parts
    tree = ast.parse(path.read_text(encoding="utf-8"))
    inner = {id(node) for outer in ast.walk(tree) if isinstance(outer, (ast.FunctionDef, ast.AsyncFunctionDef)) for node in ast.walk(outer)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                own = alias.name.split(".")[0] == "eo_pretrain_qgis"
                yield alias.name.partition(".")[2] if own else alias.name, own, id(node) in inner
        elif isinstance(node, ast.ImportFrom):
            if node.level == 0:
                own = (node.module or "").split(".")[0] == "eo_pretrain_qgis"
                yield node.module.partition(".")[2] if own else node.module, own, id(node) in inner
                continue
            base = here[: len(here) - (node.level - 1)]
            package = (*base, *node.module.split(".")) if node.module else base
            # `from ..worker import client` imports a module, `from ..worker.client import run` a name from one.
            inside = PACKAGE.joinpath(*package)
            if inside.is_dir():
                for alias in node.names:
                    yield ".".join((*package, alias.name)), True, id(node) in inner
            else:
                yield ".".join(package), True, id(node) in inner


def is_under(module: str, allowed: set) -> bool:
    return any(module == name or module.startswith(name + ".") for name in allowed)


def violations(path: Path) -> list[str]:
    layer = layer_of(path)
    outside, own_allowed, inside = LAYERS[layer]
    inside = inside | EXTRA_INSIDE_FUNCTIONS.get(path.relative_to(PACKAGE).as_posix(), set())
    if layer == "worker" and path.name == "environment.py":
        inside = inside | {"jobs"}
    found = []
    for module, own, in_function in imports(path):
        root = module.split(".")[0]
        if own:
            name = module.replace("engine.learning", "learning", 1)
            if name == "" or is_under(name, own_allowed | (inside if in_function else set())):
                continue
            if layer == "engine" and is_under(name, {"learning"}):
                found.append(f"{path.name} imports {module}")
                continue
            found.append(f"{path.name} imports {module}")
        elif root not in sys.stdlib_module_names and root not in outside and root != "__future__":
            found.append(f"{path.name} imports {module}")
    return found


def test_every_import_keeps_the_layers():
    assert len(FILES) > 20
    assert [problem for path in FILES for problem in violations(path)] == []


@pytest.mark.parametrize(("layer", "source"), [
    ("jobs/planted.py", "import torch"),
    ("jobs/planted.py", "from ..engine import raster"),
    ("engine/planted.py", "from ..jobs import spec"),
    ("engine/planted.py", "from .learning import training"),
    ("toolbox/planted.py", "import numpy"),
    ("worker/planted.py", "from qgis.core import Qgis"),
])
def test_a_planted_import_is_found(layer, source, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    path = tmp_path / layer
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert violations(path)


def test_files_and_functions_stay_short():
    long = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            long.append(f"{path.name}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno >= 60:
                long.append(f"{path.name}:{node.name}: {node.end_lineno - node.lineno + 1} lines")
    assert long == []


def test_names_say_what_they_hold():
    assert [p.name for p in FILES if p.stem in {"utils", "helpers", "manager", "base", "common", "misc"}] == []


def test_what_qgis_loads_is_python_3_9():
    for path in FILES:
        if layer_of(path) in FOR_QGIS or path.parent.name == "worker":
            ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 9))


def test_nothing_swallows_every_exception():
    broad = []
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")):
                broad.append(path.relative_to(PACKAGE).as_posix())
    assert set(broad) <= {"worker/main.py"}

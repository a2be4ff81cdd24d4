"""Reads every import and holds it against the table of layers; also file and function budgets."""

import ast
import functools
import graphlib
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "eo_pretrain_qgis"
FILES = sorted(PACKAGE.rglob("*.py"))
SHARED = {"errors", "progress", "outputs", "claims", "claim_file", "process_identity", "tables", "markup", "offline", "scene_names", "version",
          "places", "sensor_labels"}
SCIENCE = {"numpy", "scipy", "rasterio", "pyogrio", "geopandas", "pandas", "pyproj", "shapely", "skimage", "sklearn", "onnx", "google",
           "onnxruntime", "openvino", "matplotlib", "psutil", "distributed", "msgspec", "threadpoolctl"}
#: Of the engine too, inside the functions that fetch, that read tables in Parquet, or that tell land from sea (the oceans of odc.geo.data).
FETCHING = {"pystac", "pystac_client", "odc", "requests", "urllib3", "pyarrow"}
TORCH = {"torch", "torchvision", "timm", "segmentation_models_pytorch", "lightning_fabric", "safetensors", "onnxscript"}

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
# The worker's process runs jobs; the three jobs that build, remove and examine the engine must run where there is none
# (docs/adr/0001-jobs-without-an-engine.md).
EXTRA_INSIDE_FUNCTIONS = {"worker/main.py": {"jobs"}, "jobs/start_here/install_engine.py": {"worker"},
                          "jobs/start_here/remove_engine.py": {"worker"}, "jobs/start_here/check_engine.py": {"worker"}}
FOR_QGIS = {"toolbox", "jobs", "shared", "root"}

# Imports of the engine against the direction of the others, (room, imported room), and why. Without them the rooms have no circle; the list shrinks.
AGAINST_THE_STREAM = {
    ("describing", "themes.crops"): "THEMES: the page of a dataset lists the themes' parts, and they draw with its pictures",
    ("describing", "themes.sea_ice"): "THEMES, as for crops",
    ("cards", "rasters"): "a card names the sensor's bands, whose class and presets stand in rasters/sensors.py",
    ("looks", "datasets"): "class_style.py takes the default colours of legend.py, tile_pictures.py draws the tiles of a dataset",
    ("measures", "datasets"): "baselines.py learns from a share of a dataset's training samples",
    ("rasters", "looks"): "vector.py writes a layer together with its style",
    ("learning.loop", "learning.tasks"): "runs.py asks LEARNERS for the network of a run",
    ("learning.finetuning", "learning.tasks"): "fine-tuning asks LEARNERS, whose rows lead back to what it learns with",
    ("learning.networks", "learning.loop"): "encoder files are read as its checkpoints are",
}


def layer_of(path: Path) -> str:
    parts = path.relative_to(PACKAGE).parts
    if len(parts) == 1:
        return "shared" if path.stem in SHARED else "root"
    return "learning" if parts[:2] == ("engine", "learning") else parts[0]


@functools.cache  # every test asks again
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@functools.cache
def imports(path: Path) -> list[tuple[str, bool, bool]]:
    """(module, own package?, inside a function?) of every import; own modules are named from the package's root."""
    return list(_imports(path, parsed(path)))


def _imports(path: Path, tree: ast.AST):
    here = path.relative_to(PACKAGE).parent.parts
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
    found = []
    for module, own, in_function in imports(path):
        root = module.split(".")[0]
        if own:
            name = module.replace("engine.learning", "learning", 1)
            if name == "" or is_under(name, own_allowed | (inside if in_function else set())):
                continue
            found.append(f"{path.name} imports {module}")
        elif root in FETCHING and layer == "engine" and in_function:
            continue
        elif root not in sys.stdlib_module_names and root not in outside and root != "__future__":
            found.append(f"{path.name} imports {module}")
    return found


def room(module: str) -> str:
    """The room of a module of the engine: its package, or the name of a loose file; in `learning` and `themes` those inside."""
    parts = module.split(".")[1:]
    return ".".join(parts[:2] if parts[0] in ("learning", "themes") else parts[:1])


def doors() -> set[tuple[str, str]]:
    """(room, imported room) of all imports in the engine that are done when it runs."""
    found = set()
    for path in FILES:
        if path.is_relative_to(PACKAGE / "engine") and path != PACKAGE / "engine" / "__init__.py":
            here = room(".".join(path.relative_to(PACKAGE).with_suffix("").parts))
            for_types = {module for node in ast.walk(parsed(path)) if isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"
                         for module, _, _ in _imports(path, node)}
            found |= {(here, room(module)) for module, own, _ in imports(path) if own and module.startswith("engine.") and module not in for_types}
    return {(here, there) for here, there in found if here != there}


def arguments(tree: ast.AST, owner: str = "") -> list[tuple[str, int]]:
    """(name, number of arguments without `self`) of every function."""
    found = []
    for node in ast.iter_child_nodes(tree):
        name = f"{owner}{getattr(node, 'name', '')}"
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, *filter(None, (node.args.vararg, node.args.kwarg))]
            found.append((name, len([one for one in given if one.arg not in ("self", "cls")])))
        named = isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
        found += arguments(node, f"{name}." if named else owner)
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
    ("worker/planted.py", "def found():\n    from ..jobs import JOBS"),
])
def test_a_planted_import_is_found(layer, source, tmp_path, monkeypatch):
    monkeypatch.setattr(f"{__name__}.PACKAGE", tmp_path)
    path = tmp_path / layer
    path.parent.mkdir(parents=True)
    path.write_text(source)
    assert violations(path)


def test_the_engine_has_few_loose_files():
    assert len([path for path in (PACKAGE / "engine").glob("*.py") if path.name != "__init__.py"]) <= 6


def test_no_theme_imports_another():
    assert [door for door in doors() if all(side.startswith("themes.") for side in door)] == []


def test_the_rooms_of_the_engine_have_no_circle():
    found = doors()
    assert [door for door in AGAINST_THE_STREAM if door not in found] == [], "strike it from the list"
    before = {}
    for here, there in found - set(AGAINST_THE_STREAM):
        before.setdefault(here, set()).add(there)
    graphlib.TopologicalSorter(before).prepare()  # its CycleError names a circle


def test_functions_have_few_arguments():
    many = {f"{path.relative_to(PACKAGE).as_posix()}:{name}" for path in FILES for name, count in arguments(parsed(path)) if count > 8}
    assert sorted(many) == [], "what always travels together is a dataclass, as `Cutting` and `MapRequest` are"


def test_arguments_are_counted_without_self():
    source = "class A:\n    def b(self, one, *two, three, **four):\n        def c(five): ..."
    assert arguments(ast.parse(source)) == [("A.b", 4), ("A.b.c", 1)]


def test_files_and_functions_stay_short():
    long = []
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > 400:
            long.append(f"{path.name}: {text.count(chr(10))} lines")
        for node in ast.walk(parsed(path)):
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
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler) and (node.type is None or getattr(node.type, "id", "") in ("Exception", "BaseException")):
                broad.append(path.relative_to(PACKAGE).as_posix())
    assert set(broad) <= {"worker/main.py"}

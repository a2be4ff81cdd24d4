"""The engine's Python: where it is, and how it is built.

An engine is a folder ``<location>/<kind>-<hash of the pinned file>``. It is built aside, as ``….part``, and renamed when it is whole and
its packages import; it is never repaired in place, and `removal` takes it away. Beside the folders, ``<kind>.json`` names an interpreter to
use instead: one the user brought, or an engine built somewhere else.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib.util
import json
import os
import re
import shutil
import subprocess  # the engine’s interpreter is asked for its facts, from a list without a shell  # nosec B404
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from .. import places
from ..errors import EngineError
from ..outputs import move, new_file
from ..progress import SILENT, Progress
from . import disk, processes, uv

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parents[1]
PROBE = Path(__file__).with_name("probe.py")
#: How long a scanner of viruses may hold the many files of a new engine on Windows [s].
RENAME_S = 10.0
VARIABLE = "EOPRETRAIN_ENGINE"
INSTALL = "Run “Install the engine” (eopretrain:installengine)"

#: What each kind must be able to import; a train engine also serves jobs that ask for predict.
_PREDICT = ("numpy", "rasterio", "pyogrio", "geopandas", "shapely", "skimage", "sklearn", "matplotlib", "psutil", "distributed", "onnx",
            "msgspec", "onnxruntime", "openvino")
_TRAIN = ("torch", "torchvision", "timm", "segmentation_models_pytorch", "lightning_fabric", "safetensors", "onnxscript", "pyarrow")
MODULES: dict[str, tuple[str, ...]] = {"predict": _PREDICT, "predict_gpu": _PREDICT, "train": _PREDICT + _TRAIN}
#: What a person calls each kind, in the list of “Install the engine”.
NAMES = {"predict": "Make maps", "predict_gpu": "Make maps with an NVIDIA GPU", "train": "Train and make maps"}
SERVED_BY = {"predict": ("predict_gpu", "predict", "train"), "predict_gpu": ("predict_gpu",), "train": ("train",)}


def find(kind: str, setting: str = "") -> str:
    """The Python that runs jobs of `kind`: named by EOPRETRAIN_ENGINE, else by `setting`, else built or named in a known place.

    Args:
        kind: ``predict``, ``predict_gpu`` or ``train``.
        setting: the interpreter the user named in QGIS's settings, or an empty string.

    Raises:
        EngineError: when there is none, saying what to do.
    """
    for source, named in ((VARIABLE, os.environ.get(VARIABLE)), ("The setting for the engine's Python", setting)):
        if named:
            if not os.path.exists(named):
                raise EngineError(f"{source} names {named}, which is not there. Correct it, or leave it empty to use the installed engine.")
            return in_its_environment(python_in(named) if os.path.isdir(named) else named)
    for served in SERVED_BY[kind]:
        for location in locations():
            python = _named_in(location, served) or _built_in(folder_of(served, location))
            if python:
                return python
    if kind == "train":
        mapping = next((other for other in ("predict", "predict_gpu") for place in locations()
                        if _named_in(place, other) or _built_in(folder_of(other, place))), "")
        lacking = f"The installed engine makes maps, and cannot train (it is “{mapping}”)." if mapping else "The engine is not installed."
        raise EngineError(f"{lacking} {INSTALL} with “{NAMES[kind]}” (train) first.")
    raise EngineError(f"The engine is not installed. {INSTALL} first.")


def find_any(kinds: Sequence[str], setting: str = "") -> str:
    """The Python that runs jobs of one of several kinds, the first that is there; see `find`.

    Raises:
        EngineError: when there is none of the last kind, the one that asks for least.
    """
    for kind in kinds[:-1]:
        with contextlib.suppress(EngineError):
            return find(kind, setting)
    return find(kinds[-1], setting)


def is_used(folder: str) -> bool:
    """Whether a Python that runs jobs now is that of the environment in `folder`; see `find`."""
    for kind in MODULES:
        with contextlib.suppress(EngineError):
            if holds(folder, find(kind, places.setting(VARIABLE))):
                return True
    return False


def holds(folder: str, python: str) -> bool:
    """Whether an interpreter, or the folder of one, is that of the environment in `folder`, whatever links lead there."""
    given = python_in(python) if os.path.isdir(python) else python
    inside = os.path.realpath(os.path.dirname(python_in(folder)))
    return inside in (os.path.realpath(os.path.dirname(one)) for one in (given, in_its_environment(given)))


def models_beside(setting: str = "") -> str:
    """The folder of weights beside the engine that trains, or makes maps where none trains; empty where “Install the engine” did not build it.

    Args:
        setting: see `find`.
    """
    for kind in ("train", "predict"):
        with contextlib.suppress(EngineError):
            engine = os.path.dirname(os.path.dirname(find(kind, setting)))
            return os.path.join(os.path.dirname(engine), "models") if os.path.isfile(os.path.join(engine, places.ENGINE_MARKER)) else ""
    return ""


def requirement(kind: str, setting: str = "") -> str:
    """What must be done before jobs of `kind` can run, in words; empty when nothing."""
    try:
        if kind != "none":
            find(kind, setting)
    except EngineError as error:
        return str(error)
    return ""


def missing_modules(kind: str) -> list[str]:
    """What this very Python lacks to run jobs of `kind` itself; nothing is imported to find out."""
    return [module for module in MODULES.get(kind, ()) if importlib.util.find_spec(module) is None]


def locations() -> list[str]:
    """Where engines are looked for: `.engine` in a checkout, then the user's data folder."""
    in_checkout = (CHECKOUT / "Makefile").is_file() and (CHECKOUT / "pyproject.toml").is_file()
    return [*([str(CHECKOUT / ".engine")] if in_checkout else []), places.data_folder()]


def folder_of(kind: str, location: str, requirements: str = "") -> str:
    """The folder of the engine made from the pinned file; another file, another folder."""
    pinned = requirements or pinned_file(kind)
    return os.path.join(location, f"{kind}-{_digest(pinned, os.stat(pinned).st_mtime_ns)}")


@functools.lru_cache  # asked several times whenever a dialog opens
def _digest(pinned: str, changed: int) -> str:
    return hashlib.sha256(Path(pinned).read_bytes()).hexdigest()[:12]


def pinned_file(kind: str) -> str:
    """The requirements of a kind, with versions and hashes."""
    return str(HERE / f"requirements-{kind}.txt")


def python_in(folder: str) -> str:
    """The interpreter of the environment in `folder`."""
    return os.path.join(folder, "Scripts", "python.exe") if sys.platform == "win32" else os.path.join(folder, "bin", "python")


def build(kind: str, location: str = "", wheels: str = "", requirements: str = "", progress: Progress = SILENT) -> str:
    """Builds the engine unless it is there, and returns its Python.

    Args:
        kind: one of `MODULES` or, with `requirements` of one's own, any word.
        location: the folder for engines; empty takes the first of `locations`.
        wheels: a folder of wheels to take everything from; empty asks the package index.
        requirements: pinned and hashed requirements to use instead of the plugin's own.
        progress: told what happens at least once a second.

    Raises:
        EngineError: when it cannot be built, saying why and what to do.
        Cancelled: what was downloaded stays in uv's cache, so that the next attempt continues there.
    """
    location = os.path.abspath(location or locations()[0])
    pinned = requirements or pinned_file(kind)
    target = folder_of(kind, location, pinned)
    if not _built_in(target):
        with alone(target):
            _build(kind, target, pinned, wheels, progress)
    if kind in MODULES:
        _name(kind, python_in(target), location)
    return python_in(target)


def _build(kind: str, target: str, pinned: str, wheels: str, progress: Progress) -> None:
    part = target + ".part"
    shutil.rmtree(part, ignore_errors=True)
    shutil.rmtree(target, ignore_errors=True)
    size, place = disk.size_of(kind), os.path.dirname(target)
    if size:
        progress.message(f"“{NAMES[kind]}” takes up to {size.download} GB to download and {size.disk} GB on disk; {disk.free_gb(place):.1f} GB are "
                         f"free in {place}.")
    tool = uv.Uv(part, pinned, wheels, uv.find(place, wheels, progress.part(0, 0.05)))
    try:
        tool.create(progress.part(0.05, 0.08))
        better_torch = tool.finds_better_torch(progress.part(0.08, 0.09))
        disk.check_room(kind, place, better_torch)
        tool.install(better_torch, progress.part(0.09, 0.95))
        facts = probe(python_in(part), MODULES.get(kind, ()), progress.part(0.95, 1))
        if facts["broken"]:
            raise EngineError(f"The engine was built, but {listed(facts['broken'])}. Run “Install the engine” again; if it stays so, "
                              "report this line.")
        facts = {"kind": kind, "built": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "bytes": disk.folder_bytes(part), **facts}
        Path(part, places.ENGINE_MARKER).write_text(json.dumps(facts, indent=1), encoding="utf-8")
        _rename(part, target)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    for old in installed():
        if old.kind == kind and old.folder != target:
            progress.message(f"The engine of an earlier version is still in {old.folder} ({old.size()}). When no QGIS uses it any more, "
                             "“Remove the engine” takes it away.")


@dataclass(frozen=True)
class Installed:
    """An engine that `build` made.

    Attributes:
        kind: one of `MODULES`.
        folder: where it is.
        size_bytes: what its files hold; None where nobody measured it, as in engines of earlier versions.
        current: it is made of the packages this version pins; others are left from earlier versions.
    """

    kind: str
    folder: str
    size_bytes: int | None
    current: bool

    def size(self, about: str = "about {} GB", unknown: str = "size unknown") -> str:
        """Its size in words; `about` and `unknown` may be those of another language."""
        expected = disk.size_of(self.kind)
        return f"{self.size_bytes / disk.GB:.1f} GB" if self.size_bytes else about.format(expected.disk) if expected else unknown


def installed(location: str = "") -> list[Installed]:
    """The engines that `build` made, in `location` or in all places known; interpreters of the user's are none of them."""
    elsewhere = [record_of(place, kind).get("location") for place in locations() for kind in MODULES]
    found = []
    for place in [location] if location else dict.fromkeys([*locations(), *filter(None, elsewhere)]):
        for folder in sorted(Path(place).glob("*-*")):
            kind = kind_in(folder.name)
            if kind and _built_in(str(folder)) and not folder.is_symlink():
                size = _facts(folder).get("bytes")
                found.append(Installed(kind, str(folder), size if isinstance(size, int) else None,
                                       folder.name == os.path.basename(folder_of(kind, place))))
    return found


def kind_in(name: str) -> str:
    """The kind of engine that a folder of this name holds; empty where the name is none that `build` gives."""
    kind, _, digest = name.rpartition("-")
    return kind if kind in MODULES and re.fullmatch("[0-9a-f]{12}", digest) else ""


def _facts(folder: Path) -> dict:
    try:
        facts = json.loads((folder / places.ENGINE_MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return facts if isinstance(facts, dict) else {}


def adopt(kind: str, python: str, location: str = "", progress: Progress = SILENT) -> str:
    """Uses an interpreter the user already has, after looking whether it holds all packages.

    Raises:
        EngineError: when packages are missing or do not import, naming them.
    """
    facts = probe(python, MODULES[kind], progress)
    if facts["version"][:2] < [3, 11]:
        raise EngineError(f"{python} is Python {'.'.join(map(str, facts['version']))}. The engine needs Python 3.11 or newer.")
    if facts["broken"]:
        raise EngineError(f"{python} cannot serve as an engine for “{kind}”: {listed(facts['broken'])}. Install the packages of "
                          f"{pinned_file(kind)} there, or let “Install the engine” build an environment of its own.")
    _name(kind, python, os.path.abspath(location or locations()[0]))
    return python


def probe(python: str, modules: tuple[str, ...], progress: Progress = SILENT) -> dict:
    """Imports `modules` in another Python; gives ``version``, ``packages`` (version by module) and ``broken`` (reason by module).

    Raises:
        EngineError: when `python` is no Python.
    """
    try:
        process = processes.start([python, "-I", str(PROBE), *modules], env=processes.clean_environment(), stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    except OSError as error:
        raise EngineError(f"{python} cannot be started ({error.strerror}). Choose the interpreter of an environment, such as "
                          "bin/python.") from None
    words = b""
    try:
        lines = processes.read_lines(process.stdout)
        while (line := processes.next_line(lines, 0.5)) is not None:
            progress.at(0.5, "Importing every package once …")
            words = line.strip() or words
    finally:
        processes.kill_tree(process)
    try:
        return _probed(json.loads(words))
    except (ValueError, TypeError, KeyError):
        raise EngineError(f"{python} does not behave like a Python (exit code {process.returncode}). "
                          "Choose the interpreter of an environment.") from None


def _probed(facts: dict) -> dict:
    """The facts of `probe`; a ValueError, TypeError or KeyError where they are not of its form."""
    if not all(type(part) is int for part in facts["version"]) or not all(isinstance(facts[part], dict) for part in ("packages", "broken")):
        raise ValueError
    return facts


def listed(broken: dict[str, str]) -> str:
    """What `probe` found broken, in words."""
    return "; ".join(f"“{module}” does not import ({reason})" for module, reason in broken.items())


def _built_in(folder: str) -> str:
    python = python_in(folder)
    return python if os.path.isfile(os.path.join(folder, places.ENGINE_MARKER)) and os.path.exists(python) else ""


def named(kind: str) -> str:
    """The interpreter that a record names for `kind`, wherever it is; empty where none does."""
    return next(filter(None, (_named_in(place, kind) for place in locations())), "")


def record_of(location: str, kind: str) -> dict[str, str]:
    """What a record says of a kind: its ``python`` and the ``location`` of its engines, each only where it is text."""
    try:
        record = json.loads(Path(location, f"{kind}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {name: value for name, value in record.items() if isinstance(value, str)} if isinstance(record, dict) else {}


def _named_in(location: str, kind: str) -> str:
    python = record_of(location, kind).get("python", "")
    return python if os.path.exists(python) else ""


def _name(kind: str, python: str, location: str) -> None:
    """Remembers which interpreter serves, unless it is the one that would be found anyway."""
    known = locations()[0]
    record = Path(known, f"{kind}.json")
    if python == python_in(folder_of(kind, known)):
        record.unlink(missing_ok=True)
        return
    with new_file(record) as part:
        part.write_text(json.dumps({"python": python, "location": location}), encoding="utf-8")


def in_its_environment(python: str) -> str:
    """Follows links to `python` until they lie in an environment: Python looks for it beside the link only, and would miss the packages."""
    place = python
    while not any(os.path.isfile(os.path.join(os.path.dirname(place), step, "pyvenv.cfg")) for step in ("", os.pardir)):
        if not os.path.islink(place):
            return python
        place = os.path.normpath(os.path.join(os.path.dirname(place), os.readlink(place)))
    return place


def _rename(part: str, target: str) -> None:
    try:
        move(part, target, RENAME_S)
    except PermissionError as error:
        raise EngineError(f"{part} cannot be renamed to {target} ({error.strerror}). Close programs that look into it, and run again.") from None


@contextlib.contextmanager
def alone(target: str) -> Iterator[None]:
    """Lets one installation or removal at a time have `target`; the system forgets the lock when its holder dies."""
    try:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        stream = open(target + ".lock", "ab")  # noqa: SIM115 - closed below, after the lock
    except OSError as error:
        raise EngineError(f"The engine cannot be built in {os.path.dirname(target)} ({error.strerror}). Choose another place.") from None
    with stream:
        try:
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                import fcntl

                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise EngineError(f"Another installation is building {target} at this moment. Wait until it has ended.") from None
        yield
    with contextlib.suppress(OSError):  # Windows: another installation looks at it; left behind, an empty lock does no harm
        os.unlink(target + ".lock")

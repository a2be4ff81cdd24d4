"""uv, the program that builds the engine: found or fetched, run with progress, its failures put into words.

Everything is installed by hash from the pinned file. The one exception is torch where the package index offers the wrong build for this
machine (docs/adr/0002-torch-from-its-own-index.md).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess  # uv is a program; it is started from a list without a shell  # nosec B404
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from ..errors import EngineError
from ..outputs import move
from ..progress import SILENT, Progress
from . import failures, processes

PINNED_UV = Path(__file__).with_name("requirements-uv.txt")
#: The first with `--torch-backend`, `--relocatable` and `--no-project` as used here.
OLDEST = (0, 7)
PYTHONS = ">=3.11,<3.15"
#: The packages that differ between the builds of torch; the rest of the pinned file is the same for all of them.
TORCH_FAMILY = re.compile(r"(torch|torchvision|triton|nvidia-[\w-]+|cuda-[\w-]+)==")
#: The CUDA 13 wheels on the package index need at least this driver on Linux (NVIDIA CUDA 13 release notes, table 3).
OLDEST_LINUX_DRIVER = 580
#: Where the driver says its version on Linux.
DRIVER_CARD = Path("/proc/driver/nvidia/version")
BEAT_S = 0.5
#: uv has announced its downloads by then.
ANNOUNCED_S = 3
MEBIBYTES = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}


class Uv:
    """Builds one environment.

    Args:
        folder: the environment's folder, which does not exist yet.
        pinned: requirements with versions and hashes.
        wheels: a folder of wheels to take everything from, or an empty string.
        program: uv itself.
    """

    def __init__(self, folder: str, pinned: str, wheels: str, program: str) -> None:
        self.folder, self.pinned, self.wheels, self.program = folder, pinned, wheels, program

    def create(self, progress: Progress = SILENT) -> None:
        """Makes the empty environment, movable to another folder, from a Python of this machine or one that uv fetches.

        On Windows and macOS a Python of uv's own comes first: there the Python on the path is often QGIS's, which an update removes.
        """
        make = ["venv", "--relocatable", "--no-project", "--python", PYTHONS, self.folder]
        if sys.platform in ("win32", "darwin"):
            try:
                self._run([*make, "--managed-python"], "Fetching Python", progress)
            except EngineError:
                shutil.rmtree(self.folder, ignore_errors=True)
            else:
                return
        self._run(make, "Creating the environment", progress)

    def finds_better_torch(self, progress: Progress = SILENT) -> bool:
        """Whether torch comes from its own index: that is better for this machine, and the index answers."""
        wanted = "" if self.wheels else _better_torch()
        return bool(wanted and self._torch() and self._torch_index_answers(self._torch(), wanted, progress))

    def install(self, better_torch: bool, progress: Progress = SILENT) -> None:
        """Installs the pinned requirements; with `better_torch` torch from its own index."""
        if better_torch:
            rest = self._without_torch()
            self._run(["pip", "install", "--require-hashes", "--no-deps", "-r", rest], "Installing", progress.part(0, 0.6))
            self._run(["pip", "install", "--torch-backend=auto", *self._torch()], "Installing torch", progress.part(0.6, 1))
            return
        source = ["--no-index", "--find-links", self.wheels] if self.wheels else []
        # The file pins everything that is wanted, so nothing is resolved again.
        self._run(["pip", "install", "--require-hashes", "--no-deps", *source, "-r", self.pinned], "Installing", progress)

    def _torch(self) -> list[str]:
        return [line.split(" ")[0] for line in blocks(self.pinned) if line.startswith(("torch==", "torchvision=="))]

    def _torch_index_answers(self, family: list[str], wanted: str, progress: Progress) -> bool:
        """Asks torch's own index for the versions; a network that blocks it is noticed in seconds."""
        hurried = {"UV_HTTP_RETRIES": "0", "UV_HTTP_CONNECT_TIMEOUT": "5", "UV_HTTP_TIMEOUT": "15"}
        try:
            self._run(["pip", "install", "--dry-run", "--torch-backend=auto", *family], "Asking for torch", progress.part(0, 0.01), **hurried)
        except EngineError:
            progress.message(f"{wanted}, but PyTorch's own package index cannot be reached. The build on the plain package index is used "
                             "instead; everything works with it.")
            return False
        return True

    def _without_torch(self) -> str:
        path = os.path.join(self.folder, "requirements-without-torch.txt")
        Path(path).write_text("\n".join(block for block in blocks(self.pinned) if not TORCH_FAMILY.match(block)) + "\n", encoding="utf-8")
        return path

    def _run(self, arguments: list[str], what: str, progress: Progress, **extra: str) -> None:
        if arguments[0] == "pip":
            arguments = [*arguments, "--python", self.folder]
        environment = processes.clean_environment(UV_NO_PROGRESS="1", NO_COLOR="1", **extra)
        code, output = _watched([self.program, *arguments], environment, what, progress)
        if code:
            place = os.path.dirname(self.folder)
            raise EngineError(failures.explain_installation(output, place=place, wheels=self.wheels, pinned=self.pinned))


def find(location: str, wheels: str, progress: Progress = SILENT) -> str:
    """The path of uv: one that is there, else the pinned one, fetched with pip into `location`.

    Raises:
        EngineError: when there is neither uv nor a Python with pip, or uv cannot be fetched.
    """
    there = present(location)
    if there:
        return there
    _fetch(_fetched(location), wheels, progress)
    return os.path.join(_fetched(location), "bin", _program())


def present(location: str) -> str:
    """The path of a uv that is there: one fetched before into `location`, one on the path or in its usual places; empty where there is none."""
    homes = [os.path.join(_fetched(location), "bin"), os.path.dirname(sys.executable or ""), os.path.join(sys.prefix, "Scripts"),
             os.path.expanduser("~/.local/bin"), os.path.expanduser("~/.cargo/bin")]
    candidates = [os.path.join(homes[0], _program()), shutil.which("uv"), *(os.path.join(home, _program()) for home in homes[1:])]
    return next((one for one in candidates if one and os.path.isfile(one) and _is_new_enough(one)), "")


def forget_downloads(location: str, pinned: Iterable[str], progress: Progress = SILENT) -> bool:
    """Takes the packages of pinned files out of uv's cache; says whether there is a uv that did so."""
    program = present(location)
    names = sorted({block.split("==")[0] for path in pinned for block in blocks(path)})
    return bool(program) and _watched([program, "cache", "clean", *names], processes.clean_environment(UV_NO_PROGRESS="1", NO_COLOR="1"),
                                      "Emptying uv's cache of the packages", progress)[0] == 0


def _fetched(location: str) -> str:
    return os.path.join(location, f"uv-{hashlib.sha256(PINNED_UV.read_bytes()).hexdigest()[:12]}")


def _program() -> str:
    return "uv.exe" if sys.platform == "win32" else "uv"


def _is_new_enough(program: str) -> bool:
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=20, check=False,  # nosec B603
                              env=processes.clean_environment(), stdin=subprocess.DEVNULL).stdout
    except (OSError, subprocess.TimeoutExpired):
        return False
    version = re.match(r"uv (\d+)\.(\d+)", said)
    return version is not None and (int(version[1]), int(version[2])) >= OLDEST


def _fetch(target: str, wheels: str, progress: Progress) -> None:
    part = target + ".part"
    source = ["--no-index", "--find-links", wheels] if wheels else []
    install = ["-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--only-binary", ":all:", "--require-hashes", *source,
               "--target", part, "-r", str(PINNED_UV)]
    shutil.rmtree(part, ignore_errors=True)
    output = ""
    try:
        for python in _pythons():
            code, output = _watched([python, "-I", *install], processes.clean_environment(), "Fetching uv", progress)
            if code == 0:
                move(part, target)
                return
            if "No module named pip" not in output:
                place = os.path.dirname(target)
                raise EngineError(failures.explain_installation(output, place=place, wheels=wheels, pinned=str(PINNED_UV)))
    finally:
        shutil.rmtree(part, ignore_errors=True)
    raise EngineError("Neither uv nor a Python with pip was found on this machine. Install uv, or Python 3.11 to 3.14 with pip, and run "
                      "again.\n" + failures.tail(output, 3))


def _pythons() -> list[str]:
    """Interpreters that may have pip; `sys.executable` is QGIS itself on Windows and macOS, so only what is named like a Python counts."""
    folders = [os.path.dirname(sys.executable or ""), sys.exec_prefix, os.path.join(sys.exec_prefix, "bin"), sys.base_exec_prefix]
    names = ["python3.exe", "python.exe"] if sys.platform == "win32" else ["python3"]
    beside = [os.path.join(folder, name) for folder in folders for name in names]
    found = [path for path in [*beside, shutil.which("python3"), shutil.which("python")] if path and os.path.isfile(path)]
    return list(dict.fromkeys(found))


def nvidia_driver() -> int | None:
    """Version of the NVIDIA driver of this machine, 0 where there is one that does not say; None where there is none."""
    if sys.platform == "win32":
        return 0 if os.path.isfile(os.path.join(os.environ.get("SYSTEMROOT", ""), "System32", "nvcuda.dll")) else None
    try:
        version = re.search(r"\s(\d{3})\.\d", DRIVER_CARD.read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(version[1]) if version else 0


def _better_torch() -> str:
    """Why torch's own index has a better build for this machine than the package index; empty when it has not."""
    driver = nvidia_driver()
    if sys.platform == "darwin":
        return ""
    if sys.platform == "win32":
        return "" if driver is None else "This machine has an NVIDIA GPU, for which torch's CUDA build is better"
    if driver is None:
        return "This machine has no NVIDIA driver, so that torch's build for processors would do and is smaller"
    return f"The NVIDIA driver {driver} needs an older CUDA build of torch" if 0 < driver < OLDEST_LINUX_DRIVER else ""


def blocks(pinned: str) -> list[str]:
    """The requirements of a pinned file, each with its markers, hashes and comments."""
    text = Path(pinned).read_text(encoding="utf-8")
    return [block.rstrip() for block in re.split(r"(?m)^(?=[A-Za-z0-9])", text) if re.match(r"[A-Za-z0-9]", block)]


def _watched(command: list[str], environment: dict[str, str], what: str, progress: Progress) -> tuple[int, str]:
    """Runs a program to its end; returns its exit code and what it printed. Raises Cancelled, having ended it with its children."""
    process = processes.start(command, env=environment, cwd=tempfile.gettempdir(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT)
    printed, downloads, started = [], _Downloads(), time.monotonic()
    try:
        lines = processes.read_lines(process.stdout)
        while (line := processes.next_line(lines, BEAT_S)) is not None:
            text = line.decode("utf-8", "replace").rstrip()
            if text:
                printed.append(text)
                downloads.read(text)
            progress.at(downloads.fraction(), f"{what} … {downloads.text(time.monotonic() - started)}".rstrip(" …"))
        return process.wait(), "\n".join(printed)
    finally:
        processes.kill_tree(process)


class _Downloads:
    """What uv says of large files: ``Downloading torch (842.9MiB)`` and, at its end, `` Downloaded torch``."""

    def __init__(self) -> None:
        self.sizes: dict[str, float] = {}
        self.done: dict[str, float] = {}
        self._step, self._told, self._total = (0, 0), "", 0.0

    def read(self, line: str) -> None:
        """Takes note of one line."""
        begun = re.match(r"\s*Downloading (\S+) \(([\d.]+)([KMG]iB)\)", line)
        ended = re.match(r"\s*Downloaded (\S+)", line)
        if begun:
            self.sizes[begun[1]] = float(begun[2]) * MEBIBYTES[begun[3]]
        elif ended:
            self.done[ended[1]] = self.sizes.get(ended[1], 0)

    def fraction(self) -> float:
        """Done share of what has been announced so far."""
        return sum(self.done.values()) / sum(self.sizes.values()) if self.sizes else 0

    def text(self, seconds: float) -> str:
        """What is under way, in words that change with each fifth of the downloads and each minute: QGIS's log keeps every change as a line."""
        if seconds < ANNOUNCED_S:
            return ""
        step, total = (int(5 * self.fraction() + 1e-9), int(seconds // 60)), sum(self.sizes.values())
        if step != self._step or total > 1.5 * self._total or not self._told:  # on a slow machine more is announced later
            self._step, self._told, self._total = step, self._now(step[1]), total
        return self._told

    def _now(self, minutes: int) -> str:
        running = sorted((name for name in self.sizes if name not in self.done), key=lambda name: -self.sizes[name])
        done = f"{sum(self.done.values()):.0f} of {sum(self.sizes.values()):.0f} MiB" if self.sizes else ""
        return ", ".join(part for part in (done, "now " + " and ".join(running[:2]) if running else "", f"{minutes} min" if minutes else "") if part)

"""A job that fails in every way a worker can."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass

from eo_pretrain_qgis.errors import DataError
from eo_pretrain_qgis.jobs.spec import Job, choice, folder_output, integer, text
from eo_pretrain_qgis.outputs import kept_file, new_file, new_folder

WAYS = ("obey", "data_error", "bug", "memory", "device_memory", "disk", "missing_package", "kill", "segfault", "exit", "hang", "linger",
        "children", "noise", "surroundings", "write", "write_and_fail", "flood", "numbers", "begin_and_hang", "begin_and_kill", "begin_and_fail",
        "begin_and_obey", "keep_and_kill", "keep_and_hang")


@dataclass(frozen=True)
class Misbehave(Job):
    """Misbehaves."""

    title = "Misbehave"
    engine = "none"

    how: str = choice("How", WAYS, default="obey")
    batch_size: int = integer("Batch size", default=8)
    place: str = text("Place", default="")
    output: str = folder_output("Folder", optional=True, created=False)

    def run(self, progress):
        return getattr(self, "_" + self.how)(progress) or {}

    def _obey(self, progress):
        """Works for a minute, reporting as it should."""
        for step in range(600):
            progress.at(step / 600, f"Step {step}", loss=1 / (step + 1))
            time.sleep(0.1)

    def _data_error(self, progress):
        raise DataError("“Größe 1.tif” has no band B08. Choose an image with B08.")

    def _bug(self, progress):
        return {}["nothing"]

    def _memory(self, progress):
        resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
        return {"size": len(bytearray(4 << 30))}

    def _device_memory(self, progress):
        raise type("OutOfMemoryError", (RuntimeError,), {})("CUDA out of memory. Tried to allocate 2 GiB.\nmore")

    def _disk(self, progress):
        raise OSError(28, "No space left on device", "/full/map.tif")

    def _missing_package(self, progress):
        import a_package_that_is_not_there  # noqa: F401

    def _kill(self, progress):
        os.kill(os.getpid(), signal.SIGKILL)

    def _segfault(self, progress):
        os.write(2, b"something about a library\n")
        os.kill(os.getpid(), signal.SIGSEGV)

    def _exit(self, progress):
        sys.exit(3)

    def _hang(self, progress):
        progress.at(0.5, f"pid {os.getpid()}")
        time.sleep(60)

    def _linger(self, progress):
        """Is done, but a thread keeps the process alive."""
        threading.Thread(target=time.sleep, args=(60,)).start()
        return {"pid": os.getpid()}

    def _children(self, progress):
        child = subprocess.Popen(["/bin/sleep", "60"])
        progress.at(0.5, f"pid {child.pid}")
        time.sleep(60)

    def _noise(self, progress):
        print("noise from Python")
        sys.stdout.flush()
        os.write(1, b"noise from C, without an end of line")
        subprocess.run(["/bin/echo", '{"event": "done", "result": {"fake": true}}'], check=True)
        return {"stdin": sys.stdin.read()}

    def _surroundings(self, progress):
        names = [name for name in os.environ if name.startswith(("PYTHON", "PROJ", "GDAL", "QGIS", "LD_", "DYLD_", "SSL_CERT", "CURL_CA"))]
        return {"names": sorted(names), "path": sys.path, "isolated": sys.flags.isolated, "utf8": sys.flags.utf8_mode}

    def _write(self, progress):
        os.makedirs(self.output, exist_ok=True)
        with open(os.path.join(self.output, "map.txt"), "w", encoding="utf-8") as stream:
            stream.write("Straße")
        sys.stderr.write("written\n")
        return {"output": self.output}

    def _write_and_fail(self, progress):
        self._write(progress)
        return self._bug(progress)

    def _begin(self, progress):
        """Begins a folder, a file in it, and a style beside; what comes next is `_hang`, `_kill`, `_obey` or `_data_error`."""
        stack = ExitStack()
        folder = stack.enter_context(new_folder(self.output))
        (folder / "half.npy").write_bytes(b"half")
        stack.enter_context(new_file(self.output + ".qml", of=self.output)).write_text("half")
        progress.message("begun")
        return stack

    def _begin_and_hang(self, progress):
        with self._begin(progress):
            self._hang(progress)

    def _begin_and_kill(self, progress):
        with self._begin(progress):
            self._kill(progress)

    def _begin_and_fail(self, progress):
        with self._begin(progress):
            self._data_error(progress)

    def _begin_and_obey(self, progress):
        with self._begin(progress):
            self._obey(progress)

    def _keep(self, progress, after):
        with kept_file(self.output) as part:
            part.write_text(f"{part.read_text() if part.exists() else ''}begun,")
            progress.message(part.read_text())
            after(progress)

    def _keep_and_kill(self, progress):
        self._keep(progress, self._kill)

    def _keep_and_hang(self, progress):
        self._keep(progress, self._hang)

    def _flood(self, progress):
        for step in range(50000):
            progress.at(step / 50000, "fast")
        progress.message("last")

    def _numbers(self, progress):
        import fractions

        return {"path": self.place, "third": fractions.Fraction(1, 3), "nan": float("nan")}

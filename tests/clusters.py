"""A Dask scheduler and its workers, as processes of their own."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


class Workers:
    """The scheduler and the workers of a cluster; the workers by number."""

    def __init__(self, started, more):
        self.started, self.more = started, more

    def __getitem__(self, number):
        return self.started[number + 1]

    def kill(self, number):
        self.started[number].kill()
        self.started[number].wait()


@contextmanager
def cluster(folder, workers):
    """A scheduler and workers as processes of their own; gives the address and the workers."""
    pytest.importorskip("distributed", reason="this engine has no Dask")
    named = folder / "scheduler.json"

    def start(module, *arguments, code=ROOT):
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(code), os.environ.get("PYTHONPATH", "")])}
        command = [sys.executable, "-m", f"distributed.cli.{module}", "--scheduler-file", str(named), "--no-dashboard", *arguments]
        return subprocess.Popen(command, env=environment, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def more(code=ROOT):
        started.append(start("dask_worker", "--nthreads", "1", "--no-nanny", code=code))

    started = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")]
    try:
        while not named.exists():
            time.sleep(0.05)
        started += [start("dask_worker", "--nthreads", "1", "--no-nanny") for _ in range(workers)]
        address = json.loads(named.read_text(encoding="utf-8"))["address"]
        from distributed import Client

        with Client(address, set_as_default=False) as client:
            client.wait_for_workers(workers, timeout=60)
        yield address, Workers(started, more)
    finally:
        for process in started:
            process.kill()
            process.wait()

"""What a GPU gives, in ten minutes: rates of training and mapping against what the hardware alone does, and checks that need a GPU.

The first line says whether onnxruntime takes the GPU. Then come the parts of `PARTS`, each in a process of its own that is ended when its time is over,
so that a part that fails, hangs or loses the GPU stops no other. What a part found before stays. All times together are `TOTAL_S` at most.
Where there is no GPU a part says “no GPU” where it needs one, and does the rest on the processor; with --tiny everything is small.

Images are made; with --data, a dataset of EuroSAT, the epochs are those of its images.
Results: gpu.json and gpu.csv (part, what, value, unit, note) and gpu.log in --out, which is $OUT or gpu-results. Ends with 1 where a part failed.
Run: sh benchmarks/gpu.sh [--device cuda] [--tiny] [--out FOLDER] [--data DATASET] [PART …]
"""

from __future__ import annotations

import argparse
import csv
import json
import multiprocessing
import os
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from benchmarks.gpu_findings import COLUMNS, Asked, rows_of
from eo_pretrain_qgis.engine.models import package
from eo_pretrain_qgis.engine.models.session import Session
from eo_pretrain_qgis.errors import EngineError
from tests import networks

TOTAL_S, LEAST_S = 600, 5
#: Name → the longest it may take [s], and what it is. They run in this order; `gpu_parts.FUNCTIONS` does them.
PARTS = {
    "training": (130, "images per second in training, and of steps on a batch that lies ready"),
    "mapping": (100, "pixels per second in mapping, and of onnxruntime on blocks in memory"),
    "epochs": (90, "epochs of EuroSAT per minute, and the hours of 1,000"),
    "resume": (80, "a killed run in float16 goes on"),
    "processes": (80, "two processes train together"),
    "memory": (40, "a batch that is too large"),
    "optimizers": (30, "two optimizers in float16"),
    "too_many": (35, "more processes than GPUs"),
}
#: With --tiny all may take so many times as long: a processor is shared with what else runs.
PATIENCE = 5


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("parts", nargs="*", metavar="PART", help=f"which to run; without any, all: {', '.join(PARTS)}")
    arguments.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    arguments.add_argument("--tiny", action="store_true")
    arguments.add_argument("--out", type=Path, default=Path(os.environ.get("OUT") or "gpu-results"))
    arguments.add_argument("--data", help="EuroSAT as a dataset, see “Import dataset”")
    asked = arguments.parse_args()
    if unknown := [name for name in asked.parts if name not in PARTS]:
        arguments.error(f"there is no part “{unknown[0]}”. Choose from {', '.join(PARTS)}.")
    began, patience = time.monotonic(), PATIENCE if asked.tiny else 1
    asked.out.mkdir(parents=True, exist_ok=True)
    rows_file, log = asked.out / "gpu.jsonl", asked.out / "gpu.log"
    for old in (rows_file, log):
        old.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        print(took := first_line(asked.device, Path(folder)), flush=True)
        Asked("start", asked.device, asked.tiny, 0, str(rows_file), str(log), folder).add("onnxruntime takes the GPU", *took.split(": ", 1)[1:])
        server = multiprocessing.get_context("forkserver")
        server.set_forkserver_preload(["benchmarks.gpu_parts"])  # torch is imported once; no process of it has touched the GPU before it forks
        for name in asked.parts or PARTS:
            seconds = min(PARTS[name][0] * patience, began + TOTAL_S * patience - time.monotonic() - 2)
            place = Path(folder) / name
            place.mkdir()
            part = Asked(name, asked.device, asked.tiny, seconds, str(rows_file), str(log), str(place), asked.data)
            print(f"\n{name}: {PARTS[name][1]} (at most {max(0, seconds):.0f} s)", flush=True)
            told = rows_of(rows_file)
            if seconds < LEAST_S:
                part.add("the part", "failed", note=f"No time was left of {TOTAL_S * patience} s.")
            else:
                limited(server, part)
            show(rows_of(rows_file)[len(told):])
    rows = rows_of(rows_file)
    write(asked.out, rows, {"device": asked.device, "tiny": asked.tiny, "seconds": round(time.monotonic() - began, 1),
                            "onnxruntime": onnxruntime.__version__, "python": sys.version.split()[0]})
    rows_file.unlink()
    failed = [f"{row['part']}: {row['what']}" for row in rows if row["value"] in ("no", "failed") and row["part"] != "start"]
    print(f"\n{len(rows)} findings in {asked.out / 'gpu.csv'} after {time.monotonic() - began:.0f} s; " +
          (f"did not hold: {'; '.join(failed)}." if failed else "all checks held."))
    return bool(failed)


def first_line(device: str, folder: Path) -> str:
    """Whether onnxruntime takes the GPU: a small network is computed there."""
    if device == "cpu":
        return f"onnxruntime takes the GPU: no GPU was asked for; onnxruntime {onnxruntime.__version__} has {', '.join(onnxruntime.get_available_providers())}"
    began = time.monotonic()
    path = folder / "threshold.onnx"
    package.write(networks.threshold_network().SerializeToString(), networks.description(), path)
    try:
        session = Session(str(path), device, channels=2)
        session.run({"image": np.full((1, 1, 64, 64), 1500, np.float32)})
    except EngineError as error:
        return f"onnxruntime takes the GPU: no. {error}"
    return f"onnxruntime takes the GPU: yes, {session.device}, {session.runtime}, a first answer after {time.monotonic() - began:.1f} s"


def limited(server: Any, part: Asked) -> None:
    """Runs a part in a process of its own, and ends it and all it started when its time is over."""
    from benchmarks import gpu_parts

    process = server.Process(target=gpu_parts.take_part, args=(part,))
    process.start()
    process.join(part.seconds)
    late = process.is_alive()
    if late:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it had not begun, or just ended
            process.kill()
        process.join()
        part.add("the part", "failed", note=f"It was ended after {part.seconds:.0f} s; what it had found stands above.")
    elif process.exitcode:
        part.add("the part", "failed", note=f"Exit code {process.exitcode}; see gpu.log.")


def show(rows: list[dict]) -> None:
    for row in rows:
        print(f"  {row['what']}: {row['value']} {row['unit']}".rstrip() + (f"  ({row['note']})" if row["note"] else ""), flush=True)


def write(folder: Path, rows: list[dict], machine: dict) -> None:
    (folder / "gpu.json").write_text(json.dumps({"machine": machine, "findings": rows}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    with (folder / "gpu.csv").open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    sys.exit(main())

"""The command line: one sub-command per job, the way in for clusters and scripts.

    python -m eo_pretrain_qgis predict_map --model m.onnx --images a.tif b.tif --output map.tif
    python -m eo_pretrain_qgis finetune --json values.json          (or - for standard input)
    python -m eo_pretrain_qgis predict_map … --output map.tif --overwrite                (replaces a file that is there)
    python -m eo_pretrain_qgis rerun run/job.json --output again
    python -m eo_pretrain_qgis docs docs/algorithms

The result is printed to standard output as one JSON document, progress to standard error. Exit codes: 0 done, 1 failed with a
sentence, 2 asked wrongly, 130 cancelled (Ctrl+C, SIGTERM as batch systems send it, or SIGHUP when the terminal is closed).
"""

from __future__ import annotations

import argparse
import atexit
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Collection
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from . import claims
from .errors import Cancelled, EngineError, EOPretrainError, JobError
from .jobs import JOBS, handbook, telling
from .jobs.files import paths_of
from .jobs.record import read_record, run_job
from .jobs.spec import Job, Param
from .jobs.suggestions import near_name
from .progress import PrintedProgress
from .tables import shortened
from .worker import failures

OK, FAILED, ASKED_WRONGLY, CANCELLED = 0, 1, 2, 130
#: Batch systems and timeout(1) send a signal to a process and at once to its group; the second is no second wish.
PATIENCE_S = 2.0
USAGE = "[--json FILE] [--overwrite] [--PARAMETER VALUE …]     (--PARAMETER=VALUE for a value that begins with a minus sign)"
METAVARS = {
    "raster": "FILE", "vector": "FILE", "layer": "FILE", "attribute": "FIELD", "integer": "N", "number": "X", "boolean": "true|false",
    "text": "TEXT", "choice": "WORD", "crs": "CRS", "extent": "W,E,S,N[EPSG]", "classes": "CSV", "file": "FILE", "folder": "FOLDER",
    "weights": "FILE|FOLDER|catalogue:NAME",
    "raster_output": "FILE", "vector_output": "FILE", "folder_output": "FOLDER", "file_output": "FILE",
}


class InterruptibleProgress(PrintedProgress):
    """Prints progress; the first Ctrl+C, SIGTERM or SIGHUP asks the job to stop, one that comes later, and not with it, stops it at once."""

    def __init__(self) -> None:
        super().__init__()
        self.asked, self.since = False, 0.0
        for name in ("SIGINT", "SIGTERM", "SIGHUP"):  # Windows has no SIGHUP
            number = getattr(signal, name, None)
            if number is not None and signal.getsignal(number) != signal.SIG_IGN:  # nohup ignores it, and means it
                signal.signal(number, self._ask)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if not self.asked:
            self.asked, self.since = True, time.monotonic()
        elif time.monotonic() - self.since > PATIENCE_S:
            claims.abandon()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def cancelled(self) -> bool:
        return self.asked


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    words = sys.argv[1:] if arguments is None else arguments
    name, job = words[0] if words else "", None
    try:
        asked = _asked(words)
        name = asked.pop("command")
        if name == "docs":
            there = [path for path in (os.path.join(asked["folder"], page) for page in handbook.pages()) if os.path.lexists(path)]
            if there and not asked["overwrite"]:
                raise JobError(f"{there[0]} is there already. Choose another folder, or add --overwrite to replace it.")
            handbook.write(asked["folder"])
            return OK
        job = _asked_job(name, asked)
        name = job.name()
        _check_engine(job)
        result = run_job(job, InterruptibleProgress())
        if os.environ.get("RANK", "0") == "0":  # under torchrun every process comes here, one speaks
            _print_result(result)
    except Cancelled:
        return _say(telling.after_cancel(job) if job else "Cancelled.", CANCELLED)
    except EOPretrainError as error:
        return _say(str(error), ASKED_WRONGLY if job is None and isinstance(error, JobError) else FAILED)
    except BrokenPipeError:  # nobody reads the result, and the job is done; Python would try once more at its end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, MemoryError, ImportError) as error:
        told = failures.explain_exception(error, job.hungry_labels() if job else [])
        if isinstance(error, OSError) and isinstance(told, EngineError):  # nothing is known of it: its traceback says most
            raise
        return _say(str(told), FAILED)
    return OK


def _print_result(result: dict[str, Any]) -> None:
    for plain in (False, True):  # a terminal that cannot write some letter gets all of them as escapes
        with contextlib.suppress(UnicodeEncodeError):
            print(json.dumps(result, indent=1, ensure_ascii=plain, default=str), flush=True)
            return


def _asked(words: list[str]) -> dict[str, Any]:
    """What a command line asks for, by name.

    Raises:
        JobError: there is no such job, or it has no such option.
    """
    if words and not words[0].startswith("-"):
        _check_command(words[0], [*JOBS, "rerun", "docs"])
    known, left = _parser().parse_known_args(words)
    wrong = next((word for word in left if word.startswith("-")), None)
    if wrong is not None:
        command, written = known.command, wrong.partition("=")[0]
        jobs = [JOBS[command]] if command in JOBS else JOBS.values() if command == "rerun" else []
        options = dict.fromkeys(["overwrite", *(["json"] if jobs else []), *(name for job in jobs for name in job.parameters())])
        hint = near_name(written.lstrip("-"), options, before="--",
                         otherwise=f"“python -m eo_pretrain_qgis {command} --help” lists what it has.")
        raise JobError(f"{command} has no option “{shortened(written)}”; {hint}")
    if left:
        raise JobError(f"“{shortened(left[0])}” belongs to no option. Put --PARAMETER before a value, and quotes around a value with spaces.")
    return vars(known)


def _asked_job(name: str, asked: dict[str, Any]) -> Job:
    """The job of a command line.

    Raises:
        JobError: a value is wrong, a record names a program, or an output is there already.
    """
    document, overwrite = asked.pop("json"), asked.pop("overwrite")
    recorded: dict[str, Any] = {}
    again = name == "rerun"
    if again:
        name, recorded = read_record(asked.pop("record"))
    _check_command(name, JOBS)
    job_class = JOBS[name]
    read, given = {**recorded, **_document(document)}, _given(job_class, asked)
    for key, param in job_class.parameters().items():
        if param.program and read.get(key) and key not in given:
            raise JobError(f"The values name a program to run, {read[key]} ({key}). A program is only taken from the command line: if you "
                           f"trust it, give it as --{key}.")
    job = job_class.from_values({**read, **given})
    if not overwrite:
        _refuse_existing(job, again)
    return job


def _refuse_existing(job: Job, again: bool) -> None:
    """Refuses to replace a file; a folder is refused here only when a record names it, since jobs themselves refuse or continue theirs."""
    for name, param in job.parameters().items():
        for path in paths_of(param, getattr(job, name)) if param.is_output else ():
            is_folder = os.path.isdir(path)
            if os.path.lexists(path) and (not is_folder or (again and os.listdir(path))):
                raise JobError(f"“{param.label}” ({name}): {path} is there already. Choose another name, or add --overwrite to let the job "
                               f"{'go on in that folder' if is_folder else 'replace it'}.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m eo_pretrain_qgis", description="EO Pretrain without QGIS: runs one job.",
                                     epilog="“python -m eo_pretrain_qgis JOB --help” explains a job.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="JOB", title="jobs")
    for name, job in JOBS.items():
        summary = handbook.summary(job)
        command = commands.add_parser(name, help=job.title, description=summary, allow_abbrev=False, usage=f"%(prog)s {USAGE}")
        _add_values(command, job.parameters())
    every = {name: param for job in JOBS.values() for name, param in job.parameters().items()}
    rerun = commands.add_parser("rerun", help="Repeat the job a job.json records", allow_abbrev=False, usage=f"%(prog)s JOB_JSON {USAGE}",
                                description="Repeats the job that a job.json records. A parameter given again replaces the recorded value.")
    rerun.add_argument("record", metavar="JOB_JSON")
    _add_values(rerun, every)
    docs = commands.add_parser("docs", help="Write the handbook of all jobs", description="Writes the handbook of all jobs as Markdown pages.")
    docs.add_argument("folder", nargs="?", default="docs/algorithms")
    docs.add_argument("--overwrite", action="store_true", help="replace the pages that are there")
    return parser


def _add_values(parser: argparse.ArgumentParser, parameters: dict[str, Param]) -> None:
    parser.add_argument("--json", metavar="FILE", help="values as a JSON document; - reads it from standard input")
    parser.add_argument("--overwrite", action="store_true", help="let outputs replace files that are there")
    for name, param in parameters.items():
        facts = handbook.facts(param)
        words = f"{param.label}. {param.help} ({facts})" if facts else f"{param.label}. {param.help}"
        # Values are read by the job, the same as from QGIS; here they stay text. An option given twice adds to the list.
        parser.add_argument("--" + name, nargs="+" if param.multiple else 1, action="extend", default=argparse.SUPPRESS,
                            metavar=METAVARS[param.kind], help=words.replace("%", "%%"))


def _given(job_class: type[Job], asked: dict[str, list[str]]) -> dict[str, Any]:
    """The values of the options, each as a list when the parameter takes one."""
    parameters = job_class.parameters()
    given: dict[str, Any] = {}
    for name, words in asked.items():
        if len(words) > 1 and not (name in parameters and parameters[name].multiple):
            raise JobError(f"--{name} takes one value, but {len(words)} were given: {' '.join(words)}. Put quotes around a value with "
                           "spaces.")
        value = words if len(words) > 1 else words[0]
        given[name] = _layer(value) if name in parameters and parameters[name].kind in ("raster", "vector", "layer") else value
    return given


def _layer(value: str | list[str]) -> Any:
    """A layer may be given as a path or, to name its parts, as a JSON object."""
    if isinstance(value, list):
        return [_layer(item) for item in value]
    if not value.lstrip().startswith("{"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError) as error:
        raise JobError(f"{value} is not a JSON object ({error}). Give a path, or an object such as {{\"path\": \"a.tif\"}}.") from None


def _document(place: str | None) -> dict[str, Any]:
    """The JSON document of values at `place`, which may be standard input."""
    if place is None:
        return {}
    try:
        document = json.loads(sys.stdin.read() if place == "-" else Path(place).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, AttributeError) as error:  # the last: standard input is closed
        raise JobError(f"{place} is not a JSON document ({error}). Give a file with an object of parameter names and values.") from None
    if not isinstance(document, dict):
        raise JobError(f"{place} holds a JSON {type(document).__name__}. Give an object of parameter names and values.")
    return document


def _check_command(name: str, known: Collection[str]) -> None:
    """Refuses a word that is no job or, on the command line, no other command."""
    if name not in known:
        hint = near_name(name, known, otherwise="choose one of: " + ", ".join(known) + ".")
        raise JobError(f"There is no job “{shortened(name)}”; {hint}")


def _check_engine(job: Job) -> None:
    """Refuses to start in a Python that lacks the engine's packages, naming the one that has them.

    Raises:
        EngineError: with the command to use instead.
    """
    from .worker import environment

    missing = min((environment.missing_modules(kind) for kind in job.engines()), key=len)
    if missing:
        python = environment.find_any(job.engines())
        named = ", ".join(missing[:4]) + (", …" if missing[4:] else "")
        raise EngineError(f"This Python ({sys.executable}) lacks the engine's packages ({named}). "
                          f"Use the engine's: {python} -m eo_pretrain_qgis {job.name()} …")


def _say(sentence: str, code: int) -> int:
    with contextlib.suppress(OSError, ValueError, AttributeError):  # the terminal, or standard error, was closed
        sys.stderr.write(sentence + "\n")
    return code


def _end(code: int) -> None:
    """Ends the process. After a cancel at once: Python would go through all that torch made once more, which takes seconds."""
    if code == CANCELLED:
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError):  # the terminal was closed
                stream.flush()
        os._exit(code)
    sys.exit(code)


def _tell_of_memory(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """A full memory is a sentence, whatever library met it; everything else that nobody expected shows its traceback."""
    asked = JOBS.get(sys.argv[1]) if len(sys.argv) > 1 else None
    if isinstance(error, Exception) and failures.is_memory(error):
        _say(str(failures.explain_exception(error, asked.hungry_labels() if asked else [])), FAILED)
    else:
        sys.__excepthook__(kind, error, trace)


if __name__ == "__main__":
    sys.excepthook = _tell_of_memory
    _end(main())

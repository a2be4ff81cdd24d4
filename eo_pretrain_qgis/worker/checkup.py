"""The engine seen from outside: found, started, examined; and the page that tells it. Works without any engine."""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from ..errors import EngineError
from ..markup import escaped, page_of
from ..outputs import new_file
from ..progress import Progress
from ..version import plugin_version
from . import client, disk, environment
from .protocol import Asked

LITTLE_DISK_GB = 5


def can_look_inside() -> bool:
    """Whether this process is an engine; QGIS never is, even where its Python has the packages."""
    return "qgis.core" not in sys.modules and not environment.missing_modules("predict")


def from_outside(inner: Callable[[dict[str, Any]], Asked], python: str, progress: Progress) -> dict[str, Any]:
    """Finds the engine, imports its packages, and lets it examine itself; what fails is a problem in words.

    Args:
        inner: the same job, which in the engine looks inside, with other values of its ``output``, ``facts`` and ``python``.
        python: the interpreter to check; empty takes the one in use.
        progress: told each step.
    """
    facts: dict[str, Any] = {"problems": []}
    try:
        found = environment.in_its_environment(python) if python else environment.find("predict")
        facts["executable"] = found
        probed = environment.probe(found, environment.MODULES["predict"], progress.part(0, 0.4))
        facts["python"] = ".".join(map(str, probed["version"]))
        facts["packages"] = probed["packages"]
        if probed["broken"]:
            facts["problems"].append(f"{found} is no complete engine: {environment.listed(probed['broken'])}. "
                                     "Run “Install the engine” (eopretrain:installengine), or name another Python.")
            return facts
        with tempfile.TemporaryDirectory(prefix="eo_pretrain-") as folder:
            aside = {"output": os.path.join(folder, "inner.html"), "facts": os.path.join(folder, "inner.json")}
            job = inner({**aside, "python": None})  # with no Python to check it looks at its own
            inside = progress.part(0.4, 1)
            client.run(job, found, inside.emit, inside.cancelled)
            return json.loads(Path(folder, "inner.json").read_text(encoding="utf-8"))
    except EngineError as error:
        facts["problems"].append(str(error))
    return facts


def completed(facts: dict[str, Any]) -> dict[str, Any]:
    """The facts with what is known about the plugin, the caller and the disks."""
    places = dict.fromkeys([*environment.locations(), tempfile.gettempdir()])
    disks = {place: round(disk.free_gb(place), 1) for place in places}
    problems = facts["problems"] + [f"Only {free} GB are free on the disk of {place}. Free some space before installing or training."
                                    for place, free in disks.items() if free < LITTLE_DISK_GB]
    kinds = [kind for kind in environment.MODULES if not environment.requirement(kind)]
    return {**facts, "plugin": plugin_version(), "caller": f"Python {platform.python_version()} ({sys.executable})", "engines": kinds,
            "disk_free_gb": disks, "system": platform.platform(), "problems": problems, "ok": not problems}


def page(facts: dict[str, Any]) -> str:
    """The facts as a self-contained page."""
    verdict = "The engine works." if facts["ok"] else f"{len(facts['problems'])} problem(s) were found."
    sections = [f'<p class="{"good" if facts["ok"] else "bad"}"><b>{verdict}</b></p>']
    if facts["problems"]:
        sections.append("<ul>" + "".join(f"<li>{escaped(problem)}</li>" for problem in facts["problems"]) + "</ul>")
    for title, step in (("One inference", "inference"), ("One training step", "training")):
        sections.append(f"<h2>{title}</h2>" + (_rows(_words(facts[step])) if step in facts else "<p>Not done.</p>"))
    plain = {name: value for name, value in facts.items() if not isinstance(value, (dict, list))}
    sections += ["<h2>Machine</h2>" + _rows(_words(plain)), "<h2>Free disk space [GB]</h2>" + _rows(facts["disk_free_gb"].items()),
                 "<h2>Packages</h2>" + _rows(facts.get("packages", {}).items())]
    return page_of("Check of the engine", "".join(sections))


def _words(facts: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Facts whose names are ours and so can be read as words; paths and packages keep their names."""
    return ((name.replace("_", " "), value) for name, value in facts.items())


def _rows(items: Iterable[tuple[str, Any]]) -> str:
    rows = (f"<tr><td>{escaped(name)}</td><td>{escaped(str(value))}</td></tr>" for name, value in items)
    return f"<table class=\"facts\">{''.join(rows)}</table>"


def write(text: str, path: str) -> None:
    """Writes a text file, whole or not at all."""
    with new_file(path) as part:
        part.write_text(text, encoding="utf-8")

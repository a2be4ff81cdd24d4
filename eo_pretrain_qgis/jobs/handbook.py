"""The handbook of all jobs, written from their declarations: docs/algorithms/, a page for each group of the toolbox."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from xml.etree import ElementTree  # nosec B405 - reads the models of this package alone

from ..outputs import new_file
from . import JOBS
from .spec import REQUIRED, Job, Param
from .values import LARGEST_VALUE, limit_text

KINDS = {
    "raster": "raster layer", "vector": "vector layer", "layer": "raster or vector layer", "attribute": "field", "integer": "whole number",
    "number": "number", "boolean": "true or false", "text": "text", "choice": "one word",
    "crs": "coordinate system, such as EPSG:32633", "extent": "xmin,xmax,ymin,ymax [EPSG:code]",
    "classes": "table of value, name, colour; or a CSV file", "file": "file", "folder": "folder",
    "weights": "file of weights, folder of a run, or catalogue:name", "raster_output": "new GeoTIFF",
    "vector_output": "new GeoPackage", "folder_output": "new folder", "file_output": "new file",
}
EXAMPLES = {
    "raster": "image.tif", "vector": "labels.gpkg", "layer": "labels.gpkg", "attribute": "class", "integer": "1", "number": "1",
    "boolean": "true", "text": "text", "crs": "EPSG:32633",
    "extent": "500000,510000,5000000,5010000 [EPSG:32633]", "classes": "classes.csv", "folder": "folder",
    "weights": "encoder.safetensors",
    "raster_output": "map.tif", "vector_output": "areas.gpkg", "folder_output": "folder",
}
#: Parameters of examples, beside those that must be given, without which a call would do nothing.
ALSO = {
    "import_dataset": {"source": "folder"},
    "find_scenes": {"area": EXAMPLES["extent"], "first_day": "2023-05-01", "last_day": "2023-09-30"},
}
CONTENTS = "README.md"
WRITTEN_BY = "<!-- Written by `make docs` from the jobs in eo_pretrain_qgis/jobs; edit there. -->"
FIRST_LINES = f"""# The algorithms

{WRITTEN_BY}

Each algorithm can be used from QGIS's toolbox, as a step of a model, with `qgis_process run eopretrain:…` and, without QGIS, with
`python -m eo_pretrain_qgis …`. In QGIS a parameter's name is written in capitals, on the command line as `--name`. Where a parameter takes one of
several words, give the word, or its place counted from 0 where the words are no numbers themselves. The command line replaces a file that is
there only with `--overwrite`.

Run `python -m eo_pretrain_qgis` in the folder that holds `eo_pretrain_qgis`: the checkout or, after an installation from the zip, `python/plugins` of
the QGIS profile. `python` is that of the engine, which “Install the engine” reports (in a checkout `.engine/train/bin/python`).
"""


#: Models that QGIS offers beside the jobs; `docs/ready_models.py` writes them.
MODELS = Path(__file__).parents[1] / "toolbox" / "models"


def write(folder: str) -> None:
    """Writes the handbook as Markdown into a folder."""
    for name, text in pages().items():
        with new_file(os.path.join(folder, name)) as part:
            part.write_text(text, encoding="utf-8")


def pages() -> dict[str, str]:
    """File name → Markdown: the contents, then a page for each group."""
    found = {CONTENTS: "\n".join([FIRST_LINES, _contents(), *_ready_models()])}
    for group in dict.fromkeys(job.group for job in JOBS.values()):
        jobs = [job for job in JOBS.values() if job.group == group]
        first = f"# {group}\n\n{WRITTEN_BY}\n\nOne group of [the algorithms]({CONTENTS}), which says how each is run.\n"
        found[page_name(group)] = "\n".join([first, *(_section(job) for job in jobs)])
    return {name: text.rstrip() + "\n" for name, text in found.items()}


def page_name(group: str) -> str:
    """The file of a group: “1 Prepare data” stands in prepare-data.md."""
    return "-".join(group.lower().split()[1:]) + ".md"


def place(job: type[Job]) -> str:
    """Where a job stands in the handbook, as a link from its folder."""
    return f"{page_name(job.group)}#{job.name()}"


def model_place(path: Path) -> str:
    """Where a ready model stands in the handbook; its id is its file's name."""
    return f"{CONTENTS}#{path.stem}"


def summary(job: type[Job]) -> str:
    """The help of a job as plain paragraphs, with the engine it needs where that is the larger one."""
    paragraphs = [*(inspect.getdoc(job) or "").split("\n\n"), *([job.engine_words] if job.engine == "train" else [])]
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def facts(param: Param) -> str:
    """What a value may be, in words: range, words, ending, default."""
    known = []
    if param.minimum is not None and param.maximum not in (None, LARGEST_VALUE):
        known.append(f"{limit_text(param.minimum)} to {limit_text(param.maximum)}")
    if param.options:
        known.append("one of " + ", ".join(word if word == label else f"{word} ({label})"
                                            for word, label in zip(param.options, param.labels, strict=True)))
    if param.extension and not param.is_output:
        known.append("ending in " + " or ".join("." + part for part in param.extension.split("|")))
    if param.words:
        known.append("or the word " + " or ".join(param.words))
    if param.multiple:
        known.append("one or more")
    if param.default is not REQUIRED and param.default is not None:
        known.append(f"default {_word(param.default)}")
    elif not param.required:
        known.append("may be empty")
    return "; ".join(known)


def _contents() -> str:
    rows = [f"| [{job.group}]({page_name(job.group)}) | [{job.title}]({place(job)}) | `{name}` | `eopretrain:{job.id()}` |"
            for name, job in JOBS.items()]
    return "\n".join(["| group | algorithm | command line | QGIS |", "|---|---|---|---|", *rows, ""])


def _ready_models() -> list[str]:
    """A section on the models that ship with the plugin, in the order of their files."""
    models = [(path, ElementTree.parse(path).getroot()) for path in sorted(MODELS.glob("*.model3"))]  # noqa: S314  # nosec B314
    jobs = {f"eopretrain:{job.id()}": job for job in JOBS.values()}
    sections = ["## Ready models\n",
                "Chains of these algorithms. QGIS only: in the toolbox, or with `qgis_process run` and the id.\n"]
    for path, model in models:
        children = sorted(_option(model, "children"), key=lambda child: float(_option(child, "component_pos_y").get("value", 0)))
        steps = [jobs[_option(child, "alg_id").get("value", "")] for child in children]
        told = (_option(_option(model, "help"), "ALG_DESC").get("value") or "").split("\n")
        title = f'### <a id="{path.stem}"></a>{_option(model, "model_name").get("value")}'
        sections.append("\n".join([title, "", f"`eopretrain:{path.stem.replace('_', '')}`", "",
                                *[line for paragraph in told for line in (paragraph, "")], "Steps:", "",
                                *[f"{number}. [{job.title}]({place(job)})" for number, job in enumerate(steps, 1)], ""]))
    return sections


def _option(element: ElementTree.Element, name: str) -> ElementTree.Element:
    """The option of a name inside another, as QGIS nests them in a model."""
    return next(option for option in element.findall("Option") if option.get("name") == name)


def _section(job: type[Job]) -> str:
    name = job.name()
    lines = [f'## <a id="{name}"></a>{job.title}', "", summary(job), ""]
    parameters = job.parameters()
    inputs = {key: param for key, param in parameters.items() if not param.is_output}
    if inputs:
        lines += ["| parameter | what | value |", "|---|---|---|"]
        lines += [f"| `{key}` | {_cell(param)} | {_escaped(_value(param))} |" for key, param in inputs.items()] + [""]
    outputs = {key: param for key, param in parameters.items() if param.is_output}
    if outputs or job.results:
        lines += ["| gives | what | as |", "|---|---|---|"]
        lines += [f"| `{key}` | {_cell(param)} | {_escaped(_value(param))} |" for key, param in outputs.items()]
        lines += [f"| `{key}` | {_escaped(result.text)} | {result.kind} |" for key, result in job.results.items()] + [""]
    return "\n".join([*lines, *_examples(job), ""])


def _examples(job: type[Job]) -> list[str]:
    """The same call by both command lines, with every parameter that must be given."""
    also = ALSO.get(job.name(), {})
    given = {key: also.get(key) or _example(param) for key, param in job.parameters().items() if param.required or key in also}
    for_qgis = "".join(f" \\\n    --{key.upper()}={_quoted(value)}" for key, value in given.items())
    for_python = "".join(f" \\\n    --{key} {_quoted(value)}" for key, value in given.items())
    return ["```sh", f"qgis_process run eopretrain:{job.id()}{for_qgis}",
            f"python -m eo_pretrain_qgis {job.name()}{for_python}", "```"]


def _example(param: Param) -> str:
    if param.options:
        return param.options[0]
    if param.kind in ("file", "file_output"):
        return "file" + ("." + param.extension.split("|")[0] if param.extension else "")
    return EXAMPLES[param.kind]


def _quoted(value: str) -> str:
    return f'"{value}"' if " " in value else value


def _value(param: Param) -> str:
    return "; ".join(part for part in (KINDS[param.kind] if param.kind != "choice" else "", facts(param)) if part)


def _cell(param: Param) -> str:
    return _escaped(f"{param.label}. {param.help}" if param.help else param.label)


def _escaped(words: str) -> str:
    return words.replace("|", "\\|")


def _word(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

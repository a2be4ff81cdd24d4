"""What every job must keep to: names, help grammar, labels, defaults, the same values after JSON."""

import json
import re
from pathlib import Path

import pytest
import yaml

from eo_pretrain_qgis.errors import JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.spec import LARGEST_VALUE, REQUIRED, Job

GROUPS = ("0 Start here", "1 Prepare data", "2 Pretrain", "3 Train", "4 Map", "5 Assess")
OWN_WORDS = set(dir(Job))


@pytest.fixture(params=JOBS.values(), ids=JOBS.keys())
def job(request):
    return request.param


def some_values(job, folder):
    """A valid value for every required parameter."""
    (folder / "in").mkdir(exist_ok=True)
    made = {"raster": "image.tif", "vector": "fields.gpkg", "layer": "fields.gpkg", "attribute": "class", "text": "word", "integer": 1,
            "number": 1.0, "weights": "catalogue:imagenet_resnet18", "folder": str(folder / "in"), "folder_output": str(folder / "out")}
    values = {}
    for name, param in job.parameters().items():
        if param.kind in ("file", "file_output", "raster_output", "vector_output") and param.required:
            extension = param.extension.split("|")[0] or "txt"
            values[name] = str(folder / f"{name}.{extension}")
            if param.kind == "file":
                Path(values[name]).touch()
        elif param.required:
            if param.kind == "folder" and param.main_file:
                (folder / "in" / param.main_file).touch()
            values[name] = [made[param.kind]] if param.multiple else made[param.kind]
    return values


def test_names_follow_the_rules(job):
    assert re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", job.name())
    assert re.fullmatch(r"[a-z0-9]+", job.id())
    assert job.group in GROUPS
    assert job.engine in ("predict", "train", "none")
    assert not OWN_WORDS & set(job.parameters()), "a parameter hides a method of Job"
    assert not set(job.results) & {name for name, param in job.parameters().items() if param.is_output}


def test_every_result_is_explained(job):
    for name, result in job.results.items():
        assert result.kind in ("number", "text", "boolean", "raster", "vector", "file", "folder", "html"), name
        assert result.text and result.text[0].isupper() and not result.text.endswith("."), name
        assert result.text.lower() != name.replace("_", " "), f"{name} only repeats its name"


def test_help_is_a_sentence_with_a_verb(job):
    first = job.__doc__.strip().split("\n")[0]
    assert re.match(r"[A-Z][a-z]+s\b", first), "the help begins with a verb: Creates, Cuts, Maps"
    assert job.__doc__.strip().endswith(".")
    assert job.title and job.title[0].isupper() and not job.title.endswith(".")
    assert job.tags


def test_parameters_have_labels_and_sound_defaults(job):
    for name, param in job.parameters().items():
        assert param.label and param.label[0].isupper(), name
        assert not param.label.endswith((".", ":")), name
        if param.help:
            assert param.help.endswith((".", ":")), name
        if param.options and param.default in param.options:
            assert all(re.fullmatch(r"[a-z0-9_]+", word) for word in param.options), name


#: Words that need no other words: names of types of numbers.
NAMES = ("float32", "bfloat16", "float16")
MOST_BASIC, MOST_SENTENCES = 9, 4
UNIT = re.compile(r"\b(0|1|metres|degrees|units|standard deviations)\b")


def test_dialogs_are_short(job):
    """Inputs and outputs that are not advanced, counted together. What must be given is never advanced."""
    shown = [name for name, param in job.parameters().items() if not param.advanced]
    assert len(shown) <= MOST_BASIC, shown
    assert all(name in shown for name, param in job.parameters().items() if param.required)


def test_every_parameter_has_help_with_its_unit(job):
    """A number that is neither a count nor a value of pixels has its unit in brackets, or its unit or range in the help."""
    for name, param in job.parameters().items():
        assert param.help, f"{name} has no help"
        sentences = re.split(r"(?<=[.]) (?=[A-Z“0-9])", param.help)
        assert len(sentences) <= MOST_SENTENCES, f"{name} has {len(sentences)} sentences of help"
        if param.kind == "number" and param.minimum != -LARGEST_VALUE:
            assert re.search(r"\[.+\]$", param.label) or UNIT.search(param.help), f"{name} has no unit"


def test_choices_are_words_for_people(job):
    for name, param in job.parameters().items():
        for word, label in zip(param.options, param.labels, strict=True):
            assert label != word or word in NAMES, f"{name} shows {word}"
            assert len(label) <= 70 and not label.endswith("."), f"{name}: {label}"
            assert re.match("[A-Z0-9]", label), f"{name}: {label}"
        assert len(set(param.labels)) == len(param.labels), f"{name} has two words for one label"
        for said in re.findall("“([^”]+)”", param.help):
            assert said not in param.options, f"the help of {name} names {said}, which the dialog does not show"


def test_every_number_has_limits(job):
    for name, param in job.parameters().items():
        if param.kind in ("integer", "number"):
            assert param.minimum is not None and param.maximum is not None, f"{name} has no smallest or largest value"
            assert param.minimum < param.maximum, name
            assert param.default in (None, REQUIRED) or param.minimum <= param.default <= param.maximum, name


def test_values_survive_json(job, folder):
    built = job.from_values(some_values(job, folder))
    assert job.from_values(json.loads(json.dumps(built.values()))) == built


def test_unknown_parameter_is_refused(job, folder):
    with pytest.raises(JobError, match="has no parameter “bogus”"):
        job.from_values({**some_values(job, folder), "bogus": 1})


def test_unknown_word_is_refused(job, folder):
    for name, param in job.parameters().items():
        if param.kind == "choice":
            with pytest.raises(JobError, match="must be one of"):
                job.from_values({**some_values(job, folder), name: "bogus"})


def test_missing_parameter_is_named(job, folder):
    values = some_values(job, folder)
    for name in list(values):
        with pytest.raises(JobError, match=rf"\({name}\) is missing"):
            job.from_values({key: value for key, value in values.items() if key != name})


def test_every_job_has_cases_that_work_and_that_fail(job):
    path = Path(__file__).parent / "jobs" / f"{job.name()}.yaml"
    cases = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert any("fails" in case for case in cases)
    if job.name() != "install_engine":  # a real installation: tests/worker/test_environment.py builds one from wheels
        assert any("expect" in case for case in cases)


def test_groups_run_on_without_a_gap():
    """QGIS sorts groups by their names, and the number in front is the place."""
    used = list(dict.fromkeys(job.group for job in JOBS.values()))
    assert used == list(GROUPS)
    assert [int(group.split()[0]) for group in used] == list(range(len(used)))

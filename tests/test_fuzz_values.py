"""Values of any kind for every parameter of every job: a job or a sentence."""

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eo_pretrain_qgis.errors import JobError
from eo_pretrain_qgis.jobs import JOBS

from .fuzzing import fuzzed
from .test_compliance import some_values

ODD = st.sampled_from([
    10**400, -10**400, math.nan, math.inf, 2**63, 1e308, -1, 0, 1.5, True, "", "x", "1e999", "9" * 5000, "\x00", "\ud800", "a\nb", "a" * 10_000,
    "[", "[[1,2,3]]", "[" * 5000, "0,1,0,1", "0,1,0,1 [EPSG:4326]", "catalogue:", "catalogue:\x00", ".", "/", "/dev/null", "~", "..",
    "a|layername=b", "EPSG:1", "#ff0000"]) | st.just(5000).map(lambda digits: 10**digits)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | ODD
KEYS = st.sampled_from(["path", "name", "crs", "nodata", "open_options", "categories", "date", "layer", "field", "classes", "value", "color", "box",
                        "x"])
ANY = st.recursive(PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8)
CLASSES = st.fixed_dictionaries({"value": PLAIN, "name": PLAIN, "color": PLAIN})
LAYERS = st.fixed_dictionaries({"path": st.sampled_from(["a.tif", "b.gpkg"])}, optional={
    "name": ANY, "crs": ANY, "date": ANY | st.from_regex(r"\A\d{4}-\d\d-\d\d\Z"),
    "nodata": st.lists(st.lists(PLAIN, max_size=2) | st.none(), max_size=2),
    "open_options": st.lists(st.sampled_from(["A=1", "mode=w", "a", "=", "A=\x00"]), max_size=2),
    "categories": st.fixed_dictionaries({"classes": st.lists(CLASSES, max_size=2)})})
TABLES = st.lists(st.lists(PLAIN, max_size=4) | CLASSES, max_size=3)
EXTENTS = st.fixed_dictionaries({"box": st.lists(PLAIN, min_size=3, max_size=5)}, optional={"crs": PLAIN})


@pytest.mark.parametrize("job", JOBS.values(), ids=JOBS.keys())
def test_fuzz_values_of_every_job(job, folder):
    known = some_values(job, folder)
    names = st.sampled_from(sorted(job.parameters())) if job.parameters() else st.text(max_size=3)

    @fuzzed(30)
    @given(st.dictionaries(names, ANY | LAYERS | TABLES | EXTENTS | st.lists(LAYERS, max_size=2), max_size=3))
    def try_values(values):
        try:
            built = job.from_values({**known, **values})
        except JobError as error:
            sentence = str(error)
            assert len(sentence) < 1500
            sentence.encode("utf-8")
            return
        written = json.loads(json.dumps(built.values()))
        assert job.from_values(written) == built or "nan" in repr(built.values())
        json.dumps(built.values(), ensure_ascii=False).encode("utf-8")

    try_values()

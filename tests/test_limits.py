"""Every number that a job takes, at its limits and beyond them: a value that works or a sentence, never a traceback.

Each job runs as the first working case of its file in tests/jobs, with one number changed. A run is stopped after a moment: what it
does not do by then it does in the other tests, and the checks of a number come first.
"""

import math
import os
import time

import pytest

from eo_pretrain_qgis.errors import Cancelled, EOPretrainError, JobError
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.jobs.record import run_job

from .fuzzing import VARIABLE
from .listening import Cancelling
from .test_compliance import some_values
from .test_jobs import CASES, made, resolve  # noqa: F401 - the fixture `made`

#: Seconds after which a run is stopped; `make fuzz` gives each time to come to its end.
MOMENT = 20.0 if VARIABLE in os.environ else 0.4
HOSTILE = (10**400, -10**400, math.nan, math.inf, -math.inf, "x", "", "1e999", "9" * 5000, True, [1, 2], [], {}, {"path": 1}, 2**63, 1e30, -1, 0, 1.5)
WORKING = {}
for job, case in CASES:
    if "expect" in case:
        WORKING.setdefault(job, case["params"])
#: Jobs that learn are left to `make fuzz`: each run would begin with loading torch and a network.
NUMBERS = [(job, name) for job in WORKING for name, param in JOBS[job].parameters().items()
           if param.kind in ("integer", "number") and (JOBS[job].engine != "train" or VARIABLE in os.environ)]
#: Values that are meant for machines larger than those that run the tests.
TOO_LARGE = {("pretrain_barlow_twins", "projector_width", "maximum"): "A projector of 16384 takes 8 GB.",
             ("create_sample", "size", "maximum"): "A landscape of 82 km takes minutes to lay out."}


def beyond(param):
    """Values just outside the limits."""
    if param.kind == "integer":
        return [param.minimum - 1, param.maximum + 1]
    return [value for limit, towards in ((param.minimum, -math.inf), (param.maximum, math.inf))
            if math.isfinite(value := math.nextafter(limit, towards))]


@pytest.mark.parametrize("job", JOBS)
def test_numbers_beyond_their_limits_are_refused(job, folder):
    values = some_values(JOBS[job], folder)
    for name, param in JOBS[job].parameters().items():
        if param.kind not in ("integer", "number"):
            continue
        for value in beyond(param):
            with pytest.raises(JobError) as caught:
                JOBS[job].from_values({**values, name: value})
            assert f"“{param.label}” ({name}) is {value!r}, but must be between" in str(caught.value)
        for value in HOSTILE:
            try:
                read = getattr(JOBS[job].from_values({**values, name: value}), name)
            except JobError as error:
                assert len(str(error)) < 600
                continue
            assert read is None or read == param.default or param.minimum <= read <= param.maximum


@pytest.mark.parametrize(("job", "name"), NUMBERS)
@pytest.mark.parametrize("side", ["minimum", "maximum"])
def test_fuzz_numbers_at_their_limits_work_or_are_refused(job, name, side, made, folder):  # noqa: F811
    if (job, name, side) in TOO_LARGE:
        pytest.skip(TOO_LARGE[job, name, side])
    values = resolve(job, WORKING[job], made, folder)
    before = time.monotonic()
    try:
        built = JOBS[job].from_values({**values, name: getattr(JOBS[job].parameters()[name], side)})
        run_job(built, Cancelling(lambda heard: heard.seconds > MOMENT))
    except EOPretrainError as error:
        assert str(error).endswith("."), error
    except Cancelled:
        pass
    assert time.monotonic() - before < MOMENT + 30, "the work did not notice that it was stopped"

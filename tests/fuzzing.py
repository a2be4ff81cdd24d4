"""How readers are tried with damaged input: seeded, few times in the test suite, often by `make fuzz`."""

import os

from hypothesis import HealthCheck, Phase, settings

#: Set by `make fuzz`: how many mutations each reader gets.
VARIABLE = "EOPRETRAIN_FUZZ"


def fuzzed(few: int = 60):
    """A decorator for tests with `hypothesis.given`: the same mutations in every run, `few` of them unless `make fuzz` asks for more."""
    return settings(max_examples=int(os.environ.get(VARIABLE, few)), derandomize=True, deadline=None, database=None,
                    phases=(Phase.explicit, Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck))

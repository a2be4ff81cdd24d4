"""Everything that trains; needs torch."""

import os

# The threads of a step wait for each other by spinning. Beside another busy program they then spin for each other's time slices: two
# trainings at once on two cores took 17 times as long per step, with short spins 4 times, and alone nothing was lost. Read when torch loads.
os.environ.setdefault("GOMP_SPINCOUNT", "2000")

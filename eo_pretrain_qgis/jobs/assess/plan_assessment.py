"""Plan assessment: class map → how many reference places are needed, drawn by chance, as a layer to be labelled."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import Job, Result, dataset_folder, integer, number, raster, text, vector, vector_output

_ACCURACY = re.compile(r"(.+)=\s*(0?\.\d+|[01](?:\.\d*)?)\s*")


@dataclass(frozen=True)
class PlanAssessment(Job):
    """Draws the places of a class map that must be labelled to know how good it is, by chance in each of its classes, as a layer with a form.

    How many they are follows from the wanted interval of the overall accuracy and from how accurate the classes are thought to be (Olofsson et al.
    2014, equation 13). Rare classes get 50 places, which tells their accuracy to about ± 0.1; the others share the rest by their areas. The places
    are counted before they are drawn, also for other intervals: half the interval takes four times as many.

    Start editing the layer: its form shows the number of the place, lists the classes of the map and has a day and a note. Give each place the
    class that you see in the pixel there, on the ground or on better images of the same time, and the day of that image. The form does not show what
    the map says, which would lead the eye. Places are in an order of chance, so that the first hundred are a sample, too. A place that cannot be told
    stays empty.

    Then run “Assess map”. The layer knows from which map it was drawn, the class of each place in it, and the area of that class; so it can also
    assess a later map of the same ground.

    Give the dataset that the model has learned from, or the labels, and no place is drawn on this ground.
    """

    title = "Draw an assessment sample"
    group = "5 Assess"
    tags = ("stratified random sampling", "sample size", "accuracy", "area estimation", "Olofsson", "reference data", "validation")
    results = {"drawn": Result("number", "Places drawn"),
               "expected_half_width": Result("number", "Half of the 95 % interval that the overall accuracy will have if the classes are as accurate "
                                                       "as expected")}

    class_map: dict = raster("Class map", help="A raster of classes; names and colours come from its symbology, the file, or its values.")
    half_width: float = number("Half width of the interval", default=0.05, minimum=0.001, maximum=0.5,
                               help="Of the 95 % interval of the overall accuracy, from 0 to 1: 0.05 gives 0.85 ± 0.05 and takes about 200 places, "
                                    "0.02 takes 1,230, and more where classes are rare. The messages say the number before places are drawn.")
    expected: float = number("Expected user's accuracy", default=0.85, minimum=0.01, maximum=0.99,
                             help="Share of what the map calls a class that is thought to be that class, 0 to 1. The closer to 0.5, the more places.")
    expected_of_classes: str = text("Expected accuracy of classes", default=None, advanced=True,
                                    help="Where some differ: names or values of classes, such as clearing=0.6, forest=0.95.")
    least: int = integer("Places of a rare class", default=50, minimum=2, maximum=100_000, advanced=True,
                         help="A class with fewer places by its area gets so many.")
    count: int = integer("Places in all", default=None, minimum=4, maximum=1_000_000, advanced=True, help="Empty: as many as the interval needs.")
    dataset: str = dataset_folder("Training dataset", optional=True, help="The dataset that the model of the map has learned from.")
    training_labels: dict = vector("Training labels", optional=True, help="Of a map from “Map from points”: the labels it was learned from.")
    seed: int = tiling.seed()
    output: str = vector_output("Places to label", help="Points with a form. Label them, then run “Assess map”.")

    def check(self) -> None:
        self._accuracies()

    def _accuracies(self) -> dict[str, float]:
        found = {}
        for part in filter(str.strip, (self.expected_of_classes or "").split(",")):
            told = _ACCURACY.fullmatch(part)
            if not told or not 0 < float(told[2]) < 1:
                raise JobError(f"“Expected accuracy of classes” (expected_of_classes) has the part “{part.strip()}”. Write a class and a number "
                               "between 0 and 1, such as forest=0.95, and commas between them.")
            found[told[1].strip()] = float(told[2])
        return found

    def run(self, progress: Progress) -> dict[str, Any]:
        progress.at(0, "Opening the map")
        from ...engine.assessment.ground import Learned
        from ...engine.assessment.planning import Wanted, draw_sample
        from ...engine.mapping.map_survey import ClassMap

        wanted = Wanted(self.half_width, self.expected, self._accuracies(), self.least, self.count, self.seed)
        learned = Learned(self.dataset or "", self.training_labels)
        return {"output": self.output, **draw_sample(ClassMap(self.class_map, progress), wanted, learned, self.output, progress)}

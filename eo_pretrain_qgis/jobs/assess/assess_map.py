"""Assess map: class map + reference points or polygons → accuracy and hectares with intervals, a page, and where the map is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from .. import tiling
from ..spec import Job, Result, attribute, choice, dataset_folder, file, file_output, raster, vector, vector_output

#: Tables of codes that are shipped; keys of `engine.assessment.translation.TABLES`.
CODES = {"lucas": "Codes of LUCAS land cover", "snar": "Codes of Austrian field uses (SNAR)", "hcat": "Codes of EuroCrops (HCAT)"}
DESIGNS = {
    "auto": "Automatic: as the sample itself says",
    "map_classes": "By chance in each class of this map",
    "random": "By chance over the whole map, or on a grid",
    "field": "By chance in strata that a field names",
    "not_random": "Otherwise, without intervals",
}


@dataclass(frozen=True)
class AssessMap(Job):
    """Says how good a class map is, and how many hectares each class really has, with 95 % intervals, from reference points or polygons.

    A map that misses a class here and there gives its area wrong. What is known of a sample of places corrects it (Olofsson et al. 2014): the page
    has the estimated area of each class beside the mapped one, overall, user's and producer's accuracy, and the confusion, weighted by area.

    Intervals need places drawn by chance. “Draw an assessment sample” draws them, and its layer knows from which map and how. Of another layer say
    in “Places were drawn” how that was done; of places chosen by hand there are figures, but no intervals. Where the strata were not the classes of
    this map, the estimator is that of Stehman (2014), and “Stratum field” and “Stratum size field” say which they were and how large.

    Pixels of one polygon are alike. So of each polygon one pixel counts, drawn by chance, or the polygon as a whole; the same holds for points that
    were drawn together (“Group field”).

    Codes of LUCAS, of Austrian field uses (SNAR) and of EuroCrops (HCAT) are known, and which have no class is said. LUCAS points were not drawn for
    this map, so they give figures without intervals.

    Places on ground that the model has learned from are refused: give its dataset, or its labels, if any. Places in another CRS are reprojected.
    """

    title = "Assess map"
    group = "5 Assess"
    tags = ("accuracy", "area estimation", "Olofsson", "confusion matrix", "user's accuracy", "producer's accuracy", "confidence interval",
            "validation", "error matrix", "kappa")
    results = {"overall_accuracy": Result("number", "Overall accuracy, weighted by area, 0 to 1"),
               "overall_half_width": Result("number", "Half of the 95 % interval of the overall accuracy; not there without intervals, or where no "
                                                   "place is wrong"),
               "counted": Result("number", "Reference places that count"),
               "warnings": Result("number", "Warnings in the report")}

    class_map: dict = raster("Class map", help="A raster of classes; names and colours come from its symbology, the file, or its values.")
    reference: dict = vector("Reference", optional=True, help="Points or polygons with a class that was seen on the ground or on better images.")
    class_field: str = attribute("Class field", parent="reference", optional=True,
                                 help="Values or names of the classes of the map. Empty: the field “class” of a sample that was drawn here.")
    design: str = choice("Places were drawn", DESIGNS, default="auto",
                         help="Intervals need places drawn by chance. Automatic: as a sample that was drawn here says, and else without intervals.")
    polygons: str = choice("Polygons count", {"one_pixel": "One pixel of each, drawn by chance", "whole": "Whole, with all pixels in them"},
                           default="one_pixel",
                           help="One pixel counts by the area of its polygon. Both are for polygons that were drawn from a list, all alike. Where a "
                                "point was drawn and a polygon outlined around it, give the point.")
    dataset: str = dataset_folder("Training dataset", optional=True, help="The dataset that the model of the map has learned from.")
    training_labels: dict = vector("Training labels", optional=True, help="Of a map from “Map from points”: the labels it was learned from.")
    lucas: str = file("LUCAS points", "csv", optional=True, advanced=True,
                      help="In place of a reference: the table of points as Eurostat publishes it, with TH_LAT, TH_LONG and LC1.")
    codes: str = choice("Classes of the reference are", {"of_the_map": "Those of the map", **CODES}, default="of_the_map", advanced=True,
                        help="Codes become classes of land cover as in ESA WorldCover, or crops as in TimeSen2Crop, whichever the map has.")
    class_table: str = file("Table of classes", "csv", optional=True, advanced=True,
                            help="A class of the map for each class of the reference, with the headings code,class. An empty class leaves the places "
                                 "out.")
    stratum_field: str = attribute("Stratum field", parent="reference", optional=True, advanced=True, help="In which stratum each place was drawn.")
    stratum_size_field: str = attribute("Stratum size field", parent="reference", optional=True, advanced=True,
                                        help="The area of the stratum of each place, in any unit. Empty: strata are classes of this map.")
    group_field: str = attribute("Group field", parent="reference", optional=True, advanced=True,
                                 help="The same for places that were drawn together, such as points in one field.")
    date_field: str = attribute("Date field", parent="reference", optional=True, advanced=True,
                                help="The day each place was seen. It is compared with the day that the map shows.")
    small_strata: str = choice("Small strata", {"refuse": "Refuse: stop with a message", "merge": "Merge: put them together"}, default="refuse",
                               advanced=True, help="What to do with strata of fewer than two places.")
    foreign_classes: str = choice("Classes the map does not have", {"refuse": "Refuse: stop with a message",
                                                                    "errors": "Errors: each such place is a mistake of the map"},
                                  default="refuse", advanced=True, help="What to do with places of a class that the map does not have.")
    training_ground: str = choice("Places on training ground", {"refuse": "Refuse: stop with a message",
                                                                "leave_out": "Leave out: figures are of the other ground"},
                                  default="refuse", advanced=True, help="What to do with places on ground that the model has learned from.")
    seed: int = tiling.seed()
    output: str = file_output("Report", "html", help="A self-contained page.")
    places: str = vector_output("Places, right or wrong", optional=True, help="The places that count, with the class of the map and the reference.")
    facts: str = file_output("Figures as JSON", "json", optional=True, created=False, advanced=True, help="All figures of the report, for scripts.")

    def _codes(self) -> str:
        """The table by which classes of the reference become those of the map."""
        return self.class_table or ("lucas" if self.lucas else "") or (self.codes if self.codes in CODES else "")

    def check(self) -> None:
        if self.stratum_field and self.design not in ("auto", "field"):
            raise JobError(f"“Stratum field” (stratum_field) is {self.stratum_field}, but “Places were drawn” (design) is {self.design}, which has "
                           "other strata or none. Set it to field, or leave the field empty.")
        if self.stratum_field and self.stratum_field == self.class_field:
            raise JobError(f"“Stratum field” (stratum_field) and “Class field” (class_field) are both {self.stratum_field}, but a stratum is where a "
                           "place was drawn, whatever was seen there. Choose another field, or leave it empty.")
        if self.stratum_size_field and not self.stratum_field:
            raise JobError("“Stratum size field” is given without “Stratum field”. Give both, or leave it empty.")
        if self.class_table and self.codes != "of_the_map":
            raise JobError("“Table of classes” says itself what each code is. Set “Classes of the reference are” to of_the_map, or leave it out.")

    def run(self, progress: Progress) -> dict[str, Any]:
        if bool(self.reference) == bool(self.lucas):
            raise JobError("Give a “Reference” or “LUCAS points”, one of them.")
        progress.at(0, "Opening the map")
        from ...engine.assessment.assessing import Options, assess
        from ...engine.assessment.facts import facts_of, write_facts, write_places
        from ...engine.assessment.ground import Learned
        from ...engine.assessment.lucas import open_lucas
        from ...engine.assessment.page import write_page
        from ...engine.assessment.reference import Fields, open_reference

        fields = Fields(*(name or "" for name in (self.class_field, self.date_field, self.group_field, self.stratum_field, self.stratum_size_field)))
        learned = Learned(self.dataset or "", self.training_labels)
        options = Options(self.design, self.polygons == "whole", self.small_strata == "merge", self.foreign_classes == "errors", learned,
                          self.training_ground == "leave_out", self.seed, self._codes())

        def opened(mapped: Any, said: Progress) -> Any:
            return open_lucas(self.lucas, mapped, said) if self.lucas else open_reference(self.reference, fields, mapped, said)

        found = assess(self.class_map, opened, options, progress.part(0, 0.9))
        progress.at(0.9, "Writing the report")
        facts = facts_of(found)
        write_page(self.output, found, facts)
        if self.facts:
            write_facts(self.facts, facts)
        if self.places:
            write_places(self.places, found, progress)
        overall = facts["overall_accuracy"]
        result = {"output": self.output, "overall_accuracy": overall["value"], "counted": len(found.reference), "warnings": len(found.warnings)}
        result |= {"overall_half_width": overall["half_width"]} if overall["half_width"] else {}
        return {**result, **{name: getattr(self, name) for name in ("facts", "places") if getattr(self, name)}}

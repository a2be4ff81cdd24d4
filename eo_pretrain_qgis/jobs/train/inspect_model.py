"""Inspect model: what a model wants and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ..mapping import BUNDLED, THEMES
from ..spec import Job, Result, file, file_output


@dataclass(frozen=True)
class InspectModel(Job):
    """Shows what a model file wants and gives: bands, units, ranges, resolution, classes, licence, origin and scores.

    Of a model of several runs it names these, their seeds and what each reached alone.

    A model of several targets gives the classes of each. A model from “Pretrain by translation” gives no classes but the bands of another sensor.
    """

    title = "Inspect model"
    group = "3 Train"
    tags = ("ONNX", "metadata", "bands", "classes", "provenance")
    results = {"task": Result("text", "What the model does: segmentation, fields, scene, patch, multilabel, series, tiles in time or translation"),
               "bands": Result("text", "Bands that the model takes, in order"),
               "classes": Result("text", "Names of the classes that the model gives"),
               "targets": Result("text", "Names of its targets, the main one first; empty where it has a single one"),
               "target_bands": Result("text", "Bands that the model gives, where it translates"),
               "resolution": Result("number", "Size of a pixel of the images it was trained on, in metres"),
               "members": Result("number", "Models in the file whose mean it gives; 1 of a single one"),
               "seeds": Result("text", "Seeds of these; empty of a single one"),
               "model_id": Result("text", "Identifier of the model, which its maps name")}

    model: str = file("Model", extension="onnx", words=(*THEMES, BUNDLED),
                      help=f"Written by “Export model”. {', '.join(THEMES)}: the one that comes with the plugin for this theme.")
    output: str = file_output("Description", "html", help="A page that says what the model wants and gives.")
    facts: str = file_output("Description as JSON", "json", optional=True, created=False, help="The same, for scripts.")

    def check(self) -> None:
        if self.model == BUNDLED:
            raise JobError(f"“Model” (model) is {BUNDLED}, and each theme has a bundled model of its own. Give "
                           f"{', '.join(THEMES[:-1])} or {THEMES[-1]}.")

    def run(self, progress: Any) -> dict[str, Any]:
        progress.at(0, "Reading the model")
        from ...engine.models import bundled, package
        from ...engine.models import report as model_report

        model = bundled.of_theme(self.model) if self.model in THEMES else package.open(self.model)
        model_report.write_html(model, self.output)
        written = {"output": self.output}
        if self.facts:
            model_report.write_json(model, self.facts)
            written["facts"] = self.facts
        return {**written, "task": model.task, "bands": "; ".join(", ".join(seen.names) for seen in model.inputs.values()),
                "target_bands": ", ".join(band.name for band in model.targets), "classes": ", ".join(row.name for row in model.classes),
                "targets": ", ".join([model.record.target_name, *model.further]) if model.further else "",
                "members": len(model.record.members) or 1, "seeds": ", ".join(str(one.seed) for one in model.record.members),
                "resolution": model.resolution_m[0], "model_id": model.id}

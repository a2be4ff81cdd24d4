"""Export model: run folder → one self-describing .onnx file."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from typing import Any

from ...errors import JobError
from ...progress import Progress
from .. import training
from ..spec import Job, Result, file_output, files, integer, number, text, trained_run
from ..suggestions import LICENCES, sensor_of

#: Pixels that most networks make one of.
STEP = 32


@dataclass(frozen=True)
class ExportModel(Job):
    """Writes a trained model as one .onnx file that knows its bands, scaling, classes, colours, licence and origin.

    A model of classes of whole images or patches takes images of the size it learned from; “Predict map” makes a square of the map of each.

    Where the dataset of the run is still there, the file also holds some training samples, so that “Predict map” can show where an image is like
    them. Models of series hold none, nor do those that can do without one of two sensors. The file says where and when the training images were
    taken, as boxes, dates and sensors, which “Inspect model” shows; give it away only where this may be known.

    Of “More runs of the same training” one file is made that runs all of them: it gives the mean of their probabilities, which is often a
    little better than one of them, and how much they disagree, which “Predict map” shows. A map takes as many times as long.

    The file takes raw band values and is refused unless its results equal the network's to 1e-4. “Predict map” takes it as it is; other
    programs, such as the plugin Deepness, open models of a fixed tile only, and do not know nodata. A model of series takes the values of the dates
    and their days. Of a run of “Pretrain by translation” the direction is chosen: each of its two sensors can be the one the model takes.
    """

    title = "Export model"
    group = "3 Train"
    tags = ("ONNX", "deploy", "share", "STAC", "Deepness")
    engine = "train"
    engine_words = training.READS_RUNS
    results = {"largest_difference": Result("number", "Largest difference between the results of the file and of the network"),
               "model_id": Result("text", "Identifier of the model, which its maps name")}

    run_folder: str = trained_run("Run folder", help="Made by “Fine-tune a model” or “Pretrain by translation”.")
    more_runs: list = files("More runs of the same training", extension="json", main_file="run.json", optional=True,
                            help="run.json in the folders of runs that differ in their seed, best three to five in all. The file then holds all of "
                                 "them. In a model: the “run.json” of the steps that train them.")
    source_sensor: str = text("Translate from", default=None, **sensor_of("run_folder"),
                              advanced=True,
                              help="Of a translation: the sensor the model takes, by its name in the report, such as s1. Empty: the first.")
    model_name: str = text("Model name", default=None, help="Empty: the name of the dataset and the encoder.")
    licence: str = text("Licence", default="not stated", **LICENCES, help="What others may do with the model, such as CC-BY-4.0.")
    fixed_tile: int = integer("Fixed tile [px]", default=None, minimum=64, maximum=2048, advanced=True,
                              help="For Deepness and other programs that open models of one tile size only: a multiple of 32, such as 256 or 512, "
                                   "best four times the border the model needs. Empty: tiles of any size.")
    tolerance: float = number("Largest difference allowed", default=1e-4, minimum=1e-7, maximum=1e-2, advanced=True,
                              help="Between a probability (0 to 1) in PyTorch and in ONNX Runtime. A model that differs more is refused.")
    output: str = file_output("Model", "onnx", help="The file that “Predict map” and the other maps take.")

    def check(self) -> None:
        if self.fixed_tile and self.fixed_tile % STEP:
            below = self.fixed_tile // STEP * STEP
            raise JobError(f"“Fixed tile [px]” (fixed_tile) is {self.fixed_tile}, but networks halve their images five times. Choose a multiple "
                           f"of {STEP}, such as {below} or {below + STEP}.")

    def engines(self) -> tuple[str, ...]:
        """See `Job.engines`."""
        kept = {training.kept_engine(folder) for folder in (self.run_folder, *map(os.path.dirname, self.more_runs or ()))}
        return ("train" if "train" in kept else "predict",)

    def run(self, progress: Progress) -> dict:
        from ...engine.models import package
        from ...engine.models.fixed_tile import write_fixed_tile
        from ...engine.runs.run_folder import RunFolder
        from ...version import plugin_version

        run = RunFolder.open(self.run_folder)
        if self.source_sensor and run.method != "translation":
            raise JobError(f"The run {self.run_folder} translates nothing, so “Translate from” (source_sensor) has no meaning for it. "
                           "Leave it empty, or choose a run of “Pretrain by translation”.")
        if self.fixed_tile and any("t" in seen.axes for seen in run.inputs.values()):
            raise JobError(f"The run {self.run_folder} is of series of dates, whose models take any number of them. Leave “Fixed tile” empty.")
        asked: dict[str, Any] = {"name": self.model_name, "licence": self.licence, "plugin_version": plugin_version()}
        with tempfile.TemporaryDirectory() as aside:
            target = os.path.join(aside, "model.onnx") if self.fixed_tile else self.output
            facts = self._written(run, target, asked, progress.part(0, 0.95) if self.fixed_tile else progress)
            if self.fixed_tile:
                write_fixed_tile(package.open(target), self.fixed_tile, self.output, self.tolerance, progress)
        return {"output": self.output, **facts}

    def _written(self, run: Any, target: str, asked: dict[str, Any], progress: Progress) -> dict[str, Any]:
        if self.more_runs:
            return self._of_several(target, asked, progress)
        if run.kept in training.SIMPLE:
            from ...engine.runs.simple import export_simple

            return export_simple(run, target, tolerance=self.tolerance, progress=progress, **asked)
        progress.at(0, training.LOADING)
        from ...engine.learning.export import export_run
        from ...engine.learning.loop.runs import Run
        from ...engine.learning.pretraining.translation.export import export_translation

        asked |= {"tolerance": self.tolerance, "progress": progress}
        if run.method == "translation":
            return export_translation(Run.open(run.folder), target, source=self.source_sensor, **asked)
        return export_run(run.folder, target, **asked)

    def _of_several(self, target: str, asked: dict[str, Any], progress: Progress) -> dict[str, Any]:
        from ...engine.runs.members import Asked, export_simple_members, runs_of

        runs = runs_of(self.run_folder, self.more_runs)
        of_file = Asked(target, tolerance=self.tolerance, **asked)
        if runs[0].kept in training.SIMPLE:
            return export_simple_members(runs, of_file, progress)
        progress.at(0, training.LOADING)
        from ...engine.learning.ensembles import export_members

        return export_members(runs, of_file, progress)

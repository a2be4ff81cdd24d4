"""Evaluate model: a run on a split it has not trained on, beside two baselines."""

from __future__ import annotations

from dataclasses import dataclass

from ...errors import JobError
from ...progress import Progress
from .. import mapping, training
from ..spec import (
    LARGEST_SEED,
    Job,
    Result,
    attribute,
    choice,
    dataset_folder,
    file,
    file_output,
    integer,
    text,
    trained_run,
    vector,
    vector_output,
)
from ..suggestions import sensor_of

#: Figures by their names in the results.
FIGURES = {"mean_iou": "Mean intersection over union (IoU)", "overall_accuracy": "Overall accuracy", "mean_f1": "Mean F1 score",
           "average_precision": "Mean average precision"}
#: Of whole objects, where pixels make some.
OBJECTS = {"precision": "Precision", "recall": "Recall", "f1": "F1 score"}
COMPARED = {"": "the model", "majority_": "a map of the most frequent class alone", "statistics_": "a regression on statistics of the bands",
            "boosting_": "boosted trees on statistics of the bands", "angle_": "a regression on the incidence angle alone",
            "gaussian_angle_": "a Gaussian classifier with the incidence angle"}


@dataclass(frozen=True)
class EvaluateModel(Job):
    """Measures a trained model on the test tiles: IoU and F1 per class and the confusion, beside three simple classifiers.

    These are the majority class, and a logistic regression and boosted trees on statistics of whitened bands around each pixel, all learned from
    the same labels as the model. A network that does not beat them has learned nothing worth its cost. For classes of whole images the
    figures are overall accuracy and F1, or the micro mean average precision where there are several classes, and the statistics are
    those of the image. Of radar images with an incidence angle the angle alone stands beside them too, and of patches Lohse's Gaussian classifier
    with the angle. Of a run with several targets the report has the same figures of each, and the results are those of the main one.

    A “Model of several runs” is measured as a file: its figures beside those of its members, each measured alone, tell what their mean is worth.

    Series of dates are measured by parcel where the dataset has parcels, and once more as the season goes on: with all dates after a day hidden.

    A class per pixel is computed as in a map, in blocks of the images that the tiles were cut from, so that a map has the same figures. Where an
    image is gone or has changed, neighbouring tiles of the dataset stand in for what lies around a tile, and the report says so.

    Figures have 95 % intervals where there are five blocks or more: scenes, else squares of ground, else tiles, of which 200 resamples are drawn
    whole. The report also tells them by scene, by date and month, by region, by thirds of the incidence angle, and for roads by how complete their
    map is, as far as the dataset knows these. “Errors of each tile” is a layer that shows where the model is wrong.

    How far the tests are from training is told in three parts: areas apart from training, images without training data, and independent points where
    they are given, each with its least distance in metres. Points on ground that was learned from are left out.

    Roads are judged as lines, too: precision and recall with a tolerance of 1 and 3 pixels, by how complete the map of roads is, and against another
    source where one is given. What the model finds and the map lacks is told in kilometres, with places to be judged by eye.

    A dataset may keep named subsets apart from training and test, such as patches under clouds. With “Subset” these are measured, and the report
    has the figures of the other tiles beside them: what clear ground promises and clouds leave of it.

    Of fields whole fields are counted, too: precision, recall and F1 at an overlap of half (IoU .5), beside the same of the simple classifiers and
    of a watershed on the gradients of the image.
    """

    title = "Evaluate model"
    group = "3 Train"
    tags = ("accuracy", "confusion matrix", "IoU", "F1", "baseline", "validation", "test", "precision", "recall")
    engine = "train"
    engine_words = training.READS_RUNS
    results = {**{who + figure: Result("number", f"{what} of {whose}, 0 to 1")
                  for figure, what in FIGURES.items() for who, whose in COMPARED.items()},
               **{f"object_{figure}": Result("number", f"{what} of the fields that the model finds, 0 to 1") for figure, what in OBJECTS.items()}}

    run_folder: str = trained_run("Run folder", help="Made by “Fine-tune a model”.")
    dataset: str = dataset_folder("Dataset", optional=True, help="Another dataset with the same bands and classes. Empty: the one of the run.")
    split: str = choice("Split", {**training.TEST, **training.VALIDATION, "all": "All tiles, of another dataset"}, default="test",
                        help="Which tiles are measured. All of them only of another dataset, on scenes that the run has not seen.")
    points: dict = vector("Independent points", optional=True,
                          help="A point layer such as LUCAS, whose classes have the names or values of those of the model. For classes of pixels.")
    point_field: str = attribute("Class field of the points", parent="points", optional=True, help="The field that holds the class of each point.")
    model: str = file("Model of several runs", "onnx", optional=True, advanced=True,
                      help="Written by “Export model” from this run and others of the same training: the file is measured in place of the run.")
    subset: str = text("Subset", default=None, advanced=True,
                       help="Name of a subset of the dataset, such as clouds, whose tiles are measured in place of the others: those at the places "
                            "of the split, or with “all” every one, for nothing learns from them. “Describe dataset” lists the subsets.")
    sensors: str = text("Sensors", default="all", advanced=True, **sensor_of("run_folder"),
                        help="Of a run that joins two sensors by the fusion “gated” or “mean_of_heads”: “all”, or the name of one, such as s1, to "
                             "see how good the model is where the other is missing.")
    lucas: str = file("LUCAS points", "csv", optional=True, advanced=True,
                      help="In place of independent points: the table as Eurostat publishes it, with TH_LAT, TH_LONG and LC1. Its codes become "
                           "classes of land cover as ESA WorldCover has them, or crops as TimeSen2Crop has them, whichever the model has.")
    class_table: str = file("Table of classes", "csv", optional=True, advanced=True,
                            help="A class of the model for each class or code of the points, with the headings code,class; an empty class leaves the "
                                 "points out.")
    reference_lines: dict = vector("Reference lines", optional=True, advanced=True,
                                   help="Of roads: lines of another source, such as a road register, against which labels and model are held alike.")
    judged: dict = vector("Judged places", optional=True, advanced=True,
                          help="Of roads: “Places where the map may lack a road” of this run, with yes or no in the field “is_road”.")
    seed: int = integer("Seed", default=0, minimum=0, maximum=LARGEST_SEED, advanced=True,
                        help="A number that stands for chance, when places are drawn.")
    batch_size: int = integer("Batch size", default=8, minimum=1, maximum=1024, advanced=True,
                              help="Images at once, where each has a class as a whole. Of pixels one block is computed at a time.")
    device: str = mapping.device()
    output: str = file_output("Report", "html", help="A page with the figures, beside those of simple classifiers.")
    errors: str = vector_output("Errors of each tile", optional=True, created=False,
                                help="The tiles with the share that the model gets wrong, beside that of each simple classifier.")
    places: str = vector_output("Places where the map may lack a road", optional=True, created=False, advanced=True,
                                help="Of roads: 50 places, drawn where the model found a road and the labels have none near, to be judged by eye.")
    facts: str = file_output("Figures as JSON", "json", optional=True, created=False, advanced=True,
                             help="All figures of the report, for scripts.")

    def engines(self) -> tuple[str, ...]:
        """See `Job.engines`."""
        return ("predict" if self.model else training.kept_engine(self.run_folder),)

    def _measured(self, progress: Progress) -> tuple[dict, list[str]]:
        from ...engine.runs.further import Further

        further = Further(self.errors or "", self.reference_lines, self.places or "", self.points, self.point_field, self.judged, self.seed,
                          self.lucas or "", self.class_table or "", (self.subset or "").strip())
        if self.model:
            from ...engine.runs.file_answers import measure_file

            return measure_file(self.model, self.run_folder, self.dataset, self.split, progress, further, self.device)
        if training.kept_engine(self.run_folder) == "predict":
            from ...engine.runs.evaluation import measure_classifier
            from ...engine.runs.fusing import hidden_inputs
            from ...engine.runs.run_folder import RunFolder

            hidden_inputs(RunFolder.open(self.run_folder), self.sensors)
            return measure_classifier(self.run_folder, self.dataset, self.split, progress, further)
        progress.at(0, training.LOADING)
        from ...engine.learning.finetuning.evaluation import evaluate_run

        return evaluate_run(self.run_folder, self.dataset, self.split, self.batch_size, self.device, progress, self.sensors, further)

    def check(self) -> None:
        if self.model and self.sensors != "all":
            raise JobError(f"“Sensors” (sensors) is {self.sensors}, and a model of several runs is measured with all that it takes. Leave it at "
                           "“all”, or leave “Model of several runs” (model) empty.")
        if self.points and self.lucas:
            raise JobError("“Independent points” (points) and “LUCAS points” (lucas) are both given. Give one of them.")
        if self.class_table and not (self.points or self.lucas):
            raise JobError("“Table of classes” (class_table) is given without points. Give independent points or LUCAS points, or leave it empty.")
        if self.split == "all" and not (self.dataset or self.subset):
            raise JobError("“all” would measure on the tiles the run learned from. Give another dataset, or choose the test split.")

    def run(self, progress: Progress) -> dict:
        from ...engine.runs.evaluation import write_evaluation
        from ...engine.runs.further import tiles_words

        facts, sections = self._measured(progress)
        write_evaluation(facts, sections, self.output, self.facts)
        words = facts["score"].replace("_", " ").capitalize().replace("iou", "IoU")
        compared = [who for who in COMPARED if (who[:-1] or "model") in facts]
        found, where = {who: facts[who[:-1] or "model"][facts["score"]] for who in compared}, tiles_words(self.split, facts.get("subset", ""))
        if found[""] is None:
            progress.message(f"{where.capitalize()} hold no labels, so nothing was measured. Choose another split or dataset.", "warning")
        else:
            ends = facts["model"]["intervals"][facts["score"]]
            told = f" (95 % interval {ends[0]:.3f} to {ends[1]:.3f})" if ends else ""
            progress.message(f"{words} on {where}: {found['']:.3f}{told}; " + ", ".join(
                f"{COMPARED[who]} {score:.3f}" for who, score in found.items() if who) + ".")
        for row in facts.get("targets", ()):
            others = [f"{COMPARED[who]} {row[who[:-1] or 'model'][facts['score']]:.3f}" for who in COMPARED
                      if row.get(who[:-1] or "model", {}).get(facts["score"]) is not None]
            progress.message(f"Target “{row['name']}”, {words}: {', '.join(others) or 'no label, so nothing was measured'}.")
        kept = [(who, figure) for who in compared for figure in FIGURES if figure in facts[who[:-1] or "model"]]
        result = {"output": self.output, **{who + figure: facts[who[:-1] or "model"][figure] for who, figure in kept}}
        objects = facts.get("objects", {}).get("model", {})
        result |= {f"object_{figure}": objects[figure] for figure in OBJECTS if objects.get(figure) is not None}
        return result | {name: getattr(self, name) for name in ("errors", "places", "facts") if getattr(self, name)}

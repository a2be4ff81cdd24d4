"""The run folder: what was trained, on what, with which settings, and which of its models is kept."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import msgspec

from ...errors import DataError, ModelError, listed
from ...outputs import new_file, refuse_used
from ..cards import Input, Inputs
from ..datasets.dataset import Dataset
from ..datasets.visible import for_inputs
from ..datasets.whereabouts import learned_from
from ..records import checked, json_text
from ..tasks import require
from .run_record import FORMAT, RECORDS, VERSION, RunRecord, read_card
from .settings_table import refuse_others

CARD, WEIGHTS, ENCODER, CHECKPOINT = "run.json", "best.safetensors", "encoder.safetensors", os.path.join("last", "checkpoint.pt")
CLASSIFIER, REPORT = "classifier.onnx", "report.html"
NETWORK = "network"
#: May differ when a run is continued: they do not change what an epoch does.
FREE_SETTINGS = ("epochs", "device")
#: What dataset and settings decide: the checkpoint of a run that says something else would not fit.
FIXED = ("task", "encoder", "architecture", "inputs", "classes", "resolution_m", "tile_size", "mode", "blocks", "tasks", "target", "targets",
         "fusion")
#: Of these what training or the place of the dataset decides, what is words, or what cards of version 1 did not say of a second sensor.
FREE = ("centre", "spread", "slope", "dataset", "kind", "preset")


@dataclass(frozen=True)
class RunFolder:
    """A run folder and its card (run.json)."""

    folder: str
    card: dict[str, Any]

    @classmethod
    def open(cls, folder: str) -> Self:
        """Opens the folder of a run.

        Raises:
            DataError: when it is none, or one of a newer version.
        """
        path = os.path.join(folder, CARD)
        if not os.path.isfile(path):
            raise DataError(f"{folder} is not a run folder: it has no {CARD}. Choose a folder made by “Fine-tune a model”.")
        card = read_card(path)
        method = card.get("method", "finetune")
        record = RECORDS.get(method, RunRecord) if isinstance(method, str) else RunRecord
        checked(card, record, path, DataError, "Copy the run folder again, or train again.")
        return cls(folder, card)

    @classmethod
    def begin(cls, folder: str, card: dict[str, Any], labels: Mapping[str, Any] | None = None) -> Self:
        """The run in `folder`, to continue, or a new one whose card is not yet written.

        Args:
            folder: new, or that of a run.
            card: of a new run, see `first_card`.
            labels: what the dialog calls the settings, see `settings_table`.

        Raises:
            DataError: when the folder holds other files, or a run of another method, with other settings or on other datasets.
        """
        if not os.path.exists(os.path.join(folder, CARD)):
            refuse_used(folder)
            return cls(folder, card)
        run = cls.open(folder)
        if run.method != card["method"]:
            raise DataError(f"The folder {folder} holds a run of “{run.method}”, not of “{card['method']}”. Choose a new folder.")
        fixed = {name: value for name, value in card["settings"].items() if name not in FREE_SETTINGS}
        refuse_others(folder, f"{'a' if run.finished else 'an unfinished'} run", run.card["settings"], fixed, labels or {})
        if [source["checksum"] for source in run.datasets] != [source["checksum"] for source in card["datasets"]]:
            raise DataError(f"The folder {folder} holds a run on another dataset ({run.datasets[0]['path']}), or that dataset has "
                            "changed. Choose a new folder.")
        for name in FIXED:
            if name in card and not _agree(run.card.get(name), card[name]):
                raise DataError(f"{os.path.join(folder, CARD)} says something else of “{name}” than a run with these settings. Copy the run folder "
                                "again, or choose a new folder.")
        for ours, new in zip(run.card["inputs"], card["inputs"], strict=True):
            ours["preset"] = new["preset"]  # version 1 did not know that of a second sensor
        return run

    def path(self, name: str) -> str:
        """Path of a file in the folder."""
        return os.path.join(self.folder, name)

    @property
    def finished(self) -> bool:
        """Whether training came to its end."""
        return self.card["state"] == "finished"

    @property
    def method(self) -> str:
        """How it learned: “finetune”, “inpainting”, “barlow twins”, “translation” or “multitask”."""
        return self.card.get("method", "finetune")

    @property
    def datasets(self) -> list[dict[str, Any]]:
        """Name, path and checksum of what it learned from."""
        return self.card.get("datasets", [self.card["dataset"]])

    @property
    def inputs(self) -> Inputs:
        """What the network sees, by name."""
        return {row.name: row for row in msgspec.convert(self.card["inputs"], list[Input])}

    @property
    def class_names(self) -> list[str]:
        """Names of the classes in the order of the network's output."""
        return [entry["name"] for entry in self.card["classes"]]

    @property
    def target_names(self) -> list[str]:
        """Names of its targets, the main one first; none where it has a single one."""
        further = self.card.get("targets", ())
        return [self.card["target"], *(row["name"] for row in further)] if further else []

    @property
    def heads(self) -> tuple[int, ...]:
        """How many of the network's classes are of each target, the main one first."""
        return (len(self.card["classes"]), *(len(row["classes"]) for row in self.card.get("targets", ())))

    @property
    def kept(self) -> str:
        """The approach whose model is kept: a key of `classifiers.CLASSIFIERS`, or `NETWORK`."""
        return self.card.get("kept", NETWORK)

    @property
    def model_sha256(self) -> str:
        """Checksum of the model that is kept."""
        return self.card["weights_sha256" if self.kept == NETWORK else "classifier_sha256"]

    def refuse_without_classes(self) -> None:
        """Refuses a run that did not learn classes.

        Raises:
            ModelError: saying what it is good for.
        """
        if self.method != "finetune":
            raise ModelError(f"The run {self.folder} learned by {self.method} and knows no classes yet. "
                             "Give it to “Fine-tune a model” as starting weights, and choose the run that comes out.")

    def update(self, **facts: Any) -> None:
        """Changes the card and writes it."""
        self.card.update(facts)
        os.makedirs(self.folder, exist_ok=True)
        write_json(self.path(CARD), self.card)

    def open_dataset(self, folder: str | None = None) -> Dataset:
        """The dataset of the run, or another one with the same bands and classes, with the targets that the run learned.

        Raises:
            DataError: when it is gone, or its task, its targets, its classes, or the bands of all its sensors or their units are not those of the
                run.
            ModelError: the run did not learn classes.
        """
        self.refuse_without_classes()
        where = folder or self.card["dataset"]["path"]
        if folder is None and not os.path.isdir(where):
            raise DataError(f"The dataset {where} of the run {self.folder} is no longer there. Give its present place as “Dataset”.")
        dataset = Dataset.open(where)
        require(dataset, [self.card["task"]], f"the run {self.folder}")
        self._check_sensors(dataset)
        names, each = self.target_names, dataset.each_target()
        if names and names != [one.target for one in each]:
            raise DataError(f"The targets of the dataset {where} are {_list([one.target for one in each]) or 'without a name'}, but the run "
                            f"{self.folder} learned {_list(names)}. Choose a dataset made with the same targets in the same order.")
        for one, classes in zip(each, [self.card["classes"], *(row["classes"] for row in self.card.get("targets", ()))]):
            ours, theirs = [(c["value"], c["name"]) for c in classes], [(c.value, c.name) for c in one.classes]
            if ours != theirs:
                raise DataError(f"The classes of the dataset {one.called} are {_list(theirs)}, but the run {self.folder} learned {_list(ours)}. "
                                "Choose a dataset made with the same classes.")
        return for_inputs(dataset if names else each[0], self.inputs)


    def _check_sensors(self, dataset: Dataset) -> None:
        """Refuses a dataset without images that the model needs; of those that it can do without one must be there."""
        inputs = list(self.inputs.values())
        lacking = [seen for seen in inputs if dataset.find(seen) is None]
        if len(inputs) == 1 or any(seen.sensor in [sensor.name for sensor in dataset.sensors] for seen in lacking) or len(lacking) == len(inputs):
            for seen in lacking:
                dataset.sensor_of(seen)
        elif lacking and not (lacking[0].optional and self.kept == NETWORK):
            how = f"the fusion “{self.card['fusion']}”" if self.kept == NETWORK else "a simple classifier of both"
            raise DataError(f"The run {self.folder} needs images of {listed(self.inputs)} ({how}), and the dataset {dataset.folder} has none of "
                            f"{lacking[0].sensor}. Choose a dataset of both, or a run with the fusion “gated” or “mean_of_heads”.")


def write_json(path: str, content: dict) -> None:
    """Writes a JSON file aside and renames it; what is no number, such as the score of a class that nobody saw, becomes null."""
    with new_file(path) as part, open(part, "w", encoding="utf-8") as stream:
        stream.write(json_text(content))


def first_card(method: str, datasets: Sequence[Dataset], inputs: Inputs, settings: dict[str, Any]) -> dict[str, Any]:
    """The card of a new run; classes and tiles are those of the first dataset."""
    dataset = datasets[0]
    sources = [{"name": source.name, "path": os.path.abspath(source.folder), "checksum": source.checksum,
                **({"simulated": True} if source.simulated else {})} for source in datasets]
    return {
        "format": FORMAT, "version": VERSION, "state": "training", "method": method, "task": dataset.task,
        "inputs": [asdict(one) for one in inputs.values()], "resolution_m": dataset.description["resolution_m"],
        "classes": [asdict(entry) for entry in dataset.classes], "tile_size": dataset.tile_size,
        "dataset": sources[0], "datasets": sources,
        "settings": settings, "seed": settings["seed"], "start": None, "metrics": {}, "epochs_run": 0,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "learned_from": learned_from(*datasets),
    }


def _agree(before: Any, now: Any) -> bool:
    """Whether a value of a card is that of a new one, whatever was added since."""
    if isinstance(now, dict):
        return isinstance(before, dict) and all(_agree(before.get(key), value) for key, value in now.items() if key not in FREE)
    if isinstance(now, (list, tuple)):
        return isinstance(before, list) and len(before) == len(now) and all(map(_agree, before, now))
    return before == now


def _list(values: list) -> str:
    return ", ".join(str(value) for value in values)

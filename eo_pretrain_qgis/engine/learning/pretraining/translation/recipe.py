"""Pretraining by translation: unlabelled tiles of two sensors → generators that make each from the other, and their encoders."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import nn

from .....errors import DataError, ModelError
from .....progress import SILENT, Progress
from ....datasets.dataset import Dataset
from ...loop.checkpoints import load_tensors
from ...loop.device import pick_device, pick_precision
from ...loop.runs import CHECKPOINT, WEIGHTS, Run, band_cards
from ...loop.training import Course, Plan
from ...loop.training_runs import train
from ...networks.encoders import check_encoder_name
from ...networks.starting_weights import start_from
from .figures import LinearBaseline
from .generators import BandScaling, build_generator
from .method import DiscriminatorPair, GeneratorPair, LossWeights, Translation, same_bands
from .report import baseline_card, sample_tiles, translation_pictures, translation_sections
from .sensor_tiles import PairReader, SensorReader

#: Training tiles of a sensor below which nothing is learned.
FEWEST_TILES = 4
#: Tiles from which on most pixels of a U-Net five levels deep lie clear of the border [px].
WIDE_TILE = 128
METHOD = "translation"


@dataclass(frozen=True)
class Settings:
    """What can be chosen; the names are those of the job `pretrain_translation`, which explains them."""

    mode: str = "paired"
    generator: str = "unet"
    encoder: str = "resnet18"
    start: str | None = None
    second_start: str | None = None
    epochs: int = 60
    batch_size: int = 4
    crop: int | None = None
    learning_rate: float = 2e-4
    adversarial_weight: float = 1.0
    paired_weight: float = 100.0
    cycle_weight: float = 10.0
    identity_weight: float = 0.5
    history: int = 50
    generator_width: int = 64
    discriminator_width: int = 64
    augmentation: str = "flips"
    precision: str = "auto"
    device: str = "auto"
    seed: int = 1


def pretrain_translation(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains both generators, or continues the run in `output`, or says that it is finished.

    Returns:
        What `training_runs.train` gives, ``second_encoder``, and ``validation_error`` where there are validation tiles; no encoders
        where the generators have none that other runs could use.

    Raises:
        DataError: the dataset does not suit the mode, or `output` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    pick_precision(settings.precision, pick_device(settings.device))  # the quickest refusals first
    dataset = Dataset.open(dataset_folder)
    check_translatable(dataset, settings)
    if settings.generator == "unet":
        check_encoder_name(settings.encoder)
    result = train(output, TranslationRecipe(dataset, settings), progress)
    return {name: value for name, value in result.items() if value is not None}


def check_translatable(dataset: Dataset, settings: Settings) -> None:
    """Refuses a dataset from which no translation can be learned in this mode.

    Raises:
        DataError: one sensor, unpaired tiles in the paired mode, tiles on two grids, too few of them, or nothing but one value.
    """
    where = dataset.folder
    if len(dataset.sensors) < 2:
        raise DataError(f"The dataset {where} has images of one sensor only ({dataset.sensor.name}), and a translation is between two. "
                        "Make one with “Create pretraining dataset” and give it “Images of a second sensor”.")
    first, second = dataset.sensors[:2]
    tiles = [dataset.indices("training", sensor.name) for sensor in (first, second)]
    if settings.mode == "paired":
        if not len(np.intersect1d(dataset.indices("all", first.name), dataset.indices("all", second.name))):
            raise DataError(f"No tile of {where} holds both {first.name} and {second.name}: the dataset is unpaired, so the paired mode has "
                            "no truth to learn from. Choose the mode “unpaired”, or make the dataset anew with paired images.")
        tiles = [np.intersect1d(tiles[0], tiles[1])] * 2
    for sensor, found in zip((first, second), tiles):
        if len(found) < FEWEST_TILES:
            raise DataError(f"The dataset {where} has {len(found)} training tile(s) of {sensor.name}, and a translation needs at least "
                            f"{FEWEST_TILES} of each sensor. Add images, or cut smaller tiles or tiles that overlap.")
        if not any(dataset.statistics[sensor.name][band.name]["std"] for band in sensor.bands):
            raise DataError(f"All training tiles of {sensor.name} in {where} hold one and the same value, so there is nothing to translate. "
                            "Choose other images, or check their nodata value.")
    if settings.crop and settings.crop > dataset.tile_size:
        raise DataError(f"The crop of {settings.crop} px is larger than the tiles of {where} ({dataset.tile_size} px). "
                        f"Choose a crop of at most {dataset.tile_size} px.")


class TranslationRecipe:
    """The recipe: tiles of two sensors make two generators."""

    method_name = METHOD

    def __init__(self, dataset: Dataset, settings: Settings) -> None:
        self.dataset, self.settings = dataset, settings
        self.sensors = dataset.sensors[:2]
        self.bands = (band_cards(dataset, self.sensors[0]), band_cards(dataset, self.sensors[1]))
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The one dataset."""
        return (self.dataset,)

    def card(self) -> dict[str, Any]:
        """Generator, encoder, and both sensors with their bands."""
        chosen = self.settings
        return {"architecture": chosen.generator, "encoder": chosen.encoder if chosen.generator == "unet" else "", "mode": chosen.mode,
                "sensors": [{"name": sensor.name, "preset": sensor.preset, "bands": bands} for sensor, bands in zip(self.sensors, self.bands)]}

    def plan(self) -> Plan:
        """Adam at a rate that is constant and then falls along a line, without early stopping (arXiv 1703.10593, §4 and §7.1)."""
        chosen = self.settings
        return Plan(chosen.epochs, chosen.learning_rate, 0.0, 0, chosen.epochs, chosen.seed, optimizer="adam", betas=(0.5, 0.999),
                    schedule="linear", clip_norm=None)

    def build(self, run: Run, fabric: Fabric, progress: Progress) -> Translation:
        """Generators with their starting weights, discriminators, and what both learn from."""
        chosen, paired = self.settings, self.settings.mode == "paired"
        side = chosen.crop or self.dataset.tile_size
        generators = build_generators(run.card)
        self._start(run, generators, progress)
        numbers = (len(self.bands[0]), len(self.bands[1]))
        discriminators = None
        if chosen.adversarial_weight > 0:
            seen = (sum(numbers),) * 2 if paired else numbers
            discriminators = DiscriminatorPair(seen, side, chosen.discriminator_width, 0 if paired else chosen.history)
        scalings = (BandScaling(self.bands[0]).to(fabric.device), BandScaling(self.bands[1]).to(fabric.device))
        readers = (SensorReader(self.dataset, self.sensors[0], scalings[0]), SensorReader(self.dataset, self.sensors[1], scalings[1]))
        reader = PairReader(readers, paired=paired, batch_size=chosen.batch_size, crop=chosen.crop, turn=chosen.augmentation == "flips",
                            rank=fabric.global_rank, processes=fabric.world_size)
        self._tell(progress)
        if "baseline" not in run.card:
            run.card["baseline"] = self._baseline(reader, progress.part(0, 0.01))
        weights = LossWeights(chosen.adversarial_weight, chosen.paired_weight, chosen.cycle_weight, chosen.identity_weight)
        return Translation(generators, discriminators, reader, scalings, self.bands, weights, fabric.autocast)

    def save(self, run: Run, method: Translation, sums: np.ndarray) -> None:
        """Both generators, and the encoder of each as of the sensor it sees."""
        run.card["sums"] = baseline_card(method.sums(sums))
        run.save_network(method.generators)
        if self.settings.generator != "unet":
            return
        generators = (method.generators.forth, method.generators.back)
        for generator, card in zip(generators, run.card["sensors"]):
            facts = {"sensor": card["name"], "preset": card["preset"], "bands": card["bands"]}
            run.save_encoder(generator.encoder, f"encoder_{card['name']}", **facts)  # type: ignore[arg-type]
        run.save_encoder(generators[0].encoder)  # type: ignore[arg-type]

    def load_best(self, run: Run, method: Translation) -> None:
        """The best weights back into the generators."""
        method.generators.load_state_dict(load_tensors(run.path(WEIGHTS)))

    def sections(self, run: Run, method: Translation, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            self.pictures = translation_pictures(method, sample_tiles(method))
        return translation_sections(run, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """The second encoder and the error."""
        found = {"validation_error": run.card["metrics"].get("validation_error")}
        if self.settings.generator != "unet":
            return {**found, "encoder": None}
        return {**found, "second_encoder": run.path(f"encoder_{self.sensors[1].name}.safetensors")}

    def _baseline(self, reader: PairReader, progress: Progress) -> list[dict[str, Any]] | None:
        """Errors of the regression, where there are pairs to fit and to measure it on."""
        if not len(reader.common("training")) or not len(reader.common("validation")):
            return None
        return baseline_card(LinearBaseline(reader, self.bands, progress).sums("validation", progress))

    def _start(self, run: Run, generators: GeneratorPair, progress: Progress) -> None:
        if os.path.exists(run.path(CHECKPOINT)):
            return
        chosen = self.settings
        for path, generator, bands, key in ((chosen.start, generators.forth, self.bands[0], "start"),
                                            (chosen.second_start, generators.back, self.bands[1], "second_start")):
            if path:
                matched = start_from(generator, path, [band["name"] for band in bands], progress)
                run.card[key] = {"path": path, "summary": matched.sentence(), **asdict(matched)}
                progress.message(matched.sentence())

    def _tell(self, progress: Progress) -> None:
        """What the analyst has to know before it takes hours."""
        names = [sensor.name for sensor in self.dataset.sensors]
        if len(names) > 2:
            progress.message(f"The dataset has images of {len(names)} sensors ({', '.join(names)}); the first two are translated.", "warning")
        side = self.settings.crop or self.dataset.tile_size
        if self.settings.generator == "unet" and side < WIDE_TILE:
            progress.message(f"Tiles of {side} px are narrow for a U-Net: the border of the tile reaches every pixel, so images of whole scenes may "
                             f"come out with other tones than the tiles in the report. Tiles of {WIDE_TILE} px or more are better for maps.")
        if self.settings.mode == "unpaired" and self.settings.identity_weight > 0 and not same_bands(*self.bands):
            progress.message(f"The identity loss is off: it needs the same bands in both sensors, and {names[0]} and {names[1]} differ.")
        if not all(len(self.dataset.indices("validation", sensor.name)) for sensor in self.sensors):
            progress.message("The dataset has no validation tiles of both sensors: errors are not measured on each, and without any the last "
                             "epoch is kept.", "warning")


def build_generators(card: dict[str, Any]) -> GeneratorPair:
    """Both generators of a run with new weights, from its card."""
    settings, bands = card["settings"], [sensor["bands"] for sensor in card["sensors"]]
    facts = {"encoder": settings["encoder"], "tile_size": card["tile_size"], "width": settings["generator_width"]}
    return GeneratorPair(build_generator(settings["generator"], bands[0], len(bands[1]), **facts),
                         build_generator(settings["generator"], bands[1], len(bands[0]), **facts))


def load_generators(run: Run) -> GeneratorPair:
    """Both generators of a run with their best weights, in evaluation mode.

    Raises:
        ModelError: no epoch was finished, or the weights are damaged or of another network.
    """
    if not os.path.exists(run.path(WEIGHTS)):
        raise ModelError(f"The run {run.folder} has no weights yet: no epoch was finished. Let “Pretrain by translation” continue it.")
    generators: nn.Module = build_generators(run.card)
    try:
        generators.load_state_dict(load_tensors(run.path(WEIGHTS)))
    except RuntimeError as error:
        raise ModelError(f"The weights {run.path(WEIGHTS)} do not fit {run.path('run.json')} ({str(error).splitlines()[0]}). "
                         "Copy the run folder again.") from None
    return generators.to(torch.device("cpu")).eval()  # type: ignore[return-value]

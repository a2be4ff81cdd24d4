"""Pretraining by translation: unlabelled tiles of two sensors → generators that make each from the other, and their encoders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from .....errors import DataError
from .....progress import SILENT, Progress
from ....cards import Inputs
from ....datasets.dataset import Dataset
from ...data import TileReader
from ...loop import training_runs
from ...loop.runs import Run
from ...loop.shares import refuse_crop
from ...loop.training import Course, Plan
from ...loop.training_runs import Kept, Session, equipped, plan_of, train
from .figures import LinearBaseline
from .generators import BandScaling, build_generator
from .method import DiscriminatorPair, GeneratorPair, Translation, same_bands
from .report import baseline_card, sample_tiles, translation_pictures, translation_sections
from .sensor_tiles import PairReader

#: Training tiles of a sensor below which nothing is learned.
FEWEST_TILES = 4
#: Tiles from which on most pixels of a U-Net five levels deep lie clear of the border [px].
WIDE_TILE = 128
METHOD = "translation"


@dataclass(frozen=True)
class Settings(training_runs.Settings):
    """What can be chosen, see the job `pretrain_translation`."""

    mode: str
    generator: str
    second_start: str | None
    bands: str | None
    crop: int | None
    adversarial_weight: float
    paired_weight: float
    cycle_weight: float
    identity_weight: float
    history: int
    generator_width: int
    discriminator_width: int
    augmentation: str


def pretrain_translation(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Trains both generators, or continues the run in `output`, or says that it is finished.

    Returns:
        What `training_runs.train` gives, ``second_encoder``, and ``validation_error`` where there are validation tiles; no encoders
        where the generators have none that other runs could use.

    Raises:
        DataError: the dataset does not suit the mode; and see `training_runs.train`.
    """
    dataset = Dataset.open(dataset_folder)
    check_translatable(dataset, settings)
    first, second = chosen_inputs(dataset, settings).values()
    seen = first if settings.start or not settings.second_start else second
    settings = equipped(settings, output, settings.start or settings.second_start, seen.names, progress)
    result = train(output, TranslationRecipe(dataset, settings), progress)
    return {name: value for name, value in result.items() if value is not None}


def check_translatable(dataset: Dataset, settings: Settings) -> None:
    """Refuses a dataset from which no translation can be learned in this mode.

    Raises:
        DataError: one sensor, unpaired tiles in the paired mode, tiles on two grids, too few of them, or nothing but one value.
    """
    where = dataset.folder
    if len(dataset.sensors) < 2:
        raise DataError(f"The dataset {where} has images of one sensor only ({dataset.sensors[0].name}), and a translation is between two. "
                        "Make one with “Create pretraining dataset” and give it “Images of a second sensor”.")
    first, second = chosen_inputs(dataset, settings).values()
    tiles = [dataset.indices("training", seen.sensor) for seen in (first, second)]
    if settings.mode == "paired":
        if not len(dataset.indices("all", first.sensor, second.sensor)):
            raise DataError(f"No tile of {where} holds both {first.name} and {second.name}: the dataset is unpaired, so the paired mode has "
                            "no truth to learn from. Choose the mode “unpaired”, or make the dataset anew with paired images.")
        tiles = [dataset.indices("training", first.sensor, second.sensor)] * 2
    for seen, found in zip((first, second), tiles):
        if len(found) < FEWEST_TILES:
            raise DataError(f"The dataset {where} has {len(found)} training tile(s) of {seen.sensor}, and a translation needs at least "
                            f"{FEWEST_TILES} of each sensor. Add images, or cut smaller tiles or tiles that overlap.")
        if not any(band.std for band in seen.bands):
            raise DataError(f"All training tiles of {seen.sensor} in {where} hold one and the same value, so there is nothing to translate. "
                            "Choose other images, or check their nodata value.")
    refuse_crop(dataset, settings.crop)


def chosen_inputs(dataset: Dataset, settings: Settings) -> Inputs:
    """The first two sensors, with those of their bands that were chosen."""
    return dataset.choose([sensor.name for sensor in dataset.sensors[:2]], settings.bands)


class TranslationRecipe:
    """The recipe: tiles of two sensors make two generators."""

    method_name = METHOD

    def __init__(self, dataset: Dataset, settings: Settings) -> None:
        self.dataset, self.settings = dataset, settings
        self.inputs = chosen_inputs(dataset, settings)
        first, second = self.inputs.values()
        self.bands = (first.bands, second.bands)
        self.pictures = ""

    @property
    def datasets(self) -> Sequence[Dataset]:
        """The one dataset."""
        return (self.dataset,)

    def card(self) -> dict[str, Any]:
        """Generator, encoder and mode."""
        chosen = self.settings
        return {"architecture": chosen.generator, "encoder": chosen.encoder if chosen.generator == "unet" else "", "mode": chosen.mode}

    def plan(self) -> Plan:
        """Adam at a rate that is constant and then falls along a line, without early stopping (arXiv 1703.10593, §4 and §7.1).

        The last epoch is kept: the error prefers blur, and what the way back loses says nothing of the image in between.
        """
        return plan_of(self.settings, keep="last", weight_decay=0.0, warmup_epochs=0, patience=self.settings.epochs, optimizer="adam",
                       betas=(0.5, 0.999), schedule="linear", clip_norm=None)

    def build(self, session: Session) -> Translation:
        """Generators with their starting weights, discriminators, and what both learn from."""
        chosen, paired, fabric = self.settings, self.settings.mode == "paired", session.fabric
        generators = build_generators(session.run)
        for path, generator, bands, key in ((chosen.start, generators.forth, self.bands[0], "start"),
                                            (chosen.second_start, generators.back, self.bands[1], "second_start")):
            session.start(generator, [band.name for band in bands], path, key)
        numbers = (len(self.bands[0]), len(self.bands[1]))
        discriminators = None
        if chosen.adversarial_weight > 0:
            seen = (sum(numbers),) * 2 if paired else numbers
            discriminators = DiscriminatorPair(seen, chosen.crop or self.dataset.tile_size, chosen.discriminator_width,
                                               0 if paired else chosen.history)
        scalings = (BandScaling(self.bands[0]).to(fabric.device), BandScaling(self.bands[1]).to(fabric.device))
        reader = PairReader(TileReader(self.dataset, self.inputs, 1, fabric.device), scalings, paired=paired, batch_size=chosen.batch_size,
                            crop=chosen.crop, turn=chosen.augmentation == "flips", share=session.share)
        self._tell(session.progress)
        if "baseline" not in session.run.card:
            session.run.card["baseline"] = self._baseline(reader, session.progress.part(0, 0.01))
        return Translation(generators, discriminators, reader, scalings, self.bands, chosen, fabric.autocast)

    def kept(self, method: Translation) -> Kept:
        """Both generators, and the encoder of each as of the sensor it sees."""
        pair: tuple[Any, Any] = (method.generators.forth, method.generators.back)
        if self.settings.generator != "unet":
            return Kept(method.generators, {})
        own = {f"encoder_{name}": (generator.encoder, name) for name, generator in zip(self.inputs, pair)}
        return Kept(method.generators, {**own, "encoder": (pair[0].encoder, next(iter(self.inputs)))})

    def facts(self, run: Run, method: Translation, sums: np.ndarray) -> dict[str, Any]:
        """Errors of both directions."""
        return {"sums": baseline_card(method.sums(sums))}

    def sections(self, run: Run, method: Translation, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        if redraw:
            self.pictures = translation_pictures(method, sample_tiles(method))
        return translation_sections(run, self.dataset, course, self.pictures)

    def result(self, run: Run) -> dict[str, Any]:
        """The second encoder and the error."""
        found = {"validation_error": run.card["metrics"].get("validation_error")}
        if self.settings.generator != "unet":
            return {**found, "encoder": None}
        return {**found, "second_encoder": run.path(f"encoder_{list(self.inputs)[1]}.safetensors")}

    def _baseline(self, reader: PairReader, progress: Progress) -> list[dict[str, Any]] | None:
        """Errors of the regression, where there are pairs to fit and to measure it on."""
        if not len(reader.common("training")) or not len(reader.common("validation")):
            return None
        return baseline_card(LinearBaseline(reader, self.bands, progress).sums("validation", progress))

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
        if not all(len(self.dataset.indices("validation", sensor)) for sensor in self.inputs):
            progress.message("The dataset has no validation tiles of both sensors: errors are not measured on each.", "warning")


def build_generators(run: Run) -> GeneratorPair:
    """Both generators of a run with new weights."""
    settings, (first, second) = run.card["settings"], run.inputs.values()
    facts = {"encoder": settings["encoder"], "tile_size": run.card["tile_size"], "width": settings["generator_width"]}
    return GeneratorPair(build_generator(settings["generator"], first, len(second.bands), **facts),
                         build_generator(settings["generator"], second, len(first.bands), **facts))


def load_generators(run: Run) -> GeneratorPair:
    """Both generators of a run with their best weights, in evaluation mode.

    Raises:
        ModelError: no epoch was finished, or the weights are damaged or of another network.
    """
    generators: nn.Module = build_generators(run)
    run.fill(generators, "Pretrain by translation")
    return generators.to(torch.device("cpu")).eval()  # type: ignore[return-value]

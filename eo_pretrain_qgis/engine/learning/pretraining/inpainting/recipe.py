"""Inpainting: a U-Net learns imagery by filling regions that were hidden from it; tiles without labels → run folder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from .....errors import DataError
from .....progress import SILENT, Progress
from ....cards import Input, single
from ....datasets.dataset import Dataset
from ...loop import training_runs
from ...loop.runs import Run
from ...loop.shares import refuse_crop
from ...loop.training import Course, Plan
from ...loop.training_runs import Kept, Session, equipped, plan_of, train
from ...networks.discriminators import PatchDiscriminator, fitting_layers, smallest_side
from .hidden_regions import Blocks, default_size
from .hidden_tiles import HidingReader, KnownClouds
from .method import Filling, FillingNetwork
from .quality import FillingQuality
from .report import InpaintingReport

LEAST_TILES = 4  # to learn from; with fewer the network only learns them by heart
SMALLEST_TILE = 16  # pixels


@dataclass(frozen=True)
class Settings(training_runs.Settings):
    """What can be chosen, see the job `pretrain_inpainting`."""

    sensor: str | None
    bands: str | None
    hidden_share: float
    block_size: int | None
    blocks: int | None
    adversarial_weight: float
    adversarial_warmup: int
    discriminator_layers: int | None
    discriminator_width: int
    crop: int | None
    patience: int
    weight_decay: float
    warmup_epochs: int


def pretrain_inpainting(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Pretrains a U-Net by inpainting, or continues the run in `output`, or says that it is finished.

    Returns:
        What `training_runs.train` gives, and, where there are validation tiles, ``psnr`` and ``ssim`` of the network and ``mean_psnr`` and
        ``biharmonic_psnr`` of the fills without a network.

    Raises:
        DataError: the dataset cannot be learned from; and see `training_runs.train`.
    """
    dataset = Dataset.open(dataset_folder)
    seen = choose_input(dataset, settings.sensor, settings.bands)
    settings = equipped(settings, output, settings.start, seen.names, progress)
    return train(output, Inpainting([dataset], settings), progress)


class Inpainting:
    """The recipe: tiles of one sensor, with or without labels, make an encoder, a decoder and the detail layers of a U-Net.

    Args:
        datasets: one.
        settings: what was chosen.

    Raises:
        DataError: the dataset cannot be learned from.
    """

    method_name = "inpainting"

    def __init__(self, datasets: Sequence[Dataset], settings: Settings) -> None:
        self.datasets, self.dataset, self.settings = list(datasets), datasets[0], settings
        seen = choose_input(self.dataset, settings.sensor, settings.bands)
        check_fillable(self.dataset, seen, settings.crop, settings.block_size)
        self.inputs = {seen.name: seen}
        self.side = settings.crop or self.dataset.tile_size
        self.blocks = Blocks(settings.block_size or default_size(self.side), settings.hidden_share, settings.blocks)
        self.report = InpaintingReport()

    def card(self) -> dict[str, Any]:
        """The kind of network, and how tiles are covered."""
        return {"architecture": "unet", "encoder": self.settings.encoder, "blocks": asdict(self.blocks), "fills": {},
                "clouds": KnownClouds(self.dataset, next(iter(self.inputs))).text}

    def plan(self) -> Plan:
        """AdamW with warm-up and a cosine; less momentum than usual where two networks learn against each other (pix2pix, §3.3).

        The last epoch is kept (docs/adr/0021-which-epoch-of-pretraining-is-kept.md). PSNR prefers the blur that a discriminator is there
        against, so with one it does not end training either.
        """
        chosen = self.settings
        against = {"betas": (0.5, 0.999), "patience": chosen.epochs + 1} if chosen.adversarial_weight else {}
        return plan_of(chosen, keep="last", **against)

    def build(self, session: Session) -> Filling:
        """The networks with their starting weights, as a method to train."""
        chosen, card, device = self.settings, session.run.card, session.fabric.device
        network = FillingNetwork(chosen.encoder, session.run.inputs)
        seen = network.seen
        session.start(network, seen.names, chosen.start)
        discriminator = self._discriminator(len(seen.bands) + 1, self.side + -self.side % network.stride) if chosen.adversarial_weight else None
        if not len(self.dataset.indices("validation", seen.sensor)):
            session.progress.message("The dataset has no validation tiles: fills cannot be measured.", "warning")
        if card["clouds"]:
            session.progress.message(card["clouds"])
        reader = HidingReader(self.dataset, seen, self.blocks, network.stride, device)
        return Filling(reader, FillingQuality(seen.bands, device), network, discriminator, chosen, session.share, session.progress,
                       session.fabric.autocast)

    def _discriminator(self, bands: int, side: int) -> PatchDiscriminator:
        """A discriminator of bands and mask, for images of that height and width [px]."""
        layers = self.settings.discriminator_layers or fitting_layers(side)
        if layers > 1 and smallest_side(layers) > side:
            raise DataError(f"A discriminator of {layers} layers needs images of {smallest_side(layers)} px, and those of {self.dataset.folder} "
                            f"are {side} px. Choose at most {fitting_layers(side, layers)} layers, or leave their number empty.")
        return PatchDiscriminator(bands, self.settings.discriminator_width, layers)

    def kept(self, method: Filling) -> Kept:
        """The network and its encoder."""
        return Kept(method.network, {"encoder": (method.network.encoder, method.network.seen.name)})

    def facts(self, run: Run, method: Filling, sums: np.ndarray) -> dict[str, Any]:
        """The figures beside those of the fills without a network."""
        return {"fills": method.compared(sums)}

    def sections(self, run: Run, method: Filling, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """The report."""
        return self.report.sections(run, method, course, redraw)

    def result(self, run: Run) -> dict[str, Any]:
        """The figures on the validation tiles."""
        fills = run.card["fills"]
        if not fills:
            return {}
        few = fills["few"]
        return {"psnr": run.card["metrics"]["psnr"], "ssim": run.card["metrics"]["ssim"], "mean_psnr": fills["all"]["mean"]["psnr"],
                "biharmonic_psnr": few["biharmonic"]["psnr"]}


def choose_input(dataset: Dataset, sensor: str | None, bands: str | None) -> Input:
    """The sensor to learn, with those of its bands.

    Raises:
        DataError: unknown, or there are several sensors and none was chosen.
    """
    names = [one.name for one in dataset.sensors]
    if sensor is None and len(names) > 1:
        raise DataError(f"The dataset {dataset.folder} has images of {' and '.join(names)}, and inpainting learns one sensor at a time. "
                        "Choose one of them as “Sensor”.")
    if sensor is not None and sensor not in names:
        raise DataError(f"The dataset {dataset.folder} has no images of “{sensor}”. Choose one of: {', '.join(names)}.")
    return single(dataset.choose([sensor or names[0]], bands))


def check_fillable(dataset: Dataset, seen: Input, crop: int | None, block_size: int | None = None) -> None:
    """Refuses a dataset that nothing can be learned from by filling, or blocks that do not fit its tiles.

    Raises:
        DataError: of series; with too few training tiles, or small or constant ones; with blocks or crops too large.
    """
    where, side = dataset.folder, crop or dataset.tile_size
    if dataset.kind.dates:
        raise DataError(f"The dataset {where} holds series of dates, and inpainting needs images. "
                        "Choose a dataset made by “Create pretraining dataset”, or any other whose samples are images; series are "
                        "learned by “Fine-tune a model”.")
    refuse_crop(dataset, crop)
    if side < SMALLEST_TILE:
        raise DataError(f"The tiles of {where} are {side} px wide, too small to hide a part and show enough around it. "
                        f"Cut tiles of at least {SMALLEST_TILE} px.")
    if block_size is not None and block_size > side // 2:
        raise DataError(f"Blocks of {block_size} px leave too little of tiles of {side} px to fill them from. "
                        f"Choose blocks of at most {side // 2} px, or larger tiles.")
    training = len(dataset.indices("training", seen.sensor))
    if training < LEAST_TILES:
        raise DataError(f"The dataset {where} has {training} training tile(s) of {seen.sensor}, and inpainting needs at least {LEAST_TILES} "
                        "to learn more than these. Add images, cut smaller tiles or lower the share of validation tiles.")
    if all(band.minimum == band.maximum for band in seen.bands):
        raise DataError(f"The training tiles of {where} are constant: {seen.names[0]} is {seen.bands[0].minimum:g} in every pixel, and no other band "
                        "varies. There is nothing to learn; check the images, or choose others.")

"""Inpainting: a U-Net learns imagery by filling regions that were hidden from it; tiles without labels → run folder."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from .....errors import DataError
from .....progress import SILENT, Progress
from ....datasets.dataset import Dataset, SensorInfo
from ...loop.checkpoints import load_tensors
from ...loop.device import pick_device, pick_precision
from ...loop.runs import CHECKPOINT, WEIGHTS, Run, band_cards
from ...loop.training import Course, Plan
from ...loop.training_runs import train
from ...networks.discriminators import PatchDiscriminator, fitting_layers, smallest_side
from ...networks.encoders import check_encoder_name
from ...networks.starting_weights import start_from
from .hidden_regions import Blocks, default_size
from .hidden_tiles import HidingReader, KnownClouds
from .method import Filling, FillingNetwork
from .quality import FillingQuality
from .report import InpaintingReport

LEAST_TILES = 4  # to learn from; with fewer the network only learns them by heart
SMALLEST_TILE = 16  # pixels


@dataclass(frozen=True)
class Settings:
    """What can be chosen; the names are those of the job `pretrain_inpainting`, which explains them."""

    sensor: str | None = None
    encoder: str = "resnet18"
    start: str | None = None
    epochs: int = 100
    batch_size: int = 16
    learning_rate: float = 1e-3
    hidden_share: float = 0.3
    block_size: int | None = None
    blocks: int | None = None
    adversarial_weight: float = 0.01
    adversarial_warmup: int = 10
    discriminator_layers: int | None = None
    discriminator_width: int = 32
    crop: int | None = None
    precision: str = "auto"
    patience: int = 20
    weight_decay: float = 0.01
    warmup_epochs: int = 2
    device: str = "auto"
    seed: int = 1


def pretrain_inpainting(dataset_folder: str, output: str, settings: Settings, progress: Progress = SILENT) -> dict[str, Any]:
    """Pretrains a U-Net by inpainting, or continues the run in `output`, or says that it is finished.

    Returns:
        What `training_runs.train` gives, and, where there are validation tiles, ``psnr`` and ``ssim`` of the network and ``mean_psnr`` and
        ``biharmonic_psnr`` of the fills without a network.

    Raises:
        DataError: the dataset cannot be learned from, or `output` holds something else.
        ModelError: the encoder is unknown or the starting weights do not fit.
        EngineError: the device is not there, its memory too small, or the loss diverged.
    """
    pick_precision(settings.precision, pick_device(settings.device))  # the quickest refusals first
    check_encoder_name(settings.encoder)
    return train(output, Inpainting([Dataset.open(dataset_folder)], settings), progress)


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
        self.sensor = choose_sensor(self.dataset, settings.sensor)
        check_fillable(self.dataset, self.sensor, settings)
        self.side = settings.crop or self.dataset.tile_size
        self.blocks = Blocks(settings.block_size or default_size(self.side), settings.hidden_share, settings.blocks)
        self.report = InpaintingReport()

    def card(self) -> dict[str, Any]:
        """The kind of network, the sensor, and how tiles are covered."""
        return {"architecture": "unet", "encoder": self.settings.encoder, "sensor": self.sensor.name, "preset": self.sensor.preset,
                "bands": band_cards(self.dataset, self.sensor), "blocks": asdict(self.blocks), "fills": {},
                "clouds": KnownClouds(self.dataset, self.sensor).text}

    def plan(self) -> Plan:
        """AdamW with warm-up and a cosine; less momentum than usual where two networks learn against each other (pix2pix, §3.3)."""
        chosen = self.settings
        betas = (0.5, 0.999) if chosen.adversarial_weight else (0.9, 0.999)
        return Plan(chosen.epochs, chosen.learning_rate, chosen.weight_decay, chosen.warmup_epochs, chosen.patience, chosen.seed, betas=betas)

    def build(self, run: Run, fabric: Fabric, progress: Progress) -> Filling:
        """The networks with their starting weights, as a method to train."""
        chosen, bands = self.settings, run.card["bands"]
        network = FillingNetwork(chosen.encoder, [band["centre"] for band in bands], [band["spread"] for band in bands])
        if chosen.start and not os.path.exists(run.path(CHECKPOINT)):
            matched = start_from(network, chosen.start, [band["name"] for band in bands], progress)
            run.card["start"] = {"path": chosen.start, "summary": matched.sentence(), **asdict(matched)}
            progress.message(matched.sentence())
        discriminator = self._discriminator(len(bands) + 1, self.side + -self.side % network.stride) if chosen.adversarial_weight else None
        if not len(self.dataset.indices("validation", self.sensor.name)):
            progress.message("The dataset has no validation tiles: fills cannot be measured, and the last epoch is kept.", "warning")
        if run.card["clouds"]:
            progress.message(run.card["clouds"])
        reader = HidingReader(self.dataset, self.sensor, self.blocks, [band["centre"] for band in bands], network.stride, fabric.device)
        return Filling(reader, FillingQuality(bands, fabric.device), network, discriminator, batch_size=chosen.batch_size, crop=chosen.crop,
                       weight=chosen.adversarial_weight, weight_warmup=chosen.adversarial_warmup, seed=chosen.seed,
                       rank=fabric.global_rank, processes=fabric.world_size, progress=progress, autocast=fabric.autocast)

    def _discriminator(self, bands: int, side: int) -> PatchDiscriminator:
        """A discriminator of bands and mask, for images of that height and width [px]."""
        layers = self.settings.discriminator_layers or fitting_layers(side)
        if layers > 1 and smallest_side(layers) > side:
            raise DataError(f"A discriminator of {layers} layers needs images of {smallest_side(layers)} px, and those of {self.dataset.folder} "
                            f"are {side} px. Choose at most {fitting_layers(side, layers)} layers, or leave their number empty.")
        return PatchDiscriminator(bands, self.settings.discriminator_width, layers)

    def save(self, run: Run, method: Filling, sums: np.ndarray) -> None:
        """The network, its encoder, and the figures beside those of the fills without a network."""
        run.card["fills"] = method.compared(sums)
        run.save_network(method.network)
        run.save_encoder(method.network.encoder)

    def load_best(self, run: Run, method: Filling) -> None:
        """The best weights back into the network."""
        method.network.load_state_dict(load_tensors(run.path(WEIGHTS)))

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


def choose_sensor(dataset: Dataset, name: str | None) -> SensorInfo:
    """The sensor to learn.

    Raises:
        DataError: unknown, or there are several and none was chosen.
    """
    names = [sensor.name for sensor in dataset.sensors]
    if name is None and len(names) > 1:
        raise DataError(f"The dataset {dataset.folder} has images of {' and '.join(names)}, and inpainting learns one sensor at a time. "
                        "Choose one of them as “Sensor”.")
    if name is not None and name not in names:
        raise DataError(f"The dataset {dataset.folder} has no images of “{name}”. Choose one of: {', '.join(names)}.")
    return dataset.sensors[names.index(name)] if name else dataset.sensor


def check_fillable(dataset: Dataset, sensor: SensorInfo, settings: Settings) -> None:
    """Refuses a dataset that nothing can be learned from by filling, or blocks that do not fit its tiles.

    Raises:
        DataError: of series; with too few training tiles, or small or constant ones; with blocks or crops too large.
    """
    where, side = dataset.folder, settings.crop or dataset.tile_size
    if dataset.kind.dates:
        raise DataError(f"The dataset {where} holds series of single places, and inpainting needs images. "
                        "Choose a dataset made by “Create pretraining dataset”, or any other whose samples are images.")
    if settings.crop is not None and settings.crop > dataset.tile_size:
        raise DataError(f"The crop of {settings.crop} px is larger than the tiles of {where} ({dataset.tile_size} px). "
                        f"Choose a crop of at most {dataset.tile_size} px.")
    if side < SMALLEST_TILE:
        raise DataError(f"The tiles of {where} are {side} px wide, too small to hide a part and show enough around it. "
                        f"Cut tiles of at least {SMALLEST_TILE} px.")
    if settings.block_size is not None and settings.block_size > side // 2:
        raise DataError(f"Blocks of {settings.block_size} px leave too little of tiles of {side} px to fill them from. "
                        f"Choose blocks of at most {side // 2} px, or larger tiles.")
    training = len(dataset.indices("training", sensor.name))
    if training < LEAST_TILES:
        raise DataError(f"The dataset {where} has {training} training tile(s) of {sensor.name}, and inpainting needs at least {LEAST_TILES} "
                        "to learn more than these. Add images, cut smaller tiles or lower the share of validation tiles.")
    statistics = dataset.statistics[sensor.name]
    if all(statistics[band.name]["minimum"] == statistics[band.name]["maximum"] for band in sensor.bands):
        value = statistics[sensor.bands[0].name]["minimum"]
        raise DataError(f"The training tiles of {where} are constant: {sensor.bands[0].name} is {value:g} in every pixel, and no other band "
                        "varies. There is nothing to learn; check the images, or choose others.")

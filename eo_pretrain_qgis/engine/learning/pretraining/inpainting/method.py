"""Filling hidden regions as a method to train: L1 on the hidden pixels, and a discriminator that tells fills from truth.

After Pathak et al. 2016, Context Encoders (arXiv 1604.07379). The network is a U-Net that sees hidden pixels as 0 in scaled units, the
median of the band. It gets no mask: a block of exact zeros in all bands is plain to see, and a mask as a further input would give the
first layer, and so the encoder, a band that no image has when it is fine-tuned. The discriminator does get the mask, as in Yu et al. 2019
(arXiv 1806.03589, §3.3), because it is thrown away: it need not search where to look, and patches without a hidden pixel, which are the
same in fills and truth, do not count.

What the network gives is added to a smooth continuation of the shown pixels. So it does not spend its first hundred steps on learning to
smooth, and what it has to know is what smoothness cannot tell: where an edge goes on, which field begins, how a surface is textured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from .....progress import SILENT, Progress
from ....cards import Inputs, single
from ....even_sample import even_sample
from ...data import Batch, mixed_sample
from ...loop.shares import ALONE, Share, refuse_single_value
from ...networks.class_networks import SegmentationNetwork, renew_statistics
from ...networks.discriminators import PatchDiscriminator, made_loss, real_loss
from .hidden_tiles import HIDDEN, MADE, HidingReader, shown
from .quality import FillingQuality, biharmonic_fill, mean_fill, smooth_fill

VALIDATION_TILES = 256  # measured after each epoch
BIHARMONIC_TILES, BIHARMONIC_PIXELS = 32, 150_000  # measured once: at most so many tiles and hidden pixels
RENEWAL_TILES = 32
WON, LOST, COLLAPSE_EPOCHS = 0.99, 0.5, 3
FILLS, FEW_FILLS = ("network", "mean", "smooth"), ("network", "mean", "smooth", "biharmonic")


class FillingNetwork(SegmentationNetwork):
    """The network of `SegmentationNetwork` with the bands of the image, scaled, as output; encoder, decoder and detail are the same, so
    that a segmentation starts from all three. Its output begins as 0 and is added to a smooth fill.

    Args:
        encoder: name of the encoder.
        inputs: what it sees.
    """

    def __init__(self, encoder: str, inputs: Inputs) -> None:
        super().__init__(encoder, inputs, len(single(inputs).bands))
        self.filling_head = self.segmentation_head
        del self.segmentation_head
        for parameter in self.filling_head.parameters():
            nn.init.zeros_(parameter)

    def forward(self, images: dict[str, torch.Tensor]) -> torch.Tensor:
        """What is to be added, scaled units (n, band, y, x), to the smooth fill of images in stored units, float32 (n, band, y, x), whose
        hidden pixels are the centre.
        """
        image = self.scaled(images[self.seen.name])
        return self.filling_head(torch.cat([self.decoder(self.encoder(image)), self.detail(image)], 1))

    def truth(self, batch: Batch) -> torch.Tensor:
        """The images of a batch in scaled units (n, band, y, x)."""
        return self.scaled(batch.images[self.seen.name])

    def covered(self, batch: Batch) -> dict[str, torch.Tensor]:
        """What the network sees of a batch, stored units (n, band, y, x)."""
        return {self.seen.name: torch.where(batch.targets[HIDDEN][:, None], self.centre, batch.images[self.seen.name])}


class Filling:
    """The method.

    Args:
        reader: of the tiles.
        quality: how fills are measured.
        network: what is trained and kept.
        discriminator: of the bands and the mask; None trains on L1 alone.
        settings: with ``batch_size``, ``crop`` and ``seed``, which decides what is hidden in validation tiles; for a discriminator also
            ``adversarial_weight`` and ``adversarial_warmup``.
        share: of this process.
        progress: told when the discriminator has won or lost.
        autocast: context in which networks that Fabric did not wrap compute in the precision of the run.

    Raises:
        DataError: a step would hold a single value per channel.
    """

    score = "psnr"

    def __init__(self, reader: HidingReader, quality: FillingQuality, network: FillingNetwork, discriminator: PatchDiscriminator | None,
                 settings: Any, share: Share = ALONE, progress: Progress = SILENT,
                 autocast: Callable[[], AbstractContextManager] = nullcontext) -> None:
        self.reader, self.quality, self.settings, self.share, self.progress = reader, quality, settings, share, progress
        self.network, self.autocast = network.to(reader.device), autocast
        self.discriminator = discriminator.to(reader.device) if discriminator else None
        dataset, sensor = reader.dataset, reader.seen.sensor
        self.training = dataset.indices("training", sensor)
        self.validation = even_sample(dataset.indices("validation", sensor), VALIDATION_TILES)
        hidden_per_tile = max(1.0, reader.blocks.share * dataset.tile_size**2)
        self.few = even_sample(self.validation, max(2, min(BIHARMONIC_TILES, int(BIHARMONIC_PIXELS / hidden_per_tile))))
        self.epochs_done, self.fixed_sums = 0.0, np.zeros(0)
        self.verdicts: list[str] = []
        self._forget()
        refuse_single_value(share.count(len(self.training)) // self.steps, settings.crop or dataset.tile_size, network.stride)

    @property
    def parts(self) -> dict[str, nn.Module]:
        """The network and, where there is one, the discriminator."""
        return {"network": self.network, **({"discriminator": self.discriminator} if self.discriminator else {})}

    @property
    def steps(self) -> int:
        """Batches per epoch and process."""
        return -(-self.share.count(len(self.training)) // self.settings.batch_size)

    @property
    def present_weight(self) -> float:
        """Of the adversarial loss: 0 at the start, full after the warm-up, so that the network first learns what the tiles look like."""
        return self.settings.adversarial_weight * min(1.0, self.epochs_done / max(self.settings.adversarial_warmup, 1e-9))

    def batches(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The training tiles once; order, orientation and hidden regions follow from seed, epoch and rank alone."""
        order = np.random.default_rng([seed, epoch]).permutation(self.training)
        mine = self.share.deal(order, self.share.count(len(order)))
        rng = np.random.default_rng([seed, epoch, self.share.rank])
        for step, batch in enumerate(self.reader.shuffled(mine, self.settings.batch_size, rng, self.settings.crop)):
            self.epochs_done = epoch + step / self.steps
            yield batch

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """L1 over hidden pixels plus what the discriminator says; or the loss of the discriminator."""
        truth = self.network.truth(batch)
        if part == "network":
            return self._filling_loss(networks[part], batch, truth)
        if MADE not in batch.targets:
            with torch.no_grad():
                batch.targets[MADE] = self._filled(networks["network"], batch, truth)
        return self._judging_loss(networks[part], batch, truth)

    def weight(self, batch: Batch) -> torch.Tensor:
        """Hidden pixels, which the losses are means over."""
        return batch.targets[HIDDEN].sum()

    def validate(self, progress: Progress = SILENT) -> np.ndarray:
        """Sums of `FillingQuality` over this process's share of the validation tiles, float32 (7, size): of `FILLS` over all, and of
        `FEW_FILLS` over a few.

        The normalisation layers are brought up to date first, so that what is measured is the network as it would be used.
        """
        renew_statistics(self.network, self.renewal(RENEWAL_TILES))
        self.network.eval()
        if not self.fixed_sums.size:
            self.fixed_sums = self._without_network(progress)
        result, done, few = np.zeros((7, self.quality.size)), 0, len(FILLS)
        result[[1, 2, 4, 5, 6]] = self.fixed_sums
        mine = self.share.mine(self.validation)
        for batch in self.reader.fixed(mine, self.settings.batch_size, self.settings.seed):
            truth = self.network.truth(batch)
            found = self.fill(batch)
            result[0] += self.quality.sums(found, truth, batch.targets[HIDDEN])
            among = torch.from_numpy(np.isin(batch.samples, self.few)).to(batch.targets[HIDDEN].device)
            result[few] += self.quality.sums(found, truth, batch.targets[HIDDEN] & among[:, None, None])
            done += len(batch)
            progress.at(done / len(mine), f"Filling {done} of {len(mine)} validation tiles")
        return result.astype(np.float32)

    def renewal(self, tiles: int) -> Iterator[dict[str, torch.Tensor]]:
        """Batches of training images as the network sees them, to bring the normalisation layers up to date on."""
        sample = mixed_sample(self.share.mine(self.training), tiles)
        return (self.network.covered(batch) for batch in self.reader.fixed(sample, self.settings.batch_size, self.settings.seed))

    def figures(self, sums: np.ndarray) -> dict[str, float]:
        """PSNR, SSIM and L1 on the validation tiles, and the share of patches the discriminator judged rightly while it trained."""
        row = self.quality.figures(sums[0].astype(np.float64))
        if self.discriminator is not None:
            right, judged, adversarial, filled, steps = self.tally.tolist()
            row["training_l1"] = filled / max(steps, 1.0)
            row["adversarial_loss"] = adversarial / max(steps, 1.0)
            row["discriminator_accuracy"] = right / max(judged, 1e-9)
            self._watch(row["discriminator_accuracy"])
        self._forget()
        return row

    def compared(self, sums: np.ndarray) -> dict[str, Any]:
        """Figures of the network beside those of the fills without one; empty where no pixel of a validation tile was hidden, or where
        bands vary in so few pixels that they have no range.
        """
        rows = sums.astype(np.float64)
        if not (rows[:, 0] > 0).all() or not self.quality.varying.any():
            return {}
        names = [band.name for band in self.quality.bands]
        return {"tiles": len(self.validation), "few_tiles": len(self.few),
                "all": {name: self.quality.figures(row) for name, row in zip(FILLS, rows)},
                "few": {name: self.quality.figures(row) for name, row in zip(FEW_FILLS, rows[len(FILLS):])},
                "bands": {name: dict(zip(names, self.quality.band_errors(row))) for name, row in zip(FEW_FILLS, rows[len(FILLS):])}}

    @torch.no_grad()
    def fill(self, batch: Batch) -> torch.Tensor:
        """A batch as the network fills it, scaled units (n, band, y, x)."""
        return self._filled(self.network, batch, self.network.truth(batch))

    def _filled(self, network: nn.Module, batch: Batch, truth: torch.Tensor) -> torch.Tensor:
        found = network(self.network.covered(batch)).float() + smooth_fill(truth, shown(batch))
        return torch.where(batch.targets[HIDDEN][:, None], found, truth)

    def _filling_loss(self, network: nn.Module, batch: Batch, truth: torch.Tensor) -> torch.Tensor:
        made = self._filled(network, batch, truth)
        pixels = (batch.targets[HIDDEN].sum() * truth.shape[1]).clamp_min(1)
        error = (made - truth).abs().sum() / pixels  # 0 where nothing is hidden
        self.tally[3] += error.detach()
        self.tally[4] += 1
        if self.discriminator is None:
            return error
        batch.targets[MADE] = made.detach()
        weight = self.present_weight
        if not weight:
            return error
        self.discriminator.requires_grad_(False)
        with self.autocast():
            logits = self.discriminator(_with_mask(made, batch.targets[HIDDEN])).float()
        self.discriminator.requires_grad_(True)
        adversarial = _mean(real_loss(logits), _importance(logits, batch.targets[HIDDEN]))
        self.tally[2] += adversarial.detach()
        return error + weight * adversarial

    def _judging_loss(self, discriminator: nn.Module, batch: Batch, truth: torch.Tensor) -> torch.Tensor:
        both = torch.cat([_with_mask(truth, batch.targets[HIDDEN]), _with_mask(batch.targets[MADE], batch.targets[HIDDEN])])
        real, made = discriminator(both).float().chunk(2)
        importance = _importance(real, batch.targets[HIDDEN])
        with torch.no_grad():
            self.tally[0] += (((real > 0.5).float() + (made < 0.5).float()) * importance).sum() / 2
            self.tally[1] += importance.sum()
        return 0.5 * (_mean(real_loss(real), importance) + _mean(made_loss(made), importance))

    def _without_network(self, progress: Progress) -> np.ndarray:
        """Sums of the fills without a network over all and over a few tiles: these never change."""
        sums = np.zeros((5, self.quality.size))
        for batch in self.reader.fixed(self.share.mine(self.validation), self.settings.batch_size, self.settings.seed):
            sums[:2] += self._sums_of((mean_fill, smooth_fill), batch)
        mine = self.share.mine(self.few)
        for done, batch in enumerate(self.reader.fixed(mine, 1, self.settings.seed), 1):
            sums[2:] += self._sums_of((mean_fill, smooth_fill, biharmonic_fill), batch)
            progress.at(0.5 * done / len(mine), f"Biharmonic fill of {done} of {len(mine)} validation tiles")
        return sums

    def _sums_of(self, fills: Sequence[Callable], batch: Batch) -> np.ndarray:
        truth = self.network.truth(batch)
        return np.stack([self.quality.sums(fill(truth, shown(batch)), truth, batch.targets[HIDDEN]) for fill in fills])

    def _watch(self, accuracy: float) -> None:
        """Says when the discriminator has won or lost for some epochs after the warm-up."""
        verdict = "won" if accuracy >= WON else "lost" if accuracy <= LOST else ""
        if self.epochs_done < self.settings.adversarial_warmup or not verdict:
            self.verdicts = []
            return
        self.verdicts = [*(one for one in self.verdicts if one == verdict), verdict]
        if len(self.verdicts) == COLLAPSE_EPOCHS:
            state, advice = (("tells every fill from truth", "a narrower discriminator or one of fewer layers") if verdict == "won" else
                             ("no longer tells fills from truth", "a wider discriminator or a lower weight"))
            self.progress.message(f"For {COLLAPSE_EPOCHS} epochs the discriminator {state} (accuracy {accuracy:.2f}), so the network learns "
                                  f"little from it. If fills look poor, train in a new folder with {advice}.", "warning")

    def _forget(self) -> None:
        """Begins the sums of an epoch anew: patches judged rightly, patches judged, adversarial loss, L1, steps."""
        self.tally = torch.zeros(5, device=self.reader.device)


def _with_mask(image: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    return torch.cat([image, hidden[:, None].to(image.dtype)], 1)


def _importance(logits: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """Share of hidden pixels in the middle of each patch, like logits (n, 1, y', x')."""
    return adaptive_avg_pool2d(hidden[:, None].float(), (logits.shape[2], logits.shape[3]))


def _mean(values: torch.Tensor, importance: torch.Tensor) -> torch.Tensor:
    return (values * importance).sum() / importance.sum().clamp_min(1e-6)

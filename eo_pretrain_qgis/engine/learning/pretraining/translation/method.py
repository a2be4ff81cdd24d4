"""Translation between two sensors as a method to train: with a truth where tiles are paired, by ways there and back where they are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d

from .....progress import SILENT, Progress
from ....cards import InputBand
from ....rasters.sensors import Band
from ...data import Batch, mixed_sample
from ...networks.class_networks import renew_statistics
from ...networks.discriminators import PatchDiscriminator, fitting_layers, made_loss, real_loss
from .figures import Sums
from .generators import BandScaling
from .sensor_tiles import PairReader

RENEWAL_TILES = 16  # each holds thousands of pixels
#: Steps of the values kept in the history, scaled units; two bytes reach from -16 to 16.
HISTORY_STEP = 1 / 2048


class GeneratorPair(nn.Module):
    """Both generators, trained together.

    Args:
        forth: makes the second sensor from the first.
        back: makes the first from the second.
    """

    def __init__(self, forth: nn.Module, back: nn.Module) -> None:
        super().__init__()
        self.forth, self.back = forth, back

    def forward(self, first: torch.Tensor, first_seen: torch.Tensor, second: torch.Tensor, second_seen: torch.Tensor, returns: bool = False,
                identity: bool = False) -> dict[str, torch.Tensor]:
        """What is made of a batch, scaled units (n, band, y, x), 0 where the source was not measured.

        Args:
            first: images of the first sensor.
            first_seen: measured pixels (n, 1, y, x).
            second: images of the second sensor.
            second_seen: their measured pixels.
            returns: also the ways there and back.
            identity: also what each makes of its own target.
        """
        made = {"second": self.forth(first).where(first_seen, 0.0), "first": self.back(second).where(second_seen, 0.0)}
        if returns:
            made |= {"first_again": self.back(made["second"]), "second_again": self.forth(made["first"])}
        if identity:
            made |= {"first_same": self.back(first), "second_same": self.forth(second)}
        return made


class DiscriminatorPair(nn.Module):
    """A patch discriminator for each sensor, and the history of what they were shown (Shrivastava et al. 2017, arXiv 1612.07828, §2.3).

    Args:
        bands: of what each judges.
        side: of the images [px].
        width: channels of the first layers.
        history: made images of each sensor that are kept; 0 keeps none.
    """

    def __init__(self, bands: tuple[int, int], side: int, width: int = 64, history: int = 50) -> None:
        super().__init__()
        layers = fitting_layers(side)
        self.first, self.second = (PatchDiscriminator(number, width, layers, "instance") for number in bands)
        self.first_history, self.second_history = (History(history, number, side) for number in bands)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (n, 1, y', x') for images of the first and of the second sensor."""
        return self.first(first), self.second(second)


class History(nn.Module):
    """Made images, of which every second one shown to a discriminator comes, so that it does not forget what it has seen through.

    The images are a buffer, so a run that goes on after a kill has them. They are integers: averages over processes would blend them.

    Args:
        size: images kept.
        bands: of each.
        side: of each [px].
    """

    images: torch.Tensor
    seen: torch.Tensor
    filled: torch.Tensor

    def __init__(self, size: int, bands: int, side: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("images", torch.zeros(size, bands, side, side, dtype=torch.int16))
        self.register_buffer("seen", torch.zeros(size, 1, side, side, dtype=torch.uint8))
        self.register_buffer("filled", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def exchange(self, images: torch.Tensor, seen: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Keeps images (n, band, y, x) with their measured pixels (n, 1, y, x); half of them, by chance, are exchanged for older ones."""
        if not self.size:
            return images, seen
        images, seen = images.clone(), seen.clone()
        for number in range(len(images)):
            new = (images[number] / HISTORY_STEP).round().clamp(-32767, 32767).to(torch.int16), seen[number].to(torch.uint8)
            place = int(self.filled)
            if place < self.size:
                self.filled += 1
            else:
                place = int(torch.randint(2 * self.size, ()))
                if place >= self.size:
                    continue
                images[number], seen[number] = self.images[place].float() * HISTORY_STEP, self.seen[place].bool()
            self.images[place], self.seen[place] = new
        return images, seen


class Translation:
    """Two sensors, each made from the other.

    Args:
        generators: both.
        discriminators: both, or None to learn from pairs alone.
        reader: of the tiles.
        scalings: of the two sensors' bands, on the device.
        bands: of the two sensors.
        settings: with the weights of the parts of the loss.
        autocast: gives the context the discriminators compute in when the generators learn from them.
    """

    score = "translation_score"

    def __init__(self, generators: GeneratorPair, discriminators: DiscriminatorPair | None, reader: PairReader,
                 scalings: tuple[BandScaling, BandScaling], bands: tuple[Sequence[InputBand], Sequence[InputBand]], settings: Any,
                 autocast: Callable[[], AbstractContextManager] = nullcontext) -> None:
        self.generators, self.discriminators, self.reader = generators, discriminators, reader
        self.scalings, self.bands, self.settings, self.autocast = scalings, bands, settings, autocast
        self.paired = reader.paired
        # A generator can only be asked to leave an image as it is where both sensors have the same bands.
        self.identity = not self.paired and settings.identity_weight > 0 and same_bands(*bands)
        self.judged: list[torch.Tensor] = []
        self._made: list[tuple[Batch, dict[str, torch.Tensor]]] = []

    @property
    def parts(self) -> dict[str, nn.Module]:
        """Generators, and discriminators where there are any."""
        return {"generators": self.generators, **({"discriminators": self.discriminators} if self.discriminators else {})}

    @property
    def steps(self) -> int:
        """Batches per epoch and process."""
        return self.reader.steps

    def batches(self, seed: int, epoch: int) -> Iterator[Batch]:
        """The training tiles, in an order that follows from seed, epoch and rank alone."""
        for batch in self.reader.epoch(seed, epoch):
            self._made = []
            yield batch

    def _both(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Of each sensor the images, scaled units (n, band, y, x), and measured pixels (n, 1, y, x)."""
        first, second = self.reader.names
        return batch.images[first], batch.valid[first][:, None], batch.images[second], batch.valid[second][:, None]

    def loss(self, part: str, networks: Mapping[str, nn.Module], batch: Batch) -> torch.Tensor:
        """The loss of the generators or of the discriminators, over measured pixels."""
        if part == "generators":
            made = networks["generators"](*self._both(batch), not self.paired, self.identity)
            self._made.append((batch, {name: made[name].detach() for name in ("first", "second")}))
            return self._paired_loss(made, batch) if self.paired else self._unpaired_loss(made, batch)
        made = next((images for known, images in self._made if known is batch), None)
        if made is None:  # memory is short, and the batch is divided anew for each part
            with torch.no_grad():
                made = networks["generators"](*self._both(batch))
        return self._discriminator_loss(networks["discriminators"], made, batch)

    def _paired_loss(self, made: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """L1 to the truth, and what the discriminators, shown source and result, say (Isola et al. 2017, arXiv 1611.07004, §3.1)."""
        first, first_seen, second, second_seen = self._both(batch)
        known = first_seen & second_seen
        loss = self.settings.paired_weight * (l1(made["first"], first, known) + l1(made["second"], second, known))
        if self.discriminators is None:
            return loss
        return loss + self.settings.adversarial_weight * self._deceit(*self._shown(made["first"], made["second"], batch), known, known)

    def _unpaired_loss(self, made: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """What the discriminators say, what ways there and back lose, and the identity (Zhu et al. 2017, arXiv 1703.10593, §3 and §5.2)."""
        (first, first_seen, second, second_seen), chosen = self._both(batch), self.settings
        loss = chosen.cycle_weight * (l1(made["first_again"], first, first_seen) + l1(made["second_again"], second, second_seen))
        if self.identity:
            loss = loss + chosen.cycle_weight * chosen.identity_weight * (l1(made["first_same"], first, first_seen) +
                                                                          l1(made["second_same"], second, second_seen))
        return loss + chosen.adversarial_weight * self._deceit(made["first"], made["second"], second_seen, first_seen)

    def _deceit(self, first: torch.Tensor, second: torch.Tensor, first_seen: torch.Tensor, second_seen: torch.Tensor) -> torch.Tensor:
        """How far the discriminators are from taking made images for real ones; they learn nothing from it."""
        discriminators: Any = self.discriminators
        discriminators.requires_grad_(False)
        with self.autocast():
            logits = discriminators(first, second)
        discriminators.requires_grad_(True)
        return judged(real_loss(logits[0].float()), first_seen) + judged(real_loss(logits[1].float()), second_seen)

    def _discriminator_loss(self, network: nn.Module, made: dict[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Half the least squares of real and made images, for each sensor."""
        first, first_seen, second, second_seen = self._both(batch)
        if self.paired:
            known = first_seen & second_seen
            real, false = self._shown(first, second, batch), self._shown(made["first"], made["second"], batch)
            real_seen = false_seen = (known, known)
        else:
            real, real_seen = (first, second), (first_seen, second_seen)
            past: Any = self.discriminators
            # An image made of one sensor is measured where its source was.
            false, false_seen = zip(past.first_history.exchange(made["first"], second_seen), past.second_history.exchange(made["second"], first_seen))
        logits = network(*(torch.cat(pair) for pair in zip(real, false)))
        loss, number = torch.zeros((), device=real[0].device), len(batch)
        for both, seen, made_seen in zip(logits, real_seen, false_seen):
            true, fake = both[:number].float(), both[number:].float()
            loss = loss + 0.5 * (judged(real_loss(true), seen) + judged(made_loss(fake), made_seen))
            self.judged.append(torch.stack([(true.detach() > 0.5).float().mean(), (fake.detach() < 0.5).float().mean()]))
        return loss

    def _shown(self, first: torch.Tensor, second: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """What the discriminators of a pair see: each image beside its source, and only pixels measured by both."""
        own_first, first_seen, own_second, second_seen = self._both(batch)
        known = first_seen & second_seen
        return torch.cat([first, own_second], 1).where(known, 0.0), torch.cat([second, own_first], 1).where(known, 0.0)

    @torch.no_grad()
    def validate(self, progress: Progress = SILENT) -> np.ndarray:
        """Sums over this process's share of the validation tiles, see `Sums`."""
        self._renew()
        self.generators.eval()
        sums, reader = Sums(self.bands), self.reader
        sides = [(way, reader.share.mine(side.indices("validation"))) for way, side in enumerate(reader.single)]
        common = set(reader.common("validation").tolist())
        total, done = sum(len(tiles) for _, tiles in sides), 0
        for way, tiles in sides:
            for start in range(0, len(tiles), reader.batch_size):
                chosen = tiles[start:start + reader.batch_size]
                self._add(sums, way, chosen, common)
                done += len(chosen)
                progress.at(done / total, f"Checking {done} of {total} tiles")
        return sums.flat()

    def _add(self, sums: Sums, way: int, tiles: np.ndarray, common: set[int]) -> None:
        there, again = (self.generators.forth, self.generators.back)[::1 if way == 0 else -1]
        image, measured = self.reader.read(way, tiles)
        made = there(image).where(measured, 0.0).float()
        back = again(made).float()
        seen = measured[:, 0].cpu().numpy()
        sums.add_cycle(way, image.cpu().numpy(), back.cpu().numpy(), seen)
        sums.add_values("made", way, made.cpu().numpy(), seen)
        sums.add_values("real", 1 - way, image.cpu().numpy(), seen)
        paired = np.array([tile in common for tile in tiles.tolist()])
        if paired.any():
            truth, known = self.reader.stored(1 - way, tiles[paired])
            stored = self.scalings[1 - way].inverse(made).cpu().numpy()
            sums.add_error(way, stored[paired], truth, known & seen[paired])

    def _renew(self) -> None:
        """Brings the statistics of batch normalisation up to date, so that what is measured is the network as it will be used."""
        for way, (network, tiles) in enumerate(zip((self.generators.forth, self.generators.back), self.reader.training)):
            if not any(isinstance(layer, nn.BatchNorm2d) for layer in network.modules()):
                continue
            mine = self.reader.share.mine(tiles)
            sample = mixed_sample(np.resize(mine, max(2, len(mine))), RENEWAL_TILES)
            size = max(2, self.reader.batch_size)  # a lone tile has no statistics in the deepest layer
            renew_statistics(network, (self.reader.read(way, part)[0] for part in np.array_split(sample, max(1, len(sample) // size))))

    def sums(self, flat: np.ndarray) -> Sums:
        """What `validate` gave, with its names."""
        return Sums(self.bands, flat)

    def figures(self, flat: np.ndarray) -> dict[str, float]:
        """Score, cycle and paired errors, and what the discriminators took for what since the last call."""
        sums = self.sums(flat)
        names = self.reader.names
        row: dict[str, float | None] = {}
        for way, (source, target) in enumerate((names, names[::-1])):
            row |= {f"cycle_{source}": sums.cycle(way), f"distance_{target}": sums.distance(way),
                    f"error_{source}_to_{target}": sums.error(way), f"psnr_{source}_to_{target}": sums.psnr(way)}
        wrong = [sums.error(way) for way in (0, 1)] if self.paired else [
            _sum(sums.cycle(way), sums.distance(way)) for way in (0, 1)]
        found = [value for value in wrong if value is not None]
        if found:
            error = float(np.mean(found))
            row |= {"validation_error": error, self.score: -error}
        if self.judged:
            real, made = torch.stack(self.judged).mean(0).tolist()
            row |= {"discriminator_real": real, "discriminator_made": made}
            self.judged = []
        return {name: value for name, value in row.items() if value is not None}


def l1(made: torch.Tensor, truth: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Mean absolute difference of images (n, band, y, x) over known pixels (n, 1, y, x); 0 where none is known."""
    return ((made.float() - truth).abs() * known).sum() / (known.sum() * truth.shape[1]).clamp_min(1)


def judged(losses: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
    """Mean of losses per patch (n, 1, y', x'), each weighted by the share of its pixels that were measured (n, 1, y, x)."""
    weights = adaptive_avg_pool2d(seen.float(), (losses.shape[-2], losses.shape[-1]))
    return (losses * weights).sum() / weights.sum().clamp_min(1e-6)


def same_bands(first: Sequence[Band], second: Sequence[Band]) -> bool:
    """Whether two sensors have the same bands in the same units and order."""
    return [(band.name, band.unit) for band in first] == [(band.name, band.unit) for band in second]


def _sum(*values: float | None) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) if len(found) == len(values) else None

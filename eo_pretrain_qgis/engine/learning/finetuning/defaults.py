"""What is chosen where nothing is asked for: how to train follows from the task, the starting weights and the number of labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Defaults:
    """Values of the settings of the same names."""

    batch_size: int = 8
    epochs: int = 40
    epoch_steps: int | None = None
    learning_rate: float = 1e-3
    augmentation: str = "flips"
    average: float = 0.0


#: A decent beginning for AdamW. Networks begin at a regression on whitened bands, whose small differences the gains of single bands in full
#: augmentation drown: with it that told 52 % of EuroSAT's training images of 13 bands apart, with flips 94 % (docs/evidence/approaches.md).
FROM_SCRATCH = Defaults()
#: Images with one label each or several, from starting weights: most labels → how. On EuroSAT few steps of many images, flips and a
#: running average were best, at a rate that grows with the labels (docs/evidence/barlow-twins.md): 0.857 at 163 labels, where full augmentation and
#: batches of 8 gave 0.830. With more labels an epoch is a pass over them.
FEW_LABELS = {
    400: Defaults(32, 10, 15, 5e-5, "flips", 0.99),
    1200: Defaults(32, 10, 20, 1e-4, "flips", 0.99),
    4000: Defaults(32, 10, 20, 3e-4, "flips", 0.99),
}
#: With few labels that are spread, more images are learned from (docs/evidence/spread-labels.md).
SPREAD = Defaults(32, 10, 30, 1e-4, "flips", 0.99)
MANY_LABELS = Defaults(32, 10, None, 3e-4, "flips", 0.99)
#: Series of dates, which are small: many at once, and no images to turn.
OF_SERIES = Defaults(256, 30, None, 1e-3, "none", 0.0)
#: Dated tiles, each of which holds thousands of series.
OF_TILES_IN_TIME = Defaults(4, 30, None, 1e-3, "flips", 0.0)
#: Validation tiles that are enough to choose an epoch by; of fewer, some epoch looks best by chance.
ENOUGH = 10
#: And to choose between three approaches, which differ by more than epochs do.
ENOUGH_TO_COMPARE = 4
#: A class for every pixel: the rate from 100 labelled tiles on, below in proportion, and the smallest, for fewer labels soon pull a network away from
#: the regression it begins as; and the largest from starting weights.
PIXEL_RATE, FULL_RATE_TILES, SMALLEST_RATE, LARGEST_FROM_WEIGHTS = 3e-3, 100, 5e-4, 1e-3
#: Pixels seen around tiles of a smaller edge (docs/evidence/map-scores.md).
CONTEXT, SMALL_TILE = 16, 128
WORDS = {"batch_size": "batch size {}", "epochs": "{} epochs", "epoch_steps": "{} steps per epoch", "learning_rate": "learning rate {:g}",
         "augmentation": "augmentation “{}”", "average": "averaging {:g}", "keep": "the {} epoch kept"}


def defaults(whole_tiles: bool, from_weights: bool, labels: int, radar_scenes: bool = False, spread: bool = False) -> Defaults:
    """How to train.

    Backscatter of one class differs between scenes by some dB, with moisture, wind, season and incidence angle. Radar of several scenes
    therefore gets full augmentation, which has an offset per tile and band, see `augment.DECIBELS`: else a network learns the level of
    the scenes it saw.

    Args:
        whole_tiles: labels are of whole tiles, not of pixels.
        from_weights: there are starting weights.
        labels: number of labelled training tiles.
        radar_scenes: the tiles are backscatter, of several scenes, see `labelled_tiles.radar_of_several_scenes`.
        spread: the labels are spread to tiles without one.
    """
    if not whole_tiles:
        rate = max(SMALLEST_RATE, PIXEL_RATE * min(1.0, labels / FULL_RATE_TILES))
        found = Defaults(learning_rate=min(rate, LARGEST_FROM_WEIGHTS) if from_weights else rate, average=0.98)
    elif not from_weights:
        found = FROM_SCRATCH
    elif spread and labels <= min(FEW_LABELS):
        found = SPREAD
    else:
        found = next((found for most, found in FEW_LABELS.items() if labels <= most), MANY_LABELS)
    return replace(found, augmentation="full") if radar_scenes else found


def keep_of(validation_tiles: int) -> str:
    """Which epoch is kept."""
    return "best" if validation_tiles >= ENOUGH else "last"


def usual_context(tile_size: int) -> int:
    """Pixels around a tile that training sees: small tiles are mostly border, which a map has none of."""
    return CONTEXT if tile_size < SMALL_TILE else 0


def sentence(chosen: dict[str, Any], labels: int, from_weights: bool) -> str:
    """What was chosen, in words; empty where nothing was."""
    said = [WORDS[name].format(value) for name, value in chosen.items() if value not in (None, "best")]
    start = "starting weights" if from_weights else "scratch"
    return f"Chosen for {labels} labelled training tiles from {start}: {', '.join(said)}." if said else ""

"""Training data for sea ice: scenes and polygons → patches of one class each, or tiles with a class for every pixel."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ....progress import SILENT, Progress
from ...datasets.building import About, Imagery, build_dataset, checksum, scene_facts, target_facts
from ...datasets.cutting import Cutting
from ...datasets.dataset import IGNORE, SPLITS
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import finish
from .fast_ice import Added, FastIce, fast_ice_patches
from .labels import IceLabels
from .optical import HOURS, OpticalScenes
from .patches import Found, PatchPlan, copies_of, divide_patches, find_patches, outlines_of, weights_of, write_patches

THEME = "sea ice"
#: Scenes of which training, validation and test get one each at least.
ENOUGH_SCENES = 3


@dataclass(frozen=True)
class Moments:
    """What time between images, chart and optical scenes means for patches.

    Attributes:
        fast: how far fast ice is trusted on images of other days; None takes all images for images of the chart.
        optical: scenes that the polygons were drawn from; None where that is not known.
    """

    fast: FastIce | None = None
    optical: OpticalScenes | None = None


def build_patches(folder: Path, images: Imagery, labels: IceLabels, plan: PatchPlan, shares: SplitPlan, about: About,
                  progress: Progress = SILENT, moments: Moments | None = None) -> Split:
    """Makes a dataset of patches, task "patch".

    Args:
        folder: an empty folder to fill.
        images: scenes with HH, HV and, unless left out, the incidence angle.
        labels: the polygons.
        plan: size, stride, split and balance of the patches.
        shares: of validation and test, and the seed.
        about: name of the dataset and facts of the scenes.
        progress: told how far it is.
        moments: see there.

    Raises:
        DataError: no patch fits, one class only, or too few polygons or scenes to split.
    """
    scenes, sensor, moments = images.scenes, images.sensor, moments or Moments()
    fast, gaps = moments.fast, moments.optical.of(scenes, labels, progress) if moments.optical else None
    own_day = fast.divided(scenes)[0] if fast else list(range(len(scenes)))
    if plan.split == "auto":
        plan, count = replace(plan, split="scene" if len(own_day) >= ENOUGH_SCENES else "polygon"), len(own_day)
        progress.message(f"Divided by {plan.split}, because there {'is' if count == 1 else 'are'} {count} "
                         f"scene{'' if count == 1 else 's'}." + ("" if plan.split == "scene" else
                         f" From {ENOUGH_SCENES} scenes on they are divided by scene, without which figures say nothing of another scene."))
    found = find_patches(scenes, labels, plan, progress.part(0, 0.25), own_day, gaps.wanted if gaps else None)
    labels = _with_patches(found, labels, progress)
    outlines = outlines_of(found, scenes, plan, labels)
    split = divide_patches(found, outlines, scenes, labels, plan, shares, progress.part(0.25, 0.3))
    charted, more = len(split.names), dict[str, Any]()
    if fast:
        given = fast_ice_patches(scenes, labels, found, split.names, plan, fast, about.facts["unit"], progress.part(0.3, 0.4))
        found, split, more = _with_fast_ice(found, split, given, fast, labels, progress)
        outlines = outlines_of(found, scenes, plan, labels)
    own, training = outlines["label"].to_numpy(), split.names == SPLITS[0]
    copies = copies_of(own, training & (plan.balance == "augment"), shares.seed)
    shards, tiles = write_patches(folder, found, scenes, labels, sensor, copies, plan, progress.part(0.4, 0.8))
    names = split.names[tiles["origin"]]
    tiles = tiles.assign(weight=weights_of(tiles["label"].to_numpy(), names, plan, len(labels.legend.classes)))
    added = int((tiles["augmented"] > 0).sum())
    text = f" {added} flipped or turned copies of training patches were added." if added else ""
    counts = {row.name: int((own == number).sum()) for number, row in enumerate(labels.legend.classes)}
    progress.message("Patches per class: " + ", ".join(f"{key} {count}" for key, count in counts.items()) + f".{text}")
    description = {
        "task": "patch", "name": about.name, "sensors": [sensor], "tile_size": plan.size, "stride": plan.stride,
        "resolution_m": [round(metres, 4) for metres in scenes[0].grid.metres_per_pixel()], "classes": list(labels.legend.classes),
        "ignore": IGNORE, "scenes": [scene_facts([scene], [sensor], progress.part(0.8, 0.85)) for scene in scenes],
        "labels": {**labels.facts, "checksum": checksum([labels.path], progress.part(0.85, 0.86))}, "shards": shards, "theme": THEME,
        "facts": {**about.facts, **more, **({"optical": gaps.facts(found)} if gaps else {}), "scheme": labels.facts.get("scheme", ""),
                  "split_by": plan.split, "balance": plan.balance, "augmented": added, "patches": counts, "polygons_without_patch": len(found.empty)},
        **target_facts(labels),
    }
    whole = Split(names, {**split.facts, "text": split.facts["text"] + text})
    columns = {**({"fast_ice": (tiles["origin"] >= charted).astype(int)} if fast else {}),
               **({HOURS: gaps.each(found)[tiles["origin"]]} if gaps else {})}
    return finish(folder, description, tiles.assign(**columns).drop(columns="origin"), whole, progress.part(0.86, 1))


def _with_fast_ice(found: Found, split: Split, given: Added, fast: FastIce, labels: IceLabels, progress: Progress
                   ) -> tuple[Found, Split, dict[str, Any]]:
    """All patches with those of fast ice on other days behind, their split, and facts; says how many there are."""
    lengths = [len(block.cols) for block in given.blocks]
    classes = np.array([labels.positions[block.polygon] for block in given.blocks], np.int64).repeat(lengths)
    counts = {row.name: int((classes == number).sum()) for number, row in enumerate(labels.legend.classes)}
    text = (f" {given.count} patches of fast ice on images up to {fast.days} days from the chart of {fast.day} were added to training; "
            f"{given.changed} were left out because HH changed by more than {fast.change_db:g} dB or was not measured on both days, and "
            f"{given.elsewhere} because their polygons are in validation or test.")
    progress.message(text.strip(), level="info" if given.count else "warning")
    names = np.concatenate([split.names, np.full(given.count, SPLITS[0])])
    facts = {"fast_ice": {"day": fast.day.isoformat(), "days": fast.days, "change_db": fast.change_db, "patches": counts, "changed": given.changed,
                          "elsewhere": given.elsewhere}}
    return Found([*found.blocks, *given.blocks], found.empty), Split(names, {**split.facts, "text": split.facts["text"] + text}), facts


def build_tiles(folder: Path, images: Imagery, labels: IceLabels, cutting: Cutting, shares: SplitPlan, about: About,
                progress: Progress = SILENT) -> Split:
    """Makes a dataset of tiles, task "segmentation", split by blocks of ground; arguments as in `build_patches`.

    Raises:
        DataError: as `build_dataset`.
    """
    labels.part(images.scenes)
    facts = {**about.facts, "scheme": labels.facts.get("scheme", ""), "split_by": "place"}
    return build_dataset(folder, images, labels, cutting, shares, About(about.name, THEME, facts), progress)


def _with_patches(found: Found, labels: IceLabels, progress: Progress) -> IceLabels:
    """The labels without the classes of which there is no patch."""
    seen = sorted({int(labels.positions[block.polygon]) for block in found.blocks} - {IGNORE})
    lost = [row.name for position, row in enumerate(labels.legend.classes) if position not in seen]
    if lost:
        progress.message(f"No polygon holds a patch of the class {', '.join(lost)}; the dataset does without.", level="warning")
        labels = labels.only(seen)
    labels.further = [_with_patches(found, one, progress) for one in labels.further]
    return labels

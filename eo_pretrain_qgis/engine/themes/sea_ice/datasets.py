"""Training data for sea ice: scenes and polygons → patches of one class each, or tiles with a class for every pixel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from ....progress import SILENT, Progress
from ...datasets.building import About, Imagery, build_dataset, checksum, scene_facts, target_facts
from ...datasets.cutting import Cutting
from ...datasets.dataset import IGNORE, SPLITS
from ...datasets.splitting.by_place import Split, SplitPlan
from ...datasets.splitting.division import finish
from .labels import IceLabels
from .patches import Found, PatchPlan, copies_of, divide_patches, find_patches, outlines_of, weights_of, write_patches

THEME = "sea ice"
#: Scenes of which training, validation and test get one each at least.
ENOUGH_SCENES = 3


def build_patches(folder: Path, images: Imagery, labels: IceLabels, plan: PatchPlan, shares: SplitPlan, about: About,
                  progress: Progress = SILENT) -> Split:
    """Makes a dataset of patches, task "patch".

    Args:
        folder: an empty folder to fill.
        images: scenes with HH, HV and, unless left out, the incidence angle.
        labels: the polygons.
        plan: size, stride, split and balance of the patches.
        shares: of validation and test, and the seed.
        about: name of the dataset and facts of the scenes.
        progress: told how far it is.

    Raises:
        DataError: no patch fits, one class only, or too few polygons or scenes to split.
    """
    scenes, sensor = images.scenes, images.sensor
    if plan.split == "auto":
        plan = replace(plan, split="scene" if len(scenes) >= ENOUGH_SCENES else "polygon")
        progress.message(f"Divided by {plan.split}, because there {'is' if len(scenes) == 1 else 'are'} {len(scenes)} "
                         f"scene{'' if len(scenes) == 1 else 's'}." + ("" if plan.split == "scene" else
                         f" From {ENOUGH_SCENES} scenes on they are divided by scene, without which figures say nothing of another scene."))
    found = find_patches(scenes, labels, plan, progress.part(0, 0.3))
    labels = _with_patches(found, labels, progress)
    outlines = outlines_of(found, scenes, plan, labels)
    split = divide_patches(found, outlines, scenes, labels, plan, shares, progress.part(0.3, 0.4))
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
        "facts": {**about.facts, "scheme": labels.facts.get("scheme", ""), "split_by": plan.split, "balance": plan.balance, "augmented": added,
                  "patches": counts, "polygons_without_patch": len(found.empty)}, **target_facts(labels),
    }
    whole = Split(names, {**split.facts, "text": split.facts["text"] + text})
    return finish(folder, description, tiles.drop(columns="origin"), whole, progress.part(0.86, 1))


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

"""What to beware of in a dataset, in words, from its own figures."""

from __future__ import annotations

import numpy as np

from ..datasets.cloud_masks import clouded
from ..datasets.dataset import DROPPED, SPLITS, Dataset, SensorInfo
from ..even_sample import even_sample
from ..rasters.meaning import SIMULATED_WORDS

FEW_TILES = {"training": 50, "validation": 5, "test": 10}
#: Share below which a class is rare.
RARE_CLASS = 0.01
#: From so many classes on, a warning about each of them becomes one about all.
MANY = 4
UNLIKE = 3.0
SAMPLE = 40
#: Presets of sensors that see clouds begin so.
OPTICAL = ("sentinel2", "landsat", "sentinel3")
#: Gap without a clear date that hides a part of a season [day], and share of cloud that is much.
LONG_GAP, CLOUDY = 45, 0.6
#: A class seen over less than this share of all incidence angles, where these span more than so many degrees, may be told by the angle.
NARROW_ANGLES, WIDE_ANGLES = 0.35, 5.0
#: Of what the most frequent class gets wrong, the share that the angle alone tells right, above which it deserves a word.
TOLD_BY_ANGLE = 0.5


def warnings_of(dataset: Dataset) -> list[str]:
    """One sentence for each thing to beware of; none for a dataset without fault."""
    simulated = [SIMULATED_WORDS] if dataset.simulated else []
    return [*simulated, *_tiles(dataset), *class_warnings(dataset), *_split(dataset), *_distance(dataset), *_pixels(dataset), *_bands(dataset),
            *_sampling(dataset)]


def class_shares(dataset: Dataset) -> np.ndarray:
    """Share of each class in training, validation and test (3, class): of the labelled pixels, or of the samples."""
    pixels = np.array([dataset.description["class_pixels"][split] for split in SPLITS], float)
    if dataset.kind.several:
        return pixels / np.maximum([[len(dataset.indices(split))] for split in SPLITS], 1)
    return pixels / np.maximum(pixels.sum(1, keepdims=True), 1)


def _plural(count: int, what: str) -> str:
    return what if count != 1 or what == "series" else "patch" if what == "patches" else what[:-1]


def series_warnings(facts: dict) -> list[str]:
    """Of what `series_facts.series_facts` said."""
    found, flags = [], facts["flags"]
    hidden = flags["cloud"] + flags["shadow"] + flags["not measured"]
    if hidden > CLOUDY:
        found.append(f"{hidden:.0%} of the dates are cloud, shadow or not measured.")
    gap = facts["longest_gap_days"]["median"]
    if gap is not None and gap > LONG_GAP:
        found.append(f"Half of the series have no clear date for {gap:g} days or more, so a part of the season is hidden.")
    medians = [row["clear_dates"] for row in facts["classes"] if row["clear_dates"] is not None]
    if medians and max(medians) > 2 * max(min(medians), 1):
        few, many = (pick(facts["classes"], key=lambda row: row["clear_dates"] or 0 if row["clear_dates"] is not None else np.median(medians))
                     for pick in (min, max))
        found.append(f"The class “{few['name']}” has {few['clear_dates']:g} clear dates and “{many['name']}” {many['clear_dates']:g} "
                     "(medians): the number of dates may tell them apart.")
    return found


def clouds_text(dataset: Dataset, hidden: float | None) -> str:
    """A sentence on the clouds over the tiles of a dataset, of which masks hide a share; empty where others tell of them, or none can be."""
    if hidden is not None:
        return f" Clouds and their shadows hide {hidden:.1%} of their pixels, which are not learned from."
    told = dataset.kind.dates or "cloud" in dataset.tiles
    seen = [sensor for sensor in dataset.sensors if sensor.preset.startswith(OPTICAL)]
    return " Nobody looked for clouds in them: no cloud mask was given." if seen and not told else ""


def angle_warnings(facts: dict) -> list[str]:
    """Of what `angle_facts.angle_facts` said."""
    if facts["low"] is None:
        return ["No labelled training pixel has an incidence angle."]
    span, alone = facts["high"] - facts["low"], facts["alone"]
    tells = alone and alone["accuracy"] - alone["majority"] > TOLD_BY_ANGLE * (1 - alone["majority"])
    return [*([f"The incidence angle alone tells the class of {alone['accuracy']:.0%} of what is for validation and test, where the most frequent "
               f"class has {alone['majority']:.0%}: a model can learn where in the swath the classes lay, and not what they look like. Add scenes in "
               "which they lie elsewhere, or train with the incidence angle left out."] if tells else []),
            *(f"The class “{row['name']}” was seen only between {row['low']:g}° and {row['high']:g}° of incidence angle, all classes together "
            f"between {facts['low']:g}° and {facts['high']:g}°: a model may tell it by the angle."
              for row in facts["classes"] if row["low"] is not None and span > WIDE_ANGLES and row["high"] - row["low"] < NARROW_ANGLES * span)]


def _tiles(dataset: Dataset) -> list[str]:
    what = dataset.kind.unit
    found = [f"Only {count} {split} {_plural(count, what)}: figures from so few are uncertain." for split, enough in FEW_TILES.items()
             if 0 < (count := len(dataset.indices(split))) < enough]
    found += [f"There are no {split} {what}." for split in SPLITS if not len(dataset.indices(split))
              and (dataset.kind.labelled or split != SPLITS[2])]
    dropped = len(dataset.indices(DROPPED)) / len(dataset)
    if dropped > 0.4:
        found.append(f"{dropped:.0%} of the {what} were dropped to keep training and test apart: {dataset.kind.lose_fewer} would lose fewer.")
    if dataset.description["stride"] < dataset.tile_size:
        stride = dataset.description["stride"]
        found.append(f"{what.capitalize()} overlap (stride {stride} px, tile {dataset.tile_size} px): there is less ground than {what}.")
    return found


def class_warnings(dataset: Dataset) -> list[str]:
    """Of its classes, of its main target alone where it has several."""
    if not dataset.classes:
        return []
    found, shares, what, enough = [], class_shares(dataset), dataset.kind.counted, dataset.kind.enough
    one = "pixel" if dataset.kind.pixelwise else "sample"
    of_what = "labelled training pixels" if what == "pixels" else f"training {what}"
    pixels = np.array([dataset.description["class_pixels"][split] for split in SPLITS])
    absent, few = [], {}
    for position, row in enumerate(dataset.classes):
        missing = [split for number, split in enumerate(SPLITS) if not pixels[number, position] and pixels[number].sum()]
        if not pixels[:, position].any():
            absent.append(f"“{row.name}”")
        elif missing:
            found.append(f"The class “{row.name}” has no {one} in {' and '.join(missing)}.")
        else:
            if shares[0, position] < RARE_CLASS:
                found.append(f"The class “{row.name}” is rare: {shares[0, position]:.2%} of the {of_what}.")
            if pixels[2].sum() and pixels[2, position] < enough:
                few[row.name] = int(pixels[2, position])
            elif pixels[2].sum() and not 1 / UNLIKE <= shares[2, position] / max(shares[0, position], 1e-12) <= UNLIKE:
                found.append(f"The class “{row.name}” takes {shares[0, position]:.1%} of the training and {shares[2, position]:.1%} of the "
                             f"test {what}.")
    if absent:
        found.append(f"No {one} is of the class{'es' if len(absent) > 1 else ''} {', '.join(absent)}.")
    return found + _few(few, enough, what)


def _few(few: dict[str, int], enough: int, what: str) -> list[str]:
    """Classes with too little in test to be judged."""
    if len(few) < MANY:
        return [f"The class “{name}” has only {count} test {_plural(count, what)}, so its score will be uncertain."
                for name, count in few.items()]
    least = min(few, key=lambda name: few[name])
    return [f"{len(few)} classes have fewer than {enough} test {what}, “{least}” only {few[least]}, so their scores will be uncertain."]


def _split(dataset: Dataset) -> list[str]:
    split = dataset.description["split"]
    if split.get("method") == "random":
        return [f"The {dataset.kind.unit} were divided at random, so neighbouring ground may be in training and in test: the test flatters the "
                "model."]
    if split.get("method") == "given" and split.get("leakage_distance_px") is None and len(dataset.indices(SPLITS[0])) < len(dataset):
        return ["The split came with the data, and nothing says how near training and test lie to each other."]
    return []


def _distance(dataset: Dataset) -> list[str]:
    distance = dataset.description["split"].get("leakage_distance_px")
    if distance is None or distance >= dataset.tile_size:
        return []
    return [f"Training and test pixels are as near as {distance:g} px, less than a tile ({dataset.tile_size} px), so the test "
            "flatters the model."]


def _pixels(dataset: Dataset) -> list[str]:
    if dataset.kind.sample_axes == "tb" or not len(dataset):
        return []
    found = []
    if "valid" in dataset.tiles and (valid := float(dataset.column("valid").mean())) < 0.8:
        hidden = clouded(dataset) or 0.0
        found.append(f"{1 - valid:.0%} of the pixels in the tiles are nodata" + (f", {hidden:.0%} because of clouds." if hidden else "."))
    pixelwise = dataset.kind.pixelwise and "labelled" in dataset.tiles
    if pixelwise and (labelled := float(dataset.column("labelled").mean())) < 0.1:
        found.append(f"Only {labelled:.1%} of the pixels in the tiles are labelled.")
    for sensor in dataset.sensors if not dataset.kind.dates else ():
        found += _zeros(dataset, sensor)
    return found


def _zeros(dataset: Dataset, sensor: SensorInfo) -> list[str]:
    own = dataset.indices("all", sensor.name)
    if not len(own) or len(sensor.bands) < 2:
        return []
    sample = even_sample(own, SAMPLE)
    images = dataset.images(sample, sensor.name)
    zero = float(((images == 0).all(axis=1) & sensor.valid(images)).mean())
    if zero <= 0.01:
        return []
    where = f" of {sensor.name}" if len(dataset.sensors) > 1 else ""
    return [f"About {zero:.0%} of the pixels{where} are 0 in all bands but count as measured. If that is nodata, declare it."]


def _bands(dataset: Dataset) -> list[str]:
    return [f"The band {band.name} has the same value everywhere and teaches nothing." for sensor in dataset.sensors for band in sensor.bands
            if dataset.statistics[sensor.name][band.name]["std"] == 0]


def _sampling(dataset: Dataset) -> list[str]:
    """Where samples were drawn: classes whose share differs much from that on the ground."""
    rows = dataset.facts.get("sampling", {}).get("classes", ())
    return [f"The class “{row['name']}” takes {row['prior']:.1%} of the ground and {row['sampled']:.1%} of the samples: shares in a map will "
            "lean that way." for row in rows if row["prior"] > 0 and row["sampled"] > 0 and not 1 / UNLIKE <= row["sampled"] / row["prior"] <= UNLIKE]

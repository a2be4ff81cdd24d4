"""What a report says of a dataset of sea ice: its polygons, how brightness falls with the incidence angle in each class, and pictures."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from ....progress import SILENT, Progress
from ...cards import SensorInfo
from ...datasets.dataset import IGNORE, SPLITS, Dataset
from ...describing.pictures import drawn
from ...even_sample import even_sample
from ...looks import html_page as page
from ...looks.stretching import limits, shades
from ...rasters.sensors import Band
from .classes import REASONS
from .orbit import UNSURE

#: Training samples, of at most so many pixels together, and pixels of each from which slopes are fitted.
SAMPLE, SAMPLE_PIXELS, PIXELS = 1000, 10_000_000, 40
#: Pixels of each class in the chart.
SHOWN = 300
#: Patches pictured of each class, about this wide [px].
PICTURED, THUMBNAIL = 8, 96
#: Polygons of a class in training below which it was hardly seen in its variety.
FEW_POLYGONS = 3
#: Share of the training samples of a class that are copies, above which it deserves a word.
MANY_COPIES = 0.5
#: Fall of the brightness of ice and water with the incidence angle [dB per degree]: Lohse, Doulgeris and Dierking 2020 find about -0.2
#: for multi-year ice in HH and -0.7 for open water; outside these limits something is wrong or the ground is mixed.
SLOPES = (-1.2, 0.2)
#: Range of angles [degree] a slope needs.
RANGE = 3.0


def sections(dataset: Dataset, progress: Progress = SILENT) -> list[str]:
    """The pieces of the page that only a dataset of sea ice has.

    Args:
        dataset: of the theme "sea ice".
        progress: told how far it is.
    """
    facts, labels = dataset.facts, dataset.description["labels"]
    pieces = [page.heading("Sea ice"), page.paragraph(_summary(dataset))]
    if labels.get("polygons"):
        pieces.append(page.table(("class", "polygons on the images", "patches"),
                                 [(name, count, facts.get("patches", {}).get(name)) for name, count in labels["polygons"].items()]))
    if fast := facts.get("fast_ice"):
        pieces += [page.paragraph(f"Fast ice stays, so images up to {fast['days']} days from the chart of {fast['day']} gave patches of it, too, for "
                                  f"training alone and counted among the patches above. Left out: {fast['changed']} of which HH changed by more than "
                                  f"{fast['change_db']:g} dB, and {fast['elsewhere']} of polygons that are in validation or test."),
                   page.table(("fast ice of other days", "patches"), [(name, count) for name, count in fast["patches"].items() if count])]
    if optical := facts.get("optical"):
        pieces.append(page.paragraph(_optical(optical)))
    reasons = labels.get("without_class") or {}
    if reasons:
        pieces.append(page.bullets(f"{count} polygons {REASONS.get(reason, reason)}." for reason, count in reasons.items()))
    pieces += [piece for row in dataset.description.get("targets", ()) for piece in _target(row)]
    progress.at(0.2, "Fitting slopes")
    slopes = slopes_of(dataset, progress.part(0.2, 0.6))
    if slopes:
        pieces += [page.heading("Brightness and incidence angle"),
                   page.paragraph("Backscatter of training pixels at 30° and its change with the incidence angle, fitted for each class; classes "
                                  "with different slopes need the angle to be told apart."),
                   page.table(("class", *(f"{band} at 30° [dB]" for band in ("HH", "HV")), *(f"{band} slope [dB/°]" for band in ("HH", "HV"))), [
                       (row["name"], *(None if row[key] is None else f"{row[key]:.2f}" for key in ("HH", "HV", "HH_slope", "HV_slope")))
                       for row in slopes["classes"]]), _chart(dataset, slopes)]
    progress.at(0.7, "Drawing")
    return pieces + _pictures(dataset)


def _optical(facts: dict) -> str:
    """How long before or after its image an optical scene showed the ice of a patch, in words."""
    limit = "" if facts["most_hours"] is None else f", {facts['most_hours']:g} hours at most"
    none = f" {facts['without']} patches are of polygons that none shows." if facts["without"] else ""
    seen = "No patch is of a polygon that an optical scene shows" if facts["median_hours"] is None else (
        f"Optical scenes show the ice of a patch {facts['median_hours']:g} hours from its image in the median, {facts['largest_hours']:g} hours at "
        "most")
    return f"{seen} ({facts['path']}{limit}).{none} Ice drifts meanwhile; the field optical_hours of the footprints has the hours of each."


def _target(row: dict) -> list[str]:
    """The polygons of a further target, and why others have none of its classes."""
    labels = row.get("labels", {})
    if not labels.get("polygons"):
        return []
    return [page.paragraph(f"Target “{row['name']}”:"), page.table(("class", "polygons on the images"), list(labels["polygons"].items())),
            *[page.bullets(f"{count} polygons {REASONS.get(reason, reason)}." for reason, count in (labels.get("without_class") or {}).items())]]


def warnings(dataset: Dataset) -> list[str]:
    """What to beware of in a dataset of sea ice, in words."""
    facts, found = dataset.facts, []
    if facts["incidence_angle"] == "none":
        found.append("There is no incidence angle: a model may take water at steep angles for ice.")
    if not dataset.kind.pixelwise:
        labels = np.where(dataset.splits == SPLITS[0], dataset.labels(np.arange(len(dataset))), IGNORE)
        for position, row in enumerate(dataset.classes):
            own = labels == position
            polygons = len(np.unique(dataset.column("polygon")[own]))
            if 0 < polygons < FEW_POLYGONS:
                found.append(f"The training patches of “{row.name}” are from {polygons} polygon{'s' if polygons > 1 else ''}: they show little of "
                             "its variety.")
            copies = float((dataset.column("augmented")[own] > 0).mean()) if own.any() else 0.0
            if copies > MANY_COPIES:
                found.append(f"{copies:.0%} of the training patches of “{row.name}” are flipped or turned copies of the others.")
    scenes = len(dataset.description["scenes"])
    if facts["split_by"] != "scene" and scenes:
        more = f"{'Divide' if scenes > 1 else 'Add scenes and divide'} by scene before you claim anything of others."
        same = f"scene{'s' if scenes > 1 else ''}"
        found.append(f"The {dataset.kind.unit} were divided by {facts['split_by']}, so training and test show the same {same}, with its noise, wind "
                     f"and date: figures say nothing of another scene. {more}")
    dates = sorted({scene["date"] for scene in dataset.description["scenes"] if scene.get("date")})
    if len(dates) > 1 and not dataset.description["labels"].get("scene_field") and not facts.get("fast_ice"):
        found.append(f"The same polygons label scenes of {len(dates)} days ({dates[0]} to {dates[-1]}), and ice moves. Make a dataset for each "
                     "day where its polygons differ.")
    slopes = slopes_of(dataset)
    for row in slopes["classes"] if slopes else []:
        slope = row["HH_slope"]
        if slope is not None and not SLOPES[0] <= slope <= SLOPES[1]:
            found.append(f"HH of “{row['name']}” changes by {slope:.2f} dB per degree of incidence angle, which no ice or water does: its polygons "
                         "may differ in kind from near to far range.")
    return found


def slopes_of(dataset: Dataset, progress: Progress = SILENT) -> dict | None:
    """Brightness against incidence angle, per class.

    Args:
        dataset: with the bands HH, HV and incidence_angle.
        progress: told how far it is.

    Returns:
        ``classes``: name, ``HH`` and ``HV`` at 30 degrees [dB], ``HH_slope`` and ``HV_slope`` [dB per degree], None where the class has no
        or too narrow a range of angles; ``points``: per class angles and HH of some pixels. None for datasets without angles.
    """
    sensor = _radar(dataset, "incidence_angle", "HH", "HV")
    if sensor is None:
        return None
    bands = [next((place, band) for place, band in enumerate(sensor.bands) if band.name == name) for name in ("incidence_angle", "HH", "HV")]
    rng = np.random.default_rng(1)
    chosen = dataset.indices(SPLITS[0])
    chosen = np.sort(rng.permutation(chosen)[:min(SAMPLE, max(SAMPLE_PIXELS // dataset.tile_size**2, 1))])
    pixels: list[np.ndarray] = []
    for done, first in enumerate(range(0, len(chosen), 50)):
        progress.at(done * 50 / len(chosen), "Fitting slopes")
        part = chosen[first:first + 50]
        images, labels = dataset.images(part, sensor.name), dataset.labels(part)
        drawn_labels = labels if labels.ndim == 3 else np.broadcast_to(labels[:, None, None], (len(part), *images.shape[2:]))
        picked = rng.integers(0, drawn_labels[0].size, (len(part), PIXELS))
        flat = images.reshape(len(part), images.shape[1], -1)
        values = np.take_along_axis(flat, picked[:, None, :], 2)
        own = np.take_along_axis(drawn_labels.reshape(len(part), -1), picked, 1)
        pixels.append(np.stack([own.ravel(), *(_physical(values[:, place], band).ravel() for place, band in bands)]))
    table = np.concatenate(pixels, 1) if pixels else np.zeros((4, 0))
    table = table[:, np.isfinite(table).all(0) & (table[0] != IGNORE)]
    classes, points = [], []
    for position, row in enumerate(dataset.classes):
        own_pixels = table[1:, table[0] == position]
        classes.append({"name": row.name, **_fit("HH", own_pixels[0], own_pixels[1]), **_fit("HV", own_pixels[0], own_pixels[2])})
        points.append(own_pixels[:2, rng.permutation(own_pixels.shape[1])[:SHOWN]])
    return {"classes": classes, "points": points}


def _radar(dataset: Dataset, *names: str) -> SensorInfo | None:
    """The sensor that has these bands."""
    return next((sensor for sensor in dataset.sensors if {band.name for band in sensor.bands}.issuperset(names)), None)


def _physical(values: np.ndarray, band: Band) -> np.ndarray:
    """Stored values in dB or degrees."""
    physical = values.astype(np.float64) * band.scale + band.offset
    if band.unit != "linear":
        return physical
    return 10 * np.log10(np.where(physical > 0, physical, np.nan))


def _fit(band: str, angle: np.ndarray, values: np.ndarray) -> dict:
    if len(angle) < 10:
        return {band: None, f"{band}_slope": None}
    low, high = np.percentile(angle, (5, 95))
    if high - low < RANGE:
        return {band: None, f"{band}_slope": None}
    slope, at_30 = np.polyfit(angle - 30, values, 1)
    return {band: float(at_30), f"{band}_slope": float(slope)}


def _summary(dataset: Dataset) -> str:
    facts, labels = dataset.facts, dataset.description["labels"]
    angle = {"band": "a band of the images", "layer": "layers", "table": "a table of the annotation", "orbit": f"the orbit (± {UNSURE:g}°)",
             "none": "left out"}
    by_field = f"the field “{labels['field']}”" if labels.get("field") else f"a SIGRID-3 ice chart read as “{facts.get('scheme', '')}”"
    share = labels.get("dominant_share")
    dominant = f", dominant share {share:g}" if share is not None and facts.get("scheme") in ("stage", "six_types") else ""
    placed = sorted({place for place in facts["georeferenced"] if place != "grid"})
    warped = f" Scenes were placed by {', '.join(placed)}." if placed else ""
    without = facts.get("polygons_without_patch") or 0
    small = f" {without} polygons hold no patch." if without else ""
    polygons = "" if labels.get("features") is None else f"; {labels['features']} polygons lie on the images"
    return (f"Backscatter is in {facts['unit']}; the incidence angle is {'' if facts['incidence_angle'] == 'none' else 'from '}"
            f"{angle[facts['incidence_angle']]}. Classes are from {by_field}{dominant}{polygons}."
            f"{small}{warped}")


def _chart(dataset: Dataset, slopes: dict) -> str:
    figure = Figure(figsize=(6.5, 3.6), layout="constrained")
    axes = figure.add_subplot(xlabel="incidence angle [°]", ylabel="HH [dB]")
    for row, fitted, points in zip(dataset.classes, slopes["classes"], slopes["points"], strict=True):
        axes.plot(*points, ".", color=row.color, markersize=2, alpha=0.6)
        if fitted["HH_slope"] is not None:
            ends = np.percentile(points[0], (0, 100))
            axes.plot(ends, fitted["HH"] + fitted["HH_slope"] * (ends - 30), color=row.color, label=row.name, linewidth=2)
    axes.grid(alpha=0.3)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize="x-small")
    return drawn(figure, "HH against incidence angle for each class")


def _pictures(dataset: Dataset) -> list[str]:
    """Patches of each class in red HV, green the mean and blue HH, all stretched alike."""
    if dataset.kind.pixelwise:
        return []
    sensor = _radar(dataset, "HH", "HV")
    if sensor is None:
        return []
    hh, hv = ([band.name for band in sensor.bands].index(name) for name in ("HH", "HV"))
    labels, originals = dataset.labels(np.arange(len(dataset))), dataset.column("augmented") == 0
    picked = [_apart(np.flatnonzero((labels == position) & originals), dataset.column("polygon")) for position in range(len(dataset.classes))]
    if not any(len(own) for own in picked):
        return []
    images = dataset.images(np.concatenate(picked), sensor.name)
    colours = np.stack([images[:, hv], (images[:, hh] + images[:, hv]) / 2, images[:, hh]], -1).astype(np.float64)
    if dataset.facts["unit"] == "linear":
        colours = 10 * np.log10(np.maximum(colours, 1e-5))
    shown = shades(colours, *limits(colours.reshape(-1, 3).T))
    zoom = max(1, THUMBNAIL // dataset.tile_size)
    rows, first = [], 0
    for row, own in zip(dataset.classes, picked, strict=True):
        if len(own):
            part = shown[first:first + len(own)].repeat(zoom, 1).repeat(zoom, 2)
            first += len(own)
            framed = np.pad(part, ((0, 0), (0, 0), (2, 2), (0, 0)), constant_values=255)
            rows += [page.paragraph(row.name), page.picture(np.concatenate(list(framed), 1), f"{len(own)} patches of {row.name}")]
    return [page.heading("HH and HV in false colour"), page.paragraph("Red is HV, green the mean of HH and HV, blue HH."), *rows]


def _apart(patches: np.ndarray, polygons: np.ndarray) -> np.ndarray:
    """A few patches from as many polygons as possible."""
    ranked = patches[np.argsort(polygons[patches], kind="stable")]
    return np.sort(even_sample(ranked, PICTURED))

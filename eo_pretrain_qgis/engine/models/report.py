"""What a model wants and gives, for people and as JSON."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from ...outputs import new_file
from ..cards import ClassInfo, ModelBand
from ..datasets.dates import season_words
from ..looks import html_page as html
from ..looks.class_style import coloured
from ..looks.score_tables import confusion_table
from ..measures.calibration import BINS
from ..rasters.sensors import PRESETS
from ..tasks import FIGURES
from .bundled import learned_words, listed_model
from .package import Package, further_output
from .record import ApplicabilityRecord, CalibrationRecord, FastRecord, ModelInput, RangeRecord, RoadThresholdRecord
from .told import field_score_words, network_words, origin_section, place_of_origin, score_sections, spaced


def facts(package: Package) -> dict[str, Any]:
    """The description with the checksum of the file, as plain values."""
    return {**package.description, "file": package.path, "sha256": package.sha256}


def write_json(package: Package, path: str) -> None:
    """Writes `facts` as a JSON file."""
    with new_file(path) as part:
        part.write_text(json.dumps(facts(package), indent=1, ensure_ascii=False), encoding="utf-8")


def write_html(package: Package, path: str) -> None:
    """Writes a self-contained page: bands with units and ranges, classes, how it was made, how well it did, licence."""
    said, known = package.description, package.record
    x, y = package.resolution_m
    sensors = " and ".join(_seen(seen) for seen in known.inputs)
    html.write_page(path, known.name, [
        html.paragraph(f"A model for {known.task} ({known.kind.gives}) of {sensors} at {x:g} x {y:g} m: {network_words(known.architecture)}"
                       f"{' with encoder ' + known.encoder if known.encoder else ''}. Licence: {known.licence}."),
        *_learned_from(package),
        html.heading("Bands it needs"),
        html.paragraph("Values as stored in the training images; the model scales them itself. "
                       "Physical value = stored value x scale + offset. “Range” holds 99.8 % of the training pixels."),
        *(piece for seen in known.inputs for piece in _input(seen, len(known.inputs) > 1)),
        *_gives(package),
        *_members(package),
        *_blocks(package),
        html.heading("How well it did"),
        *score_sections(said.get("scores"), "No scores of all members together were recorded; what each reached alone stands above."
                        if known.members else "No scores were recorded."),
        *([confusion_table([row.name for row in package.classes], np.array(known.confusion))] if known.confusion else []),
        *(piece for name, found in known.calibration.items() for piece in _sureness(package, name, found)),
        *_known_ground(known.applicability, any(seen.optional for seen in known.inputs)), *_ranges(known.ranges),
        *_road_threshold(known.road_threshold),
        *([html.heading("How well it finds whole fields"), html.paragraph(field_score_words(known.field_score))] if known.field_score else []),
        *_fast(known.fast),
        html.heading("Where it comes from"),
        origin_section(said.get("provenance"), "Its origin was not recorded."),
        html.heading("The file"),
        html.table(("", ""), [
            ("Id", package.id), ("File", package.path), ("SHA-256", package.sha256), ("Parameters", known.parameters),
            ("Stride [px]", package.stride), ("Halo [px]", package.halo), ("Training tile [px]", known.tile_size),
            *([("Takes tiles of", _sides(package))] if package.kind.takes != "tb" else [])]),
    ])


def _learned_from(package: Package) -> list[str]:
    """Where and when it learned: as its file says or, of one that comes with the plugin, as the list of these does."""
    origin, listed = package.record.provenance, listed_model(package.path)
    found = (origin.learned_from if origin else None) or (listed.learned_from if listed else None)
    return place_of_origin(found, learned_words(package.path))


def _seen(seen: ModelInput) -> str:
    """Whose images it takes: the sensor, where that is known."""
    return "images" if seen.preset == "generic" else f"images of {PRESETS[seen.preset].name}"


def _sides(package: Package) -> str:
    """Which images it takes, by their height and width."""
    if package.fixed_tile:
        return f"exactly {package.fixed_tile} px"
    if step := package.record.dense_step:
        return f"{package.record.tile_size} px, and larger ones by multiples of {step} px, for a class of each of their squares"
    return f"any multiple of {package.stride} px"


def _input(seen: ModelInput, several: bool) -> list[str]:
    """Its bands, with its name where it is not the only one, and the season of a series."""
    may = ", which may be missing" if seen.optional else ""
    finer = f"Images are resampled bilinearly to pixels whose edge is theirs by {seen.finer}, and the map is as fine."
    return [*([html.paragraph(f"{seen.name}{may}:")] if several else []), *([html.paragraph(finer)] if seen.finer else []), *_season(seen),
            _bands(seen.bands)]


def _season(seen: ModelInput) -> list[str]:
    """Which dates of a series it takes."""
    if not seen.season:
        return []
    what, more = "dates of one place", ""
    if seen.axes == "tbyx":
        what, more = "dated tiles", " A pixel that does not count on a date has the fill value in all bands there."
    return [html.paragraph(
        f"A series of {what}, of {season_words(seen.season)}; single dates outside are left out, and series of another part of the year are refused. "
        f"The port “{seen.ports[-1]}” takes the days since 1 January of the year in which it begins, below 0 for what is missing, cloudy or padding. "
        f"A series without a clear date gets no class.{more}")]


def _gives(package: Package) -> list[str]:
    if package.targets and not package.kind.synthetic:
        return [html.heading(f"The embedding {package.target_sensor}"),
                html.paragraph(f"{package.channels} numbers from -1 to 1 for each pixel. Images that this model embedded compare with each "
                               "other, and with those of no other model.")]
    if package.targets:
        return [html.heading(f"Synthetic bands of {package.target_sensor} it gives"),
                html.paragraph("Values as that sensor's images were stored in training. They are made, not measured."), _bands(package.targets)]
    name, targets = package.record.target_name, package.further
    of = f" of the main target “{name}”" if targets else ""
    pieces = _classes(f"Classes it gives{of}", package.classes)
    for name, classes in targets.items():
        pieces += _classes(f"Classes it gives of the target “{name}”", classes)
    return [*pieces,
            *([html.paragraph(f"Besides, for each pixel a share from 0 to 1: {', '.join(package.beside)}.")] if package.beside else [])]


def _members(package: Package) -> list[str]:
    """The models in it, where these are several."""
    found = package.record.members
    if not found:
        return []
    reached = [{name: value for name, value in (one.scores or {}).items() if isinstance(value, float)} for one in found]
    figures = list(dict.fromkeys(name for row in reached for name in row))
    return [
        html.heading(f"The mean of {len(found)} members"),
        html.paragraph("The file runs all of them on the same values and gives the mean of their probabilities. The disagreement is the mutual "
                       "information of class and member: the entropy of the mean less the mean of the entropies, as a share of the most that it can "
                       "be, the logarithm of the number of classes (Houlsby et al. 2011). It is 0 where all say the same, also where all are equally "
                       "unsure. The area of applicability is that of the first member."),
        html.table(("Run", "Seed", "Network", "Checksum", *(f"{FIGURES.get(name, spaced(name))} on the validation tiles" for name in figures)), [
            (one.run, one.seed, network_words(one.architecture), one.sha256[:8], *(_number(row.get(name)) for name in figures))
            for one, row in zip(found, reached, strict=True)])]


def _classes(title: str, classes: tuple[ClassInfo, ...]) -> list[str]:
    rows = coloured(classes)
    return [html.heading(title), html.legend([row.name for row in rows], [row.color for row in rows]),
            html.table(("Class", "Value in the map", "Colour"), [(row.name, row.value, row.color) for row in rows])]


def _sureness(package: Package, output: str, found: CalibrationRecord) -> list[str]:
    """How far the probabilities of an output can be believed."""
    targets = {further_output(name): (name, classes) for name, classes in package.further.items()}
    name, classes = targets.get(output, (package.record.target_name, package.classes))
    what = f" of the target “{name}”" if name else ""
    used = found.kept != 1
    each = bool(found.classes_bins)
    text = (f"Scores{what} are divided by one number, a temperature of {found.kept:.2f} before {'sigmoid' if each else 'softmax'}, inside the file, "
            "so that probabilities come nearer to how often the model is right." if used else
            f"Probabilities{what} stay as the network gives them, because dividing the scores by one number (a temperature) made them no better on "
            "other ground.")
    labels, names = ("as the network gives them", f"with the temperature of {found.temperature:.2f}"), [row.name for row in classes]
    panels = dict(zip(names, zip(found.classes_bins, found.classes_bins_after, strict=True))) if each else {"": (found.bins, found.bins_after)}
    whose = "the probability of a class is off" if each else "the probability of the class that is said is off"
    return [
        html.heading(f"How sure it may be{what}"),
        html.paragraph(f"{text} It was fitted on half of the blocks of ground of the validation tiles. On the other half, with {found.samples:,} "
                       f"samples, {whose} by {100 * found.before:.1f} % on average without it and by "
                       f"{100 * found.after:.1f} % with it (expected calibration error, {BINS} bins of as many samples"
                       f"{', mean of the classes' if each else ''})."),
        html.reliability({name: {label: [(one.said, one.found) for one in bins] for label, bins in zip(labels, both, strict=True)}
                          for name, both in panels.items() if all(both)}),
        html.table(("Class", "Error without it [%]", "Error with it [%]"), [
            (row.name, *("–" if error is None else f"{100 * error:.1f}" for error in pair))
            for row, *pair in zip(classes, found.classes_before, found.classes_after)])]


def _known_ground(found: ApplicabilityRecord | None, either: bool) -> list[str]:
    """What is known of the ground it learned from, of a model that does without `either` sensor."""
    if found is None:
        return []
    return [html.heading("Which ground it knows"), html.paragraph(
        f"The file holds {found.samples:,} of the training samples. A place counts as like them where the nearest of them is at most "
        f"{found.limit:.3g} away in what the model sees, counted in mean distances of two of them; that is the most by which training samples differ "
        f"from those of other places, outliers left out. In the middle a training sample has {found.nearby:g} others so near. “Predict map” shows "
        "this as the area of applicability (Meyer and Pebesma 2021)."
        + (" Where one sensor alone was measured, places are compared with training samples in what that one sees; their distances are brought to "
           "the same limit." if either else ""))]


def _ranges(found: dict[str, RangeRecord]) -> list[str]:
    """How its training values are spread."""
    if not found:
        return []
    places = " and ".join(f"{row.places:,}" for row in found.values())
    return [html.heading("Which values it knows"), html.paragraph(
        f"The file holds the mean and the correlation of the values of {places} training places. “Predict map” shows as “Out of range” how far the "
        "values of a place lie from that mean in whitened bands, in percent of the squared distance that 99 of 100 training places do not exceed "
        "(Mahalanobis 1936).")]


def _road_threshold(found: RoadThresholdRecord | None) -> list[str]:
    """From which probability on pixels are road."""
    if found is None:
        return []
    return [html.heading("From which probability on pixels are road"), html.paragraph(
        f"“Map roads” begins roads at {found.high:g} and goes on down to {found.low:g}. Of those tried this gave lines with the best F1 on "
        f"{found.tiles:,} validation tiles, {found.f1:.3f} with a tolerance of 1 px; at 0.5 it was {found.usual_f1:.3f}.")]


def _fast(found: FastRecord | None) -> list[str]:
    """What computing in bfloat16 changes."""
    if found is None:
        return []
    return [html.heading("What “fast” changes"), html.paragraph(
        f"Computed in {found.runtime}, {100 * found.changed:.2f} % of {found.places:,} places of its validation ground get another class.")]


def _blocks(package: Package) -> list[str]:
    """How a map is computed, and what is known of its seams."""
    if package.kind.whole:
        what = package.kind.gives.partition(" for ")[0]
        return [html.heading("How it maps"), html.paragraph(
            f"The image is cut into squares of {package.record.tile_size} px from its first pixel, and each gets {what}: a pixel of the map is such "
            "a square, or the middle of one where a smaller step is asked for.")]
    if package.kind.axes == "b":
        return []
    if package.fixed_tile:
        edges = f"tiles of exactly {package.fixed_tile} px, the only ones that it takes"
    else:
        edges = f"blocks of {package.block} px, laid from the first pixel of the image"
        edges += f"; where memory does not hold one, of {package.small_block} px if you ask for it" if package.small_block else ""
    text = (f"In {edges}. A border (halo) of {package.halo} px of each is thrown away. So a map depends on the image and the model alone, not on "
            "the extent or the memory.")
    found = package.record.halo_measured
    if found is None:
        return [html.heading("How it maps"), html.paragraph(f"{text} How much the border leaves of where blocks end was not recorded.")]
    tried = [(f"{border} px", f"{share:.3%}") for border, share in sorted(found.tried.items(), key=lambda row: int(row[0]))]
    return [html.heading("How it maps"),
            html.paragraph(f"{text} At {found.places} places of the training tiles {found.changed:.3%} of the pixels depend on where the block "
                           "ends, just inside that border. It is "
                           f"{'the first' if package.kind.takes == 'tbyx' else 'one step wider than the first'} that leaves few enough."),
            html.table(("Border tried", "Pixels that depend on where the block ends"), tried)]


def _bands(bands: tuple[ModelBand, ...]) -> str:
    return html.table(("Band", "Wavelength [µm]", "Unit", "Scale", "Offset", "Mean", "Deviation", "Range"), [
        (band.name, _number(band.wavelength_um), band.unit, _number(band.scale), _number(band.offset),
         _number(band.mean), _number(band.std), f"{_number(band.p001)} to {_number(band.p999)}") for band in bands])


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"

"""What a model wants and gives, for people and as JSON."""

from __future__ import annotations

import json
from typing import Any

from ...outputs import new_file
from ..cards import ClassInfo, ModelBand
from ..datasets.dates import season_words
from ..looks import html_page as html
from ..looks.class_style import coloured
from ..measures.calibration import BINS
from .package import Package, further_output
from .record import ApplicabilityRecord, CalibrationRecord, ModelInput


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
    sensors = " and ".join(seen.sensor or "images" for seen in known.inputs)
    html.write_page(path, known.name, [
        html.paragraph(f"A model for {known.task} ({known.kind.gives}) of {sensors} at {x:g} x {y:g} m: {known.architecture}"
                       f"{' with encoder ' + known.encoder if known.encoder else ''}. Licence: {known.licence}."),
        html.heading("Bands it needs"),
        html.paragraph("Values as stored in the training images; the model scales them itself. "
                       "Physical value = stored value x scale + offset. “Range” holds 99.8 % of the training pixels."),
        *(piece for seen in known.inputs for piece in _input(seen, len(known.inputs) > 1)),
        *_gives(package),
        *_blocks(package),
        html.heading("How well it did"),
        _table_of(said.get("scores"), "No scores were recorded."),
        *(piece for name, found in known.calibration.items() for piece in _sureness(package, name, found)),
        *_known_ground(known.applicability),
        html.heading("Where it comes from"),
        _table_of(said.get("provenance"), "Its origin was not recorded."),
        html.heading("The file"),
        html.table(("", ""), [
            ("Id", package.id), ("File", package.path), ("SHA-256", package.sha256), ("Parameters", known.parameters),
            ("Stride [px]", package.stride), ("Halo [px]", package.halo), ("Training tile [px]", known.tile_size),
            *([("Takes tiles of", _sides(package))] if package.kind.takes != "tb" else [])]),
    ])


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
    return [*([html.paragraph(f"{seen.name}{may}:")] if several else []), *_season(seen), _bands(seen.bands)]


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
    text = (f"Probabilities{what} are divided by a temperature of {found.kept:.2f} before softmax, inside the file." if used else
            f"Probabilities{what} stay as the network gives them, because a temperature made them no better on other ground.")
    points = {"as the network gives them": found.bins, f"with the temperature of {found.temperature:.2f}": found.bins_after}
    return [
        html.heading(f"How sure it may be{what}"),
        html.paragraph(f"{text} It was fitted on half of the blocks of ground of the validation tiles. On the other half, with {found.samples:,} "
                       f"samples, the probability of the class that is said is off by {100 * found.before:.1f} % on average without it and by "
                       f"{100 * found.after:.1f} % with it (expected calibration error, {BINS} bins of as many samples)."),
        html.reliability({label: [(one.said, one.found) for one in bins] for label, bins in points.items() if bins}),
        html.table(("Class", "Error without it [%]", "Error with it [%]"), [
            (row.name, *("–" if error is None else f"{100 * error:.1f}" for error in pair))
            for row, *pair in zip(classes, found.classes_before, found.classes_after)])]


def _known_ground(found: ApplicabilityRecord | None) -> list[str]:
    """What is known of the ground it learned from."""
    if found is None:
        return []
    return [html.heading("Which ground it knows"), html.paragraph(
        f"The file holds {found.samples:,} of the training samples. A place counts as like them where the nearest of them is at most "
        f"{found.limit:.3g} away in what the model sees, counted in mean distances of two of them; that is the most by which training samples differ "
        f"from those of other places, outliers left out. In the middle a training sample has {found.nearby:g} others so near. “Predict map” shows "
        "this as the area of applicability (Meyer and Pebesma 2021).")]


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


def _table_of(values: dict[str, Any] | None, otherwise: str) -> str:
    return html.table(("", ""), [(key, _short(value)) for key, value in _flat(values)]) if values else html.paragraph(otherwise)


def _flat(values: Any, name: str = "") -> list[tuple[str, Any]]:
    """Nested values as rows: ``classes.water.iou``."""
    if isinstance(values, dict):
        pairs = [(str(key), value) for key, value in values.items()]
    elif isinstance(values, list) and any(isinstance(value, (dict, list)) for value in values):
        pairs = [(str(position), value) for position, value in enumerate(values, 1)]
    else:
        return [(name, values)]
    return [row for key, value in pairs for row in _flat(value, f"{name}.{key}" if name else key)]


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_short, value))
    return _number(value) if value is None or isinstance(value, float) else str(value)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.5g}"

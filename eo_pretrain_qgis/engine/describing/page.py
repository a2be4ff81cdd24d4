"""The report on a dataset: what is in it, how it is split, what to beware of, as a page and as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from types import ModuleType

from ...errors import listed
from ...outputs import new_file
from ...progress import SILENT, Progress
from ..datasets.cloud_masks import clouded
from ..datasets.dataset import DESCRIPTION, DROPPED, SPLITS, Dataset, SensorInfo
from ..datasets.record import require_facts
from ..datasets.subsets import subset_table
from ..datasets.whereabouts import whereabouts
from ..looks import html_page as page
from ..looks.place import place_section
from ..themes.crops import report as crop_report
from ..themes.crops.series_facts import series_facts
from ..themes.fields import report as fields_report
from ..themes.land_cover import report as land_cover_report
from ..themes.roads import report as roads_report
from ..themes.sea_ice import report as sea_ice_report
from ..themes.sea_ice.angle_facts import angle_facts
from ..themes.unlabelled import report as pretraining_report
from . import pictures
from .clouds import clouds_warnings, probably_clouded
from .warnings import angle_warnings, class_shares, class_warnings, clouds_text, series_warnings, warnings_of

#: Theme of a dataset → module with ``sections(dataset, report) -> list[str]``, pieces of the page made with `html_page`, and
#: ``warnings(dataset) -> list[str]``, one sentence each.
THEMES: dict[str, ModuleType] = {"crops": crop_report, "fields": fields_report, "sea ice": sea_ice_report,
                                 "land cover": land_cover_report, "pretraining": pretraining_report, "roads": roads_report}

NOT_SHOWN = ("Whether the labels are right: this page counts them and compares them with nothing.",
             "Whether the samples stand for other places, seasons and sensors: shares of classes are those of the samples, and not of a region.",
             "What can be learned from them. Fine-tune a model, and measure it with “Evaluate model”.")
INTACT = "All arrays of the dataset are as they were written: they were compared with their checksums."
NOT_COMPARED = "Some arrays were made before checksums were kept, so it cannot be told whether they are as they were written."
MEASURES = ("mean", "std", "minimum", "p001", "p999", "maximum")


def describe(dataset: Dataset, progress: Progress = SILENT) -> dict:
    """The facts of a dataset as plain values.

    Raises:
        DataError: the dataset lacks what is told of its theme, or an array is not as it was written.
    """
    require_facts(dataset.facts, dataset.theme, str(dataset.folder / DESCRIPTION))
    description, (main, *further) = dataset.description, dataset.each_target()
    compared, progress = dataset.shards.compare(progress.part(0, 0.3)), progress.part(0.3, 1)
    sensors = [{"name": sensor.name, "preset": sensor.preset, "dtype": sensor.dtype, "nodata": sensor.nodata,
                "tiles": int(dataset.shards.holding(sensor.name).sum()), "bands": _bands(dataset, sensor)} for sensor in dataset.sensors]
    series = series_facts(dataset, progress.part(0, 0.5)) if dataset.kind.dates else None
    angles = angle_facts(dataset, progress.part(0.5, 0.9))
    theme, clouds = THEMES.get(dataset.theme), probably_clouded(dataset, progress.part(0.9, 1))
    warnings = [*warnings_of(dataset), *clouds_warnings(clouds, dataset), *(series_warnings(series) if series else ()),
                *(angle_warnings(angles) if angles else ()), *(theme.warnings(dataset) if theme else ()),
                *(told for one in further for told in _target_warnings(one, progress))]
    return {
        "name": dataset.name, "folder": str(dataset.folder), "task": dataset.task, "theme": dataset.theme, "tiles": len(dataset),
        "tile_size": dataset.tile_size, "stride": description["stride"], "resolution_m": description["resolution_m"],
        "tiles_by_split": {split: len(dataset.indices(split)) for split in (*SPLITS, DROPPED)},
        "subsets": subset_table(dataset.tiles, SPLITS),
        **{f"{column}_share": round(float(dataset.column(column).mean()), 4) for column in ("valid", "labelled") if column in dataset.tiles},
        "clouded_share": None if (hidden := clouded(dataset)) is None else round(hidden, 4),
        "probably_clouded": [asdict(row) for row in clouds],
        "classes": _classes(main), "target": dataset.target, "targets": [{"name": one.target, "classes": _classes(one)} for one in further],
        "split": {"text": "Not stated.", "leakage_distance_px": None, **description["split"]},
        "scenes": description["scenes"], "labels": description["labels"],
        "compared_with_checksums": compared,
        "bands": sensors[0]["bands"], "sensors": sensors, "series": series, "incidence_angle": angles, "facts": dataset.facts,
        "warnings": warnings,
    }


def write_facts(path: str | Path, facts: dict) -> None:
    """Writes the facts as JSON."""
    with new_file(path) as part:
        part.write_text(json.dumps(facts, indent=1, ensure_ascii=False), encoding="utf-8")


def write_report(path: str | Path, dataset: Dataset, facts: dict, progress: Progress = SILENT) -> None:
    """Writes the page.

    Args:
        path: an .html file.
        dataset: the dataset.
        facts: what `describe` said of it.
        progress: told how far it is.
    """
    sections = [
        page.lead(_summary(dataset, facts)), *place_section(whereabouts(dataset)),
        page.heading("Beware"), page.bullets(facts["warnings"]) if facts["warnings"] else page.paragraph("Nothing stands out."),
        page.heading("Split"), page.paragraph(facts["split"]["text"]), pictures.footprints(dataset),
        *_subsets(dataset, facts),
    ]
    progress.at(0.2, "Drawing")
    if dataset.classes:
        names, colors = [row.name for row in dataset.classes], [row.color for row in dataset.classes]
        of = f" of the main target “{dataset.target}”" if dataset.targets else ""
        sections += [page.heading(f"Classes{of}"), _class_table(dataset, facts["classes"]), page.legend(names, colors)]
        for one, row in zip(dataset.each_target()[1:], facts["targets"], strict=True):
            sections += [page.heading(f"Classes of the target “{one.target}”"), _class_table(one, row["classes"]),
                         page.legend([entry.name for entry in one.classes], [entry.color for entry in one.classes])]
        sections += _sampling(facts)
    sections += _series(facts) + _angles(dataset, facts)
    sections += pictures.samples(dataset, progress.part(0.3, 0.6))
    theme = THEMES.get(dataset.theme)
    if theme:
        sections += theme.sections(dataset, progress.part(0.6, 0.8))
    progress.at(0.8, "Drawing")
    for sensor in facts["sensors"]:
        of_which = f" of {sensor['name']}" if len(facts["sensors"]) > 1 else ""
        sections += [page.heading(f"Bands of the training {dataset.kind.unit}{of_which}"),
                     page.paragraph("In stored units, from the 0.1 to the 99.9 percentile."),
                     pictures.histograms(dataset, sensor["name"]), _band_table(sensor["bands"])]
    sections += [page.heading("Sources"), _scene_table(facts), page.paragraph(f"Labels: {facts['labels'].get('path', '') or 'none'}"),
                 page.paragraph(INTACT if facts["compared_with_checksums"] else NOT_COMPARED),
                 *page.not_shown(NOT_SHOWN)]
    page.write_page(str(path), f"Dataset {dataset.name}{f': {dataset.theme}' if dataset.theme else ''}", sections)


def _classes(dataset: Dataset) -> list[dict]:
    """The classes of a dataset with one target, with their shares and counts."""
    shares, pixels, counted = class_shares(dataset), dataset.description["class_pixels"], "pixels" if dataset.kind.pixelwise else "samples"
    return [{"value": row.value, "name": row.name, "color": row.color,
             **{f"{split}_share": round(float(shares[number, position]), 6) for number, split in enumerate(SPLITS)},
             **{f"{split}_{counted}": pixels[split][position] for split in SPLITS}} for position, row in enumerate(dataset.classes)]


def _target_warnings(dataset: Dataset, progress: Progress) -> list[str]:
    """What to beware of in a further target: its classes, and what the incidence angle tells of them."""
    angles = angle_facts(dataset, progress.part(0.9, 0.9))
    return [f"Target “{dataset.target}”: {told}" for told in (*class_warnings(dataset), *(angle_warnings(angles) if angles else ()))]


def _bands(dataset: Dataset, sensor: SensorInfo) -> list[dict]:
    statistics = dataset.statistics[sensor.name]
    return [{"name": band.name, "unit": band.unit, "scale": band.scale, "offset": band.offset,
             **{key: statistics[band.name][key] for key in MEASURES}} for band in sensor.bands]


def _summary(dataset: Dataset, facts: dict) -> str:
    (width, height), counts, what = facts["resolution_m"], facts["tiles_by_split"], dataset.kind.unit
    apart = facts["tiles"] - sum(counts.values())
    if dataset.kind.sample_axes == "tb":
        size = f"of a pixel of {width:g} × {height:g} m or a parcel"
    else:
        size = f"of {facts['tile_size']} × {facts['tile_size']} px of {width:g} × {height:g} m"
    sources = len(facts["scenes"])
    text = (f"{facts['tiles']} {what} {size} from {sources} {'sources' if sources > 1 else 'source'}"
            f"{', theme ' + facts['theme'] if facts['theme'] else ''}: {counts['training']} for training, {counts['validation']} for "
            f"validation, {counts['test']} for test, {counts[DROPPED]} dropped"
            f"{f', {apart} of the named subsets ' + listed(row['name'] for row in facts['subsets']) if apart else ''}.")
    if len(facts["sensors"]) > 1:
        text += " Sensors: " + ", ".join(f"{row['name']} ({len(row['bands'])} bands, {row['tiles']} {what})" for row in facts["sensors"]) + "."
    if dataset.kind.pixelwise and {"valid_share", "labelled_share"} <= set(facts):
        text += f" {facts['valid_share']:.0%} of their pixels are valid, {facts['labelled_share']:.0%} are labelled."
    elif dataset.classes and facts.get("labelled_share", 1) < 1:
        text += f" {1 - facts['labelled_share']:.0%} of them have no label."
    return text + clouds_text(dataset, facts["clouded_share"])


def _subsets(dataset: Dataset, facts: dict) -> list[str]:
    """What is kept apart by name."""
    if not facts["subsets"]:
        return []
    what = dataset.kind.unit
    rows = [(row["name"], row["tiles"], *(row[split] for split in SPLITS)) for row in facts["subsets"]]
    return [page.heading("Named subsets"),
            page.paragraph(f"These {what} are in none of training, validation and test. “Evaluate model” measures a model on them where it is given "
                           f"the name of the subset. The last columns tell at whose places they lie, as far as it is known; "
                           f"{what} of several subsets count in each."),
            page.table(("subset", what, *(f"at places of {split}" for split in SPLITS)), rows)]


def _class_table(dataset: Dataset, classes: list[dict]) -> str:
    what, counted = dataset.kind.counted, "pixels" if dataset.kind.pixelwise else "samples"
    head = ("class", "value", *(f"{split} share" for split in SPLITS), *(f"{split} {what}" for split in SPLITS))
    return page.table(head, [(row["name"], str(row["value"]), *(f"{row[f'{split}_share']:.2%}" for split in SPLITS),
                              *(row[f"{split}_{counted}"] for split in SPLITS)) for row in classes])


def _sampling(facts: dict) -> list[str]:
    """Prior against sampled share, where samples were drawn."""
    sampling = facts["facts"].get("sampling")
    if not sampling or not sampling.get("classes"):
        return []
    rows = [(row["name"], f"{row['prior']:.2%}", f"{row['sampled']:.2%}", int(row["samples"])) for row in sampling["classes"]]
    return [page.heading("Prior and sampled shares"),
            page.paragraph(f"Samples were drawn by the strategy “{sampling.get('strategy', '')}”; the prior is the share on the ground"
                           f"{', counted in ' + str(sampling['prior_of']) if sampling.get('prior_of') else ''}."),
            page.table(("class", "prior", "sampled", "samples"), rows)]


def _series(facts: dict) -> list[str]:
    known = facts["series"]
    if not known:
        return []
    rows = [(label, *(None if known[key][part] is None else f"{known[key][part]:g}" for part in ("minimum", "median", "maximum")))
            for label, key in (("dates measured", "dates"), ("clear dates", "clear_dates"), ("longest gap [day]", "longest_gap_days"))]
    of_class = [(row["name"], row["series"], *(None if row[key] is None else f"{row[key]:g}" for key in ("clear_dates", "longest_gap_days")))
                for row in known["classes"]]
    shares = ", ".join(f"{name} {share:.0%}" for name, share in known["flags"].items())
    span = f"From {known['first']} to {known['last']}. " if known["first"] else ""
    return [page.heading("Dates and clouds"), page.paragraph(f"{span}Of the dates: {shares}. From {known['series']} series"
                           f"{', each of the pixel in the middle of a tile' if facts['tile_size'] > 1 else ''}."),
            page.table(("", "minimum", "median", "maximum"), rows),
            page.table(("class", "series", "clear dates (median)", "longest gap [day] (median)"), of_class)]


def _angles(dataset: Dataset, facts: dict) -> list[str]:
    known = facts["incidence_angle"]
    if not known or known["low"] is None:
        return []
    rows = [(row["name"], *(None if row[key] is None else f"{row[key]:.1f}" for key in ("low", "median", "high"))) for row in known["classes"]]
    return [page.heading("Incidence angles of the training samples"),
            page.paragraph("Degrees; 5th, 50th and 95th percentile of the labelled pixels."),
            pictures.angles(known, [row.color for row in dataset.classes]), page.table(("class", "5 %", "50 %", "95 %"), rows)]


def _band_table(bands: list[dict]) -> str:
    head = ("band", "unit", "scale", "offset", *MEASURES[:3], "0.1 %", "99.9 %", "maximum")
    return page.table(head, [(row["name"], row["unit"], f"{row['scale']:g}", f"{row['offset']:g}",
                              *(f"{row[key]:.5g}" for key in MEASURES)) for row in bands])


def _scene_table(facts: dict) -> str:
    masks = ("cloud mask",) if any(row.get("mask") for row in facts["scenes"]) else ()
    return page.table(("scene", "date", "size", "file", *masks), [
        (row.get("name", ""), row.get("date") or None, f"{row.get('width', 0)} × {row.get('height', 0)}", row.get("path", ""),
         *((row.get("mask") or None,) if masks else ())) for row in facts["scenes"]])

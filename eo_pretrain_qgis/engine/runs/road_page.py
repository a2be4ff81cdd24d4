"""What a report says of roads as lines."""

from __future__ import annotations

from typing import Any

from ..looks import html_page as page
from ..looks.score_tables import CLASS_FIGURES

FIGURES = ("precision", "recall", "f1")
WORDS = [CLASS_FIGURES[figure] for figure in FIGURES]


def road_sections(facts: dict[str, Any], words: dict[str, str]) -> list[str]:
    """The sections on roads; nothing where none were measured as lines. `words` are what methods are called."""
    found = facts.get("roads")
    if not found:
        return []
    methods = {who: rows for who, rows in found["methods"].items() if who in words}
    pieces = [page.heading("Roads as lines"),
              page.paragraph("Roads of labels and maps are thinned to centre lines. Precision is the share of the found line that lies within "
                             "the tolerance of a labelled one, recall the share of the labelled line within the tolerance of a found one "
                             "(Wiedemann, Heipke, Mayer and Jamet 1998). Images that cannot be seen again are left out.")]
    for place, told in enumerate(_tolerances(found)):
        pieces.append(page.table((f"within {told}", *WORDS), [_row(words[who], rows[place]) for who, rows in methods.items()]))
    if found["by_completeness"]:
        groups = found["by_completeness"]
        pieces += [page.paragraph(f"The same within {_tolerances(found)[0]}, by how complete the map of roads is:"),
                   page.table(("completeness", "tiles", *(f"{words[who]}: {word}" for who in methods for word in WORDS[:2])),
                              [(row["name"], row["tiles"], *(row[who][figure] for who in methods for figure in FIGURES[:2]))
                               for row in groups])]
    return [*pieces, *_reference(found, words), *_unmapped(found)]


def _tolerances(found: dict[str, Any]) -> list[str]:
    return [f"{px} px ({metres:g} m)" for px, metres in zip(found["tolerances_px"], found["tolerances_m"], strict=True)]


def _row(who: str, row: dict[str, Any]) -> tuple:
    return who, *(page.with_interval(row[figure], row["intervals"][figure]) for figure in FIGURES)


def _reference(found: dict[str, Any], words: dict[str, str]) -> list[str]:
    """Labels and methods held against another source."""
    if "reference" not in found:
        return []
    held = found["reference"]
    called = {"labels": "the labels", **words}
    pieces = [page.heading("Against another source"),
              page.paragraph(f"The lines of {held['path']}, about {held['line_km']:.1f} km on these tiles, are taken for the truth, within the box "
                             "around all of them. Labels and methods are held against them alike. A model that learned roads and not the gaps of the "
                             "labels finds more of these lines than the labels have.")]
    for place, told in enumerate(_tolerances(found)):
        pieces.append(page.table((f"within {told}", *WORDS), [_row(called[who], held[who][place]) for who in called if who in held]))
    return pieces


def _unmapped(found: dict[str, Any]) -> list[str]:
    row = found["unmapped"]
    if row["share"] is None:
        return [page.heading("Found, but not in the map"), page.paragraph("The model found no road.")]
    texts = [f"About {row['km']:.2f} km of the model's lines, {row['share']:.0%} of all, lie more than {_tolerances(found)[-1]} from every mapped "
             "road. They are false alarms, or roads that the map lacks."]
    if row["in_reference"] is not None:
        texts.append(f"The other source has a road at {row['in_reference']:.0%} of this length, of where it reaches.")
    judged = row.get("judged")
    if judged:
        low, high = judged["interval"]
        texts.append(f"{judged['judged']} places were judged by eye, and {judged['roads']} are roads: {judged['share']:.0%} ({low:.0%} to "
                     f"{high:.0%}, Wilson's interval), so the map lacks about {judged['km']:.2f} km ({judged['km_interval'][0]:.2f} to "
                     f"{judged['km_interval'][1]:.2f} km) that the model found.")
    elif row["places"]:
        texts.append(f"Which they are only a person can tell: let {row['places']} places be drawn as “Places where the map may lack a road”, judge "
                     "them on a better image, and give them back as “Judged places”.")
    return [page.heading("Found, but not in the map"), *map(page.paragraph, texts)]

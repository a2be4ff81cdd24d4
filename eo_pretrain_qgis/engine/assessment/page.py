"""The page of an assessment: the map and its legend, hectares and accuracy of each class with intervals, and what to beware of."""

from __future__ import annotations

from typing import Any

import numpy as np
import shapely

from ..cards import ClassInfo
from ..looks import html_page as html
from ..looks.class_style import rgb
from ..looks.map_picture import map_picture
from ..looks.place import Place, crs_words, files_words, outline_of, place_section, size_words
from ..looks.score_tables import confusion_table
from ..looks.tile_pictures import BLANK_COLOUR, paint
from ..measures.areas import FEW_ERRORS
from .assessing import Assessment
from .designs import M2_PER_HA
from .facts import COLOURS, HALF, RIGHT, WRONG

#: By what share two areas may differ and be the same.
SAME = 1e-3
NOT_SHOWN = ("The reference is taken for the truth. Where its places were looked at on images, or were set down a pixel aside, the map is "
             "better than these figures; where its makers saw the map, worse.",
             "The figures are of the whole map, and say nothing of one part of it, nor of maps of other images.")
#: Hectares from which on no fraction is told.
WHOLE_HA = 100
#: Edge of the mark of a place in the picture [px], with a white rim.
MARK = 5


def write_page(path: str, found: Assessment, facts: dict[str, Any]) -> None:
    """Writes it."""
    classes = found.classes
    names = [row.name for row in classes]
    html.write_page(path, f"What the map “{found.mapped.name}” is worth", [
        html.lead(_summary(found, facts)),
        map_picture(_picture(found), found.mapped.grid, f"The map {found.mapped.name} with the reference places"),
        html.legend([*names, "no class, or left out", "place where the map is right", "where it is wrong"],
                    [*(row.color for row in classes), BLANK_COLOUR, COLOURS[RIGHT], COLOURS[WRONG]]),
        *place_section(_place(found, facts)),
        html.heading("Areas"),
        html.paragraph("The mapped area counts pixels. The estimated area corrects it by what the reference says, and is the one to quote"
                       f"{', with its 95 % interval' if found.design.drawn else ''}."),
        *([html.paragraph(part)] if (part := _part_of_the_map(found)) else []),
        html.table(("class", "mapped [ha]", "estimated [ha]", "share of the area"), [
            (row["name"], _hectares(row["mapped_ha"]), _with(row["estimated_ha"], _hectare_format(row["estimated_ha"]["value"])),
             _with(row["share"], ".2%"))
            for row in facts["classes"]]),
        html.bars(names, [("mapped", [row["mapped_ha"] for row in facts["classes"]], None),
                          ("estimated", [row["estimated_ha"]["value"] for row in facts["classes"]],
                           [row["estimated_ha"]["half_width"] for row in facts["classes"]])], "ha"),
        html.heading("Accuracy"),
        html.table(("class", "user's accuracy", "producer's accuracy", "places mapped", "places true"), [
            (row["name"], _with(row["users_accuracy"]), _with(row["producers_accuracy"]), row["places_mapped"], row["places_true"])
            for row in facts["classes"]]),
        html.paragraph("User's accuracy: how much of what the map calls a class is that class. Producer's accuracy: how much of a class on the "
                       "ground the map finds. Both are weighted by area."),
        *([html.bullets(_few_errors(found, facts))] if _few_errors(found, facts) else []),
        html.heading("Confusion"),
        html.paragraph("Parts of the polygons that the map shows as one class:" if found.whole else "Reference places:"),
        confusion_table(names, np.array(facts["counts"])),
        html.paragraph("Estimated shares of the area, in percent:"),
        html.table(("true ↓ predicted →", *names), [(name, *(f"{100 * share:.2f}" for share in row)) for name, row in zip(names, facts["shares"])]),
        html.heading("Beware"), html.bullets(found.warnings) if found.warnings else html.paragraph("Nothing stands out."),
        html.heading("How this was computed"), html.bullets(_method(found)), *html.not_shown(NOT_SHOWN),
    ])


def _summary(found: Assessment, facts: dict[str, Any]) -> str:
    intervals = "95 % interval" if found.design.drawn else "without an interval"
    return (f"Overall accuracy {_with(facts['overall_accuracy'])} ({intervals}), of {_hectares(found.hectares)} ha, from {len(found.reference):,} "
            f"reference {'polygons' if found.reference.polygons else 'places'}.")


def _part_of_the_map(found: Assessment) -> str:
    """Says that the figures are of less or more ground than the map shows; empty where they are of the same."""
    shown = float(found.seen.areas.sum()) / M2_PER_HA
    if abs(found.hectares - shown) < SAME * shown:
        return ""
    return (f"The places stand for {_hectares(found.hectares)} ha, and the map shows {_hectares(shown)} ha, so these are not the same ground: places "
            "were drawn off the training ground, or from another map, or a class has none. The estimated areas are of the former"
            f"{', and so are the mapped ones' if found.design.mapped is not None else ''}; they are less than those of the whole map.")


def _place(found: Assessment, facts: dict[str, Any]) -> Place:
    """Where the map lies, what it was made from and what it is compared with."""
    known, reference = facts["map"], facts["reference"]
    grid, outline = found.mapped.grid, outline_of(found.mapped.grid)
    days = " to ".join(dict.fromkeys(filter(None, (reference["first_day"], reference["last_day"]))))
    return Place([] if outline is None else [outline], [
        ("Size", size_words(grid)), ("Coordinate system", crs_words(grid.crs)), ("Map", known["name"]), ("File", files_words([found.mapped.path])),
        ("Date of the map", known["date"] or "not told"), ("Model", known["model"] or "not told"),
        ("Reference", f"{reference['name']}, {reference['places']:,} places"), ("Seen on", days or "not told"), ("Sample", found.design.words)])


def _few_errors(found: Assessment, facts: dict[str, Any]) -> list[str]:
    """What an interval means that rests on no error, or on few."""
    if not found.design.drawn:
        return []
    told = [f"All {row['places_mapped']} places that the map calls {row['name']} are right. That is no proof: up to "
            f"{1 - row['users_accuracy']['limit']:.0%} of it may still be wrong (95 %; Clopper and Pearson 1934)."
            for row in facts["classes"] if row["users_accuracy"]["value"] == 1]
    missed = [row["name"] for row in facts["classes"] if row["producers_accuracy"]["value"] == 1]
    if missed:
        told.append(f"No place of {', '.join(missed)} was found in another class of the map, so its producer's accuracy has no "
                    "interval. What a large class hides of a small one is easily not drawn: the area may be larger than its interval says.")
    counts, names = found.places.counts(len(found.classes)), [row.name for row in found.classes]
    for axis, words in enumerate((
            "Of places that the map calls {}, fewer than {} are wrong, so the interval of its user's accuracy is too narrow. More places of it tell "
            "more.",
            "Of places that are really {}, fewer than {} were found in another class of the map, so the intervals of its area and its producer's "
            "accuracy are too narrow. More places in the large classes tell more.")):
        few = [f"{name} ({count})" for name, count in zip(names, (counts.sum(axis) - counts.diagonal()).tolist()) if 0 < count < FEW_ERRORS]
        if few:
            told.append(words.format(", ".join(few), FEW_ERRORS))
    return told


def _method(found: Assessment) -> list[str]:
    told = [found.design.words,
            "Shares are means over the strata, weighted by their areas; accuracies are ratios of them. Intervals are 1.96 standard errors (Olofsson "
            "et al. 2014; where the strata are not the classes of the map, Stehman 2014).",
            "Pixels in degrees have the area that they have at their latitude."]
    if found.whole:
        told.append("A polygon counts as one unit, with the area of each class of the map in it (ratio estimator). Its pixels are alike, and counted "
                    "one by one they would make the intervals several times too narrow.")
    elif found.reference.polygons:
        told.append("Of each polygon one pixel counts, drawn by chance, by the area of the polygon: its pixels are alike, and counted one by one "
                    "they would make the intervals several times too narrow.")
    return told


def _picture(found: Assessment) -> np.ndarray:
    """The map in the colours of its classes, uint8 (y, x, 3), with a mark for each place."""
    pixels = paint(found.seen.picture, [ClassInfo(row.value, row.name, row.color) for row in found.classes])
    zoom = max(1, 400 // max(pixels.shape[:2]))
    pixels = pixels.repeat(zoom, 0).repeat(zoom, 1)
    middles = shapely.point_on_surface(found.shapes)
    rows, cols = (place * zoom // found.seen.step for place in found.mapped.pixels_of(middles))
    right = found.right > HALF
    for row, col, hit in sorted(zip(rows.tolist(), cols.tolist(), right.tolist()), key=lambda place: -place[2]):  # wrong ones above
        for reach, color in ((MARK // 2 + 1, (255, 255, 255)), (MARK // 2, rgb(COLOURS[RIGHT if hit else WRONG]))):
            pixels[max(row - reach, 0):row + reach + 1, max(col - reach, 0):col + reach + 1] = color
    return pixels


def _hectare_format(value: float | None) -> str:
    return ",.0f" if (value or 0) >= WHOLE_HA else ",.2f"


def _hectares(value: float) -> str:
    return format(value, _hectare_format(value))


def _with(figure: dict[str, float | None], written: str = ".3f") -> str:
    """A figure and half of its interval, written alike; no interval of no width, but the limit where there is one."""
    value, half, limit = figure["value"], figure["half_width"], figure.get("limit")
    if value is None:
        return "–"
    if limit is not None:
        return f"{format(value, written)} (at {'least' if limit < value else 'most'} {format(limit, written)})"
    return format(value, written) + (f" ± {format(half, written)}" if half else "")

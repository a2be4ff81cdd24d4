"""The report of a translation between two sensors: curves, errors beside a regression, pictures, settings and limits in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ....cards import InputBand
from ....datasets.dataset import Dataset
from ....even_sample import even_sample
from ....looks import html_page as page
from ....looks.tile_pictures import BLANK, beside, pictured_bands
from ...loop.run_report import run_report
from ...loop.runs import Run
from ...loop.training import Course
from .figures import Sums
from .method import Translation

SAMPLES = 4  # tiles that are shown in each direction
PICTURE_SIDE = 224  # pixels on the screen
#: Share by which two errors may differ and still be called alike: fewer tiles would turn it round.
ALIKE = 0.03
#: Standard deviations about the mean that a picture shows.
SHOWN_SPREAD = 2


def baseline_card(sums: Sums) -> list[dict[str, Any]]:
    """Errors of both directions as plain values."""
    return [{"error": sums.error(way), "psnr": sums.psnr(way), "cycle": sums.cycle(way), "bands": sums.per_band(way)} for way in (0, 1)]


def sample_tiles(method: Translation) -> list[np.ndarray]:
    """For each direction some validation tiles, paired ones where there are any."""
    reader, common = method.reader, method.reader.common("validation")
    return [even_sample(common if len(common) else side.indices("validation"), SAMPLES) for side in reader.single]


@torch.no_grad()
def translation_pictures(method: Translation, tiles: list[np.ndarray]) -> str:
    """Source, translated image, and truth or way back of held-out tiles, as HTML."""
    method.generators.eval()
    reader, bands, pieces = method.reader, method.bands, []
    names = reader.names
    paired = len(reader.common("validation")) > 0
    for way, chosen in enumerate(tiles):
        last = "what was measured there" if paired else f"{names[way]} made again from it"
        caption = f"{names[way]}, {names[1 - way]} made from it, and {last}."
        if not len(chosen):
            pieces.append(page.paragraph(f"There are no validation tiles of {names[way]}."))
            continue
        there, again = (method.generators.forth, method.generators.back)[::1 if way == 0 else -1]
        image, measured = reader.read(way, chosen)
        made = there(image).where(measured, 0.0)
        seen = measured[:, 0].cpu().numpy()
        columns = [_look(reader.stored(way, chosen)[0], seen, bands[way]), _look(_stored(method, 1 - way, made), seen, bands[1 - way])]
        if paired:
            columns.append(_look(*reader.stored(1 - way, chosen), bands[1 - way]))
        else:
            columns.append(_look(_stored(method, way, again(made)), seen, bands[way]))
        rows = np.concatenate([beside(*row, side=PICTURE_SIDE) for row in zip(*columns)])
        pieces += [page.paragraph(caption), page.picture(rows, caption)]
    return "\n".join(pieces)


def translation_sections(run: Run, dataset: Dataset, course: Course, pictures: str) -> tuple[str, list[str]]:
    """Title and sections of report.html."""
    card, history = run.card, course.history
    names = [seen["name"] for seen in card["inputs"]]
    ways = [f"{names[0]} to {names[1]}", f"{names[1]} to {names[0]}"]
    panels: list[tuple[str, dict]] = [("Training loss", {"loss": [row["loss"] for row in history]})]
    keys = {**{f"error {one} to {other}": f"error_{one}_to_{other}" for one, other in (names, names[::-1])},
            **{f"{what} {name}": f"{what}_{name}" for what in ("cycle", "distance") for name in names}}
    errors = {told: [row.get(key) for row in history] for told, key in keys.items() if key in history[-1]}
    if errors:
        panels.append(("Validation, scaled units", errors))
    if "discriminator_real" in history[-1]:
        panels.append(("Discriminators are right about", {name: [row.get(f"discriminator_{name}") for row in history]
                                                          for name in ("real", "made")}))
    body = [page.curves(panels), page.heading("Validation tiles"), pictures]
    for number, way in enumerate(ways):
        body += _errors(card, number, way)
    return (f"Encoders pretrained by {card['mode']} translation between {names[0]} and {names[1]} on {card['dataset']['name']}",
            run_report(card, course, [dataset], _verdict(card, course), body, _limits(card, names)))


def _errors(card: dict, number: int, way: str) -> list[str]:
    """Errors of one direction: per band beside the regression where pairs exist, else what the way back loses."""
    found = card.get("sums")
    if not found:
        return []
    sections = [page.heading(f"Errors of the last epoch, {way}")]
    if found[number]["cycle"] is not None:
        sections.append(page.paragraph(f"There and back again loses {found[number]['cycle']:.3f} in scaled units (mean absolute difference). "
                                       "It says that nothing was lost on the way, not that the image in between is true."))
    if not found[number]["bands"] or not card.get("baseline"):
        return [*sections, page.paragraph("Without paired validation tiles nothing says how true the made image is.")]
    baseline = card["baseline"][number]
    rows = [(ours["name"], ours["unit"], _digits(ours["error"]), _digits(theirs["error"]), ours["psnr"], theirs["psnr"])
            for ours, theirs in zip(found[number]["bands"], baseline["bands"])]
    rows.append(("mean, scaled units", "", _digits(found[number]["error"]), _digits(baseline["error"]), found[number]["psnr"], baseline["psnr"]))
    return [*sections, page.table(("band", "unit", "L1", "L1 of the regression", "PSNR [dB]", "PSNR of the regression [dB]"), rows)]


def _verdict(card: dict, course: Course) -> str:
    if course.best is None:
        return ""
    measure = ("mean absolute error" if card["mode"] == "paired" else
               "loss of the way there and back plus the distance of the values' distributions")
    error = card["metrics"]["validation_error"]
    text = f"The last epoch is kept, {course.kept_epoch}; {measure} {error:.3f} in scaled units on the validation tiles."
    names = [seen["name"] for seen in card["inputs"]]
    for ours, theirs, way in zip(card.get("sums") or [], card.get("baseline") or [], (names, names[::-1])):
        if ours["error"] is not None:
            text += (f" {way[0]} to {way[1]}: {ours['error']:.3f}, {_compared(ours['error'], theirs['error'])} the {theirs['error']:.3f} of a "
                     "regression per pixel.")
    return text


def _compared(ours: float, theirs: float) -> str:
    if abs(ours - theirs) <= ALIKE * theirs:
        return "about as much as"
    return "less than" if ours < theirs else "more than"


def _limits(card: dict, names: list[str]) -> list[str]:
    """What the figures do not say, from the facts of this run."""
    limits = [
        f"An image made by these networks is synthetic: it shows what {names[1]} usually looks like where {names[0]} looks so, and nothing "
        "that the source did not see. Do not measure in it.",
        "The last epoch is kept: errors are smallest for blurred images, and no figure here says what the encoder is worth.",
        "The regression sees one pixel and no neighbours; a network that does not beat it has learned no shapes that help.",
    ]
    if card["mode"] == "unpaired":
        limits.append("Learned without pairs: images can look right and be wrong, as fields may change their crop on the way and come back.")
    if card["architecture"] == "residual":
        limits.append("Instance normalisation depends on the image it is given: maps may show faint seams between tiles. These generators "
                      "have no encoder that other runs could start from.")
    return limits


def _stored(method: Translation, sensor: int, scaled: torch.Tensor) -> np.ndarray:
    return method.scalings[sensor].inverse(scaled.float()).cpu().numpy()


def _look(stored: np.ndarray, seen: np.ndarray, bands: Sequence[InputBand]) -> np.ndarray:
    """Tiles (n, band, y, x) as pictures (n, y, x, 3), all stretched alike by the statistics of the training pixels."""
    picture = np.full((*seen.shape, 3), BLANK, np.uint8)
    for colour, number in enumerate(pictured_bands([band.name for band in bands])):
        band = bands[number]
        low = max(band.p001, band.mean - SHOWN_SPREAD * band.std)
        high = min(band.p999, band.mean + SHOWN_SPREAD * band.std)
        values = ((stored[:, number] - low) / max(high - low, 1e-9)).clip(0, 1) * 255
        picture[..., colour][seen] = np.nan_to_num(values)[seen]
    return picture


def _digits(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"

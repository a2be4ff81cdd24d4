"""The report of inpainting: curves, the network beside fills without one, and fills of held-out places beside the truth."""

from __future__ import annotations

import numpy as np
import torch

from ....even_sample import even_sample
from ....looks import html_page as page
from ....looks.stretching import limits, shades
from ....looks.tile_pictures import BLANK, beside, pictured_bands
from ....runs.limits import knows
from ...loop.run_report import run_report
from ...loop.runs import Run
from ...loop.training import Course
from .hidden_tiles import HIDDEN, shown
from .method import Filling
from .quality import biharmonic_fill

SAMPLES = 4  # tiles that are shown
PICTURE_SIDE = 220  # pixels on the screen
WORDS = {"network": "network", "mean": "mean of the tile's shown pixels", "smooth": "smooth start that the network adds to",
         "biharmonic": "biharmonic, the smoothest fill"}


class InpaintingReport:
    """Writes the sections of report.html and keeps its pictures until they are drawn anew."""

    def __init__(self) -> None:
        self.pictures = ""
        self.smooth: torch.Tensor | None = None  # the biharmonic fill of the tiles shown, which never changes

    def sections(self, run: Run, method: Filling, course: Course, redraw: bool) -> tuple[str, list[str]]:
        """Title and sections.

        Args:
            run: with the fills of the kept epoch in its card.
            method: with the network to draw with.
            course: with a row of figures per epoch.
            redraw: whether the network is the one to keep so far.
        """
        if redraw or not self.pictures:
            self.pictures = self._pictures(method)
        card = run.card
        body = [
            page.curves(_panels(card, course.history)),
            page.heading("Held-out places"),
            page.paragraph("Validation tiles from left to right: what the network sees, its fill, the biharmonic fill, the truth. Grey is hidden or "
                           "was not measured. What is hidden stays the same in all epochs."), self.pictures,
            *_tables(card),
        ]
        return (f"An encoder pretrained by inpainting on {card['dataset']['name']}",
                run_report(card, course, [method.reader.dataset], _verdict(card, course), body, _limits(card),
                           [("block size that was used [px]", card["blocks"]["size"])]))

    @torch.no_grad()
    def _pictures(self, method: Filling) -> str:
        """Input, fill of the network, biharmonic fill and truth of some validation tiles beside each other, as HTML."""
        tiles = even_sample(method.few, SAMPLES)
        if not len(tiles):
            return page.paragraph("The dataset has no validation tiles to show.")
        method.network.eval()
        batch = next(iter(method.reader.fixed(tiles, len(tiles), method.settings.seed)))
        truth = method.network.truth(batch)
        if self.smooth is None:
            self.smooth = biharmonic_fill(truth, shown(batch))
        fills = [torch.where(batch.targets[HIDDEN][:, None], fill, truth) for fill in (method.fill(batch), self.smooth)]
        side = method.reader.dataset.tile_size
        valid, seen = (mask.cpu().numpy()[:, :side, :side] for mask in (batch.valid[method.network.seen.name], shown(batch)))
        stored = [method.quality.stored(values).cpu().numpy()[:, :, :side, :side] for values in (truth, *fills)]
        bands = method.quality.bands
        chosen = pictured_bands([band.name for band in bands])
        ends = limits(np.moveaxis(stored[0][:, chosen], 1, 0)[:, valid], [bands[band] for band in chosen])
        columns = [np.where(mask[..., None], shades(np.moveaxis(values[:, chosen], 1, -1), *ends), BLANK).astype(np.uint8)
                   for values, mask in zip((stored[0], *stored[1:], stored[0]), (seen, valid, valid, valid), strict=True)]
        return page.picture(np.concatenate([beside(*row, side=PICTURE_SIDE) for row in zip(*columns)]), "input, fills and truth of validation tiles")


def _panels(card: dict, history: list[dict[str, float]]) -> list[tuple[str, dict]]:
    learned = "training_l1" if "training_l1" in history[-1] else "loss"
    losses: dict[str, list[float | None]] = {"training tiles": [row.get(learned) for row in history]}
    if "l1" in history[-1]:
        losses["validation tiles"] = [row.get("l1") for row in history]
    panels: list[tuple[str, dict]] = [("L1 on hidden pixels", losses)]
    if "psnr" in history[-1]:
        flat = {name: [figures["psnr"]] * len(history) for name, figures in card["fills"].get("all", {}).items() if name != "network"}
        panels.append(("PSNR on validation tiles [dB]", {"network": [row.get("psnr") for row in history], **flat}))
    if "discriminator_accuracy" in history[-1]:
        panels.append(("Accuracy of the discriminator", {"training tiles": [row.get("discriminator_accuracy") for row in history]}))
    return panels


def _tables(card: dict) -> list[str]:
    fills = card["fills"]
    if not fills:
        return []

    def rows(part: str) -> list[tuple]:
        return [(WORDS[name], found.get("psnr"), found.get("ssim"), found.get("l1")) for name, found in fills[part].items()]

    head = ("fill", "PSNR [dB]", "SSIM", "L1, scaled units")
    units = {band["name"]: "" if band["unit"] == "unknown" else band["unit"] for band in card["inputs"][0]["bands"]}
    bands = [(f"{name} [{unit}]" if unit else name, *(f"{errors[name]:.3g}" for errors in fills["bands"].values()))
             for name, unit in units.items()]
    return [
        page.heading("Fills of the kept epoch, hidden pixels of validation tiles"),
        page.paragraph(f"{fills['few_tiles']} tiles, which the biharmonic fill was computed for:"), page.table(head, rows("few")),
        page.paragraph(f"{fills['tiles']} tiles:"), page.table(head, rows("all")),
        page.paragraph(f"Mean absolute error of each band in its own unit, {fills['few_tiles']} tiles:"),
        page.table(("band", *(WORDS[fill].split(",")[0] for fill in fills["bands"])), bands),
    ]


def _verdict(card: dict, course: Course) -> str:
    if course.best is None or not card["fills"]:
        return ""
    few = card["fills"]["few"]
    others = ", ".join(f"the {name} fill {few[name]['psnr']:.2f} dB" for name in ("mean", "smooth", "biharmonic"))
    best = max(("mean", "smooth", "biharmonic"), key=lambda name: few[name]["psnr"])
    gain = few["network"]["psnr"] - few[best]["psnr"]
    verdict = f"{gain:.2f} dB better" if gain > 0 else f"{-gain:.2f} dB worse: the network has not yet learned more than smoothness; train longer"
    return (f"The last epoch is kept, {course.kept_epoch}. On {card['fills']['few_tiles']} held-out tiles the network fills with a PSNR of "
            f"{few['network']['psnr']:.2f} dB, {others}; the network is {verdict}.")


def _limits(card: dict) -> list[str]:
    """What the figures do not say."""
    limits = [
        "The last epoch is kept: a figure that chose one would choose by blur and say nothing of the encoder.",
        "A good fill is not yet a good encoder: what it is worth is measured by fine-tuning from it, beside a start from scratch.",
        "Pixels next to what is shown are easy: a smooth fill is hard to beat with small blocks, and only large ones ask for more.",
        "PSNR and L1 favour smooth fills; the adversarial part is there for texture and may cost some of both.",
        knows(card, "network"),
        "Errors are of scaled values, asinh((value - median) / spread), so a bright cloud does not outweigh the land; PSNR takes as range of a "
        "band what lies between its 0.1 % and 99.9 % percentile.",
    ]
    return [*limits, card["clouds"]] if card["clouds"] else limits

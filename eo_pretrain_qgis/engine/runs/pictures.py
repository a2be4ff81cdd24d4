"""Tiles as a model sees them, as HTML: maps beside the truth, and whole tiles it is right and wrong about."""

from __future__ import annotations

import numpy as np
from scipy.special import expit, softmax

from ..datasets.dataset import IGNORE, Dataset
from ..even_sample import even_sample
from ..looks import html_page as page
from ..looks.class_style import coloured
from ..looks.series_pictures import curve_pictures, drawn_band
from ..looks.tile_pictures import beside, look, paint, telling_tiles
from .answers import OfTiles

TILE_SIDE, SAMPLE_SIDE = 256, 96  # pixels on the screen
SAMPLES = 4  # tiles with a map that are shown
LOOKED_AT = 400  # samples the pictured ones are chosen from
RIGHT, WRONG = 10, 20


def shown(dataset: Dataset, tiles: np.ndarray) -> np.ndarray:
    """Those of some tiles (n,) that a report chooses its pictures from."""
    return telling_tiles(dataset, tiles, SAMPLES) if dataset.kind.pixelwise else tiles


def pictures(answers: OfTiles, tiles: np.ndarray) -> str:
    """What is answered for some of the tiles, as HTML."""
    if not len(tiles):
        return page.paragraph("The dataset has no such tiles.")
    return map_pictures(answers, tiles) if answers.dataset.kind.pixelwise else sample_gallery(answers, tiles)


def map_pictures(answers: OfTiles, tiles: np.ndarray) -> str:
    """Image, truth and prediction of some tiles beside each other, with a legend."""
    dataset = answers.dataset
    classes, rows, sensors = coloured(dataset.classes), [], [dataset.sensor_of(one).name for one in answers.seen.each]
    for chosen, truth, found in answers.of_tiles(tiles, len(tiles)):
        looks = [look(dataset, chosen, sensor) for sensor in sensors]
        rows += [beside(*row, side=TILE_SIDE) for row in zip(*looks, paint(truth, classes), paint(found, classes))]
    images = "Image" if len(sensors) == 1 else f"Images of {' and '.join(sensors)}"
    return "\n".join([page.paragraph(f"{images}, truth and prediction; grey is not labelled."),
                      page.picture(np.concatenate(rows), "image, truth and prediction of tiles"),
                      page.legend([entry.name for entry in classes], [entry.color for entry in classes])])


def sample_gallery(answers: OfTiles, tiles: np.ndarray) -> str:
    """Samples the model is right and wrong about, the surest first, with words under each, as HTML."""
    tiles, dataset = even_sample(tiles, LOOKED_AT), answers.dataset
    batches = list(answers.of_tiles(tiles, 64))
    truth, outputs = (np.concatenate([batch[part] for batch in batches]) for part in (1, 2))
    names = [entry.name for entry in dataset.classes]
    right, sure, words = _judge_several(truth, outputs, names) if truth.ndim == 2 else _judge(truth, outputs, names)
    order = np.argsort(-sure, kind="stable")
    sections = [page.paragraph(f"{drawn_band(answers.seen)} over the season, through the clear dates.")] if dataset.kind.dates else []
    known = np.ones(len(tiles), bool) if truth.ndim == 2 else (truth != IGNORE) & ~np.isnan(outputs).any(1)
    if not known.any():
        return page.paragraph(f"None of the {dataset.kind.pieces} has a label{' and a clear date' if dataset.kind.dates else ''}.")
    for title, chosen in (("Right", _varied(order[(right & known)[order]], truth, RIGHT)), ("Wrong", order[(~right & known)[order]][:WRONG])):
        sections.append(page.heading(f"{title}: {(right if title == 'Right' else ~right)[known].mean():.1%} of {known.sum()} {dataset.kind.pieces}"))
        if len(chosen):
            drawn = _drawn(answers, tiles[np.sort(chosen)])
            sections.append(page.gallery(drawn, [words[number] for number in np.sort(chosen)]))
        else:
            sections.append(page.paragraph("None."))
    return "\n".join(sections)


def _drawn(answers: OfTiles, samples: np.ndarray) -> np.ndarray:
    """Small pictures of samples, uint8 (n, y, x, 3)."""
    dataset = answers.dataset
    if dataset.kind.dates:
        return curve_pictures(dataset, answers.seen, samples, SAMPLE_SIDE)
    zoom = max(1, SAMPLE_SIDE // dataset.tile_size)
    looks = [look(dataset, samples, dataset.sensor_of(one).name) for one in answers.seen.each]
    return np.concatenate(looks, 2).repeat(zoom, 1).repeat(zoom, 2)


def _judge(truth: np.ndarray, outputs: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Which samples are right, how sure the model is, and words: one class per sample."""
    chances = softmax(outputs, 1)
    found, sure = chances.argmax(1), chances.max(1)
    words = [names[true] if true == guess else f"{names[true] if true != IGNORE else '?'}, taken for {names[guess]} ({chance:.2f})"
             for true, guess, chance in zip(truth, found, sure)]
    return found == truth, sure, words


def _judge_several(truth: np.ndarray, outputs: np.ndarray, names: list[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """The same where a sample may have several classes; it is right when all of them are."""
    chances = expit(outputs)
    found = chances >= 0.5
    words = []
    for true, guess in zip(truth == 1, found):
        parts = (("", true & guess), ("not found: ", true & ~guess), ("wrongly found: ", guess & ~true))
        words.append("; ".join(lead + ", ".join(np.array(names)[chosen]) for lead, chosen in parts if chosen.any()) or "none")
    return (found == (truth == 1)).all(1), np.abs(chances - 0.5).mean(1), words


def _varied(order: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """The first of each class, then the rest."""
    if truth.ndim == 2 or not len(order):
        return order[:count]
    first = np.unique(truth[order], return_index=True)[1]
    return np.concatenate([order[first], np.delete(order, first)])[:count]

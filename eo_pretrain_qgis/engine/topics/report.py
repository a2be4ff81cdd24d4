"""The report on topics: what they look like in words and documents, how common they are, what changed."""

from __future__ import annotations

import numpy as np

from ..looks import html_page as page
from ..looks.class_style import rgb
from .maps import NO_TOPIC, Found

#: Words shown for a topic, their size in the picture and the gap between them [px].
SHOWN_WORDS, WORD_SIZE, GAP = 10, 44, 4
#: Words less probable than this say nothing about a topic.
SHOWN_PROBABILITY = 0.005
#: Documents shown for a topic, and the size of their pictures [px].
SHOWN_DOCUMENTS, DOCUMENT_SIZE = 3, 160
#: Longer edge of the overview of a small image [px].
SMALLEST_OVERVIEW = 400
STRETCH = (2, 98)
GREY = 235


def write_report(path: str, found: Found) -> None:
    """Writes the page: settings, map, top words, telling documents, shares, and for two dates the change."""
    layout, topics = found.layout, found.topics
    channels = [channel.text for channel in found.pictures[0].channels]
    names, colors = [row.name for row in found.classes], [row.color for row in found.classes]
    sections = [
        page.paragraph(f"{' and '.join(picture.name for picture in found.pictures)}: words of {layout.word} × {layout.word} px in the channels "
                       f"{', '.join(channels)}, a dictionary of {len(found.dictionary)} words, {layout.documents} documents of {layout.document} × "
                       f"{layout.document} px, {len(topics)} topics. Perplexity per word {topics.perplexity:.2f}."),
        page.paragraph("Topics are found without labels: they say what occurs together, not what it is. Look at their words and documents, compare "
                       "with what you know of the place, and name them in the legend of the map. Their numbers go from the commonest to the rarest."),
    ]
    for picture, overview in zip(found.pictures, found.overviews, strict=True):
        sections += [page.heading(f"Topics of {picture.name}"), page.legend(names, colors),
                     page.picture(_painted(found, overview), f"Topics map of {picture.name}")]
    sections += [page.heading("Top words"),
                 page.paragraph(f"One row per topic, from topic 1 down: its {SHOWN_WORDS} most probable words, enlarged, above "
                                f"{SHOWN_PROBABILITY:.1%}. The first three channels are shown as red, green and blue; one channel as grey."),
                 page.picture(top_words(found), "The most probable words of each topic"),
                 page.table(["topic", *(f"share, {picture.name}" for picture in found.pictures), *(f"mean {text}" for text in channels),
                             f"probability of its {SHOWN_WORDS} top words"], _rows(found)),
                 page.heading("Documents with most of each topic"),
                 page.paragraph(f"One row per topic, from topic 1 down: the {SHOWN_DOCUMENTS} documents in which its share is largest."),
                 page.picture(telling_documents(found), "Documents with the largest share of each topic")]
    if found.distance is not None:
        sections += _change(found)
    page.write_page(path, "Topics", sections)


def top_words(found: Found) -> np.ndarray:
    """Picture of the most probable words, one row per topic: uint8 (y, x, 3), with the topic's colour at the left."""
    looks = _as_colours(found.dictionary.centres)
    shown = min(SHOWN_WORDS, len(looks))
    size = WORD_SIZE // found.layout.word * found.layout.word or found.layout.word
    rows = []
    for row, chances in zip(found.classes, found.topics.words, strict=True):
        best = np.argsort(-chances, kind="stable")[:shown]
        larger = looks[best].repeat(size // found.layout.word, 1).repeat(size // found.layout.word, 2)
        larger[chances[best] < SHOWN_PROBABILITY] = 255
        rows.append(_framed([np.full((size, size // 2, 3), rgb(row.color), np.uint8), *larger]))
    return np.concatenate(rows)


def telling_documents(found: Found) -> np.ndarray:
    """Picture of the documents with the largest share of each topic of the first date: uint8 (y, x, 3)."""
    layout, picture = found.layout, found.pictures[0]
    chosen = [np.argsort(-np.nan_to_num(found.shares[0][:, topic], nan=-1), kind="stable")[:SHOWN_DOCUMENTS] for topic in range(len(found.topics))]
    step = max(1, layout.document // DOCUMENT_SIZE)
    read = {}
    with picture.open() as scene:
        for number in np.unique(np.concatenate(chosen)):
            values, valid = picture.read(scene, layout.pixels(layout.part(int(number))))
            read[int(number)] = np.where(valid, values, np.nan)[:, ::step, ::step]
    edge = -(-layout.document // step)
    whole = {number: np.full((len(values), edge, edge), np.nan, np.float32) for number, values in read.items()}
    for number, values in read.items():
        whole[number][:, :values.shape[1], :values.shape[2]] = values
    numbers = list(whole)
    coloured = [_enlarged(look, DOCUMENT_SIZE // 2) for look in _as_colours(np.stack([whole[number] for number in numbers]))]
    looks, rows = dict(zip(numbers, coloured, strict=True)), []
    for row, best in zip(found.classes, chosen, strict=True):
        rows.append(_framed([np.full((coloured[0].shape[0], 20, 3), rgb(row.color), np.uint8), *(looks[int(number)] for number in best)]))
    return np.concatenate(rows)


def _rows(found: Found) -> list[list[object]]:
    """A line per topic: shares over all documents of each date, weighted by their words; expected channels."""
    channel_means = found.topics.words @ found.dictionary.centres.mean((2, 3))
    best = np.sort(found.topics.words, 1)[:, ::-1][:, :SHOWN_WORDS].sum(1)
    whole = np.array([part.width * part.height for part in map(found.layout.part, range(found.layout.documents))])
    shares = [np.average(np.nan_to_num(one), axis=0, weights=valid * whole) for one, valid in zip(found.shares, found.valid, strict=True)]
    return [[row.name, *(float(one[number]) for one in shares), *map(float, channel_means[number]), float(best[number])]
            for number, row in enumerate(found.classes)]


def _change(found: Found) -> list[str]:
    known = found.distance[np.isfinite(found.distance)] if found.distance is not None else np.zeros(0)
    if not len(known) or found.changed is None or found.difference is None:
        return [page.heading("Change"), page.paragraph("No word was measured on both dates, so nothing can be said about change.")]
    mean, middle = np.nanmean(found.difference, 0), np.median(known)
    return [page.heading("Change between the dates"),
            page.paragraph(f"{found.changed:.1%} of the words measured on both dates have another topic. The Jensen-Shannon distance of the "
                           f"documents' topic shares is {middle:.3f} in the middle and {known.max():.3f} at most (0: alike, 1: nothing in common). "
                           "Speckle alone changes words, so compare with a pair of dates between which nothing happened."),
            page.table(["topic", "mean difference of its share, second less first"],
                       [[row.name, float(value)] for row, value in zip(found.classes, mean, strict=True)])]


def _painted(found: Found, overview: np.ndarray) -> np.ndarray:
    palette = np.full((256, 3), GREY, np.uint8)
    for row in found.classes:
        palette[row.value] = rgb(row.color)
    palette[NO_TOPIC] = GREY
    return _enlarged(palette[overview], SMALLEST_OVERVIEW)


def _enlarged(picture: np.ndarray, smallest: int) -> np.ndarray:
    """The picture (y, x, 3) with whole pixels repeated until its longer edge has at least `smallest`."""
    times = max(1, -(-smallest // max(picture.shape[:2])))
    return picture.repeat(times, 0).repeat(times, 1)


def _as_colours(values: np.ndarray) -> np.ndarray:
    """Channels (n, channel, y, x) as uint8 (n, y, x, 3), each channel stretched over all n; grey where not measured."""
    shown = [0, 1, 2] if values.shape[1] >= 3 else [0, 0, 0]
    result = np.full((*values[:, 0].shape, 3), GREY, np.uint8)
    for colour, channel in enumerate(shown):
        one = values[:, channel]
        known = np.isfinite(one)
        low, high = np.percentile(one[known], STRETCH)
        result[..., colour][known] = (255 * ((one[known] - low) / max(high - low, 1e-9)).clip(0, 1)).astype(np.uint8)
    return result


def _framed(cells: list[np.ndarray]) -> np.ndarray:
    """Pictures of one height side by side on white, with gaps."""
    gap = np.full((cells[0].shape[0], GAP, 3), 255, np.uint8)
    line = np.concatenate([part for cell in cells for part in (cell, gap)], 1)
    return np.concatenate([line, np.full((GAP, line.shape[1], 3), 255, np.uint8)])

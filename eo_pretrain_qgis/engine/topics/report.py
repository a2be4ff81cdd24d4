"""The report on topics: their map, hectares and place, what they look like in words and documents, what changed."""

from __future__ import annotations

import numpy as np

from ..looks import html_page as page
from ..looks.class_style import rgb
from ..looks.map_picture import map_picture
from ..looks.place import Place, crs_words, dates_words, files_words, outline_of, place_section, quantity, size_words, stem
from ..looks.stretching import limits, shades
from ..mapping.land_cover.areas import M2_PER_HA
from .maps import NO_TOPIC, Found

#: Words shown for a topic, their size in the picture and the gap between them [px].
SHOWN_WORDS, WORD_SIZE, GAP = 10, 44, 4
#: Words less probable than this say nothing about a topic.
SHOWN_PROBABILITY = 0.005
#: Documents shown for a topic, and the size of their pictures [px].
SHOWN_DOCUMENTS, DOCUMENT_SIZE = 3, 160
NOT_SHOWN = ("What the topics are. They are found without labels: they say what occurs together. Look at their words and documents, compare with "
             "what you know of the place, and name them in the legend of the map.",
             "How right the map is. Topics have no names yet, so there is nothing to compare them with; hectares count places of the map.",
             "Other places and dates: the same topic number in another run is another topic.")

GREY = 235


def write_report(path: str, found: Found) -> None:
    """Writes the page: map, hectares, place, top words, telling documents, shares, for two dates the change, and what it does not show."""
    layout, topics = found.layout, found.topics
    channels = [channel.text for channel in found.pictures[0].channels]
    names, colors = [row.name for row in found.classes], [row.color for row in found.classes]
    sections = [page.lead(_summary(found))]
    for picture, overview in zip(found.pictures, found.overviews, strict=True):
        words = f"Topics map of {stem(picture.name)}"
        drawn = map_picture(_painted(found, overview), layout.grid(found.grid), words)
        sections += [page.heading(words), drawn, page.legend(names, colors)]
    sections += [*_hectares(found), *place_section(_place(found))]
    sections += [page.heading("Top words"),
                 page.paragraph(f"One row per topic, from topic 1 down: its {SHOWN_WORDS} most probable words, enlarged, above "
                                f"{SHOWN_PROBABILITY:.1%}. The first three channels are shown as red, green and blue; one channel as grey."),
                 page.picture(top_words(found), "The most probable words of each topic"),
                 page.table(["topic", *(f"mean share of a document, {stem(picture.name)}" for picture in found.pictures),
                             *(f"mean {text}" for text in channels), f"probability of its {SHOWN_WORDS} top words"], _rows(found)),
                 page.heading("Documents with most of each topic"),
                 page.paragraph(f"One row per topic, from topic 1 down: the {SHOWN_DOCUMENTS} documents in which its share is largest."),
                 page.picture(telling_documents(found), "Documents with the largest share of each topic")]
    if found.distance is not None:
        sections += _change(found)
    days = dates_words(picture.date for picture in found.pictures)
    page.write_page(path, f"Topics of {_listed(found)}{f', {days}' if days else ''}", [*sections, *page.not_shown(NOT_SHOWN), *page.technical([
        ("Channels", ", ".join(channels)), ("Size of a word", f"{layout.word} × {layout.word} px"),
        ("Words in the dictionary", len(found.dictionary)), ("Documents", f"{layout.documents:,} of {layout.document} × {layout.document} px"),
        ("Perplexity per word, lower is better", f"{topics.perplexity:.2f}")])])


def _listed(found: Found) -> str:
    return " and ".join(stem(picture.name) for picture in found.pictures)


def _summary(found: Found) -> str:
    """How much ground the map shows and which topic is the commonest, of the first date."""
    hectares = found.areas[0] / M2_PER_HA
    first = int(hectares.argmax())
    total = float(hectares.sum())
    most = f"; most has {found.classes[first].name}, {quantity(float(hectares[first]))} ha ({hectares[first] / total:.1%})" if total else ""
    return f"{len(found.topics)} topics were found in {_listed(found)}, without labels. The map gives one to {quantity(total)} ha{most}."


def _hectares(found: Found) -> list[str]:
    """Ground of each topic, of each date."""
    hectares = [areas / M2_PER_HA for areas in found.areas]
    rows = [(row.name, *(text for of_date in hectares for text in (quantity(float(of_date[number])),
                                                                   f"{of_date[number] / of_date.sum():.1%}" if of_date.any() else None)))
            for number, row in enumerate(found.classes)]
    several = len(hectares) > 1
    head = (f"{text}{f', {picture.name}' if several else ''}" for picture in found.pictures for text in ("mapped [ha]", "share"))
    return [page.heading("Hectares by topic"), page.table(("topic", *head), rows)]


def _place(found: Found) -> Place:
    """Where the images lie and what they are."""
    grid, first = found.grid.sub(found.layout.area), found.pictures[0]
    outline = outline_of(grid)
    return Place([outline] if outline is not None else [], [
        ("Size", size_words(grid)), ("Date", dates_words(picture.date for picture in found.pictures)),
        ("Read as", " ".join(dict.fromkeys(picture.understood for picture in found.pictures if picture.understood))),
        ("Bands", ", ".join(first.bands)), ("Coordinate system", crs_words(grid.crs)),
        ("Source files", files_words(file for picture in found.pictures for file in picture.files))])


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
    return palette[overview]


def _enlarged(picture: np.ndarray, smallest: int) -> np.ndarray:
    """The picture (y, x, 3) with whole pixels repeated until its longer edge has at least `smallest`."""
    times = max(1, -(-smallest // max(picture.shape[:2])))
    return picture.repeat(times, 0).repeat(times, 1)


def _as_colours(values: np.ndarray) -> np.ndarray:
    """Channels (n, channel, y, x) as uint8 (n, y, x, 3), each channel stretched over all n; grey where not measured."""
    shown = [0, 1, 2] if values.shape[1] >= 3 else [0, 0, 0]
    result = np.full((*values[:, 0].shape, 3), GREY, np.uint8)
    values = values[:, shown]
    known = np.isfinite(values).all(1)
    result[known] = shades(np.moveaxis(values, 1, -1)[known], *limits(np.moveaxis(values, 1, 0)[:, known]))
    return result


def _framed(cells: list[np.ndarray]) -> np.ndarray:
    """Pictures of one height side by side on white, with gaps."""
    gap = np.full((cells[0].shape[0], GAP, 3), 255, np.uint8)
    line = np.concatenate([part for cell in cells for part in (cell, gap)], 1)
    return np.concatenate([line, np.full((GAP, line.shape[1], 3), 255, np.uint8)])

"""Visual words without features: small squares of pixels, named after the nearest of a dictionary learned by k-means.

A word is the plain vector of the channel values of its pixels, 4 × 4 × 3 = 48 numbers in the source (Karmakar, Dumitru and Datcu,
"Feature-free explainable data mining in SAR images using latent Dirichlet allocation", IEEE JSTARS 14, 2021, doi 10.1109/JSTARS.2020.3039012).
An image is read in strips of documents; what is kept of it is one number per word, in a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix, vstack
from sklearn.cluster import MiniBatchKMeans

from ...errors import DataError
from ...progress import SILENT, Progress
from ..rasters.grid import Grid, Window
from ..rasters.raster import Scene
from .channels import Channel

#: Pixels read at once.
CHUNK_PIXELS = 1024 * 1024
#: Documents of each image from which the dictionary's sample is drawn, at most.
SAMPLED_DOCUMENTS = 400
#: Words per step of k-means, and how often each word of the sample is seen.
BATCH_WORDS, ROUNDS = 4096, 3
#: No word: a pixel of the square was not measured.
NO_WORD = 65535


@dataclass(frozen=True)
class Layout:
    """How an area is divided: into words of `word` × `word` px and documents of `document` × `document` px, from its first pixel.

    The last 1 to word-1 columns and rows of pixels make no whole word and are left out; the last documents may be smaller.
    """

    area: Window
    word: int
    document: int

    @property
    def columns(self) -> int:
        """Words from left to right."""
        return self.area.width // self.word

    @property
    def rows(self) -> int:
        """Words from top to bottom."""
        return self.area.height // self.word

    @property
    def edge(self) -> int:
        """Words along the edge of a document."""
        return self.document // self.word

    @property
    def documents_across(self) -> int:
        """Documents from left to right."""
        return -(-self.columns // self.edge)

    @property
    def documents_down(self) -> int:
        """Documents from top to bottom."""
        return -(-self.rows // self.edge)

    @property
    def documents(self) -> int:
        """Number of documents."""
        return self.documents_across * self.documents_down

    def part(self, number: int) -> Window:
        """The words of a document, counted row by row: a window of the map of words."""
        row, col = divmod(number, self.documents_across)
        return self._clipped(row, col, 1)

    def pixels(self, words: Window) -> Window:
        """Some words as pixels of the image."""
        return Window(self.area.col + words.col * self.word, self.area.row + words.row * self.word, words.width * self.word, words.height * self.word)

    def strips(self) -> Iterator[Window]:
        """All words, a few documents of one row of documents at a time."""
        together = max(1, CHUNK_PIXELS // self.document**2)
        for row in range(self.documents_down):
            for col in range(0, self.documents_across, together):
                yield self._clipped(row, col, together)

    def grid(self, image: Grid) -> Grid:
        """Where the words lie, one pixel each."""
        own = image.sub(self.area)
        a, b, c, d, e, f = own.transform
        return Grid(own.crs, (a * self.word, b, c, d, e * self.word, f), self.columns, self.rows)

    def _clipped(self, row: int, col: int, together: int) -> Window:
        edge = self.edge
        return Window(col * edge, row * edge, min(together * edge, self.columns - col * edge), min(edge, self.rows - row * edge))


@dataclass(frozen=True)
class Picture:
    """The channels of one date: opens the image, reads parts of it as words.

    Attributes:
        open: opens the image.
        channels: what is seen of it.
        name: of the image.
        date: day of acquisition; empty where nothing tells.
        bands: names of its bands.
        files: that it is read from.
        understood: what a scene as delivered was taken for; empty for plain files.
    """

    open: Callable[[], Scene]
    channels: Sequence[Channel]
    name: str
    date: str = ""
    bands: Sequence[str] = ()
    files: Sequence[str] = ()
    understood: str = ""

    def read(self, scene: Scene, window: Window) -> tuple[np.ndarray, np.ndarray]:
        """Channels (channel, y, x) float32 of a window of pixels and which pixels are measured, bool (y, x)."""
        needed = sorted({band for channel in self.channels for band in channel.bands.values()})
        stored, valid = scene.read(window, needed)
        values = stored.astype(np.float32)
        result = np.stack([channel.compute(values, needed) for channel in self.channels])
        return result, valid & np.isfinite(result).all(0)


def as_words(values: np.ndarray, valid: np.ndarray, word: int) -> tuple[np.ndarray, np.ndarray]:
    """Cuts channels into words.

    Args:
        values: (channel, y, x); y and x are multiples of `word`.
        valid: (y, x).
        word: edge of a word [px].

    Returns:
        Vectors (row, column, channel·word·word) float32, and which words are measured in every pixel, bool (row, column).
    """
    channels, height, width = values.shape
    cut = values.reshape(channels, height // word, word, width // word, word).transpose(1, 3, 0, 2, 4)
    whole = valid.reshape(height // word, word, width // word, word).min((1, 3))
    return cut.reshape(height // word, width // word, -1), whole


class Dictionary:
    """The words an image is written in, sorted from dark to bright in the first channel.

    Attributes:
        centres: float32 (word, channel, y, x) in the units of the channels.
    """

    def __init__(self, model: MiniBatchKMeans, mean: np.ndarray, spread: np.ndarray, shape: tuple[int, int, int]) -> None:
        """Takes a fitted model and how the vectors were scaled for it, both (channel·y·x,)."""
        brightness = model.cluster_centers_[:, :shape[1] * shape[2]].mean(1)
        model.cluster_centers_ = np.ascontiguousarray(model.cluster_centers_[np.argsort(brightness, kind="stable")])
        self._model, self._mean, self._spread = model, mean, spread
        self.centres = (model.cluster_centers_ * spread + mean).reshape(-1, *shape).astype(np.float32)

    def __len__(self) -> int:
        return len(self.centres)

    def name(self, vectors: np.ndarray) -> np.ndarray:
        """Number of the nearest word of each vector (n, channel·y·x): uint16 (n,)."""
        if not len(vectors):
            return np.zeros(0, np.uint16)
        return self._model.predict((vectors - self._mean) / self._spread).astype(np.uint16)


def learn_dictionary(pictures: Sequence[Picture], layout: Layout, words: int, sample: int, scaling: str, seed: int,
                     progress: Progress = SILENT) -> Dictionary:
    """Learns the dictionary from a random sample of all dates.

    Args:
        pictures: the dates.
        layout: of every one of them.
        words: size of the dictionary.
        sample: vectors to learn from.
        scaling: "none" keeps the values; "standard" gives every channel mean 0 and spread 1.
        seed: of the sample and of k-means.
        progress: told how far it is.

    Raises:
        DataError: when no word was measured.
    """
    rng = np.random.default_rng(seed)
    parts = [_sample(picture, layout, sample // len(pictures), rng, progress.part(0.6 * number / len(pictures), 0.6 * (number + 1) / len(pictures)))
             for number, picture in enumerate(pictures)]
    scaled = np.concatenate(parts)
    del parts
    rng.shuffle(scaled)
    channels = len(pictures[0].channels)
    mean, spread = _scaling(scaled, channels, scaling)
    scaled -= mean
    scaled /= spread
    count = _different(scaled, words)
    if count < words:
        progress.message(f"The sample holds only {count} different words, so the dictionary has {count} instead of {words}.", level="warning")
    model = MiniBatchKMeans(count, random_state=seed, batch_size=BATCH_WORDS, n_init=1)
    size = max(BATCH_WORDS, 10 * count)
    starts = [start for _ in range(ROUNDS) for start in range(0, len(scaled), size)]
    for done, start in enumerate(starts):
        progress.at(0.6 + 0.4 * done / len(starts), "Learning the dictionary")
        batch = scaled[start:start + size]
        if len(batch) >= count:
            model.partial_fit(batch)
    return Dictionary(model, mean, spread, (channels, layout.word, layout.word))


def write_words(path: Path, picture: Picture, layout: Layout, dictionary: Dictionary, progress: Progress = SILENT) -> np.ndarray:
    """Writes an image as words, uint16 (row, column), into a .npy file that stays on disk; `NO_WORD` where a pixel is missing."""
    words = np.lib.format.open_memmap(path, "w+", np.uint16, (layout.rows, layout.columns))
    with picture.open() as scene:
        for strip in layout.strips():
            progress.at(strip.row / layout.rows, f"Writing {picture.name} in words")
            vectors, whole = as_words(*picture.read(scene, layout.pixels(strip)), layout.word)
            named = np.full(whole.shape, NO_WORD, np.uint16)
            named[whole] = dictionary.name(vectors[whole])
            words[strip.row:strip.row + strip.height, strip.col:strip.col + strip.width] = named
    words.flush()
    return words


def count_words(words: np.ndarray, layout: Layout, dictionary: int, other: np.ndarray | None = None, progress: Progress = SILENT) -> csr_matrix:
    """How often each word of the dictionary occurs in each document.

    Args:
        words: what `write_words` gave.
        layout: of the documents.
        dictionary: its size.
        other: words of another date; only places with a word on both count.
        progress: told how far it is.

    Returns:
        Sparse int64 (document, word).
    """
    rows = []
    for row in range(layout.documents_down):
        progress.at(row / layout.documents_down, "Counting words")
        counts = np.zeros((layout.documents_across, dictionary), np.int64)
        for col in range(layout.documents_across):
            part = layout.part(row * layout.documents_across + col)
            place = np.s_[part.row:part.row + part.height, part.col:part.col + part.width]
            known = words[place] != NO_WORD
            if other is not None:
                known &= other[place] != NO_WORD
            counts[col] = np.bincount(words[place][known], minlength=dictionary)
        rows.append(csr_matrix(counts))
    return vstack(rows, format="csr")


def _sample(picture: Picture, layout: Layout, count: int, rng: np.random.Generator, progress: Progress) -> np.ndarray:
    """Random measured words (n, channel·y·x), the same number from every document looked at."""
    chosen = np.sort(rng.permutation(layout.documents)[:SAMPLED_DOCUMENTS])
    each, found = -(-count // len(chosen)), []
    with picture.open() as scene:
        for done, number in enumerate(chosen):
            progress.at(done / len(chosen), f"Looking at samples of {picture.name}")
            vectors, whole = as_words(*picture.read(scene, layout.pixels(layout.part(int(number)))), layout.word)
            known = vectors[whole]
            found.append(known[rng.permutation(len(known))[:each]].copy())  # a view would keep the document
    vectors = np.concatenate(found)
    if not len(vectors):
        raise DataError(f"{picture.name} has no {layout.word} × {layout.word} px in which every pixel is valid: all are nodata or hidden. Choose "
                        "another extent, or check the nodata value and the channels.")
    return vectors


def _scaling(vectors: np.ndarray, channels: int, scaling: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and spread of each channel, repeated for all pixels of a word."""
    per_channel = vectors.reshape(len(vectors), channels, -1)
    # Distances do not change with the mean, but float32 arithmetic is better around 0.
    mean = per_channel.mean((0, 2), dtype=np.float64)
    spread = per_channel.std((0, 2), dtype=np.float64) if scaling == "standard" else np.ones(channels)
    pixels = per_channel.shape[2]
    return np.repeat(mean, pixels).astype(np.float32), np.repeat(np.where(spread > 0, spread, 1), pixels).astype(np.float32)


def _different(vectors: np.ndarray, enough: int) -> int:
    """Number of different vectors, at most `enough`."""
    first = len(np.unique(vectors[:4 * enough], axis=0))  # mostly enough, and much quicker than all
    return min(enough, first if first >= enough else len(np.unique(vectors, axis=0)))

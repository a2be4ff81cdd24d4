"""Which tiles train, validate and test: by place, with a gap, so that a test says something about unseen ground.

Neighbouring pixels are alike, so a random split flatters a model, by up to 40 % (Pohjankukka et al., arXiv 2005.14263). Tiles are
grouped into square blocks of ground; whole blocks go to training, validation or test, and training tiles nearer than the buffer
to a tile of the other two are dropped (blocks with an exclusion buffer: arXiv 2303.07334). So are validation tiles near test tiles: on
validation the epoch is chosen and probabilities are calibrated, and what is chosen next to the test ground is not independent of it. In
an image too small for that gap they only share no pixel. Which block goes where is searched with a seed, so that every class is in
every split where the ground allows it and few tiles are lost.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING

import numpy as np
import shapely

from ....errors import DataError
from ....progress import SILENT, Progress
from ..dataset import DROPPED, SPLITS

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

TRAINING, VALIDATION, TEST = range(3)
#: Blocks tried, as multiples of a tile; few large blocks are the more honest test, many small ones are easier to balance.
BLOCK_SIZES = (64, 48, 32, 24, 16, 12, 8, 6, 4, 3, 2, 1, 0.5, 0.25)
BLOCK_COUNTS = (10, 20, 40)
RANDOM_STARTS, CHAINS, STEPS = 100, 6, 400
#: Entries of the largest array made for the losses of several assignments at once.
LOSS_ENTRIES = 2_000_000
#: Straight cuts give validation and test this much of their shares: in a small image only the narrow one leaves room for training.
CUT_PARTS = (1.0, 0.6, 1.4)
#: Places at which a side for training is tried.
CUT_LINES = 12
#: What a class without a pixel in training, validation, test costs; losing all tiles to the buffer costs 1.
MISSING_CLASS = np.array([2.0, 0.3, 0.5])
#: What lacking ground costs in training, validation, test: without training tiles the best test says nothing.
LACKING = np.array([2.0, 0.5, 1.0])
#: A class with a smaller share of the labelled pixels counts in proportion: a few pixels must not decide where everything else goes.
RARE_CLASS = 0.01
#: Validation and test may touch where a gap between them would leave any split less than this part of its share.
STARVED = 0.5
#: And where more than this part of the tiles would be dropped, and training would have less than that part of what it has when the two may touch.
LOST, LEFT = 0.3, 0.75
NO_GAP = ("The images have no room for a gap of {} px between validation and test: the two may touch, so what is chosen on validation fits the test "
          "ground, too. More images, smaller tiles or smaller shares make room.")
#: Positions from different grids agree to this [px].
TOLERANCE = 0.01


@dataclass(frozen=True)
class SplitPlan:
    """What is asked for.

    Attributes:
        validation_share: of the tiles, 0 to 0.5.
        test_share: of the tiles, 0 to 0.5.
        block_size: edge of a block [px]; None chooses.
        buffer: smallest gap between tiles of different splits [px]; None is one tile.
        seed: of the search.
        joins: the tiles are for training and join others that are divided already; only of all together is said how they are divided.
    """

    validation_share: float = 0.15
    test_share: float = 0.2
    block_size: int | None = None
    buffer: int | None = None
    seed: int = 1
    joins: bool = False


@dataclass(frozen=True)
class Split:
    """The result: per tile the name of its split, and the facts written into dataset.json."""

    names: np.ndarray
    facts: dict

    @property
    def counts(self) -> dict[str, int]:
        """``training_tiles``, ``validation_tiles``, ``test_tiles`` and ``dropped_tiles``, which no part has."""
        return {f"{split}_tiles": int((self.names == split).sum()) for split in (*SPLITS, DROPPED)}


def split_by_place(boxes: np.ndarray, pixels: np.ndarray, tile_size: int, plan: SplitPlan, progress: Progress = SILENT) -> Split:
    """Divides tiles into training, validation and test.

    Args:
        boxes: left, top, right, bottom of each tile (n, 4) in pixels of one common grid, so that tiles of several dates or
            scenes on the same ground share their fate.
        pixels: labelled pixels of each class in each tile (n, class).
        tile_size: edge of a tile [px].
        plan: shares, block size, buffer, seed.
        progress: told how far it is, and where there is no room for a gap between validation and test.

    Raises:
        DataError: when there is no room for all splits and a gap around training.
    """
    buffer = tile_size if plan.buffer is None else plan.buffer
    wanted = np.array([1 - plan.validation_share - plan.test_share, plan.validation_share, plan.test_share])
    if wanted[TRAINING] == 1:
        return _all_training(len(boxes), plan)
    rounded, place_of = np.unique(np.round(boxes / TOLERANCE).astype(np.int64), axis=0, return_inverse=True)
    places, place_of = rounded * TOLERANCE, place_of.ravel()
    totals = np.zeros((len(places), pixels.shape[1] + 1))  # the last column counts tiles
    np.add.at(totals, place_of, np.column_stack([pixels, np.ones(len(pixels))]))
    layouts, between = _layouts(places, tile_size, plan.block_size), float(buffer)
    best, size = _best(places, totals, layouts, (buffer, between), wanted, plan.seed, progress.part(0, 0.5))
    starved = (_shares(best, totals) < STARVED * wanted).any()
    if between > 0 and (wanted > 0).all() and (starved or _tiles(best, totals)[-1] > LOST * totals[:, -1].sum()):
        free = _best(places, totals, layouts, (buffer, 0.0), wanted, plan.seed, progress.part(0.5, 1))
        if starved or _tiles(best, totals)[TRAINING] < LEFT * _tiles(free[0], totals)[TRAINING]:
            (best, size), between = free, 0.0
            if _shares(best, totals).all():
                progress.message(NO_GAP.format(buffer), level="warning")
    if not _shares(best, totals)[wanted > 0].all():
        blocks = f" between blocks of {plan.block_size} px" if plan.block_size else ""
        advice = "Choose smaller blocks, lower" if plan.block_size else "Lower"
        raise DataError(f"The images are too small to split by place: {len(places)} places of {tile_size} px leave no room for training, "
                        f"validation and test with a gap of {buffer} px{blocks}. {advice} the tile size, use a smaller stride, or set the share of "
                        "validation or test blocks to 0.")
    names = np.array([*SPLITS, DROPPED])[best[place_of]]
    return Split(names, _facts(names, boxes, size, (buffer, between), plan))


def _best(places: np.ndarray, totals: np.ndarray, layouts: list[float], gaps: tuple[float, float], wanted: np.ndarray, seed: int,
          progress: Progress) -> tuple[np.ndarray, float]:
    """The split of each place that is nearest to what is wanted, over all layouts, and the size of its blocks."""
    rng, best, best_loss, best_size = np.random.default_rng(seed), np.zeros(0, np.int64), np.inf, 0.0
    for done, size in enumerate(layouts):
        part = progress.part(done / len(layouts), (done + 1) / len(layouts))
        assigned, loss = _Search(places, totals, size, gaps, wanted, part).run(rng)
        if loss < best_loss:
            best, best_loss, best_size = assigned, loss, size
    return best, best_size


def _shares(splits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Shares of training, validation and test of the tiles that are kept (3,); `splits` are those of the places."""
    tiles = _tiles(splits, totals)[:TEST + 1]
    return tiles / max(tiles.sum(), 1)


def _tiles(splits: np.ndarray, totals: np.ndarray) -> np.ndarray:
    """Tiles of training, validation and test, and those that are dropped (4,); `splits` are those of the places."""
    return np.bincount(splits, totals[:len(splits), -1], 4)


def gap(boxes: np.ndarray, names: np.ndarray, first: str, second: str) -> float | None:
    """Shortest distance between the tiles of two splits [px]; 0 when they touch or overlap, None when one is empty."""
    ours, theirs = (_shapes(np.unique(boxes[names == split], axis=0)) for split in (first, second))
    if not len(ours) or not len(theirs):
        return None
    _, distances = shapely.STRtree(ours).query_nearest(theirs, return_distance=True, all_matches=False)
    return round(float(distances.min()), 1)


class _Search:
    """Looks for the best assignment of blocks of one size, with gaps [px] around training, and between validation and test."""

    def __init__(self, places: np.ndarray, totals: np.ndarray, size: float, gaps: tuple[float, float], wanted: np.ndarray,
                 progress: Progress) -> None:
        self.progress = progress
        keys = np.floor((places[:, :2] + places[:, 2:]) / 2 / size).astype(np.int64)
        self.keys, block_of = np.unique(keys, axis=0, return_inverse=True)
        block_of, blocks = block_of.ravel(), len(self.keys)
        near, beside = (_blocks_within(places, block_of, blocks, distance, progress) for distance in gaps)
        # Places of one block with the same neighbours share their fate in every assignment, so one row stands for all of them.
        marks = np.random.default_rng(0).integers(2**62, size=(blocks, 2))
        alike = np.column_stack([block_of, near @ marks[:, 0], beside @ marks[:, 1]])
        _, rows, self.row_of = np.unique(alike, axis=0, return_index=True, return_inverse=True)
        self.block_of, self.near, self.beside = block_of[rows], near[rows], beside[rows]
        self.totals, self.wanted = np.zeros((len(rows), totals.shape[1])), wanted
        np.add.at(self.totals, self.row_of.ravel(), totals)
        self.tiles_of = np.bincount(block_of, totals[:, -1], blocks)
        self.options = np.flatnonzero(wanted > 0)
        self.truth = totals[:, :-1].sum(0)
        self.present = self.truth > 0
        share = self.truth[self.present] / max(self.truth.sum(), 1)
        self.weights = np.minimum(share / RARE_CLASS, 1)

    def run(self, rng: np.random.Generator) -> tuple[np.ndarray, float]:
        """The best found split of each place, and how far it is from ideal.

        The chains take their steps side by side, because one call for all of them costs little more than one for each.
        """
        starts = np.array([*self._cuts(), *self._double_cuts(), *(self._random(rng) for _ in range(RANDOM_STARTS))])
        at_once = max(1, LOSS_ENTRIES // (4 * len(self.block_of)))
        first = np.concatenate([self.losses(starts[number:number + at_once])[0] for number in range(0, len(starts), at_once)])
        chains = np.argsort(first, kind="stable")[:CHAINS]
        moves = [[self._move(rng) for _ in range(STEPS)] for _ in chains]
        current, losses = starts[chains], first[chains]
        for step in range(STEPS):
            self.progress.at(step / STEPS, f"Looking for a split of {len(self.keys)} blocks")
            trials = current.copy()
            for blocks, chain in zip(trials, moves, strict=True):
                where, what = chain[step]
                blocks[where] = blocks[where[::-1]] if what is None else what
            found = self.losses(trials)[0]
            better = found <= losses
            current[better], losses[better] = trials[better], found[better]
        best = int(np.argmin(losses))
        return self.losses(current[best:best + 1])[1][0, self.row_of.ravel()], float(losses[best])

    def _move(self, rng: np.random.Generator) -> tuple[np.ndarray, int | None]:
        """A change of an assignment: some blocks and the split they are given, or two blocks that are exchanged (None)."""
        move = rng.integers(4)
        if move == 0:
            return rng.integers(len(self.keys), size=2), None
        block = int(rng.integers(len(self.keys)))
        chosen = np.array([block])
        if move == 1:  # a whole line at once: block by block the way there would lead over worse splits
            axis = int(rng.integers(2))
            chosen = np.flatnonzero(self.keys[:, axis] == self.keys[block, axis])
        return chosen, int(self.options[rng.integers(len(self.options))])

    def losses(self, blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How far assignments of blocks (n, block) are from ideal (n,), and the split of each row they give (n, row), 3 for dropped.

        An assignment has the same loss to the last digit whatever stands beside it, so the search does not depend on the grouping.
        """
        rows = blocks[:, self.block_of]
        foreign, shared = ((matrix @ marked.T.astype(np.int64) > 0).T for matrix, marked in
                           ((self.near, blocks != TRAINING), (self.beside, blocks == TEST)))
        rows = np.where((rows == TRAINING) & foreign | (rows == VALIDATION) & shared, 3, rows)
        sums = (rows[:, None] == np.arange(4)[:, None]).astype(np.float64) @ self.totals  # of whole numbers, so exact in any order
        tiles, wanted = sums[:, :3, -1], self.wanted > 0
        kept = np.maximum(tiles.sum(1), 1)
        empty = ((tiles == 0) & wanted).sum(1)
        lost = sums[:, 3, -1] / sums[:, :, -1].sum(1)
        shares = 2 * np.abs(tiles / kept[:, None] - self.wanted).sum(1)
        classes = sums[:, :3, :-1][:, :, self.present]
        missing = (((classes == 0) * self.weights).sum(2) * (MISSING_CLASS * wanted)).sum(1)
        # What each split lacks of its share of each class; every class but the rarest counts the same, so that none is lost.
        asked = self.wanted[wanted, None]
        lacking = np.clip(1 - classes[:, wanted] / (self.truth[self.present] * asked), 0, 1)
        short = 2 * ((lacking**2 * self.weights).sum(2) * LACKING[wanted]).sum(1) / max(self.weights.sum(), 1)
        return 100 * empty + lost + shares + missing + short, rows

    def _cuts(self) -> list[np.ndarray]:
        """Straight cuts along each axis, in every order and a bit to each side: they lose the fewest tiles to the buffer."""
        return [self._fill(self.keys[:, axis], order, part) for axis in (0, 1) for order in permutations(range(3)) for part in CUT_PARTS]

    def _double_cuts(self) -> list[np.ndarray]:
        """Training on one side of a cut, the other side cut across into validation and test: one gap where `_cuts` need two."""
        found = []
        for axis in (0, 1):
            numbers, line = np.unique(self.keys[:, axis], return_inverse=True)
            across = [self._fill(self.keys[:, 1 - axis], order) for order in ((VALIDATION, TEST), (TEST, VALIDATION))]
            for cut in np.unique(np.linspace(1, len(numbers) - 1, CUT_LINES).astype(int)):
                found += [np.where(side, TRAINING, rest) for side in (line < cut, line >= cut) for rest in across]
        return found

    def _random(self, rng: np.random.Generator) -> np.ndarray:
        return self._fill(rng.permutation(len(self.keys)), (TEST, VALIDATION, TRAINING))

    def _fill(self, line: np.ndarray, order: tuple[int, ...], part: float = 1) -> np.ndarray:
        """Gives blocks, in the order of their numbers in `line`, to one split after the other, each until it has its share.

        Blocks of one number stay together; `part` is how much of their share validation and test get.
        """
        shares = np.where(np.arange(3) == TRAINING, 1 - part * (1 - self.wanted[TRAINING]), part * self.wanted)[list(order)]
        numbers, group = np.unique(line, return_inverse=True)
        tiles = np.bincount(group, self.tiles_of, len(numbers))
        middle = (np.cumsum(tiles) - tiles / 2) / tiles.sum()
        return np.array(order)[np.minimum(np.searchsorted(np.cumsum(shares / shares.sum()), middle), len(order) - 1)][group]


def _layouts(places: np.ndarray, tile_size: int, block_size: int | None) -> list[float]:
    """Block sizes to try [px]: the largest with about 10, 20 and 40 occupied blocks."""
    if block_size:
        return [block_size]
    centres = (places[:, :2] + places[:, 2:]) / 2
    counted = [(factor * tile_size, len(np.unique(np.floor(centres / (factor * tile_size)), axis=0))) for factor in BLOCK_SIZES]
    chosen = [next((size for size, count in counted if count >= wanted), counted[-1][0]) for wanted in BLOCK_COUNTS]
    return list(dict.fromkeys(chosen))


def _blocks_within(places: np.ndarray, block_of: np.ndarray, blocks: int, distance: float, progress: Progress) -> csr_matrix:
    """Per place (rows) the blocks (columns) that hold a tile nearer than `distance` along both axes; 0 asks for overlap."""
    from scipy.sparse import coo_matrix  # only where it is used: every job that maps an image reads this file

    tree, rows, columns = shapely.STRtree(_shapes(places)), [], []
    reach = distance - TOLERANCE * 2
    for first in range(0, len(places), 4096):
        progress.at(0, "Measuring distances between tiles")
        part = places[first:first + 4096]
        place, other = tree.query(_shapes(part + np.array([-reach, -reach, reach, reach])), predicate="intersects")
        pairs = np.unique(np.stack([place + first, block_of[other]]), axis=1)
        rows.append(pairs[0])
        columns.append(pairs[1])
    row, column = np.concatenate(rows), np.concatenate(columns)
    return coo_matrix((np.ones(len(row), np.int64), (row, column)), (len(places), blocks)).tocsr()


def _shapes(boxes: np.ndarray) -> np.ndarray:
    return shapely.box(boxes[:, 0], boxes[:, 1], boxes[:, 2], boxes[:, 3])


def _all_training(count: int, plan: SplitPlan) -> Split:
    text = "" if plan.joins else "All tiles are for training; nothing was kept for validation or test."
    return Split(np.full(count, SPLITS[TRAINING]), {
        "method": "none", "block_size_px": None, "buffer_px": 0, "seed": plan.seed, "shares": [1.0, 0.0, 0.0],
        "leakage_distance_px": None, "dropped_tiles": 0, "text": text})


def _facts(names: np.ndarray, boxes: np.ndarray, size: float, gaps: tuple[int, float], plan: SplitPlan) -> dict:
    counts = [int((names == name).sum()) for name in (*SPLITS, DROPPED)]
    others = [distance for distance in (gap(boxes, names, SPLITS[TRAINING], name) for name in SPLITS[1:]) if distance is not None]
    leakage, apart = (gap(boxes, names, split, SPLITS[TEST]) for split in SPLITS[:TEST])
    buffer, between = gaps
    rest = f" Validation and test lie {apart:g} px apart." if between and apart is not None else ""
    if apart is not None and not between:
        rest = " Validation and test may touch but share no pixel" + (": the images have no room for a gap there." if buffer else ".")
    text = (f"Blocks of {size:g} × {size:g} px were given whole to training ({counts[0]} tiles), validation ({counts[1]}) and test "
            f"({counts[2]}); {counts[3]} tiles nearer than {buffer} px to another split were dropped. The nearest training pixel lies "
            f"{min(others):g} px from validation or test.{rest}")
    kept = sum(counts[:3])
    return {"method": "blocks", "block_size_px": size, "buffer_px": buffer, "seed": plan.seed,
            "shares": [round(count / kept, 4) for count in counts[:3]], "leakage_distance_px": leakage, "dropped_tiles": counts[3],
            "text": text}

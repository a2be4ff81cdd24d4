"""Latent topics of documents by latent Dirichlet allocation, and how far two dates lie apart in them.

Blei, Ng and Jordan, "Latent Dirichlet allocation", JMLR 3, 2003; learned online as in Hoffman, Blei and Bach, NIPS 2010.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix
from scipy.special import rel_entr
from sklearn.decomposition import LatentDirichletAllocation

from ...errors import DataError
from ...progress import SILENT, Progress
from .visual_words import Layout

#: Documents per step, passes over all documents, and fewest steps: few documents are seen more often.
BATCH_DOCUMENTS, PASSES, FEWEST_STEPS = 128, 10, 60
#: Random starts tried for some steps on a sample of documents; one start alone merged two of three plain kinds of ground in 1 of 6 trials.
STARTS, TRIAL_STEPS, TRIAL_DOCUMENTS = 4, 20, 256
#: Share of a whole document's words from which on it helps to learn the topics.
LEARNED_SHARE = 0.25


class Topics:
    """Topics as mixtures of words, the commonest first.

    Attributes:
        words: p(word | topic), float64 (topic, word).
        perplexity: per word, of the documents the topics were learned from; lower is better.
    """

    def __init__(self, model: LatentDirichletAllocation, perplexity: float) -> None:
        """Takes a fitted model whose topics are in order."""
        self._model, self.perplexity = model, perplexity
        self.words = model.components_ / model.components_.sum(1, keepdims=True)

    def __len__(self) -> int:
        return len(self.words)

    def shares(self, counts: csr_matrix, progress: Progress = SILENT) -> np.ndarray:
        """Topic shares of documents, float64 (document, topic), adding up to 1; NaN for a document without a word."""
        result = np.full((counts.shape[0], len(self)), np.nan)
        known = np.flatnonzero(np.asarray(counts.sum(1)).ravel())
        for start in range(0, len(known), BATCH_DOCUMENTS):
            progress.at(start / len(known), "Finding the topics of each document")
            batch = known[start:start + BATCH_DOCUMENTS]
            result[batch] = self._model.transform(counts[batch])
        return result

    def of_words(self, shares: np.ndarray) -> np.ndarray:
        """The most probable topic of each word in each document: uint8 (document, word), the argmax of share · p(word | topic)."""
        known = np.nan_to_num(shares)
        best = known[:, :1] * self.words[0]
        result = np.zeros(best.shape, np.uint8)
        for topic in range(1, len(self)):
            chance = known[:, topic, None] * self.words[topic]
            np.putmask(result, chance > best, topic)
            np.maximum(best, chance, out=best)
        return result


def learn_topics(counts: csr_matrix, layout: Layout, topics: int, seed: int, progress: Progress = SILENT) -> Topics:
    """Learns topics from documents.

    Args:
        counts: words of each document (document, word), of one or several dates.
        layout: of the documents.
        topics: how many.
        seed: of the start and of the order of the documents.
        progress: told how far it is.

    Raises:
        DataError: fewer documents than topics.
    """
    words = np.asarray(counts.sum(1)).ravel()
    usable = np.flatnonzero(words >= LEARNED_SHARE * layout.edge**2)
    if len(usable) < topics:
        raise DataError(f"The image gives {len(usable)} documents of {layout.document} × {layout.document} px of which at least "
                        f"{LEARNED_SHARE:.0%} is valid, fewer than the {topics} topics asked for. Choose smaller documents or fewer topics.")
    rng = np.random.default_rng(seed)
    model = _best_start(counts, rng.permutation(usable)[:TRIAL_DOCUMENTS], topics, seed, len(usable), progress.part(0, 0.3))
    batches = -(-len(usable) // BATCH_DOCUMENTS)
    passes = max(PASSES, -(-FEWEST_STEPS // batches))
    for turn in range(passes):
        order = rng.permutation(usable)
        for number, start in enumerate(range(0, len(order), BATCH_DOCUMENTS)):
            progress.at(0.3 + 0.7 * (turn + number / batches) / passes, f"Learning the topics, pass {turn + 1} of {passes}")
            model.partial_fit(counts[order[start:start + BATCH_DOCUMENTS]])
    sample = np.sort(rng.permutation(usable)[:10 * BATCH_DOCUMENTS])
    _sort(model, model.transform(counts[sample]))
    return Topics(model, float(model.perplexity(counts[sample])))


def distance(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Jensen-Shannon distance of topic shares (document, topic): 0 alike, 1 without a topic in common; NaN where a date is missing.

    The root of the divergence to base 2, a metric (Endres and Schindelin, IEEE Trans. Inf. Theory 49, 2003).
    """
    result = np.full(len(one), np.nan)
    known = np.isfinite(one).all(1) & np.isfinite(other).all(1)
    p, q = one[known], other[known]
    middle = (p + q) / 2
    divergence = (rel_entr(p, middle) + rel_entr(q, middle)).sum(1) / (2 * np.log(2))
    result[known] = np.sqrt(divergence.clip(0, 1))  # rounding leaves equal shares a little below 0
    return result


def _best_start(counts: csr_matrix, sample: np.ndarray, topics: int, seed: int, total: int, progress: Progress) -> LatentDirichletAllocation:
    """The model with the lowest perplexity of a few that were begun at random."""
    best, lowest = None, np.inf
    batches = [sample[start:start + BATCH_DOCUMENTS] for start in range(0, len(sample), BATCH_DOCUMENTS)]
    for start in range(STARTS):
        model = LatentDirichletAllocation(topics, learning_method="online", random_state=(STARTS * seed + start) % 2**32, total_samples=total)
        for step in range(TRIAL_STEPS):
            progress.at((start + step / TRIAL_STEPS) / STARTS, f"Trying start {start + 1} of {STARTS}")
            model.partial_fit(counts[batches[step % len(batches)]])
        perplexity = model.perplexity(counts[sample])
        if best is None or perplexity < lowest:
            best, lowest = model, perplexity
    return best


def _sort(model: LatentDirichletAllocation, shares: np.ndarray) -> None:
    order = np.argsort(-shares.sum(0), kind="stable")
    model.components_ = model.components_[order]
    model.exp_dirichlet_component_ = model.exp_dirichlet_component_[order]

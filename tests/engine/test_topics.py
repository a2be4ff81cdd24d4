"""Words, topics and change, held against what the scene is made of and against scikit-learn and SciPy."""

import geopandas
import numpy as np
import pytest
import rasterio
from scipy.sparse import csr_matrix
from scipy.spatial.distance import jensenshannon

from eo_pretrain_qgis.engine.rasters.grid import Window
from eo_pretrain_qgis.engine.topics.model import distance, learn_topics
from eo_pretrain_qgis.engine.topics.visual_words import NO_WORD, Layout, as_words, count_words
from eo_pretrain_qgis.jobs import JOBS
from eo_pretrain_qgis.progress import SILENT
from tests import scenes_topics

SMALL = {"topic_count": 3, "words": 12, "document_size": 64, "sample": 10000}


def discover(folder, name="map", **values):
    outputs = {"output": str(folder / f"{name}.tif"), "documents": str(folder / f"{name}.gpkg")}
    values = {"images": [str(scenes_topics.ice(folder))], **outputs, **SMALL, **values}
    made = JOBS["discover_topics"].from_values(values).run(SILENT)
    with rasterio.open(made["output"]) as source:
        return source.read(1), geopandas.read_file(made["documents"]).sort_values("document", ignore_index=True)


def truth():
    row, col = np.indices((128, 128)) // 32
    return (row + 2 * col) % 3


def test_each_kind_of_ground_is_one_topic(folder):
    drawn, documents = discover(folder)
    topics = [np.bincount(drawn[truth() == kind]).argmax() for kind in range(3)]
    assert sorted(topics) == [1, 2, 3]
    assert [(drawn[truth() == kind] == topics[kind]).mean() for kind in range(3)] == pytest.approx([1, 1, 1], abs=0.01)
    assert documents[["topic_1", "topic_2", "topic_3"]].sum(1).to_numpy() == pytest.approx(1, abs=1e-3)
    assert documents.geometry.area.sum() == pytest.approx((512 * 40) ** 2)


def test_the_same_seed_gives_the_same_map(folder):
    first, second = discover(folder, "a", document_size=128), discover(folder, "b", document_size=128)
    assert (first[0] == second[0]).all()
    assert first[1].equals(second[1])


def test_change_is_found_where_it_happened(folder):
    _, documents = discover(folder, second_images=[str(scenes_topics.ice_later(folder))])
    changed = (documents["col"] < 128) & (documents["row"] < 128)
    assert changed.sum() == 4
    assert documents.loc[changed, "change"].min() > 0.9
    assert documents.loc[~changed, "change"].max() < 0.2
    differences = documents.loc[:, [f"difference_{topic}" for topic in (1, 2, 3)]]
    assert differences.sum(1).to_numpy() == pytest.approx(0, abs=1e-3)


def test_distance_agrees_with_scipy():
    rng = np.random.default_rng(1)
    one, other = rng.dirichlet([1, 1, 1], 20), rng.dirichlet([0.1, 1, 1], 20)
    one[3] = np.nan
    found = distance(one, other)
    expected = jensenshannon(one, other, base=2, axis=1)
    assert np.isnan(found[3])
    assert np.delete(found, 3) == pytest.approx(np.delete(expected, 3))
    assert distance(other, other) == pytest.approx(0, abs=1e-6)
    assert distance(np.eye(3)[:1], np.eye(3)[1:2]) == pytest.approx(1)


def test_words_hold_the_pixels_of_their_square():
    values = np.arange(2 * 8 * 12, dtype=np.float32).reshape(2, 8, 12)
    valid = np.ones((8, 12), bool)
    valid[5, 11] = False
    vectors, whole = as_words(values, valid, 4)
    assert vectors.shape == (2, 3, 32)
    assert (vectors[1, 2] == values[:, 4:8, 8:12].ravel()).all()
    assert whole.tolist() == [[True, True, True], [True, True, False]]


@pytest.mark.parametrize("size", [(64, 64), (70, 133), (5, 300)])
def test_strips_and_documents_cover_every_word_once(size):
    layout = Layout(Window(3, 7, *size), 4, 32)
    seen, by_document = np.zeros((layout.rows, layout.columns), int), np.zeros((layout.rows, layout.columns), int)
    for part in layout.strips():
        seen[part.row:part.row + part.height, part.col:part.col + part.width] += 1
    for number in range(layout.documents):
        part = layout.part(number)
        by_document[part.row:part.row + part.height, part.col:part.col + part.width] += 1
        pixels = layout.pixels(part)
        assert pixels.intersection(layout.area) == pixels
    assert (seen == 1).all()
    assert (by_document == 1).all()


def test_counts_are_those_of_every_document():
    layout = Layout(Window(0, 0, 48, 40), 4, 32)
    words = np.random.default_rng(1).integers(0, 5, (layout.rows, layout.columns)).astype(np.uint16)
    other = words.copy()
    other[0, 0] = NO_WORD
    counts = count_words(words, layout, 5).toarray()
    assert counts[0].tolist() == np.bincount(words[:8, :8].ravel(), minlength=5).tolist()
    assert counts.sum() == words.size
    assert count_words(words, layout, 5, other).sum() == words.size - 1


def test_topics_are_recovered_from_documents_made_of_them():
    """Documents of 2 topics with known words: each learned topic is close to one of them."""
    rng = np.random.default_rng(1)
    true = np.array([[0.5, 0.4, 0.1, 0, 0, 0], [0, 0, 0.1, 0.3, 0.3, 0.3]])
    shares = rng.dirichlet([0.5, 0.5], 200)
    counts = np.stack([rng.multinomial(64, share @ true) for share in shares])
    topics = learn_topics(csr_matrix(counts), Layout(Window(0, 0, 32, 32), 4, 32), 2, seed=1)
    order = np.argsort(-topics.words[:, 0])
    assert topics.words[order] == pytest.approx(true, abs=0.05)
    found = topics.shares(csr_matrix(counts))[:, order]
    assert np.corrcoef(found[:, 0], shares[:, 0])[0, 1] > 0.95
    in_order = topics.shares(csr_matrix(counts))
    assert (topics.of_words(in_order) == (in_order[:, :, None] * topics.words).argmax(1)).all()

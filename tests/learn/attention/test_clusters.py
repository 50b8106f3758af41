"""Clusters of vectors: groups that are there, in an order that their sizes give."""

from pathlib import Path

import numpy as np
import pytest

from vigil.learn.attention.clusters import cluster, draw_clusters
from vigil.pixels.pictures.images import ImageSource


def groups(*sizes: int) -> np.ndarray:
    """Vectors in directions far apart, of any lengths."""
    rng = np.random.default_rng(0)
    parts = [
        (np.eye(8)[axis] + rng.normal(0, 0.02, (size, 8))) * rng.uniform(0.5, 9, (size, 1))
        for axis, size in enumerate(sizes)
    ]
    return np.concatenate(parts).astype(np.float32)


def test_groups_are_found_and_the_largest_is_the_first():
    clusters, ranks = cluster(groups(3, 9, 5), 3, seed=0)
    assert clusters.tolist() == [2] * 3 + [0] * 9 + [1] * 5
    for number in range(3):
        assert sorted(ranks[clusters == number]) == list(range((clusters == number).sum()))


def test_the_most_typical_vector_is_that_nearest_to_the_mean():
    vectors = np.array([[1, 0.3], [1, 0.0], [1, -0.3]], np.float32)
    _, ranks = cluster(vectors, 1, seed=0)
    assert ranks[1] == 0


@pytest.mark.parametrize("num", [1, 2, 5])
def test_equal_vectors_are_one_cluster(num: int):
    clusters, ranks = cluster(np.ones((num, 4), np.float32), 5, seed=0)
    assert set(clusters) == {0}
    assert ranks.tolist() == list(range(num)), "ties are broken by the order"
    clusters, _ = cluster(np.zeros((num, 4), np.float32), 5, seed=0)
    assert set(clusters) == {0}


def test_the_same_seed_gives_the_same_clusters():
    vectors = np.random.default_rng(3).normal(size=(40, 6)).astype(np.float32)
    first, second = (cluster(vectors, 4, seed=1) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def test_a_row_for_each_cluster(tmp_path: Path):
    picture = np.full((30, 60, 3), 90, np.uint8)
    draw_clusters([[picture, picture], [picture]], [5, 1], tmp_path / "c.png")
    sheet = ImageSource(tmp_path).rgb("c.png")
    assert sheet.shape[0] > 2 * 120
    assert sheet.shape[1] >= 2 * 160

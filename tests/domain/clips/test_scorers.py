import numpy as np
import pytest

from vigil.domain.clips.scorers import mahalanobis_distances, neighbour_distances


def test_many_vectors_give_the_textbooks_distance() -> None:
    rng = np.random.default_rng(0)
    mix = np.array([[2.0, 0.5, 0.0], [0.0, 1.0, 0.3], [0.0, 0.0, 0.2]])
    train = rng.normal(size=(20_000, 3)) @ mix + [1, 2, 3]
    vectors = rng.normal(size=(9, 3)) * 4
    difference = vectors - [1, 2, 3]
    expected = np.sqrt((difference @ np.linalg.inv(mix.T @ mix) * difference).sum(axis=1))
    np.testing.assert_allclose(mahalanobis_distances(train, vectors), expected, rtol=0.05)


def test_fewer_vectors_than_numbers_still_tell_far_from_near() -> None:
    rng = np.random.default_rng(0)
    train, near = rng.normal(size=(12, 50)), rng.normal(size=(5, 50))
    distances = mahalanobis_distances(train, np.concatenate([near, near + 9]))
    assert np.isfinite(distances).all()
    assert distances[5:].min() > 2 * distances[:5].max()


@pytest.mark.parametrize(("num", "expected"), [(1, [1.0, 0.0]), (2, [1.5, 0.5]), (9, [2.5, 1.5])])
def test_neighbours(num: int, expected: list[float]) -> None:
    train = np.array([[0.0], [1.0], [2.0], [3.0]])
    found = neighbour_distances(train, np.array([[-1.0], [0.0]]), num)
    assert found.tolist() == expected

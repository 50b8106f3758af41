"""Each scorer against an independent way to the same number."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from vigil.domain.clips.learnt.scorers import SCORERS, FitOptions
from vigil.plumbing.errors import FieldError

OPTIONS = FitOptions(seed=0, num_neighbours=3, num_components=2)


def vectors_of(num: int, width: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, width))


def scores_of(name: str, allowed: np.ndarray, vectors: np.ndarray, options: FitOptions = OPTIONS):
    return SCORERS[name].score(SCORERS[name].fit(allowed, options), vectors)


def test_the_largest_learns_nothing() -> None:
    assert SCORERS["largest"].fit(vectors_of(5), OPTIONS) == {}
    assert scores_of("largest", vectors_of(5), np.array([[1.0, 3.0], [2.0, 0.0]])).tolist() == [
        3,
        2,
    ]


@pytest.mark.filterwarnings("ignore:Number of distinct clusters")
@pytest.mark.parametrize("name", ["mahalanobis", "gaussian_mixture", "nearest_neighbours"])
@pytest.mark.parametrize("number", [0.0, 0.1, 1 / 3, 7.0])
def test_beside_equal_vectors_any_other_is_unusual(name: str, number: float) -> None:
    """Those of still videos: a score of 0 for everything would raise no alarm, ever."""
    allowed = np.full((12, 3), number)
    same, other = scores_of(name, allowed, allowed[0] + np.array([[0.0, 0, 0], [0, 0.1, 0]]))
    assert same < 1e-3
    assert other > max(1e3 * same, 0.05)


def test_mahalanobis_distances_are_those_of_the_library() -> None:
    allowed, vectors = vectors_of(30), vectors_of(9, seed=1)
    expected = np.sqrt(LedoitWolf().fit(allowed).mahalanobis(vectors))
    np.testing.assert_allclose(scores_of("mahalanobis", allowed, vectors), expected, rtol=1e-9)


def test_neighbours_by_hand() -> None:
    allowed = np.array([[0.0], [1.0], [5.0], [9.0]])
    found = scores_of("nearest_neighbours", allowed, np.array([[1.0], [10.0]]))
    np.testing.assert_allclose(found, [(0 + 1 + 4) / 3, (1 + 5 + 9) / 3])
    few = scores_of("nearest_neighbours", allowed[:2], np.array([[1.0]]))
    np.testing.assert_allclose(few, [0.5])


def test_one_component_is_the_distance_of_one_normal_distribution() -> None:
    allowed, vectors = vectors_of(500), vectors_of(9, seed=1) * 3
    found = scores_of("gaussian_mixture", allowed, vectors, OPTIONS._replace(num_components=1))
    covariance = np.cov(allowed.T, bias=True) + 1e-4 * allowed.var(axis=0).mean() * np.eye(4)
    normal = multivariate_normal(allowed.mean(axis=0), covariance)
    top = normal.logpdf(allowed.mean(axis=0))
    np.testing.assert_allclose(found, np.sqrt(2 * (top - normal.logpdf(vectors))), rtol=1e-6)


def test_a_mixture_knows_both_of_two_kinds() -> None:
    allowed = np.concatenate([vectors_of(200), vectors_of(200, seed=1) + 20])
    found = scores_of("gaussian_mixture", allowed, np.array([[0.0] * 4, [20.0] * 4, [10.0] * 4]))
    assert found[:2].max() < 2
    assert found[2] > 10


def test_a_component_of_equal_vectors_is_no_error() -> None:
    allowed = np.concatenate([np.zeros((50, 3)), vectors_of(50, 3) + 9])
    assert np.isfinite(scores_of("gaussian_mixture", allowed, vectors_of(5, 3))).all()


def test_fewer_vectors_than_components_are_refused() -> None:
    with pytest.raises(FieldError, match="num_components: expected at most the 2 vectors"):
        SCORERS["gaussian_mixture"].fit(vectors_of(2), OPTIONS._replace(num_components=3))


@given(name=st.sampled_from(sorted(SCORERS)), num=st.integers(1, 8), seed=st.integers(0, 9))
@settings(max_examples=30, deadline=None)
def test_scores_are_one_by_one_what_they_are_together_and_fits_are_repeatable(
    name: str, num: int, seed: int
) -> None:
    allowed, vectors = np.abs(vectors_of(20)), np.abs(vectors_of(num, seed=seed))
    together = scores_of(name, allowed, vectors)
    assert together.shape == (num,)
    assert (together >= 0).all()
    alone = [scores_of(name, allowed, one[None])[0] for one in vectors]
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)

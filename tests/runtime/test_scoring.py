"""The scores of numpy alone are those of the library, for every scorer and number of vectors."""

import numpy as np
import pytest

from vigil.domain.clips.learnt.scorers import SCORERS as LIBRARY
from vigil.domain.clips.learnt.scorers import FitOptions
from vigil.runtime import scoring


@pytest.mark.parametrize("name", scoring.SCORERS)
@pytest.mark.parametrize(("num_known", "width", "num"), [(40, 3, 700), (300, 12, 5), (3, 2, 4)])
def test_a_scorer_gives_the_score_of_the_library(
    name: str, num_known: int, width: int, num: int
) -> None:
    """At least one batch is not full, and some vectors are among those that were learnt."""
    rng = np.random.default_rng(0)
    known = rng.normal(size=(num_known, width)) + 5
    learnt = LIBRARY[name].fit(known, FitOptions(0, 5, 2))
    vectors = np.concatenate([known[:2], rng.normal(size=(num, width)) * 2 + 5])
    found = scoring.SCORERS[name](learnt, vectors)
    np.testing.assert_allclose(found, LIBRARY[name].score(learnt, vectors), rtol=1e-9, atol=1e-12)


def test_equal_vectors_are_at_distance_zero_however_large_their_numbers() -> None:
    """The products that find the neighbours are rounded; the distances are not of these."""
    known = np.full((6, 2), 1e8) + np.arange(6)[:, None]
    learnt = {"vectors": known, "num_neighbours": np.array([1.0])}
    assert not scoring.score_nearest_neighbours(learnt, known).any()


def test_every_scorer_of_the_library_is_one_of_numpy() -> None:
    assert scoring.SCORERS.keys() == LIBRARY.keys()

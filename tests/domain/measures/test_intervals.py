"""Intervals over resampled sources."""

import numpy as np

from vigil.domain.measures.intervals import Counts, source_intervals


def test_an_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    """40 sources of two equal videos: an interval that took videos for independent is too short."""
    num_covered = 0
    sources = [f"s{at // 2}" for at in range(80)]
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=40).repeat(2)

        def mean(counts: Counts, values: np.ndarray = values) -> dict[str, float]:
            return {"mean": float(np.average(values, weights=counts))}

        ends = source_intervals(sources, mean, num_rounds=100, seed=seed)["mean"]
        assert ends is not None
        num_covered += ends[0] <= 0 <= ends[1]
    assert 0.86 <= num_covered / 200 <= 0.99


def test_a_source_is_drawn_as_a_whole() -> None:
    seen: list[list[int]] = []

    def count(counts: Counts) -> dict[str, float | None]:
        seen.append(counts.tolist())
        return {"num": float(counts.sum()), "never": None}

    found = source_intervals(["a", "b", "a"], count, num_rounds=30, seed=1)
    assert all(first == last and first + middle == 2 for first, middle, last in seen)
    assert {sum(counts) for counts in seen} == {2, 3, 4}
    assert found == {"num": (2.0, 4.0), "never": None}


def test_one_source_cannot_tell_how_sources_differ() -> None:
    found = source_intervals(["a", "a"], lambda counts: {"num": 1.0}, num_rounds=5, seed=1)
    assert found == {"num": None}

"""Intervals over resampled sources."""

from collections.abc import Sequence

import numpy as np

from vigil.domain.measures.intervals import source_intervals


def test_an_interval_covers_the_true_mean_as_often_as_it_says() -> None:
    """40 sources of two equal videos: an interval that took videos for independent is too short."""
    num_covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).normal(size=40)
        of_video = {f"{at}{half}": float(value) for at, value in enumerate(values) for half in "ab"}

        def mean(videos: Sequence[str], of: dict[str, float] = of_video) -> dict[str, float]:
            return {"mean": float(np.mean([of[video] for video in videos]))}

        sources = {video: video[:-1] for video in of_video}
        ends = source_intervals(sources, mean, num_rounds=100, seed=seed)["mean"]
        assert ends is not None
        num_covered += ends[0] <= 0 <= ends[1]
    assert 0.86 <= num_covered / 200 <= 0.99


def test_a_source_is_drawn_as_a_whole() -> None:
    seen: list[Sequence[str]] = []

    def count(videos: Sequence[str]) -> dict[str, float | None]:
        seen.append(videos)
        return {"num": float(len(videos)), "never": None}

    sources = {"a1": "a", "b": "b", "a2": "a"}
    found = source_intervals(sources, count, num_rounds=30, seed=1)
    assert all(list(videos).count("a1") == list(videos).count("a2") for videos in seen)
    assert {len(videos) for videos in seen} == {2, 3, 4}
    assert found == {"num": (2.0, 4.0), "never": None}

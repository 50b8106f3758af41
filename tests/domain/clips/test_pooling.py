"""Scores of windows, and of the clips to which the windows belong."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.clips.pooling import score_clips
from vigil.domain.clips.scores import (
    CLIP_DTYPES,
    raising_of,
    read_scores,
    round_digits,
    write_scores,
)
from vigil.plumbing.errors import InputError

SCORERS = ("local_speed.largest", "motion_cells.gaussian_mixture", "motion_cells.autoencoder")


def windows_of(clips: list[int]) -> pd.DataFrame:
    """A window for each number of a clip."""
    table = pd.DataFrame({"clip": [f"c{number}" for number in clips]})
    table["class"] = ["run" if number % 2 else "walk" for number in clips]
    table["source"] = [f"s{number // 2}" for number in clips]
    table["is_anomalous"] = [number % 2 == 1 for number in clips]
    table["split"] = ["test" if number % 2 else "train" for number in clips]
    table["start_s"] = np.arange(len(clips), dtype=float)
    return table


@given(
    clips=st.lists(st.integers(0, 6), min_size=1, max_size=30),
    seed=st.integers(0, 99),
    how=st.sampled_from(["mean", "max"]),
)
def test_a_clip_has_the_mean_or_the_highest_of_its_windows(clips, seed: int, how) -> None:
    scores = pd.DataFrame(
        np.random.default_rng(seed).exponential(1e3, (len(clips), 3)), columns=list(SCORERS)
    )
    table = score_clips(windows_of(clips), scores, how)
    assert table["clip"].tolist() == [f"c{number}" for number in dict.fromkeys(clips)]
    known = windows_of(clips).drop_duplicates("clip")[list(CLIP_DTYPES)].reset_index(drop=True)
    pd.testing.assert_frame_equal(table[list(CLIP_DTYPES)], known)
    for row in table.to_dict("records"):
        own = [at for at, number in enumerate(clips) if f"c{number}" == row["clip"]]
        for name in SCORERS:
            values = [float(scores.loc[at, name]) for at in own]
            expected = max(values) if how == "max" else sum(values) / len(values)
            assert row[name] == pytest.approx(expected, rel=1e-5)
            assert row[name] == float(f"{row[name]:.6g}")


def test_windows_of_a_clip_need_not_stand_together() -> None:
    scores = pd.DataFrame({"one": [1.0, 5.0, 3.0, 7.0]})
    table = score_clips(windows_of([2, 0, 2, 0]), scores, "mean")
    assert table[["clip", "one"]].to_numpy().tolist() == [["c2", 2.0], ["c0", 6.0]]


def test_a_clip_of_one_window_keeps_its_score_whatever_the_choice() -> None:
    scores = pd.DataFrame({"one": [1.25, 0.5]})
    for how in ("mean", "max"):
        assert score_clips(windows_of([1, 0]), scores, how)["one"].tolist() == [1.25, 0.5]


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        *((1234.5678, 1234.57), (0.0, 0.0), (-0.000123456789, -0.000123457), (1e300, 1e300)),
        *((999999.5, 1e6), (5e-324, 5e-324), (1 / 3, 0.333333)),
    ],
)
def test_digits_that_count(number: float, expected: float) -> None:
    assert round_digits([number]).tolist() == [expected]
    assert round_digits(round_digits([number])).tolist() == [expected]


def test_digits_of_nothing_and_of_what_is_not_finite() -> None:
    assert round_digits(np.empty(0)).shape == (0,)
    found = round_digits([np.inf, -np.inf, np.nan])
    assert found[:2].tolist() == [np.inf, -np.inf]
    assert np.isnan(found[2])


def test_scores_are_read_as_they_were_written(tmp_path) -> None:
    scores = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 3)), columns=list(SCORERS))
    table = score_clips(windows_of([0, 1, 2, 3, 4, 5, 6, 6]), scores, "max")
    table["clip"] = ["NA", "=1", "a,b", "0012", "é", "x y", "null"]
    write_scores(table, tmp_path / "scores.csv")
    read = read_scores(tmp_path / "scores.csv")
    pd.testing.assert_frame_equal(read, table.astype(read.dtypes), check_exact=True)
    table.drop(columns=list(SCORERS)).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(InputError, match=r"other\.csv: expected the columns"):
        read_scores(tmp_path / "other.csv")


def test_the_first_scorer_of_a_channel_raises_the_alarm() -> None:
    assert raising_of(SCORERS) == {
        "local_speed": "local_speed.largest",
        "motion_cells": "motion_cells.gaussian_mixture",
    }

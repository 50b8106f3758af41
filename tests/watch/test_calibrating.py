"""`raise_at` from normal footage: its bound on known and on new days, and what is refused."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from tiny_watch import watched_scene

from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_json, write_json
from vigil.watch.calibrating import calibrate
from vigil.watch.replaying import replay

WINDOW_S, STRIDE_S, BLOCK_S = 2.0, 0.5, 60.0


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recording that was really watched; its scores are replaced below."""
    return watched_scene(tmp_path_factory.mktemp("watched"), 4.0)


def day_of(watched: Path, folder: Path, scores: np.ndarray, **facts: Any) -> Path:
    """A watched recording with these scores, as if it were another video."""
    shutil.copytree(watched, folder)
    starts_s = np.arange(len(scores)) * STRIDE_S
    table = pd.DataFrame(
        {"start_s": starts_s, "stop_s": starts_s + WINDOW_S, "ratio": scores, "channel": "lamp"}
    )
    table.to_csv(folder / "scores.csv", index=False)
    source = read_json(folder / "source.json")
    write_json({**source, "duration_s": float(starts_s[-1] + WINDOW_S)}, folder / "source.json")
    run = read_json(folder / "run.json")
    run["source"]["sha256"] = folder.name
    write_json({**run, **facts}, folder / "run.json")
    return folder


def normal_day(seed: int, minutes: int = 10) -> np.ndarray:
    """Scores that rise and fall slowly, so that neighbouring windows are alike."""
    noise = np.random.default_rng(seed).normal(size=minutes * 120 - 3)
    return np.exp(np.convolve(noise, np.ones(6) / 6, "same"))


def blocks_with_alarm(folder: Path, raise_at: float, out: Path) -> int:
    change = [f"watch.raising.raise_at={raise_at}", f"watch.raising.clear_at={raise_at}"]
    replay(folder, change, out)
    events = read_json(out / folder.name / "events.json")["events"]
    return len({int(event["raised_s"] // BLOCK_S) for event in events})


def test_known_blocks_rarely_raise_an_alarm_and_a_little_lower_they_would(
    watched: Path, tmp_path: Path
):
    days = [day_of(watched, tmp_path / f"day{seed}", normal_day(seed)) for seed in range(4)]
    found = calibrate(days, BLOCK_S, 0.1)
    assert found.bound.num_blocks == 40
    assert found.clear_at == pytest.approx(found.raise_at * 0.8, abs=0.001)
    with_alarm = sum(blocks_with_alarm(day, found.raise_at, tmp_path / "out") for day in days)
    assert with_alarm <= 0.1 * 41
    lower = sum(blocks_with_alarm(day, found.raise_at - 0.15, tmp_path / "out") for day in days)
    assert lower > 0.1 * 41, "the least value with the bound"
    assert f"watch.raising.raise_at={found.raise_at:g}" in found.describe()


def test_the_bound_holds_on_new_days_on_average(watched: Path, tmp_path: Path):
    """Over many draws of the known days, a new block raises an alarm in at most a tenth."""
    alarms = []
    for draw in range(30):
        known = [
            day_of(watched, tmp_path / f"{draw}_{seed}", normal_day(1000 * draw + seed, 5))
            for seed in range(3)
        ]
        raise_at = calibrate(known, BLOCK_S, 0.125).raise_at
        new = day_of(watched, tmp_path / f"{draw}_new", normal_day(1000 * draw + 500, 10))
        alarms.append(blocks_with_alarm(new, raise_at, tmp_path / "out") / 10)
    assert np.mean(alarms) <= 0.125 + 2 * np.std(alarms) / np.sqrt(len(alarms))
    assert np.mean(alarms) > 0.02, "or it would promise too little"


@pytest.mark.parametrize(
    ("block_s", "alarm_probability", "told"),
    [
        (60.0, 0.01, r"--alarm-probability: expected at least 99 blocks .* got 10: .* is 0\.0909"),
        (3600.0, 0.1, "got 0: no bound is possible"),
        (2.0, 0.1, "expected blocks of at least 2 windows"),
        (0.0, 0.1, "--block-s: expected a number above 0, got 0"),
        (float("nan"), 0.1, "--block-s: expected a number above 0"),
        (60.0, 1.0, "--alarm-probability: expected a number above 0 below 1, got 1"),
    ],
)
def test_what_cannot_be_promised_is_said(
    watched: Path, tmp_path: Path, block_s: float, alarm_probability: float, told: str
):
    day = day_of(watched, tmp_path / "day", normal_day(0))
    with pytest.raises(InputError, match=told):
        calibrate([day], block_s, alarm_probability)


def test_recordings_that_cannot_be_compared_are_refused(watched: Path, tmp_path: Path):
    first = day_of(watched, tmp_path / "first", normal_day(0))
    (tmp_path / "again").mkdir()
    again = day_of(watched, tmp_path / "again" / "first", normal_day(1))
    with pytest.raises(InputError, match="expected other videos, got that of"):
        calibrate([first, again], BLOCK_S, 0.1)
    other = day_of(watched, tmp_path / "other", normal_day(1), models={"alarm": "1"})
    with pytest.raises(InputError, match=r"other: expected models as in .*first, got others"):
        calibrate([first, other], BLOCK_S, 0.1)
    settings = read_json(first / "run.json")["settings"]
    settings["raising"]["num_windows"] += 1
    rule = day_of(watched, tmp_path / "rule", normal_day(2), settings=settings)
    with pytest.raises(InputError, match=r"expected raising\.num_windows as in"):
        calibrate([first, rule], BLOCK_S, 0.1)
    with pytest.raises(InputError, match=r"run\.json: expected a JSON file"):
        calibrate([tmp_path], BLOCK_S, 0.1)

"""Combinations of values, checked as parameters are."""

from typing import Any

import pytest
from tiny_settings import SHIPPED

from vigil.learn.alarm.tuning.candidates import build_candidates, format_changes, format_value
from vigil.plumbing.errors import InputError
from vigil.plumbing.params import read_params

SIZE, PAST = "embed_clips.local_disorder.size", "embed_clips.local_speed.past_s"


@pytest.fixture
def content() -> dict[str, Any]:
    return read_params(SHIPPED)


def test_without_values_the_present_settings_are_the_only_candidate(content):
    (present,) = build_candidates(content, [])
    assert present.changes == {}
    assert present.embed.local_disorder.size == content["embed_clips"]["local_disorder"]["size"]


def test_every_combination_once_and_the_present_one_first(content):
    found = build_candidates(content, [f"{SIZE}=0.1,0.15,0.2", f"{PAST}=0.7,1.4"])
    assert [dict(one.changes) for one in found] == [
        {},
        {PAST: 1.4},
        {SIZE: 0.15},
        {SIZE: 0.15, PAST: 1.4},
        {SIZE: 0.2},
        {SIZE: 0.2, PAST: 1.4},
    ]
    for one in found:
        assert one.embed.local_disorder.size == one.changes.get(SIZE, 0.1)
        assert one.embed.local_speed.past_s == one.changes.get(PAST, 0.7)
    assert content == read_params(SHIPPED)


def test_a_value_may_be_a_word_or_a_list(content):
    lists = [
        "embed_clips.channels=[local_speed],[local_speed, motion_cells]",
        "embed_clips.local_disorder.min_speed=measured,0",
        "fit_alarm.scorers.motion_cells=[mahalanobis]",
        "predict.alarm.clip_score=max",
    ]
    last = build_candidates(content, lists)[-1]
    assert last.embed.channels == ("local_speed", "motion_cells")
    assert last.embed.local_disorder.min_speed == 0
    assert last.fit.scorers.motion_cells == ("mahalanobis",)
    assert last.predict.clip_score == "max"
    assert format_changes(last.changes) == [
        'embed_clips.channels=["local_speed","motion_cells"]',
        "embed_clips.local_disorder.min_speed=0",
        'fit_alarm.scorers.motion_cells=["mahalanobis"]',
        "predict.alarm.clip_score=max",
    ]


def test_written_changes_are_read_as_the_same_values(content):
    lists = ["embed_clips.channels=[local_speed],[motion_cells]", f"{SIZE}=0.1"]
    for one in build_candidates(content, lists)[1:]:
        again = build_candidates(content, format_changes(one.changes))[-1]
        assert again == one


@pytest.mark.parametrize("value", [0.1, 3, True, "max", ["a", "b"]])
def test_a_value_is_one_word(value):
    assert " " not in format_value(value)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (["embed_clips.local_disorder.sise=0.1"], "local_disorder.sise: no such parameter"),
        (["embed_clips.local_disorder.size.x=0.1"], "size.x: no such parameter"),
        (["split.seed=1"], "split.seed: expected a parameter of embed_clips, fit_alarm"),
        (["embed_clips=1"], "embed_clips: expected a parameter of"),
        ([SIZE], "expected a parameter and its values, as embed_clips"),
        ([f"{SIZE}="], "expected a parameter and its values"),
        ([f"{SIZE}=0.1,0.1"], "size: expected each value once"),
        ([f"{SIZE}=0.1,["], "size: expected plain values"),
        ([f"{SIZE}=0.1", f"{SIZE}=0.2"], "size: expected each parameter once"),
        ([f"{SIZE}=0.1,7"], "local_disorder.size: expected .* 1, got 7"),
        ([f"{SIZE}=big"], "local_disorder.size: expected .* got 'big'"),
        (["embed_clips.channels=[]"], "embed_clips.channels: expected"),
        (["fit_alarm.scorers.motion_cells=[largest]"], "expected largest only for"),
        (["pick_threshold.method=best_f1"], "need allowed clips alone, got best_f1"),
        (["pick_threshold.method=hourly"], "hourly"),
        ([f"{SIZE}={','.join(str(n / 2000) for n in range(20, 1100))}"], "at most 1000 comb"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_one_line(content, lists, message):
    with pytest.raises(InputError, match=message) as caught:
        build_candidates(content, lists)
    assert "\n" not in str(caught.value)


def test_fine_tuning_is_refused(content):
    content["embed_clips"]["channels"] = ["appearance"]
    content["fit_alarm"]["scorers"]["appearance"] = ["autoencoder"]
    content["fit_alarm"]["fine_tuning"]["from_epoch"] = 1
    with pytest.raises(InputError, match=r"fine_tuning\.from_epoch: expected 0"):
        build_candidates(content, [])


def test_tracks_are_refused(content):
    content["embed_clips"]["channels"] = ["local_speed", "objects"]
    content["track_clips"]["detector"] = "models/detector"
    with pytest.raises(InputError, match=r"channels: expected channels of motion or appearance, g"):
        build_candidates(content, [])

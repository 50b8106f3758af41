"""An alarm on what tracked objects do: on frames with tracks, on a stream, and exported."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_objects import (
    STEP_S,
    moments_of,
    objects,
    pieces_of,
    tracked_facts,
    walker,
    write_objects_alarm,
)
from tiny_watch import SeesBright, scene_picture

from vigil.alarm import TrainedAlarm, track_frames
from vigil.domain.clips.verdicts import NO_EVIDENCE
from vigil.learn.alarm.export.alarm_file import write_alarm
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.records import read_json, write_json

FRAME = np.zeros((480, 640, 3), np.uint8)
RUNNER = {1: walker(60, 384, 1.0), 2: walker(90, 396, 3.0)}


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    scorers = ("gaussian_mixture", "nearest_neighbours")
    folder = tmp_path_factory.mktemp("alarm")
    return write_objects_alarm(folder, objects(), tracked_facts(), scorers)


def frames_of(seconds: float) -> tuple[list[np.ndarray], np.ndarray]:
    times_s = np.arange(0, seconds, STEP_S)
    return [FRAME] * len(times_s), times_s


def test_a_verdict_names_the_feature_and_the_place(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    verdict = alarm(*frames_of(2.0), moments_of(RUNNER, 2.0))
    assert verdict.is_alarm
    assert verdict.reason == "objects: speed"
    assert verdict.scores.keys() == {"objects.gaussian_mixture", "objects.nearest_neighbours"}
    strongest = verdict.evidence[0]
    assert strongest.feature == "speed"
    assert strongest.ratio == pytest.approx(verdict.ratio)
    assert strongest.box_xyxy[3] == 396
    assert {one.feature for one in verdict.evidence} <= set(objects().features)


def test_nobody_is_no_evidence_and_no_alarm(files: tuple[Path, Path, Path]) -> None:
    verdict = TrainedAlarm.from_files(*files)(*frames_of(2.0), moments_of({}, 2.0))
    assert (verdict.ratio, verdict.evidence, dict(verdict.scores)) == (NO_EVIDENCE, (), {})
    assert not verdict.is_alarm


def test_without_tracks_it_says_what_it_needs(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    with pytest.raises(InputError, match=r"^expected the tracks of the frames for the channel obj"):
        alarm(*frames_of(2.0))
    stream = alarm.stream(1.0, 0.5)
    with pytest.raises(InputError, match="expected a picture in which objects were looked for"):
        [stream.push(frame, time_s) for frame, time_s in zip(*frames_of(2.0), strict=True)]


def test_a_stream_says_of_each_window_what_all_moments_say(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    stream, moments = alarm.stream(1.5, 0.5), moments_of(RUNNER, 4.0, first_s=7.0)
    found = []
    for moment in moments:
        found += stream.push(FRAME, moment.time_s, moment)
    found += stream.end(11.0)
    assert [one.start_s for one in found] == pytest.approx([7.0, 7.5, 8.0, 8.5, 9.0, 9.5])
    every = pieces_of(moments)
    scores = alarm.score("objects", every.vectors)["objects.gaussian_mixture"]
    for one in found:
        starts, ends = every.spans_s.T
        within = (starts >= one.start_s - 1e-4) & (ends < one.stop_s - 1e-4)
        expected = scores[within].max()
        assert one.verdict.scores["objects.gaussian_mixture"] == pytest.approx(expected)
    later = stream.push(FRAME, 100.0, replace(moments[0], time_s=100.0))
    assert later == []  # begins anew


def test_a_detector_gives_the_tracks_of_frames(tmp_path: Path) -> None:
    tracked = {**tracked_facts(), "classes": ["human"]}
    alarm = TrainedAlarm.from_files(*write_objects_alarm(tmp_path, objects(), tracked))
    frames = [scene_picture(index) for index in range(30)]
    times_s = np.arange(30) / 10
    moments = track_frames(alarm, SeesBright(), frames, times_s)
    assert [one.time_s for one in moments] == pytest.approx(times_s[::2])  # every 0.12 s
    assert {track for one in moments for track in one.track_ids.tolist()} == {1, 2}
    verdict = alarm(frames, times_s, moments)
    assert verdict.evidence
    other = {**tracked, "classes": ["car"]}
    alarm = TrainedAlarm.from_files(*write_objects_alarm(tmp_path, objects(), other))
    with pytest.raises(FieldError, match=r"classes: expected classes of the detector \(human\), g"):
        track_frames(alarm, SeesBright(), frames, times_s)


@pytest.mark.parametrize(
    "change",
    [
        lambda facts: facts.pop("tracked"),
        lambda facts: facts["tracked"].pop("score"),
        lambda facts: facts["options"].update(features=["smell"]),
        lambda facts: facts["options"].update(features=["speed"]),
        lambda facts: facts.update(short_clips="never"),
        lambda facts: facts.update(width=3),
    ],
)
def test_a_card_that_does_not_fit_is_refused(tmp_path: Path, change) -> None:
    files = write_objects_alarm(tmp_path, objects(), tracked_facts())
    card = read_json(files[1])
    change(card["embeddings"]["objects"])
    write_json(card, files[1])
    with pytest.raises(InputError, match="expected what measures the windows, got"):
        TrainedAlarm.from_files(*files)


def test_it_is_not_exported(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected channels of motion, got objects, which judges"):
        write_alarm(*files, tmp_path / "alarm.zip")
    assert not list(tmp_path.iterdir())

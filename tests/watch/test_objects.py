"""An alarm on tracks watches: it judges the tracks of the same pass, and says what was unusual."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tiny_objects import objects, tracked_facts, write_objects_alarm
from tiny_watch import FPS, SIZE_WH, SeesBright, SeesWhite, watching

from vigil.learn.alarm.trained import TrainedAlarm
from vigil.pixels.channels.moments import read_moments
from vigil.pixels.channels.objects import measure_objects
from vigil.pixels.clip_tracking import track_video
from vigil.pixels.video_writing import write_video
from vigil.plumbing.errors import InputError
from vigil.settings.watch import Watch
from vigil.watch.analysis import Analysis
from vigil.watch.frames import read_frames
from vigil.watch.live import LiveWatch
from vigil.watch.models import Models
from vigil.watch.recording import Recorder
from vigil.watch.results.findings import Collected, evidence_table, score_table

DIGEST = "0" * 64
SECONDS = 8.0
OBJECTS = objects(features=("speed", "dwelling"), edge=0.0)
TRACKED = {**tracked_facts(DIGEST), "detect_every_s": 0.2}


def picture(time_s: float) -> np.ndarray:
    """Somebody walks to the right for 4 s, then runs back and leaves."""
    x = 5 + 14 * time_s if time_s < 4 else 61 - 26 * (time_s - 4)
    made = np.full((SIZE_WH[1], SIZE_WH[0], 3), 60, np.uint8)
    if x > 0:
        made[40:54, round(x) : round(x) + 6] = 250
    return made


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "door.mp4"
    frames = (picture(index / FPS) for index in range(round(SECONDS * FPS)))
    write_video(path, frames, codec="h264", fps=Fraction(FPS), size_wh=SIZE_WH)
    return path


@pytest.fixture
def models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Models:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "alarm").mkdir()
    alarm = TrainedAlarm.from_files(*write_objects_alarm(tmp_path / "alarm", OBJECTS, TRACKED))
    return Models(SeesBright(), SeesWhite(), alarm, 0.5, {"detector.safetensors": DIGEST})


def settings_of(**changes: object) -> Watch:
    return watching(**{"window_s": 2.0, **changes})


def watched(video: Path, models: Models, settings: Watch) -> Collected:
    analysis, collected = Analysis(models, settings), Collected()
    for frame in read_frames(video, Fraction(FPS)):
        collected.add(analysis.push(frame))
    collected.add(analysis.end(SECONDS))
    return collected


def test_it_judges_as_the_pipeline_does_on_the_same_video(
    video: Path, models: Models, tmp_path: Path
) -> None:
    found = watched(video, models, settings_of())
    track_video(
        video, tmp_path / "t", detector=SeesBright(), tracked=TRACKED, batch_size=4,
        picture_fps=Fraction(FPS),
    )  # fmt: skip
    moments, _ = read_moments(tmp_path / "t")
    windows = pd.DataFrame(
        {
            "video": "",
            "start_s": [one.start_s for one in found.verdicts],
            "stop_s": [one.stop_s for one in found.verdicts],
        }
    )
    stored = measure_objects(windows, moments, TRACKED, OBJECTS, "repeat_last")
    assert stored.index["num_pieces"].to_numpy()[-1] == 0, "nobody is left"
    assert len(found.verdicts) == 13
    for at, one in enumerate(found.verdicts):
        own = stored.pieces[stored.windows == at]
        if not len(own):
            assert one.verdict.evidence == ()
            continue
        (scores,) = models.alarm.score("objects", own.vectors).values()
        (score,) = one.verdict.scores.values()
        assert score == pytest.approx(scores.max(), rel=1e-6)


@pytest.mark.parametrize("batch_size", [1, 3, 50])
def test_the_size_of_a_batch_changes_no_verdict(
    video: Path, models: Models, batch_size: int
) -> None:
    first = watched(video, models, settings_of())
    other = watched(video, models, settings_of(batch_size=batch_size))
    assert other.verdicts == first.verdicts


def test_no_picture_is_detected_twice(video: Path, models: Models) -> None:
    watched(video, models, settings_of())
    assert sum(models.detector.batches) == SECONDS * FPS / 2


def test_the_tables_name_the_feature_and_know_windows_without_evidence(
    video: Path, models: Models
) -> None:
    verdicts = watched(video, models, settings_of()).verdicts
    scores, evidence = score_table(verdicts), evidence_table(verdicts)
    assert scores["objects"].iloc[-1] == scores["ratio"].iloc[-1] == -1
    assert scores["channel"].iloc[-1] == ""
    strongest = evidence.iloc[evidence["ratio"].argmax()]
    assert strongest["feature"] == "speed"
    assert 4.5 < strongest["time_s"] < 6.5


def test_an_event_says_what_was_unusual(video: Path, models: Models, tmp_path: Path) -> None:
    Recorder(models.digests, lambda: models, settings_of(), Fraction(FPS)).watch(
        video, tmp_path / "out"
    )
    events = pd.read_json(tmp_path / "out" / "events.json", typ="series")["events"]
    assert [event["reason"] for event in events] == ["objects: speed"]
    assert "objects: speed" in (tmp_path / "out" / "index.html").read_text()


def test_live_it_says_so_too(video: Path, models: Models, tmp_path: Path) -> None:
    class Notes:
        def __init__(self) -> None:
            self.told: list[dict] = []

        def notify(self, message: dict) -> None:
            self.told.append(message)

    notes = Notes()
    live = LiveWatch(models, settings_of(), tmp_path / "live", "door", notes, "one")
    for frame in read_frames(video, Fraction(FPS)):
        live.add(frame)
    live.end()
    assert [one["reason"] for one in notes.told] == ["objects: speed"]
    assert set(models.detector.batches) <= {0, 1}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"detect_every_s": 0.3}, r"^watch.detect_every_s: expected that with which the clips"),
        ({"suppression.iou": 0.5}, r"^watch.suppression: expected"),
        ({"tracking.lost_s": 0.5}, r"^watch.tracking: expected .* set that of the clips too"),
    ],
)
def test_other_tracks_than_it_learnt_from_are_refused(
    models: Models, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        Analysis(models, settings_of(**changes))


def test_another_detector_is_refused(models: Models) -> None:
    for other in (
        replace(models, digests={"detector.safetensors": "1" * 64}),
        replace(models, detector_score=0.4),
    ):
        with pytest.raises(InputError, match=r"^detector.safetensors: expected the detector whose"):
            Analysis(other, settings_of())

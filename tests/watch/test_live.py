"""A live source: the newest frame counts, breaks are events, and each event is sent once."""

import itertools
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tiny_streams import PACKET, StreamServer, StreamVisit, serving
from tiny_watch import (
    FPS,
    SIZE_WH,
    Notes,
    StampedWatch,
    models,
    scene_picture,
    watch_of,
    watching,
    write_scene,
)

from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.pixels.video.source import Frame
from vigil.pixels.video_writing import VideoWriter
from vigil.plumbing.errors import InputError
from vigil.watch.live import EVENT_LINES, LiveWatch, follow, watch_live
from vigil.watch.live_films import LiveFilms
from vigil.watch.notifying import (
    NOTIFICATIONS,
    NOTIFIED,
    Notifier,
    append_line,
    open_sinks,
    read_lines,
)
from vigil.watch.reading_live import DecodedFrame, LiveReader, open_live
from vigil.watch.recording import Recorder
from vigil.watch.replaying import replay
from vigil.watch.results.eventful import read_events
from vigil.watch.sources import Camera, Recording, find_sources

LIT = ((5.0, 8.0),)


def frame_at(index: int, time_s: float | None = None, lit: Any = LIT) -> Frame:
    picture = np.ascontiguousarray(scene_picture(index, lit)[..., ::-1])
    return Frame(index, index / FPS if time_s is None else time_s, picture)


def test_people_are_told_when_it_is_raised_and_it_is_kept_when_it_is_over(tmp_path: Path):
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    for index in range(70):
        watch.add(frame_at(index))
    assert not (tmp_path / EVENT_LINES).exists()
    for index in range(70, 140):
        watch.add(frame_at(index))
    watch.end()
    watch._notifier.close()
    (event,) = read_lines(tmp_path / EVENT_LINES)
    (message,) = notes.messages
    assert message["id"] == event["id"]
    assert message["has_picture"]
    assert event["start_s"] == pytest.approx(4.5, abs=0.01)
    assert message["raised_s"] == event["raised_s"] < 8 < event["end_s"]
    assert watch.status()["watched_s"] == pytest.approx(13.5), "the last 0.4 s are in no window"
    assert event["start_at"] == "2026-11-27T08:00:04.500+00:00"
    assert message["raised_at"] == event["raised_at"]
    assert (message["end_s"], event["end_s"] > 8) == (None, True), "an open event has no end"


def test_an_event_has_a_video_from_before_it_to_after_it(tmp_path: Path):
    watch = watch_of(tmp_path, Notes())
    for index in range(75):
        watch.add(frame_at(index))
    watch._films._encoding.finish()
    assert not list((tmp_path / "events").glob("*[0-9a-f].mp4")), "it is not over"
    for index in range(75, 140):
        watch.add(frame_at(index))
    watch.end()
    (event,) = read_lines(tmp_path / EVENT_LINES)
    frames = list(VideoReader(tmp_path / f"events/{event['id']}.mp4"))
    # A second before the event and a second after it, by the settings of `watching`. Its end is
    # known later: no score for 1 s, and no event within 2 s that is merged with it.
    least_s = event["end_s"] - event["start_s"] + 2
    assert least_s - 0.25 <= len(frames) / FPS <= least_s + 3
    lamps = [to_bgr(frame)[8, 20].astype(int) for frame in frames]
    first_s = event["start_s"] - 1
    for index, lamp in enumerate(lamps):
        at_s = first_s + index / FPS
        if abs(at_s - 5) > 0.2 and abs(at_s - 8) > 0.2 and at_s < event["raised_s"]:
            assert (lamp[2] - lamp[1] > 60) == (5 <= at_s < 8)
    assert [path.suffixes for path in (tmp_path / "events").glob("*.mp4")] == [[".mp4"]]


@pytest.mark.parametrize("gap_s", [0.0, 30.0])
def test_a_camera_that_comes_back_with_another_size_is_watched_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], gap_s: float
):
    """In the midst of an event, with and without a loss of the signal."""
    notes, lit = Notes(), ((5.0, 8.0), (10.0, 12.0))
    own = models()
    notifier = Notifier([notes], tmp_path, first_wait_s=0.0)
    watch = StampedWatch(own, watching(), tmp_path, "door", notifier, "one")
    for index in range(160):
        frame = frame_at(index, lit=lit)
        if index >= 70:
            larger = np.pad(frame.picture, ((0, 40), (0, 80), (0, 0)))
            frame = Frame(index, frame.time_s + gap_s, larger)
        watch.add(frame)
    watch.end()
    watch._notifier.close()
    events = read_lines(tmp_path / EVENT_LINES)
    unusual = [event for event in events if event["kind"] == "unusual"]
    assert [event["kind"] for event in events].count("signal_lost") == (gap_s > 0)
    ends = [(event["start_s"], event["end_s"]) for event in unusual]
    assert ends[0] == pytest.approx((4.5, 7.0), abs=0.6)
    # The lamp was lit up to 8 s, and from 10 s on: these are merged, but not with what came before.
    assert ends[1:] == [pytest.approx((7.0 + gap_s, 12.5 + gap_s), abs=0.6)]
    for event, size_wh in zip(unusual, (SIZE_WH, (176, 112)), strict=True):
        frames = [to_bgr(one) for one in VideoReader(tmp_path / f"events/{event['id']}.mp4")]
        assert frames[0].shape[:2] == size_wh[::-1]
        assert (tmp_path / f"events/{event['id']}.jpg").is_file() != event["is_muted"]
    told = capsys.readouterr().err
    assert told.count("door: pictures of 176x112 from now on, after 96x72; tracks") == 1


def test_an_event_has_a_clip_to_watch_again_and_to_correct(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    watch = watch_of(tmp_path / "door", Notes())
    for index in range(140):
        watch.add(frame_at(index))
    watch.end()
    (event,) = read_lines(tmp_path / "door" / EVENT_LINES)
    name = f"{event['id']}.mp4"
    clip, drawn = ([to_bgr(frame) for frame in VideoReader(tmp_path / "door" / folder / name)]
                   for folder in ("clips", "events"))  # fmt: skip
    assert len(clip) == len(drawn)
    first = round((event["start_s"] - 1) * FPS)
    for at, (plain, other) in enumerate(zip(clip, drawn, strict=True)):
        scene = scene_picture(first + at, LIT)[..., ::-1].astype(int)
        assert np.abs(plain - scene).mean() < 4, "nothing is drawn on it"
        assert np.abs(other - scene).mean() > 4
    (source,) = find_sources([str(tmp_path / "door" / "clips")])
    assert isinstance(source, Recording)
    assert source.name == name
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    Recorder({"a": "0"}, models, watching(), Fraction(FPS)).watch(source.path, tmp_path / "again")
    (again,) = read_events(tmp_path / "again" / "events.json")
    assert again["start_s"] == pytest.approx(1.0, abs=0.15), "a second after the clip's start"
    (task,) = json.loads((tmp_path / "again" / "label_studio.json").read_text())
    kinds = [region["type"] for region in task["predictions"][0]["result"]]
    assert sorted(kinds) == ["timelinelabels", "videorectangle"]
    assert name in task["data"]["video"]


def test_what_the_classifier_refuses_is_drawn_no_longer(tmp_path: Path):
    """The post, from the moment on at which it is judged."""
    watch = watch_of(tmp_path, Notes())
    for index in range(140):
        watch.add(frame_at(index))
    watch.end()
    (film,) = (tmp_path / "events").glob("*.mp4")
    posts = [to_bgr(frame)[30:60, 78:90].astype(int) for frame in VideoReader(film)]
    scene = scene_picture(0)[30:60, 78:90, ::-1].astype(int)
    assert all(np.abs(post - scene).mean() < 8 for post in posts)


def test_a_kill_in_the_midst_of_an_event_leaves_no_video_that_seems_whole(tmp_path: Path):
    watch = watch_of(tmp_path, Notes())
    for index in range(75):
        watch.add(frame_at(index))
    watch._films._encoding.finish()
    for folder in ("events", "clips"):
        films = [path.name for path in (tmp_path / folder).glob("*.mp4")]
        assert len(films) == 1
        assert films[0].startswith(".")
    with pytest.raises(InputError, match="found an empty folder"):
        find_sources([str(tmp_path / "clips")])


def test_a_live_source_is_not_replayed_but_its_clips_are_named(tmp_path: Path):
    (tmp_path / "clips").mkdir()
    with pytest.raises(InputError, match=r"got a live source; `vigil watch .*clips` watches"):
        replay(tmp_path, ["watch.raising.raise_at=3"], tmp_path / "replay")


def films_of(folder: Path) -> LiveFilms:
    settings = watching(**{"pictures.before_s": 2.0}).pictures
    films = LiveFilms(folder, settings, delay_s=0.0)
    (folder / "events").mkdir(parents=True)
    return films


def add_frame(films: LiveFilms, index: int) -> None:
    frame = frame_at(index)
    films.add(frame.picture, frame.time_s, lambda picture: picture)


def test_frames_that_come_while_a_video_is_encoded_do_not_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    films = films_of(tmp_path)
    goes_on = threading.Event()
    write = VideoWriter.write

    def wait_and_write(self: VideoWriter, pixels: Any, stamp: int | None = None) -> None:
        assert goes_on.wait(60), "frames wait"
        write(self, pixels, stamp)

    monkeypatch.setattr(VideoWriter, "write", wait_and_write)
    for index in range(10):
        add_frame(films, index)
    films.begin("a", start_s=0.5)
    for index in range(10, 100):
        add_frame(films, index)
    goes_on.set()
    films.close()
    for folder in ("events", "clips"):
        assert len(list(VideoReader(tmp_path / folder / "a.mp4"))) == 100


class Failing:
    """Fails to write one frame of the first video, and writes all others."""

    def __init__(self, error: Exception, at_s: float) -> None:
        self._error, self._stamp, self._write = error, round(at_s * 90_000), VideoWriter.write
        self.num_failures = 0

    def write(self, writer: VideoWriter, pixels: Any, stamp: int | None = None) -> None:
        if stamp == self._stamp and not self.num_failures:
            self.num_failures += 1
            raise self._error
        self._write(writer, pixels, stamp)


@pytest.mark.parametrize("error", [OSError(28, "No space left"), ValueError("Invalid data")])
def test_an_error_of_a_video_is_raised_once_and_soon_and_the_next_event_is_filmed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
):
    failing = Failing(error, at_s=1.0)
    monkeypatch.setattr(VideoWriter, "write", lambda *args: failing.write(*args))
    films = films_of(tmp_path)
    raised_by = []
    for index in range(60):
        try:
            add_frame(films, index)
        except type(error):
            raised_by.append(index)
        if index == 0:
            films.begin("a", start_s=0.0)
        if index == 40:
            films.begin("b", start_s=3.8)
        films._encoding._pool.submit(int).result()  # the thread comes so far
    films.close()
    assert raised_by == [11], "frame 10 failed"
    whole = sorted(path.name for path in tmp_path.glob("*/[!.]*.mp4"))
    assert whole == ["b.mp4", "b.mp4"], "a video that lacks a frame is not left as whole"


def test_an_error_at_the_end_is_raised_by_close(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    failing = Failing(OSError(28, "No space left"), at_s=0.0)
    monkeypatch.setattr(VideoWriter, "write", lambda *args: failing.write(*args))
    films = films_of(tmp_path)
    add_frame(films, 0)
    films.begin("a", start_s=0.0)
    with pytest.raises(OSError, match="No space left"):
        films.close()
    assert not list(tmp_path.glob("*/[!.]*.mp4"))


def test_a_long_event_is_filmed_up_to_its_longest(tmp_path: Path):
    notifier = Notifier([], tmp_path)
    settings = watching(**{"pictures.longest_s": 2.0})
    watch = LiveWatch(models(), settings, tmp_path, "door", notifier, "one")
    for index in range(140):
        watch.add(frame_at(index, lit=((5.0, 12.0),)))
    watch.end()
    for folder in ("events", "clips"):
        (film,) = (tmp_path / folder).glob("*.mp4")
        assert len(list(VideoReader(film))) / FPS == pytest.approx(1 + 2, abs=0.2)


def test_a_loss_of_the_signal_is_told_at_once_and_counts_as_not_watched(tmp_path: Path):
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    for index in range(65):
        watch.add(frame_at(index))
    for silent_s in (4.0, 6.0, 7.0):
        watch.wait(silent_s)
    for index in range(60):
        watch.add(frame_at(index, 20 + index / FPS, lit=()))
    watch.end()
    watch._notifier.close()
    kept = read_lines(tmp_path / EVENT_LINES)
    assert [line["kind"] for line in kept] == ["unusual", "signal_lost"]
    assert kept[0]["end_s"] <= 6.5, "what was open ends with the signal"
    assert [line["kind"] for line in notes.messages] == ["unusual", "signal_lost"]
    assert notes.messages[1]["id"] == kept[1]["id"]
    assert watch.status()["not_watched_s"] == pytest.approx(20 - 6.4 + 2 * 0.4), "and in no window"


def test_a_signal_that_is_lost_again_and_again_is_told_once_in_a_cooldown(tmp_path: Path):
    notes = Notes()
    watch = watch_of(tmp_path, notes, **{"raising.cooldown_s": 100.0})
    for at_s in (0, 20, 40, 110):
        for index in range(10):
            watch.add(frame_at(index, at_s + index / FPS, lit=()))
        watch.wait(6.0)
    watch.end()
    watch._notifier.close()
    kept = read_lines(tmp_path / EVENT_LINES)
    assert [line["is_muted"] for line in kept] == [False, True, True, False]
    assert [line["id"] for line in notes.messages] == [kept[0]["id"], kept[3]["id"]]


def test_frames_too_far_apart_are_not_watched_and_this_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """No frame is lost, but motion cannot be measured between them, so no window has a score."""
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    for index in range(60):
        watch.add(frame_at(index, lit=()))
    for index in range(20):
        watch.add(frame_at(60, 6 + 1.5 * index, lit=()))
    assert capsys.readouterr().err.count("no window could be scored") == 1
    assert watch.status()["watched_s"] == pytest.approx(6.0, abs=0.5)
    for index in range(60):
        watch.add(frame_at(index, 36 + index / FPS, lit=()))
    watch.end()
    watch._notifier.close()
    (kept,), (told,) = read_lines(tmp_path / EVENT_LINES), notes.messages
    assert (kept["kind"], kept["id"]) == ("not_scored", told["id"])
    assert kept["start_s"] == pytest.approx(5.5, abs=0.5)
    assert kept["end_s"] == pytest.approx(36, abs=1.5)
    status = watch.status()
    assert status["watched_s"] == pytest.approx(12, abs=1)
    assert status["watched_s"] + status["not_watched_s"] == pytest.approx(41.9)
    assert status["alarms"] == 0


def test_an_event_ends_where_no_window_has_a_score_any_more(tmp_path: Path):
    watch = watch_of(tmp_path, Notes())
    for index in range(70):
        watch.add(frame_at(index))
    assert watch._machine.open_event is not None
    for index in range(8):
        watch.add(frame_at(70, 7 + 1.5 * index))
    (kept,) = [line for line in read_lines(tmp_path / EVENT_LINES) if line["kind"] == "unusual"]
    assert kept["end_s"] <= 7.1


def test_a_loss_that_lasts_until_the_end_is_kept(tmp_path: Path):
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    for index in range(30):
        watch.add(frame_at(index, lit=()))
    watch.wait(6.0)
    assert watch.status()["not_watched_s"] == pytest.approx(6.4), "the last 0.4 s are in no window"
    watch.wait(3600.0)
    assert watch.status()["not_watched_s"] == pytest.approx(3600.4)
    watch.end()
    watch._notifier.close()
    (kept,) = read_lines(tmp_path / EVENT_LINES)
    (told,) = notes.messages
    assert (kept["kind"], kept["id"]) == ("signal_lost", told["id"])
    assert kept["end_s"] == pytest.approx(3602.9)
    assert watch.status()["not_watched_s"] == pytest.approx(3600.4)


def test_a_loss_that_was_told_is_kept_even_if_the_frames_come_later(tmp_path: Path):
    """A stall of the network: nothing is missing in the times of the frames."""
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    for index in range(30):
        watch.add(frame_at(index, lit=()))
    watch.wait(6.0)
    for index in range(30, 60):
        watch.add(frame_at(index, lit=()))
    watch.end()
    watch._notifier.close()
    (kept,) = read_lines(tmp_path / EVENT_LINES)
    (told,) = notes.messages
    assert (kept["kind"], kept["id"]) == ("signal_lost", told["id"])
    assert (kept["end_s"], kept["suppressed"]) == (8.9, "the frames came later")
    assert watch.status() == {**watch.status(), "watched_s": 5.5, "not_watched_s": 0.4}


def test_hours_of_people_need_no_more_memory(tmp_path: Path):
    """The person leaves and comes back all the time: each time is a track and a judgement."""
    watch = watch_of(tmp_path, Notes())
    numbers = []
    for index in range(600):
        is_empty = index % 20 > 8
        picture = np.full((72, 96, 3), 60, np.uint8) if is_empty else frame_at(index).picture
        watch.add(Frame(index, index / FPS, picture))
        numbers.append(len(watch._analysis.judgements))
    assert max(numbers[300:]) == max(numbers[:300]) <= 4
    assert watch._analysis._tracker._num_confirmed > 30


HOLDS_THE_FOLDER = """
import time
from pathlib import Path
from vigil.plumbing.alone import alone_in
with alone_in(Path("door"), "the first"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_who_was_refused_and_left_is_not_drawn_again(tmp_path: Path):
    """The judgement of an ended track is no longer kept, and its last box is of no use."""
    watch = watch_of(tmp_path, Notes())
    drawn = []
    for index in range(120):
        picture = frame_at(index).picture.copy()
        picture[:, :78] = 60  # the post alone
        if index >= 40:
            picture[:] = 60
        watch.add(Frame(index, index / FPS, picture))
        drawn.append(watch._drawing(index / FPS, None).keywords["track_ids"])
    assert all(ids == [] for ids in drawn[20:]), "it is refused by then"


def test_a_second_process_for_the_same_stream_is_refused(tmp_path: Path):
    (tmp_path / "door").mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS_THE_FOLDER], cwd=tmp_path, stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )  # fmt: skip
    try:
        assert other.stdout is not None
        assert other.stdout.readline()
        source = Camera("door", "http://127.0.0.1:9/x")
        with pytest.raises(InputError, match=r"nobody else writes into, but process .*the first"):
            watch_live(source, tmp_path, models, watching(), [])
    finally:
        other.kill()
        other.communicate()


def test_another_run_notifies_of_other_events(tmp_path: Path):
    ids = []
    for run in ("one", "two"):
        notes = Notes()
        watch = watch_of(tmp_path, notes, run)
        for index in range(80):
            watch.add(frame_at(index))
        watch.end()
        watch._notifier.close()
        ids += [line["id"] for line in notes.messages]
    assert len(set(ids)) == 2


def test_what_was_not_told_before_a_kill_is_told_by_the_next_run_once(tmp_path: Path):
    message = {"id": "a", "source": "door", "kind": "unusual"}
    append_line(tmp_path / NOTIFICATIONS, message)
    append_line(tmp_path / NOTIFICATIONS, {**message, "id": "b"})
    append_line(tmp_path / NOTIFIED, {"id": "b"})
    with (tmp_path / NOTIFICATIONS).open("ab") as file:
        file.write(b'{"id": "c", "sou')  # the kill
    for expected in (["a"], []):
        notes = Notes()
        Notifier([notes], tmp_path).close()
        assert [message["id"] for message in notes.messages] == expected
    append_line(tmp_path / NOTIFICATIONS, {"id": "d"})
    assert [line["id"] for line in read_lines(tmp_path / NOTIFICATIONS)] == ["a", "b", "d"]


def test_a_message_is_told_again_until_it_arrives_and_by_its_id_once(tmp_path: Path):
    notes = Notes(num_failures=3)
    notifier = Notifier([notes], tmp_path, first_wait_s=0.0)
    for _ in range(2):
        notifier.notify({"id": "a", "source": "door", "kind": "unusual"})
    notifier.close()
    assert [message["id"] for message in notes.messages] == ["a"]


def test_a_receiver_that_is_away_holds_up_no_other_and_gets_it_later(tmp_path: Path):
    here, away = Notes(name="here"), Notes(num_failures=10**9, name="away")
    notifier = Notifier([away, here], tmp_path, first_wait_s=0.01)
    for name in "ab":
        notifier.notify({"id": name, "source": "door", "kind": "unusual"})
    notifier.close(timeout_s=0.5)
    assert [message["id"] for message in here.messages] == ["a", "b"]
    Notifier([], tmp_path).close()  # a run that tells nobody marks nothing as told
    Notifier([Notes(name="new")], tmp_path).close()
    here, away, new = Notes(name="here"), Notes(name="away"), Notes(name="new")
    Notifier([here, away, new], tmp_path).close()
    assert not here.messages
    assert [message["id"] for message in away.messages] == ["a", "b"]
    assert set(away.messages[0]) == {"id", "source", "kind", "has_picture"}
    assert not new.messages, "it was no receiver then"


def test_a_message_that_does_not_arrive_is_told_once_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    away = Notes(num_failures=10**9, name="away")
    notifier = Notifier([away, Notes(name="here")], tmp_path, first_wait_s=0.01)
    for name in "ab":
        notifier.notify({"id": name, "source": "door", "kind": "unusual"})
    notifier.close(timeout_s=0.5)
    assert notifier.undelivered() == {"away": 2, "here": 0}
    assert capsys.readouterr().err.splitlines() == [
        "--notify away: a message did not arrive; it is sent again",
        "--notify away: 2 messages did not arrive; the next run sends them",
    ]


def test_a_file_that_cannot_be_written_is_refused_before_the_run(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="expected a file that can be written, got: File exists"):
        open_sinks([f"file:{tmp_path}/file/messages.jsonl"])


def test_messages_of_earlier_versions_are_known(tmp_path: Path):
    """They name no receivers: what has arrived, has arrived everywhere."""
    for name in "ab":
        append_line(tmp_path / NOTIFICATIONS, {"id": name, "source": "door", "kind": "unusual"})
    append_line(tmp_path / NOTIFIED, {"id": "a"})
    notes = Notes()
    Notifier([notes], tmp_path).close()
    assert [message["id"] for message in notes.messages] == ["b"]


FULL_DISK = """
import resource, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_live import Notes, frame_at, watch_of
notes = Notes()
watch = watch_of(Path(), notes)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
try:
    for index in range(140):
        watch.add(frame_at(index))
    watch.end()
except OSError as error:
    print(error)
watch._notifier.close()
print([message["kind"] for message in notes.messages])
"""


@pytest.mark.parametrize("room", [0, 100, 3000])
def test_a_full_disk_in_the_midst_of_an_event_stops_no_notification(tmp_path: Path, room: int):
    """No room for anything, for the message, or for the video."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(Path(__file__).parent), str(room)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    problem, told = done.stdout.splitlines()
    assert "File too large" in problem
    assert told == "['unusual']"
    films = [path.name for path in tmp_path.rglob("*.mp4")]
    assert all(name.endswith(".part.mp4") for name in films), "none is left as whole"


@pytest.mark.parametrize("address", ["nonsense://x:secret@y", "file:", "plain"])
def test_an_address_that_nobody_knows_is_refused_before_the_run(address: str):
    with pytest.raises(InputError, match="--notify: expected") as refused:
        open_sinks([address])
    assert "secret" not in str(refused.value)


def test_apprise_is_asked_and_a_server_that_is_away_is_no_success(tmp_path: Path):
    (sink,) = open_sinks(["json://127.0.0.1:9/"])
    assert not sink.send({"id": "a", "source": "door", "kind": "unusual"}, None)


def frames_of(stamps: list[float | None]) -> Iterator[DecodedFrame]:
    for number, stamp in enumerate(stamps):
        yield DecodedFrame(stamp, np.full((4, 4, 3), number, np.uint8))


def test_a_reader_that_nobody_asks_keeps_the_newest_and_counts_the_others():
    reader = LiveReader(lambda: frames_of([n / 10 for n in range(20)]), num_tries=0)
    reader._run()
    assert reader.take(0).picture[0, 0, 0] == 19
    assert (reader.counts.decoded, reader.counts.dropped) == (20, 19)
    with pytest.raises(EOFError):
        reader.take(0)


def taken(reader: LiveReader) -> list[Frame]:
    frames = []
    while True:
        try:
            frame = reader.take(5)
        except EOFError:
            return frames
        frames += [] if frame is None else [frame]


def test_a_stream_that_breaks_is_opened_again_after_longer_and_longer_waits():
    tries = iter([frames_of([5.0, 5.1]), OSError("away"), OSError("away"), frames_of([1.0, 1.1])])
    waits: list[float] = []
    now = [0.0]

    def opener() -> Iterator[DecodedFrame]:
        result = next(tries, OSError("gone"))
        if isinstance(result, OSError):
            raise result
        return result

    def wait(seconds: float) -> None:
        waits.append(seconds)
        now[0] += seconds

    reader = LiveReader(
        opener, clock=lambda: now[0], wait=wait, keeps_all=True, num_tries=3
    )  # fmt: skip
    reader.start()
    times = [frame.time_s for frame in taken(reader)]
    assert waits[:4] == [0.5, 1.0, 2.0, 0.5]
    assert times == pytest.approx([0.0, 0.1, 3.6, 3.7]), "the machine's clock over a break"
    assert reader.counts.clock_jumps == 0


def test_a_clock_that_jumps_back_is_counted_and_time_goes_on():
    reader = LiveReader(
        lambda: frames_of([9.0, 9.1, 3.0, 3.1, None]), clock=lambda: 7.0, keeps_all=True,
        num_tries=0,
    )  # fmt: skip
    reader.start()
    times = [frame.time_s for frame in taken(reader)]
    assert (np.diff(times) > 0).all()
    assert reader.counts.clock_jumps == 1


@pytest.mark.parametrize(
    ("stamps", "times", "num_jumps"),
    [
        ([9.0, 9.1, 500.0, 500.1], [0.0, 0.1, 0.2, 0.3], 1),
        ([9.0, 9.1, 3.0, 3.1], [0.0, 0.1, 0.2, 0.3], 1),
        ([9.0, 9.1, 10.9, 11.0], [0.0, 0.1, 1.9, 2.0], 0),
        ([9.0, 10.9, 500.0, 500.1], [0.0, 1.9, 2.0, 2.1], 1),  # ahead, and then set
        ([9.0, 9.05, 500.0, 500.1], [0.0, 0.05, 0.15, 0.25], 1),  # behind, and then set
        ([9.0, None, None, 500.0, 500.1], [0.0, 0.1, 0.2, 0.3, 0.4], 0),
    ],
)
def test_a_clock_that_is_set_is_no_time_without_frames(
    stamps: list[float | None], times: list[float], num_jumps: int
):
    """Frames come every 0.1 s. Frames that come in bursts are up to 2 s early, without a jump."""
    now = iter([0.0, *np.arange(100) / 10])
    reader = LiveReader(
        lambda: frames_of(stamps), clock=lambda: next(now), keeps_all=True, num_tries=0
    )
    reader.start()
    assert [frame.time_s for frame in taken(reader)] == pytest.approx(times)
    assert reader.counts.clock_jumps == num_jumps


def test_a_gap_of_the_source_that_the_machine_sees_too_is_no_jump():
    now = iter([0.0, 0.0, 0.1, 30.0, 30.1, *[31.0] * 9])
    reader = LiveReader(
        lambda: frames_of([5.0, 5.1, 35.0, 35.1]), clock=lambda: next(now), keeps_all=True,
        num_tries=0,
    )  # fmt: skip
    reader.start()
    assert [frame.time_s for frame in taken(reader)] == pytest.approx([0.0, 0.1, 30.0, 30.1])
    assert reader.counts.clock_jumps == 0
    assert reader.silent_s() == pytest.approx(0.9)


@pytest.mark.parametrize("step_s", [1.0, 0.01])
def test_a_break_is_as_long_as_on_the_clock_of_the_machine(step_s: float):
    """Also if the stream had sent much at once before, or was late: 13 frames in 1.2 s."""
    times = [*np.arange(13) / 10, 11.2, 11.3]
    now = iter([0.0, *times, *[12.0] * 9])
    visits = iter([(5 + step_s * np.arange(13)).tolist(), [1.0, 1.1]])
    reader = LiveReader(
        lambda: frames_of(next(visits, [])), clock=lambda: next(now), wait=lambda _: None,
        keeps_all=True, num_tries=1,
    )  # fmt: skip
    reader.start()
    steps = np.diff([frame.time_s for frame in taken(reader)])
    assert steps == pytest.approx([*[step_s] * 12, 10.0, 0.1])
    assert reader.counts.clock_jumps == 0


class Breaking(StreamVisit):
    """The first visit breaks off halfway, and the third one gets nothing."""

    def send(self, content: bytes) -> None:
        half = len(content) // PACKET // 2 * PACKET
        part = [content[:half], content, b""][min(self.server.visits, 3) - 1]
        for start in range(0, len(part), PACKET * 20):
            self.wfile.write(part[start : start + PACKET * 20])


@pytest.fixture
def server(tmp_path: Path) -> Iterator[StreamServer]:
    recording = write_scene(tmp_path / "door.ts", seconds=12.0)
    with serving(Breaking, recording.read_bytes()) as server:
        yield server


def test_a_stream_over_http_that_breaks_in_the_middle(server: StreamServer, tmp_path: Path):
    source = Camera("door", server.address("door.ts"))
    reader = LiveReader(
        lambda: open_live(source), wait=lambda _: None, keeps_all=True, num_tries=2
    )  # fmt: skip
    notes = Notes()
    watch = watch_of(tmp_path, notes)
    reader.start()
    follow(reader, watch, tmp_path)
    watch.end()
    watch._notifier.close()
    assert server.visits >= 3
    assert reader.counts.reconnects >= 2
    assert reader.counts.decoded > 150
    assert [message["kind"] for message in notes.messages] == ["unusual"]


class Pictures(StreamVisit):
    """A camera that sends JPEG pictures, ten a second, as many cameras do."""

    content_type = "multipart/x-mixed-replace; boundary=frame"

    def send(self, content: bytes) -> None:
        for index in range(12):
            jpeg = cv2.imencode(".jpg", frame_at(index).picture)[1].tobytes()
            self.wfile.write(
                b"--frame\r\nContent-Type: image/jpeg\r\n"
                b"Content-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)
            )
            time.sleep(0.1)


def test_pictures_without_times_have_the_times_at_which_they_come():
    """FFmpeg says 25 frames a second: everybody would be 2.5 times as fast."""
    with serving(Pictures) as server:
        source = Camera("door", server.address("video.mjpg"))
        reader = LiveReader(lambda: open_live(source), num_tries=1, keeps_all=True)
        reader.start()
        times = [frame.time_s for frame in itertools.islice(iter(lambda: reader.take(5), None), 12)]
        reader.stop()
    # The first ones come at once, after FFmpeg has looked at them.
    assert times[11] - times[5] == pytest.approx(0.6, abs=0.25)


def test_a_stream_that_never_answers_is_said(tmp_path: Path):
    source = Camera("away", "http://127.0.0.1:9/x")
    reader = LiveReader(lambda: open_live(source), wait=lambda _: None)
    reader.start()
    with pytest.raises(InputError, match="expected a stream that answers, got none in"):
        follow(reader, watch_of(tmp_path, Notes()), tmp_path)
    reader.stop()


def test_a_stream_cannot_name_a_file_of_this_machine(server: StreamServer, tmp_path: Path):
    """A playlist over HTTP that names local files: nothing of them is opened."""
    secret = write_scene(tmp_path / "secret.mp4", seconds=2.0)
    server.content = f"ffconcat version 1.0\nfile '{secret.as_uri()}'\n".encode() * 2
    with pytest.raises((OSError, ValueError)):
        list(open_live(Camera("door", server.address("list.ffconcat"))))


def test_lines_are_json(tmp_path: Path):
    append_line(tmp_path / "a.jsonl", {"id": "é"})
    assert json.loads((tmp_path / "a.jsonl").read_text()) == {"id": "é"}


def test_sizes_that_change_all_the_time_are_not_watched_and_this_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """No window is as short as the time between two changes."""
    notes = Notes()
    watch = watch_of(tmp_path, notes, **{"raising.cooldown_s": 100.0})
    for index in range(60 * FPS):
        frame = frame_at(index, lit=())
        if index // 5 % 2:
            larger = np.pad(frame.picture, ((0, 8), (0, 8), (0, 0)))
            frame = Frame(index, frame.time_s, larger)
        watch.add(frame)
    watch.end()
    watch._notifier.close()
    told = capsys.readouterr().err
    assert told.count("no window could be scored") == 1
    assert told.count("tracks and events begin anew") == 1
    (kept,), (message,) = read_lines(tmp_path / EVENT_LINES), notes.messages
    assert (kept["kind"], kept["id"]) == ("not_scored", message["id"])
    assert watch.status()["watched_s"] == 0

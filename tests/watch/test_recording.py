"""Watching a recording: its results, the same bytes twice, and no more work than needed."""

import errno
import json
import threading
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pandas as pd
import pytest
from tiny_watch import FPS, SIZE_WH, allowed_lamps, models, scene_picture, watching, write_scene

from vigil.domain.tracking.table import read_track_table
from vigil.domain.watched import read_watched
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.pixels.video_writing import VideoWriter
from vigil.pixels.watched_frames import ALARM, shown_size
from vigil.pixels.windows import read_times
from vigil.plumbing.errors import InputError
from vigil.settings.watch import Watch
from vigil.watch.frames import read_frames
from vigil.watch.models import Models
from vigil.watch.recording import Recorder
from vigil.watch.replaying import replay
from vigil.watch.results.eventful import read_events

Watched = Callable[..., Path]


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    return write_scene(tmp_path / "door.mp4")


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """Watches a video; `state` names what is remembered between calls."""
    numbers = iter(range(100))

    def run(
        video: Path, settings: Watch, state: str = "", get_models: Callable[[], Models] = models
    ) -> Path:
        number = next(numbers)
        monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / (state or f"state{number}")))
        target = tmp_path / f"watched{number}"
        digests = {"detector.safetensors": "0" * 64}
        Recorder(digests, get_models, settings, Fraction(FPS)).watch(video, target)
        return target

    return run


def test_a_recording_with_a_gap_is_not_watched_there(tmp_path: Path, watch: Watched):
    """The lamp is lit when the recording breaks off, and 30 s later, when it goes on."""
    video = tmp_path / "gap.mp4"
    unit = Fraction(1, 90_000)
    facts = {"fps": Fraction(FPS), "size_wh": SIZE_WH, "time_base": unit}
    writer = VideoWriter(video, codec="h264", **facts)  # type: ignore[arg-type]
    for index in range(160):
        time_s = index / FPS + (30 if index >= 80 else 0)
        writer.write(scene_picture(index, ((5.0, 12.0),)), round(time_s / unit))
    writer.close()
    folder = watch(video, watching())
    content = json.loads((folder / "events.json").read_text())
    before, lost, after = content["events"]
    assert [event["kind"] for event in (before, lost, after)] == [
        "unusual", "signal_lost", "unusual",
    ]  # fmt: skip
    assert before["end_s"] <= 8.01
    assert (lost["start_s"], lost["end_s"]) == pytest.approx((7.9, 38.0))
    assert after["start_s"] >= 37.9
    assert content["not_watched_s"] == pytest.approx(30.1 + 0.4), "and the last 0.4 s in no window"
    assert content["watched_s"] == pytest.approx(46.0 - 30.5)
    source = json.loads((folder / "source.json").read_text())
    assert source["fps"] == pytest.approx(FPS)
    assert source["gaps"] == [[7.9, 38.0]]
    results = read_watched(folder)
    expected = [index / FPS + (30 if index >= 80 else 0) for index in range(160)]
    assert results.times_s == pytest.approx(expected)
    assert results.restarts_s == pytest.approx([38.0])
    for event in (before, after):
        assert (folder / "events" / f"{event['id']}.mp4").exists()


def test_frames_that_are_too_far_apart_for_motion_are_refused(tmp_path: Path, watch: Watched):
    video = tmp_path / "slow.mp4"
    facts = {"fps": Fraction(1, 2), "size_wh": SIZE_WH, "time_base": Fraction(1, 90_000)}
    writer = VideoWriter(video, codec="h264", **facts)  # type: ignore[arg-type]
    for index in range(4):
        writer.write(scene_picture(index), index * 2 * 90_000)
    writer.close()
    with pytest.raises(InputError, match=r"slow\.mp4: expected frames at most 1 s apart, got one"):
        watch(video, watching())


def contents(folder: Path) -> dict[str, bytes]:
    return {
        file.relative_to(folder).as_posix(): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_who_was_where_and_what_was_unusual(scene: Path, watch: Watched):
    folder = watch(scene, watching())
    (event,) = read_events(folder / "events.json")
    assert event["start_s"] == pytest.approx(4.5, abs=0.01)
    assert event["end_s"] == pytest.approx(8.5, abs=0.01)
    assert event["suppressed"] is None
    tracks = read_track_table(folder / "tracks.csv")
    judged = pd.read_csv(folder / "judgements.csv").set_index("track_id")["probability"]
    assert sorted(judged.round(2)) == [0.05, 0.95], "a person, and a post that is none"
    person = tracks[tracks["track_id"] == judged.idxmax()]
    assert person["frame_index"].tolist() == list(range(119)), "the last frames find no detector"
    assert person["is_observed"].tolist() == [1, 0] * 59 + [1]
    for index, x1 in zip(person["frame_index"], person["x1"], strict=True):
        left = 8 + round(abs((index / FPS * 8) % 100 - 50))
        assert abs(x1 - left) <= 2
    frames_ids_lefts = np.loadtxt(folder / "tracks.txt", delimiter=",", usecols=(0, 1, 2))
    by_frame = person.sort_values(["frame_index", "track_id"])
    assert frames_ids_lefts[:, 2] - 1 == pytest.approx(by_frame["x1"].to_numpy(), abs=0.01)
    assert [box["track_id"] for box in event["boxes_at_peak"]] == [judged.idxmax()]


def test_the_annotated_video_has_the_sources_frames_at_their_times(scene: Path, watch: Watched):
    folder = watch(scene, watching())
    reader = VideoReader(folder / "annotated.mp4")
    frames = list(reader)
    assert [round(frame.time * FPS, 3) for frame in frames] == list(range(120))
    first = to_bgr(frames[0])
    assert first.shape[:2][::-1] == shown_size(SIZE_WH)
    banner = [to_bgr(frames[index])[2, 90] for index in (20, 60)]
    assert banner[0].max() < 90
    assert banner[1][2] > 150 > banner[1][0], "red while it is raised"
    outline = [to_bgr(frames[20])[:72, 80:88].astype(int), scene_picture(20)[:, 80:88]]
    assert np.abs(outline[0] - outline[1][..., ::-1]).max() < 60, "nothing is drawn on the post"


def test_an_event_has_a_picture_and_a_video_of_before_and_after(scene: Path, watch: Watched):
    folder = watch(scene, watching())
    (event,) = read_events(folder / "events.json")
    film = list(VideoReader(folder / "events" / f"{event['id']}.mp4"))
    assert len(film) == pytest.approx((1 + 4 + 1) * FPS, abs=1)
    picture = ImageSource(folder / "events").rgb(f"{event['id']}.jpg")
    head = picture[: -SIZE_WH[1]].astype(int)
    assert head[:, : SIZE_WH[0]].min() < 60, "a text on white says what the marks mean"
    is_red = np.abs(head - ALARM[::-1]).max(axis=2) < 40
    assert is_red.sum() > 50, "the colour of places of evidence is explained"


def test_an_event_names_the_most_similar_allowed_clips(scene: Path, watch: Watched, tmp_path: Path):
    folder = watch(scene, watching(), get_models=lambda: models(allowed_lamps()))
    (event,) = read_events(folder / "events.json")
    assert event["reason"] == "lamp"
    nearest = event["nearest_allowed"]
    assert [one["video"] for one in nearest] == ["eve.mp4", "day.mp4"]
    assert [one["time_s"] for one in nearest] == [2.0, 1.0]
    assert [one["distance"] for one in nearest] == pytest.approx([2.2 - 1.2, 2.2 - 0.4])
    for one, lamp in zip(nearest, (1, 0), strict=True):
        stored = (folder / "allowed" / one["picture"]).read_bytes()
        assert stored == allowed_lamps().pictures[lamp]
    replay(folder, ["watch.raising.raise_at=1.5"], tmp_path / "replay")
    (again,) = read_events(tmp_path / "replay" / folder.name / "events.json")
    assert again["nearest_allowed"] == nearest
    plain = watch(scene, watching())
    assert read_events(plain / "events.json")[0]["nearest_allowed"] is None
    assert contents(plain).keys() < contents(folder).keys()


def test_the_same_bytes_twice_and_at_any_size_of_a_batch(scene: Path, watch: Watched):
    first = contents(watch(scene, watching()))
    assert {"annotated.mp4", "detections.csv", "events.json", "evidence.csv", "index.html",
            "judgements.csv", "label_config.xml", "label_studio.json", "run.json", "scores.csv",
            "source.json", "tracks.csv", "tracks.txt", "frames.csv"} < first.keys()  # fmt: skip
    assert contents(watch(scene, watching())) == first
    other = contents(watch(scene, watching(batch_size=7)))
    changed = {name for name in first if first[name] != other[name]}
    assert changed == {"run.json"}, "which says so"


def test_every_batch_is_full(scene: Path, watch: Watched):
    shared_models = models()
    watch(scene, watching(batch_size=7), get_models=lambda: shared_models)
    assert set(shared_models.detector.batches) == {7}
    assert len(shared_models.detector.batches) == -(-60 // 7)


def test_another_rule_asks_no_network(scene: Path, watch: Watched):
    def nobody() -> Models:
        raise AssertionError("no network is asked again")

    watch(scene, watching(), state="one")
    folder = watch(scene, watching(**{"raising.raise_at": 9.0}), state="one", get_models=nobody)
    assert read_events(folder / "events.json") == []
    with pytest.raises(AssertionError):
        watch(scene, watching(stride_s=0.25), state="one", get_models=nobody)


class Blind:
    """A detector and an alarm that nobody asks."""

    classes = ("nobody",)
    tracked = None

    def history(self) -> None:
        raise AssertionError("no picture is looked at again")

    def stream(self, window_s: float, stride_s: float) -> "Blind":
        return self

    def push(self, *_: object) -> None:
        raise AssertionError("no window is scored again")


OTHER_TRACKS = [
    {"tracking.confirm_s": 20.0},
    {"tracking.new_score": 1.9, "tracking.lost_s": 0.3},
    {"judging.min_side_px": 11.0},
    {"judging.max_aspect_ratio": 2.5, "judging.least_probability": 0.0},
]


@pytest.mark.parametrize("changes", OTHER_TRACKS, ids=str)
def test_other_tracks_need_neither_detector_nor_alarm(
    scene: Path, watch: Watched, changes: dict[str, float]
):
    """The results are those of a run in which nothing was known."""

    def only_classifier() -> Models:
        blind: Any = Blind()
        return replace(models(allowed_lamps()), detector=blind, alarm=blind)

    def all_models() -> Models:
        return models(allowed_lamps())

    first = watch(scene, watching(), state="one", get_models=all_models)
    again = watch(scene, watching(**changes), state="one", get_models=only_classifier)
    anew = watch(scene, watching(**changes), state="two", get_models=all_models)
    assert contents(again) == contents(anew)
    same = {name for name, content in contents(first).items() if contents(again)[name] == content}
    assert {"detections.csv", "scores.csv", "nearest.csv", "source.json"} <= same
    assert not {"tracks.csv", "judgements.csv"} <= same


def test_times_at_half_a_microsecond_are_found_again(tmp_path: Path, watch: Watched):
    """With a unit of 1/128 s, two ways to round to microseconds differ."""
    video = tmp_path / "halves.mp4"
    unit = Fraction(1, 128)
    facts = {"fps": Fraction(128, 13), "size_wh": SIZE_WH, "time_base": unit}
    writer = VideoWriter(video, codec="h264", **facts)  # type: ignore[arg-type]
    for index in range(120):
        writer.write(scene_picture(index), index * 13)
    writer.close()
    changes = {"tracking.new_score": 1.7}
    watch(video, watching(), state="one")
    again = watch(video, watching(**changes), state="one")
    anew = watch(video, watching(**changes), state="two")
    assert contents(again) == contents(anew)


def test_tracks_that_are_refused_are_kept_on_record(scene: Path, watch: Watched):
    strict = watch(scene, watching(), state="one")
    lenient = watch(scene, watching(**{"judging.least_probability": 0.0}), state="one")
    assert (strict / "tracks.csv").read_bytes() == (lenient / "tracks.csv").read_bytes()
    strict_ids, lenient_ids = (
        set(np.loadtxt(folder / "tracks.txt", delimiter=",", usecols=1))
        for folder in (strict, lenient)
    )
    assert (len(strict_ids), len(lenient_ids)) == (1, 2), "which shows in no result"
    (strict_event,), (lenient_event,) = (
        read_events(folder / "events.json") for folder in (strict, lenient)
    )
    assert len(strict_event["boxes_at_peak"]) == 1
    assert len(lenient_event["boxes_at_peak"]) == 2


def test_numbered_pictures_are_a_recording_too(tmp_path: Path, watch: Watched):
    from PIL import Image

    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(60):
        picture = scene_picture(index, [(1.0, 3.0)])
        Image.fromarray(picture).save(folder / f"{index:04d}.png")
    watched = watch(folder, watching())
    (event,) = read_events(watched / "events.json")
    assert event["start_s"] == pytest.approx(0.5, abs=0.01)


def test_a_video_shorter_than_a_window_is_refused_and_leaves_nothing(
    tmp_path: Path, watch: Watched
):
    short = write_scene(tmp_path / "short.mp4", seconds=0.8)
    with pytest.raises(InputError, match=r"short\.mp4: expected a video of at least one window"):
        watch(short, watching())
    assert not list(tmp_path.glob("watched*"))


def test_a_disk_that_is_full_while_the_video_is_encoded_leaves_nothing(
    scene: Path, watch: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write, writers = VideoWriter.write, []

    def fill_the_disk(writer: VideoWriter, pixels: Any, stamp: int | None = None) -> None:
        writers.append(threading.current_thread())
        if len(writers) == 30:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(writer, pixels, stamp)

    monkeypatch.setattr(VideoWriter, "write", fill_the_disk)
    with pytest.raises(OSError, match="No space left"):
        watch(scene, watching())
    assert threading.main_thread() not in writers
    assert not (tmp_path / "watched0").exists()
    assert not list(tmp_path.rglob("annotated.mp4"))


def test_an_error_of_the_alarm_reaches_the_caller(scene: Path, watch: Watched, tmp_path: Path):
    def get_models() -> Models:
        found = models()
        stream = found.alarm.stream

        def broken(window_s: float, stride_s: float) -> Any:
            one = stream(window_s, stride_s)
            push = one.push

            def fail(frame: Any, time_s: float) -> Any:
                if time_s > 3:
                    raise InputError("expected a frame of the same size")
                return push(frame, time_s)

            one.push = fail
            return one

        found.alarm.stream = broken  # type: ignore[method-assign]
        return found

    with pytest.raises(InputError, match="expected a frame of the same size"):
        watch(scene, watching(), get_models=get_models)
    assert not (tmp_path / "watched0").exists()


def test_a_name_cannot_leave_the_page(tmp_path: Path, watch: Watched):
    path = write_scene(tmp_path / "a.mp4").rename(tmp_path / "<img onerror=alert(1)>.mp4")
    text = (watch(path, watching()) / "index.html").read_text()
    assert "<img" not in text.split('id="data"')[1].split("</script>")[0]
    assert "<title>&lt;img" in text


def test_the_record_tells_no_place_and_no_time(scene: Path, watch: Watched):
    folder = watch(scene, watching())
    run = json.loads((folder / "run.json").read_text())
    assert set(run) == {"code", "models", "settings", "source"}
    for name in ("run.json", "events.json", "index.html"):
        assert str(scene.parent) not in (folder / name).read_text()


def test_frames_have_the_times_of_the_import(tmp_path: Path):
    """AVI stores when frames are decoded. If they are shown in another order, times are guessed."""
    container = av.open(str(tmp_path / "b.avi"), "w")
    stream = container.add_stream("mpeg4", rate=FPS)
    stream.width, stream.height, stream.pix_fmt, stream.max_b_frames = *SIZE_WH, "yuv420p", 2
    stream.codec_context.max_b_frames = 2
    for index in range(30):
        frame = av.VideoFrame.from_ndarray(scene_picture(index), format="rgb24")
        container.mux(stream.encode(frame))
    container.mux(stream.encode())
    container.close()
    raw = tmp_path / "raw.h264"
    write_scene(tmp_path / "a.mp4", seconds=3)
    with av.open(str(tmp_path / "a.mp4")) as source, av.open(str(raw), "w", format="h264") as out:
        copied = out.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            packet.stream = copied
            if packet.size:
                out.mux(packet)
    for path in (tmp_path / "b.avi", raw, tmp_path / "a.mp4"):
        times = [frame.time_s for frame in read_frames(path, Fraction(1))]
        assert times == read_times(path, Fraction(1)).seconds.tolist()
        assert len(times) == 30

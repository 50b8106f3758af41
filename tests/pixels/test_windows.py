"""Windows by time, read in one pass and within the memory that open windows need."""

import weakref
from collections.abc import Sequence
from fractions import Fraction
from itertools import chain, pairwise
from pathlib import Path
from unittest.mock import patch

import cv2
import numpy as np
import pytest
from av.stream import Disposition
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_videos import (
    coded_picture,
    cut_off,
    read_code,
    write_coded_video,
    write_frameless_video,
    write_two_streams,
    write_with_b_frames,
)

from vigil.pixels import windows as module
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import open_source
from vigil.pixels.windows import (
    EDGE_S,
    WHOLE,
    Choice,
    FrameTimes,
    Positions,
    Window,
    _goes_back,
    _times_of,
    describe_windows,
    guess_times,
    read_times,
    read_windows,
)
from vigil.plumbing.errors import FieldError, InputError

PICTURE_FPS = Fraction(10)


def take(*positions: int) -> Choice:
    return lambda num_frames, fps: np.array(positions)


def take_all(num_frames: int, fps: Fraction) -> Positions:
    return np.arange(num_frames)


def same(picture: Picture) -> Picture:
    return picture


def codes_of(path: Path, windows: Sequence[Window], choose: Choice = take_all) -> list[list[int]]:
    """The numbers that the frames of each window spell."""
    return describe_windows(
        path,
        windows,
        choose,
        same,
        lambda frames, fps: [read_code(frame) for frame in frames],
        picture_fps=PICTURE_FPS,
    )


def write_numbered(folder: Path, num_frames: int) -> Path:
    folder.mkdir()
    for number in range(num_frames):
        picture = coded_picture(number, (64, 48))
        assert cv2.imwrite(str(folder / f"{number + 1}.png"), picture)
    return folder


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
def test_frames_are_those_chosen(tmp_path: Path, suffix: str) -> None:
    path = write_coded_video(tmp_path / f"a{suffix}", 21)
    frames, fps = read_windows(path, [WHOLE], take(0, 7, 7, 20), same, picture_fps=Fraction(7))
    assert frames.shape == (1, 4, 48, 64, 3)
    assert [read_code(frame) for frame in frames[0]] == [0, 7, 7, 20]
    assert fps == 10


def test_a_choice_may_have_any_shape(tmp_path: Path) -> None:
    path = write_coded_video(tmp_path / "a.mp4", 9)
    chosen = np.array([[[8, 0]], [[3, 3]], [[0, 1]]])
    frames, _ = read_windows(
        path, [WHOLE, WHOLE], lambda *_: chosen, lambda p: p[..., 0], picture_fps=PICTURE_FPS
    )
    assert frames.shape == (2, 3, 1, 2, 48, 64)
    for own in frames:
        found = [read_code(frame) for frame in own.reshape(-1, 48, 64)]
        assert found == chosen.ravel().tolist()


class TestTimes:
    @given(
        steps=st.lists(st.integers(0, 400), max_size=40),
        edges=st.lists(st.integers(-100, 8000), min_size=2, max_size=2),
    )
    def test_frames_of_a_window_are_those_shown_in_it(self, steps, edges) -> None:
        """The oracle asks each frame, in whole milliseconds."""
        shown_ms = [sum(steps[:number]) for number in range(len(steps))]
        start_ms, stop_ms = sorted(edges)
        times = FrameTimes(np.array(shown_ms) / 1000, Fraction(25))
        found = times.frames_of(Window(start_ms / 1000, stop_ms / 1000))
        expected = [at for at, ms in enumerate(shown_ms) if start_ms <= ms < stop_ms]
        assert list(found) == expected

    @given(num=st.integers(1, 400), parts=st.integers(1, 20), rate=st.sampled_from([
        Fraction(25), Fraction(30000, 1001), Fraction(24000, 1001), Fraction(1, 3), Fraction(240)
    ]))  # fmt: skip
    def test_each_frame_is_in_one_of_the_windows_that_touch(self, num, parts, rate) -> None:
        times = FrameTimes(np.arange(num) / float(rate), rate)
        edges = (np.arange(parts + 1) * times.duration_s / parts).round(6)
        found = [list(times.frames_of(Window(*pair))) for pair in pairwise(edges.tolist())]
        assert list(chain(*found)) == list(range(num))
        if num % parts == 0:
            assert {len(own) for own in found} == {num // parts}

    def test_a_frame_a_rounded_stamp_early_is_in_its_window(self) -> None:
        times = FrameTimes(np.array([0, 0.0399995, 0.08]), Fraction(25))
        assert list(times.frames_of(Window(0.04, 0.08))) == [1]
        assert EDGE_S > 0.5e-6

    def test_the_whole_is_all_and_nothing_has_no_length(self) -> None:
        times = FrameTimes(np.arange(5) / 10, Fraction(10))
        assert list(times.frames_of(WHOLE)) == [0, 1, 2, 3, 4]
        assert times.duration_s == pytest.approx(0.5)
        none = FrameTimes(np.empty(0), Fraction(10))
        assert (none.duration_s, list(none.frames_of(WHOLE))) == (0.0, [])

    @pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi", ".ts", ".gif"])
    def test_packets_tell_what_decoding_does(self, tmp_path: Path, monkeypatch, suffix) -> None:
        path = write_coded_video(tmp_path / f"a{suffix}", 23, fps=Fraction(25))
        guess = guess_times(path, PICTURE_FPS)
        monkeypatch.setattr(module, "guess_times", lambda *_: None)
        decoded = read_times(path, PICTURE_FPS)
        assert decoded.seconds == pytest.approx(np.arange(23) / 25, abs=2e-3)
        assert guess is not None
        assert guess.fps == decoded.fps == 25
        np.testing.assert_allclose(guess.seconds, decoded.seconds, atol=1e-6)

    @pytest.mark.parametrize("name", ["a.avi", "a.asf"])
    def test_times_of_decoding_alone_never_go_back(self, tmp_path: Path, name: str) -> None:
        path = write_with_b_frames(tmp_path / name, 30)
        source = open_source(path, PICTURE_FPS)
        decoded = _times_of(source, sum(1 for _ in source))
        assert decoded.seconds == pytest.approx(np.arange(30) / 10)
        assert codes_of(path, [Window(1.0, 2.0)]) == [list(range(10, 20))]
        np.testing.assert_allclose(read_times(path, PICTURE_FPS).seconds, decoded.seconds)

    def test_a_clock_that_goes_back_shows_frames_together(self, tmp_path: Path) -> None:
        """As `Clock` takes them for annotations."""
        path = write_coded_video(tmp_path / "a.mkv", 20)
        source = open_source(path, PICTURE_FPS)
        assert sum(1 for _ in source) == 20
        stamps = [100 * n - 400 * (n > 9) for n in range(20)]
        with patch.object(type(source), "stamps", (stamps, Fraction(1, 1000))):
            seconds = _times_of(source, 20).seconds
        assert (np.diff(seconds) >= 0).all()
        assert seconds[[9, 10, 13, 19]].tolist() == pytest.approx([0.9, 0.9, 0.9, 1.5])
        assert _goes_back(stamps)

    def test_a_varying_rate(self, tmp_path: Path) -> None:
        shown = [Fraction(one, 1000) for one in (0, 40, 80, 500, 540, 2000, 2040)]
        path = write_coded_video(tmp_path / "a.mkv", 7, times_s=shown)
        assert read_times(path, PICTURE_FPS).seconds == pytest.approx([float(s) for s in shown])
        assert codes_of(path, [Window(0, 0.5), Window(0.5, 1.9), Window(0.5, 9)]) == [
            [0, 1, 2],
            [3, 4],
            [3, 4, 5, 6],
        ]

    def test_numbered_pictures_are_shown_as_often_as_is_said(self, tmp_path: Path) -> None:
        times = read_times(write_numbered(tmp_path / "a", 5), Fraction(30000, 1001))
        assert times.fps == Fraction(30000, 1001)
        assert times.seconds == pytest.approx([n * 1001 / 30000 for n in range(5)])

    @pytest.mark.parametrize("content", [b"", b"hello\n" * 99, b"#EXTM3U\nother.ts\n"])
    def test_what_tells_nothing_is_no_guess_and_no_video(self, tmp_path: Path, content) -> None:
        (tmp_path / "a.mp4").write_bytes(content)
        with pytest.raises(InputError, match=r"a\.mp4"):
            read_times(tmp_path / "a.mp4", PICTURE_FPS)

    def test_several_videos_in_one_are_no_guess_and_refused(self, tmp_path: Path) -> None:
        path = write_two_streams(tmp_path / "a.mkv", Disposition.default, Disposition.default)
        with pytest.raises(InputError, match="expected one video stream, got 2"):
            read_times(path, PICTURE_FPS)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_coded_video(tmp_path_factory.mktemp("video") / "a.mp4", 40)


@pytest.fixture(scope="module")
def numbered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_numbered(tmp_path_factory.mktemp("numbered") / "a", 40)


FRAME_WINDOWS = st.lists(
    st.tuples(st.integers(0, 38), st.integers(2, 40)).map(lambda own: (own[0], sum(own))),
    min_size=1,
    max_size=6,
)
"""First frame and frame past the end, perhaps past that of a video of 40 frames."""


class Kept(np.ndarray):
    """A picture that can be asked whether it is still there."""


@settings(max_examples=25)
@given(FRAME_WINDOWS, st.sampled_from(["video", "numbered"]), st.integers(1, 5))
def test_overlapping_windows_in_any_order_hold_their_frames_and_memory_no_more(
    request: pytest.FixtureRequest, spans: list[tuple[int, int]], source: str, every: int
) -> None:
    path = request.getfixturevalue(source)
    windows = [Window(first / 10, stop / 10) for first, stop in spans]
    wanted = [list(range(first, min(stop, 40), every)) for first, stop in spans]
    alive: set[int] = set()
    most: list[int] = []
    seen: list[int] = []

    def fit(picture: Picture) -> Picture:
        kept = picture.copy().view(Kept)
        number = len(seen)
        seen.append(read_code(picture))
        alive.add(number)
        weakref.finalize(kept, alive.discard, number)
        most.append(len(alive))
        return kept

    found = describe_windows(
        path,
        windows,
        lambda num_frames, fps: np.arange(0, num_frames, every),
        fit,
        lambda frames, fps: ([read_code(frame) for frame in frames], fps),
        picture_fps=PICTURE_FPS,
    )
    assert found == [(frames, Fraction(10)) for frames in wanted]
    assert seen == sorted(set(chain(*wanted)))  # each once, and none that nobody wants
    assert not alive
    for at, number in zip(seen, most, strict=True):
        still_open = {one for own in wanted if own[-1] >= at for one in own if one <= at}
        assert number <= len(still_open)


def test_a_long_video_of_many_windows_never_has_more_pictures_than_a_window(video: Path) -> None:
    alive, most = [0], [0]

    def leave() -> None:
        alive[0] -= 1

    def fit(picture: Picture) -> Picture:
        kept = picture.copy().view(Kept)
        alive[0] += 1
        most[0] = max(most[0], alive[0])
        weakref.finalize(kept, leave)
        return kept

    windows = [Window(start / 10, (start + 4) / 10) for start in range(0, 40, 4)]
    found = describe_windows(
        video, windows, take_all, fit, lambda frames, _: len(frames), picture_fps=PICTURE_FPS
    )
    assert found == [4] * 10
    assert (alive, most) == ([0], [4])


LIES = {
    "too few": FrameTimes(np.arange(9) / 10, Fraction(10)),
    "too many": FrameTimes(np.arange(90) / 10, Fraction(10)),
    "one": FrameTimes(np.zeros(1), Fraction(10)),
    "late": FrameTimes(np.arange(21) / 10 + 0.35, Fraction(10)),
    "slow": FrameTimes(np.arange(21) / 5, Fraction(5)),
    "of another rate": FrameTimes(np.arange(21) / 10, Fraction(20)),
    "nothing": None,
}


@pytest.mark.parametrize("lie", list(LIES))
def test_what_decodes_counts_not_what_packets_tell(tmp_path: Path, monkeypatch, lie: str) -> None:
    path = write_coded_video(tmp_path / "a.mp4", 21)
    monkeypatch.setattr(module, "guess_times", lambda *_: LIES[lie])
    told = []

    def choose(num_frames: int, fps: Fraction) -> Positions:
        told.append((num_frames, fps))
        return np.linspace(0, num_frames - 1, 3).astype(np.int64)

    windows = [WHOLE, Window(1.0, 1.5), Window(0.0, 0.5)]
    rates = []

    def describe(frames: np.ndarray, fps: Fraction) -> list[int]:
        rates.append(fps)
        return [read_code(frame) for frame in frames]

    found = describe_windows(path, windows, choose, same, describe, picture_fps=PICTURE_FPS)
    assert found == [[0, 10, 20], [10, 12, 14], [0, 2, 4]]
    assert told[-3:] == [(21, 10), (5, 10), (5, 10)]
    assert rates[-3:] == [10] * 3


@pytest.mark.parametrize("make", [
    lambda folder: write_coded_video(folder / "a.webm", 21),
    lambda folder: write_numbered(folder / "a", 21),
])  # fmt: skip
def test_a_right_guess_decodes_once_and_a_wrong_one_twice(tmp_path: Path, monkeypatch, make):
    path = make(tmp_path)
    made = []
    original = module.open_source
    monkeypatch.setattr(module, "open_source", lambda *args: made.append(1) or original(*args))
    assert codes_of(path, [WHOLE, Window(0.5, 1.5)], take(3, 4)) == [[3, 4], [8, 9]]
    assert made == [1]
    monkeypatch.setattr(module, "guess_times", lambda *_: LIES["slow"])
    assert codes_of(path, [WHOLE, Window(0.5, 1.5)], take(3, 4)) == [[3, 4], [8, 9]]
    assert made == [1] * 3


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_text("hello\n" * 99), "expected a video"),
        (lambda path: cut_off(write_coded_video(path, 30), 0.6), r"a\.mp4"),
        (lambda path: write_coded_video(path, 1), "expected a clip of at least 2 frames, got 1"),
        (write_frameless_video, r"a\.mp4"),
        (lambda path: None, "no such file"),
        (lambda path: path.mkdir(), "expected numbered pictures"),
        (lambda path: write_numbered(path, 1), "expected a clip of at least 2 frames, got 1"),
    ],
)
def test_clips_that_cannot_be_read(tmp_path: Path, make, expected: str) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=expected):
        codes_of(tmp_path / "a.mp4", [WHOLE], take(0, 1))


@pytest.mark.parametrize(
    ("window", "number"),
    [(Window(0.5, 0.6), 1), (Window(3.9, 9), 1), (Window(4, 5), 0), (Window(2, 2), 0)],
)
def test_a_window_of_fewer_than_two_frames_is_refused(video: Path, window, number: int) -> None:
    told = rf"a\.mp4 from {window.start_s:g} to {window.stop_s:g} s: .* 2 frames, got {number}$"
    with pytest.raises(InputError, match=told):
        codes_of(video, [WHOLE, window])


def test_what_a_choice_refuses_names_the_file(video: Path) -> None:
    def choose(num_frames: int, fps: Fraction) -> Positions:
        raise FieldError("short_clips", f"expected more frames than {num_frames}")

    with pytest.raises(
        FieldError, match=r"^short_clips: expected more frames than 40 \(.*a\.mp4\)$"
    ) as error:
        codes_of(video, [WHOLE], choose)
    assert error.value.field == "short_clips"


def test_a_picture_of_a_folder_that_is_broken_is_told(tmp_path: Path) -> None:
    folder = write_numbered(tmp_path / "a", 5)
    (folder / "4.png").write_bytes((folder / "4.png").read_bytes()[:60])
    with pytest.raises(InputError, match=r"4\.png"):
        codes_of(folder, [Window(0, 0.2)])

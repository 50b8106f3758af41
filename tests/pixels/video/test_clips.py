from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_videos import cut_off, read_code, write_coded_video, write_frameless_video

from vigil.pixels.video import clips
from vigil.pixels.video.clips import FrameSize, Positions, read_frames, sample_uniformly
from vigil.plumbing.errors import InputError

PATH = Path("clip.mp4")


@given(num=st.integers(2, 300), samples=st.integers(1, 40), windows=st.integers(1, 5))
def test_samples_lie_in_order_within_their_windows(num: int, samples: int, windows: int) -> None:
    found = sample_uniformly(num, samples, windows, "repeat_last", PATH)
    assert found.shape == (windows, samples)
    assert found.min() >= 0
    assert found.max() <= num - 1
    assert (np.diff(found, axis=1) >= 0).all()
    if num >= samples * windows:
        assert len(np.unique(found)) == found.size
        if samples > 1:
            assert (found[0, 0], found[-1, -1]) == (0, num - 1)


def test_the_figure_in_the_docstring() -> None:
    found = sample_uniformly(14, 4, 2, "error", PATH)
    assert found.tolist() == [[0, 2, 4, 6], [7, 9, 11, 13]]


def test_a_short_clip_repeats_its_last_frame_or_is_refused() -> None:
    assert sample_uniformly(3, 5, 1, "repeat_last", PATH).tolist() == [[0, 1, 2, 2, 2]]
    assert sample_uniformly(4, 3, 2, "repeat_last", PATH).tolist() == [[0, 1, 2], [2, 3, 3]]
    with pytest.raises(InputError, match=r"clip\.mp4: expected at least 5 frames .* got 3"):
        sample_uniformly(3, 5, 1, "error", PATH)
    with pytest.raises(InputError, match="at least 2 frames, got 1"):
        sample_uniformly(1, 5, 1, "repeat_last", PATH)


def take(*positions: int):
    return lambda num_frames, fps: np.array([positions])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".webm", ".avi"])
def test_frames_are_those_chosen(tmp_path: Path, suffix: str) -> None:
    path = write_coded_video(tmp_path / f"a{suffix}", 21)
    frames, fps = read_frames(path, take(0, 7, 7, 20), lambda picture: picture)
    assert frames.shape == (1, 4, 48, 64, 3)
    assert [read_code(frame) for frame in frames[0]] == [0, 7, 7, 20]
    assert fps == 10


def test_what_decodes_counts_not_what_packets_tell(tmp_path: Path, monkeypatch) -> None:
    path = write_coded_video(tmp_path / "a.mp4", 21)
    for guess in ((9, Fraction(10)), (90, Fraction(10)), (1, Fraction(10)), None):
        monkeypatch.setattr(clips, "_guess", lambda _, guess=guess: guess)
        seen = []

        def choose(num_frames: int, fps: Fraction, seen=seen) -> Positions:
            seen.append(num_frames)
            return sample_uniformly(num_frames, 3, 1, "error", PATH)

        frames, _ = read_frames(path, choose, lambda picture: picture)
        assert [read_code(frame) for frame in frames[0]] == [0, 10, 20]
        assert seen[-1] == 21


def test_a_right_guess_decodes_once(tmp_path: Path, monkeypatch) -> None:
    path = write_coded_video(tmp_path / "a.webm", 21)
    made = []
    original = clips.VideoReader
    monkeypatch.setattr(clips, "VideoReader", lambda *args: made.append(1) or original(*args))
    read_frames(path, take(3), lambda picture: picture)
    assert made == [1]


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda path: path.write_bytes(b""), "empty file"),
        (lambda path: path.write_text("hello\n" * 99), "expected a video"),
        (lambda path: cut_off(write_coded_video(path, 30), 0.6), "a.mp4"),
        (lambda path: write_coded_video(path, 1), "at least 2 frames, got 1"),
        (write_frameless_video, "a.mp4"),
        (lambda path: None, "no such file"),
    ],
)
def test_clips_that_cannot_be_read(tmp_path: Path, make, expected: str) -> None:
    make(tmp_path / "a.mp4")
    with pytest.raises(InputError, match=expected):
        read_frames(tmp_path / "a.mp4", take(0, 1), lambda picture: picture)


@pytest.mark.parametrize("size_wh", [(171, 128), (40, 90), (320, 240), (300, 41)])
@pytest.mark.parametrize("size", [FrameSize(32, 28), FrameSize(32, 32), FrameSize((32, 43), 28)])
def test_frames_are_cut_around_the_centre(size_wh: tuple[int, int], size: FrameSize) -> None:
    width, height = size_wh
    x = np.linspace(-1, 1, width)
    picture = np.tile(np.uint8(127 + 100 * x), (height, 1))[..., None].repeat(3, axis=2)
    fitted = size(picture)
    assert fitted.shape == (size.crop_px, size.crop_px, 3)
    middle = fitted[:, :, 0].astype(float).mean(axis=0)
    np.testing.assert_allclose(middle + middle[::-1], 254, atol=8)  # half a pixel of the smallest

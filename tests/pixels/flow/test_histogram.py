from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_clips import square_frames, write_clip
from tiny_settings import shipped
from tiny_videos import write_video
from vigil.pixels.flow.histogram import FlowHistogram, sample_pairs

from vigil.pixels.video.reading import VideoReader
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import EmbedClips

PICTURE_FPS = Fraction(25)


def histogram_of(**changes: Any) -> FlowHistogram:
    least = {"num_pairs": 6, "gap_s": 0.1, "short_side_px": 72, "num_time_cells": 2}
    settings = shipped(EmbedClips, flow_histogram={**least, **changes})
    return FlowHistogram(settings.flow_histogram, "error")


def describe(flow: FlowHistogram, path: Path, *windows: Window) -> np.ndarray:
    return flow.describe(path, windows or [WHOLE], PICTURE_FPS)


PLAIN = histogram_of()


@pytest.mark.parametrize(
    ("step_px", "direction"), [((3, 0), 0), ((0, 3), 2), ((-3, 0), 4), ((0, -3), 6), ((2, 2), 1)]
)
def test_the_direction_of_motion_has_most_weight(tmp_path: Path, step_px, direction: int) -> None:
    path = write_video(tmp_path / "a.mkv", list(square_frames(step_px, 1)))
    histogram = describe(PLAIN, path).reshape(2, 8)
    assert (histogram.argmax(axis=1) == direction).all()
    assert histogram[:, (direction + 4) % 8].max() < 0.5 * histogram[:, direction].min()


def test_still_pictures_are_zero(tmp_path: Path) -> None:
    path = write_video(tmp_path / "a.mkv", list(square_frames((0, 0), 1)))
    assert describe(PLAIN, path).max() == 0


def test_neither_size_nor_rate_matter(tmp_path: Path) -> None:
    """A clip twice as large, and one with every second frame, are about the same."""
    frames = square_frames((1, 0), 2, 32)
    large = [cv2.resize(frame, None, fx=2, fy=2) for frame in frames]
    half = list(frames[::2])
    same = [
        write_video(tmp_path / "a.mkv", list(frames), fps=Fraction(20)),
        write_video(tmp_path / "b.mkv", large, fps=Fraction(20)),
        write_video(tmp_path / "c.mkv", half, fps=Fraction(10)),
    ]
    first, *others = (describe(PLAIN, path)[0] for path in same)
    for other in others:
        assert np.abs(other - first).max() < 0.2 * first.max()
    fast = write_video(tmp_path / "d.mkv", half, fps=Fraction(20))
    ratio = describe(PLAIN, fast)[0].max() / first.max()
    assert ratio == pytest.approx(2**0.5, rel=0.15)


def test_the_grid_tells_where_and_when(tmp_path: Path) -> None:
    frames = square_frames((0, 0), 3, 17)
    for step in range(8):  # only the upper left quarter of the first half moves
        frames[step, :36, :48] = np.roll(frames[0, :36, :48], 3 * step, axis=1)
    frames[8:] = frames[7]
    grid = histogram_of(num_pairs=16, num_space_cells=2)
    path = write_video(tmp_path / "a.mkv", list(frames))
    vector = describe(grid, path)
    assert vector.shape == (1, grid.width)
    by_cell = vector.reshape(2, 2, 2, 8).sum(axis=-1)
    assert by_cell.argmax() == 0
    assert by_cell[1].max() < 0.3 * by_cell[0, 0, 0]


def test_windows_are_parts_of_the_clip(tmp_path: Path) -> None:
    both = np.concatenate([square_frames((3, 0), 4, 16), square_frames((0, 3), 4, 16)])
    path = write_video(tmp_path / "a.mkv", list(both))
    vectors = describe(PLAIN, path, Window(0, 1.6), Window(1.6, 3.2))
    assert [v.reshape(2, 8).sum(axis=0).argmax() for v in vectors] == [0, 2]


def test_threads_do_not_matter(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", "dash", 5)
    cv2.setNumThreads(4)
    first = describe(PLAIN, path)
    cv2.setNumThreads(1)
    assert np.array_equal(first, describe(PLAIN, path))
    with ThreadPoolExecutor(3) as pool:
        others = pool.map(lambda _: describe(PLAIN, path), range(6))
        assert all(np.array_equal(first, one) for one in others)


def test_frames_in_memory_are_described_as_those_of_a_file(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "a.mp4", "dash", 5)
    frames = [frame.to_ndarray(format="rgb24") for frame in VideoReader(path)]
    assert np.array_equal(PLAIN.describe_frames(frames, Fraction(10)), describe(PLAIN, path)[0])
    for again in (1, 2):  # of one and two frames nothing is left to pair with
        with pytest.raises(FieldError, match=r"^short_clips: "):
            PLAIN.describe_frames(frames[:again], Fraction(10))


@given(num=st.integers(2, 200), pairs=st.integers(1, 30), gap=st.integers(1, 9))
def test_pairs_lie_within_the_window(num: int, pairs: int, gap: int) -> None:
    found = sample_pairs(num, pairs, gap, "repeat_last")
    assert found.shape == (pairs, 2)
    assert found.min() >= 0
    assert found.max() <= num - 1
    if num >= pairs + gap:
        assert (found[..., 1] - found[..., 0] == gap).all()
        assert len(np.unique(found[..., 0])) == pairs
        assert found[0, 0] == 0
        assert pairs == 1 or found[-1, 1] == num - 1
        assert np.array_equal(found, sample_pairs(num, pairs, gap, "error"))
    else:
        assert (found[..., 1] - found[..., 0] <= gap).all()


def test_a_short_window_is_refused_where_asked(tmp_path: Path) -> None:
    told = r"^short_clips: expected windows of at least 18 frames, got one of 17; repeat_last"
    with pytest.raises(FieldError, match=told):
        sample_pairs(17, 16, 2, "error")
    path = write_clip(tmp_path / "a.mp4", "dash", 5, num_frames=6)
    with pytest.raises(InputError, match=r"at least 7 frames, got one of 6; .*a\.mp4"):
        describe(PLAIN, path)

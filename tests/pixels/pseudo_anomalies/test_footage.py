"""Parts of videos, and videos without loss."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_clips import decode, write_clip

from vigil.pixels.pseudo_anomalies.footage import Footage, read_parts, write_lossless
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import InputError

FPS = Fraction(25)


def noise(num: int, size_wh: tuple[int, int] = (35, 27), seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (num, size_wh[1], size_wh[0], 3), dtype=np.uint8)


@given(steps=st.lists(st.integers(1, 400), min_size=1, max_size=12))
def test_frames_and_times_are_read_back_as_they_were(steps: list[int], tmp_path_factory) -> None:
    """Uneven times too, which no rate describes."""
    path = tmp_path_factory.mktemp("lossless") / "clip.nut"
    times_s = np.concatenate([[0], np.cumsum(steps)]) / 997
    footage = Footage(noise(len(times_s)), times_s, Fraction(997, 100))
    write_lossless(footage, path)
    (found,) = read_parts(path, [WHOLE], FPS)
    assert np.array_equal(found.frames, footage.frames)
    assert np.abs(found.times_s - times_s).max() < 1e-8


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm"])
def test_a_copy_of_a_file_has_its_frames_and_times(suffix: str, tmp_path: Path) -> None:
    source = write_clip(tmp_path / f"clip{suffix}", "stroll", 3)
    (footage,) = read_parts(source, [WHOLE], FPS)
    pictures, shown_s = decode(source)
    assert np.array_equal(footage.frames[..., ::-1], pictures)
    write_lossless(footage, tmp_path / "copy.nut")
    write_lossless(footage, tmp_path / "again.nut")
    assert (tmp_path / "copy.nut").read_bytes() == (tmp_path / "again.nut").read_bytes()
    (copy,) = read_parts(tmp_path / "copy.nut", [WHOLE], FPS)
    assert np.array_equal(copy.frames, footage.frames)
    assert np.abs(copy.times_s - (shown_s - shown_s[0])).max() < 1e-8


def test_parts_have_their_own_frames_and_start_at_zero(tmp_path: Path) -> None:
    write_lossless(Footage(noise(20), np.arange(20) / 10, Fraction(10)), tmp_path / "clip.nut")
    parts = [Window(0.2, 0.5), Window(0.5, 0.8), Window(1.5, float("inf"))]
    found = list(read_parts(tmp_path / "clip.nut", parts, FPS))
    for part, rows in zip(found, (slice(2, 5), slice(5, 8), slice(15, 20)), strict=True):
        assert np.array_equal(part.frames, noise(20)[rows])
        assert part.times_s[0] == 0
        assert np.diff(part.times_s) == pytest.approx(0.1)


def test_a_part_without_a_frame_is_refused(tmp_path: Path) -> None:
    write_lossless(Footage(noise(5), np.arange(5) / 10, Fraction(10)), tmp_path / "clip.nut")
    with pytest.raises(InputError, match=r"clip\.nut: expected frames from 3 to 4 s, found none"):
        list(read_parts(tmp_path / "clip.nut", [Window(3.0, 4.0)], FPS))


def test_no_part_needs_no_video() -> None:
    assert list(read_parts(Path("nowhere.mp4"), [], FPS)) == []

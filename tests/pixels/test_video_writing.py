"""Videos that are written the same each time, and what is read of them."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from tiny_videos import coded_picture, read_code

from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.pixels.video_writing import CODECS, VideoWriter, write_video

SIZE_WH = (64, 48)
KINDS = [
    *(("h264", ".mp4"), ("h264", ".mkv"), ("vp9", ".webm"), ("vp9", ".mp4")),
    ("h264_quick", ".mp4"),
    *(("vp9_quick", ".webm"), ("vp9_quick", ".mkv"), ("mpeg4", ".avi"), ("mpeg4", ".mp4")),
]


def write(path: Path, codec: str, fps: Fraction = Fraction(25), num_frames: int = 20) -> Path:
    frames = (coded_picture(number, SIZE_WH)[..., ::-1].copy() for number in range(num_frames))
    write_video(path, frames, codec=codec, fps=fps, size_wh=SIZE_WH)
    return path


def test_all_codecs_are_tried() -> None:
    assert {codec for codec, _ in KINDS} == set(CODECS)


@pytest.mark.parametrize(("codec", "suffix"), KINDS)
def test_the_same_frames_are_the_same_bytes(tmp_path: Path, codec: str, suffix: str) -> None:
    first, second = (write(tmp_path / f"{name}{suffix}", codec) for name in ("one", "other"))
    assert first.read_bytes() == second.read_bytes()
    other = write(tmp_path / f"shorter{suffix}", codec, num_frames=19)
    assert other.read_bytes() != first.read_bytes()
    for told in (b"x264", b"Lavf6", b"Lavc6", b"options:"):  # versions and settings
        assert told not in first.read_bytes()


@pytest.mark.parametrize(("codec", "suffix"), KINDS)
@pytest.mark.parametrize("fps", [Fraction(25), Fraction(30000, 1001)])
def test_every_frame_is_read_back(tmp_path: Path, codec: str, suffix: str, fps: Fraction) -> None:
    reader = VideoReader(write(tmp_path / f"a{suffix}", codec, fps))
    frames = [to_bgr(frame) for frame in reader]
    assert [read_code(frame) for frame in frames] == list(range(20))
    assert frames[0].shape == (48, 64, 3)
    assert float(reader.fps) == pytest.approx(float(fps), rel=2e-3)
    if suffix in {".mp4", ".avi"}:  # Matroska counts milliseconds
        assert reader.fps == fps
    assert not reader.is_variable_rate


@pytest.mark.parametrize("codec", ["h264", "vp9", "mpeg4"])
def test_red_stays_red(tmp_path: Path, codec: str) -> None:
    suffix = {"h264": ".mp4", "vp9": ".webm", "mpeg4": ".avi"}[codec]
    red = np.zeros((48, 64, 3), np.uint8)
    red[..., 0] = 220
    write_video(tmp_path / f"a{suffix}", [red] * 3, codec=codec, fps=Fraction(10), size_wh=SIZE_WH)
    for frame in VideoReader(tmp_path / f"a{suffix}"):
        blue, green, own = to_bgr(frame).reshape(-1, 3).mean(axis=0)
        assert own == pytest.approx(220, abs=12)
        assert max(blue, green) < 12


def test_a_codec_that_is_none() -> None:
    with pytest.raises(KeyError):
        write_video(Path("a.mp4"), [], codec="none", fps=Fraction(25), size_wh=SIZE_WH)


def test_frames_are_shown_when_their_stamps_say(tmp_path: Path) -> None:
    """At a rate that varies: a player's clock must be the source's."""
    stamps = [0, 9000, 12000, 30000, 31500]
    path, unit_s = tmp_path / "a.mp4", Fraction(1, 90_000)
    writer = VideoWriter(
        path, codec="h264_quick", fps=Fraction(14), size_wh=SIZE_WH, time_base=unit_s
    )
    for number, stamp in enumerate(stamps):
        writer.write(coded_picture(number, SIZE_WH)[..., ::-1].copy(), stamp)
    writer.close()
    frames = list(VideoReader(path))
    assert [round(frame.time / unit_s) for frame in frames] == stamps
    assert [read_code(to_bgr(frame)) for frame in frames] == [0, 1, 2, 3, 4]


def test_a_browser_can_start_before_it_has_it_all(tmp_path: Path) -> None:
    content = write(tmp_path / "a.mp4", "h264_quick").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")

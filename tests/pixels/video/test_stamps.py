"""When each frame is shown, by the file: what a player goes by, and so an annotator."""

import shutil
import subprocess
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tiny_videos import read_code, write_coded_video, write_with_b_frames

from vigil.pixels.video.reading import VideoReader, to_bgr


def read(path: Path) -> tuple[VideoReader, list[int]]:
    reader = VideoReader(path)
    return reader, [read_code(to_bgr(frame)) for frame in reader]


def shown_s(reader: VideoReader) -> list[float]:
    assert reader.stamps is not None
    stamps, unit_s = reader.stamps
    return [float(stamp * unit_s) for stamp in stamps]


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
def test_a_track_that_starts_late_keeps_its_start(tmp_path: Path, ending: str) -> None:
    times_s = [Fraction(1, 2) + Fraction(n, 10) for n in range(12)]
    reader, codes = read(write_coded_video(tmp_path / f"v.{ending}", 12, times_s=times_s))
    assert codes == list(range(12))
    assert shown_s(reader) == pytest.approx([float(time_s) for time_s in times_s])


def test_a_transport_stream_is_counted_from_where_it_starts(tmp_path: Path) -> None:
    """No browser shows it: what was annotated is a conversion, which takes the start off."""
    times_s = [7 + Fraction(n, 10) for n in range(20)]
    reader, _ = read(write_coded_video(tmp_path / "v.ts", 20, times_s=times_s))
    with av.open(str(tmp_path / "v.ts")) as container:
        assert container.start_time == 7_000_000
    assert shown_s(reader) == pytest.approx(np.arange(20) / 10)


def test_the_stamps_of_an_avi_count_where_they_are_in_order(tmp_path: Path) -> None:
    reader, _ = read(write_coded_video(tmp_path / "v.avi", 20))
    assert shown_s(reader) == pytest.approx(np.arange(20) / 10)


@pytest.mark.parametrize("name", ["v.avi", "v.asf"])
@pytest.mark.parametrize("num_b_frames", [1, 2, 3])
def test_frames_with_times_of_decoding_alone_are_evenly_spaced(
    tmp_path: Path, name: str, num_b_frames: int
) -> None:
    """FFmpeg guesses that the frames are shown at 1, 4, 3, 5, 2."""
    file = write_with_b_frames(tmp_path / name, 30, num_b_frames=num_b_frames)
    reader, codes = read(file)
    assert codes == list(range(30))
    assert (reader.stamps, reader.is_variable_rate) == (None, False)
    assert reader.fps == 10
    if ffmpeg := shutil.which("ffmpeg"):
        words = ["-v", "error", "-i", str(file), "-fps_mode", "passthrough", "-f", "rawvideo"]
        raw = subprocess.run(
            [ffmpeg, *words, "-pix_fmt", "gray", "-"], capture_output=True, check=True
        ).stdout
        played = np.frombuffer(raw, np.uint8).reshape(-1, 48, 64)
        assert [read_code(picture) for picture in played] == codes


def test_a_gap_between_times_of_decoding_is_kept(tmp_path: Path) -> None:
    """The frames are in the right order, and the gap is where it is in the file."""
    times_s = [Fraction(n + 5 * (n >= 12), 10) for n in range(24)]
    file = write_with_b_frames(tmp_path / "v.asf", 24, times_s=times_s)
    reader, codes = read(file)
    assert codes == list(range(24))
    assert reader.is_variable_rate
    steps = np.diff(shown_s(reader))
    assert (steps > 0).all()
    assert np.sort(steps)[-2:] == pytest.approx([0.1, 0.6], abs=0.002)


def test_the_same_in_an_mp4_has_its_stamps(tmp_path: Path) -> None:
    reader, codes = read(write_with_b_frames(tmp_path / "v.mp4", 30))
    assert codes == list(range(30))
    assert shown_s(reader) == pytest.approx(np.arange(30) / 10)
    assert reader.num_hidden == 0


def test_frames_that_an_edit_list_hides_are_counted(tmp_path: Path) -> None:
    """As a cut without encoding anew leaves them."""
    reader, codes = read(write_with_b_frames(tmp_path / "v.mp4", 30, shift=7))
    assert codes == list(range(7, 30))
    assert reader.num_hidden == 7
    assert shown_s(reader) == pytest.approx(np.arange(23) / 10)


def test_a_raw_stream_has_none(tmp_path: Path) -> None:
    reader, codes = read(write_with_b_frames(tmp_path / "v.h264", 12))
    assert codes == list(range(12))
    assert reader.stamps is None

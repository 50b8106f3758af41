"""When each frame is shown, by the file: what a player goes by, and so an annotator."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from tiny_videos import coded_picture, read_code, write_coded_video

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


def write_with_b_frames(path: Path, num_frames: int, shift: int = 0) -> Path:
    """H.264 whose order of decoding is not that of presentation.

    Args:
        shift: frames that lie before 0 s, which an edit list hides.
    """
    with av.open(str(path), "w", options={"avoid_negative_ts": "disabled"}) as container:
        stream = container.add_stream("libx264", rate=10, options={"bf": "2", "crf": "12"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 10)
        stream.codec_context.thread_count = 1
        for number in range(num_frames):
            frame = av.VideoFrame.from_ndarray(coded_picture(number, (64, 48)), format="bgr24")
            frame.pts, frame.time_base = number - shift, Fraction(1, 10)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_guessed_stamps_of_an_avi_are_none(tmp_path: Path) -> None:
    """AVI tells the order of decoding alone, and FFmpeg guesses 1, 3, 4, 2."""
    reader, codes = read(write_with_b_frames(tmp_path / "v.avi", 30))
    assert codes == list(range(30))
    assert reader.stamps is None


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

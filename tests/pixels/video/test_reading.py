"""Videos are made whose frames spell their number, so order and count can be read off them."""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_videos import (
    coded_picture,
    cut_off,
    is_moov_first,
    read_code,
    turn_clockwise,
    write_audio,
    write_coded_video,
    write_cover,
    write_frameless_video,
    write_video,
)

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.plumbing.errors import InputError

NTSC = Fraction(30_000, 1001)
ENDINGS = ("mp4", "mkv", "webm", "avi")


def read(path: Path) -> tuple[VideoReader, list[Picture]]:
    reader = VideoReader(path)
    return reader, [to_bgr(frame) for frame in reader]


def assert_refused(path: Path, *expected: str) -> None:
    with pytest.raises(InputError) as error:
        read(path)
    for text in (str(path), *expected):
        assert text in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("size_wh", [(64, 48), (63, 47)])
def test_every_frame_comes_once_and_in_order(
    tmp_path: Path, ending: str, size_wh: tuple[int, int]
) -> None:
    reader, pictures = read(write_coded_video(tmp_path / f"v.{ending}", 33, size_wh))
    assert [read_code(picture) for picture in pictures] == list(range(33))
    assert {picture.shape for picture in pictures} == {(size_wh[1], size_wh[0], 3)}
    assert reader.fps == 10
    assert not reader.is_variable_rate


def test_a_longer_video(tmp_path: Path) -> None:
    _, pictures = read(write_coded_video(tmp_path / "v.mp4", 700))
    assert [read_code(picture) for picture in pictures] == list(range(700))


@pytest.mark.parametrize("ending", ENDINGS)
def test_one_frame(tmp_path: Path, ending: str) -> None:
    reader, pictures = read(write_coded_video(tmp_path / f"v.{ending}", 1))
    assert [read_code(picture) for picture in pictures] == [0]
    assert reader.fps > 0
    assert not reader.is_variable_rate


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("fps", [NTSC, Fraction(25), Fraction(24_000, 1001), Fraction(60)])
def test_rates_are_exact(tmp_path: Path, ending: str, fps: Fraction) -> None:
    reader, _ = read(write_coded_video(tmp_path / f"v.{ending}", 61, fps=fps))
    assert reader.fps == fps
    assert not reader.is_variable_rate


def uneven_times_s(*spans: tuple[int, Fraction]) -> list[Fraction]:
    """When frames are shown: so many at such a step, span after span."""
    times, now = [], Fraction(0)
    for num_frames, step in spans:
        for _ in range(num_frames):
            times.append(now)
            now += step
    return times


VARIABLE = {
    "fast, then slow": uneven_times_s((30, Fraction(1, 10)), (30, Fraction(1, 2))),
    "slow, then fast": uneven_times_s((30, Fraction(1, 2)), (30, Fraction(1, 10))),
    "one long pause": uneven_times_s(
        (20, Fraction(1, 10)), (1, Fraction(5)), (20, Fraction(1, 10))
    ),
}


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm"])
@pytest.mark.parametrize("times", VARIABLE)
def test_a_varying_rate_is_told_and_its_mean_taken(tmp_path: Path, ending: str, times: str) -> None:
    times_s = VARIABLE[times]
    file = write_coded_video(tmp_path / f"v.{ending}", len(times_s), times_s=times_s)
    reader, pictures = read(file)
    assert [read_code(picture) for picture in pictures] == list(range(len(times_s)))
    assert reader.is_variable_rate
    assert float(reader.fps) == pytest.approx((len(times_s) - 1) / float(times_s[-1]), rel=0.01)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_frames_are_turned_as_the_file_asks(tmp_path: Path, quarter_turns: int) -> None:
    file = write_coded_video(tmp_path / "v.mp4", 12, (64, 48))
    _, lying = read(file)
    turn_clockwise(file, quarter_turns)
    _, upright = read(file)
    for before, after in zip(lying, upright, strict=True):
        assert np.array_equal(after, np.rot90(before, -quarter_turns))
        assert after.flags.c_contiguous


def test_a_file_without_rotation_is_not_turned(tmp_path: Path) -> None:
    _, (picture,) = read(write_coded_video(tmp_path / "v.mp4", 1, (64, 48)))
    assert picture.shape == (48, 64, 3)


def test_colours_are_blue_green_red(tmp_path: Path) -> None:
    picture = np.full((48, 64, 3), (200, 90, 30), np.uint8)
    _, (found,) = read(write_video(tmp_path / "v.avi", [picture]))
    assert np.abs(found.astype(int) - picture).mean() < 8


def test_reading_twice_gives_the_same(tmp_path: Path) -> None:
    reader = VideoReader(write_coded_video(tmp_path / "v.mp4", 20))
    once = [read_code(to_bgr(frame)) for frame in reader]
    assert [read_code(to_bgr(frame)) for frame in reader] == once == list(range(20))
    assert reader.fps == 10


@pytest.mark.parametrize("num_threads", [1, 4])
def test_the_number_of_threads_changes_nothing(tmp_path: Path, num_threads: int) -> None:
    reader = VideoReader(write_coded_video(tmp_path / "v.mp4", 40), num_threads)
    assert [read_code(to_bgr(frame)) for frame in reader] == list(range(40))


@pytest.mark.parametrize("ending", ["gif", "apng"])
def test_an_animated_picture_is_a_video(tmp_path: Path, ending: str) -> None:
    _, pictures = read(write_coded_video(tmp_path / f"v.{ending}", 12))
    assert [read_code(picture) for picture in pictures] == list(range(12))


class TestCutOff:
    @pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.85])
    @pytest.mark.parametrize("ending", ENDINGS)
    def test_a_file_cut_off_is_refused(self, tmp_path: Path, ending: str, share: float) -> None:
        file = write_coded_video(tmp_path / f"v.{ending}", 60)
        cut_off(file, share)
        assert_refused(file)

    @pytest.mark.parametrize("share", [0.3, 0.6, 0.85])
    def test_an_mp4_with_its_header_first_too(self, tmp_path: Path, share: float) -> None:
        options = {"movflags": "faststart"}
        file = write_coded_video(tmp_path / "v.mp4", 60, container_options=options)
        assert is_moov_first(file)
        cut_off(file, share)
        assert_refused(file)

    def test_the_usual_mp4_has_its_header_last(self, tmp_path: Path) -> None:
        assert not is_moov_first(write_coded_video(tmp_path / "v.mp4", 60))


class TestNoVideo:
    def test_no_file(self, tmp_path: Path) -> None:
        assert_refused(tmp_path / "none.mp4", "no such file")

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "v.mp4").mkdir()
        assert_refused(tmp_path / "v.mp4")

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_an_empty_file(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / f"v.{ending}").write_bytes(b"")
        assert_refused(tmp_path / f"v.{ending}", "empty file")

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_text(self, tmp_path: Path, ending: str) -> None:
        (tmp_path / f"v.{ending}").write_text("This is no video.\n" * 200)
        assert_refused(tmp_path / f"v.{ending}", "expected a video")

    def test_noise(self, tmp_path: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8)
        (tmp_path / "v.mp4").write_bytes(noise.tobytes())
        assert_refused(tmp_path / "v.mp4")

    def test_sound_alone(self, tmp_path: Path) -> None:
        assert_refused(write_audio(tmp_path / "v.mp4"), "no video stream")

    @pytest.mark.parametrize("name", ["v.mp4", "v.avi", "v", ""])
    @pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "webp", "tiff", "ppm"])
    def test_a_still_picture(self, tmp_path: Path, kind: str, name: str) -> None:
        picture = np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)
        file = tmp_path / (name or f"v.{kind}")
        file.write_bytes(cv2.imencode(f".{kind}", picture)[1].tobytes())
        assert_refused(file, "expected a video, got a still picture (")

    @pytest.mark.parametrize("brand", [b"avif", b"heic"])
    def test_a_still_picture_in_the_container_of_a_video(
        self, tmp_path: Path, brand: bytes
    ) -> None:
        file = write_coded_video(tmp_path / "v.mp4", 1)
        file.write_bytes(file.read_bytes().replace(b"ftypisom", b"ftyp" + brand))
        assert_refused(file, f"expected a video, got a still picture ({brand.decode()})")

    def test_a_cover(self, tmp_path: Path) -> None:
        assert_refused(write_cover(tmp_path / "v.mp4"), "no video stream")

    @pytest.mark.parametrize("ending", ENDINGS)
    def test_zero_frames(self, tmp_path: Path, ending: str) -> None:
        assert_refused(write_frameless_video(tmp_path / f"v.{ending}"))


def test_damage_in_the_middle_is_refused(tmp_path: Path) -> None:
    file = write_coded_video(tmp_path / "v.mp4", 60)
    content = bytearray(file.read_bytes())
    start = content.index(b"mdat")
    content[start + 1000 : start + 3000] = bytes(2000)
    file.write_bytes(content)
    assert_refused(file)


def test_a_coded_picture_can_be_read() -> None:
    for number in (0, 1, 5, 513, 1023):
        assert read_code(coded_picture(number, (63, 47))) == number

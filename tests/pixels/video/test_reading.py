"""Videos are made whose frames spell their number, so order and count can be read off them."""

import gc
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from av.stream import Disposition
from conftest import REAL, no_longer_than
from tiny_videos import (
    coded_picture,
    copy_packets,
    cut_off,
    damage_packet,
    is_moov_first,
    noise,
    packets_of,
    read_code,
    turn_clockwise,
    write_audio,
    write_coded_video,
    write_cover,
    write_frameless_video,
    write_matrix,
    write_two_streams,
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


Change = Callable[[Picture], Picture]
MATRICES: dict[str, tuple[tuple[int, int, int, int], Change]] = {
    "as it is": ((1, 0, 0, 1), lambda picture: picture),
    "turned clockwise": ((0, 1, -1, 0), lambda picture: np.rot90(picture, -1)),
    "turned twice": ((-1, 0, 0, -1), lambda picture: np.rot90(picture, 2)),
    "turned the other way": ((0, -1, 1, 0), np.rot90),
    "mirrored": ((-1, 0, 0, 1), np.fliplr),
    "upside down": ((1, 0, 0, -1), np.flipud),
    "transposed": ((0, 1, 1, 0), lambda picture: picture.transpose(1, 0, 2)),
    "transposed the other way": (
        (0, -1, -1, 0),
        lambda picture: np.rot90(picture, 2).transpose(1, 0, 2),
    ),
}


@pytest.mark.parametrize("case", MATRICES)
def test_frames_are_turned_and_mirrored_as_players_do(tmp_path: Path, case: str) -> None:
    matrix, change = MATRICES[case]
    file = write_coded_video(tmp_path / "v.mp4", 3, (64, 48))
    _, stored = read(file)
    write_matrix(file, *matrix)
    _, shown = read(file)
    for before, after in zip(stored, shown, strict=True):
        assert np.array_equal(after, change(before))
        assert after.flags.c_contiguous
    if ffmpeg := shutil.which("ffmpeg"):  # a player's own code
        words = ["-v", "error", "-i", str(file), "-f", "rawvideo", "-pix_fmt", "bgr24", "-"]
        raw = subprocess.run([ffmpeg, *words], capture_output=True, check=True).stdout
        played = np.frombuffer(raw, np.uint8).reshape(-1, *shown[0].shape)
        assert np.abs(played.astype(int) - np.stack(shown)).max() <= 2


def test_frames_of_a_turned_video_are_let_go(tmp_path: Path) -> None:
    """Without the garbage being collected: a circle of references would keep each of them."""
    file = write_coded_video(tmp_path / "v.mp4", 40, (64, 48))
    turn_clockwise(file, 1)
    gc.collect()
    gc.disable()
    try:
        num_kept = []
        for frame in VideoReader(file):
            to_bgr(frame)
            num_kept.append(sum(type(one) is type(frame) for one in gc.get_objects()))
        assert max(num_kept) < 20
    finally:
        gc.enable()


def test_a_matrix_of_nothing_turns_nothing(tmp_path: Path) -> None:
    file = write_coded_video(tmp_path / "v.mp4", 3, (64, 48))
    write_matrix(file, 0, 0, 0, 0)
    assert [read_code(picture) for picture in read(file)[1]] == [0, 1, 2]


class TestSeveralStreams:
    def test_none_is_picked(self, tmp_path: Path) -> None:
        usual = Disposition.default
        file = write_two_streams(tmp_path / "v.mkv", usual, usual)
        assert_refused(file, "expected one video stream, got 2 (64x48, 96x48); ffmpeg ")

    @pytest.mark.parametrize("kind", ["attached_pic"])
    def test_a_cover_is_none(self, tmp_path: Path, kind: str) -> None:
        cover = Disposition[kind]
        file = write_two_streams(tmp_path / "v.mp4", Disposition.default, cover)
        assert [read_code(picture) for picture in read(file)[1]] == list(range(6))


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


class TestDamage:
    """Decoders mend it and go on; most say so in their log alone."""

    @pytest.mark.parametrize(
        ("name", "encoder", "at_least"),
        [
            *(("v.avi", "mjpeg", 8), ("v.mkv", "ffv1", 11), ("v.avi", "wmv2", 8)),
            *(("v.mp4", "mpeg4", 11), ("v.mkv", "mpeg2video", 11), ("v.mp4", "libx264", 5)),
        ],
    )
    def test_it_is_told_with_file_and_frame(
        self, tmp_path: Path, name: str, encoder: str, at_least: int
    ) -> None:
        """None of these frames is shown in another place than it is coded in."""
        file = write_video(tmp_path / name, noise(12), encoder=encoder)
        content, whole = file.read_bytes(), read(file)[1]
        num_told = 0
        for number in range(1, 12):
            file.write_bytes(content)
            damage_packet(file, number)
            reader = VideoReader(file, keeps_damaged=True)
            kept = [to_bgr(frame) for frame in reader]
            assert len(kept) == 12
            if reader.damaged:
                num_told += 1
                assert list(reader.damaged) == [number]
                assert not np.array_equal(kept[number], whole[number])
                assert_refused(file, f"frame {number} is damaged: '")
        assert num_told >= at_least

    @pytest.mark.parametrize("num_threads", [1, 4])
    @pytest.mark.parametrize("number", [1, 7])
    def test_other_frames_are_what_they_were(
        self, tmp_path: Path, number: int, num_threads: int
    ) -> None:
        file = write_video(tmp_path / "v.avi", noise(12), encoder="mjpeg")
        _, whole = read(file)
        damage_packet(file, number, b"\xff")
        reader = VideoReader(file, num_threads, keeps_damaged=True)
        kept = [to_bgr(frame) for frame in reader]
        assert list(reader.damaged) == [number]
        same = [np.array_equal(one, other) for one, other in zip(kept, whole, strict=True)]
        assert same == [index != number for index in range(12)]

    def test_frames_shown_in_another_order_than_coded(self, tmp_path: Path) -> None:
        options = {"bf": "3", "g": "48", "x265-params": "log-level=none:b-adapt=0"}
        pictures = noise(40, (256, 192))
        file = write_video(tmp_path / "v.mkv", pictures, encoder="libx265", options=options)
        content, whole = file.read_bytes(), read(file)[1]
        num_told = 0
        for number in range(30, 40):
            file.write_bytes(content)
            damage_packet(file, number)
            reader = VideoReader(file, keeps_damaged=True)
            try:
                kept = [to_bgr(frame) for frame in reader]
            except InputError:
                continue
            for index in reader.damaged:
                num_told += 1
                is_same = np.array_equal(kept[index], whole[index])
                assert len(kept) < len(whole) or not is_same
        assert num_told > 0

    def test_two_videos_alike_are_both_told(self, tmp_path: Path) -> None:
        """Of equal words that follow each other FFmpeg's log would hold the first."""
        first = damage_packet(
            write_video(tmp_path / "a.avi", noise(3), encoder="mjpeg"), 1, b"\xff"
        )
        second = tmp_path / "b.avi"
        shutil.copy(first, second)
        for file in (first, second, first):
            assert_refused(file, "frame 1 is damaged")

    def test_one_video_is_not_blamed_for_another(self, tmp_path: Path) -> None:
        bad = damage_packet(write_video(tmp_path / "a.avi", noise(9), encoder="mjpeg"), 1, b"\xff")
        good = write_video(tmp_path / "b.avi", noise(9), encoder="mjpeg")
        frames = iter(VideoReader(good))
        next(frames)
        assert_refused(bad, "frame 1 is damaged")
        assert len(list(frames)) == 8

    @pytest.mark.parametrize("ending", ["ts", "mkv"])
    def test_what_begins_between_keyframes_is_none(self, tmp_path: Path, ending: str) -> None:
        """What is before the first keyframe is said to be damaged and never shown."""
        options = {"preset": "ultrafast", "g": "10", "bf": "2", "x264-params": "open-gop=1"}
        pictures = [coded_picture(number, (64, 48)) for number in range(40)]
        whole = write_video(tmp_path / f"whole.{ending}", pictures, options=options)
        file = copy_packets(whole, tmp_path / f"v.{ending}", range(4))
        _, found = read(file)
        codes = [read_code(picture) for picture in found]
        assert codes == list(range(codes[0], 40))
        assert 4 <= codes[0] <= 20

    @pytest.mark.parametrize("encoder", ["libx265", "libx264", "ffv1"])
    def test_who_stops_early_does_not_wait_for_ever(self, tmp_path: Path, encoder: str) -> None:
        """A decoder's thread that has something to say must not wait for who closes it."""
        options = {"x265-params": "log-level=none"} if encoder == "libx265" else None
        file = write_video(tmp_path / "v.mkv", noise(30), encoder=encoder, options=options)
        content, draw = file.read_bytes(), random.Random(0)
        with no_longer_than(100):
            for number in range(150):
                changed = bytearray(content)
                for _ in range(20):
                    start = draw.randrange(len(content) // 8, len(content) * 7 // 8)
                    changed[start : start + 8] = draw.randbytes(8)
                file.write_bytes(changed)
                try:
                    for index, _ in enumerate(VideoReader(file, 8)):
                        if index == number % 20:
                            break
                except InputError:
                    pass

    @pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the project")
    def test_no_real_video_has_any(self) -> None:
        files = [f for f in REAL.rglob("*") if f.suffix in {".avi", ".mp4", ".webm"}]
        assert len(files) > 100
        for file in sorted(files)[::10]:
            reader = VideoReader(file, keeps_damaged=True)
            assert sum(1 for _ in reader) > 10
            assert reader.damaged == {}


LIMITED = """
import resource, sys
from pathlib import Path
from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.plumbing.errors import InputError
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
try:
    print(sum(to_bgr(frame) is not None for frame in VideoReader(Path(sys.argv[1]), 1)), "frames")
except InputError as error:
    print("refused:", error)
except (MemoryError, BlockingIOError) as error:  # the latter where there is none for a thread
    print("memory:", error)
"""


def read_with(path: Path, limit_gb: float) -> str:
    """What comes of a video where memory is limited."""
    words = [sys.executable, "-c", LIMITED, str(path), str(int(limit_gb * 2**30))]
    with no_longer_than(60):
        return subprocess.run(words, capture_output=True, text=True, check=True).stdout


class TestMemory:
    @pytest.mark.parametrize("kind", ["gif", "mjpeg"])
    def test_headers_that_claim_gigabytes_are_refused(self, tmp_path: Path, kind: str) -> None:
        if kind == "gif":
            file = write_coded_video(tmp_path / "v.gif", 3)
            content = bytearray(file.read_bytes())
            content[6:10] = b"\xff\xff\xff\xff"
        else:
            file = write_video(tmp_path / "v.avi", noise(3), encoder="mjpeg")
            content = bytearray(file.read_bytes())
            for place, size in packets_of(file):
                at = content.index(b"\xff\xc0", place, place + size)
                content[at + 5 : at + 9] = b"\xff\xdc\xff\xdc"
        file.write_bytes(content)
        assert read_with(file, 2.5).startswith("refused:")

    def test_too_little_is_no_verdict(self, tmp_path: Path) -> None:
        size_wh = (8000, 6000)
        black = np.zeros((*size_wh[::-1], 3), np.uint8)
        file = write_video(tmp_path / "v.avi", [black] * 2, encoder="mjpeg")
        assert read_with(file, 4) == "2 frames\n"
        outcomes = {read_with(file, limit_gb).split(":")[0] for limit_gb in (0.5, 0.55, 0.6, 0.7)}
        assert outcomes <= {"memory", "2 frames\n"}
        assert "memory" in outcomes

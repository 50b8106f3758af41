"""Folders of numbered pictures as videos."""

import random
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from tiny_videos import coded_picture, noise, read_code

from vigil.pixels.frames import extract_frames
from vigil.pixels.video.damage import DamagedFrameError
from vigil.pixels.video.numbered import NumberedPictures, list_numbered
from vigil.plumbing.errors import InputError

FPS = Fraction(30000, 1001)


def write(folder: Path, *names: str, size_wh: tuple[int, int] = (64, 48)) -> Path:
    """Pictures that spell 0, 1, 2, … in the order of the names."""
    folder.mkdir(exist_ok=True)
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), coded_picture(number, size_wh))
    return folder


def touch(folder: Path, *names: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).touch()
    return folder


def test_pictures_come_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    names = [f"cam2_{number}.png" for number in range(8, 13)]  # by text, 10 is before 8
    pictures = NumberedPictures(write(tmp_path / "a", *names), FPS)
    frames = list(pictures)
    assert len(pictures) == len(frames) == 5
    assert [read_code(frame.picture) for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.time for frame in frames] == [float(n * Fraction(1001, 30000)) for n in range(5)]
    assert (pictures.fps, pictures.is_variable_rate) == (FPS, False)
    assert [read_code(frame.picture) for frame in pictures] == [0, 1, 2, 3, 4]  # again


@given(
    first=st.integers(0, 2000),
    count=st.integers(1, 120),
    prefix=st.sampled_from(["", "img_", "a1_", "2024-01-02 ", "1.", "東 "]),
    width=st.integers(0, 8),
    suffix=st.sampled_from([".jpg", ".PNG", ".tiff"]),
    seed=st.integers(0, 9),
)
def test_order_is_that_of_numbers_whatever_the_names(
    tmp_path_factory: pytest.TempPathFactory, first, count, prefix, width, suffix, seed
) -> None:
    names = [f"{prefix}{number:0{width}d}{suffix}" for number in range(first, first + count)]
    shuffled = random.Random(seed).sample(names, count)
    assert list_numbered(touch(tmp_path_factory.mktemp("numbered") / "a", *shuffled)) == names


def test_endings_may_differ_in_case(tmp_path: Path) -> None:
    names = ["1.jpg", "2.JPG", "3.Jpg"]
    assert list_numbered(touch(tmp_path / "a", *names)) == names


def test_what_hides_or_systems_leave_behind_does_not_count(tmp_path: Path) -> None:
    folder = touch(tmp_path / "a", "1.jpg", "2.jpg", ".DS_Store", "._1.jpg", "Thumbs.db")
    touch(folder, "desktop.ini")
    (folder / "__MACOSX").mkdir()
    (folder / ".cache").mkdir()
    assert list_numbered(folder) == ["1.jpg", "2.jpg"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ([], "expected numbered pictures .*, got none"),
        ([".DS_Store", "Thumbs.db"], "expected numbered pictures .*, got none"),
        (["1.jpg", "3.jpg"], "expected consecutive numbers, got 3 after 1"),
        (
            ["0001.jpg", "0002.jpg", "0010.jpg", "0009.jpg"],
            "expected consecutive numbers, got 9 after 2",
        ),
        (["a1.jpg", "b2.jpg"], "expected names of one kind, got a<number>.jpg, b<number>.jpg"),
        (["1.jpg", "2.png"], "expected names of one kind, got <number>.jpg, <number>.png"),
        (["1.jpg", "01.jpg"], "expected each number once, got 2 names for 1 numbers"),
        (["1.jpg", "2.jpg", "02.JPG"], "expected each number once, got 3 names for 2 numbers"),
        (["1.jpg", "2.jpg", "notes.txt"], "expected numbered pictures .*, got notes.txt"),
        (["1.jpg", "2.mp4"], "expected numbered pictures .*, got 2.mp4"),
        (["door.jpg"], "expected numbered pictures .*, got door.jpg"),
        (["1"], "expected numbered pictures .*, got 1"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, names: list[str], expected: str) -> None:
    with pytest.raises(InputError, match=rf"a: {expected}") as error:
        NumberedPictures(touch(tmp_path / "a", *names), FPS)
    assert "\n" not in str(error.value)


def test_a_folder_in_it_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", "1.png", "2.png")
    (folder / "more").mkdir()
    with pytest.raises(InputError, match=r"expected numbered pictures .*, got more"):
        list_numbered(folder)
    (folder / "more").rename(folder / "3.png")
    with pytest.raises(InputError, match=r"3\.png"):
        list(NumberedPictures(folder, FPS))


def test_a_picture_of_another_size_is_refused_where_it_comes(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", "1.png", "2.png", "3.png")
    write(folder, "2.png", size_wh=(48, 64))
    frames = iter(NumberedPictures(folder, FPS))
    assert next(frames).picture.shape == (48, 64, 3)
    with pytest.raises(InputError, match=r"expected pictures of 64x48, got 48x64 in '2\.png'"):
        next(frames)


@pytest.mark.parametrize("content", [b"", b"no picture", None])
def test_a_broken_picture_is_told_by_its_name(tmp_path: Path, content: bytes | None) -> None:
    folder = write(tmp_path / "a", "1.jpg", "2.jpg")
    whole = (folder / "2.jpg").read_bytes()
    (folder / "2.jpg").write_bytes(whole[: len(whole) // 2] if content is None else content)
    with pytest.raises(InputError, match=r"2\.jpg"):
        list(NumberedPictures(folder, FPS))


def test_colours_are_bgr_and_grey_pictures_have_three(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    blue = np.zeros((4, 6, 3), np.uint8)
    blue[..., 0] = 200
    assert cv2.imwrite(str(tmp_path / "a" / "1.png"), blue)
    assert cv2.imwrite(str(tmp_path / "a" / "2.png"), np.full((4, 6), 77, np.uint8))
    first, second = NumberedPictures(tmp_path / "a", FPS)
    assert np.array_equal(first.picture, blue)
    assert first.picture.flags["C_CONTIGUOUS"]
    assert np.array_equal(second.picture, np.full((4, 6, 3), 77))


def make_hole(jpeg: Path) -> None:
    content = bytearray(jpeg.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 400] = b"\xa5" * 400
    jpeg.write_bytes(content)


def write_noise(folder: Path) -> Path:
    folder.mkdir()
    for number, picture in enumerate(noise(5, (320, 240))):
        assert cv2.imwrite(str(folder / f"{number}.jpg"), picture)
    return folder


def test_damage_that_libjpeg_conceals_is_refused_or_kept(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "a")
    whole = [frame.picture for frame in NumberedPictures(folder, FPS)]
    make_hole(folder / "2.jpg")
    with pytest.raises(
        DamagedFrameError, match=r"a: frame 2 \('2\.jpg'\) is damaged: Corrupt JPEG"
    ):
        list(NumberedPictures(folder, FPS))
    pictures = NumberedPictures(folder, FPS, keeps_damaged=True)
    kept = [frame.picture for frame in pictures]
    assert list(pictures.damaged) == [2]
    same = [np.array_equal(one, other) for one, other in zip(kept, whole, strict=True)]
    assert same == [True, True, False, True, True]


def test_an_archive_tells_which_were_damaged(tmp_path: Path) -> None:
    folder = write_noise(tmp_path / "a")
    make_hole(folder / "3.jpg")
    with pytest.raises(InputError, match="damaged_frames: keep stores damaged frames"):
        extract_frames(folder, tmp_path / "a.zip", jpeg_quality=90)
    facts = extract_frames(folder, tmp_path / "a.zip", jpeg_quality=90, damaged_frames="keep")
    assert facts.damaged_frames == (3,)


@pytest.mark.parametrize("ending", ["tif", "png", "webp"])
def test_a_file_of_several_pictures_is_refused(tmp_path: Path, ending: str) -> None:
    (tmp_path / "a").mkdir()
    first, *others = (Image.new("RGB", (60, 40), (50 * number,) * 3) for number in range(3))
    first.save(tmp_path / "a" / f"1.{ending}", save_all=True, append_images=others)
    with pytest.raises(InputError, match=rf"expected one picture in each file.*1\.{ending}"):
        list(NumberedPictures(tmp_path / "a", FPS))

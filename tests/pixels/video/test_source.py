"""A folder of numbered pictures is worth as much as the video of the same frames."""

import zipfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from tiny_videos import coded_picture, read_code, write_coded_video, write_video

from vigil.pixels.frames import FACTS_NAME, FrameArchive, extract_frames
from vigil.pixels.video.numbered import NumberedPictures
from vigil.pixels.video.reading import VideoReader
from vigil.pixels.video.source import frame_bgr, open_source
from vigil.plumbing.errors import InputError

FPS = Fraction(10)


def both(tmp_path: Path, num_frames: int = 12, fps: Fraction = FPS) -> tuple[Path, Path]:
    """A folder, and a video without loss of the same pictures."""
    rng = np.random.default_rng(0)
    pictures = [
        np.maximum(coded_picture(number, (64, 48)), rng.integers(0, 60, (48, 64, 3), np.uint8))
        for number in range(num_frames)
    ]
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, picture in enumerate(pictures):
        assert cv2.imwrite(str(folder / f"{number}.png"), picture)
    return folder, write_video(tmp_path / "video.apng", pictures, fps=fps)


def test_a_folder_and_a_file_are_opened_as_what_they_are(tmp_path: Path) -> None:
    folder, video = both(tmp_path)
    assert isinstance(open_source(folder, FPS), NumberedPictures)
    assert isinstance(open_source(video, Fraction(3)), VideoReader)
    for source in (open_source(folder, FPS), open_source(video, Fraction(3), 1)):
        frames = [(read_code(frame_bgr(frame)), frame.time) for frame in source]
        assert frames == [(number, pytest.approx(number / 10)) for number in range(12)]
        assert (source.fps, source.is_variable_rate) == (FPS, False)


@pytest.mark.parametrize("fps", [Fraction(10), Fraction(25)])
def test_frames_of_a_folder_are_stored_as_those_of_a_video_byte_by_byte(tmp_path, fps) -> None:
    """All but the unit in which stamps are counted, which a video file picks itself."""
    folder, video = both(tmp_path, fps=fps)
    of_folder = extract_frames(folder, tmp_path / "a.zip", jpeg_quality=90, picture_fps=fps)
    of_video = extract_frames(video, tmp_path / "b.zip", jpeg_quality=90, picture_fps=Fraction(1))
    assert replace(of_folder, stamps=None) == replace(of_video, stamps=None)
    assert of_folder.shown_s() == pytest.approx(of_video.shown_s())
    assert (of_folder.size_wh, of_folder.num_frames, of_folder.fps) == ((64, 48), 12, fps)
    with zipfile.ZipFile(tmp_path / "a.zip") as first, zipfile.ZipFile(tmp_path / "b.zip") as other:
        assert first.namelist() == other.namelist()
        for name in set(first.namelist()) - {FACTS_NAME}:
            assert first.read(name) == other.read(name)


def test_an_archive_of_a_folder_holds_its_facts_and_frames(tmp_path: Path) -> None:
    folder, _ = both(tmp_path, num_frames=40)  # more than wait at a time
    rate = Fraction(30000, 1001)
    facts = extract_frames(folder, tmp_path / "a.zip", jpeg_quality=95, picture_fps=rate)
    with FrameArchive(tmp_path / "a.zip") as archive:
        assert archive.facts == facts
        assert facts.fps == rate
        assert not facts.is_variable_rate
        assert [read_code(archive.bgr(index)) for index in range(40)] == list(range(40))


def test_the_rate_of_a_file_is_its_own(tmp_path: Path) -> None:
    video = write_coded_video(tmp_path / "a.mp4", 12)
    for picture_fps in (Fraction(1), Fraction(25)):
        archive = tmp_path / f"{picture_fps}.zip"
        facts = extract_frames(video, archive, jpeg_quality=90, picture_fps=picture_fps)
        assert facts.fps == FPS


@pytest.mark.parametrize("name", ["none", "empty"])
def test_nothing_is_no_video(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="expected"):
        extract_frames(tmp_path / name, tmp_path / "a.zip", jpeg_quality=90)

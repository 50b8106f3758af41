import shutil
import zipfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import pytest
from conftest import NUM_FRAMES, SIZE_WH, VIDEOS, Outcome, Project
from tiny_videos import (
    coded_picture,
    cut_off,
    damage_packet,
    noise,
    read_code,
    write_coded_video,
    write_video,
    write_with_b_frames,
)

from vigil.pixels.frames import FrameArchive

Run = Callable[..., Outcome]


def archives(project: Project) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (project.folder / "data/frames").iterdir()}


def clear(project: Project) -> None:
    """As DVC does before it runs a stage."""
    shutil.rmtree(project.folder / "data/frames")


def test_each_listed_video_becomes_an_archive(project: Project, run_stage: Run) -> None:
    outcome = run_stage(project, "extract_frames")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert archives(project).keys() == {f"{video}.zip" for video in VIDEOS}
    for video in VIDEOS:
        with FrameArchive(project.folder / f"data/frames/{video}.zip") as archive:
            assert archive.facts.size_wh == SIZE_WH
            assert archive.facts.num_frames == NUM_FRAMES
            assert archive.facts.fps == Fraction(10)


def test_only_listed_videos_are_decoded(project: Project, run_stage: Run) -> None:
    cut_off(project.video("door_2.webm"), 0.3)
    project.set_params("dataset", videos=["door_1.mp4", "door_3.avi"])
    assert run_stage(project, "extract_frames").code == 0
    assert archives(project).keys() == {"door_1.mp4.zip", "door_3.avi.zip"}


def test_two_runs_in_two_places_give_the_same_bytes(
    project: Project, tmp_path: Path, run_stage: Run
) -> None:
    other = Project(tmp_path / "other")
    shutil.copytree(project.folder, other.folder)
    for place in (project, other):
        assert run_stage(place, "extract_frames").code == 0
    assert archives(project) == archives(other)


def test_another_video_costs_that_video_alone_and_one_less_leaves_no_trace(
    project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    import vigil.pixels.video.source

    decoded = []

    class Watched(vigil.pixels.video.source.VideoReader):
        def __init__(self, path: Path, *args: Any, **options: Any) -> None:
            decoded.append(path.name)
            super().__init__(path, *args, **options)

    monkeypatch.setattr(vigil.pixels.video.source, "VideoReader", Watched)
    project.set_params("dataset", videos=["door_1.mp4", "door_2.webm"])
    run_stage(project, "extract_frames")
    assert decoded == ["door_1.mp4", "door_2.webm"]
    before = archives(project)
    clear(project)
    project.set_params("dataset", videos=["door_3.avi", "door_1.mp4"])
    assert run_stage(project, "extract_frames").code == 0
    assert decoded == ["door_1.mp4", "door_2.webm", "door_3.avi"]
    after = archives(project)
    assert after.keys() == {"door_1.mp4.zip", "door_3.avi.zip"}
    assert after["door_1.mp4.zip"] == before["door_1.mp4.zip"]
    # Other content under a known name is another video.
    clear(project)
    write_coded_video(project.video("door_1.mp4"), 5)
    run_stage(project, "extract_frames")
    assert decoded[3:] == ["door_1.mp4"]
    clear(project)
    project.set_params("extract_frames", jpeg_quality=50)
    run_stage(project, "extract_frames")
    assert decoded[4:] == ["door_3.avi", "door_1.mp4"]


def test_a_failure_keeps_what_was_done_before_it(
    project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = project.video("door_2.webm").read_bytes()
    cut_off(project.video("door_2.webm"), 0.5)
    assert run_stage(project, "extract_frames").code == 1
    assert not (project.folder / "data/frames").exists()
    project.video("door_2.webm").write_bytes(good)
    assert run_stage(project, "extract_frames").code == 0
    assert len(list((project.folder / ".vigil/memo/frames").iterdir())) == 3


@pytest.mark.parametrize(
    "name", ["the door (1).mp4", "東.mp4", "two.dots.mp4", "-x.mp4", "NOENDING"]
)
def test_unusual_names(project: Project, run_stage: Run, name: str) -> None:
    shutil.copyfile(project.video("door_1.mp4"), project.video(name))
    project.set_params("dataset", videos=[name])
    outcome = run_stage(project, "extract_frames")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert archives(project).keys() == {f"{name}.zip"}


def test_frames_are_stored_at_the_given_quality(project: Project, run_stage: Run) -> None:
    project.set_params("dataset", videos=["door_1.mp4"])
    project.set_params("extract_frames", jpeg_quality=10)
    run_stage(project, "extract_frames")
    with zipfile.ZipFile(project.folder / "data/frames/door_1.mp4.zip") as file:
        low = file.getinfo("000000.jpg").file_size
    clear(project)
    project.set_params("extract_frames", jpeg_quality=100)
    run_stage(project, "extract_frames")
    with zipfile.ZipFile(project.folder / "data/frames/door_1.mp4.zip") as file:
        assert file.getinfo("000000.jpg").file_size > 2 * low


def write_numbered(folder: Path, num_frames: int, first: int = 0) -> None:
    folder.mkdir(parents=True)
    for number in range(num_frames):
        picture = coded_picture(number, (64, 48))
        assert cv2.imwrite(str(folder / f"{first + number:04d}.png"), picture)


def test_a_folder_of_numbered_pictures_is_a_video(project: Project, run_stage: Run) -> None:
    write_numbered(project.video("gate"), 7, first=3)
    (project.video("gate") / ".hidden").write_text("no frame")
    project.set_params("dataset", videos=["gate", "door_1.mp4"], picture_fps=12.5)
    outcome = run_stage(project, "extract_frames")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "warning: pictures numbered from neither 0 nor 1: gate; frame 0 is the first picture, "
        "whatever its number\n"
    )
    assert archives(project).keys() == {"gate.zip", "door_1.mp4.zip"}
    with FrameArchive(project.folder / "data/frames/gate.zip") as archive:
        assert archive.facts.size_wh == (64, 48)
        assert (archive.facts.num_frames, archive.facts.fps) == (7, Fraction(25, 2))
        assert [read_code(archive.bgr(index)) for index in range(7)] == list(range(7))


def test_the_rate_of_pictures_is_work_for_these_alone(project: Project, run_stage: Run) -> None:
    write_numbered(project.video("gate"), 3)
    project.set_params("dataset", videos=["gate", "door_1.mp4"])
    outcome = run_stage(project, "extract_frames")
    assert (outcome.code, outcome.stdout) == (0, "")
    before = archives(project)
    clear(project)
    project.set_params("dataset", picture_fps=10.0)
    assert run_stage(project, "extract_frames").code == 0
    after = archives(project)
    assert after["door_1.mp4.zip"] == before["door_1.mp4.zip"]
    assert after["gate.zip"] != before["gate.zip"]
    assert len(list((project.folder / ".vigil/memo/frames").iterdir())) == 3


BAD_PICTURES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a gap": (
        lambda folder: (folder / "0001.png").unlink(),
        "videos/gate: expected consecutive numbers, got 2 after 0",
    ),
    "another file": (
        lambda folder: (folder / "notes.txt").write_text("x"),
        "videos/gate: expected numbered pictures (000000.jpg, 000001.jpg …), got notes.txt",
    ),
    "names of two kinds": (
        lambda folder: (folder / "0003.png").rename(folder / "a0003.png"),
        "videos/gate: expected names of one kind, got <number>.png, a<number>.png",
    ),
    "a number twice": (
        lambda folder: shutil.copy(folder / "0003.png", folder / "3.png"),
        "videos/gate: expected each number once, got 5 names for 4 numbers",
    ),
    "a picture of another size": (
        lambda folder: cv2.imwrite(str(folder / "0002.png"), coded_picture(2, (48, 64))),
        "videos/gate: expected pictures of 64x48, got 48x64 in '0002.png'",
    ),
    "a picture that is none": (
        lambda folder: (folder / "0002.png").write_text("<html>"),
        "gate/0002.png: expected a picture, got 6 bytes that are not a complete picture",
    ),
    "no picture": (
        lambda folder: [path.unlink() for path in folder.iterdir()],
        "videos/gate: expected numbered pictures",
    ),
}


@pytest.mark.parametrize("case", BAD_PICTURES)
def test_bad_numbered_pictures_are_one_line(
    case: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    write_numbered(project.video("gate"), 4)
    project.set_params("dataset", videos=["gate"])
    spoil, expected = BAD_PICTURES[case]
    spoil(project.video("gate"))
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert expected in outcome.stderr


def test_damaged_frames_are_refused_or_kept_and_told(
    project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    write_video(project.video("door_3.avi"), noise(12), encoder="mjpeg")
    damage_packet(project.video("door_3.avi"), 7, b"\xff")
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert "videos/door_3.avi: frame 7 is damaged: '" in outcome.stderr
    assert outcome.stderr.endswith("; damaged_frames: keep stores damaged frames as well\n")
    project.set_params("extract_frames", damaged_frames="keep")
    for _ in range(2):  # the second time it is remembered
        outcome = run_stage(project, "extract_frames")
        assert (outcome.code, outcome.stderr) == (0, "")
        assert outcome.stdout == (
            "door_3.avi: warning: 1 of 12 frames are damaged: 7; frames that depend on them are "
            "damaged, too\n"
        )
        with FrameArchive(project.folder / "data/frames/door_3.avi.zip") as archive:
            assert archive.facts.damaged_frames == (7,)
            assert len(archive) == 12
        clear(project)


def test_gaps_and_missing_time_stamps_are_told(project: Project, run_stage: Run) -> None:
    times_s = [Fraction(n + 7 * (n > 20), 10) for n in range(40)]
    write_coded_video(project.video("door_1.mp4"), 40, times_s=times_s)
    write_with_b_frames(project.video("door_3.avi"), 30)
    project.set_params("dataset", videos=["door_1.mp4", "door_3.avi"])
    outcome = run_stage(project, "extract_frames")
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "door_1.mp4: warning: its frame rate varies: usually 0.100 s between frames, at most "
        "0.800 s, after frame 20; frames may be missing there\n"
        "door_3.avi: warning: it has no time stamps: its frames are taken as evenly spaced\n"
    )
    with FrameArchive(project.folder / "data/frames/door_3.avi.zip") as archive:
        assert [read_code(archive.bgr(index)) for index in range(30)] == list(range(30))
        assert archive.facts.shown_s().tolist() == pytest.approx([n / 10 for n in range(30)])


def test_a_damaged_container_is_refused_or_kept_and_told(
    project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    video = project.video("door_4.ts")
    write_coded_video(video, 40)
    video.write_bytes(video.read_bytes()[:-100])
    project.set_params("dataset", videos=["door_4.ts"])
    outcome = run_stage(project, "extract_frames")
    assert_refused(outcome, project, "extract_frames")
    assert "door_4.ts: its container is damaged, frames may be missing" in outcome.stderr
    assert "; damaged_frames: keep stores" in outcome.stderr
    project.set_params("extract_frames", damaged_frames="keep")
    outcome = run_stage(project, "extract_frames")
    assert outcome.code == 0
    assert "door_4.ts: warning: its container is damaged, frames may be missing" in outcome.stdout
    with FrameArchive(project.folder / "data/frames/door_4.ts.zip") as archive:
        assert archive.facts.container_damage == ("88 bytes of a last packet of 188",)

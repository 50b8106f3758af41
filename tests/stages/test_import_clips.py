"""The windows of clips and videos, and what is known of each, through the stage's script."""

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import Outcome, Project, files_of
from tiny_clips import write_clip, write_clips
from tiny_videos import coded_picture, cut_off, write_coded_video

from vigil.domain.clips.evidence.embeddings import read_embeddings
from vigil.domain.clips.windows import KEYS, read_labels, read_windows

Run = Callable[..., Outcome]
STAGE = "import_clips"
HEADER = "video,start_frame,stop_frame,label\n"


@pytest.fixture(scope="session")
def some_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clips(tmp_path_factory.mktemp("some_clips"), 2)


@pytest.fixture
def project(untouched_project: Project, some_clips: Path, tmp_path: Path) -> Project:
    """Two clips of each of four classes."""
    project = Project(tmp_path / "project")
    shutil.copytree(some_clips, project.folder / "scene/clips")
    project.write_params(untouched_project.params)
    project.set_params(
        "dataset", clips="scene/clips", anomalous_classes=["dash"], clip_group_pattern=r"_(g\d+)_"
    )
    return project


@pytest.fixture
def videos(untouched_project: Project, tmp_path: Path) -> Project:
    """Two videos of 4 s and a folder of pictures of 3 s, their anomalous frames in a CSV."""
    project = Project(tmp_path / "videos")
    clips = project.folder / "scene/clips"
    (clips / "gate").mkdir(parents=True)
    write_coded_video(clips / "gate/a_s1.mp4", 40)
    write_coded_video(clips / "b_s1.avi", 40)
    write_numbered(clips / "Test/Test001", 30)
    label(project, "gate/a_s1.mp4,10,30,fall\nTest/Test001,5,25,\n")
    project.write_params(untouched_project.params)
    project.set_params(
        "dataset", clips="scene/clips", clip_labels="frames.csv", anomalous_classes=[],
        clip_group_pattern="", picture_fps=10.0,
    )  # fmt: skip
    project.set_params(STAGE, window_s=1.0, stride_s=0.5)
    return project


def write_numbered(folder: Path, num_frames: int) -> None:
    folder.mkdir(parents=True)
    for number in range(num_frames):
        assert cv2.imwrite(str(folder / f"{number + 1:03d}.png"), coded_picture(number, (64, 48)))


def label(project: Project, rows: str, header: str = HEADER) -> None:
    (project.folder / "scene/clips/frames.csv").write_text(header + rows)


def tables_of(project: Project) -> pd.DataFrame:
    folder = project.folder / "data/clips"
    names = {path.name for path in folder.iterdir()}
    assert names == {"frames.csv", "labels.csv", "regions.csv", "windows.csv"}
    windows, labels = read_windows(folder / "windows.csv"), read_labels(folder / "labels.csv")
    assert windows[KEYS].equals(labels[KEYS])
    return windows.merge(labels, on=KEYS, validate="one_to_one")


def test_a_clip_of_a_class_folder_is_one_window(project: Project, run_stage: Run) -> None:
    (project.folder / "scene/clips/creep/.hidden").write_text("no clip")
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout == (
        "8 videos, 8 windows: {'creep': 2, 'dash': 2, 'rise': 2, 'stroll': 2}\n"
    )
    table = tables_of(project)
    folder = project.folder / "scene/clips"
    found = sorted(path.relative_to(folder).as_posix() for path in folder.glob("*/[!.]*"))
    assert table["video"].tolist() == table["clip"].tolist() == found
    assert table["class"].tolist() == [name.split("/")[0] for name in found]
    assert table["is_anomalous"].tolist() == [name.startswith("dash/") for name in found]
    assert set(table["source"]) == {"g00", "g01"}
    assert table["start_s"].eq(0).all()
    assert np.isinf(table["stop_s"]).all()
    assert table["digest"].nunique() == 8


def test_what_is_no_clip_of_a_class_is_left_out_and_named(project: Project, run_stage: Run) -> None:
    assert run_stage(project, STAGE).code == 0
    before = files_of(project.folder / "data/clips")
    place(project, "creep/readme.txt").write_text("x")
    place(project, "dash/LICENSE").write_text("x")
    write_numbered(place(project, "rise/deep/deeper_g00"), 3)
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert outcome.stdout.splitlines()[0] == (
        "left out, as no video by name: creep/readme.txt, dash/LICENSE, rise/deep"
    )
    assert files_of(project.folder / "data/clips") == before


def test_a_copy_within_a_class_is_no_contradiction(project: Project, run_stage: Run) -> None:
    shutil.copy(place(project, "dash/dash_g00_c1.mkv"), place(project, "dash/dash_g00_c9.mkv"))
    assert run_stage(project, STAGE).code == 0


def number_from(folder: Path, first: int) -> None:
    """Numbers the pictures of a folder, which start at 1, from another number."""
    for path in sorted(folder.iterdir(), reverse=True):
        path.rename(folder / f"{int(path.stem) - 1 + first:04d}.png")


@pytest.mark.parametrize(("first", "is_told"), [(0, False), (1, False), (2, True), (10, True)])
def test_a_clip_whose_pictures_start_late_is_named(
    first: int, is_told: bool, project: Project, run_stage: Run
) -> None:
    write_numbered(place(project, "rise/rise_g07_c1"), 20)
    number_from(place(project, "rise/rise_g07_c1"), first)
    outcome = run_stage(project, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    expected = (
        "warning: pictures numbered from neither 0 nor 1: rise/rise_g07_c1; frame 0 is the first "
        "picture, whatever its number\n"
    )
    assert outcome.stdout.startswith(expected) == is_told


def test_a_video_without_labels_may_start_late_and_is_named(
    videos: Project, run_stage: Run
) -> None:
    number_from(place(videos, "Test/Test001"), 10)
    label(videos, "gate/a_s1.mp4,10,30,fall\n")
    outcome = run_stage(videos, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    assert "warning: pictures numbered from neither 0 nor 1: Test/Test001; " in outcome.stdout


def test_a_clip_may_be_cut_into_equal_parts(project: Project, run_stage: Run) -> None:
    project.set_params(STAGE, num_windows=4)
    assert run_stage(project, STAGE).code == 0
    table = tables_of(project)
    assert table["video"].value_counts().eq(4).all()
    assert len(table) == 32
    assert table["clip"].equals(table["video"])
    for _, own in table.groupby("video"):
        assert own["start_s"].tolist() == [0.0, 0.4, 0.8, 1.2]
        assert own["stop_s"].tolist() == [0.4, 0.8, 1.2, 1.6]


def test_a_clip_may_be_a_folder_of_numbered_pictures(project: Project, run_stage: Run) -> None:
    write_numbered(project.folder / "scene/clips/rise/rise_g07_c1", 20)
    project.set_params("dataset", picture_fps=5.0)
    project.set_params(STAGE, num_windows=2)
    assert run_stage(project, STAGE).code == 0
    own = tables_of(project).query("video == 'rise/rise_g07_c1'")
    assert own["start_s"].tolist() == [0.0, 2.0]
    assert own["stop_s"].tolist() == [2.0, 4.0]
    assert own["source"].tolist() == ["g07", "g07"]
    project.set_params("embed_clips", channels=["motion_histogram"])
    outcome = run_stage(project, "embed_clips")
    assert (outcome.code, outcome.stderr) == (0, "")
    own = read_embeddings(project.folder / "data/embeddings")["motion_histogram"]
    assert len(own.index) == len(own.pieces) == 18


def test_labelled_frames_give_labelled_windows(videos: Project, run_stage: Run) -> None:
    outcome = run_stage(videos, STAGE)
    assert (outcome.code, outcome.stderr) == (0, "")
    table = tables_of(videos)
    assert list(table["video"].unique()) == ["Test/Test001", "b_s1.avi", "gate/a_s1.mp4"]
    fall = table[table["video"] == "gate/a_s1.mp4"]
    assert fall["start_s"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0]
    assert (fall["stop_s"] - fall["start_s"]).eq(1.0).all()
    # Frames 10 to 29 are labelled; a window is anomalous with at least half of its ten.
    assert fall["class"].tolist() == ["normal", *["fall"] * 5, "normal"]
    assert fall["is_anomalous"].tolist() == [False, *[True] * 5, False]
    assert fall["clip"].tolist() == [f"gate/a_s1.mp4@{at:.2f}" for at in fall["start_s"]]
    assert not table.loc[table["video"] == "b_s1.avi", "is_anomalous"].any()
    pictures = table[table["video"] == "Test/Test001"]
    assert pictures["class"].tolist() == [*["anomalous"] * 5]
    assert pictures["start_s"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0]
    assert table["source"].equals(table["video"])
    assert outcome.stdout == ("3 videos, 19 windows: {'normal': 9, 'anomalous': 5, 'fall': 5}\n")


def test_how_much_of_a_window_must_be_labelled_is_a_choice(videos: Project, run_stage: Run) -> None:
    counts = []
    for fraction in (0.01, 0.5, 1.0):
        videos.set_params(STAGE, min_anomalous_fraction=fraction)
        assert run_stage(videos, STAGE).code == 0
        fall = tables_of(videos).query("video == 'gate/a_s1.mp4'")
        counts.append(int((fall["class"] == "fall").sum()))
        assert int(fall["is_anomalous"].sum()) == 5
    assert counts == [5, 5, 3]


def test_the_last_window_ends_with_the_video(videos: Project, run_stage: Run) -> None:
    videos.set_params(STAGE, window_s=1.5, stride_s=1.0)
    assert run_stage(videos, STAGE).code == 0
    own = tables_of(videos).query("video == 'b_s1.avi'")
    assert own["start_s"].tolist() == [0.0, 1.0, 2.0, 2.5]
    assert own["stop_s"].tolist() == [1.5, 2.5, 3.5, 4.0]


def test_masks_and_hidden_files_are_no_videos(videos: Project, run_stage: Run) -> None:
    assert run_stage(videos, STAGE).code == 0
    before = files_of(videos.folder / "data/clips")
    before.pop("regions.csv")
    frames = pd.read_csv(videos.folder / "data/clips/frames.csv")
    assert not frames["is_masked"].any()
    before.pop("frames.csv")
    clips = videos.folder / "scene/clips"
    write_numbered(clips / "Test/Test001_gt", 30)
    (clips / ".DS_Store").write_text("x")
    (clips / "Thumbs.db").write_text("x")
    (clips / "sides.CSV").write_text("name,side\n")
    (clips / "gate/README").write_text("x")
    outcome = run_stage(videos, STAGE)
    assert outcome.code == 0
    assert "left out, as no video by name: gate/README, sides.CSV\n" in outcome.stdout
    after = files_of(videos.folder / "data/clips")
    assert after.pop("regions.csv")
    # These masks are empty, which is different from having none.
    assert after.pop("frames.csv")
    now = pd.read_csv(videos.folder / "data/clips/frames.csv")
    assert now["is_masked"].equals(frames["video"] == "Test/Test001")
    assert now.drop(columns="is_masked").equals(frames.drop(columns="is_masked"))
    assert after == before


def test_all_windows_of_a_video_are_split_to_one_side_and_scored_one_by_one(
    videos: Project, untouched_project: Project, run_stage: Run
) -> None:
    shutil.copytree(untouched_project.folder / "splits", videos.folder / "splits")
    for number in range(3):
        write_coded_video(videos.folder / f"scene/clips/c{number}.mp4", 30 + number)
    assert run_stage(videos, STAGE).code == 0
    outcome = run_stage(videos, "split_alarm")
    assert (outcome.code, outcome.stderr) == (0, "")
    table = tables_of(videos)
    sides = {}
    for side in ("train", "val", "test"):
        names = pd.read_json(videos.folder / f"data/splits/alarm/{side}.json")[0].tolist()
        sides.update(dict.fromkeys(names, side))
    assert sides.keys() == set(table["video"])
    # A video with an anomalous window is not learnt from.
    assert {sides[name] for name in table.loc[table["is_anomalous"], "video"]} == {"test"}


def test_two_runs_give_the_same_bytes(videos: Project, project: Project, run_stage: Run) -> None:
    for one in (videos, project):
        found = []
        for _ in range(2):
            assert run_stage(one, STAGE).code == 0
            found.append(files_of(one.folder / "data/clips"))
        assert found[0] == found[1]


def test_other_labels_of_frames_leave_the_windows_as_they_are(
    videos: Project, run_stage: Run
) -> None:
    assert run_stage(videos, STAGE).code == 0
    folder = videos.folder / "data/clips"
    windows, labels = ((folder / name).read_bytes() for name in ("windows.csv", "labels.csv"))
    label(videos, "b_s1.avi,0,40,fight\n")
    assert run_stage(videos, STAGE).code == 0
    assert (folder / "windows.csv").read_bytes() == windows
    assert (folder / "labels.csv").read_bytes() != labels


def test_other_anomalous_classes_leave_the_windows_as_they_are(
    project: Project, run_stage: Run
) -> None:
    assert run_stage(project, STAGE).code == 0
    folder = project.folder / "data/clips"
    windows, labels = ((folder / name).read_bytes() for name in ("windows.csv", "labels.csv"))
    for classes in (["rise"], ["rise", "creep"]):
        project.set_params("dataset", anomalous_classes=classes)
        assert run_stage(project, STAGE).code == 0
        assert (folder / "windows.csv").read_bytes() == windows
        assert (folder / "labels.csv").read_bytes() != labels


Change = Callable[[Project], object]


def place(project: Project, name: str) -> Path:
    return project.folder / "scene/clips" / name


BAD_FOLDERS: dict[str, tuple[Change, str]] = {
    "no folder": (
        lambda p: shutil.rmtree(place(p, "")),
        "scene/clips: expected a folder for each class of clips, found none",
    ),
    "a file among the classes": (
        lambda p: place(p, "notes.txt").write_text("x"),
        "scene/clips/notes.txt: expected a folder for each class of clips, found a file",
    ),
    "a class without clips": (
        lambda p: place(p, "new").mkdir(),
        "scene/clips/new: expected clips, found an empty folder",
    ),
    "no such class": (
        lambda p: p.set_params("dataset", anomalous_classes=["dash", "fly"]),
        "params.yaml: dataset.anomalous_classes: expected classes of creep, dash, rise, stroll, "
        "got fly",
    ),
    "no class": (
        lambda p: p.set_params("dataset", anomalous_classes=[]),
        "params.yaml: dataset.anomalous_classes: expected at least one class to raise the alarm, "
        "got none",
    ),
    "a pattern that is none": (
        lambda p: p.set_params("dataset", clip_group_pattern="(g"),
        "params.yaml: dataset.clip_group_pattern: expected a regular expression, got '(g': ",
    ),
    "a clip that is none, to be cut": (
        lambda p: (
            p.set_params(STAGE, num_windows=2),
            place(p, "creep/creep_g00_c1.mp4").write_text("hello"),
        ),
        "scene/clips/creep/creep_g00_c1.mp4: expected a video, got",
    ),
    "a folder of something else, to be cut": (
        lambda p: (
            p.set_params(STAGE, num_windows=2),
            place(p, "creep/x_g00_c1").mkdir(),
            place(p, "creep/x_g00_c1/door.jpg").write_text("x"),
        ),
        "scene/clips/creep/x_g00_c1: expected numbered pictures (000000.jpg, 000001.jpg …), got "
        "door.jpg",
    ),
    "a class of notes": (
        lambda p: (
            place(p, "fly").mkdir(),
            place(p, "fly/readme.txt").write_text("x"),
            place(p, "fly/deep/deeper").mkdir(parents=True),
        ),
        "scene/clips/fly: expected clips, found only deep, readme.txt",
    ),
    "a clip in two classes": (
        lambda p: shutil.copy(place(p, "dash/dash_g00_c1.mkv"), place(p, "rise/rise_g00_c9.mkv")),
        "scene/clips: expected each clip in one class, found the same content in "
        "dash/dash_g00_c1.mkv and rise/rise_g00_c9.mkv; remove the wrong one",
    ),
    "a clip in two classes that are allowed": (
        lambda p: shutil.copy(place(p, "creep/creep_g00_c1.mp4"), place(p, "rise/r_g00_c9.mp4")),
        "scene/clips: expected each clip in one class, found the same content in "
        "creep/creep_g00_c1.mp4 and rise/r_g00_c9.mp4; remove the wrong one",
    ),
    "a name that is not printable": (
        lambda p: write_clip(place(p, "creep/a\n_g00_c1.mp4"), "creep", 5),
        "scene/clips/creep: expected printable names, got 'a\\n_g00_c1.mp4'",
    ),
    "no windows": (
        lambda p: p.set_params(STAGE, num_windows=0),
        "params.yaml: import_clips.num_windows: expected a whole number from 1 to 100, got 0",
    ),
    "a stride that leaves frames out": (
        lambda p: p.set_params(STAGE, window_s=1.0, stride_s=1.1),
        "params.yaml: import_clips: expected stride_s to be at most window_s",
    ),
}


@pytest.mark.parametrize("case", BAD_FOLDERS)
def test_bad_class_folders_are_one_line(
    case: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    change, expected = BAD_FOLDERS[case]
    change(project)
    outcome = run_stage(project, STAGE)
    assert_refused(outcome, project, STAGE)
    assert expected in outcome.stderr


BAD_LABELS: dict[str, tuple[Change, str]] = {
    "no such file": (
        lambda p: place(p, "frames.csv").unlink(),
        "scene/clips/frames.csv: expected a table of anomalous frames, found no file",
    ),
    "an empty file": (
        lambda p: place(p, "frames.csv").write_text(""),
        "scene/clips/frames.csv: expected CSV, got",
    ),
    "labels of frames whose numbers are other ones": (
        lambda p: number_from(place(p, "Test/Test001"), 10),
        "scene/clips/frames.csv: Test/Test001: expected pictures numbered from 0 or 1 where rows "
        "name frames, got 10 as the first number; frame 0 is the first picture",
    ),
    "no CSV": (
        lambda p: place(p, "frames.csv").write_bytes(b"\xff\xfe\x00\x9f"),
        "scene/clips/frames.csv: expected CSV, got",
    ),
    "no column of the start": (
        lambda p: label(p, "b_s1.avi,3\n", "video,stop_frame\n"),
        "scene/clips/frames.csv: expected the columns video, start_frame, stop_frame and perhaps "
        "label, got stop_frame, video",
    ),
    "a column too many": (
        lambda p: label(p, "b_s1.avi,0,3,x,1\n", "video,start_frame,stop_frame,label,score\n"),
        "scene/clips/frames.csv: expected the columns video, start_frame, stop_frame and perhaps "
        "label, got ",
    ),
    "a cell too many": (
        lambda p: label(p, "b_s1.avi,0,3,x,1\n"),
        "scene/clips/frames.csv: expected as many cells in each row as column names, got more",
    ),
    "half a frame": (
        lambda p: label(p, "b_s1.avi,0,3,\nb_s1.avi,5,7.5,\n"),
        "scene/clips/frames.csv: line 3: expected a whole number as stop_frame, got '7.5'",
    ),
    "a negative frame": (
        lambda p: label(p, "b_s1.avi,-1,3,\n"),
        "line 2: expected a whole number as start_frame, got '-1'",
    ),
    "a range without frames": (
        lambda p: label(p, "b_s1.avi,3,3,\n"),
        "line 2: expected stop_frame (exclusive) after start_frame, got 3 and 3",
    ),
    "ranges that overlap": (
        lambda p: label(p, "b_s1.avi,5,9,a\nb_s1.avi,0,6,b\n"),
        "frames.csv: b_s1.avi: expected ranges that do not overlap, got 0 to 6 and 5 to 9",
    ),
    "a range past the end": (
        lambda p: label(p, "b_s1.avi,30,41,\n"),
        "frames.csv: b_s1.avi: expected ranges within its 40 frames, got one that ends at 41",
    ),
    "an unknown video": (
        lambda p: label(p, "a_s1.mp4,3,9,\n"),
        "frames.csv: expected videos below scene/clips (Test/Test001, b_s1.avi, gate/a_s1.mp4), "
        "got a_s1.mp4",
    ),
    "nothing anomalous": (
        lambda p: label(p, ""),
        "frames.csv: expected both normal and anomalous windows, found no anomalous one",
    ),
    "nothing normal": (
        lambda p: label(p, "b_s1.avi,0,40,\ngate/a_s1.mp4,0,40,\nTest/Test001,0,30,\n"),
        "frames.csv: expected both normal and anomalous windows, found no normal one",
    ),
    "a video shorter than a window": (
        lambda p: p.set_params(STAGE, window_s=3.5, stride_s=1.0),
        "params.yaml: import_clips.window_s: expected at most the length of each video, got 3.5 s "
        "for scene/clips/Test/Test001 of 3.00 s",
    ),
    "a video that is none": (
        lambda p: place(p, "b_s1.avi").write_text("hello"),
        "scene/clips/b_s1.avi: expected a video, got",
    ),
    "a video without its end": (
        lambda p: cut_off(place(p, "gate/a_s1.mp4"), 0.4),
        "scene/clips/gate/a_s1.mp4: ",
    ),
    "pictures with a gap": (
        lambda p: place(p, "Test/Test001/007.png").unlink(),
        "scene/clips/Test/Test001: expected consecutive numbers, got 8 after 6",
    ),
    "no videos": (
        lambda p: [
            shutil.rmtree(path) if path.is_dir() else path.unlink()
            for path in place(p, "").iterdir()
            if path.name != "frames.csv"
        ],
        "scene/clips: expected videos or folders of numbered pictures, found none",
    ),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels_of_frames_are_one_line(
    case: str, videos: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    change, expected = BAD_LABELS[case]
    change(videos)
    outcome = run_stage(videos, STAGE)
    assert_refused(outcome, videos, STAGE)
    assert expected in outcome.stderr

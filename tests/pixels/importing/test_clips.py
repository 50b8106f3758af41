"""Clips of class folders and frame-labelled videos, as one table of windows."""

import shutil
import struct
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_settings import shipped
from tiny_videos import coded_picture, write_coded_video

from vigil.domain.clip_formats.frame_labels import FrameRange
from vigil.domain.clips.windows import LABEL_DTYPES, WINDOW_DTYPES
from vigil.pixels.importing.clips import windows as module
from vigil.pixels.importing.clips.masks import read_masks
from vigil.pixels.importing.clips.windows import (
    import_class_folders,
    import_frame_labelled,
    list_videos,
)
from vigil.pixels.windows import FrameTimes, Window, read_times
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.import_clips import ImportClips

PICTURE_FPS = Fraction(10)
COLUMNS = [*WINDOW_DTYPES, *(name for name in LABEL_DTYPES if name not in WINDOW_DTYPES)]


def write_numbered(folder: Path, num_frames: int) -> Path:
    folder.mkdir(parents=True)
    for number in range(num_frames):
        assert cv2.imwrite(str(folder / f"{number:03d}.png"), coded_picture(number, (32, 24)))
    return folder


def write_clip(path: Path, num_frames: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_coded_video(path, num_frames, (32, 24))


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips")
    write_clip(folder / "walk" / "w_s1_a.mp4", 30)
    write_clip(folder / "walk" / "w_s2_a.webm", 21)
    write_numbered(folder / "run" / "r_s3_a", 12)
    (folder / "walk" / ".DS_Store").touch()
    return folder


class TestClassFolders:
    def table(self, clips: Path, anomalous: tuple[str, ...] = ("run",), **changes) -> pd.DataFrame:
        return import_class_folders(
            clips,
            shipped(ImportClips, **changes),
            anomalous_classes=anomalous,
            group_pattern=r"_(s\d+)_",
            picture_fps=PICTURE_FPS,
        ).windows

    def test_a_clip_is_one_window_whatever_its_length(self, clips: Path, monkeypatch) -> None:
        monkeypatch.setattr(module, "read_times", None)  # and nothing is decoded to tell
        table = self.table(clips, num_windows=1)
        assert set(table.columns) == set(COLUMNS)
        assert table["video"].tolist() == ["run/r_s3_a", "walk/w_s1_a.mp4", "walk/w_s2_a.webm"]
        assert table["clip"].equals(table["video"])
        assert table["class"].tolist() == ["run", "walk", "walk"]
        assert table["is_anomalous"].tolist() == [True, False, False]
        assert table["source"].tolist() == ["s3", "s1", "s2"]
        assert table["start_s"].tolist() == [0.0] * 3
        assert table["stop_s"].tolist() == [np.inf] * 3
        assert table["digest"].str.fullmatch("[0-9a-f]{64}").all()
        assert table["digest"].is_unique

    @pytest.mark.parametrize("num", [2, 3, 7])
    def test_several_windows_part_each_clip_evenly(self, clips: Path, num: int) -> None:
        table = self.table(clips, num_windows=num)
        assert len(table) == 3 * num
        for video, own in table.groupby("video"):
            times = read_times(clips / str(video), PICTURE_FPS)
            spans = list(own[["start_s", "stop_s"]].itertuples(index=False, name=None))
            assert spans[0][0] == 0
            assert spans[-1][1] == pytest.approx(times.duration_s, abs=1e-6)
            assert all(before[1] == after[0] for before, after in pairwise(spans))
            counts = [len(times.frames_of(Window(*span))) for span in spans]
            assert sum(counts) == len(times.seconds)
            assert max(counts) - min(counts) <= 1
            for name in ("clip", "class", "is_anomalous", "source", "digest"):
                assert own[name].nunique() == 1

    def test_other_anomalous_classes_change_labels_alone(self, clips: Path) -> None:
        first, second = self.table(clips), self.table(clips, anomalous=("walk",))
        same = [name for name in COLUMNS if name != "is_anomalous"]
        pd.testing.assert_frame_equal(first[same], second[same])
        assert (first["is_anomalous"] != second["is_anomalous"]).all()

    def test_what_is_wrong_with_classes_is_said(self, clips: Path) -> None:
        with pytest.raises(FieldError, match=r"^anomalous_classes: .* got fly$"):
            self.table(clips, anomalous=("fly",))

    def test_a_clip_that_cannot_be_cut_is_said(self, tmp_path: Path) -> None:
        write_clip(tmp_path / "walk" / "w_s1_a.mp4", 4)
        (tmp_path / "run" / "r_s1_a").mkdir(parents=True)
        (tmp_path / "run" / "r_s1_a" / "door.jpg").touch()
        with pytest.raises(InputError, match="r_s1_a: expected numbered pictures"):
            self.table(tmp_path, num_windows=2)


def write_labels(folder: Path, *rows: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "labels.csv"
    file.write_text("\n".join(["video,start_frame,stop_frame,label", *rows]) + "\n")
    return file


FALL = "Test/Test001,15,30,fall"


def imported(folder: Path, labels: Path, group_pattern: str = "", **changes: Any) -> pd.DataFrame:
    told = {"window_s": 1.0, "stride_s": 0.5, "min_anomalous_fraction": 0.5, **changes}
    return import_frame_labelled(
        folder,
        labels,
        list_videos(folder, labels).videos,
        shipped(ImportClips, **told),
        group_pattern=group_pattern,
        picture_fps=PICTURE_FPS,
    ).windows


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files, and folders of numbered pictures with masks beside, at 10 frames a second."""
    folder = tmp_path_factory.mktemp("videos")
    write_clip(folder / "Train" / "cam1_a.mp4", 30)
    write_numbered(folder / "Test" / "Test001", 42)
    write_numbered(folder / "Test" / "Test001_gt", 42)
    (folder / "Test" / ".cache").mkdir()
    (folder / "Test" / "Thumbs.db").touch()
    return folder


class TestFrameLabelled:
    def test_windows_slide_to_the_end_and_labels_go_by_share(
        self, folder: Path, tmp_path: Path
    ) -> None:
        table = imported(folder, write_labels(tmp_path, FALL))
        assert set(table.columns) == set(COLUMNS)
        assert table["video"].unique().tolist() == ["Test/Test001", "Train/cam1_a.mp4"]
        own = table[table["video"] == "Test/Test001"]
        starts = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.2]  # the last one up to the end, at 4.2 s
        assert own["start_s"].tolist() == starts
        assert own["stop_s"].tolist() == pytest.approx([start + 1 for start in starts])
        shares = [0, 0, 5, 10, 10, 5, 0, 0]  # of ten frames
        expected = ["fall" if share >= 5 else "normal" for share in shares]
        assert own["class"].tolist() == expected
        assert own["is_anomalous"].tolist() == [name == "fall" for name in expected]
        assert own["clip"].tolist() == [f"Test/Test001@{start:.2f}" for start in starts]
        assert table["clip"].is_unique
        other = table[table["video"] != "Test/Test001"]
        assert other["start_s"].tolist() == [0, 0.5, 1, 1.5, 2]
        assert not other["is_anomalous"].any()
        assert table.groupby("video")["digest"].nunique().tolist() == [1, 1]
        assert table["source"].equals(table["video"])

    def test_a_pattern_names_the_source(self, folder: Path, tmp_path: Path) -> None:
        table = imported(folder, write_labels(tmp_path, FALL), group_pattern=r"cam\d|Test")
        assert table["source"].unique().tolist() == ["Test", "cam1"]

    def test_masks_hidden_files_and_labels_are_no_videos(
        self, folder: Path, tmp_path: Path
    ) -> None:
        found = list_videos(folder, write_labels(tmp_path, FALL)).videos
        assert found == ["Test/Test001", "Train/cam1_a.mp4"]

    def test_masks_of_anomalies_may_hold_folders_too(self, tmp_path: Path) -> None:
        write_numbered(tmp_path / "a", 3)
        write_numbered(tmp_path / "all_gt" / "a", 3)
        write_numbered(tmp_path / "b_gt", 3)
        write_numbered(tmp_path / "a_gt", 3)
        found = list_videos(tmp_path, write_labels(tmp_path))
        assert found.videos == ["a"]
        assert found.notes == ["all_gt", "b_gt"]

    def test_two_folders_of_masks_are_refused(self, tmp_path: Path) -> None:
        for name in ("b.mp4_gt", "b_gt"):
            write_numbered(tmp_path / name, 3)
        (tmp_path / "b.mp4").touch()
        with pytest.raises(InputError, match=r"one folder of masks, found b\.mp4_gt, b_gt"):
            list_videos(tmp_path, write_labels(tmp_path))

    @pytest.mark.parametrize(
        "name",
        [
            *("a_mask", "a_masks", "a_GT", "a_Gt", "a-gt", "a.gt", "A_gt", "a_label", "a_labels"),
            *("a_groundtruth", "a_ground_truth", "a Ground Truth", "a_annotations", "b_mask"),
            *("b.mp4_GT", "b.mp4-masks"),
        ],
    )
    def test_masks_under_another_name_are_refused(self, tmp_path: Path, name: str) -> None:
        """They would be one more normal video."""
        write_numbered(tmp_path / "a", 3)
        (tmp_path / "b.mp4").touch()
        write_numbered(tmp_path / name, 3)
        with pytest.raises(InputError, match=r"rename it to [ab]_gt if it holds masks") as error:
            list_videos(tmp_path, write_labels(tmp_path / "labels"))
        assert str(tmp_path / name) in str(error.value)

    @pytest.mark.parametrize(
        "name",
        [
            *("gt/a", "masks/A", "ground_truth/a", "Test/masks_pixel/a", "test_Labels/x/a", "gt/b"),
            "gt/a_mask",
        ],
    )
    def test_masks_in_a_tree_of_their_own_are_refused(self, tmp_path: Path, name: str) -> None:
        write_numbered(tmp_path / "Test" / "a", 3)
        (tmp_path / "Test" / "b.mp4").touch()
        write_numbered(tmp_path / name, 3)
        with pytest.raises(InputError, match=r"move it to Test/[ab]_gt if it holds masks") as error:
            list_videos(tmp_path, write_labels(tmp_path / "labels"))
        assert str(tmp_path / name) in str(error.value)

    @pytest.mark.parametrize(
        ("name", "places"),
        [("masks/Test/a", "Test/a_gt"), ("gt/a", "Test/a_gt or Train/a_gt")],
    )
    def test_of_several_videos_the_one_in_the_same_folders_is_named(
        self, tmp_path: Path, name: str, places: str
    ) -> None:
        for video in ("Test/a", "Train/a", name):
            write_numbered(tmp_path / video, 3)
        with pytest.raises(InputError, match=f"move it to {places} if it holds masks"):
            list_videos(tmp_path, write_labels(tmp_path / "labels"))

    def test_a_tree_of_other_videos_is_one_of_videos_whatever_its_name(
        self, tmp_path: Path
    ) -> None:
        names = ["Test/a", "Train/a", "agt/a", "gt/c", "masks_2024/people"]
        for name in names:
            write_numbered(tmp_path / name, 3)
        (tmp_path / "gt" / "a.mp4").touch()
        found = list_videos(tmp_path, write_labels(tmp_path / "labels"))
        assert found.videos == sorted([*names, "gt/a.mp4"])

    def test_a_folder_without_pictures_is_a_note_whatever_its_name(self, tmp_path: Path) -> None:
        """Boxes of each frame as text, for example: it would be no video in any case."""
        (tmp_path / "cam.mp4").touch()
        write_numbered(tmp_path / "Test" / "a", 3)
        notes = ["Test_annotations/a.xml", "cam_labels/1.txt", "cam_labels/2.txt"]
        for note in notes:
            (tmp_path / note).parent.mkdir(exist_ok=True)
            (tmp_path / note).touch()
        found = list_videos(tmp_path, write_labels(tmp_path / "x"))
        assert (found.videos, found.notes) == (["Test/a", "cam.mp4"], notes)

    def test_names_that_begin_as_another_are_videos(self, tmp_path: Path) -> None:
        names = ["cam_1", "cam_1_b", "cam_1_gate", "cam_1mask", "cam_2_mask", "gt", "label", "mask"]
        for name in names:
            write_numbered(tmp_path / name, 3)
        (tmp_path / "cam_1_mask.mp4").touch()  # a file: people in masks, perhaps
        found = list_videos(tmp_path, write_labels(tmp_path / "labels"))
        assert found.videos == sorted([*names, "cam_1_mask.mp4"])

    def test_names_that_differ_in_letter_case_have_their_own_masks(self, tmp_path: Path) -> None:
        for name in ("cam", "Cam", "cam_gt", "Cam_gt"):
            write_numbered(tmp_path / name, 3)
        assert list_videos(tmp_path, write_labels(tmp_path / "x")).videos == ["Cam", "cam"]

    def test_videos_lie_at_any_depth_and_come_sorted(self, tmp_path: Path) -> None:
        for name in ("z.avi", "b/deep/er/a.mp4", "b/a.mp4", "b/c.webm", "a/10.avi", "a/9.avi"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).touch()
        write_numbered(tmp_path / "b" / "d", 2)
        labels = write_labels(tmp_path / "b")
        assert list_videos(tmp_path, labels).videos == [
            *("a/10.avi", "a/9.avi", "b/a.mp4", "b/c.webm", "b/d", "b/deep/er/a.mp4", "z.avi"),
        ]

    def test_no_video_is_refused(self, tmp_path: Path) -> None:
        labels = write_labels(tmp_path)
        (tmp_path / "empty" / "er").mkdir(parents=True)
        (tmp_path / ".hidden.avi").touch()
        with pytest.raises(InputError, match="expected videos or folders of numbered pictures"):
            list_videos(tmp_path, labels)

    @pytest.mark.parametrize(
        ("row", "expected"),
        [
            (
                "Test/Test001,30,43,fall",
                r"labels\.csv: Test/Test001: .* its 42 frames, got one that ends at",
            ),
            ("Test/Test002,1,2,fall", r"labels\.csv: expected videos below .* got Test/Test002"),
            ("Test001,1,2,fall", r"labels\.csv: expected videos below .* got Test001"),
            ("Test/Test001_gt,1,2,fall", "got Test/Test001_gt"),
            (
                "Test/Test001,0,1,fall",
                "expected both normal and anomalous windows, found no anomalous one",
            ),
        ],
    )
    def test_labels_that_do_not_fit_are_refused(self, folder, tmp_path, row, expected) -> None:
        with pytest.raises(InputError, match=expected):
            imported(folder, write_labels(tmp_path, row))

    def test_a_label_up_to_the_last_frame_fits(self, folder: Path, tmp_path: Path) -> None:
        table = imported(folder, write_labels(tmp_path, "Test/Test001,32,42,fall"))
        assert table[table["class"] == "fall"]["start_s"].tolist() == [3.0, 3.2]

    def test_a_window_with_a_few_anomalous_frames_is_neither_normal_nor_anomalous(
        self, folder: Path, tmp_path: Path
    ) -> None:
        table = imported(folder, write_labels(tmp_path, "Test/Test001,12,27,fall"))
        own = table[table["video"] == "Test/Test001"]
        # Of ten frames from 0, 5, 10 and so on, these are labelled: 0, 3, 8, 10, 7, 2, 0, 0.
        mixed, normal = "normal/anomalous", "normal"
        kinds = [normal, mixed, "fall", "fall", "fall", mixed, normal, normal]
        assert own["class"].tolist() == kinds
        # Whoever learns from what is allowed does not learn from it.
        assert own["is_anomalous"].tolist() == [kind != normal for kind in kinds]

    def test_nothing_normal_is_refused(self, tmp_path: Path) -> None:
        write_numbered(tmp_path / "a", 20)
        with pytest.raises(InputError, match="normal and anomalous windows, found no normal one"):
            imported(tmp_path, write_labels(tmp_path, "a,0,20,"))

    def test_a_video_shorter_than_a_window_is_refused(self, folder: Path, tmp_path: Path) -> None:
        with pytest.raises(FieldError, match=r"^window_s: .* 3\.5 s.*cam1_a\.mp4.* 3\.00 s"):
            imported(folder, write_labels(tmp_path, FALL), window_s=3.5)

    def test_a_video_as_long_as_a_window_is_one(self, folder: Path, tmp_path: Path) -> None:
        table = imported(
            folder, write_labels(tmp_path, FALL), window_s=3.0, min_anomalous_fraction=0.1
        )
        own = table[table["video"] == "Train/cam1_a.mp4"]
        assert own[["start_s", "stop_s"]].to_numpy().tolist() == [[0.0, 3.0]]

    def test_windows_that_begin_almost_together_are_two(self, tmp_path: Path) -> None:
        """120 frames at 30000/1001 a second end at 4.004 s: the last two start at 2 and 2.004."""
        write_numbered(tmp_path / "a", 120)
        table = import_frame_labelled(
            tmp_path,
            write_labels(tmp_path, "a,0,60,"),
            ["a"],
            shipped(ImportClips, window_s=2.0, stride_s=0.5),
            group_pattern="",
            picture_fps=Fraction(30000, 1001),
        ).windows
        assert table["start_s"].tolist() == [0.0, 0.5, 1.0, 1.5, 2.0, 2.004]
        assert table["clip"].tolist()[-2:] == ["a@2.00", "a@2.004"]

    def test_a_file_that_is_no_video_is_told(self, tmp_path: Path) -> None:
        write_numbered(tmp_path / "a", 20)
        (tmp_path / "broken.mp4").write_text("hello")
        with pytest.raises(InputError, match=r"broken\.mp4: expected a video"):
            imported(tmp_path, write_labels(tmp_path, "a,0,5,"))


class TestGaps:
    """Frames far apart: windows begin anew, as those of a stream."""

    TOLD = shipped(ImportClips, window_s=2.0, stride_s=0.5)

    def times(self, gap_s: float) -> FrameTimes:
        at = np.arange(60) / 10
        return FrameTimes(np.concatenate([at, at[-1] + gap_s + at]), Fraction(10))

    def test_windows_begin_anew_after_a_gap(self) -> None:
        times = self.times(4.05)
        windows = module._slide(times, self.TOLD, Path("a.mkv"))
        own = [0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 4]
        assert [one.start_s for one in windows] == pytest.approx([*own, *(9.95 + n for n in own)])
        for one in windows:
            seconds = times.seconds[list(times.frames_of(one))]
            assert len(seconds) == 20
            assert np.diff(seconds).max() < 0.2
        # There would be 29, one every 0.5 s up to 15.95 s.
        assert module.count_broken(times, self.TOLD, len(windows)) == 29 - 18

    @pytest.mark.parametrize("num_parts", [2, 3])
    def test_no_window_reaches_past_the_last_frame_of_a_part(self, num_parts: int) -> None:
        """The mean rate of a video with long gaps says nothing of the length of a frame."""
        own_s = np.arange(250) / 25
        seconds = np.concatenate([600 * part + own_s for part in range(num_parts)])
        times = FrameTimes(seconds, Fraction(len(seconds), int(seconds[-1])))
        windows = module._slide(times, self.TOLD, Path("a.mkv"))
        assert {len(times.frames_of(one)) for one in windows} == {50}
        assert max(one.stop_s for one in windows) == pytest.approx(seconds[-1] + 1 / 25)

    def test_a_gap_that_channels_bridge_is_none(self) -> None:
        times = self.times(1.0)
        windows = module._slide(times, self.TOLD, Path("a.mkv"))
        assert windows == module._grid(0.0, times.duration_s, self.TOLD)
        assert module.count_broken(times, self.TOLD, len(windows)) == 0

    def test_a_video_without_a_whole_window_is_refused(self) -> None:
        times = FrameTimes(np.arange(20) * 1.5, Fraction(2, 3))
        with pytest.raises(FieldError, match=r"at most 1 s apart, found none of 2\.0 s in a\.mkv"):
            module._slide(times, self.TOLD, Path("a.mkv"))


@st.composite
def labelled(draw: st.DrawFn) -> tuple[int, list[FrameRange]]:
    num_frames = draw(st.integers(1, 60))
    inner = st.integers(0, num_frames)
    edges = sorted(draw(st.lists(inner, max_size=8, unique=True)))
    names = st.sampled_from(["fall", "fight"])
    pairs = zip(edges[::2], edges[1::2], strict=False)
    return num_frames, [FrameRange(start, stop, draw(names)) for start, stop in pairs]


@settings(max_examples=200)
@given(labelled(), st.data(), st.sampled_from([0.01, 0.25, 0.5, 1.0]))
def test_a_label_is_that_of_most_frames_where_enough_have_one(case, data, fraction) -> None:
    """The oracle asks each frame."""
    num_frames, ranges = case
    start = data.draw(st.integers(0, num_frames - 1))
    stop = data.draw(st.integers(start + 1, num_frames))
    labels = [
        next((one.label for one in ranges if one.start_frame <= at < one.stop_frame), None)
        for at in range(start, stop)
    ]
    counts = {name: labels.count(name) for name in ("fall", "fight")}
    found = module._label(range(start, stop), ranges, fraction)
    if sum(counts.values()) == 0:
        assert found == "normal"
    elif sum(counts.values()) / len(labels) < fraction:
        assert found == "normal/anomalous"
    else:
        assert counts[found] == max(counts.values())


@settings(max_examples=200)
@given(
    num_frames=st.integers(1, 2000),
    rate=st.sampled_from([Fraction(25), Fraction(30000, 1001), Fraction(10), Fraction(3)]),
    window_s=st.floats(0.05, 20).map(lambda s: round(s, 3)),
    overlap=st.floats(0.02, 1),
)
def test_windows_cover_a_video_from_end_to_end(num_frames, rate, window_s, overlap) -> None:
    stride_s = max(0.01, round(window_s * overlap, 3))
    told = shipped(ImportClips, window_s=window_s, stride_s=min(stride_s, window_s))
    times = FrameTimes(np.arange(num_frames) / float(rate), rate)
    if times.duration_s < window_s:
        with pytest.raises(FieldError, match=r"^window_s: "):
            module._slide(times, told, Path("a.avi"))
        return
    windows = module._grid(0.0, times.duration_s, told)
    held = [one for one in windows if len(times.frames_of(one)) >= 2]
    if not held:
        with pytest.raises(FieldError, match=r"^window_s: expected .* 2 frames.* a\.avi$"):
            module._slide(times, told, Path("a.avi"))
    else:
        assert module._slide(times, told, Path("a.avi")) == held
    assert windows[0].start_s == 0
    assert windows[-1].stop_s == pytest.approx(times.duration_s, abs=2e-6)
    for before, after in pairwise(windows):
        assert 0 < after.start_s - before.start_s <= told.stride_s + 2e-6
    assert all(one.stop_s - one.start_s == pytest.approx(window_s, abs=1e-6) for one in windows)
    seen = set[int]().union(*(times.frames_of(one) for one in windows))
    assert seen == set(range(num_frames))


@pytest.mark.parametrize("kind", ["png", "tif"])
def test_masks_of_16_bits_are_refused(tmp_path: Path, kind: str) -> None:
    """Small values, as numbers of objects, would be black after scaling to 8 bits."""
    write_numbered(tmp_path / "a", 3)
    size = (24, 32)
    (tmp_path / "a_gt").mkdir()
    for dtype in (np.uint8, np.uint16):
        for number in range(3):
            mask = np.zeros(size, dtype)
            mask[2:8, 2:8] = 1
            cv2.imwrite(str(tmp_path / "a_gt" / f"{number:03}.{kind}"), mask)
        words = (tmp_path / "a_gt", tmp_path / "a", "a", 3, Fraction(25))
        if dtype == np.uint8:
            assert len(read_masks(*words)) == 3
        else:
            with pytest.raises(InputError, match=rf"000\.{kind}: expected a mask with values of 8"):
                read_masks(*words)


def write_masks(folder: Path, boxes: list[list[tuple[int, int, int, int]]], first: int = 0) -> None:
    """A mask of 32x24 px for each frame, white in its boxes."""
    folder.mkdir(parents=True)
    for number, corners in enumerate(boxes, start=first):
        mask = np.zeros((24, 32), np.uint8)
        for x1, y1, x2, y2 in corners:
            mask[y1:y2, x1:x2] = 255
        cv2.imwrite(str(folder / f"{number:03}.png"), mask)


@pytest.mark.parametrize("is_reversed", [False, True])
def test_a_body_that_loses_a_part_keeps_its_track(tmp_path: Path, is_reversed: bool) -> None:
    """Regions come from top to bottom, and the small part lies above or below the body."""
    parts = [(4, 1, 8, 4), (4, 6, 14, 20)]
    if is_reversed:
        parts = [(4, 21 - y2, 4 + x2 - x1, 21 - y1) for x1, y1, x2, y2 in parts]
    write_numbered(tmp_path / "a", 3)
    write_masks(tmp_path / "a_gt", [[(4, 1, 14, 20)], parts, parts[1:]])
    found = read_masks(tmp_path / "a_gt", tmp_path / "a", "a", 3, Fraction(25))
    large = found[found["y2"] - found["y1"] > 5]
    assert large["frame"].tolist() == [0, 1, 2]
    assert large["track"].nunique() == 1
    assert found["track"].nunique() == 2


def test_masks_that_count_from_another_frame_are_refused(tmp_path: Path) -> None:
    write_numbered(tmp_path / "a", 3)  # from 0 on
    words = (tmp_path / "a", "a", 3, Fraction(25))
    for first in (0, 1):
        write_masks(tmp_path / f"from_{first}", [[(1, 1, 9, 9)]] * 3, first)
        assert len(read_masks(tmp_path / f"from_{first}", *words)) == 3
    write_masks(tmp_path / "from_2", [[(1, 1, 9, 9)]] * 3, 2)
    with pytest.raises(InputError, match=r"from_2: expected masks that count from 0, 1, as the fr"):
        read_masks(tmp_path / "from_2", *words)
    later = tmp_path / "later"
    shutil.copytree(tmp_path / "from_2", later)
    assert len(read_masks(tmp_path / "from_2", later, "later", 3, Fraction(25))) == 3


def test_masks_that_lose_values_or_are_too_large_are_refused_at_once(tmp_path: Path) -> None:
    write_numbered(tmp_path / "a", 3)
    words = (tmp_path / "a_gt", tmp_path / "a", "a", 3, Fraction(25))
    write_masks(tmp_path / "a_gt", [[(1, 1, 9, 9)]] * 3)
    for number in range(3):
        (tmp_path / "a_gt" / f"{number:03}.png").unlink()
        mask = np.zeros((24, 32), np.uint8)
        cv2.imwrite(
            str(tmp_path / "a_gt" / f"{number:03}.webp"), mask, [cv2.IMWRITE_WEBP_QUALITY, 50]
        )
    with pytest.raises(
        InputError, match=r"000\.webp: expected a mask in a format that keeps values"
    ):
        read_masks(*words)
    for number in range(3):
        (tmp_path / "a_gt" / f"{number:03}.webp").unlink()
        header = struct.pack(">IIBBBBB", 60_000, 60_000, 16, 0, 0, 0, 0)
        (tmp_path / "a_gt" / f"{number:03}.png").write_bytes(
            b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + header + b"\0" * 8 + b"IEND\xaeB`\x82"
        )
    with pytest.raises(InputError, match="60000x60000"):
        read_masks(*words)

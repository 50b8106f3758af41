"""Attention on files: pictures and videos in, arrays, sheets and videos out, the same each time."""

import os
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from conftest import files_of
from tiny_settings import shipped
from tiny_transformers import small_sizes, use_small_sizes
from tiny_videos import write_video

from vigil.learn.attention.showing import show_attention
from vigil.learn.attention.sources import Source, find_sources
from vigil.learn.attention.viewer import Viewer
from vigil.learn.vision_transformers import opening
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.attend import Attend

FPS = Fraction(25)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    use_small_sizes(monkeypatch)
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))


def settings_of(**changes: object) -> Attend:
    least = {"network.weights": "none", "short_side_px": 24, "batch_size": 3, "step_s": 0.0}
    return shipped(Attend, **{**least, **changes})


def pictures(num: int, size_wh: tuple[int, int] = (48, 32)) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    told = []
    for number in range(num):
        picture = np.full((size_wh[1], size_wh[0], 3), 60, np.uint8)
        picture[8:20, 3 * number : 3 * number + 8] = (20, 180, 230)
        told.append(picture + rng.integers(0, 9, picture.shape, np.uint8))
    return told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "given"
    (folder / "more").mkdir(parents=True)
    cv2.imwrite(str(folder / "a.png"), pictures(1)[0])
    cv2.imwrite(str(folder / "more" / "b.jpg"), pictures(1, (40, 90))[0])
    write_video(folder / "v.mp4", pictures(8))
    return folder


def show(folder: Path, out: Path, **changes: object) -> Path:
    out.mkdir()
    paths = [folder / name for name in ("a.png", "more", "v.mp4")]
    show_attention(find_sources(paths), out, settings_of(**changes), FPS)
    return out


def test_each_source_gets_its_arrays_and_pictures(folder: Path, tmp_path: Path):
    out = show(folder, tmp_path / "out")
    own = {"attention.npy", "attention.png", "frames.csv", "vectors.npy"}
    assert {file.name for file in (out / "a.png").iterdir()} == own
    assert {file.name for file in (out / "more" / "b.jpg").iterdir()} == own
    assert {file.name for file in (out / "v.mp4").iterdir()} == own | {"attention.mp4"}
    attention = np.load(out / "v.mp4" / "attention.npy")
    assert attention.shape == (8, 3, 6, 9), "24 px of the short side are 6 patches of 4 px"
    assert attention.dtype == np.float16
    assert np.load(out / "more" / "b.jpg" / "attention.npy").shape == (1, 3, 13, 6)
    index = pd.read_csv(out / "index.csv")
    assert index["source"].tolist() == ["a.png", "more/b.jpg", *["v.mp4"] * 8]
    vectors = np.load(out / "vectors.npy")
    assert vectors.shape == (10, 24)
    assert np.array_equal(vectors[2:], np.load(out / "v.mp4" / "vectors.npy"))
    assert set(index["cluster"]) <= set(range(1, 7))
    assert (out / "clusters.png").exists()


def test_a_video_shows_three_parts_side_by_side_at_its_own_times(folder: Path, tmp_path: Path):
    out = show(folder, tmp_path / "out", step_s=0.25)
    frames = pd.read_csv(out / "v.mp4" / "frames.csv")
    with av.open(str(folder / "v.mp4")) as container:
        times = [frame.time for frame in container.decode(video=0)]
    expected = [times[at] - times[0] for at in frames["frame_index"]]
    assert frames["time_s"].tolist() == pytest.approx(expected)
    assert len(frames) < 8
    with av.open(str(out / "v.mp4" / "attention.mp4")) as container:
        shown = list(container.decode(video=0))
    assert [frame.time for frame in shown] == pytest.approx(expected, abs=1e-3)
    assert (shown[0].width, shown[0].height) == (3 * 36, 24)
    left = shown[0].to_ndarray(format="bgr24")[:, :36]
    original = cv2.resize(pictures(1)[0], (36, 24), interpolation=cv2.INTER_AREA)
    assert np.abs(left.astype(int) - original).mean() < 12


def test_the_same_again_is_the_same_to_the_byte(folder: Path, tmp_path: Path, monkeypatch):
    first = files_of(show(folder, tmp_path / "first"))
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "another state"))
    assert files_of(show(folder, tmp_path / "second")) == first


def test_a_source_is_shown_once_and_a_changed_one_again(folder: Path, tmp_path: Path, monkeypatch):
    show(folder, tmp_path / "first")
    shown = []
    look = Viewer.look
    monkeypatch.setattr(Viewer, "look", lambda *given: shown.append(1) or look(*given))
    show(folder, tmp_path / "second", num_clusters=2)
    assert not shown
    cv2.imwrite(str(folder / "a.png"), 255 - pictures(1)[0])
    show(folder, tmp_path / "third")
    assert len(shown) == 1
    show(folder, tmp_path / "fourth", seed=7)
    assert len(shown) > 1, "other random weights are another network"


def test_without_clusters_none_are_written(folder: Path, tmp_path: Path):
    out = show(folder, tmp_path / "out", num_clusters=0)
    assert not (out / "clusters.png").exists()
    assert list(pd.read_csv(out / "index.csv")) == ["source", "frame_index", "time_s"]


@pytest.mark.parametrize("size_wh", [(1, 1), (3, 200), (24, 24), (25, 61)])
def test_any_picture_becomes_whole_patches(size_wh: tuple[int, int]):
    viewer = Viewer(settings_of())
    picture = np.full((size_wh[1], size_wh[0], 3), 7, np.uint8)
    fitted = viewer.fit(picture, "x")
    assert fitted.shape[0] % 4 == fitted.shape[1] % 4 == 0
    assert min(fitted.shape[:2]) == 24
    assert viewer.look([fitted]).attention.shape[2:] == tuple(n // 4 for n in fitted.shape[:2])


def test_a_picture_of_too_many_patches_is_refused():
    with pytest.raises(InputError, match=r"x\.png: expected a picture of at most 16384 patches"):
        Viewer(settings_of()).fit(np.zeros((1, 3000, 3), np.uint8), "x.png")


def test_frames_are_the_same_in_any_batch():
    viewer = Viewer(settings_of())
    shown = [viewer.fit(one, "x") for one in pictures(3)]
    together, alone = viewer.look(shown), [viewer.look([one]) for one in shown]
    for at, one in enumerate(alone):
        np.testing.assert_allclose(one.vectors[0], together.vectors[at], atol=1e-4)
        np.testing.assert_allclose(one.attention[0], together.attention[at], atol=1e-3)
    part = viewer.look(shown[:2])
    assert np.array_equal(part.vectors, together.vectors[:2]), "a padded batch, to the bit"


def test_a_side_smaller_than_a_patch_is_a_wrong_setting(monkeypatch: pytest.MonkeyPatch):
    sizes = small_sizes()
    size = sizes["dinov2_reg_small"]
    sizes["dinov2_reg_small"] = replace(size, config={**size.config, "patch_size": 20})
    monkeypatch.setattr(opening, "SIZES", sizes)
    with pytest.raises(FieldError, match="short_side_px: expected at least a patch of 20 px"):
        Viewer(settings_of(short_side_px=16))


def test_sources_of_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "more" / ".hidden.png").touch()
    (folder / "more" / "notes.txt").write_text("of the day")
    (folder / "more" / "c.MKV").touch()
    assert find_sources([folder / "more"]) == [
        Source(f"more/{name}", folder / "more" / name) for name in ("b.jpg", "c.MKV")
    ]
    told = capsys.readouterr().out
    assert told.endswith("left out, neither pictures nor videos: notes.txt\n")
    (folder / "more" / "c.MKV").unlink()
    (folder / "more" / "notes.txt").unlink()
    assert find_sources([folder / "more"]) == [Source("more/b.jpg", folder / "more" / "b.jpg")]
    assert [one.is_picture for one in find_sources([folder / "a.png", folder / "v.mp4"])] == [
        True,
        False,
    ]


def test_a_folder_of_numbered_pictures_is_a_video(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    walk = folder / "days" / "walk.png"  # the name of a folder may end as a picture's does
    walk.mkdir(parents=True)
    for number, picture in enumerate(pictures(8)):
        cv2.imwrite(str(walk / f"{number:03}.png"), picture)
    assert find_sources([walk]) == [Source("walk.png", walk)]
    cv2.imwrite(str(folder / "days" / "other.png"), pictures(1)[0])
    (folder / "days" / "old").mkdir()
    found = find_sources([folder / "days"])
    assert [(one.name, one.is_picture) for one in found] == [
        ("days/other.png", True),
        ("days/walk.png", False),
    ]
    assert "left out, neither pictures nor videos: old\n" in capsys.readouterr().out

    out, again = tmp_path / "out", tmp_path / "again"
    out.mkdir()
    show_attention(find_sources([walk]), out, settings_of(step_s=0.1), FPS)
    assert {"attention.mp4", "attention.npy"} <= {one.name for one in (out / "walk.png").iterdir()}
    times = pd.read_csv(out / "walk.png" / "frames.csv")["time_s"]
    assert times.tolist() == pytest.approx([0.0, 3 / 25, 5 / 25])
    cv2.imwrite(str(walk / "003.png"), 255 - pictures(1)[0])
    again.mkdir()
    show_attention(find_sources([walk]), again, settings_of(step_s=0.1), FPS)
    first, second = (np.load(one / "walk.png" / "vectors.npy") for one in (out, again))
    assert np.array_equal(first[0], second[0])
    assert not np.array_equal(first[1], second[1])


def test_numbered_photographs_of_several_sizes_are_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    photographs = tmp_path / "raccoons"
    photographs.mkdir()
    for number, side in enumerate((40, 60, 40), start=1):
        cv2.imwrite(str(photographs / f"raccoon-{number}.jpg"), np.zeros((side, 50, 3), np.uint8))
    assert all(one.is_picture for one in find_sources([photographs]))
    assert capsys.readouterr().out == ""
    (photographs / "raccoon-2.jpg").unlink()
    (photographs / "raccoon-3.jpg").rename(photographs / "raccoon-2.jpg")
    assert [one.is_picture for one in find_sources([photographs])] == [False]
    assert capsys.readouterr().out.endswith("numbered pictures of one size, taken as a video\n")


def test_what_is_neither_a_picture_nor_a_video_is_left_out(
    folder: Path, capsys: pytest.CaptureFixture[str]
):
    """And nothing is waited for, as for who writes into a pipe."""
    for name in ("a.zip", "weights.pt", "x.mp4.part"):
        (folder / "more" / name).touch()
    os.mkfifo(folder / "more" / "pipe.mp4")
    (folder / "more" / "gone.mp4").symlink_to("nowhere.mp4")
    assert [one.name for one in find_sources([folder / "more"])] == ["more/b.jpg"]
    told = capsys.readouterr().out
    assert told.endswith(": a.zip, gone.mp4, pipe.mp4, weights.pt, x.mp4.part\n")


def test_a_single_numbered_picture_is_a_picture(folder: Path):
    (folder / "one").mkdir()
    cv2.imwrite(str(folder / "one" / "000.png"), pictures(1)[0])
    assert find_sources([folder / "one"])[0].is_picture


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["none.png"], "none.png': expected a picture, a video or a folder of them, found none"),
        (["empty"], "empty: expected pictures or videos in it, found none"),
        (["a.png", "a.png"], "expected sources of different names, .*more than one of a.png"),
    ],
)
def test_sources_that_are_not_there(folder: Path, names: list[str], expected: str):
    (folder / "empty").mkdir()
    with pytest.raises(InputError, match=expected):
        find_sources(folder / name for name in names)


def test_a_damaged_picture_is_told_and_nothing_is_written(folder: Path, tmp_path: Path):
    (folder / "a.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"a\.png: expected a picture, got 10 bytes"):
        show(folder, tmp_path / "out")
    assert not (tmp_path / "out" / "a.png").exists()

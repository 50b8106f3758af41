"""Whether `auto` chooses sequences or single pictures, and that it uses training pictures alone."""

import json
import zipfile
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pandas as pd
import pytest
from tiny_detectors import SIZE_WH, write_scene
from tiny_settings import GRID, shipped

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset
from vigil.learn.detector.training.assembly import Sides, plan_training, train_detector
from vigil.learn.detector.training.choosing_frames import (
    AUTO_NUM,
    FramesChoice,
    choose_frames_num,
)
from vigil.pixels.frames import extract_frames
from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture
from vigil.plumbing.errors import InputError
from vigil.settings.train_detector import TrainDetector

RATE, NUM_FRAMES = 5, 60
SPAN = 6 * RATE  # frames in the time of a whole sequence
WIDTH, HEIGHT = SIZE_WH
CLASSES = ("0", "1")


def ground(width: int, seed: int = 0) -> Picture:
    """A wall with a texture that a camera sees even if it is shrunk."""
    coarse = np.random.default_rng(seed).integers(40, 200, (HEIGHT // 6, width // 6, 3))
    return cv2.resize(coarse.astype(np.uint8), (width, HEIGHT), interpolation=cv2.INTER_CUBIC)


def film(folder: Path, name: str, *, px_per_frame: int = 0, num_frames: int = NUM_FRAMES) -> str:
    """Writes the archive of a video: a walker before a wall. The camera pans at the given speed."""
    wall = ground(WIDTH + px_per_frame * num_frames)
    with av.open(str(folder / name), "w") as file:
        stream = file.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuvj420p"
        for number in range(num_frames):
            left = px_per_frame * number
            picture = wall[:, left : left + WIDTH].copy()
            picture[20:50, number : number + 14] = (230, 40, 40)
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
    archive = folder / f"{name}.zip"
    facts = extract_frames(folder / name, archive, jpeg_quality=90)
    assert (facts.num_frames, facts.fps) == (num_frames, Fraction(RATE))
    return archive.name


def annotated(*frames: tuple[str, int]) -> AnnotatedPictures:
    """One object on each frame; (archive, frame index), or a name and -1 for a loose picture."""
    names = [f"{place}/{index:06d}.jpg" if index >= 0 else place for place, index in frames]
    images = pd.DataFrame(
        {"file_name": names, "width": WIDTH, "height": HEIGHT, "sha256": ""}
    ).assign(
        video=[place if index >= 0 else "" for place, index in frames],
        frame_index=[index for _, index in frames],
    )
    rows = [(name, "0", 10.0, 20.0, 24.0, 50.0, False, False) for name in names]
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_crowd", "is_difficult"]
    return AnnotatedPictures.of(images, pd.DataFrame(rows, columns=columns), CLASSES)


def every(archive: str, step: int = 5, end: int = NUM_FRAMES) -> list[tuple[str, int]]:
    return [(archive, index) for index in range(0, end, step)]


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Archives of two fixed cameras, a panning one and a short video; photographs beside them."""
    folder = tmp_path_factory.mktemp("films")
    film(folder, "fixed.avi")
    film(folder, "also.avi")
    film(folder, "pan.avi", px_per_frame=2)
    film(folder, "short.avi", num_frames=4)
    write_scene(folder)
    return folder


def chosen(films: Path, *frames: tuple[str, int], **changes: object) -> FramesChoice:
    return choose_frames_num(shipped(TrainDetector, **GRID | changes), annotated(*frames), films)


def test_frames_of_a_fixed_camera_become_sequences(films: Path):
    choice = chosen(films, *every("fixed.avi.zip"), *every("also.avi.zip"))
    assert choice.num == AUTO_NUM == 7
    assert choice.measured == {
        "num_loose_pictures": 0,
        "history_fraction": 0.5,
        "num_videos_compared": 2,
        "num_fixed": 2,
    }
    assert choice.reason == (
        "50% of the training pictures have 6 s of their video before them, and the camera is fixed "
        "in 2 of 2 videos"
    )


def test_frames_of_a_moving_camera_stay_single(films: Path):
    choice = chosen(films, *every("fixed.avi.zip"), *every("pan.avi.zip"))
    assert (choice.num, choice.reason) == (1, "the camera moves in 1 of 2 training videos")


def test_frames_at_the_start_of_videos_stay_single(films: Path):
    early = chosen(films, *every("fixed.avi.zip", step=1, end=SPAN), ("fixed.avi.zip", SPAN))
    assert (early.num, early.measured["history_fraction"]) == (1, round(1 / (SPAN + 1), 3))
    assert early.reason.startswith("only 3% of the training pictures have 6 s of their video")
    short = chosen(films, *every("short.avi.zip", step=1, end=4))
    assert (short.num, short.measured["history_fraction"]) == (1, 0.0)


def test_photographs_stay_single_and_none_is_read(films: Path):
    choice = chosen(films, ("no such.jpg", -1), ("nor this.jpg", -1))
    assert (choice.num, choice.reason) == (
        1,
        "2 of 2 training pictures are not frames of a video",
    )
    mixed = chosen(films, ("0.png", -1), *every("fixed.avi.zip"))
    assert (mixed.num, mixed.measured) == (1, {"num_loose_pictures": 1})
    without_archive = chosen(films, ("gone.avi.zip", 3))
    assert (without_archive.num, without_archive.measured) == (1, {"num_loose_pictures": 1})


@pytest.mark.parametrize("architecture", ["fcos_resnet50_fpn", "dfine_n"])
def test_detectors_of_single_pictures_get_them(films: Path, architecture: str):
    choice = chosen(films, *every("fixed.avi.zip"), architecture=architecture)
    assert (choice.num, choice.reason) == (1, f"{architecture} sees single pictures")


def test_pretrained_weights_get_the_single_pictures_that_they_learnt_from(films: Path):
    choice = chosen(films, *every("fixed.avi.zip"), weights="imagenet")
    assert (choice.num, choice.reason) == (
        1,
        "the weights (imagenet) were learnt from single pictures",
    )


def test_an_archive_without_times_is_an_error(films: Path):
    with zipfile.ZipFile(films / "empty.avi.zip", "w"):
        pass
    with pytest.raises(InputError, match=r"expected the picture .*frames\.json"):
        chosen(films, *every("empty.avi.zip"))


def test_a_plan_prints_and_keeps_the_choice_and_takes_any_validation_picture(
    films: Path, capsys: pytest.CaptureFixture[str]
):
    settings = shipped(TrainDetector, **GRID | {"input_size_wh": list(SIZE_WH)})
    assert settings.frames.num == "auto"
    train = annotated(*every("fixed.avi.zip"))
    val = annotated(("0.png", -1), ("short.avi.zip", 2), ("also.avi.zip", 33))
    plan = plan_training(Sides(films, train, val), settings)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "auto: frames.num: 7, since 50% of the training pictures have 6 s of their video before "
        "them, and the camera is fixed in 1 of 1 videos",
        "frames.num: 1 of 3 validation pictures are not frames of a video; each is taken as a "
        "video of one frame",
    ]
    assert plan.config["frames"]["num"] == plan.settings.frames.num == 7
    assert plan.chosen["frames"] == {"num": 7}
    assert plan.chosen["by"]["num_fixed"] == 1
    other = plan_training(Sides(films, train, annotated(("1.png", -1))), settings)
    assert (other.chosen, other.start) == (plan.chosen, plan.start)


def test_a_plan_on_photographs_works_with_the_defaults(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    scene = write_scene(tmp_path)
    names = list(scene.images.index)
    sides = Sides(tmp_path, scene.select(names[:4]), scene.select(names[4:]))
    plan = plan_training(sides, shipped(TrainDetector, **GRID))
    assert capsys.readouterr().out == (
        "auto: frames.num: 1, since 4 of 4 training pictures are not frames of a video\n"
    )
    assert "frames" not in plan.config
    assert plan.chosen["frames"] == {"num": 1}
    with pytest.raises(
        InputError, match=r"^frames.num: expected 1 for pictures that are no frames"
    ):
        plan_training(sides, shipped(TrainDetector, **GRID | {"frames.num": 7}))


def test_a_short_video_repeats_its_first_frame_where_that_is_allowed(films: Path):
    frames = shipped(TrainDetector, frames={"num": 5, "step_s": 0.2, "fusion": "stack"}).frames
    pictures = annotated(("short.avi.zip", 2), ("0.png", -1))
    dataset = PictureDataset(
        films, pictures, input_size_wh=SIZE_WH, frames=frames, allows_short=True
    )
    loose, short = dataset[0, 0][0], dataset[0, 1][0]
    assert (loose == loose[-1]).all()
    assert (short[:3] == short[0]).all()
    assert not (short[3] == short[4]).all()


def in_blocks() -> tuple[AnnotatedPictures, AnnotatedPictures, AnnotatedPictures]:
    """Sides of blocks of one video's time: training, test, training, validation, training."""
    archive = "fixed.avi.zip"
    train = [*range(0, 30), *range(36, 45), *range(50, 60)]
    sides = train, range(45, 50), range(30, 36)
    return tuple(annotated(*((archive, index) for index in side)) for side in sides)


def index_of(name: str) -> int:
    return int(name.split("/")[1].split(".")[0])


def test_a_training_sequence_holds_no_frame_of_another_side(films: Path):
    train, val, test = in_blocks()
    settings = shipped(TrainDetector, **GRID | {"frames.num": 7, "input_size_wh": list(SIZE_WH)})
    sides = Sides(films, train, val, test=test)
    plan = plan_training(sides, settings)
    dataset = plan.training.train.dataset
    held_out = {*val.images.index, *test.images.index}
    by_frame = {index_of(names[-1]): names for names in dataset._names}
    assert sorted(by_frame) == [*range(0, 30), *range(36, 45), *range(50, 60)]
    assert not held_out & {name for names in by_frame.values() for name in names}
    assert [index_of(name) for name in by_frame[29]] == [0, 4, 9, 14, 19, 24, 29]
    assert [index_of(name) for name in by_frame[36]] == [36] * 7  # as at the start of a video
    assert [index_of(name) for name in by_frame[43]] == [36, 36, 36, 36, 36, 38, 43]
    # What is detected in use may look back at any earlier frame.
    (names,) = (n for n in plan.training.val.dataset._names if index_of(n[-1]) == 45)
    assert [index_of(name) for name in names] == [15, 20, 25, 30, 35, 40, 45]


def test_frames_of_no_side_may_be_in_a_training_sequence(films: Path):
    train, val, test = in_blocks()
    gap = annotated(*(("fixed.avi.zip", index) for index in range(44, 60)))
    frames = shipped(TrainDetector, **{"frames.num": 3, "frames.step_s": 0.4}).frames
    held_out = Sides(films, train, val.select([]), test=test).held_out
    dataset = PictureDataset(films, gap, input_size_wh=SIZE_WH, frames=frames, held_out=held_out)
    assert [index_of(name) for name in dataset._names[0]] == [40, 42, 44]


def test_choosing_looks_at_no_frame_of_another_side(films: Path, monkeypatch: pytest.MonkeyPatch):
    train, val, test = in_blocks()
    seen: list[str] = []
    read = ImageSource.rgb

    def rgb(self: ImageSource, name: str) -> Picture:
        seen.append(name)
        return read(self, name)

    monkeypatch.setattr(ImageSource, "rgb", rgb)
    settings = shipped(TrainDetector, **GRID)
    frames = settings.frames.model_copy(update={"step_s": 0.8})
    settings = settings.model_copy(update={"frames": frames})
    held_out = Sides(films, train, val, test=test).held_out
    alone = choose_frames_num(settings, train, films, held_out)
    assert not set(seen) & held_out.keys()
    assert alone.measured["history_fraction"] == round(6 / 49, 3)  # of frames 24 to 29
    beside = choose_frames_num(settings, train, films)
    assert set(seen) & held_out.keys()
    assert beside.measured["history_fraction"] == round(25 / 49, 3)


def test_a_sequence_longer_than_a_test_video_is_refused_before_training(films: Path):
    frames = every("fixed.avi.zip")
    train, val = annotated(*frames), annotated(*every("also.avi.zip"))
    settings = shipped(TrainDetector, **GRID | {"frames.num": 7, "input_size_wh": list(SIZE_WH)})
    sides = Sides(films, train, val, test=annotated(("short.avi.zip", 3)))
    expected = r"^frames.num: expected at most the 4 frames of short.avi.zip, got 7$"
    with pytest.raises(InputError, match=expected):
        plan_training(sides, settings)
    plan_training(sides, shipped(TrainDetector, **GRID | {"input_size_wh": list(SIZE_WH)}))


def test_the_card_says_what_this_run_chose_whatever_was_trained_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    scene = write_scene(pictures)
    names = list(scene.images.index)
    sides = Sides(pictures, scene.select(names[:4]), scene.select(names[4:]))
    few = {**GRID, "fitting.max_epochs": 1, "input_size_wh": list(SIZE_WH)}

    def card_of(folder: str, **changes: object) -> dict:
        train_detector(
            sides,
            shipped(TrainDetector, **few | changes),
            weights=tmp_path / folder / "w.safetensors",
            card=tmp_path / folder / "w.json",
            curves=tmp_path / folder / "curves",
        )
        return json.loads((tmp_path / folder / "w.json").read_text())

    chosen_card = card_of("a")
    assert chosen_card["chosen"]["frames"] == {"num": 1}
    capsys.readouterr()
    given_card = card_of("b", **{"frames.num": 1})
    assert "has changed since it was done" in capsys.readouterr().out
    assert "chosen" not in given_card
    assert given_card == {k: v for k, v in chosen_card.items() if k != "chosen"}
    assert card_of("c") == chosen_card

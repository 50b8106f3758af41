"""Whether pictures and videos show one place: people and light make no difference, places do."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.pixels.alike import MIN_CORRELATION, correlate, spread
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.places import share_of_one_place, usual_picture
from vigil.plumbing.errors import InputError

WIDTH, HEIGHT = 96, 64


def wall(seed: int, width: int = WIDTH, height: int = HEIGHT) -> Picture:
    """A texture that a camera sees even if it is shrunk."""
    coarse = np.random.default_rng(seed).integers(40, 200, (height // 6, width // 6, 3))
    fine = cv2.resize(coarse.astype(np.uint8), (width, height), interpolation=cv2.INTER_CUBIC)
    return fine.astype(np.uint8, copy=False)


def film(folder: Path, place: Picture, *, seed: int = 0, num_frames: int = 45) -> Path:
    """Numbered pictures: a walker before a wall, with noise."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for number in range(num_frames):
        picture = place.astype(np.int16) + rng.integers(-20, 21, place.shape)
        picture[15:50, 2 * number : 2 * number + 14] = (40, 40, 230)
        cv2.imwrite(str(folder / f"{number:03d}.png"), picture.clip(0, 255).astype(np.uint8))
    return folder


@given(st.integers(0, 2**31), st.floats(0.4, 1.0), st.integers(0, 40))
def test_light_does_not_count_as_motion_and_shifts_do(seed: int, factor: float, offset: int):
    wide = wall(seed, WIDTH + 12)
    one, shifted = wide[:, :WIDTH], wide[:, 12:]
    darker = (one * factor + offset).clip(0, 255).astype(np.uint8)
    assert correlate(one, one) == pytest.approx(1)
    assert correlate(one, darker) > 0.9
    assert correlate(one, darker) == pytest.approx(correlate(darker, one))
    assert correlate(one, shifted) < MIN_CORRELATION


def test_pictures_without_texture_or_of_other_proportions_are_not_alike():
    flat = np.full((40, 60, 3), 90, np.uint8)
    assert correlate(flat, flat) == 0
    assert correlate(flat[:2, :3], flat[:2, :3]) == 0
    assert correlate(wall(0), wall(0, WIDTH, 96)) == 0


@pytest.mark.parametrize("size_wh", [(320, 240), (96, 72), (310, 240)])
def test_another_size_of_a_picture_shows_the_same_place(size_wh: tuple[int, int]):
    picture = wall(0, 160, 120)
    other = cv2.resize(picture, size_wh, interpolation=cv2.INTER_AREA).astype(np.uint8)
    assert correlate(picture, other) > MIN_CORRELATION
    assert correlate(other, picture) == pytest.approx(correlate(picture, other))


def test_the_usual_picture_has_no_walker_and_little_noise(tmp_path: Path):
    place = wall(1)
    usual = usual_picture(film(tmp_path / "one", place))
    assert np.abs(usual.astype(int) - place).mean() < 8
    short = usual_picture(film(tmp_path / "short", place, num_frames=1))
    assert short.shape == place.shape


def test_videos_of_one_camera_and_of_several(tmp_path: Path):
    here, there = wall(1), wall(2)
    same = [film(tmp_path / f"a{seed}", here, seed=seed) for seed in range(3)]
    assert share_of_one_place(same) == 1
    other = [film(tmp_path / "b", there, seed=9)]
    assert share_of_one_place(same + other) == 0.5, "three of six pairs"
    assert share_of_one_place(other + same) == 0.5, "the order does not matter"


def test_a_video_that_cannot_be_read_is_refused(tmp_path: Path):
    (tmp_path / "v.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match="expected a video"):
        usual_picture(tmp_path / "v.mp4")


@given(st.lists(st.integers(), max_size=60), st.integers(2, 30))
def test_what_is_compared_is_spread_over_all(values: list[int], most: int):
    chosen = list(spread(values, most))
    assert len(chosen) == min(len(values), most)
    if len(values) > most:
        assert (chosen[0], chosen[-1]) == (values[0], values[-1])
    else:
        assert chosen == values

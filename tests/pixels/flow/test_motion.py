"""What the meter makes of frames whose motion is known."""

import numpy as np
import pytest

from vigil.pixels.flow.motion import MotionMeter, cells_without_bars, motion_of_camera
from vigil.settings.embed_clips import Flow

FLOW = Flow(short_side_px=240, gap_s=0.08, num_cells=30)


def ground(seed: int = 0, size_wh: tuple[int, int] = (180, 120)) -> np.ndarray:
    rng = np.random.default_rng(seed)
    small = rng.integers(40, 220, (size_wh[1] // 4, size_wh[0] // 4), dtype=np.uint8)
    picture = small.repeat(4, 0).repeat(4, 1)
    return np.repeat(picture[..., None], 3, axis=2)


@pytest.mark.parametrize(("fps", "step"), [(5, 1), (10, 1), (12, 1), (25, 2), (30, 2), (50, 3)])
def test_pairs_are_about_the_gap_apart_at_any_rate(fps: int, step: int) -> None:
    meter = MotionMeter(FLOW)
    picture = ground()
    found = [meter.see(picture, at / fps) for at in range(13)]
    motions = [one for one in found if one]
    assert len(motions) == 12 // step
    assert [one.time_s for one in motions] == [at / fps for at in range(step, 13, step)]
    assert [one.from_s for one in motions] == [at / fps for at in range(0, 13 - step, step)]


@pytest.mark.parametrize("fps", [10, 25])
@pytest.mark.parametrize("scale", [1, 2])
def test_velocities_are_in_short_sides_a_second_whatever_rate_and_size(
    fps: int, scale: int
) -> None:
    """A square before still ground: by a tenth of the short side a second, to the right and up."""
    wide = ground(size_wh=(240, 180)).repeat(scale, 0).repeat(scale, 1)
    still = ground(1).repeat(scale, 0).repeat(scale, 1)
    meter = MotionMeter(FLOW)
    found = []
    for at in range(fps + 1):
        shift = at / fps * 12 * scale
        row, column = round(20 * scale + shift), round(40 * scale - shift)
        shown = still.copy()
        window = np.s_[30 * scale : 90 * scale, 60 * scale : 120 * scale]
        shown[window] = wide[row : row + 120 * scale, column : column + 180 * scale][window]
        found.append(meter.see(shown, at / fps))
    motions = [one for one in found if one]
    assert motions[0].velocities.shape == (30, 45, 2)
    assert motions[0].size_wh == (180 * scale, 120 * scale)
    assert motions[0].cell_px == (4 * scale, 4 * scale)
    # Frames shift by whole px: the steps differ, their mean does not.
    mean = np.mean([one.velocities for one in motions], axis=0)
    np.testing.assert_allclose(mean[11:19, 19:26].mean(axis=(0, 1)), [0.1, -0.1], atol=0.01)
    np.testing.assert_allclose(mean[2:5, 2:-2].mean(axis=(0, 1)), 0, atol=0.003)


@pytest.mark.parametrize("shift", [(0, 0), (3, 0), (-2, 1), (0, 4)])
def test_what_moves_is_measured_against_a_camera_that_shakes(shift: tuple[int, int]) -> None:
    """A square moves by (2, 0) px against the ground; the camera moves to and fro."""
    wide = ground(size_wh=(240, 180))
    meter = MotionMeter(FLOW)
    for at in range(11):
        scene = wide.copy()
        scene[70:110, 100 + 2 * at : 140 + 2 * at] = ground(3)[:40, :40]
        row, column = 30 + at % 2 * shift[1], 30 + at % 2 * shift[0]
        motion = meter.see(scene[row : row + 120, column : column + 180], at * 0.1)
    assert motion is not None
    px = motion.velocities * 120 * 0.1
    np.testing.assert_allclose(px[13:17, 24:28].mean(axis=(0, 1)), (2, 0), atol=0.25)
    np.testing.assert_allclose(px[3:6, 3:-3].mean(axis=(0, 1)), 0, atol=0.1)


@pytest.mark.parametrize("bars", [(12, 0, 0, 0), (8, 8, 0, 0), (0, 0, 20, 20), (4, 6, 8, 10)])
def test_the_camera_is_known_beside_black_bars(bars: tuple[int, int, int, int]) -> None:
    top, bottom, left, right = bars
    wide = ground(size_wh=(240, 180))
    meter = MotionMeter(FLOW)
    for at in range(11):
        inner = wide[30 + at % 2 * 2 : 150 + at % 2 * 2, 30:210]
        picture = inner[top : 120 - bottom, left : 180 - right]
        noise = np.random.default_rng(at).integers(0, 4, (120, 180, 3), np.uint8)
        noise[top : 120 - bottom, left : 180 - right] = picture
        motion = meter.see(noise, at * 0.1)
    assert motion is not None
    px = motion.velocities * 120 * 0.1
    assert np.median(np.hypot(*np.moveaxis(px, -1, 0))) < 0.2  # of 2 px


def test_a_scene_without_contrast_has_no_bars() -> None:
    """A body in fog is not the camera."""
    everything = np.arange(20 * 30).reshape(20, 30)
    fog = np.full((60, 90), 7, np.uint8)
    assert everything[cells_without_bars(fog, (20, 30))].size == 600
    fog[20:49, 40:60] = ground()[:29, :20, 0]
    assert everything[cells_without_bars(fog, (20, 30))].size == 600
    fog[10:50, 10:80] = ground()[:40, :70, 0]
    assert everything[cells_without_bars(fog, (20, 30))].shape == (8, 18)


@pytest.mark.parametrize("start_s", [0.0, 7.3, 1000.0, 1.7e9])
@pytest.mark.parametrize("fps", [50, 100, 16.67])
def test_pairs_do_not_depend_on_the_clock(start_s: float, fps: float) -> None:
    def pairs(first_s: float) -> list[int]:
        meter = MotionMeter(FLOW)
        times_s = [first_s + at / fps for at in range(60)]
        return [at for at, time_s in enumerate(times_s) if meter.see(ground(), time_s)]

    assert pairs(start_s) == pairs(0.0)
    assert len(pairs(start_s)) >= 9


def test_a_camera_that_turns_is_seen() -> None:
    """The first second of it, too: there is no other motion to compare it with."""
    wide = ground(size_wh=(360, 180))
    meter = MotionMeter(FLOW)
    found = [meter.see(wide[30:150, 2 * at : 2 * at + 180], at * 0.1) for at in range(25)]
    for motion in found[1:]:
        assert motion is not None
        px = motion.velocities * 120 * 0.1
        np.testing.assert_allclose(px[5:-5, 5:-5].mean(axis=(0, 1)), (-2, 0), atol=0.1)


def test_a_crowd_is_no_camera() -> None:
    """Most cells move, but not alike."""
    rng = np.random.default_rng(0)
    crowd = rng.normal((1.0, 0.0), 0.8, (30, 45, 2)).astype(np.float32)
    assert not motion_of_camera(crowd).any()
    pan = rng.normal((1.0, 0.0), 0.1, (30, 45, 2)).astype(np.float32)
    np.testing.assert_allclose(motion_of_camera(pan), (1, 0), atol=0.02)
    assert not motion_of_camera(pan * 0.01).any()
    pan[10:20, 15:30] = 0  # a body that keeps its place in the picture
    np.testing.assert_allclose(motion_of_camera(pan), (1, 0), atol=0.1)
    pan[5:25, 5:40] = 0  # it fills more than half of the picture
    assert not motion_of_camera(pan).any()


@pytest.mark.parametrize("turns", range(4))
def test_a_lorry_that_leaves_one_side_of_the_ground_is_no_camera(turns: int) -> None:
    cells = np.ones((30, 40, 2), np.float32)
    lorry = np.rot90(np.arange(30 * 40).reshape(30, 40) < 30 * 40 * 0.3, turns)
    cells = cells[: lorry.shape[0], : lorry.shape[1]] if turns % 2 == 0 else np.ones((40, 30, 2))
    cells = np.where(lorry[..., None], 0, cells).astype(np.float32)
    assert not motion_of_camera(cells).any()


def test_a_small_picture_is_not_enlarged_and_grey_is_taken() -> None:
    meter = MotionMeter(Flow(short_side_px=240, gap_s=0.08, num_cells=60))
    picture = ground(size_wh=(60, 40))[..., 0]
    meter.see(picture, 0.0)
    motion = meter.see(picture, 0.1)
    assert motion is not None
    assert motion.velocities.shape == (40, 60, 2)
    assert np.abs(motion.velocities).max() < 1e-3


def test_after_a_gap_or_another_size_a_video_begins_anew() -> None:
    meter = MotionMeter(FLOW)
    picture = ground()
    assert meter.see(picture, 0.0) is None
    assert meter.see(picture, 1.5) is None
    assert meter.see(picture[:-2], 1.6) is None
    motion = meter.see(picture[:-2], 1.7)
    assert motion is not None
    assert (motion.from_s, motion.time_s) == (1.6, 1.7)

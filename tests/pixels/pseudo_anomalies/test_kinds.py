"""Each kind of pseudo-anomaly does what it says, and changes nothing else."""

from fractions import Fraction

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.pixels.flow.motion import MotionMeter
from vigil.pixels.pseudo_anomalies.bodies import (
    Patch,
    background_of,
    busiest_patch,
    moving_masks,
    sums_of_squares,
    travels,
)
from vigil.pixels.pseudo_anomalies.footage import Footage
from vigil.pixels.pseudo_anomalies.free_places import (
    NUM_PARTS,
    free_corner,
    join_maps,
    map_motion,
)
from vigil.pixels.pseudo_anomalies.kinds import (
    FAST,
    MAKERS,
    SLOW,
    Scene,
    backward_order,
    order_at_speed,
    pasted,
)
from vigil.settings.embed_clips import EmbedClips

FPS = 12.5
STEP_S = 1 / FPS
HEIGHT, WIDTH = 120, 160
NUM = 24
PATCH = Patch(40, 30, 100, 90)
DRIFTING = Patch(25, 15, 115, 105)


def texture(seed: int, height: int = HEIGHT, width: int = 4 * WIDTH) -> np.ndarray:
    """(height, width, 3): soft blobs, which flow can follow."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(20, 236, (height // 5 + 1, width // 5 + 1, 3)).astype(np.float32)
    fine = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(fine, 0, 255).astype(np.uint8)


def drifting(px_a_frame: int) -> Footage:
    """Less than half of the picture moves to the left, since a whole picture would be a camera."""
    wide = texture(1)
    frames = np.stack([texture(4)[:, :WIDTH]] * NUM)
    rows, columns = slice(DRIFTING.y1, DRIFTING.y2), slice(DRIFTING.x1, DRIFTING.x2)
    for at, frame in enumerate(frames):
        frame[rows, columns] = wide[:, px_a_frame * at :][rows, columns]
    return Footage(frames, np.arange(NUM) * STEP_S, Fraction(25, 2))


def walking(
    x: int = 10, step: int = 4, y: int = 40, size: tuple[int, int] = (12, 30), num: int = NUM
) -> Footage:
    """A textured body crosses a still ground."""
    ground = texture(2)[:, :WIDTH] // 4
    body = 100 + texture(3, size[1], size[0]) // 2
    frames = np.stack([ground.copy() for _ in range(num)])
    for at, frame in enumerate(frames):
        left = x + step * at
        frame[y : y + size[1], left : left + size[0]] = body[:, : max(0, WIDTH - left)]
    return Footage(frames, np.arange(num) * STEP_S, Fraction(25, 2))


def scene_of(footage: Footage, patch: Patch = PATCH, free: tuple[int, int] | None = None) -> Scene:
    masks = moving_masks(footage.frames, background_of(footage.frames))
    return Scene(footage, patch, masks, free)


def flow_of(footage: Footage, patch: Patch) -> np.ndarray:
    """(pairs, 2): the mean velocity within the middle of a patch, to the right and down."""
    meter = MotionMeter(shipped(EmbedClips).local_speed.flow)
    motions = [
        meter.see(frame, time_s)
        for frame, time_s in zip(footage.frames, footage.times_s.tolist(), strict=True)
    ]
    found = []
    for motion in motions:
        if motion is not None:
            scale = motion.velocities.shape[0] / HEIGHT
            y1, y2 = round((patch.y1 + 20) * scale), round((patch.y2 - 20) * scale)
            x1, x2 = round((patch.x1 + 20) * scale), round((patch.x2 - 20) * scale)
            found.append(motion.velocities[y1:y2, x1:x2].mean(axis=(0, 1)))
    return np.stack(found)


def test_the_flow_in_a_faster_patch_is_as_many_times_larger():
    footage = drifting(2)
    true = flow_of(footage, PATCH)
    fast = flow_of(MAKERS["faster"](scene_of(footage)), PATCH)
    forth = slice(0, NUM // 2 - 1)
    assert true[:, 0] == pytest.approx(-2 * FPS / HEIGHT, rel=0.1)
    assert fast[forth, 0] == pytest.approx(FAST * true[forth, 0], rel=0.1)
    # After its end, the clip runs back at the same speed.
    assert fast[NUM // 2 + 1 :, 0] == pytest.approx(-FAST * true[NUM // 2 + 1 :, 0], rel=0.1)


def test_the_flow_in_a_slower_patch_is_smaller():
    footage = drifting(4)
    true, slow = flow_of(footage, PATCH), flow_of(MAKERS["slower"](scene_of(footage)), PATCH)
    assert slow[: NUM - 2, 0].mean() == pytest.approx(SLOW * true[:, 0].mean(), rel=0.1)


def test_the_flow_in_a_patch_that_runs_backward_is_opposite():
    footage = drifting(2)
    true, back = flow_of(footage, PATCH), flow_of(MAKERS["reversed"](scene_of(footage)), PATCH)
    assert back[:, 0] == pytest.approx(-true[::-1, 0], rel=0.1)


def test_the_flow_of_a_clip_with_skipped_frames_is_larger_everywhere():
    footage = drifting(2)
    made = MAKERS["skipped"](scene_of(footage))
    true, fast = flow_of(footage, DRIFTING), flow_of(made, DRIFTING)
    assert fast[: NUM // 2 - 1, 0] == pytest.approx(FAST * true[: NUM // 2 - 1, 0], rel=0.1)


@pytest.mark.parametrize("kind", ["faster", "slower", "reversed"])
def test_outside_the_patch_pixels_are_the_very_same(kind):
    footage = drifting(3)
    before = footage.frames.copy()
    made = MAKERS[kind](scene_of(footage))
    assert np.array_equal(footage.frames, before)
    outside = np.ones((HEIGHT, WIDTH), bool)
    outside[PATCH.slices] = False
    assert np.array_equal(made.frames[:, outside], before[:, outside])
    assert not np.array_equal(made.frames, before)
    assert np.array_equal(made.times_s, footage.times_s)


@pytest.mark.parametrize("kind", ["faster", "slower", "reversed"])
def test_the_middle_of_the_patch_shows_other_moments_unmixed(kind):
    footage = drifting(3)
    made = MAKERS[kind](scene_of(footage)).frames[:, 50:70, 60:80]
    moments = footage.frames[:, 50:70, 60:80]
    for shown in made:
        assert any(np.array_equal(shown, moment) for moment in moments)


def test_skipped_frames_are_frames_of_the_clip():
    footage = walking()
    made = MAKERS["skipped"](scene_of(footage))
    assert np.array_equal(made.frames[: NUM // 2], footage.frames[::2])


@given(
    steps=st.lists(st.floats(0.01, 0.5), min_size=1, max_size=30),
    speed=st.sampled_from([SLOW, 1.0, FAST, 3.0]),
)
def test_at_any_speed_the_shown_moment_moves_by_the_speed(steps: list[float], speed: float):
    times_s = np.concatenate([[0], np.cumsum(steps)])
    order = order_at_speed(times_s, speed)
    assert order.min() >= 0
    assert order.max() < len(times_s)
    assert order[0] == 0
    if speed == 1:
        assert np.array_equal(order, np.arange(len(times_s)))
    # From one frame to the next, the clock of the clip moves at most speed times the time, plus the
    # longest frame for which a moment stands.
    moved = np.abs(np.diff(times_s[order]))
    assert (moved <= speed * np.diff(times_s) + np.diff(times_s).max() + 1e-3).all()


def test_backward_twice_is_forward():
    order = backward_order(np.arange(9) / 25)
    assert np.array_equal(order, np.arange(9)[::-1])
    assert np.array_equal(order[order], np.arange(9))


def test_frames_at_one_time_stay():
    assert np.array_equal(order_at_speed(np.zeros(1), 2.0), [0])


def test_the_busiest_patch_is_around_the_faster_body():
    slow, fast = walking(x=4, step=1, y=5), walking(x=10, step=5, y=75)
    frames = np.maximum(slow.frames, fast.frames)
    footage = Footage(frames, slow.times_s, slow.fps)
    patch = busiest_patch(footage, moving_masks(frames, background_of(frames)))
    assert patch is not None
    assert 60 < (patch.y1 + patch.y2) / 2 < 115
    assert 24 <= patch.x2 - patch.x1 == patch.y2 - patch.y1 <= 60


def test_a_still_clip_has_no_patch():
    frames = np.repeat(walking().frames[:1], NUM, axis=0)
    footage = Footage(frames, np.arange(NUM) * STEP_S, Fraction(25, 2))
    assert busiest_patch(footage, moving_masks(frames, background_of(frames))) is None


def test_who_waves_does_not_travel_and_who_walks_does():
    for step, expected in ((4, True), (0, False)):
        footage = walking(x=60, step=0) if not step else walking(step=step)
        if not step:  # an arm moves to and fro beside a body that stands
            for at, frame in enumerate(footage.frames):
                frame[50:56, 72 + 4 * (at % 3) : 78 + 4 * (at % 3)] = 250
        masks = moving_masks(footage.frames, background_of(footage.frames))
        patch = busiest_patch(footage, masks)
        assert patch is not None
        assert travels(masks, patch) is expected


def test_who_is_pasted_moves_where_nothing_moved():
    footage = walking(y=80)
    masks = moving_masks(footage.frames, background_of(footage.frames))
    patch = busiest_patch(footage, masks)
    assert patch is not None
    moves = np.zeros((NUM_PARTS, NUM_PARTS), bool)
    moves[:, : NUM_PARTS // 2] = True  # other clips move in the left half
    free = free_corner(masks, patch, moves, np.random.default_rng(0))
    assert free is not None
    made = pasted(Scene(footage, patch, masks, free))
    assert made is not None
    changed = (made.frames != footage.frames).any(axis=(0, 3))
    y, x = np.nonzero(changed)
    side = patch.x2 - patch.x1
    assert x.min() >= max(free[0], WIDTH // 2)
    assert x.max() < free[0] + side
    assert free[1] <= y.min()
    assert y.max() < free[1] + side
    assert not (changed & masks.any(axis=0)).any()
    assert changed.sum() > 100
    # It moves as in the clip: at each moment, there is as much of it as in the patch.
    there = (made.frames != footage.frames).any(axis=3).sum(axis=(1, 2))
    cut = masks[:, patch.slices[0], patch.slices[1]].sum(axis=(1, 2))
    assert np.corrcoef(there, cut)[0, 1] > 0.9


def test_no_place_is_free_if_training_clips_move_everywhere():
    footage = walking()
    masks = moving_masks(footage.frames, background_of(footage.frames))
    patch = busiest_patch(footage, masks)
    assert patch is not None
    everywhere = np.ones((NUM_PARTS, NUM_PARTS), bool)
    assert free_corner(masks, patch, everywhere, np.random.default_rng(0)) is None
    assert pasted(scene_of(footage)) is None


def test_a_map_of_motion_holds_every_moving_pixel():
    masks = np.zeros((3, 100, 130), bool)
    masks[1, 37, 101] = True
    found = map_motion(masks)
    assert found.sum() == 1
    assert found[37 * NUM_PARTS // 100, 101 * NUM_PARTS // 130]
    assert np.array_equal(join_maps([found, map_motion(masks[:1])]), found)


@given(length=st.integers(1, 5), seed=st.integers(0, 20))
def test_sums_of_squares_are_sums(length: int, seed: int):
    values = np.random.default_rng(seed).integers(0, 9, (6, 8))
    sums = sums_of_squares(values, length)
    assert sums.shape == (7 - length, 9 - length)
    for y, x in np.ndindex(sums.shape):
        assert sums[y, x] == values[y : y + length, x : x + length].sum()

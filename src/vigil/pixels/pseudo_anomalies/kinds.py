"""The kinds of pseudo-anomalies: changes of a clip that make allowed behaviour unusual.

All kinds keep the number of frames, their times and their size. So a pseudo-anomalous clip differs
from its clip in what happens alone, and not in how long it is measured.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import cv2
import numpy as np
import numpy.typing as npt

from vigil.pixels.pictures.picture import Picture
from vigil.pixels.pseudo_anomalies.bodies import Masks, Patch
from vigil.pixels.pseudo_anomalies.footage import Footage

KindName = Literal["faster", "slower", "reversed", "skipped", "pasted"]
KINDS: tuple[KindName, ...] = get_args(KindName)
FAST, SLOW = 2.0, 0.5
"""The speeds of `faster` and `skipped`, and of `slower`, as multiples of the true speed."""
FEATHER = 0.15
"""Width of the soft edge of a patch, as a fraction of its side."""
ROUNDING_S = 1e-4

Order = npt.NDArray[np.int64]
Weights = npt.NDArray[np.float32]


class Scene(NamedTuple):
    """A clip, and what moves in it.

    Attributes:
        patch: where the clip moves most.
        masks: (T, H, W) what moves.
        free: the upper left corner, x and y in px, of a square of the patch's size in which nothing
            moves; None: there is none, or no whole body moves in the patch.
    """

    footage: Footage
    patch: Patch
    masks: Masks
    free: tuple[int, int] | None


def order_at_speed(times_s: npt.NDArray[np.float64], speed: float) -> Order:
    """The frames (T,) to show so that a clip runs at a multiple of its speed, at its own times.

    A faster clip ends early. It then runs back to its start, and forth again: nothing jumps.
    """
    length_s = float(times_s[-1])
    if not length_s:
        return np.zeros(len(times_s), np.int64)
    there_and_back = (times_s * speed) % (2 * length_s)
    shown_s = np.where(there_and_back > length_s, 2 * length_s - there_and_back, there_and_back)
    return _frames_at(times_s, shown_s)


def backward_order(times_s: npt.NDArray[np.float64]) -> Order:
    """The frames (T,) to show so that a clip runs backward."""
    return _frames_at(times_s, float(times_s[-1]) - times_s)


def _frames_at(times_s: npt.NDArray[np.float64], shown_s: npt.NDArray[np.float64]) -> Order:
    """The frame that is on the screen at each time."""
    return np.asarray(np.searchsorted(times_s, shown_s + ROUNDING_S, side="right") - 1, np.int64)


def soft_square(length: int) -> Weights:
    """Weights (length, length) of a patch: 1 in the middle, and nearly 0 at the edge."""
    width = max(1.0, FEATHER * length)
    steps = np.minimum(np.arange(length), np.arange(length)[::-1]) + 0.5
    ramp = np.minimum(steps / width, 1).astype(np.float32)
    return np.asarray(np.minimum(ramp[:, None], ramp[None, :]))


def _blend(below: Picture, above: Picture, weights: Weights) -> Picture:
    """One picture laid over another, by the weights (H, W) or (T, H, W) of the upper one."""
    mixed = below + (above.astype(np.float32) - below) * weights[..., None]
    return np.asarray(np.rint(mixed), np.uint8)


def _in_patch(scene: Scene, order: Order) -> Footage:
    """The clip, with other moments of itself in the patch."""
    frames = scene.footage.frames.copy()
    rows, columns = scene.patch.slices
    inside = frames[:, rows, columns]
    frames[:, rows, columns] = _blend(inside, inside[order], soft_square(inside.shape[1]))
    return replace(scene.footage, frames=frames)


def faster(scene: Scene) -> Footage:
    """The patch runs at `FAST` times its speed."""
    return _in_patch(scene, order_at_speed(scene.footage.times_s, FAST))


def slower(scene: Scene) -> Footage:
    """The patch runs at `SLOW` times its speed: its frames are shown for longer."""
    return _in_patch(scene, order_at_speed(scene.footage.times_s, SLOW))


def backward(scene: Scene) -> Footage:
    """The patch runs backward."""
    return _in_patch(scene, backward_order(scene.footage.times_s))


def skipped(scene: Scene) -> Footage:
    """The whole clip runs at `FAST` times its speed: frames are left out."""
    order = order_at_speed(scene.footage.times_s, FAST)
    return replace(scene.footage, frames=scene.footage.frames[order])


def pasted(scene: Scene) -> Footage | None:
    """What moves in the patch moves a second time, where nothing moves; None: see `free`."""
    if scene.free is None:
        return None
    frames = scene.footage.frames.copy()
    rows, columns = scene.patch.slices
    cut = frames[:, rows, columns].copy()
    edge = soft_square(cut.shape[1])
    weights = np.stack(
        [cv2.blur(mask.astype(np.float32), (3, 3)) * edge for mask in scene.masks[:, rows, columns]]
    )
    x, y = scene.free
    to = slice(y, y + cut.shape[1]), slice(x, x + cut.shape[2])
    frames[:, to[0], to[1]] = _blend(frames[:, to[0], to[1]], cut, weights)
    return replace(scene.footage, frames=frames)


MAKERS: dict[KindName, Callable[[Scene], Footage | None]] = {
    "faster": faster,
    "slower": slower,
    "reversed": backward,
    "skipped": skipped,
    "pasted": pasted,
}
"""By name: what makes the kind from a clip; None if it cannot be made from this clip."""

"""Where an object will be: a Kalman filter for each of its box's four numbers.

Centre x, centre y, width and height each have a value and a speed. A speed changes by white
acceleration, so that a step of dt adds q [[dt³/3, dt²/2], [dt²/2, dt]] to the covariance, however
long it is (Bar-Shalom et al., "Estimation with Applications to Tracking and Navigation", 2001,
section 6.2.2). The four do not influence each other, so all is 2x2, and written out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes

FIRST_SPEED = 1.0  # heights a second (root mean square): of an object that was seen once
LEAST_HEIGHT_PX = 1.0
Floats = npt.NDArray[np.float64]


def to_centres(boxes_xyxy: Boxes) -> Floats:
    """(N, 4): centre x, centre y, width, height of (N, 4) boxes, px."""
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return np.concatenate([boxes_xyxy[:, :2] + sides / 2, sides], axis=1)


def to_corners(centres: Floats) -> Boxes:
    """The reverse of `to_centres`; sides that are less than nothing are nothing."""
    half = np.maximum(centres[:, 2:], 0) / 2
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


@dataclass
class Motion:
    """What is known of one object's box and its speed.

    Attributes:
        value: (4,) centre x, centre y, width, height, px.
        speed: (4,) px a second.
        spread: (3, 4) covariance of value and speed: var(value), cov, var(speed).
        time_s: when that was.
    """

    value: Floats
    speed: Floats
    spread: Floats
    time_s: float

    @classmethod
    def begin(cls, box_xyxy: Floats, time_s: float, position_noise: float) -> "Motion":
        """An object that was seen once, (4,) px."""
        value = to_centres(box_xyxy[None])[0]
        height = max(float(value[3]), LEAST_HEIGHT_PX)
        spread = np.zeros((3, 4))
        spread[0], spread[2] = (position_noise * height) ** 2, (FIRST_SPEED * height) ** 2
        return cls(value, np.zeros(4), spread, time_s)

    def at(self, time_s: float) -> Floats:
        """(4,): where the box is expected at a time, x1, y1, x2, y2 px."""
        moved = self.value + self.speed * (time_s - self.time_s)
        moved[2:] = self.value[2:]  # a size is not extrapolated: it would shrink to nothing
        expected: Floats = to_corners(moved[None])[0]
        return expected

    def see(
        self, box_xyxy: Floats, time_s: float, *, acceleration: float, position_noise: float
    ) -> None:
        """Moves on to a time, at which the object was found in a box."""
        step_s = time_s - self.time_s
        height = max(float(self.value[3]), LEAST_HEIGHT_PX)
        # Predict: the value moves by the speed, and the covariance grows.
        q = (acceleration * height) ** 2
        var, cov, var_speed = self.spread
        var = var + 2 * step_s * cov + step_s**2 * var_speed + q * step_s**3 / 3
        cov = cov + step_s * var_speed + q * step_s**2 / 2
        var_speed = var_speed + q * step_s
        value = self.value + self.speed * step_s
        # Correct: the gain says how much of what is new to believe, of the value and of the speed.
        new = to_centres(box_xyxy[None])[0] - value
        total = var + (position_noise * height) ** 2
        gain, gain_speed = var / total, cov / total
        self.value, self.speed = value + gain * new, self.speed + gain_speed * new
        self.spread = np.stack([(1 - gain) * var, (1 - gain) * cov, var_speed - gain_speed * cov])
        self.time_s = time_s

"""Predicts the box of an object, by a Kalman filter for each of the four numbers of the box.

Centre x, centre y, width and height each have a value and a speed. The speed changes by white
acceleration. So a step of any length dt adds q [[dt³/3, dt²/2], [dt²/2, dt]] to the covariance
(Bar-Shalom et al., "Estimation with Applications to Tracking and Navigation", 2001, section 6.2.2).
The four numbers are independent, so all matrices are 2x2, and their products are written out.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from vigil.domain.boxes import Boxes

FIRST_SPEED = 1.0  # heights per second (root mean square), of an object with one box so far
LEAST_HEIGHT_PX = 1.0
Floats = npt.NDArray[np.float64]


def to_centres(boxes_xyxy: Boxes) -> Floats:
    """(N, 4): centre x, centre y, width, height of (N, 4) boxes, px."""
    sides = boxes_xyxy[:, 2:] - boxes_xyxy[:, :2]
    return np.concatenate([boxes_xyxy[:, :2] + sides / 2, sides], axis=1)


def to_corners(centres: Floats) -> Boxes:
    """The inverse of `to_centres`; a negative width or height becomes 0."""
    half = np.maximum(centres[:, 2:], 0) / 2
    return np.concatenate([centres[:, :2] - half, centres[:, :2] + half], axis=1)


@dataclass
class Motion:
    """The estimated box of one object, and its speed.

    Attributes:
        value: (4,) centre x, centre y, width, height, px.
        speed: (4,) px per second.
        spread: (3, 4) covariance of value and speed: var(value), cov, var(speed).
        time_s: the time of the estimate.
    """

    value: Floats
    speed: Floats
    spread: Floats
    time_s: float

    @classmethod
    def start(cls, box_xyxy: Floats, time_s: float, position_noise: float) -> "Motion":
        """The motion of an object with one box, (4,) px."""
        value = to_centres(box_xyxy[None])[0]
        height = max(float(value[3]), LEAST_HEIGHT_PX)
        spread = np.zeros((3, 4))
        spread[0], spread[2] = (position_noise * height) ** 2, (FIRST_SPEED * height) ** 2
        return cls(value, np.zeros(4), spread, time_s)

    def at(self, time_s: float) -> Floats:
        """(4,): the predicted box at a time, x1, y1, x2, y2 px."""
        moved = self.value + self.speed * (time_s - self.time_s)
        moved[2:] = self.value[2:]  # the size is not extrapolated, since it could shrink to 0
        predicted: Floats = to_corners(moved[None])[0]
        return predicted

    def update(
        self, box_xyxy: Floats, time_s: float, *, acceleration: float, position_noise: float
    ) -> None:
        """Corrects the estimate by a detected box (4,) at a later time."""
        step_s = time_s - self.time_s
        height = max(float(self.value[3]), LEAST_HEIGHT_PX)
        # Predict: the value moves by the speed, and the covariance grows.
        q = (acceleration * height) ** 2
        var, cov, var_speed = self.spread
        var = var + 2 * step_s * cov + step_s**2 * var_speed + q * step_s**3 / 3
        cov = cov + step_s * var_speed + q * step_s**2 / 2
        var_speed = var_speed + q * step_s
        value = self.value + self.speed * step_s
        # Correct: the gains weigh the difference of the detected and the predicted value.
        difference = to_centres(box_xyxy[None])[0] - value
        total = var + (position_noise * height) ** 2
        gain, gain_speed = var / total, cov / total
        self.value, self.speed = value + gain * difference, self.speed + gain_speed * difference
        self.spread = np.stack([(1 - gain) * var, (1 - gain) * cov, var_speed - gain_speed * cov])
        self.time_s = time_s

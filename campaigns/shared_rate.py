"""How channels may share a promised rate of false alarms: a simulation.

Scores of allowed clips are log-normal, each channel with a tail of its own, and have as much in
common as told. An anomalous clip stands out in one channel. Thresholds are picked on n allowed
clips, in four ways: Bonferroni, which gives each channel an equal part of the rate; and the
conformal rank of the largest ratio, of scores to a scale of each channel, which is its own
conformal score, its largest validation score, or its largest score among training clips, three
times as many.

Prints the rate of false alarms and the share of anomalous clips caught, means of all rounds:

    python campaigns/shared_rate.py
"""

import math

import numpy as np
import numpy.typing as npt

TAILS = np.array([0.2, 0.6, 1.0])
"""Of channels: the standard deviation of the logarithm of their scores."""
STANDS_OUT = 3.0
"""Standard deviations by which an anomalous clip does, in one channel."""
NUM_ROUNDS, NUM_TESTED = 1500, 400

Floats = npt.NDArray[np.float64]


def draw(rng: np.random.Generator, num: int, num_channels: int, common: float) -> Floats:
    """(num, num_channels) normal numbers, of a correlation."""
    shared = rng.normal(size=(num, 1))
    own = rng.normal(size=(num, num_channels))
    found: Floats = np.sqrt(common) * shared + np.sqrt(1 - common) * own
    return found


def rank(num: int, rate: float) -> int:
    """The conformal rank among `num` scores; more than there are: no promise is possible."""
    return math.ceil(round((num + 1) * (1 - rate), 9))


def simulate(
    num: int, num_channels: int, common: float, rate: float
) -> dict[str, tuple[float, float]]:
    """False alarms and anomalous clips caught, by the way of sharing."""
    rng = np.random.default_rng(0)
    tails = TAILS[:num_channels]
    found: dict[str, list[tuple[float, float]]] = {}
    for _ in range(NUM_ROUNDS):
        val, test, train = (
            np.exp(tails * draw(rng, size, num_channels, common))
            for size in (num, NUM_TESTED, 3 * num)
        )
        unusual = draw(rng, NUM_TESTED, num_channels, common)
        unusual[np.arange(NUM_TESTED), rng.integers(num_channels, size=NUM_TESTED)] += STANDS_OUT
        unusual = np.exp(tails * unusual)
        thresholds: dict[str, Floats] = {}
        if (part := rank(num, rate / num_channels)) <= num:
            thresholds["bonferroni"] = np.sort(val, axis=0)[part - 1]
        if (joint := rank(num, rate)) <= num:
            for name, scale in (
                ("joint, own rank", np.sort(val, axis=0)[joint - 1]),
                ("joint, largest", val.max(axis=0)),
                ("joint, training", train.max(axis=0)),
            ):
                ratio = np.sort((val / scale).max(axis=1))[joint - 1]
                thresholds[name] = scale * ratio
        for name, own in thresholds.items():
            alarms = [float((scores > own).any(axis=1).mean()) for scores in (test, unusual)]
            found.setdefault(name, []).append((alarms[0], alarms[1]))
    return {
        name: (float(np.mean([one for one, _ in own])), float(np.mean([one for _, one in own])))
        for name, own in found.items()
    }


def main() -> None:
    """Prints a line for each setting."""
    for num, rate in ((20, 0.1), (60, 0.05), (200, 0.05)):
        for num_channels in (2, 3):
            for common in (0.0, 0.7):
                told = simulate(num, num_channels, common, rate)
                print(
                    f"{num} clips, rate {rate}, {num_channels} channels, correlation {common}: "
                    + "; ".join(f"{name} {a:.3f} {b:.3f}" for name, (a, b) in told.items())
                )


if __name__ == "__main__":
    main()

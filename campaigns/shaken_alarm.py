"""What the alarm loses when the camera is another one: rate, size, shake and flicker.

Shows the test clips of the finished pipeline to the fitted alarm, as they are and changed, and
compares the AUROC of the largest ratio. Nothing is fitted again.

    python campaigns/shaken_alarm.py [every nth clip]
"""

import itertools
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from vigil.domain.clips.scores import read_scores
from vigil.domain.sides import TEST
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.pixels.pictures.picture import Picture
from vigil.pixels.video.source import frame_bgr, open_source
from vigil.plumbing.params import read_params

MOST_LOST = 0.02
Times = npt.NDArray[np.float64]
Change = Callable[[list[Picture], Times], tuple[list[Picture], Times]]


def half_rate(frames: list[Picture], times_s: Times) -> tuple[list[Picture], Times]:
    """Every second frame."""
    return frames[::2], times_s[::2]


def double_rate(frames: list[Picture], times_s: Times) -> tuple[list[Picture], Times]:
    """A frame between each two, their mean."""
    found: list[Picture] = []
    for one, other in itertools.pairwise(frames):
        found += [one, cv2.addWeighted(one, 0.5, other, 0.5, 0).astype(np.uint8)]
    middles = (times_s[:-1] + times_s[1:]) / 2
    times = np.stack([times_s[:-1], middles], axis=1).ravel()
    return [*found, frames[-1]], np.append(times, times_s[-1])


def scaled(factor: float) -> Change:
    """Frames of another size."""

    def change(frames: list[Picture], times_s: Times) -> tuple[list[Picture], Times]:
        method = cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
        sized = [
            cv2.resize(one, None, fx=factor, fy=factor, interpolation=method).astype(np.uint8)
            for one in frames
        ]
        return sized, times_s

    return change


def shake(frames: list[Picture], times_s: Times) -> tuple[list[Picture], Times]:
    """Each frame moved by up to 2 px each way."""
    rng = np.random.default_rng(0)
    moved = []
    for one in frames:
        x, y = rng.uniform(-2, 2, 2)
        matrix = np.array([[1, 0, x], [0, 1, y]])
        size = (one.shape[1], one.shape[0])
        moved.append(cv2.warpAffine(one, matrix, size, borderMode=cv2.BORDER_REPLICATE))
    return [one.astype(np.uint8) for one in moved], times_s


def flicker(frames: list[Picture], times_s: Times) -> tuple[list[Picture], Times]:
    """Each frame brighter or darker by up to a tenth."""
    rng = np.random.default_rng(0)
    factors = rng.uniform(0.9, 1.1, len(frames))
    return [
        np.clip(one * factor, 0, 255).astype(np.uint8)
        for one, factor in zip(frames, factors, strict=True)
    ], times_s


CHANGES: dict[str, Change] = {
    "as they are": lambda frames, times_s: (frames, times_s),
    "half the rate": half_rate,
    "double the rate": double_rate,
    "half the size": scaled(0.5),
    "double the size": scaled(2.0),
    "shaken by 2 px": shake,
    "flickering by a tenth": flicker,
}


def main() -> None:
    """Prints AUROC, recall and false alarms under each change; exits with 1 past `MOST_LOST`."""
    every = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    alarm = TrainedAlarm.from_files(
        "models/alarm.safetensors", "models/alarm.json", "models/threshold.json"
    )
    clips = Path(read_params()["dataset"]["clips"])
    table = read_scores(Path("data/predictions/alarm/scores.csv"))
    test = table[table["split"] == TEST].iloc[::every]
    is_anomalous = test["is_anomalous"].to_numpy()
    ratios: dict[str, list[float]] = {name: [] for name in CHANGES}
    for clip in test["clip"]:
        source = open_source(clips / clip, Fraction(25), 1)
        shown = [(frame_bgr(one), float(one.time or 0)) for one in source]
        frames, times_s = [one[..., ::-1] for one, _ in shown], np.array([at for _, at in shown])
        for name, change in CHANGES.items():
            ratios[name].append(alarm(*change(frames, times_s)).ratio)
    usual = 0.0
    worst = 0.0
    for name, found in ratios.items():
        own = np.array(found)
        auroc = float(roc_auc_score(is_anomalous, own))
        usual = usual or auroc
        worst = max(worst, usual - auroc)
        recall, false = (own[is_anomalous] > 1).mean(), (own[~is_anomalous] > 1).mean()
        print(f"{name}: AUROC {auroc:.3f}, recall {recall:.3f}, false alarms {false:.3f}")
    if worst > MOST_LOST:
        raise SystemExit(f"expected to lose at most {MOST_LOST} of AUROC, lost {worst:.3f}")


if __name__ == "__main__":
    main()

"""The rate that `hourly` promises, on the demo: a threshold for the first gate, and new days there.

After `dvc repro`, in the folder of the project:

    python campaigns/hourly_gate.py [days]

Days at the gate of `gate_1.mp4` are drawn: other people each day, allowed behaviour alone, four or
five acts. The trained alarm scores them as `vigil watch` does. The first 19 days are the normal
footage: each is a block, and the threshold is that of `hourly` for a probability of 0.1. All other
days are new. The same threshold is then used for `gate_1.mp4`, with its three unusual events.

Prints the days with an alarm, with an exact 95 % interval, beside the promise and beside the
threshold of the clips (a ratio of 1).
"""

import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "demo"))
from scene.gate import GATES, UNUSUAL, Gate, GateScene

from vigil.domain.events.event import ScoredWindow
from vigil.domain.events.machine import find_events
from vigil.domain.hourly import Footage, pick_by_blocks
from vigil.domain.measures.events import match_events
from vigil.domain.measures.intervals import proportion_interval
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.networks.machine import prepare_torch
from vigil.plumbing.params import parse_section, read_params
from vigil.plumbing.progress import progress
from vigil.settings.watch import Watch

SEED = 7  # of demo/params.yaml
NUM_DAYS, NUM_BLOCKS, ALARM_PROBABILITY = 60, 19, 0.1
ALLOWED = ("walking", "meeting", "standing", "waving")
MODELS = Path("models")


def day_of(number: int) -> GateScene:
    """A day with allowed behaviour at the place of the first gate."""
    rng = np.random.default_rng((SEED, 17, number))
    acts = tuple(rng.choice(ALLOWED, rng.integers(4, 6)).tolist())
    gate = Gate("day.mp4", Fraction(12), GATES[0].place_index, acts, first_act=1000 + 10 * number)
    return GateScene(gate, seed=SEED)


def score(scene: GateScene, alarm: TrainedAlarm, watch: Watch) -> list[ScoredWindow]:
    """The windows of a video with their ratios."""
    stream = alarm.stream(watch.window_s, watch.stride_s)
    fps = float(scene.gate.fps)
    found = []
    for index, frame in enumerate(scene.frames()):
        found += stream.push(frame, index / fps)
    found += stream.end(scene.num_frames / fps)
    return [ScoredWindow(one.start_s, one.stop_s, one.verdict.ratio) for one in found]


def footage_of(windows: Sequence[ScoredWindow], block_s: float) -> Footage:
    """The windows of a day as normal footage of one block."""
    times = np.array([(one.start_s, one.stop_s) for one in windows])
    scores = np.array([one.score for one in windows])
    return Footage(times[:, 0], times[:, 1], scores, block_s)


def main() -> None:
    """Scores all days, picks the threshold, and prints the alarms."""
    num_days = int(sys.argv[1]) if len(sys.argv) > 1 else NUM_DAYS
    prepare_torch()
    watch = parse_section(Watch, read_params(), "watch")
    files = (MODELS / name for name in ("alarm.safetensors", "alarm.json", "threshold.json"))
    alarm = TrainedAlarm.from_files(*files)
    days = [score(day_of(n), alarm, watch) for n in progress(range(num_days), "watch", "day")]
    block_s = max(windows[-1].stop_s for windows in days)
    raising = watch.raising
    picked = pick_by_blocks(
        [footage_of(windows, block_s) for windows in days[:NUM_BLOCKS]],
        block_s=block_s,
        alarm_probability=ALARM_PROBABILITY,
        num_above=raising.num_above,
        num_windows=raising.num_windows,
    )
    print(f"{picked.num_blocks} days of at most {block_s:.0f} s: threshold {picked.value:.3f}")
    print(f"promised: a new day has an alarm with a probability of at most "
          f"{picked.alarm_probability:.3f}")  # fmt: skip
    new = days[NUM_BLOCKS:]
    gate = GateScene(GATES[0], seed=SEED)
    assert {act.kind for act in gate.events} <= set(UNUSUAL)
    windows = score(gate, alarm, watch)
    for name, limit in (("hourly", picked.value), ("clips", 1.0)):
        rule = raising.model_copy(
            update={"raise_at": limit, "clear_at": min(limit, raising.clear_at)}
        )
        alarms = [any(not event.suppressed for event in find_events(day, rule)) for day in new]
        low, high = proportion_interval(sum(alarms), len(alarms))
        print(f"{name}: {sum(alarms)} of {len(alarms)} new days have an alarm "
              f"({sum(alarms) / len(alarms):.3f}, {low:.3f} to {high:.3f})")  # fmt: skip
        events = [event for event in find_events(windows, rule) if not event.suppressed]
        matches = match_events(
            [(act.start_s, act.end_s) for act in gate.events],
            [(event.start_s, event.end_s) for event in events],
        )
        print(f"{name}: {len(matches.pairs)} of {matches.num_true} unusual events of "
              f"{gate.gate.file_name}, {len(matches.false_alarms)} false alarms")  # fmt: skip


if __name__ == "__main__":
    main()

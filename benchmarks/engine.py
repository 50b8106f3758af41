"""The engine of data stages: two processes against one, and what an item costs in addition.

Many short videos are extracted. First, there are as many cores as workers, as on a busy cluster.
Then one process alone has all cores: it decodes on several threads, so two processes gain less.

The overhead of an item is measured with items that do nothing.
"""

import os
import subprocess
import sys
import time

from measure import WORK, Row, log, median_ratio, side_by_side
from walkers import write_video

NUM_VIDEOS, NUM_FRAMES, SIZE_WH, BIT_RATE = 24, 60, (640, 360), 2_000_000
NUM_NOTHINGS = 2000
NUM_ROUNDS = 3
LEAST_GAIN = 1.8
EXTRACT = """
import os, sys, time
from functools import partial
from pathlib import Path
from vigil.pixels.frames import extract_frames
from vigil.plumbing.engine import each

def extract(number):
    os.sched_setaffinity(0, range({num_cores}))
    extract_frames(Path(sys.argv[1]), Path(sys.argv[2], f"{{number}}.zip"), jpeg_quality=95)

def nothing(number):
    return number

if __name__ == "__main__":
    work, count = ({work}, {count})
    list(each(work, [0, 1, 2, 3], list("abcd"), "start", "item"))  # workers import what they need
    start = time.perf_counter()
    list(each(work, list(range(count)), [str(one) for one in range(count)], "work", "item"))
    print(time.perf_counter() - start)
"""


def measure(num_workers: int, work: str, count: int, num_cores: int) -> float:
    """Seconds of the work on so many cores together, without the start of the processes."""
    script = WORK / f"engine_{num_workers}.py"
    script.write_text(
        EXTRACT.format(work=work, count=count, num_cores=num_cores)
        .replace("sys.argv[1]", repr(str(VIDEO)))
        .replace("sys.argv[2]", repr(str(WORK / "engine")))
    )  # fmt: skip
    (WORK / "engine").mkdir(exist_ok=True)
    done = subprocess.run(
        [sys.executable, str(script)],
        env={**os.environ, "VIGIL_ENGINE": "loky", "VIGIL_WORKERS": str(num_workers)},
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    return float(done.stdout.splitlines()[-1])


VIDEO = WORK / "engine.mp4"
NUM_CORES = os.cpu_count() or 1


def run() -> list[Row]:
    """Measures one process and two in turn."""
    if not VIDEO.is_file():
        log(f"engine: writing {VIDEO}")
        write_video(VIDEO, NUM_FRAMES, SIZE_WH, BIT_RATE)
    rows = []
    for name, of_one, target in (
        ("one core a worker", 1, LEAST_GAIN),
        ("all cores", NUM_CORES, None),
    ):
        one, two = side_by_side(
            [
                lambda of_one=of_one: measure(1, "extract", NUM_VIDEOS, of_one),  # type: ignore[misc]
                lambda: measure(2, "extract", NUM_VIDEOS, NUM_CORES),
            ],
            NUM_ROUNDS,
        )
        gain = median_ratio(one, two)
        rows.append(
            Row(
                f"engine: {NUM_VIDEOS} videos of {NUM_FRAMES} frames, {name}, 2 workers",
                f"{NUM_VIDEOS * NUM_FRAMES / min(two):.0f} frames/s",
                f"{NUM_VIDEOS * NUM_FRAMES / min(one):.0f} frames/s with 1",
                gain,
                f">= {target}x" if target else "",
                gain >= target if target else None,
            )
        )
    start = time.perf_counter()
    taken = measure(2, "nothing", NUM_NOTHINGS, NUM_CORES)
    log(f"engine: {time.perf_counter() - start:.1f} s with the start of two processes")
    rows.append(Row("engine: an item that does nothing", f"{taken / NUM_NOTHINGS * 1e3:.2f} ms"))
    return rows

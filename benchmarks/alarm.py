"""Seconds of video a second of time, by the default channels of the alarm, and their memory.

The videos have 360x240 px and 25 frames a second, with five walkers and camera noise. The embedder
of `embed_clips` measures two videos at a time, with decoding. The reference is the optical flow of
the same frames alone, in as many threads, without decoding: the channels cannot be faster. The
memory is that of a process that measures one video in windows of two seconds, one every half
second; of a video of 10 s, and of one that is ten times as long. The evidence of all windows is
held until a video ends, so the memory grows by that.
"""

import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from measure import WORK, Row, log, median_ratio, peak_of, shipped, side_by_side
from walkers import FPS, frames, write_video

from vigil.pixels.embedding.motion import NUM_WORKERS, MotionEmbedder
from vigil.pixels.embedding.remembered import VideoRequest
from vigil.pixels.flow.motion import LEAST_OF_GAP
from vigil.pixels.windows import WHOLE, Window
from vigil.settings.embed_clips import EmbedClips

SIZE_WH = (360, 240)
NUM_FRAMES = 10 * FPS
BIT_RATE = 1_000_000
NUM_ROUNDS = 3
LEAST_TIMES_REAL_TIME = 4.0
TIMES_LONGER, WINDOW_S, STRIDE_S = 10, 2.0, 0.5


def run() -> list[Row]:
    """Measures both in turn."""
    path = WORK / "alarm.mp4"
    if not path.is_file():
        log(f"alarm: writing {path}")
        write_video(path, NUM_FRAMES, SIZE_WH, BIT_RATE)
    settings = shipped(EmbedClips)
    video_s = NUM_WORKERS * NUM_FRAMES / FPS

    def ours() -> float:
        embedder = MotionEmbedder(settings, Fraction(FPS))
        request = VideoRequest(path, [WHOLE], list(embedder.facts))
        start = time.perf_counter()
        list(embedder.embed([request] * NUM_WORKERS))
        return time.perf_counter() - start

    step = int(np.ceil(LEAST_OF_GAP * settings.local_speed.flow.gap_s * FPS))
    greys = [cv2.cvtColor(one, cv2.COLOR_RGB2GRAY) for one in frames(NUM_FRAMES, SIZE_WH)][::step]

    def flow() -> float:
        start = time.perf_counter()
        with ThreadPoolExecutor(NUM_WORKERS) as pool:
            list(pool.map(_flow, [greys] * NUM_WORKERS))
        return time.perf_counter() - start

    taken, reference = side_by_side([ours, flow], NUM_ROUNDS)
    times = video_s / float(np.median(taken))
    return [
        Row(
            f"alarm: {', '.join(settings.channels)}, {NUM_WORKERS} videos of "
            f"{SIZE_WH[0]}x{SIZE_WH[1]} at {FPS} fps",
            f"{times:.1f} s of video a second",
            "real time",
            times,
            f">= {LEAST_TIMES_REAL_TIME:g}x",
            times >= LEAST_TIMES_REAL_TIME,
        ),
        Row(
            "alarm: time, against the flow alone",
            f"{np.median(taken):.2f} s",
            f"{np.median(reference):.2f} s",
            median_ratio(taken, reference),
        ),
        _memory(path),
    ]


def _memory(path: Path) -> Row:
    """The memory of a process that measures a video, for two lengths."""
    long = WORK / "alarm_long.mp4"
    if not long.is_file():
        log(f"alarm: writing {long}")
        write_video(long, TIMES_LONGER * NUM_FRAMES, SIZE_WH, BIT_RATE)
    peaks = [
        peak_of([sys.executable, __file__, str(video), str(num_frames)], WORK, dict(os.environ))
        for video, num_frames in ((path, NUM_FRAMES), (long, TIMES_LONGER * NUM_FRAMES))
    ]
    short_mb, long_mb = (peak.anonymous_mb for peak in peaks)
    return Row(
        f"alarm: memory for a video {TIMES_LONGER} times as long",
        f"{long_mb:.0f} MB",
        f"{short_mb:.0f} MB",
        long_mb / short_mb,
    )


def _measure(path: Path, num_frames: int) -> None:
    """Measures the windows of a video."""
    embedder = MotionEmbedder(shipped(EmbedClips), Fraction(FPS))
    starts = np.arange(0, num_frames / FPS - WINDOW_S, STRIDE_S).tolist()
    windows = [Window(start, start + WINDOW_S) for start in starts]
    list(embedder.embed([VideoRequest(path, windows, list(embedder.facts))]))


def _flow(greys: list[np.ndarray]) -> None:
    cv2.setNumThreads(1)
    method = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    for before, after in pairwise(greys):
        method.calc(before, after, np.zeros((*before.shape, 2), np.float32))


if __name__ == "__main__":
    _measure(Path(sys.argv[1]), int(sys.argv[2]))

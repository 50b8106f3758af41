"""Speed and memory of watching a video of 480x360 px at 25 frames per second.

It uses the trained models of the project, so run the pipeline first. The video is one of the demo's
videos, encoded again at 25 frames per second. The detector gets every second frame. The table shows
frames per second, including the annotated video, the share of the time in which each part is busy,
and the memory for a video ten times as long. Parts run beside each other, so the shares add up to
more than the whole.

`YOLO_PYTHON=.venv/yolo/bin/python` adds Ultralytics' YOLO11n on the same video, by the Python of
an environment of its own with `ultralytics==8.4.190` and `lap==0.5.13`: detection, tracks and
annotated video, with random weights. So it finds nobody, and spends no time on tracks and boxes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any
from unittest.mock import patch

from measure import PROJECT, WORK, Row, log, peak_of, shipped

from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.pixels.video_writing import VideoWriter, write_video
from vigil.plumbing.background import ahead
from vigil.settings.watch import Watch
from vigil.watch.analysis import Analysis
from vigil.watch.frames import read_frames
from vigil.watch.models import ModelFiles
from vigil.watch.recording import NUM_AHEAD
from vigil.watch.results.eventful import describe_events, events_of
from vigil.watch.results.filming import FilmWriter
from vigil.watch.results.findings import (
    Collected,
    SourceFacts,
    read_findings,
    write_seen,
    write_tracks,
)

FILM = PROJECT / "data" / "demo" / "videos" / "plaza_5.mkv"
FPS, NUM_ROUNDS, LONGER = Fraction(25), 3, 10
MOST_MEMORY, LEAST_GAIN = 1.1, 1.5
"""The largest ratio of memory, of a video ten times as long to the short video; the least ratio of
frames per second to those of YOLO11n."""
YOLO = """
import sys, time
from ultralytics import YOLO

video, folder, stride = sys.argv[1:]
model = YOLO("yolo11n.yaml")
options = dict(imgsz=480, device="cpu", save=True, verbose=False, project=folder)
for _ in range(2):  # the first one warms up
    start = time.perf_counter()
    num = sum(1 for _ in model.track(video, stream=True, vid_stride=int(stride), **options))
    seconds = time.perf_counter() - start
print(num * int(stride) / seconds)
"""


def run() -> Iterator[Row]:
    models = PROJECT / "models"
    if not FILM.exists() or not (models / "detector.json").exists():
        yield Row("watch: run the pipeline first", "")
        return
    video = film(1)
    rounds = [watch(video) for _ in range(NUM_ROUNDS + 1)][1:]
    rates = [num / seconds for num, seconds, _ in rounds]
    rate = statistics.median(rates)
    ratio = rate / float(FPS)
    yield Row(
        "frames per second, watched and filmed", f"{rate:.1f}", f"{FPS} (real time)", ratio,
        "1.00x", ratio >= 1,
    )  # fmt: skip
    yield from beside_yolo(video, rate)
    total = sum(seconds for _, seconds, _ in rounds)
    by_part: Counter[str] = sum((Counter(parts) for _, _, parts in rounds), Counter())
    for part, seconds in by_part.most_common():
        yield Row(f"  busy share of the time: {part}", f"{seconds / total:.0%}")
    short, long = (
        peak_of([sys.executable, __file__, str(film(n))], PROJECT, dict(os.environ)).anonymous_mb
        for n in (1, LONGER)
    )
    ratio = long / short
    yield Row(
        f"memory of a video {LONGER} times as long", f"{long:.0f} MB", f"{short:.0f} MB", ratio,
        f"{MOST_MEMORY:.2f}x", ratio <= MOST_MEMORY,
    )  # fmt: skip


def beside_yolo(video: Path, rate: float) -> Iterator[Row]:
    """Frames per second of YOLO11n, if there is an environment with it."""
    python = os.environ.get("YOLO_PYTHON")
    if python is None:
        return
    for stride, frames in (1, "every frame"), (2, "every second frame"):
        with tempfile.TemporaryDirectory(dir=WORK) as folder:
            # Not resolved: the link is what makes it the Python of its environment.
            command = [str(Path(python).absolute()), "-c", YOLO, str(video), folder, str(stride)]
            done = subprocess.run(
                command, check=True, stdout=subprocess.PIPE, text=True, cwd=folder
            )
        other = float(done.stdout.split()[-1])
        yield Row(
            f"frames per second, beside YOLO11n on {frames}", f"{rate:.1f}", f"{other:.1f}",
            rate / other, f"{LEAST_GAIN:.2f}x", rate / other >= LEAST_GAIN,
        )  # fmt: skip


def film(times: int) -> Path:
    """The film, repeated a number of times."""
    path = WORK / f"watch_{times}.mp4"
    if not path.exists():
        log(f"watch: writes {path.name}")
        frames = [frame.picture[..., ::-1].copy() for frame in read_frames(FILM, FPS)]
        size_wh = (frames[0].shape[1], frames[0].shape[0])
        repeated = (frame for _ in range(times) for frame in frames)
        write_video(path, repeated, codec="h264", fps=FPS, size_wh=size_wh)
    return path


def watch(video: Path) -> tuple[int, float, dict[str, float]]:
    """Watches a video as a recording.

    Returns:
        The number of frames, the seconds in all, and the seconds by part. Parts run beside each
        other, so their sum may be more than the seconds in all.
    """
    prepare_torch()
    settings = shipped(Watch).model_copy(update={"detect_every_s": 0.08})
    models = ModelFiles.below(PROJECT / "models").load(choose_device())
    spent: dict[str, float] = {}
    analysis, collected, times_s = Analysis(models, settings), Collected(), []
    time_calls(analysis._models.detector, "detect_batch", "detect", spent)
    time_calls(analysis._tracker, "update", "track", spent)
    time_calls(analysis._alarm, "push", "alarm", spent)
    for name in ("add_frame", "add_box", "judge"):
        time_calls(analysis._judge, name, "judge tracks", spent)
    start = time.perf_counter()
    for frame in ahead(timed(read_frames(video, FPS), "decode", spent), NUM_AHEAD):
        times_s.append(frame.time_s)
        collected.add(analysis.push(frame))
    duration_s = len(times_s) / float(FPS)
    facts = SourceFacts(
        (frame.picture.shape[1], frame.picture.shape[0]),
        len(times_s),
        duration_s,
        float(FPS),
        ("human",),
    )
    collected.add(analysis.end(duration_s))
    with tempfile.TemporaryDirectory(dir=WORK) as name:
        folder = Path(name)
        write_seen(collected, facts, folder)
        write_tracks(collected, times_s, folder)
        findings = read_findings(folder)
        content = describe_events(events_of(findings, settings), "", findings, settings)
        writer = FilmWriter(findings, content["events"], settings, folder)
        time_calls(writer._painter, "draw", "draw", spent)
        with patch.object(VideoWriter, "write", timing(VideoWriter.write, "encode", spent)):
            writer.film(ahead(timed(read_frames(video, FPS), "decode", spent), NUM_AHEAD))
    return len(times_s), time.perf_counter() - start, spent


def timed(items: Iterator[Any], part: str, spent: dict[str, float]) -> Iterator[Any]:
    while True:
        start = time.perf_counter()
        item = next(items, None)
        spent[part] = spent.get(part, 0.0) + time.perf_counter() - start
        if item is None:
            return
        yield item


def time_calls(target: object, name: str, part: str, spent: dict[str, float]) -> None:
    setattr(target, name, timing(getattr(target, name), part, spent))


def timing(call: Callable[..., Any], part: str, spent: dict[str, float]) -> Callable[..., Any]:
    """The same function, which adds its seconds to those of a part."""

    def timed_call(*arguments: Any) -> Any:
        start = time.perf_counter()
        try:
            return call(*arguments)
        finally:
            spent[part] = spent.get(part, 0.0) + time.perf_counter() - start

    return timed_call


if __name__ == "__main__":
    watch(Path(sys.argv[1]))

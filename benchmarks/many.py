"""Measures whether one item costs the same in a large data set: 5,000 videos, 50,000 clips.

Times the code that lists, checks and splits them, on files of a few bytes, for a tenth of the items
and for all items.
"""

import json
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measure import PROJECT, WORK, Row, log

from vigil.domain.clip_formats.folders import list_clips
from vigil.domain.label_studio.names import match_videos
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.splits.alarm import assign_clips
from vigil.domain.splits.classifier import assign_samples
from vigil.plumbing.folders import check_folder
from vigil.plumbing.params import parse_section, read_params
from vigil.review.data_folders import check_data_folder
from vigil.settings.split import Split

NUM_CLIPS, NUM_VIDEOS = 50_000, 5_000
NUM_CLASSES, CLIPS_PER_SOURCE, SAMPLES_PER_VIDEO = 20, 5, 20
MOST_RATIO = 2.0
ENOUGH_S = 30.0  # total time of the runs of one kind

Run = Callable[[], object]


def run() -> list[Row]:
    rows = []
    for what, make, number in (
        ("a clip: folder looked through", _look_through, NUM_CLIPS),
        ("a clip: listed", _list, NUM_CLIPS),
        ("a clip: split", _split_clips, NUM_CLIPS),
        ("a video: 20 samples split", _split_videos, NUM_VIDEOS),
        ("a video: task read", _read, NUM_VIDEOS),
        ("a video: task matched", _match, NUM_VIDEOS),
    ):
        log(f"many: {what}, {number // 10} and {number}")
        few_us, few_kb = _cost(make(number // 10), number // 10)
        many_us, many_kb = _cost(make(number), number)
        ratio = max(many_us / few_us, many_kb / max(few_kb, 0.1))
        rows.append(
            Row(
                what,
                f"{many_us:.0f} µs, {many_kb:.1f} KB",
                f"{few_us:.0f} µs, {few_kb:.1f} KB at a tenth",
                ratio,
                f"< {MOST_RATIO}x",
                ratio < MOST_RATIO,
            )
        )
    return rows


def _cost(work: Run, number: int) -> tuple[float, float]:
    """Processor time of an item (in microseconds, the least of three) and its peak memory in KB."""
    seconds: list[float] = []
    while len(seconds) < 3 and sum(seconds) < ENOUGH_S:
        start = time.process_time()
        work()
        seconds.append(time.process_time() - start)
    tracemalloc.start()
    work()
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return min(seconds) / number * 1e6, peak_bytes / number / 1e3


def _clips(number: int) -> Path:
    folder = WORK / f"clips_{number}"
    if not (folder / ".made").exists():
        for clip in range(number):
            source, kind = clip // CLIPS_PER_SOURCE, clip // CLIPS_PER_SOURCE % NUM_CLASSES
            file = folder / f"class_{kind:02d}" / f"s{source}_c{clip}.mp4"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(str(clip).encode())
        (folder / ".made").touch()
    return folder


def _look_through(number: int) -> Run:
    folder = _clips(number)

    def work() -> None:
        check_folder(folder)
        check_data_folder(folder)

    return work


def _table(number: int) -> pd.DataFrame:
    return list_clips(
        _clips(number), anomalous_classes=["class_00", "class_01"], group_pattern=r"(s\d+)_"
    )


def _list(number: int) -> Run:
    return lambda: _table(number)


def _split_clips(number: int) -> Run:
    table = _table(number)
    table["video"] = table.index
    return lambda: assign_clips(table, _settings())


def _settings() -> Split:
    return parse_section(Split, read_params(PROJECT / "params.yaml"), Split.section)


def _split_videos(number: int) -> Run:
    num_samples = number * SAMPLES_PER_VIDEO
    rows = np.arange(num_samples)
    index = pd.DataFrame(
        {
            "video": [f"video_{row // SAMPLES_PER_VIDEO}.mp4" for row in rows],
            "label": np.where(rows % 2, "person", "background"),
            "track": "",
            "first_frame": rows % SAMPLES_PER_VIDEO * 10,
            "num_frames": 10,
        },
        index=[f"sample {row}" for row in rows],
    )
    return lambda: assign_samples(index, _settings())


def _export(number: int) -> Any:
    frames = [
        {
            **{"frame": frame, "enabled": True, "rotation": 0, "time": frame / 10},
            **{"x": 10, "y": 10, "width": 20, "height": 20},
        }
        for frame in (1, 40, 80)
    ]
    value = {"framesCount": 100, "duration": 10, "sequence": frames, "labels": ["human"]}
    region = {"id": "a", "type": "videorectangle", "value": value}
    tasks = [
        {
            "id": video,
            "data": {"video": f"/data/upload/1/0a1b2c3d-video_{video}.mp4"},
            "annotations": [{"id": 1, "was_cancelled": False, "result": [region]}],
        }
        for video in range(number)
    ]
    return json.loads(json.dumps(tasks))


def _read(number: int) -> Run:
    export = _export(number)
    return lambda: parse_export(export, "export.json", labels=["human"])


def _match(number: int) -> Run:
    tasks = parse_export(_export(number), "export.json", labels=["human"])
    videos = [f"video_{video}.mp4" for video in range(number)]
    return lambda: match_videos(tasks, videos, "export.json")

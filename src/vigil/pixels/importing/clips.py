"""Clips in folders of classes, and frame-labelled videos, as one table of windows."""

from collections import Counter
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vigil.domain.clip_formats.folders import list_clips, source_of
from vigil.domain.clip_formats.frame_labels import NORMAL, FrameRange, read_frame_labels
from vigil.domain.clips.truth import as_frames, as_regions
from vigil.domain.clips.windows import LABEL_DTYPES, WINDOW_DTYPES
from vigil.pixels.importing.masks import MASKS, masks_of, read_masks
from vigil.pixels.video.numbered import SUFFIXES
from vigil.pixels.windows import FrameTimes, Window, read_times
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.folders import below, is_hidden
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.progress import progress
from vigil.settings.import_clips import ImportClips

TIME_DECIMALS = 6


class Imported(NamedTuple):
    """Tables of what was imported.

    Attributes:
        windows: the columns of `WINDOW_DTYPES` and `LABEL_DTYPES`.
        frames, regions: the truth of long videos, the columns of `FRAME_DTYPES` and
            `REGION_DTYPES`; empty for class folders.
    """

    windows: pd.DataFrame
    frames: pd.DataFrame
    regions: pd.DataFrame


def import_class_folders(
    clips: Path,
    settings: ImportClips,
    *,
    anomalous_classes: Sequence[str],
    group_pattern: str,
    picture_fps: Fraction,
) -> Imported:
    """Windows of the clips of `<clips>/<class>/<clip>`: each whole, or cut into equal parts.

    Raises:
        InputError: see `list_clips`, and `read_times` for a clip that is to be cut.
    """
    table = list_clips(clips, anomalous_classes=anomalous_classes, group_pattern=group_pattern)
    rows = []
    for video, clip in progress(list(table.iterrows()), "import clips", "clip"):
        for window in _cut(clips / str(video), settings.num_windows, picture_fps):
            rows.append(
                {
                    "video": video,
                    "clip": video,
                    "start_s": window.start_s,
                    "stop_s": window.stop_s,
                    **clip[["class", "is_anomalous", "source", "digest"]],
                }
            )
    return Imported(_as_table(rows), as_frames([]), as_regions([]))


def import_frame_labelled(
    clips: Path, labels: Path, settings: ImportClips, *, group_pattern: str, picture_fps: Fraction
) -> Imported:
    """Windows of long videos whose anomalous frames a CSV tells, one every `stride_s`.

    A folder `<video>_gt` of pictures beside a video holds masks of its anomalies, one a frame.

    Raises:
        InputError: no video, a label of a video that is not there or past its end, a video that is
            shorter than a window, or masks that do not fit their video.
    """
    ranges = read_frame_labels(labels)
    videos = list(list_videos(clips, labels))
    if unknown := ranges.keys() - set(videos):
        raise InputError(
            f"{labels}: expected videos below {clips} ({listed(videos, 4)}), got {listed(unknown)}"
        )
    rows: list[dict[str, Any]] = []
    frames, regions = [], []
    for video in progress(videos, "import videos", "video"):
        times = read_times(clips / video, picture_fps)
        own = ranges.get(video, [])
        if own and own[-1].stop_frame > len(times.seconds):
            raise InputError(
                f"{labels}: {video}: expected ranges within its {len(times.seconds)} frames, got "
                f"one to {own[-1].stop_frame}"
            )
        frames.append(_truth(video, times, own))
        if masks := masks_of(clips / video):
            num = len(times.seconds)
            regions.append(read_masks(masks, clips / video, video, num, picture_fps))
        common = {
            "video": video,
            "digest": tree_digest(clips / video),
            "source": source_of(video, group_pattern),
        }
        for window in _slide(times, settings, clips / video):
            label = _label(times.frames_of(window), own, settings.min_anomalous_fraction)
            rows.append(
                {
                    **common,
                    "clip": f"{video}@{_tell(window.start_s)}",
                    "start_s": window.start_s,
                    "stop_s": window.stop_s,
                    "class": label,
                    "is_anomalous": label != NORMAL,
                }
            )
    table = _as_table(rows)
    if not table["is_anomalous"].any() or table["is_anomalous"].all():
        kind = "anomalous" if not table["is_anomalous"].any() else "normal"
        raise InputError(f"{labels}: expected windows of either kind, found no {kind} one")
    return Imported(table, as_frames(frames), as_regions(regions))


def list_videos(folder: Path, labels: Path) -> Iterator[str]:
    """Videos at any depth below a folder, sorted: files, and folders of numbered pictures.

    Hidden files, the file of labels and folders of masks (`<video>_gt`) are left out.

    Raises:
        InputError: no video.
    """
    found: list[str] = []
    waiting = [folder]
    while waiting:
        for path in sorted(waiting.pop().iterdir()):
            if is_hidden(path.name) or path.samefile(labels):
                continue
            is_masks = path.name.endswith(MASKS)
            if path.is_file() or (not is_masks and _holds_pictures(path)):
                found.append(path.relative_to(folder).as_posix())
            elif not is_masks:
                waiting.append(path)
    if not found:
        raise InputError(f"{folder}: expected videos or folders of numbered pictures, found none")
    below(folder, found)
    yield from sorted(found)


def _holds_pictures(folder: Path) -> bool:
    names = [path for path in folder.iterdir() if not is_hidden(path.name)]
    return any(path.is_file() and path.suffix.lower() in SUFFIXES for path in names)


def _cut(path: Path, num_windows: int, picture_fps: Fraction) -> list[Window]:
    """A clip as equal parts; one part alone ends where the clip does, whatever its length."""
    if num_windows == 1:
        return [Window(0.0, float("inf"))]
    duration_s = read_times(path, picture_fps).duration_s
    edges = (np.arange(num_windows + 1) * duration_s / num_windows).round(TIME_DECIMALS).tolist()
    return [Window(start, stop) for start, stop in pairwise(edges)]


def _slide(times: FrameTimes, settings: ImportClips, path: Path) -> Iterator[Window]:
    """Windows of one length, the last one up to the end of the video."""
    if times.duration_s < settings.window_s:
        raise FieldError(
            "window_s",
            f"expected at most the length of each video, got {settings.window_s} s, and {path} of "
            f"{times.duration_s:.2f} s",
        )
    last_s = times.duration_s - settings.window_s
    starts = np.append(np.arange(0, last_s, settings.stride_s), last_s)
    for start in np.unique(starts.round(TIME_DECIMALS)).tolist():
        yield Window(start, round(start + settings.window_s, TIME_DECIMALS))


def _truth(video: str, times: FrameTimes, ranges: Sequence[FrameRange]) -> pd.DataFrame:
    """What is true of each frame of a video."""
    is_anomalous = np.zeros(len(times.seconds), bool)
    for one in ranges:
        is_anomalous[one.start_frame : one.stop_frame] = True
    return pd.DataFrame(
        {
            "video": video,
            "frame": np.arange(len(times.seconds)),
            "time_s": times.seconds.round(TIME_DECIMALS),
            "is_anomalous": is_anomalous,
        }
    )


def _tell(start_s: float) -> str:
    """Two decimals, and more where a window may begin less than that after another."""
    text = f"{start_s:.2f}"
    return text if float(text) == start_s else str(start_s)


def _label(frames: range, ranges: Sequence[FrameRange], min_fraction: float) -> str:
    """The label that most of a window's labelled frames have, where they are enough."""
    counts = Counter[str]()
    for one in ranges:
        shared = range(max(frames.start, one.start_frame), min(frames.stop, one.stop_frame))
        counts[one.label] += len(shared)
    if counts.total() < min_fraction * len(frames) or not counts.total():
        return NORMAL
    return max(counts, key=lambda label: counts[label])


def _as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    kinds = {**WINDOW_DTYPES, **LABEL_DTYPES}
    return pd.DataFrame(rows)[list(kinds)].astype(kinds)

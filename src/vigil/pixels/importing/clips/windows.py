"""Reads clips in folders of classes, and videos with labelled frames, as one table of windows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vigil.domain.clip_formats.folders import list_clips, source_of
from vigil.domain.clip_formats.frame_labels import NORMAL, FrameRange, read_frame_labels
from vigil.domain.clips.gaps import cut_at_gaps
from vigil.domain.clips.truth import as_frames, as_regions, describe_disagreement
from vigil.domain.clips.windows import LABEL_DTYPES, MIXED, WINDOW_DTYPES
from vigil.pixels.flow.motion import LONGEST_GAP_S
from vigil.pixels.importing.clips.masks import (
    MASKS,
    check_names_of_masks,
    check_trees_of_masks,
    masks_of,
    read_masks,
)
from vigil.pixels.no_videos import is_document, is_no_video
from vigil.pixels.numbering import check_start, warn_of_starts
from vigil.pixels.video.numbered import holds_pictures
from vigil.pixels.windows import FrameTimes, Window, read_times
from vigil.plumbing.errors import FieldError, InputError, listed
from vigil.plumbing.folders import below, is_hidden
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.progress import progress
from vigil.settings.import_clips import ImportClips

TIME_DECIMALS = 6


class Listing(NamedTuple):
    """The files below a folder of videos, sorted.

    Attributes:
        videos: files, and folders of numbered pictures.
        notes: files that are tables, texts or documents by their names, except the labels; and
            folders of masks by their names, without a video of this name beside them.
    """

    videos: list[str]
    notes: list[str]


class Imported(NamedTuple):
    """The tables of an import.

    Attributes:
        windows: the columns of `WINDOW_DTYPES` and `LABEL_DTYPES`.
        frames: the labels of the frames of long videos, the columns of `FRAME_DTYPES`; empty for
            class folders.
        regions: the regions of the masks of long videos, the columns of `REGION_DTYPES`; empty for
            class folders.
        broken: by video, how many windows of long videos were left out: see `count_broken`.
        notes: what is no clip in class folders, by its name; see `list_notes`.
    """

    windows: pd.DataFrame
    frames: pd.DataFrame
    regions: pd.DataFrame
    broken: Mapping[str, int] = MappingProxyType({})
    notes: tuple[str, ...] = ()


def import_class_folders(
    clips: Path,
    settings: ImportClips,
    *,
    anomalous_classes: Sequence[str],
    group_pattern: str,
    picture_fps: Fraction,
) -> Imported:
    """Windows of the clips `<clips>/<class>/<clip>`: each clip as a whole, or cut in equal parts.

    Documents, and folders without pictures, are left out.

    Raises:
        InputError: see `list_clips`, and, for a clip to cut, `read_times`.
    """
    notes = list_notes(clips)
    table = list_clips(
        clips, anomalous_classes=anomalous_classes, group_pattern=group_pattern, left_out=notes
    )
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
    return Imported(_as_table(rows), as_frames([]), as_regions([]), notes=tuple(notes))


def import_frame_labelled(
    clips: Path,
    labels: Path,
    videos: Sequence[str],
    settings: ImportClips,
    *,
    group_pattern: str,
    picture_fps: Fraction,
) -> Imported:
    """Windows of long videos, one every `stride_s`. A CSV file labels the anomalous frames.

    A folder `<video>_gt` of pictures beside a video holds masks of its anomalies, one a frame.
    Windows begin anew after a gap of more than `LONGEST_GAP_S`, as in a stream.

    Args:
        videos: the paths of the videos below `clips`; see `list_videos`.

    Raises:
        InputError: a label belongs to no video, to frames past the end of its video, or to a folder
            of pictures that are numbered from neither 0 nor 1; a video is shorter than a window or
            has none without a gap; all windows are normal or all anomalous; or masks do not fit
            their video.
    """
    ranges = read_frame_labels(labels)
    if unknown := ranges.keys() - set(videos):
        raise InputError(
            f"{labels}: expected videos below {clips} ({listed(videos, 4)}), got {listed(unknown)}"
        )
    rows: list[dict[str, Any]] = []
    frames, regions, broken = [], [], {}
    for video in progress(videos, "import videos", "video"):
        times = read_times(clips / video, picture_fps)
        video_ranges = ranges.get(video, [])
        if video_ranges:
            check_start(clips / video, f"{labels}: {video}")
        _check_end(video_ranges, len(times.seconds), f"{labels}: {video}")
        masks = masks_of(clips / video)
        frames.append(_frame_labels(video, times, video_ranges, is_masked=masks is not None))
        if masks is not None:
            num = len(times.seconds)
            regions.append(read_masks(masks, clips / video, video, num, picture_fps))
        windows = _slide(times, settings, clips / video)
        if num_broken := count_broken(times, settings, len(windows)):
            broken[video] = num_broken
        common = {
            "video": video,
            "digest": tree_digest(clips / video),
            "source": source_of(video, group_pattern),
        }
        for window in windows:
            label = _label(times.frames_of(window), video_ranges, settings.min_anomalous_fraction)
            rows.append(
                {
                    **common,
                    "clip": f"{video}@{_format_start(window.start_s)}",
                    "start_s": window.start_s,
                    "stop_s": window.stop_s,
                    "class": label,
                    "is_anomalous": label != NORMAL,
                }
            )
    table = _as_table(rows)
    kinds = {NORMAL: table["class"] == NORMAL}
    kinds["anomalous"] = ~kinds[NORMAL] & (table["class"] != MIXED)
    for kind in (name for name, rows in kinds.items() if not rows.any()):
        raise InputError(
            f"{labels}: expected both normal and anomalous windows, found no {kind} one"
        )
    return Imported(table, as_frames(frames), as_regions(regions), broken)


def _check_end(ranges: Sequence[FrameRange], num_frames: int, place: str) -> None:
    if ranges and ranges[-1].stop_frame > num_frames:
        raise InputError(
            f"{place}: expected ranges within its {num_frames} frames, got one that ends at "
            f"{ranges[-1].stop_frame}"
        )


def list_videos(folder: Path, labels: Path) -> Listing:
    """Lists videos at any depth below a folder, and the documents beside them.

    Hidden files, the file of labels and folders of masks (`<video>_gt`) are left out.

    Raises:
        InputError: there is no video, a video has two folders of masks, or a folder looks like the
            masks of a video by its name, or by that of a folder around it.
    """
    videos: list[str] = []
    masks: list[Path] = []
    notes: list[str] = []
    folders = [folder]
    while folders:
        paths = sorted(folders.pop().iterdir())
        check_names_of_masks(paths)
        for path in paths:
            if is_hidden(path.name) or path.resolve() == labels.resolve():
                continue
            is_masks = path.name.endswith(MASKS) and path.is_dir()
            masks += [path] if is_masks else []
            if path.is_file() and is_document(path):
                notes.append(path.relative_to(folder).as_posix())
            # A link to nothing counts as a video, so that reading it raises the error.
            elif not path.is_dir() or (not is_masks and holds_pictures(path)):
                videos.append(path.relative_to(folder).as_posix())
            elif not is_masks:
                folders.append(path)
    if not videos:
        raise InputError(f"{folder}: expected videos or folders of numbered pictures, found none")
    below(folder, videos)
    check_trees_of_masks(folder, videos)
    of_videos = {masks_of(folder / video) for video in videos}
    notes += [one.relative_to(folder).as_posix() for one in masks if one not in of_videos]
    return Listing(sorted(videos), sorted(notes))


def list_notes(folder: Path) -> list[str]:
    """What is no clip in class folders: "<class>/<name>" of each document and other folder, sorted.

    A folder that holds no picture itself is no clip.
    """
    if not folder.is_dir():
        return []
    return sorted(
        path.relative_to(folder).as_posix()
        for kind in folder.iterdir()
        if kind.is_dir() and not is_hidden(kind.name)
        for path in kind.iterdir()
        if not is_hidden(path.name) and is_no_video(path)
    )


def describe(imported: Imported, clips: Path, notes: Sequence[str]) -> list[str]:
    """Lines about what was left out, and about what is doubtful, for people.

    Args:
        notes: the paths below `clips` that were left out, besides those of the import.
    """
    left_out = [*imported.notes, *notes]
    lines = [f"left out, as no video by name: {listed(left_out)}"] if left_out else []
    if imported.broken:
        lines.append(
            f"left out: {sum(imported.broken.values())} windows, where frames are more than "
            f"{LONGEST_GAP_S:g} s apart or fewer than 2, in {listed(imported.broken)}"
        )
    if doubtful := describe_disagreement(imported.frames, imported.regions):
        lines.append(doubtful)
    return lines + warn_of_starts(clips, imported.windows["video"].unique())


def _cut(path: Path, num_windows: int, picture_fps: Fraction) -> list[Window]:
    """Cuts a clip into equal windows. A single window has no end, so that it fits any clip."""
    if num_windows == 1:
        return [Window(0.0, float("inf"))]
    duration_s = read_times(path, picture_fps).duration_s
    edges = (np.arange(num_windows + 1) * duration_s / num_windows).round(TIME_DECIMALS).tolist()
    return [Window(start, stop) for start, stop in pairwise(edges)]


def _slide(times: FrameTimes, settings: ImportClips, path: Path) -> list[Window]:
    """The windows of a video, all of one length, each with at least two frames and without a gap.

    They begin anew after each gap. The last one of each part ends at the end of the part: a usual
    step after its last frame, since gaps are no part of a frame's length.

    Raises:
        FieldError: the video is shorter than a window, or no window is without a gap.
    """
    if times.duration_s < settings.window_s:
        raise FieldError(
            "window_s",
            f"expected at most the length of each video, got {settings.window_s} s for {path} of "
            f"{times.duration_s:.2f} s",
        )
    windows = []
    parts = cut_at_gaps(times.seconds, LONGEST_GAP_S)
    for part in parts:
        own_s = times.seconds[part]
        if len(parts) == 1:
            windows += _grid(own_s[0], times.duration_s, settings)
        elif len(part) > 1:
            windows += _grid(own_s[0], float(own_s[-1] + np.median(np.diff(own_s))), settings)
    kept = [window for window in windows if len(times.frames_of(window)) >= 2]
    if not kept:
        raise FieldError(
            "window_s",
            f"expected windows that hold at least 2 frames, at most {LONGEST_GAP_S:g} s apart, "
            f"found none of {settings.window_s} s in {path}",
        )
    return kept


def _grid(first_s: float, stop_s: float, settings: ImportClips) -> list[Window]:
    """Windows from `first_s` on, one every `stride_s`, and a last one that ends at `stop_s`."""
    last_s = stop_s - settings.window_s
    if last_s < first_s:
        return []
    starts = np.append(np.arange(first_s, last_s, settings.stride_s), last_s)
    return [
        Window(start, round(start + settings.window_s, TIME_DECIMALS))
        for start in np.unique(starts.round(TIME_DECIMALS)).tolist()
    ]


def count_broken(times: FrameTimes, settings: ImportClips, num_windows: int) -> int:
    """How many windows gaps cost, and windows with fewer than two frames."""
    return max(0, len(_grid(0.0, times.duration_s, settings)) - num_windows)


def _frame_labels(
    video: str, times: FrameTimes, ranges: Sequence[FrameRange], *, is_masked: bool
) -> pd.DataFrame:
    """The label of each frame of a video, with its time."""
    is_anomalous = np.zeros(len(times.seconds), bool)
    for anomaly in ranges:
        is_anomalous[anomaly.start_frame : anomaly.stop_frame] = True
    return pd.DataFrame(
        {
            "video": video,
            "frame": np.arange(len(times.seconds)),
            "time_s": times.seconds.round(TIME_DECIMALS),
            "is_anomalous": is_anomalous,
            "is_masked": is_masked,
        }
    )


def _format_start(start_s: float) -> str:
    """A start time with two decimals, or with all its decimals if two change the value."""
    text = f"{start_s:.2f}"
    return text if float(text) == start_s else str(start_s)


def _label(frames: range, ranges: Sequence[FrameRange], min_fraction: float) -> str:
    """The commonest label of a window's frames; `MIXED` if too few of them are labelled."""
    counts = Counter[str]()
    for labelled in ranges:
        shared = range(
            max(frames.start, labelled.start_frame), min(frames.stop, labelled.stop_frame)
        )
        counts[labelled.label] += len(shared)
    if not counts.total():
        return NORMAL
    if counts.total() < min_fraction * len(frames):
        return MIXED
    return max(counts, key=lambda label: counts[label])


def _as_table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    dtypes = {**WINDOW_DTYPES, **LABEL_DTYPES}
    return pd.DataFrame(rows)[list(dtypes)].astype(dtypes)

"""Reads Label Studio video exports (JSON and JSON_MIN) into tasks of regions of keyframes.

Follows Label Studio's own meaning of an export (`VideoRegion` of its frontend, the export guide).
Everything in a file is untrusted: ids and names are checked before they may become paths.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePosixPath
from typing import Any
from unicodedata import normalize
from urllib.parse import parse_qs, unquote, urlsplit

from vigil.plumbing.errors import InputError, listed, shorten

GEOMETRY_KEYS = ("x", "y", "width", "height")
REGION_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
ANSWER_KEYS = {
    *("choices", "chatmessage", "datetime", "number", "pairwise", "ranker"),
    *("rating", "reactcode", "selected", "taxonomy", "text"),
}
"""Where Label Studio's controls put what is said of a region, other than its label."""


@dataclass(frozen=True)
class Keyframe:
    """What an annotator set on one frame.

    Attributes:
        frame: the frame number as exported, at the annotator's frame rate.
        enabled: whether the object is visible after this keyframe.
        geometry: x, y, width, height in per cent of the picture, turned about (x, y); None for a
            keyframe that only ends a visible span.
        rotation_deg: clockwise.
        time_s: `frame` divided by the annotator's frame rate; None where it is not told.
    """

    frame: int
    enabled: bool
    geometry: tuple[float, float, float, float] | None
    rotation_deg: float
    time_s: float | None


@dataclass(frozen=True)
class Region:
    """One object through a video: keyframes in ascending order of frame, no frame twice."""

    id: str
    label: str
    keyframes: tuple[Keyframe, ...]


@dataclass(frozen=True)
class Task:
    """The annotation of one video: `source` is the video as the export names it."""

    id: str
    source: str
    regions: tuple[Region, ...]
    warnings: tuple[str, ...]

    @property
    def annotator_fps(self) -> float | None:
        """The median of frame / time over all keyframes; None where no keyframe tells."""
        rates = sorted(
            keyframe.frame / keyframe.time_s
            for region in self.regions
            for keyframe in region.keyframes
            if keyframe.time_s is not None and keyframe.time_s > 0 and keyframe.frame > 0
        )
        middle = len(rates) // 2
        if not rates:
            return None
        return rates[middle] if len(rates) % 2 else (rates[middle - 1] + rates[middle]) / 2


def parse_export(
    export: Any,
    file: str,
    *,
    labels: Sequence[str],
    unlabelled: str = "",
    use_predictions: bool = False,
    only_videos: Sequence[str] = (),
) -> list[Task]:
    """Parses a whole export.

    Args:
        export: the parsed JSON.
        file: what messages call it.
        labels: the labels that may occur.
        unlabelled: the label of a region that has none; empty where every region must have one.
        use_predictions: whether a task without an annotation takes its last prediction instead.
        only_videos: leaves the tasks of other videos unread, without regions; empty: reads all.

    Raises:
        InputError: anything that cannot be understood, named by task, region and keyframe.
    """
    if isinstance(export, Mapping):  # one task exported by itself
        export = [export]
    if not isinstance(export, list):
        raise InputError(f"{file}: expected a list of tasks, got {shorten(export)}")
    if not export:
        raise InputError(f"{file}: expected at least one task, found none")
    parser = _Parser(file, tuple(labels), unlabelled, use_predictions, tuple(only_videos))
    return [parser.task(task, position) for position, task in enumerate(export, start=1)]


def match_videos(tasks: Iterable[Task], videos: Sequence[str], file: str) -> dict[str, Task]:
    """Finds the task of each video by file name.

    Label Studio replaces unsafe characters of an uploaded file's name by `_` and puts eight
    hexadecimal digits in front, so names are compared after the same replacement, by stem, and
    without the digits where that is what matches. An accented letter may be one character (NFC) or
    two (NFD, as from macOS), and becomes as many `_`: both forms are compared.

    Returns:
        The task of each video that has one, in the order of `videos`. Tasks of other videos are
        left out: compare the lengths.

    Raises:
        InputError: a task matches several videos, or a video has several tasks or none.
    """
    matched: dict[str, Task] = {}
    for task in tasks:
        name = _file_name(task.source)
        candidates = [video for video in videos if _same_name(name, video)]
        names = {name, _without_prefix(name)}
        composed = {normalize("NFC", name) for name in names}
        replaced = {form for name in names for form in _safe_forms(name)}
        unsafe = [video for video in candidates if video != _safe(video)]
        for exact in (  # the second and third: where nothing was replaced
            [video for video in candidates if not replaced.isdisjoint(_safe_forms(video))],
            [video for video in unsafe if normalize("NFC", video) in composed],
            [video for video in unsafe if video in names],
        ):
            if len(candidates) > 1 and len(exact) == 1:  # a.mp4 and a.avi share their stem
                candidates = exact
        if len(candidates) > 1:
            raise InputError(
                f"{file}: task {task.id}: its video {shorten(task.source)} matches "
                f"{listed(candidates)}; expected one"
            )
        for video in candidates:
            if video in matched:
                raise InputError(
                    f"{file}: tasks {matched[video].id} and {task.id} both belong to {video}; "
                    "expected one"
                )
            matched[video] = task
    missing = [video for video in videos if video not in matched]
    if missing:
        raise InputError(
            f"{file}: expected a task for each listed video, found none for {listed(missing)}; "
            f"the tasks are of {listed({_file_name(task.source) for task in tasks})}"
        )
    return {video: matched[video] for video in videos}


def _file_name(source: str) -> str:
    path = source
    try:
        parts = urlsplit(source) if "://" in source or source.startswith("/data/") else None
    except ValueError:  # no address, whatever it looks like
        parts = None
    if parts is not None:
        path = unquote(parts.path)
        if path.rstrip("/").endswith("/local-files") and (local := parse_qs(parts.query).get("d")):
            path = local[0]  # /data/local-files/?d=<path>
    return PurePosixPath(path.replace("\\", "/")).name


def _without_prefix(name: str) -> str:
    return UPLOAD_PREFIX.sub("", name, count=1) if UPLOAD_PREFIX.match(name) else name


def _safe(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]", "_", name)


def _safe_forms(name: str) -> set[str]:
    return {_safe(normalize("NFC", name)), _safe(normalize("NFD", name))}


def _stems(name: str) -> set[str]:
    return {PurePosixPath(form).stem for form in _safe_forms(name)}


def _same_name(name: str, video: str) -> bool:
    return not _stems(video).isdisjoint(_stems(name) | _stems(_without_prefix(name)))


@dataclass(frozen=True)
class _Parser:
    file: str
    labels: tuple[str, ...]
    unlabelled: str
    use_predictions: bool
    only_videos: tuple[str, ...]

    def task(self, task: Any, position: int) -> Task:
        where = f"{self.file}: task {position}"
        if not isinstance(task, Mapping):
            raise InputError(f"{where}: expected an object, got {shorten(task)}")
        task_id = str(task.get("id", position))
        where = f"{self.file}: task {shorten(task_id).strip(chr(39))}"
        is_full = "annotations" in task or "predictions" in task
        source = self._source(task.get("data") if is_full else task, where)
        name = _file_name(source)
        if self.only_videos and not any(_same_name(name, video) for video in self.only_videos):
            return Task(task_id, source, (), ())
        if is_full:
            results = self._results(task, where)
        else:
            results = self._minimal_results(task, task_id, where)
        warnings: list[str] = []
        regions = self._regions(results, where, warnings)
        return Task(task_id, source, regions, tuple(warnings))

    def _source(self, data: Any, where: str) -> str:
        if not isinstance(data, Mapping):
            raise InputError(f"{where}: expected 'data' with the video, got {shorten(data)}")
        texts = {key: value for key, value in data.items() if isinstance(value, str) and value}
        if "video" in texts:
            return texts["video"]
        paths = {k: v for k, v in texts.items() if re.search(r"\.[A-Za-z0-9]{2,4}($|\?)", v)}
        if len(paths) == 1:
            return next(iter(paths.values()))
        raise InputError(
            f"{where}: expected the video's path under 'video', found the keys {listed(data)}"
        )

    def _results(self, task: Mapping[str, Any], where: str) -> list[Any]:
        """The results of the annotation that counts: ground truth first, then the newest.

        Of equally new ones it is the last in the list; one without a date is older than any other.
        """
        annotations = task.get("annotations") or []
        if not isinstance(annotations, list) or not all(
            isinstance(annotation, Mapping) for annotation in annotations
        ):
            raise InputError(f"{where}: expected 'annotations' as a list of objects")
        counting = [a for a in annotations if not a.get("was_cancelled")]
        if not counting and self.use_predictions:
            predictions = task.get("predictions") or []
            counting = [p for p in predictions if isinstance(p, Mapping)][-1:]
        if not counting:
            cancelled = f" ({len(annotations)} cancelled)" if annotations else ""
            raise InputError(f"{where}: expected an annotation, found none{cancelled}")
        preferred = [a for a in counting if a.get("ground_truth")] or counting
        if len(preferred) > 1:
            preferred = sorted(preferred, key=lambda annotation: _created(annotation, where))
        results = preferred[-1].get("result")
        if not isinstance(results, list):
            raise InputError(f"{where}: expected a list 'result', got {shorten(results)}")
        return results

    def _minimal_results(self, task: Mapping[str, Any], task_id: str, where: str) -> list[Any]:
        """JSON_MIN: the regions lie under the control tag's name, without ids.

        Choices and the like of single regions lie under names of their own, each with a copy of its
        region's keyframes: the original ones where the export filled the region's in.
        """
        tags = [
            value
            for value in task.values()
            if isinstance(value, list)
            and any(
                isinstance(item, Mapping) and "sequence" in item and not _is_answer(item)
                for item in value
            )
        ]
        if not tags:
            raise InputError(f"{where}: expected an annotation, found none")
        safe_id = _safe(task_id).replace(".", "_")[:40]
        regions = [item for tag in tags for item in tag if not _is_answer(item)]
        return [
            {"id": f"task{safe_id}_{number}", "type": "videorectangle", "value": value}
            for number, value in enumerate(regions, start=1)
        ]

    def _regions(
        self, results: Sequence[Any], where: str, warnings: list[str]
    ) -> tuple[Region, ...]:
        regions: dict[str, Region] = {}
        folded: set[str] = set()
        for result in results:
            if not isinstance(result, Mapping):
                raise InputError(f"{where}: expected results as objects, got {shorten(result)}")
            if result.get("type") != "videorectangle":
                continue  # choices and the like repeat the geometry of the region they belong to
            region_id = result.get("id")
            if not isinstance(region_id, str) or not REGION_ID.fullmatch(region_id):
                raise InputError(
                    f"{where}: region id: expected 1 to 64 letters, digits, '-' or '_', "
                    f"got {shorten(region_id)}"
                )
            if region_id.casefold() in folded:  # some file systems do not tell a.json from A.json
                raise InputError(
                    f"{where}, region {region_id}: expected each id once, got it twice"
                )
            folded.add(region_id.casefold())
            place = f"{where}, region {region_id}"
            value = result.get("value")
            if not isinstance(value, Mapping):
                raise InputError(f"{place}: expected an object 'value', got {shorten(value)}")
            keyframes = self._keyframes(value.get("sequence"), place, warnings)
            label = self._label(value, results, region_id, place)
            regions[region_id] = Region(region_id, label, keyframes)
        return tuple(regions.values())

    def _label(
        self, value: Mapping[str, Any], results: Sequence[Any], region_id: str, place: str
    ) -> str:
        names = value.get("labels")
        if not names:  # the labels may stand in a result of their own with the same id
            names = [
                name
                for result in results
                if isinstance(result, Mapping)
                and result.get("id") == region_id
                and result.get("type") == "labels"
                and isinstance(result.get("value"), Mapping)
                for name in _as_list(result["value"].get("labels"))
            ]
        if isinstance(names, str):
            names = [names]
        if not isinstance(names, list):
            raise InputError(f"{place}: expected a list 'labels', got {shorten(names)}")
        if not names:
            if not self.unlabelled:
                raise InputError(
                    f"{place}: expected a label (one of {listed(self.labels)}), found none; "
                    "unlabelled can name one"
                )
            return self.unlabelled
        if len(names) > 1:
            raise InputError(f"{place}: expected one label, got {shorten(names)}")
        if names[0] not in self.labels:
            raise InputError(
                f"{place}: expected one of labels ({listed(self.labels)}), got {shorten(names[0])}"
            )
        return str(names[0])

    def _keyframes(self, sequence: Any, place: str, warnings: list[str]) -> tuple[Keyframe, ...]:
        if not isinstance(sequence, list) or not sequence:
            raise InputError(f"{place}: expected a list of keyframes, got {shorten(sequence)}")
        keyframes: dict[int, Keyframe] = {}
        for position, item in enumerate(sequence, start=1):
            keyframe = self._keyframe(item, f"{place}, keyframe {position}")
            if keyframe.frame in keyframes:
                warnings.append(
                    f"region {place.rsplit(' ', 1)[-1]}: two keyframes for frame "
                    f"{keyframe.frame}, the later one counts"
                )
            keyframes[keyframe.frame] = keyframe
        return tuple(keyframes[frame] for frame in sorted(keyframes))

    def _keyframe(self, item: Any, place: str) -> Keyframe:
        if not isinstance(item, Mapping):
            raise InputError(f"{place}: expected an object, got {shorten(item)}")
        frame = _number(item, "frame", place)
        if not frame.is_integer():
            raise InputError(f"{place}: expected a whole 'frame', got {shorten(item['frame'])}")
        enabled = item.get("enabled", True)
        if not isinstance(enabled, bool):
            raise InputError(
                f"{place}: expected true or false as 'enabled', got {shorten(enabled)}"
            )
        # Label Studio reckons the times of frames it fills in (auto) from an unreliable duration.
        time_s = None if item.get("time") is None else _number(item, "time", place)
        if item.get("auto") is True:
            time_s = None
        rotation = 0.0 if item.get("rotation") is None else _number(item, "rotation", place)
        if enabled or any(key in item for key in GEOMETRY_KEYS):
            x, y, width, height = (_number(item, key, place) for key in GEOMETRY_KEYS)
            geometry = (x, y, width, height)
        else:
            geometry = None
        return Keyframe(int(frame), enabled, geometry, rotation, time_s)


def _created(annotation: Mapping[str, Any], where: str) -> datetime:
    """When an annotation was made: ISO 8601, in UTC where it names no offset."""
    told = annotation.get("created_at")
    if told is None or told == "":
        return datetime.min.replace(tzinfo=UTC)
    try:
        created = datetime.fromisoformat(told)
    except (TypeError, ValueError):
        name = shorten(annotation.get("id")).strip("'")
        raise InputError(
            f"{where}, annotation {name}: expected a date of ISO 8601 as 'created_at', "
            f"got {shorten(told)}"
        ) from None
    return created if created.tzinfo else created.replace(tzinfo=UTC)


def _is_answer(value: Any) -> bool:
    """Whether a value says something of a region, and is none itself."""
    return (
        isinstance(value, Mapping) and not value.get("labels") and not ANSWER_KEYS.isdisjoint(value)
    )


def _as_list(value: Any) -> list[Any]:
    if not value:
        return []
    return value if isinstance(value, list) else [value]


def _number(item: Mapping[str, Any], key: str, place: str) -> float:
    value = item.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not _finite(value):
        got = shorten(value) if key in item else "nothing"
        raise InputError(f"{place}: expected a finite number as '{key}', got {got}")
    return float(value)


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value) and abs(value) < 1e9
    except OverflowError:  # an integer beyond every float
        return False

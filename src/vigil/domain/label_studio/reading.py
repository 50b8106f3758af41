"""Reads Label Studio video exports (JSON and JSON_MIN) into tasks of regions of keyframes.

An export is read as Label Studio itself reads it, which was measured on a real server
(docs/label-studio.md). Nothing in a file is trusted: ids and names are checked before they become
part of a path.
"""

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vigil.domain.label_studio.choosing import Chosen, choose
from vigil.domain.label_studio.labels import as_list
from vigil.domain.label_studio.minimal import as_full
from vigil.domain.label_studio.names import VideoNames
from vigil.domain.label_studio.regions import Findings, RegionReader
from vigil.domain.label_studio.sources import key_of_each_tag, results_on, tags_of, videos_of
from vigil.domain.label_studio.tasks import Task
from vigil.domain.label_studio.units import check_no_px, check_no_shares
from vigil.plumbing.errors import InputError, listed, shorten

RATE_KEYS = ("framerate", "frameRate", "frame_rate", "fps", "FPS")
"""Keys of a task's data to which a tag may refer, as in `framerate="$fps"`."""


def parse_export(
    export: Any,
    file: str,
    *,
    labels: Sequence[str],
    unlabelled: str = "",
    use_predictions: bool = False,
    annotators: str = "error",
    only_videos: Sequence[str] = (),
    only_tasks: Collection[str] = (),
    data_key_of_tag: Mapping[str, str] | None = None,
) -> list[Task]:
    """Parses a whole export. A task with several videos becomes one task for each of them.

    Args:
        export: the parsed JSON.
        file: the name of the export in messages.
        labels: the labels that may occur.
        unlabelled: the label of a region that has none; empty where every region must have one.
        use_predictions: whether a task without an annotation takes its last prediction instead.
        annotators: which of several annotations is used; see `choose`.
        only_videos: the videos whose tasks are read; empty for all. Tasks of other videos are not
            read, and get no regions.
        only_tasks: ids of tasks that are read whatever their video.
        data_key_of_tag: the key of the data that holds the video of each `<Video>` tag; see
            `key_of_each_tag`.

    Raises:
        InputError: anything that is not understood. The message names task, region and keyframe.
    """
    if isinstance(export, Mapping):  # one task exported by itself
        export = [export]
    if not isinstance(export, list):
        raise InputError(f"{file}: expected a list of tasks, got {shorten(export)}")
    if not export:
        raise InputError(f"{file}: expected at least one task, found none")
    parser = _Parser(
        file,
        RegionReader(tuple(labels), unlabelled),
        use_predictions,
        annotators,
        VideoNames(only_videos) if only_videos else None,
        only_tasks,
        data_key_of_tag or {},
    )
    tasks = as_full(export)
    parser.all_tags.update(*(parser.tags(task) for task in tasks))
    read = [
        one for position, task in enumerate(tasks, start=1) for one in parser.read(task, position)
    ]
    check_no_shares([region for one in read for region in one.regions], file)
    return read


@dataclass(frozen=True)
class _Parser:
    file: str
    regions: RegionReader
    use_predictions: bool
    annotators: str
    only_videos: VideoNames | None
    only_tasks: Collection[str]
    key_of_tag: Mapping[str, str]
    all_tags: set[str | None] = field(default_factory=set)

    def tags(self, task: Any) -> set[str | None]:
        """The tags of all boxes of a task, whether its annotation counts or not."""
        kinds = ["annotations", *(["predictions"] if self.use_predictions else [])]
        tags: set[str | None] = set()
        for kind in kinds if isinstance(task, Mapping) else []:
            for one in as_list(task.get(kind)):
                if isinstance(one, Mapping) and isinstance(one.get("result"), list):
                    tags |= tags_of(one["result"], self.key_of_tag)
        return tags

    def read(self, task: Any, position: int) -> Iterator[Task]:
        """Reads a task: one for each of its videos."""
        where = f"{self.file}: task {position}"
        if not isinstance(task, Mapping):
            raise InputError(f"{where}: expected an object, got {shorten(task)}")
        task_id = str(task.get("id", position))
        where = f"{self.file}: task {shorten(task_id).strip(chr(39))}"
        data: Any = task.get("data")
        sources = list(videos_of(data, where).values())
        is_wanted = self.only_videos is None or task_id in self.only_tasks
        if not is_wanted and not any(map(self._is_listed, sources)):
            yield Task(task_id, sources[0], (), ())
            return
        findings = Findings()
        chosen = self._chosen(task, where, findings)
        tags = tags_of(chosen.results, self.key_of_tag)
        keys = key_of_each_tag(data, tags, self.all_tags, self.key_of_tag, where)
        for key in dict.fromkeys(keys.values()):
            own = Findings(list(findings.warnings), findings.counts.copy())
            results = list(results_on(chosen.results, keys, key, self.key_of_tag))
            regions = self.regions.read(results, task_id, where, own)
            check_no_px(regions, where)
            yield Task(
                task_id,
                data[key],
                regions,
                tuple(own.warnings),
                _declared_fps(data),
                chosen.counted,
                dict(own.counts),
            )

    def _is_listed(self, source: str) -> bool:
        return self.only_videos is None or bool(self.only_videos.candidates(source)[1])

    def _chosen(self, task: Mapping[str, Any], where: str, findings: Findings) -> Chosen:
        annotations = task.get("annotations") or []
        if not isinstance(annotations, list) or not all(
            isinstance(annotation, Mapping) for annotation in annotations
        ):
            raise InputError(f"{where}: expected 'annotations' as a list of objects")
        finished = [a for a in annotations if not _is_cancelled(a, where)]
        findings.counts["annotations_cancelled"] += len(annotations) - len(finished)
        _warn_of_drafts(task, findings)
        if finished:
            chosen = choose(finished, self.annotators, where)
            findings.counts["annotations_left_out"] += chosen.num_left_out
            if chosen.num_left_out:
                findings.warnings.append(
                    f"{len(finished)} annotations; annotation {chosen.counted[0]} counts"
                )
            return chosen
        if self.use_predictions:
            predictions = task.get("predictions") or []
            if not isinstance(predictions, list):
                raise InputError(f"{where}: expected 'predictions' as a list")
            with_results = [
                prediction for prediction in predictions if isinstance(prediction, Mapping)
            ]
            if predictions and not with_results:
                raise InputError(
                    f"{where}: expected predictions with their results, got only their ids "
                    f"({listed(predictions)}), as in Label Studio's quick export; a snapshot "
                    "with predictions.only_id: false has the results"
                )
            if with_results:
                findings.counts["predictions_left_out"] += len(with_results) - 1
                if len(with_results) > 1:
                    findings.warnings.append(
                        f"{len(with_results)} predictions; the last one counts"
                    )
                return choose(with_results[-1:], self.annotators, where)
        cancelled = f" ({len(annotations)} cancelled)" if annotations else ""
        raise InputError(f"{where}: expected an annotation, found none{cancelled}")


def _is_cancelled(annotation: Mapping[str, Any], where: str) -> bool:
    cancelled = annotation.get("was_cancelled")
    if cancelled not in (None, False, True):  # 0 and 1, as databases write them, are among these
        raise InputError(
            f"{where}: expected true or false as 'was_cancelled', got {shorten(cancelled)}"
        )
    return bool(cancelled)


def _warn_of_drafts(task: Mapping[str, Any], findings: Findings) -> None:
    """Warns of drafts, which are not read: an annotator may expect them in the result."""
    drafts = task.get("drafts")
    num_drafts = len(drafts) if isinstance(drafts, list) else 0
    if num_drafts:
        findings.counts["drafts_left_out"] += num_drafts
        findings.warnings.append(
            f"drafts left out: {num_drafts}; they hold work that was never submitted or updated"
        )


def _declared_fps(data: Mapping[str, Any]) -> float | None:
    """The frame rate in a task's data, read as by the `<Video>` tag; None where it is missing.

    A value below 1 is the duration of a frame in seconds.
    """
    for key in RATE_KEYS:
        try:
            fps = float(data[key])
        except (KeyError, TypeError, ValueError, OverflowError):
            continue
        if isinstance(data[key], bool) or not math.isfinite(fps) or fps <= 0:
            continue
        fps = 1 / fps if fps < 1 else fps
        return fps if math.isfinite(fps) else None
    return None

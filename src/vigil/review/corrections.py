"""Reads corrected exports of Label Studio, and puts their tasks into the export of the project."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vigil.domain.label_studio.minimal import as_full
from vigil.domain.label_studio.names import VideoNames
from vigil.domain.label_studio.reading import parse_export
from vigil.domain.label_studio.sources import videos_of
from vigil.domain.label_studio.tasks import Region, Task
from vigil.domain.proposals import SOURCE_KEY
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.records import read_json
from vigil.settings.dataset import Dataset
from vigil.settings.interpolate_annotations import InterpolateAnnotations

VERSION_PREFIX = "vigil-"
PROPOSED_FILE = "label_studio.json"

Json = Mapping[str, Any]


@dataclass(frozen=True)
class Correction:
    """A corrected task.

    Attributes:
        video: its name in `dataset.videos`.
        entry: the task as exported, in the form of JSON.
        task: the task as read.
        proposed: the regions that the machine proposed; empty: there was no proposal.
    """

    video: str
    entry: Json
    task: Task
    proposed: tuple[Region, ...]


class CorrectionReader:
    """Reads corrected exports for the videos of a project."""

    def __init__(self, dataset: Dataset, settings: InterpolateAnnotations, watched: Path) -> None:
        """Args: watched: the folder of watched sources, for exports without their predictions."""
        self._videos_folder = Path(dataset.root) / "videos"
        self._names, self._settings = VideoNames(dataset.videos), settings
        self._video_of_task, self._watched = dataset.video_of_task, watched

    def read(self, files: Sequence[Path]) -> tuple[list[Correction], int]:
        """The corrections of all files, and the number of tasks without an annotation.

        Raises:
            InputError: a task is not of this project, two tasks are of one video, or a file is not
                understood.
        """
        found: dict[str, Correction] = {}
        num_open = 0
        for file in files:
            for entry in read_entries(file):
                if not _is_finished(entry):
                    num_open += 1
                    continue
                correction = self._read_entry(entry, file)
                if correction.video in found:
                    raise InputError(
                        f"{file}: expected one task for each video, got several for "
                        f"{correction.video}"
                    )
                found[correction.video] = correction
        if not found:
            raise InputError(
                f"{listed(map(str, files))}: expected a finished annotation, found none"
            )
        return list(found.values()), num_open

    def _read_entry(self, entry: Json, file: Path) -> Correction:
        where = f"{file}: task {shorten(entry.get('id'))}"
        (task, *others) = self._parse(entry, file, use_predictions=False)
        if others:
            raise InputError(f"{where}: expected one video, got {len(others) + 1}")
        _, videos = self._names.candidates(task.source)
        if len(videos) != 1:
            found = listed(videos) if videos else "none, so it is an export of another project"
            raise InputError(
                f"{where}: expected a video of dataset.videos for {shorten(task.source, 100)}, "
                f"found {found}"
            )
        self._check_source(entry, videos[0], where)
        return Correction(videos[0], entry, task, self._proposed(entry, videos[0], file, where))

    def _check_source(self, entry: Json, video: str, where: str) -> None:
        """Refuses the task of a video with the same name and other content."""
        path = self._videos_folder / video
        if not path.exists():
            raise InputError(f"{path}: expected the video of {where}, found none")
        digest = entry["data"].get(SOURCE_KEY)
        if digest is not None and digest != tree_digest(path):
            raise InputError(
                f"{where}: expected the {video} of this project, got a video of other content, so "
                "it is an export of another project"
            )

    def _proposed(self, entry: Json, video: str, file: Path, where: str) -> tuple[Region, ...]:
        predictions = entry.get("predictions") or []
        complete = [one for one in predictions if isinstance(one, Mapping) and "result" in one]
        own = [one for one in complete if str(one.get("model_version")).startswith(VERSION_PREFIX)]
        stored = self._watched / video / PROPOSED_FILE
        if not complete and stored.is_file():
            (proposal,) = read_json(stored)
            own = proposal["predictions"]
        elif predictions and not complete:
            raise InputError(
                f"{where}: expected predictions with their results, got only their ids, and found "
                f"no {stored}"
            )
        if not own:
            return ()
        proposal = {"id": entry.get("id"), "data": entry["data"], "predictions": own[-1:]}
        (task,) = self._parse(proposal, file, use_predictions=True)
        return task.regions

    def _parse(self, entry: Json, file: Path, *, use_predictions: bool) -> list[Task]:
        return parse_entries([entry], file, self._settings, use_predictions=use_predictions)

    def put_into(self, export: Sequence[Any], corrections: Sequence[Correction]) -> list[Json]:
        """The tasks of an export, with corrected tasks instead of those of the same videos.

        A corrected task gets the id of the task that it replaces, else a new id.

        Args:
            export: the entries of the export.
        """
        merged: list[Json] = [*as_full(export)]
        for correction in corrections:
            at = [n for n, entry in enumerate(merged) if correction.video in self._of(entry)]
            numbers = [entry["id"] for entry in merged if isinstance(entry.get("id"), int)]
            task_id = merged[at[0]].get("id") if at else max(numbers, default=0) + 1
            entry = {
                "id": task_id,
                "data": correction.entry["data"],
                "annotations": correction.entry["annotations"],
            }
            position = at[0] if at else len(merged)
            merged = [one for n, one in enumerate(merged) if n not in at]
            merged.insert(position, entry)
        return merged

    def _of(self, entry: Json) -> Iterable[str]:
        """The videos that an entry of the project's export is of."""
        assigned = self._video_of_task.get(str(entry.get("id")))
        if assigned is not None:
            return [assigned]
        sources = videos_of(entry.get("data"), "the export of the project").values()
        return [video for source in sources for video in self._names.candidates(source)[1]]


def read_entries(file: Path) -> list[Json]:
    """The tasks of an export, in the form of JSON.

    Raises:
        InputError: no such file, or not a list of tasks.
    """
    content = read_json(file, is_foreign=True)
    entries = [content] if isinstance(content, Mapping) else content
    if not isinstance(entries, list) or not all(isinstance(entry, Mapping) for entry in entries):
        raise InputError(f"{file}: expected a list of tasks, got {shorten(content)}")
    return as_full(entries)


def parse_entries(
    entries: Sequence[Any],
    file: Path,
    settings: InterpolateAnnotations,
    *,
    use_predictions: bool = False,
) -> list[Task]:
    """Reads tasks by the settings of the stage that reads the export."""
    return parse_export(
        list(entries),
        str(file),
        labels=settings.labels,
        unlabelled=settings.unlabelled,
        use_predictions=use_predictions,
        annotators=settings.annotators,
        data_key_of_tag=settings.data_key_of_tag,
    )


def _is_finished(entry: Json) -> bool:
    annotations = entry.get("annotations")
    return isinstance(annotations, list) and any(
        isinstance(one, Mapping) and not one.get("was_cancelled") for one in annotations
    )

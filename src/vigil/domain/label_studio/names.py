"""Finds the video of a task by the file name that Label Studio stored.

Names are never simplified. A video matches by its name, or, below the folder of uploads, by exactly
the name that Label Studio's server stores for it. Where several videos match equally well,
`dataset.video_of_task` chooses one.
"""

import html
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from unicodedata import normalize

from vigil.domain.label_studio.addresses import (
    UPLOAD_FOLDER,
    is_upload,
    path_of,
    without_ending,
)
from vigil.domain.label_studio.tasks import Task
from vigil.plumbing.errors import FieldError, InputError, listed, shorten

UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
RANDOM_END = re.compile(r"_[A-Za-z0-9]{7}$")
MAX_PATH_LENGTH = 100
"""Characters of the whole path of an upload, by Django's `FileField`."""
MAX_NAME_LENGTH = 255
"""Characters of an uploaded file's name, by Django's `UploadedFile`."""
HINT = "set dataset.video_of_task to choose"


def stored_name(name: str) -> str:
    """The name under which Label Studio stores an uploaded file, without the prefix.

    Measured on 1.23.2 with 185 uploads (docs/label-studio.md). The steps, in order: a browser
    escapes quotes and line ends. Django decodes HTML entities, removes folders and unprintable
    characters (`MultiPartParser.sanitize_file_name`), and cuts names longer than 255 characters.
    Then a space becomes `_`, and all characters other than letters, numbers, `-`, `_` and `.` are
    removed (`get_valid_filename`).
    """
    for character, escaped in (('"', "%22"), ("\n", "%0A"), ("\r", "%0D")):
        name = name.replace(character, escaped)
    name = html.unescape(name)
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(c for c in name if c.isprintable())
    if len(name) > MAX_NAME_LENGTH:
        path = PurePosixPath(name)
        name = path.stem[: MAX_NAME_LENGTH - len(path.suffix)] + path.suffix
    return "".join("_" if c == " " else c for c in name if c in "-_. " or c.isalnum())


def file_name(source: str) -> str:
    """The file name in the path or URL that a task has for its video."""
    return path_of(source).name


class VideoNames:
    """The names of the listed videos, among which it finds the video of a task."""

    def __init__(self, videos: Sequence[str]) -> None:
        self._videos = tuple(videos)
        self._levels = (_levels(videos, lambda video: video), _levels(videos, without_ending))

    def candidates(self, source: str) -> tuple[bool, list[str]]:
        """The videos that match best.

        The matches, best first: the name itself, in any Unicode form; for an upload, the name after
        its prefix: the name that the server stores for the unchanged name, then the name itself,
        then the name that the server stores for another Unicode form; a stored name that was cut.
        The name of an upload may be that of one video with its prefix and that of another without
        it. Both videos match then.

        If nothing matches, all but the last are tried again without the ending of a video: browsers
        cannot play AVI, so an AVI file is annotated as an MP4 file of the same name.

        Args:
            source: the path or URL that the task has for its video.

        Returns:
            Whether the ending matches too, and the videos.
        """
        path = path_of(source)
        uploaded = UPLOAD_PREFIX.match(path.name) is not None and is_upload(path)
        for with_ending, levels in zip((True, False), self._levels, strict=True):
            name = path.name if with_ending else without_ending(path.name)
            exact, composed, as_stored, as_stored_otherwise = levels
            found = _first([(exact, name), (composed, normalize("NFC", name))])
            if uploaded:
                stored = UPLOAD_PREFIX.sub("", name, count=1)
                lookups = [(as_stored, stored), (composed, normalize("NFC", stored))]
                further = _first([*lookups, (as_stored_otherwise, stored)])
                found = [*found, *(video for video in further if video not in found)]
            if found:
                return with_ending, found
            if with_ending and (cut := [v for v in self._videos if _is_cut(path, v)]):
                return True, cut
        return False, []


def _first(lookups: Sequence[tuple[Mapping[str, list[str]], str]]) -> list[str]:
    """The videos of the first level that has the form of the name."""
    return next((level[form] for level, form in lookups if form in level), [])


def match_videos(
    tasks: Iterable[Task],
    videos: Sequence[str],
    file: str,
    video_of_task: Mapping[str, str] | None = None,
) -> dict[str, Task]:
    """Finds the task of each video by file name; see `VideoNames.candidates`.

    Args:
        video_of_task: the video of a task by the task's id, for tasks that are assigned by hand.

    Returns:
        The task of each video, in the order of `videos`. Tasks of other videos are left out. A
        task that matches only without the ending has a warning and a count that say so.

    Raises:
        InputError: a task matches several videos equally well, or a video has several tasks or
            none.
        FieldError: `video_of_task` names no task, or no listed video.
    """
    tasks = list(tasks)
    matched = _assigned(tasks, videos, file, video_of_task or {})
    assigned = {id(task) for task in matched.values()}
    names = VideoNames([video for video in videos if video not in matched])
    matches = [(task, *names.candidates(task.source)) for task in tasks if id(task) not in assigned]
    # Matches with the ending come first. Matches without it are for videos without a task.
    for needs_ending in (True, False):
        taken = set() if needs_ending else set(matched)
        for task, with_ending, candidates in matches:
            free = [video for video in candidates if video not in taken]
            if with_ending is not needs_ending or not free:
                continue
            if len(free) > 1:
                raise InputError(
                    f"{file}: task {task.id}: its video {shorten(task.source)} matches "
                    f"{listed(free)}; expected one; {HINT}"
                )
            (video,) = free
            if video in matched:
                raise InputError(
                    f"{file}: tasks {matched[video].id} and {task.id} both belong to {video}; "
                    f"expected one; {HINT}"
                )
            matched[video] = task if with_ending else _with_other_ending(task, video)
    missing = [video for video in videos if video not in matched]
    if missing:
        raise InputError(
            f"{file}: expected a task for each listed video, found none for {listed(missing)}; "
            f"the tasks are of {listed({file_name(task.source) for task in tasks})}; {HINT}"
        )
    return {video: matched[video] for video in videos}


def _with_other_ending(task: Task, video: str) -> Task:
    warning = (
        f"task {task.id} names {shorten(file_name(task.source))}; it was taken for {video}, whose "
        "name has another ending"
    )
    counts = {**task.counts, "videos_of_another_ending": 1}
    return replace(task, warnings=(*task.warnings, warning), counts=counts)


def unmatched(tasks: Iterable[Task], matched: Mapping[str, Task]) -> list[Task]:
    """The tasks that `match_videos` left out."""
    used = {(task.id, task.source) for task in matched.values()}
    return [task for task in tasks if (task.id, task.source) not in used]


def _assigned(
    tasks: Sequence[Task], videos: Sequence[str], file: str, video_of_task: Mapping[str, str]
) -> dict[str, Task]:
    """The tasks of the videos that are assigned by hand."""
    matched: dict[str, Task] = {}
    for task_id, video in video_of_task.items():
        if video not in videos:
            raise FieldError(
                f"video_of_task.{task_id}", f"expected one of videos, got {shorten(video)}"
            )
        named_tasks = [task for task in tasks if task.id == task_id]
        if len(named_tasks) != 1:
            ids = listed({task.id for task in tasks})
            raise FieldError(
                f"video_of_task.{task_id}",
                f"expected one task of that id in {file}, found {len(named_tasks)} among {ids}",
            )
        if video in matched:
            raise FieldError(
                f"video_of_task.{task_id}",
                f"expected each video once, got {shorten(video)} for {matched[video].id} too",
            )
        matched[video] = named_tasks[0]
    return matched


def _levels(
    videos: Sequence[str], name_of: Callable[[str], str]
) -> tuple[dict[str, list[str]], ...]:
    """One dictionary for each form of a name, from the name in that form to its videos.

    The forms are: the name itself; in NFC; as stored; as stored in another Unicode form.
    """
    forms: tuple[Callable[[str], set[str]], ...] = (
        lambda name: {name},
        lambda name: {normalize("NFC", name)},
        lambda name: {stored_name(name)},
        lambda name: {stored_name(normalize("NFC", name)), stored_name(normalize("NFD", name))},
    )
    levels = tuple(defaultdict[str, list[str]](list) for _ in forms)
    for video in videos:
        for level, form in zip(levels, forms, strict=True):
            for variant in sorted(form(name_of(video))):
                level[variant].append(video)
    return tuple(dict(level) for level in levels)


def _is_cut(path: PurePosixPath, video: str) -> bool:
    """Whether a stored name is the name of a video, cut to the maximum length.

    A name that is too long keeps everything from its first dot on. `_` and seven random characters
    replace the end of the part before the dot, so that the whole path has exactly 100 characters.
    """
    folder = UPLOAD_FOLDER.search(f"{path.parent.as_posix()}/")
    if folder is None or len(folder[1]) + len(path.name) != MAX_PATH_LENGTH:
        return False
    root, dot, ending = path.name.partition(".")
    if not (UPLOAD_PREFIX.match(root) and RANDOM_END.search(root)):
        return False
    kept = UPLOAD_PREFIX.sub("", root, count=1)[:-8]
    for form in {video, normalize("NFC", video), normalize("NFD", video)}:
        name = stored_name(form)
        full_root, full_dot, full_ending = name.partition(".")
        is_too_long = len(folder[1]) + 9 + len(name) > MAX_PATH_LENGTH
        if is_too_long and full_root.startswith(kept) and full_dot + full_ending == dot + ending:
            return True
    return False

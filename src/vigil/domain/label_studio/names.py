"""Which video a task is of, by the name that Label Studio gave the file.

A name is never folded: what matches is the name itself, or exactly what Label Studio's server
stores for it. Where several videos match alike, `dataset.video_of_task` says which.
"""

import html
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from unicodedata import normalize
from urllib.parse import parse_qs, unquote, urlsplit

from vigil.domain.label_studio.tasks import Task
from vigil.plumbing.errors import FieldError, InputError, listed, shorten

UPLOAD_PREFIX = re.compile(r"[0-9a-f]{8}-")
UPLOAD_FOLDER = re.compile(r"(?:^|/)(upload/\d+/)$")
RANDOM_END = re.compile(r"_[A-Za-z0-9]{7}$")
MOST_STORED = 100
"""Characters of the whole path of an upload: Django's `FileField`."""
MOST_SENT = 255
"""Characters of a file's name: Django's `UploadedFile`."""
TELL = "dataset.video_of_task can tell"


def stored_name(name: str) -> str:
    """What Label Studio stores for an uploaded file's name, behind its prefix.

    Measured on 1.23.2 with 185 uploads (docs/label-studio.md). In this order: a browser escapes
    quotes and line ends; Django decodes HTML entities, leaves folders and unprintable characters
    away (`MultiPartParser.sanitize_file_name`) and cuts what is longer than 255 characters; then a
    space becomes `_`, and what is no letter, number, `-`, `_` or `.` vanishes
    (`get_valid_filename`).
    """
    for character, escaped in (('"', "%22"), ("\n", "%0A"), ("\r", "%0D")):
        name = name.replace(character, escaped)
    name = html.unescape(name)
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(c for c in name if c.isprintable())
    if len(name) > MOST_SENT:
        path = PurePosixPath(name)
        name = path.stem[: MOST_SENT - len(path.suffix)] + path.suffix
    return "".join("_" if c == " " else c for c in name if c in "-_. " or c.isalnum())


def file_name(source: str) -> str:
    """The file name in the path or address by which a task names its video."""
    return _path(source).name


class VideoNames:
    """The names of the listed videos, to find the video of a task by."""

    def __init__(self, videos: Sequence[str]) -> None:
        self._videos = tuple(videos)
        self._levels = (_levels(videos, lambda video: video), _levels(videos, _without_ending))

    def candidates(self, source: str) -> tuple[bool, list[str]]:
        """The videos that match best.

        In this order: the name itself, in any Unicode form; what the server stores for the name as
        it stands; the name behind an upload's prefix; what the server stores for the name in
        another Unicode form; a stored name that was cut. Only where nothing of this matches, the
        same without regard to the ending, as a browser plays no AVI, and what was annotated of one
        is an MP4 of that name.

        Returns:
            Whether the ending matches too, and the videos.
        """
        path = _path(source)
        for is_whole, levels in zip((True, False), self._levels, strict=True):
            name = path.name if is_whole else path.stem
            stored = UPLOAD_PREFIX.sub("", name, count=1) if UPLOAD_PREFIX.match(name) else None
            exact, composed, as_stored, otherwise = levels
            asked = [(exact, name), (composed, normalize("NFC", name))]
            if stored is not None:
                asked += [(as_stored, stored), (composed, normalize("NFC", stored))]
                asked += [(otherwise, stored)]
            for level, form in asked:
                if form in level:
                    return is_whole, level[form]
            if is_whole and (cut := [v for v in self._videos if _is_cut(path, v)]):
                return True, cut
        return False, []


def match_videos(
    tasks: Iterable[Task],
    videos: Sequence[str],
    file: str,
    video_of_task: Mapping[str, str] | None = None,
) -> dict[str, Task]:
    """Finds the task of each video by file name; see `VideoNames.candidates`.

    Args:
        video_of_task: by the id of a task, the video it is of, whatever its name.

    Returns:
        The task of each video, in the order of `videos`. Tasks of other videos are left out:
        compare the lengths.

    Raises:
        InputError: a task matches several videos alike, or a video has several tasks or none.
        FieldError: `video_of_task` names no task, or no listed video.
    """
    tasks = list(tasks)
    matched = _told(tasks, videos, file, video_of_task or {})
    told = {id(task) for task in matched.values()}
    names = VideoNames([video for video in videos if video not in matched])
    found = [(task, *names.candidates(task.source)) for task in tasks if id(task) not in told]
    for wanted in (True, False):  # an ending that differs matches a video that has no other task
        taken = set() if wanted else set(matched)
        for task, is_whole, candidates in found:
            free = [video for video in candidates if video not in taken]
            if is_whole is not wanted or not free:
                continue
            if len(free) > 1:
                raise InputError(
                    f"{file}: task {task.id}: its video {shorten(task.source)} matches "
                    f"{listed(free)}; expected one; {TELL}"
                )
            (video,) = free
            if video in matched:
                raise InputError(
                    f"{file}: tasks {matched[video].id} and {task.id} both belong to {video}; "
                    f"expected one; {TELL}"
                )
            matched[video] = task
    missing = [video for video in videos if video not in matched]
    if missing:
        raise InputError(
            f"{file}: expected a task for each listed video, found none for {listed(missing)}; "
            f"the tasks are of {listed({file_name(task.source) for task in tasks})}; {TELL}"
        )
    return {video: matched[video] for video in videos}


def _told(
    tasks: Sequence[Task], videos: Sequence[str], file: str, video_of_task: Mapping[str, str]
) -> dict[str, Task]:
    """The tasks of the videos that are told by hand."""
    matched: dict[str, Task] = {}
    for task_id, video in video_of_task.items():
        if video not in videos:
            raise FieldError(
                f"video_of_task.{task_id}", f"expected one of videos, got {shorten(video)}"
            )
        own = [task for task in tasks if task.id == task_id]
        if len(own) != 1:
            ids = listed({task.id for task in tasks})
            raise FieldError(
                f"video_of_task.{task_id}",
                f"expected one task of that id in {file}, found {len(own)} among {ids}",
            )
        if video in matched:
            raise FieldError(
                f"video_of_task.{task_id}",
                f"expected each video once, got {shorten(video)} for {matched[video].id} too",
            )
        matched[video] = own[0]
    return matched


def _levels(
    videos: Sequence[str], name_of: Callable[[str], str | set[str]]
) -> tuple[dict[str, list[str]], ...]:
    """By each form of a name, the videos that have it: the name, in NFC, as stored, and so for
    other Unicode forms.
    """
    forms: tuple[Callable[[str], set[str]], ...] = (
        lambda name: {name},
        lambda name: {normalize("NFC", name)},
        lambda name: {stored_name(name)},
        lambda name: {stored_name(normalize("NFC", name)), stored_name(normalize("NFD", name))},
    )
    levels = tuple(defaultdict[str, list[str]](list) for _ in forms)
    for video in videos:
        told = name_of(video)
        names = {told} if isinstance(told, str) else told
        for level, form in zip(levels, forms, strict=True):
            for one in sorted({one for name in names for one in form(name)}):
                level[one].append(video)
    return tuple(dict(level) for level in levels)


def _without_ending(video: str) -> set[str]:
    """The stem; of a folder of pictures, whose name has none, all of it."""
    return {video, PurePosixPath(video).stem}


def _is_cut(path: PurePosixPath, video: str) -> bool:
    """Whether a stored name is that of a video, cut to what fits.

    What is too long keeps everything from its first dot on, and its root loses its end to `_` and
    seven random characters, so that the whole path has exactly 100 characters.
    """
    folder = UPLOAD_FOLDER.search(f"{path.parent.as_posix()}/")
    if folder is None or len(folder[1]) + len(path.name) != MOST_STORED:
        return False
    root, dot, ending = path.name.partition(".")
    if not (UPLOAD_PREFIX.match(root) and RANDOM_END.search(root)):
        return False
    kept = UPLOAD_PREFIX.sub("", root, count=1)[:-8]
    for form in {video, normalize("NFC", video), normalize("NFD", video)}:
        name = stored_name(form)
        own_root, own_dot, own_ending = name.partition(".")
        is_too_long = len(folder[1]) + 9 + len(name) > MOST_STORED
        if is_too_long and own_root.startswith(kept) and own_dot + own_ending == dot + ending:
            return True
    return False


def _path(source: str) -> PurePosixPath:
    path = source
    try:
        parts = urlsplit(source) if "://" in source or source.startswith("/data/") else None
    except ValueError:  # no address, whatever it looks like
        parts = None
    if parts is not None:
        path = unquote(parts.path)
        if path.rstrip("/").endswith("/local-files") and (local := parse_qs(parts.query).get("d")):
            path = local[0]  # /data/local-files/?d=<path>
    return PurePosixPath(path.replace("\\", "/"))

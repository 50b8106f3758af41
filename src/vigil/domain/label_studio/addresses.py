"""Finds the file name in the path or URL that a task has for its video."""

import re
from pathlib import PurePosixPath
from urllib.parse import unquote, unquote_plus, urlsplit

WEB = re.compile(r"https?://", re.IGNORECASE)
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
LOCAL_FILES = re.compile(r"/local-files/?$")
SERVED = "/data/"
"""The start of the addresses that Label Studio itself serves: uploads and local files."""
UPLOAD_FOLDER = re.compile(r"(?:^|/)(upload/(?:\d+/)?)$")
"""The folder of uploads, with one folder for each project. Old versions had one folder for all."""

VIDEO_ENDINGS = {
    *("264", "265", "3g2", "3gp", "apng", "asf", "avi", "dav", "divx", "dv", "f4v", "flv", "gif"),
    *("h264", "h265", "hevc", "ivf", "m1v", "m2t", "m2ts", "m2v", "m4v", "mjpeg", "mjpg", "mkv"),
    *("mov", "mp4", "mpe", "mpeg", "mpg", "mts", "mxf", "nut", "ogg", "ogv", "qt", "rm", "rmvb"),
    *("ts", "vob", "webm", "wmv", "y4m"),
}
"""Endings of videos, in lower case."""


def path_of(source: str) -> PurePosixPath:
    """The path of the file that an address names.

    Only the addresses of web servers are URLs: `%20` is a space there, and a query or a fragment
    may follow the path. A key of a cloud storage (`s3://`, `gs://`, …) and a path of a disk are
    taken as they are, since `%`, `?` and `#` may be part of a file's name.
    """
    if WEB.match(source) or source.startswith(SERVED):
        try:
            parts = urlsplit(source)
        except ValueError:  # not a URL, though it looks like one
            return PurePosixPath(source)
        path = unquote(parts.path)
        if LOCAL_FILES.search(path) and (local := _local_file(source)):
            path = local
        return PurePosixPath(path.replace("\\", "/"))
    if SCHEME.match(source):
        return PurePosixPath(source)
    return PurePosixPath(source.replace("\\", "/"))


def _local_file(source: str) -> str:
    """The parameter `d` of `/data/local-files/?d=<path>`; empty if there is none.

    The path may stand there as it is, with `&` or `#` in it. What follows a `&` belongs to the path
    unless it is a further parameter.
    """
    found: list[str] = []
    for part in source.partition("?")[2].split("&"):
        if found and "=" not in part:
            found.append(part)
        elif found:
            break
        elif part.startswith("d="):
            found.append(part.removeprefix("d="))
    return unquote_plus("&".join(found))


def is_upload(path: PurePosixPath) -> bool:
    """Whether Label Studio stored the file: only then it put eight digits before the name."""
    return UPLOAD_FOLDER.search(f"{path.parent.as_posix()}/") is not None


def is_video(name: str) -> bool:
    """Whether a name has the ending of a video."""
    return PurePosixPath(name).suffix[1:].lower() in VIDEO_ENDINGS


def without_ending(name: str) -> str:
    """The name without its ending, if that is the ending of a video: `cam.10` stays `cam.10`."""
    return PurePosixPath(name).stem if is_video(name) else name

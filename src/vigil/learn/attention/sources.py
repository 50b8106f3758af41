"""Finds the pictures and videos that a command line or a list names."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from vigil.pixels.pictures.picture_size import declared_size
from vigil.pixels.video.numbered import list_numbered
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import is_hidden

PICTURES = {".avif", ".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
VIDEOS = {
    *(".264", ".265", ".3gp", ".asf", ".avi", ".dav", ".flv", ".gif", ".h264", ".h265", ".hevc"),
    *(".m2ts", ".m4v", ".mjpeg", ".mjpg", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".mxf"),
    *(".ogv", ".ts", ".vob", ".webm", ".wmv"),
}
"""In a folder. A file that is named itself may have any ending."""


@dataclass(frozen=True)
class Source:
    """A picture or a video.

    Attributes:
        name: the path of its results, below the folder of all results.
        path: its file; or a folder of numbered pictures, which is a video.
    """

    name: str
    path: Path

    @property
    def is_picture(self) -> bool:
        """Whether it is a picture, by the ending of its name."""
        return self.path.suffix.lower() in PICTURES and not self.path.is_dir()


def find_sources(paths: Iterable[Path]) -> list[Source]:
    """The sources at some paths.

    A folder of two numbered pictures or more, all of one size, is a video, and a printed line says
    so. Any other folder means all pictures and videos directly in it, by their endings; what else
    it has is left out, and a printed line names it.

    Raises:
        InputError: a path or a folder's content is missing, or two sources have the same name.
    """
    sources = [source for path in paths for source in _find(path)]
    names = Counter(source.name.casefold() for source in sources)
    if shared := [name for name, number in names.items() if number > 1]:
        raise InputError(
            f"expected sources of different names, for a folder each, got more than one of "
            f"{listed(shared)}"
        )
    return sources


def _find(path: Path) -> list[Source]:
    if path.is_file():
        return [Source(path.name, path)]
    if not path.is_dir():
        raise InputError(
            f"{shorten(str(path), 200)}: expected a picture, a video or a folder of them, found "
            "none"
        )
    if _is_video(path):
        print(f"{path}: numbered pictures of one size, taken as a video")
        return [Source(path.resolve().name, path)]
    entries = sorted(entry for entry in path.iterdir() if not is_hidden(entry.name))
    kept = [entry for entry in entries if _is_source(entry)]
    left_out = [entry.name for entry in entries if entry not in kept]
    if not kept:
        found = f"only {listed(left_out)}" if left_out else "none"
        raise InputError(f"{path}: expected pictures or videos in it, found {found}")
    if left_out:
        print(f"{path}: left out, neither pictures nor videos: {listed(left_out)}")
    folder = path.resolve().name
    return [Source(f"{folder}/{entry.name}", entry) for entry in kept]


def _is_source(path: Path) -> bool:
    if path.is_dir():
        return _is_video(path)
    return path.is_file() and path.suffix.lower() in PICTURES | VIDEOS


def _is_video(folder: Path) -> bool:
    """Whether a folder has two numbered pictures or more, all of one size, and nothing else.

    Photographs may be numbered, too, but rarely are all of one size.
    """
    try:
        names = list_numbered(folder)
    except InputError:
        return False
    sizes_wh = {declared_size((folder / name).read_bytes()) for name in names}
    return len(names) > 1 and len(sizes_wh) == 1

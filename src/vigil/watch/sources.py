"""What a person names to be watched: files, folders, cameras, streams."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vigil.pixels.video.numbered import SUFFIXES
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import is_hidden

PROTOCOLS = {
    "http": ("http", "tcp"),
    "https": ("https", "tls", "tcp"),
    "rtsp": ("rtsp", "rtp", "tcp", "udp"),
    "rtsps": ("rtsps", "rtsp", "rtp", "tls", "tcp"),
}
"""What a stream may be opened by, by how its address begins: nothing that reads a file."""
UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Recording:
    """A file, or a folder of numbered pictures.

    Attributes:
        name: of the folder that what comes of it is written to.
        path: where it is.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Camera:
    """A camera of this machine, or a stream.

    Attributes:
        name: of the folder that what comes of it is written to.
        address: the camera's number, or the stream's address.
    """

    name: str
    address: str

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream, and no camera of this machine."""
        return not self.address.isdecimal()


Source = Recording | Camera


def find_sources(words: Sequence[str]) -> list[Source]:
    """What is meant by words of a command line, folders of videos opened.

    Raises:
        InputError: something that is not there, is named twice, or two of one name.
    """
    found = [source for word in words for source in _find(word)]
    places = [
        str(one.path.resolve()) if isinstance(one, Recording) else one.address for one in found
    ]
    if twice := [place for place, number in Counter(places).items() if number > 1]:
        raise InputError(f"{twice[0]}: expected each source once, got it twice")
    names = Counter(source.name.casefold() for source in found)
    if several := [name for name, number in names.items() if number > 1]:
        raise InputError(
            f"expected sources of different names, for a folder each, got more than one of "
            f"{listed(several)}"
        )
    kinds = {isinstance(one, Camera) for one in found}
    if len(kinds) > 1 or sum(isinstance(one, Camera) for one in found) > 1:
        raise InputError("expected recordings, or one camera or stream alone, got both or several")
    return found


def _find(word: str) -> list[Source]:
    if word.isascii() and word.isdecimal():
        return [Camera(f"camera_{int(word)}", str(int(word)))]
    if "://" in word:
        return [_stream(word)]
    path = Path(word)
    if path.is_file():
        return [Recording(path.name, path)]
    if not path.is_dir():
        raise InputError(f"{shorten(word, 200)}: expected a video, a folder, a camera or a stream")
    inside = sorted(one for one in path.iterdir() if not is_hidden(one.name))
    if not inside:
        raise InputError(f"{path}: expected videos or numbered pictures, found an empty folder")
    if all(one.suffix.lower() in SUFFIXES for one in inside):
        return [Recording(path.resolve().name, path)]
    return [Recording(one.name, one) for one in inside]


def _stream(address: str) -> Camera:
    try:
        parts = urlsplit(address)
        place = f"{parts.hostname or ''}_{parts.port or ''}_{parts.path}"
    except ValueError:
        raise InputError(f"expected the address of a stream, got {shorten(address)}") from None
    if parts.scheme not in PROTOCOLS or not parts.hostname:
        raise InputError(
            f"expected a stream by {listed(PROTOCOLS)}, got {shorten(parts.scheme)}"
        )  # the address itself may hold a password
    return Camera(UNSAFE.sub("_", place).strip("._") or "stream", address)

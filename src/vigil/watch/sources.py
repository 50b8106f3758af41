"""Finds the sources that a command line names: files, folders, cameras, streams."""

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from vigil.pixels.no_videos import is_no_video
from vigil.pixels.video.numbered import SUFFIXES
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import is_hidden

PROTOCOLS = {
    "http": ("http", "tcp"),
    "https": ("https", "tls", "tcp"),
    "rtsp": ("rtsp", "rtp", "tcp", "udp"),
    "rtsps": ("rtsps", "rtsp", "rtp", "tls", "tcp"),
}
"""The allowed protocols by the scheme of an address. None of them reads a file."""
MOST_LETTERS, NUM_DIGITS = 100, 8
"""Of the name of a stream: letters of its address, and hexadecimal digits of its digest."""
UNSAFE = re.compile(r"[^A-Za-z0-9.-]+")


@dataclass(frozen=True)
class Recording:
    """A file, or a folder of numbered pictures.

    Attributes:
        name: the name of the folder of its results.
        path: the file or folder.
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Camera:
    """A camera of this machine, or a stream.

    Attributes:
        name: the name of the folder of its results. That of a stream ends with a digest of its
            address without the user and password before the host.
        address: the number of the camera, or the address of the stream.
    """

    name: str
    address: str

    @property
    def is_stream(self) -> bool:
        """Whether it is a stream and not a camera of this machine."""
        return not self.address.isdecimal()


Source = Recording | Camera


def find_sources(words: Sequence[str]) -> list[Source]:
    """The sources of the words of a command line. A folder of videos gives several sources.

    Pictures and documents beside the videos of a folder, and folders without pictures, are left
    out; a printed line names them.

    Raises:
        InputError: a source is missing or is named twice, or two sources have the same name.
    """
    sources = [source for word in words for source in _find(word)]
    places = [
        str(source.path.resolve()) if isinstance(source, Recording) else source.address
        for source in sources
    ]
    if repeated := [place for place, number in Counter(places).items() if number > 1]:
        raise InputError(f"{repeated[0]}: expected each source once, got it twice")
    names = Counter(source.name.casefold() for source in sources)
    if shared_names := [name for name, number in names.items() if number > 1]:
        raise InputError(
            f"expected sources of different names, for a folder each, got more than one of "
            f"{listed(shared_names)}"
        )
    num_cameras = sum(isinstance(source, Camera) for source in sources)
    if num_cameras > 1 or (num_cameras and len(sources) > 1):
        raise InputError("expected recordings, or one camera or stream alone, got both or several")
    return sources


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
    entries = sorted(entry for entry in path.iterdir() if not is_hidden(entry.name))
    if not entries:
        raise InputError(f"{path}: expected videos or numbered pictures, found an empty folder")
    if all(entry.suffix.lower() in SUFFIXES for entry in entries):
        return [Recording(path.resolve().name, path)]
    left_out = [
        entry
        for entry in entries
        if is_no_video(entry) or (entry.is_file() and entry.suffix.lower() in SUFFIXES)
    ]
    names = listed(entry.name for entry in left_out)
    if len(left_out) == len(entries):
        raise InputError(f"{path}: expected videos or numbered pictures, found only {names}")
    for folder in (entry for entry in left_out if entry.is_dir()):
        for file in sorted(folder.rglob("*")):
            if file.is_file() and not is_hidden(file.name) and not is_no_video(file):
                raise InputError(
                    f"{folder}: expected a video or numbered pictures, found a folder with "
                    f"{file.relative_to(folder)}; name the folders of videos themselves"
                )
    if left_out:
        print(f"{path}: left out, as no video by name: {names}", flush=True)
    return [Recording(entry.name, entry) for entry in entries if entry not in left_out]


def _stream(address: str) -> Camera:
    try:
        parts = urlsplit(address)
        name = f"{parts.hostname or ''}_{parts.port or ''}_{parts.path}"
    except ValueError:
        raise InputError(f"expected the address of a stream, got {shorten(address)}") from None
    if parts.scheme not in PROTOCOLS or not parts.hostname:
        raise InputError(
            f"expected a stream by {listed(PROTOCOLS)}, got {shorten(parts.scheme)}"
        )  # the address itself may hold a password
    # Streams may differ in characters that a name of a folder lacks, as channels in a query do.
    host = parts.netloc.rpartition("@")[2]
    digest = hashlib.sha256(parts._replace(netloc=host).geturl().encode()).hexdigest()
    words = UNSAFE.sub("_", name).strip("._") or "stream"
    return Camera(f"{words[:MOST_LETTERS]}-{digest[:NUM_DIGITS]}", address)

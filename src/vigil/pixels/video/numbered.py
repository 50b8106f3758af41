"""Reads a folder of numbered pictures as a video, a common form of surveillance data sets."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

from vigil.pixels.pictures.images import ImageSource
from vigil.pixels.pictures.picture import Picture, swap_red_and_blue
from vigil.pixels.video.damage import DamagedFrameError
from vigil.pixels.video.library_output import damage_in, library_output
from vigil.pixels.video.pages import holds_several
from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.folders import is_hidden

NUMBERED = re.compile(r"(?P<prefix>.*?)(?P<number>\d{1,12})(?P<suffix>\.[a-z]+)", re.IGNORECASE)
SUFFIXES = {".bmp", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class NumberedFrame:
    """One picture of a folder of numbered pictures.

    Attributes:
        picture: (H, W, 3) BGR.
        time: in seconds from the first picture.
    """

    picture: Picture
    time: float


class NumberedPictures:
    """Iterates over the pictures of a folder in the order of their numbers, as over a video.

    Attributes:
        path: the folder.
        fps: the frame rate of the recording, which the pictures do not hold.
        damaged: libjpeg's message about each damaged picture by frame index, known after the
            iteration; empty unless damaged pictures are kept.
    """

    is_variable_rate = False
    num_hidden = 0
    container_damage: tuple[str, ...] = ()

    def __init__(self, path: Path, fps: Fraction, *, keeps_damaged: bool = False) -> None:
        """Raises InputError if the folder holds anything but pictures with consecutive numbers.

        Args:
            keeps_damaged: whether pictures in which libjpeg concealed damage are returned and
                listed in `damaged`; else the first one raises an error.
        """
        self.path, self.fps = path, fps
        self.damaged: dict[int, str] = {}
        self._keeps_damaged = keeps_damaged
        self._names = list_numbered(path)
        self._source = ImageSource(path)

    def __len__(self) -> int:
        return len(self._names)

    @property
    def stamps(self) -> tuple[list[int], Fraction]:
        """The time stamp of each picture, 0, 1, 2, …, and the unit of a time stamp in seconds."""
        return list(range(len(self))), 1 / self.fps

    def __iter__(self) -> Iterator[NumberedFrame]:
        """Yields every picture.

        Raises:
            InputError: a picture is damaged, its size differs from that of the first picture, or
                its file holds several pictures.
        """
        self.damaged = {}
        size_wh: tuple[int, int] | None = None
        for index, name in enumerate(self._names):
            picture = swap_red_and_blue(self._decode(index, name))
            picture_wh = (picture.shape[1], picture.shape[0])
            size_wh = size_wh or picture_wh
            if picture_wh != size_wh:
                raise InputError(
                    f"{self.path}: expected pictures of {size_wh[0]}x{size_wh[1]}, got "
                    f"{picture_wh[0]}x{picture_wh[1]} in {shorten(name)}"
                )
            yield NumberedFrame(picture, float(index / self.fps))

    def _decode(self, index: int, name: str) -> Picture:
        """(H, W, 3) RGB."""
        content = self._source.content(name)
        if holds_several(content):
            raise InputError(
                f"{self.path}: expected one picture in each file, got several in {shorten(name)}"
            )
        with library_output() as lines:
            picture = self._source.decode(content, name)
        if damage := damage_in(lines):
            if not self._keeps_damaged:
                raise DamagedFrameError(
                    f"{self.path}: frame {index} ({shorten(name)}) is damaged: {damage}"
                )
            self.damaged[index] = damage
        return picture


def holds_pictures(folder: Path) -> bool:
    """Whether a picture lies in a folder itself, hidden files aside."""
    files = [path for path in folder.iterdir() if not is_hidden(path.name)]
    return any(path.is_file() and path.suffix.lower() in SUFFIXES for path in files)


def list_numbered(folder: Path) -> list[str]:
    """The names of the pictures of a folder, in the order of their numbers.

    Hidden files, and files that operating systems leave behind, are ignored.

    Raises:
        InputError: there is another file, names differ in more than their number, or a number is
            missing or occurs twice.
    """
    names = sorted(path.name for path in folder.iterdir() if not is_hidden(path.name))
    parts_by_name = {name: NUMBERED.fullmatch(name) for name in names}
    others = [
        name
        for name, parts in parts_by_name.items()
        if parts is None or parts["suffix"].lower() not in SUFFIXES
    ]
    if others or not names:
        raise InputError(
            f"{folder}: expected numbered pictures (000000.jpg, 000001.jpg …), got {listed(others)}"
        )
    kinds = {
        (parts["prefix"], parts["suffix"].lower()) for parts in parts_by_name.values() if parts
    }
    if len(kinds) > 1:
        kind_names = (f"{prefix}<number>{suffix}" for prefix, suffix in kinds)
        raise InputError(f"{folder}: expected names of one kind, got {listed(kind_names)}")
    numbers = {int(parts["number"]): name for name, parts in parts_by_name.items() if parts}
    ordered = sorted(numbers)
    for before, after in pairwise(ordered):
        if after != before + 1:
            raise InputError(
                f"{folder}: expected consecutive numbers, got {after} after {before}; a "
                "missing frame would shift all later frames"
            )
    if len(ordered) < len(names):
        raise InputError(
            f"{folder}: expected each number once, got {len(names)} names for "
            f"{len(ordered)} numbers"
        )
    return [numbers[number] for number in ordered]

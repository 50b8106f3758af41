"""Which pictures the path of a mask may mean: by the mask's name, or by the name of a folder.

`street_1.png` may be a mask of `street.jpg` and of `street_1.jpg`, and `1/2.png` one of `1.jpg` and
of `2.jpg`. What follows from the path alone is decided here. What does not is told as doubt.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

END = re.compile(r"[^0-9A-Za-z]")
"""What may follow the name of a picture in the name of a mask."""
WORD = re.compile(r"[0-9A-Za-z]+")


@dataclass(frozen=True)
class Meaning:
    """A part of a mask's path that is, or begins with, the name of a picture without ending.

    Attributes:
        path: the part and the folders that it is in; of the mask's name, without its ending.
        depth: 0 for the mask's own name, 1 for its folder, and so on.
        stem: the longest name of a picture that the part is or begins with.
        shorter: the other names of pictures that the part begins with, the longest first.
    """

    path: PurePosixPath
    depth: int
    stem: str
    shorter: tuple[str, ...]

    @property
    def is_exact(self) -> bool:
        """Whether nothing follows the name of the picture."""
        return self.path.name == self.stem

    def kind_of_ending(self, stem: str) -> tuple[int, str]:
        """What follows a name, as in (0, "_0_a") for `street_12_left.png`: 0 stands for a number.

        Masks of one set have few kinds of endings, so the kind tells where a name stops.
        """
        kind = WORD.sub(lambda word: "0" if word[0].isdecimal() else "a", self.path.name)
        return min(self.depth, 1), kind[len(WORD.sub("0", stem)) :]


def meanings_of(mask: str, stems: Mapping[str, object], *, folders: bool) -> list[Meaning]:
    """What a mask's path may mean, the mask's own name first, then its folders from the inmost.

    Args:
        stems: the names of pictures, without folders and endings.
        folders: whether a folder may have the name of a picture.
    """
    path = PurePosixPath(mask)
    parts = [path.with_name(path.stem), *(path.parents if folders else ())]
    found = ((part, depth, list(_known(part.name, stems))) for depth, part in enumerate(parts))
    return [Meaning(part, depth, hits[0], tuple(hits[1:])) for part, depth, hits in found if hits]


def _known(name: str, stems: Mapping[str, object]) -> Iterator[str]:
    """The names of pictures that a name is or begins with, the longest first."""
    ends = [match.start() for match in END.finditer(name)]
    yield from (name[:end] for end in (len(name), *reversed(ends)) if name[:end] in stems)


def num_equal_folders(one: PurePosixPath, other: PurePosixPath) -> int:
    """How many folders of two paths are equal, from the last one on."""
    pairs = zip(one.parent.parts[::-1], other.parent.parts[::-1], strict=False)
    equal = [first == second for first, second in pairs]
    return [*equal, False].index(False)


def decide(
    inner: Meaning, inner_picture: str, outer: Meaning, outer_picture: str
) -> Meaning | None:
    """Which of two meanings of a path counts, if they mean different pictures; None in doubt.

    If the picture of the inner meaning is in a folder of the same name, the folders of masks are
    those of pictures: `1/2.png` is the mask of `1/2.jpg`. There is doubt if a picture is where that
    folder is: `1.jpg` beside the folder `1`. If the folders are not those of pictures, a folder
    with exactly the name of a picture holds the masks of this picture: `1/2.png` is a mask of
    `1.jpg`, even if there is a `2.jpg` beside it.
    """
    inside = PurePosixPath(inner_picture).with_suffix("")
    outside = PurePosixPath(outer_picture).with_suffix("")
    named, folder = inner.path.with_name(inner.stem), outer.path.with_name(outer.stem)
    if num_equal_folders(named, inside) < outer.depth - inner.depth:
        return outer if outer.is_exact and inner.depth == 0 else None
    if outside.parts[-len(folder.parts) :] != folder.parts:
        return inner
    return inner if inside == named and outside != folder else None

"""Decides which picture an XML file of VOC is of, if its own name and its `filename` differ."""

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath

from vigil.domain.formats.reading.findings import OWN_NAME, TOLD_NAME, Findings
from vigil.domain.formats.reading.names import ENDING, Parts, parts_of
from vigil.plumbing.errors import InputError, shorten

NEARLY_ALL = 0.9


class Naming:
    """Chooses names by the pictures that exist."""

    def __init__(self, present: Callable[[], Iterable[str]], findings: Findings) -> None:
        """Args: present: gives the names of the files of pictures; called where names differ."""
        self._present, self._findings = present, findings
        self._common: Parts = ()
        """The folders that nearly all pictures have in front: another file may lie beside them."""
        self._are_flat = True
        """Whether nearly all pictures lie in these folders, and not in folders below."""
        self._by_stem: dict[str, list[Parts]] | None = None
        """The pictures by their name without the ending."""

    def choose(self, told: str, file: Path, folder: Path) -> str:
        """The picture's name, below the folder of its XML file.

        Args:
            told: the `filename` in the XML file.
            file: the XML file.
            folder: its folder, below that of the set.

        Raises:
            InputError: there is a picture of each name.
        """
        path = PurePosixPath(told.replace("\\", "/"))
        own_stem, told_stem = _stem(file.stem), _stem(path.name)
        if own_stem == told_stem or ".." in path.parts:
            return told
        own = self._beside(folder.as_posix(), own_stem)
        others = self._fitting((folder / path).as_posix(), told_stem)
        if own and others:
            raise InputError(
                f"{file}: expected the filename of its picture, {min(own)}, or no such picture, "
                f"got {shorten(told)}, which is there, too"
            )
        if len(own) == 1:
            self._findings.note(OWN_NAME, [f"{file} is of {own[0]}, not {told}"])
            return own[0]
        if others:
            self._findings.note(TOLD_NAME, [f"{file} is of {told}"])
        return told

    def _beside(self, folder: str, stem: str) -> list[str]:
        """The names, without folders, of pictures in a folder.

        The folder's path may lack the folders that all pictures have in front, and pictures of all
        folders may lie in one. Else a picture of the same name in another folder is no evidence:
        many cameras count from 1.
        """
        pictures = self._with_stem(stem)
        folders = [parts_of(folder), self._common + parts_of(folder)]
        folders += [self._common] if self._are_flat else []
        return sorted({one[-1] for one in pictures if one[:-1] in folders})

    def _fitting(self, name: str, stem: str) -> list[Parts]:
        """The pictures that a name with folders reaches: one of both may have more in front."""
        folders = parts_of(name)[:-1]
        return [one for one in self._with_stem(stem) if _is_end(one[:-1], folders)]

    def _with_stem(self, stem: str) -> list[Parts]:
        if self._by_stem is None:
            self._by_stem = defaultdict(list)
            pictures = [parts_of(name) for name in self._present() if ENDING.search(name)]
            for parts in pictures:
                self._by_stem[_stem(parts[-1])].append(parts)
            least = NEARLY_ALL * len(pictures)
            below = Counter(parts[:end] for parts in pictures for end in range(len(parts)))
            self._common = max((one for one in below if below[one] >= least), key=len, default=())
            in_it = sum(parts[:-1] == self._common for parts in pictures)
            self._are_flat = in_it >= least
        return self._by_stem.get(stem, [])


def _stem(name: str) -> str:
    """A name without the ending of a picture, in Unicode's form NFC."""
    return ENDING.sub("", unicodedata.normalize("NFC", name))


def _is_end(one: Parts, other: Parts) -> bool:
    """Whether one of two paths ends with the other."""
    shorter, longer = sorted((one, other), key=len)
    return longer[len(longer) - len(shorter) :] == shorter

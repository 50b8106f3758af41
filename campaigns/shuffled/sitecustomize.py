"""If on PYTHONPATH, lists folders in a random order each time, as another file system might."""

import os
import random
from collections.abc import Iterator
from typing import Any

_listdir, _scandir, _random = os.listdir, os.scandir, random.Random()


def listdir(*path: Any) -> list[Any]:
    """As os.listdir."""
    names = _listdir(*path)
    _random.shuffle(names)
    return names


class Shuffled:
    """As the iterator of os.scandir."""

    def __init__(self, *path: Any) -> None:
        with _scandir(*path) as entries:
            self._entries = list(entries)
        _random.shuffle(self._entries)
        self._iterator = iter(self._entries)

    def __iter__(self) -> Iterator[Any]:
        return self._iterator

    def __next__(self) -> Any:
        return next(self._iterator)

    def __enter__(self) -> "Shuffled":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Does nothing, since nothing is open."""


os.listdir = listdir  # type: ignore[assignment]
os.scandir = Shuffled  # type: ignore[assignment]

"""Progress bars, on a terminal only."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")
_is_off: list[bool | None] = [None]
"""For tqdm's `disable`; None: bars are drawn if stderr is a terminal."""


def progress(
    items: Iterable[T], description: str, unit: str, total: int | None = None
) -> "tqdm[T]":
    """Iterates over `items` with a progress bar, which is drawn only if stderr is a terminal."""
    return tqdm(items, desc=description, unit=unit, total=total, disable=_is_off[0], leave=False)


def switch_off() -> None:
    """Draws no more bars in this process, since several processes share the terminal."""
    _is_off[0] = True

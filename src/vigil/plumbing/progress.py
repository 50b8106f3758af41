"""Progress bars, on a terminal only."""

from collections.abc import Iterable
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def progress(
    items: Iterable[T], description: str, unit: str, total: int | None = None
) -> "tqdm[T]":
    """Iterates over `items` with a progress bar, which is drawn only if stderr is a terminal."""
    return tqdm(items, desc=description, unit=unit, total=total, disable=None, leave=False)

"""Hands decoded windows from the threads that decode to the network, a bounded number at a time.

So the memory depends neither on the length of a video nor on the number of its windows.
"""

from collections.abc import Collection
from concurrent.futures import Future
from itertools import count
from queue import Empty, Full, Queue
from threading import Event
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

Frames = npt.NDArray[np.uint8]
POLL_S = 0.05


class WindowQueue:
    """A queue of windows, numbered in the order in which they are put.

    On leaving its context, threads that wait in `put` end with an `InterruptedError`.
    """

    def __init__(self, most: int) -> None:
        """Args: most: the largest number of windows in the queue."""
        self._queue: Queue[tuple[int, Frames]] = Queue(most)
        self._numbers = count()
        self._is_closed = Event()

    def __enter__(self) -> "WindowQueue":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_closed.set()

    def put(self, frames: Frames) -> int:
        """Waits for a free place, puts the frames of a window there, and returns its number."""
        number = next(self._numbers)
        while not self._is_closed.is_set():
            try:
                self._queue.put((number, frames), timeout=POLL_S)
            except Full:
                continue
            return number
        raise InterruptedError("nobody takes windows any more")

    def take(self, most: int, decoders: Collection[Future[Any]]) -> list[tuple[int, Frames]]:
        """Waits for this number of windows; for fewer where all decoders have ended.

        Returns:
            The windows with their numbers.
        """
        taken: list[tuple[int, Frames]] = []
        while len(taken) < most:
            have_ended = all(one.done() for one in decoders)  # asked first: then nothing is missed
            try:
                taken.append(self._queue.get(timeout=0 if have_ended else POLL_S))
            except Empty:
                if have_ended:
                    break
        return taken

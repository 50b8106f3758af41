"""Does work in a thread of its own, in order, beside the thread that asks for it.

Decoding, drawing, networks and encoding follow each other for every frame of a video. OpenCV,
FFmpeg and torch compute without Python's global interpreter lock, so these steps use several cores
when each has a thread. The order of the calls is kept, so the results do not depend on threads.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Generic, ParamSpec, Self, TypeVar

Item = TypeVar("Item")
Arguments = ParamSpec("Arguments")


class Background(Generic[Item]):
    """Calls functions one after the other, in one thread.

    As a context, it waits for all calls at the end, whatever fails. The error of a call is raised
    there, unless another error ends the context.
    """

    def __init__(self, most: int) -> None:
        """Args: most: how many calls may wait; one more waits for the first of them."""
        self._pool = ThreadPoolExecutor(1)
        self._most = most
        self._waiting: deque[Future[Item]] = deque()

    def call(
        self,
        function: Callable[Arguments, Item],
        *arguments: Arguments.args,
        **options: Arguments.kwargs,
    ) -> list[Item]:
        """Calls a function after all earlier ones.

        Returns:
            The results of those calls that were waited for, in order.

        Raises:
            Exception: the error of such a call. The function is not called.
        """
        results = self._take(self._most - 1)
        self._waiting.append(self._pool.submit(function, *arguments, **options))
        return results

    def take_done(self) -> list[Item]:
        """The results of calls that have ended by now, in order, up to the first that has not.

        Which calls have ended depends on the machine, so no result may depend on it.

        Raises:
            Exception: the error of the first of them that failed.
        """
        results = []
        while self._waiting and self._waiting[0].done():
            results.append(self._waiting.popleft().result())
        return results

    def finish(self) -> list[Item]:
        """Waits for all calls, and returns the results that were not returned yet, in order.

        Raises:
            Exception: the error of the first call that failed.
        """
        return self._take(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: object, *_: object) -> None:
        self._pool.shutdown()
        if error is None:
            self.finish()

    def _take(self, num_left: int) -> list[Item]:
        num = max(0, len(self._waiting) - num_left)
        return [self._waiting.popleft().result() for _ in range(num)]


def ahead(items: Iterable[Item], most: int) -> Iterator[Item]:
    """Yields items in order, while a thread makes the next ones.

    Args:
        most: how many items may be ready before they are taken.

    Raises:
        Exception: the error of the iteration, after the items before it.
    """
    with ThreadPoolExecutor(1) as pool:
        source = iter(items)
        # A batch of one item, or of none at the end.
        waiting = deque(pool.submit(_next, source) for _ in range(most))
        while batch := waiting.popleft().result():
            waiting.append(pool.submit(_next, source))
            yield from batch


def _next(source: Iterator[Item]) -> list[Item]:
    return list(islice(source, 1))

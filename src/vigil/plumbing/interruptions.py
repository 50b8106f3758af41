"""A stage that is told to end cleans up, by Ctrl-C, `kill` or a terminal that is closed alike.

Python ends at SIGTERM and SIGHUP on the spot, and leaves what is partly written; at Ctrl-C it
raises KeyboardInterrupt.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_told: list[signal.Signals] = []
"""The first signal that came, if one did."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises KeyboardInterrupt in what runs in it at SIGTERM and SIGHUP, at the first of them.

    A signal that is ignored, as SIGHUP is by `nohup`, stays so. Processes that are forked end on
    the spot.
    """
    own = os.getpid()

    def interrupt(number: int, _: FrameType | None) -> None:
        if os.getpid() != own:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not _told:  # else what cleans up would be interrupted
            _told.append(signal.Signals(number))
            raise KeyboardInterrupt

    _told.clear()
    taken = [number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def describe_interruption() -> tuple[str, int]:
    """What interrupted the run, as one line tells it, and the exit code that shells know it by."""
    number = _told[0] if _told else signal.SIGINT
    by = "" if number == signal.SIGINT else f" by {number.name}"
    return f"interrupted{by}; run it again to go on", 128 + number

"""Cleans up when a stage is interrupted, by Ctrl-C, by `kill` or by a closed terminal.

At Ctrl-C, Python raises KeyboardInterrupt. At SIGTERM and SIGHUP it ends immediately, and would
leave incomplete files.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGHUP)
_signals: list[signal.Signals] = []
"""The first signal that arrived, if there was one."""


@contextmanager
def interruptible() -> Iterator[None]:
    """Raises KeyboardInterrupt in its block at the first SIGTERM or SIGHUP.

    A signal that was ignored before, as SIGHUP by `nohup`, is still ignored. Forked processes end
    immediately.
    """
    process = os.getpid()

    def interrupt(number: int, _: FrameType | None) -> None:
        if os.getpid() != process:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif not _signals:  # a second signal must not interrupt the clean-up
            _signals.append(signal.Signals(number))
            raise KeyboardInterrupt

    _signals.clear()
    taken = [number for number in SIGNALS if signal.getsignal(number) == signal.SIG_DFL]
    for number in taken:
        signal.signal(number, interrupt)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)


def describe_interruption() -> tuple[str, int]:
    """One line that names the signal which interrupted the run, and the exit code for it."""
    number = _signals[0] if _signals else signal.SIGINT
    by = "" if number == signal.SIGINT else f" by {number.name}"
    return f"interrupted{by}; run it again to resume", 128 + number

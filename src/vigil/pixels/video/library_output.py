"""Captures the lines that C libraries print to the terminal, so that errors can name the picture.

libjpeg continues after damage and fills the unreadable part of a picture with grey or garbage. It
reports the damage in a printed line that does not name the file. No Python binding gives access to
that line.
"""

import os
import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO

LIBRARIES = re.compile(
    r"libpng (warning|error): |Corrupt JPEG data: |Premature end of JPEG|Invalid SOS|Unsupported "
    r"|Warning: unknown JFIF revision|Inconsistent progression|Unknown Adobe color|Invalid JPEG "
)
"""The beginnings of lines that libpng and libjpeg print."""
DAMAGE = ("Corrupt JPEG data: ", "Premature end of JPEG", "Inconsistent progression")
"""The beginnings of those lines that report wrong pixels."""

_one_at_a_time = threading.RLock()


@contextmanager
def library_output() -> Iterator[list[str]]:
    """Captures the lines of libpng and libjpeg during a `with` block.

    The list is filled at the end of the block. All threads of a process print to the same stream,
    so a line can be assigned to a picture only if the block decodes one picture. Lines of other
    origin are printed at the end of the block.
    """
    lines: list[str] = []
    with _one_at_a_time, _scratch_file() as file:
        try:
            terminal = os.dup(2)
        except OSError:  # standard error is closed
            yield lines
            return
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(terminal, 2)
            os.close(terminal)
            file.seek(0)
            text = file.read().decode(errors="replace")
            printed = text.splitlines(keepends=True)
            lines += [line.strip() for line in printed if LIBRARIES.match(line)]
            sys.stderr.write("".join(line for line in printed if not LIBRARIES.match(line)))


def _scratch_file() -> IO[bytes]:
    """A temporary file: in memory if the system supports it, so that a full disk does no harm."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("library_output"), "w+b")
    return TemporaryFile()


def damage_in(lines: list[str]) -> str:
    """The first line that reports damage; empty if there is none."""
    return next((line for line in lines if line.startswith(DAMAGE)), "")

"""What libraries in C print to the terminal by themselves: caught, so that it is told of its file.

libjpeg goes on after damage, fills what it could not read with grey or garbage, and says so in a
line without a file's name. No binding of Python's hands that line over.
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
"""How lines begin that libpng and libjpeg print."""
DAMAGE = ("Corrupt JPEG data: ", "Premature end of JPEG", "Inconsistent progression")
"""How those of them begin after which pixels are not those that were stored."""

_one_at_a_time = threading.RLock()


@contextmanager
def library_output() -> Iterator[list[str]]:
    """Gives a list that holds, at the end, the lines that libraries printed meanwhile.

    All threads of the process print to the same place: who wants to know which picture a line is
    of decodes one at a time. Lines of others are printed at the end.
    """
    lines: list[str] = []
    with _one_at_a_time, _scratch_file() as file:
        try:
            terminal = os.dup(2)
        except OSError:  # there is none
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
            found = text.splitlines(keepends=True)
            lines += [line.strip() for line in found if LIBRARIES.match(line)]
            sys.stderr.write("".join(line for line in found if not LIBRARIES.match(line)))


def _scratch_file() -> IO[bytes]:
    """In memory where the system has such files, so that a full disk is in nobody's way."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("library_output"), "w+b")
    return TemporaryFile()


def damage_in(lines: list[str]) -> str:
    """The first of some lines that tells of damage; empty where none does."""
    return next((line for line in lines if line.startswith(DAMAGE)), "")

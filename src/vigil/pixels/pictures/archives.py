"""Reading single entries of zip archives that may be damaged, or made to do harm."""

import lzma
import zipfile
import zlib

from vigil.plumbing.errors import InputError

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
"""What reading a damaged archive raises; RuntimeError also where it is locked."""
MOST_BYTES = 2**29
"""Of one picture. An entry never unpacks to more than it tells, so that a bomb is seen before."""


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of one entry.

    Raises:
        InputError: it is of more than `MOST_BYTES`.
        KeyError: there is none of this name.
    """
    size = archive.getinfo(name).file_size
    if size > MOST_BYTES:
        raise InputError(
            f"{archive.filename}: {name}: expected at most {MOST_BYTES} bytes, got {size}"
        )
    return archive.read(name)

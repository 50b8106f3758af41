"""Reads single entries of zip archives, which may be damaged or malicious."""

import lzma
import zipfile
import zlib

from vigil.plumbing.errors import InputError

DAMAGED = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, RuntimeError)
"""What reading a damaged archive raises. An encrypted archive raises RuntimeError, too."""
MAX_BYTES = 2**29
"""The largest size of one picture's file.

An entry never unpacks to more bytes than its header declares, so a zip bomb is refused before it
is unpacked.
"""


def read_entry(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of one entry.

    Raises:
        InputError: the entry has more than `MAX_BYTES`.
        KeyError: the archive has no entry of this name.
    """
    size = archive.getinfo(name).file_size
    if size > MAX_BYTES:
        raise InputError(
            f"{archive.filename}: {name}: expected at most {MAX_BYTES} bytes, got {size}"
        )
    return archive.read(name)

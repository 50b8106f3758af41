"""Explains a failure of the system to the user in one line: a full disk, too little memory."""

import errno
import re
import shutil
import sqlite3

TO_WRITE = "to write"
EXPECTED = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS), TO_WRITE),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "permission"),
    errno.ENAMETOOLONG: "a shorter name",
    errno.ENOENT: "a file or folder that is there",
    errno.ELOOP: "no link that leads to itself",
    errno.ENOTDIR: "a folder where the path goes on",
    errno.EISDIR: "a file",
    errno.EEXIST: "no other file of this name",
    errno.EIO: "a disk that works",
    errno.ENOMEM: "more memory",
    errno.EAGAIN: "room for another process",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "fewer open files"),
}
"""What a stage needs from the system, by the error number."""
SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")
"""numpy's message for a full disk, which has no error number."""
FULL_DATABASE = re.compile(r"^(disk I/O error|database or disk is full)$")
"""SQLite's messages for a full disk. Databases of DVC lie in its cache of the machine."""
COPY_REASON = re.compile(r"\[Errno (\d+)\] ([^:]+)(?:: .*)?", re.DOTALL)
"""An error of a file in `shutil.Error`, which is a text there."""
NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: [^\n]*allocate memory[^\n]*"
    r"|(CUDA|HIP) out of memory[^\n]*"
    r"|Insufficient memory[^\n]*"
    r"|std::bad_alloc"
)
"""Messages of torch and OpenCV for too little memory; they do not raise MemoryError."""
LONGEST_NAME = 500


def explain_failure(error: BaseException) -> str | None:
    """One line about a failure of the system; None if the error is a bug in the code."""
    if isinstance(error, shutil.Error):
        return _explain_copying(error)
    if isinstance(error, OSError):
        return _explain_os_error(error)
    if isinstance(error, sqlite3.OperationalError) and FULL_DATABASE.search(str(error)):
        return f"a database of DVC: expected {TO_WRITE}, got: {error}"
    if isinstance(error, MemoryError):
        return f"expected more memory, got: {str(error) or 'no more'}"
    if match := NO_MEMORY.search(str(error)):
        return f"expected more memory or a smaller batch, got: {match[0]}"
    return None


def _explain_copying(error: shutil.Error) -> str | None:
    """`shutil.copytree` gathers the errors of all files as texts: the first one is explained."""
    try:
        _, target, reason = error.args[0][0]
        number, text = COPY_REASON.fullmatch(reason).groups()  # type: ignore[union-attr]
    except (IndexError, TypeError, ValueError, AttributeError):
        return None
    return _explain_os_error(OSError(int(number), text, str(target)))


def _explain_os_error(error: OSError) -> str | None:
    expected = EXPECTED.get(error.errno or 0)
    if not expected and SHORT_WRITE.search(str(error)):
        expected = TO_WRITE
    if not expected:
        return None
    where = str(error.filename or ("output" if expected == TO_WRITE else "the system"))
    where = f"{where[:LONGEST_NAME]}…" if len(where) > LONGEST_NAME else where
    return f"{where}: expected {expected}, got: {error.strerror or error}"

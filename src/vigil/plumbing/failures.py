"""What a failure of the system means to a user, as one line: a full disk, too little memory."""

import errno
import re

TO_WRITE = "to write"
EXPECTED = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS), TO_WRITE),
    **dict.fromkeys((errno.EACCES, errno.EPERM), "permission"),
    errno.ENAMETOOLONG: "a shorter name",
    errno.ELOOP: "no link that leads to itself",
    errno.EIO: "a disk that works",
    errno.ENOMEM: "more memory",
    errno.EAGAIN: "room for another process",
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), "fewer open files"),
}
"""What the system must let a stage do, by the number of its error."""
SHORT_WRITE = re.compile(r"^\d+ requested and \d+ written$")
"""How numpy says that a disk is full, without the number of an error."""
NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: [^\n]*allocate memory[^\n]*"
    r"|(CUDA|HIP) out of memory[^\n]*"
    r"|Insufficient memory[^\n]*"
    r"|std::bad_alloc"
)
"""How torch and OpenCV say that there is no memory, by errors of their own."""
LONGEST_NAME = 500


def explain_failure(error: BaseException) -> str | None:
    """One line about a failure of the system; None where it is a mistake of the code."""
    if isinstance(error, OSError):
        return _explain_os_error(error)
    if isinstance(error, MemoryError):
        return f"expected more memory, got: {str(error) or 'no more'}"
    if found := NO_MEMORY.search(str(error)):
        return f"expected more memory, as for a smaller batch, got: {found[0]}"
    return None


def _explain_os_error(error: OSError) -> str | None:
    expected = EXPECTED.get(error.errno or 0)
    if not expected and SHORT_WRITE.search(str(error)):
        expected = TO_WRITE
    if not expected:
        return None
    where = str(error.filename or ("output" if expected == TO_WRITE else "the system"))
    where = f"{where[:LONGEST_NAME]}…" if len(where) > LONGEST_NAME else where
    return f"{where}: expected {expected}, got: {error.strerror or error}"

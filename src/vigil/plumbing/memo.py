"""Remembers finished work by the content it was made from, one entry for each video or clip.

DVC clears a stage's output before it runs the stage. A stage that makes one file for each video
therefore keeps what it made here, so that a new video costs one video, a killed run goes on where
it was, and a video taken off the list is simply not asked for. Entries appear by a rename: they are
there whole or not at all.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.folders import is_hidden
from vigil.plumbing.outputs import whole
from vigil.plumbing.state import fingerprint, project_state_folder

MAX_GB_VARIABLE = "VIGIL_MEMO_GB"
DEFAULT_MAX_GB = 50.0
PARTIAL_PREFIX = "partial-"
ABANDONED_AFTER_S = 24 * 3600
LINKED_FROM_BYTES = 2**20
RESULT, STAMPS = "result", "stamps.json"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        raise InputError(f"{path}: expected a file, found none") from None
    except IsADirectoryError:
        raise InputError(f"{path}: expected a file, found a folder") from None


def tree_digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and bytes of all that lies in a folder, in hexadecimal.

    Hidden files do not count.
    """
    if not path.is_dir():
        return file_digest(path)
    found = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.is_file() and not is_hidden(name):
            found.update(f"{name.as_posix()}\0{file_digest(file)}\n".encode())
    return found.hexdigest()


class Memo:
    """The remembered outputs of one stage.

    Raises:
        InputError: `VIGIL_MEMO_GB` is not a number, or negative.
    """

    def __init__(self, stage: str) -> None:
        self._folder = project_state_folder() / "memo" / stage
        self._room_bytes = _told_room_bytes()  # now, before there is any work to lose

    def fetch(self, facts: Mapping[str, Any], make: Callable[[Path], object], target: Path) -> bool:
        """Puts what `make` makes of `facts` at `target`, making it only where it is not remembered.

        Args:
            facts: everything the result depends on, as plain values: digests of the inputs,
                parameters, the code's fingerprint.
            make: writes a file or a folder to the path it is given.
            target: where the result goes; must not exist.

        Returns:
            Whether the result was remembered.
        """
        remembered = self.holds(facts)
        result = self.recall(facts, make)
        if result.is_dir():
            shutil.copytree(result, target, copy_function=_link_or_copy)
        else:
            _link_or_copy(result, target)
        return remembered

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Whether the result of `facts` is remembered."""
        return _is_whole(self._folder / fingerprint(facts))

    def recall(self, facts: Mapping[str, Any], make: Callable[[Path], object]) -> Path:
        """As `fetch`, but gives where the result is remembered, to be read and not changed."""
        entry = self._folder / fingerprint(facts)
        if not _is_whole(entry):
            if entry.exists():
                print(f"{entry}: has changed since it was made, so it is made again")
                _forget(entry)
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = Path(tempfile.mkdtemp(dir=self._folder, prefix=PARTIAL_PREFIX))
            try:
                make(partial / RESULT)
                stamps = {
                    name: [*_stamp(file), file_digest(file)] for name, file in _files(partial)
                }
                (partial / STAMPS).write_text(json.dumps(stamps))
                partial.replace(entry)
            except OSError:
                if not _is_whole(entry):  # else another process made the same entry meanwhile
                    raise
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # a folder that may not be written to
            os.utime(entry)
        return entry / RESULT

    def prune(self) -> None:
        """Forgets the entries used longest ago until the rest fits `VIGIL_MEMO_GB` (default 50).

        What is unfinished is forgotten after a day; until then another run may be at it, and it
        takes no room. Other runs may make and forget entries meanwhile.
        """
        if not self._folder.exists():
            return
        ages_s: dict[Path, float] = {}
        for entry in self._folder.iterdir():
            with suppress(FileNotFoundError):
                ages_s[entry] = time.time() - entry.stat().st_mtime
        room = self._room_bytes
        for entry in sorted(ages_s, key=lambda entry: ages_s[entry]):
            if entry.name.startswith(PARTIAL_PREFIX):
                with suppress(FileNotFoundError):
                    if time.time() - newest(entry) > ABANDONED_AFTER_S:
                        shutil.rmtree(entry, ignore_errors=True)
                continue
            with suppress(FileNotFoundError):
                room -= sum(file.stat().st_size for file in entry.rglob("*"))
            if room < 0:
                _forget(entry)


def _told_room_bytes() -> float:
    told = os.environ.get(MAX_GB_VARIABLE, str(DEFAULT_MAX_GB))
    try:
        room_gb = float(told)
    except ValueError:
        room_gb = math.nan
    if not room_gb >= 0:  # nor is NaN
        raise InputError(
            f"{MAX_GB_VARIABLE}: expected a number of at least 0 (inf: no limit), "
            f"got {shorten(told)}"
        )
    return room_gb * 1e9


def _is_whole(entry: Path) -> bool:
    """Whether an entry is there as it was made: people write into files, linked ones too.

    What has the size and the time of then is taken for the same; else its bytes tell, and its new
    time is noted: whoever copies a folder may copy no times.
    """
    try:
        stamps = json.loads((entry / STAMPS).read_text())
        files = dict(_files(entry))
        if files.keys() != stamps.keys():
            return False
        renewed = dict(stamps)
        for name, file in files.items():
            *stamp, digest = stamps[name]
            if (now := _stamp(file)) != stamp:
                if file_digest(file) != digest:
                    return False
                renewed[name] = [*now, digest]
    except (OSError, InputError, ValueError, TypeError, AttributeError, RecursionError):
        return False  # a part is gone, or the stamps have another form
    if renewed != stamps:
        with suppress(OSError), whole(entry / STAMPS) as file:  # suppressed: no room, no rights
            file.write_text(json.dumps(renewed))
    return True


def _files(entry: Path) -> Iterator[tuple[str, Path]]:
    """An entry's files by their paths below it."""
    result = entry / RESULT
    for file in [result] if result.is_file() else result.rglob("*"):
        if file.is_file():
            yield file.relative_to(entry).as_posix(), file


def _stamp(file: Path) -> list[int]:
    """The size of a file in bytes, and when it was last written in nanoseconds."""
    told = file.stat()
    return [told.st_size, told.st_mtime_ns]


def _forget(entry: Path) -> None:
    """Removes an entry; killed meanwhile, it leaves what nobody takes for one."""
    with suppress(OSError):  # another process was quicker
        # A name that nobody has; a folder to move it into would need room on a disk that is full.
        leaving = entry.replace(entry.with_name(f"{PARTIAL_PREFIX}{uuid.uuid4().hex}"))
        shutil.rmtree(leaving, ignore_errors=True)


def newest(folder: Path) -> float:
    """When anything in a folder was last changed, in seconds since 1970."""
    return max(file.stat().st_mtime for file in (folder, *folder.rglob("*")))


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    # A hard link costs neither time nor room; nothing in the pipeline writes into a file in place.
    # People do, into small ones: what they change must not be what is remembered.
    if Path(source).stat().st_size >= LINKED_FROM_BYTES:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)

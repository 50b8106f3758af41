"""A cache of finished results, by the content that they depend on: one entry per video or clip.

DVC deletes a stage's output before it runs the stage. So a stage that makes one file for each video
keeps its results in this cache. A new video then costs the work of one video, and a killed run
resumes where it stopped. An entry appears by a rename, so it is either complete or absent.
"""

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from vigil.plumbing.engine import each
from vigil.plumbing.engine_worker import Machine
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
    """SHA-256 of a file, or of the names and bytes of all files in a folder, in hexadecimal.

    Hidden files do not count.
    """
    if not path.is_dir():
        return file_digest(path)
    digest = hashlib.sha256()
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path)
        if file.is_file() and not is_hidden(name):
            digest.update(f"{name.as_posix()}\0{file_digest(file)}\n".encode())
    return digest.hexdigest()


class Request(NamedTuple):
    """A result that is wanted.

    Attributes:
        facts, make: see `Memo.fetch`. Both are sent to the workers of the engine.
        name: the name of the video or clip, for errors.
    """

    facts: Mapping[str, Any]
    make: Callable[[Path], object]
    name: str


class Memo:
    """The cached results of one stage.

    Raises:
        InputError: `VIGIL_MEMO_GB` is not a number, or negative.
    """

    def __init__(self, stage: str) -> None:
        self._folder = project_state_folder() / "memo" / stage
        self._room_bytes = _read_room_bytes()  # now, so that a wrong value loses no work

    def fetch(self, facts: Mapping[str, Any], make: Callable[[Path], object], target: Path) -> bool:
        """Puts the result for `facts` at `target`; calls `make` only if it is not in the cache.

        Args:
            facts: everything the result depends on, as plain values: digests of the inputs,
                parameters, the code's fingerprint.
            make: writes a file or a folder to the path it is given.
            target: the path of the result; must not exist.

        Returns:
            Whether the result was in the cache.
        """
        is_cached = self.holds(facts)
        result = self.recall(facts, make)
        if result.is_dir():
            shutil.copytree(result, target, copy_function=_link_or_copy)
        else:
            _link_or_copy(result, target)
        return is_cached

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Whether the result for `facts` is in the cache."""
        return _is_whole(self._folder / fingerprint(facts))

    def recall(self, facts: Mapping[str, Any], make: Callable[[Path], object]) -> Path:
        """As `fetch`, but returns the path of the result in the cache. Do not change it."""
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
                if not _is_whole(entry):  # if it is, another process made the entry meanwhile
                    raise
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        with suppress(OSError):  # a folder that is not writable
            os.utime(entry)
        return entry / RESULT

    def make_missing(
        self,
        requests: Sequence[Request],
        description: str,
        unit: str,
        *,
        machine: Machine | None = None,
        threads: int = 0,
    ) -> None:
        """Makes the results that are not in the cache, on the engine. `fetch` then finds them.

        Each result is kept as soon as it is made, so a run that is stopped loses only unfinished
        ones.

        Args:
            description, unit, machine, threads: see `engine.each`.

        Raises:
            InputError: see `engine.each`, and the errors of the requests' `make`.
        """
        missing = {fingerprint(one.facts): one for one in requests if not self.holds(one.facts)}
        items, names = list(missing.values()), [one.name for one in missing.values()]
        options: dict[str, Any] = {"machine": machine, "threads": threads}
        for _ in each(self._make, items, names, description, unit, **options):
            pass

    def _make(self, request: Request) -> None:
        self.recall(request.facts, request.make)

    def prune(self) -> None:
        """Deletes the least recently used entries until the rest fits `VIGIL_MEMO_GB` (default 50).

        An unfinished entry is deleted after a day, since another run may still write it, and does
        not count towards the limit. Other runs may make and delete entries meanwhile.
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


def _read_room_bytes() -> float:
    """The size limit of the cache, from the environment."""
    text = os.environ.get(MAX_GB_VARIABLE, str(DEFAULT_MAX_GB))
    try:
        room_gb = float(text)
    except ValueError:
        room_gb = math.nan
    if not room_gb >= 0:  # true for NaN too
        raise InputError(
            f"{MAX_GB_VARIABLE}: expected a number of at least 0 (inf: no limit), "
            f"got {shorten(text)}"
        )
    return room_gb * 1e9


def _is_whole(entry: Path) -> bool:
    """Whether an entry is complete and unchanged: users may write into its files through links.

    A file with the same size and time as before counts as unchanged. Otherwise its bytes decide. If
    these are unchanged, the new time is stored, since a copied folder may have new times.
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
        return False  # a file is missing, or the stamps have another form
    if renewed != stamps:
        with suppress(OSError), whole(entry / STAMPS) as file:  # a full or read-only disk
            file.write_text(json.dumps(renewed))
    return True


def _files(entry: Path) -> Iterator[tuple[str, Path]]:
    """The files of an entry, each with its path below the entry."""
    result = entry / RESULT
    for file in [result] if result.is_file() else result.rglob("*"):
        if file.is_file():
            yield file.relative_to(entry).as_posix(), file


def _stamp(file: Path) -> list[int]:
    """The size of a file in bytes, and the time of its last change in nanoseconds."""
    status = file.stat()
    return [status.st_size, status.st_mtime_ns]


def _forget(entry: Path) -> None:
    """Removes an entry. A kill meanwhile leaves a folder that does not count as an entry."""
    with suppress(OSError):  # another process was quicker
        # A unique name. A new folder to move the entry into would fail on a full disk.
        leaving = entry.replace(entry.with_name(f"{PARTIAL_PREFIX}{uuid.uuid4().hex}"))
        shutil.rmtree(leaving, ignore_errors=True)


def newest(folder: Path) -> float:
    """The time of the latest change in a folder, in seconds since 1970."""
    return max(file.stat().st_mtime for file in (folder, *folder.rglob("*")))


def _link_or_copy(source: str | Path, target: str | Path) -> None:
    # A hard link costs neither time nor disk space, and no stage writes into an existing file. But
    # users edit small files, so these are copied: an edit must not change the cache.
    if Path(source).stat().st_size >= LINKED_FROM_BYTES:
        try:
            os.link(source, target)
        except OSError:
            pass
        else:
            return
    shutil.copyfile(source, target)

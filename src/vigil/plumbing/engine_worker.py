"""What happens to an item on a worker of the engine: the worker is prepared, then works.

A worker on another machine has this project's folder at the same path, and the same code. This is
checked, as are facts of the machine on which a result depends.
"""

import hashlib
import os
import platform
import shutil
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

from threadpoolctl import threadpool_limits

from vigil.plumbing import arithmetic, progress
from vigil.plumbing.closure import SOURCE
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.failures import explain_failure
from vigil.plumbing.fingerprints import RESULT_LIBRARIES
from vigil.plumbing.state import project_state_folder

Item = TypeVar("Item")
Result = TypeVar("Result")
Machine = Callable[[], Any]
"""Returns facts of a machine, as plain values."""
OWN_TO_A_MACHINE = ("VIGIL_ENGINE", "VIGIL_WORKERS", "VIGIL_DEVICE")
"""Variables that workers do not get from the process which started the stage."""
PROJECT = SOURCE / "vigil" / "project"
"""Where a wheel has the files of `vigil new`, which a clone has elsewhere."""
_prepared: list[str] = []
"""The run for which this process is prepared."""


class Checks:
    """What a worker must agree on with the process that started the stage. A context manager.

    Attributes:
        run: a name for this run.
        folder: the folder in which the stage runs.
    """

    def __init__(self, is_elsewhere: bool, machine: Machine | None, threads: int) -> None:
        """Args: is_elsewhere: whether workers may run on other machines."""
        self.run, self.folder = uuid.uuid4().hex, str(Path.cwd())
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if name.startswith("VIGIL_") and name not in OWN_TO_A_MACHINE
        }
        self._environment["VIGIL_WORKERS"] = "0"
        if threads:
            self._environment["VIGIL_THREADS"] = str(threads)
        self._num_blas_threads = _num_blas_threads()
        self._code = describe_code() if is_elsewhere else {}
        self._machine, self._facts = machine, machine() if machine else None
        self._parent = 0 if is_elsewhere else os.getpid()
        self._is_elsewhere = is_elsewhere
        self._marks = project_state_folder() / "engine" / self.run
        """A folder with a file for each item at work, which holds the item's name."""

    def __enter__(self) -> "Checks":
        try:
            self._marks.mkdir(parents=True)
        except OSError:
            if self._is_elsewhere:  # on this machine, marks only improve an error
                raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self._marks, ignore_errors=True)

    @contextmanager
    def marked(self, name: str) -> Iterator[None]:
        """Marks an item as at work. A lost worker leaves its mark."""
        mark = self._marks / hashlib.sha256(name.encode()).hexdigest()[:32]
        with suppress(OSError):
            mark.write_text(name, encoding="utf-8", errors="replace")
        try:
            yield
        finally:
            with suppress(OSError):
                mark.unlink()

    def at_work(self) -> list[str]:
        """The names of the items that workers have begun and not ended."""
        try:
            return [mark.read_text(encoding="utf-8") for mark in self._marks.iterdir()]
        except OSError:
            return []

    def forget_work(self) -> None:
        """Removes the marks, for workers that are all replaced."""
        for mark in self._marks.glob("*"):
            mark.unlink(missing_ok=True)

    def prepare(self) -> None:
        """Makes this process a worker of the run, unless it is already.

        Raises:
            InputError: the worker has no access to the folder, or other code, or is another kind of
                machine.
        """
        if _prepared == [self.run]:
            return
        where = f"the worker on {platform.node()}"
        if self._is_elsewhere and not self._marks.exists():
            raise InputError(
                f"{where}: expected the project's folder {self.folder} at the same path, as a "
                "folder that machines share, found none"
            )
        if self._code and (other := _differing(self._code, describe_code())):
            raise InputError(f"{where}: expected {other}")
        if self._environment.get(arithmetic.VARIABLE) == "portable" and not arithmetic.is_applied():
            variables = " ".join(f"{name}={one!r}" for name, one in arithmetic.VARIABLES.items())
            raise InputError(f"{where}: expected to be started with {variables}")
        os.chdir(self.folder)
        os.environ.update(self._environment)
        progress.switch_off()
        threadpool_limits(self._num_blas_threads, "blas")
        if self._machine and (found := self._machine()) != self._facts:
            raise InputError(
                f"{where}: expected the same kind of machine, since results depend on it: "
                f"{shorten(self._facts, 200)}, got {shorten(found, 200)}; "
                "VIGIL_ARITHMETIC=portable makes CPUs alike"
            )
        if self._parent:
            # Ctrl-C ends the stage, which ends its workers.
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            threading.Thread(target=_end_with, args=[self._parent], daemon=True).start()
        _prepared[:] = [self.run]


class Call(Generic[Item, Result]):
    """A stage's work, to be sent to workers."""

    def __init__(self, work: Callable[[Item], Result], checks: Checks) -> None:
        self._work, self._checks = work, checks

    def __call__(self, item: Item, name: str) -> Result:
        """Works on an item.

        Raises:
            InputError: see `Checks.prepare`; the input is wrong; or the system failed, for example
                by a full disk.
        """
        self._checks.prepare()
        try:
            with self._checks.marked(name):
                return self._work(item)
        except InputError:
            raise
        except Exception as error:
            if line := explain_failure(error):
                raise InputError(f"{name}: {line}") from None
            error.add_note(f"This error was raised by the work on {name}.")
            raise


def describe_code() -> dict[str, str]:
    """The versions of Python, of the libraries that results depend on, and of vigil's code."""
    digest = hashlib.sha256()
    for file in sorted((SOURCE / "vigil").rglob("*.py")):
        if PROJECT in file.parents:
            continue
        digest.update(f"{file.relative_to(SOURCE).as_posix()}\0".encode() + file.read_bytes())
    versions = {"Python": ".".join(map(str, sys.version_info[:2]))}
    for library in RESULT_LIBRARIES:
        try:
            versions[library] = version(library)
        except PackageNotFoundError:
            versions[library] = "none"
    return {**versions, "code of vigil": digest.hexdigest()[:12]}


def _differing(expected: dict[str, str], found: dict[str, str]) -> str:
    """The first version that differs, as `expected …, got …`; empty if none does."""
    for name, value in expected.items():
        if found.get(name) != value:
            return f"{name} {value} as here, got {found.get(name)}"
    return ""


def _num_blas_threads() -> int:
    """The threads of matrix products in this process, on which the last bits may depend."""
    for variable in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        if (text := os.environ.get(variable, "")).isdecimal() and int(text):
            return int(text)
    return os.cpu_count() or 1


def _end_with(parent: int) -> None:
    """Ends this process soon after its parent has ended, even by SIGKILL."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)

"""The engines: joblib's own processes, a Dask cluster, Ray. Dask and Ray are imported on demand."""

import logging
import os
import queue
import socket
import time
import warnings
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import AbstractContextManager, suppress
from itertools import islice
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlsplit

from vigil.plumbing.errors import InputError, shorten

if TYPE_CHECKING:
    from joblib import Parallel

ENGINE_VARIABLE, WORKERS_VARIABLE = "VIGIL_ENGINE", "VIGIL_WORKERS"
EXPECTED = "loky, dask://host:port, ray (on this machine) or ray://host:port"
ANSWER_WITHIN_S, MOST_WORKERS = 10, 10_000
MOST_LOSSES = 3
"""Workers that may be lost in a row, without a finished item in between."""
POLL_S, NO_WORKER_S = 2.0, 60.0
"""How long to wait for a result before workers are counted, and for a worker where none is left."""
GREETING_BYTES, MOST_FRAMES = 8, 1000
Named = tuple[Any, str]
"""An item and its name."""


class Backend(AbstractContextManager["Backend"]):
    """An open engine. A context manager.

    Attributes:
        num_workers: the number of items that are worked on at a time.
        is_elsewhere: whether workers may run on other machines.
        losses: the errors that mean the loss of a worker.
    """

    num_workers: int
    is_elsewhere = True
    losses: tuple[type[BaseException], ...] = ()

    @abstractmethod
    def run(self, call: Callable[..., Any], items: Sequence[Named]) -> Iterator[Any]:
        """Yields the results of `call(item, name)` in order."""

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leaves the engine."""


class Loky(Backend):
    """Processes on this machine, which end with this one."""

    is_elsewhere = False

    def __init__(self, num_workers: int) -> None:
        from joblib.externals.loky.process_executor import BrokenProcessPool

        self.num_workers, self.losses = num_workers, (BrokenProcessPool,)

    def run(self, call: Callable[..., Any], items: Sequence[Named]) -> Iterator[Any]:
        num_workers = max(1, min(self.num_workers, len(items)))
        parallel = _open_parallel(num_workers, "loky", inner_max_num_threads=os.cpu_count())
        yield from parallel(_delayed(call, items))


class GaveUpError(Exception):
    """Workers are lost for good. The message ends `expected workers that stay, …`."""


class _ResultLostError(Exception):
    """A finished result was lost with its worker, and is computed again."""


class Cluster(Backend):
    """Workers of a cluster. Items are handed out one by one, as earlier ones are finished."""

    def run(self, call: Callable[..., Any], items: Sequence[Named]) -> Iterator[Any]:
        """See `Backend`."""
        handed_out: dict[Any, int] = {}
        finished: dict[int, Any] = {}
        waiting = iter(enumerate(items))
        for at in range(len(items)):
            while at not in finished:
                room = max(0, self.num_handed_out - len(handed_out))
                for number, item in islice(waiting, room):
                    handed_out[self._hand_out(call, item)] = number
                for done, result in self._wait(list(handed_out)).items():
                    finished[handed_out.pop(done)] = result
            yield finished.pop(at)

    @property
    def num_handed_out(self) -> int:
        """The number of items that are handed out at a time."""
        return self.num_workers

    @abstractmethod
    def _hand_out(self, call: Callable[..., Any], item: Named) -> Any:
        """Has a worker call `call(*item)`; returns what stands for the result."""

    @abstractmethod
    def _wait(self, handed_out: list[Any]) -> dict[Any, Any]:
        """Waits a while; returns the results of the finished ones, perhaps none.

        Raises:
            GaveUpError: no worker is left to finish them.
            InputError: the cluster is lost.
            Exception: what a call raised.
        """


class Dask(Cluster):
    """A Dask cluster that runs already, whose workers have one thread each."""

    def __init__(self, address: str, num_workers: int) -> None:
        try:
            import distributed
        except ModuleNotFoundError:
            raise _not_installed("dask") from None
        # Its client tells of lost connections on standard error, which is for the one line.
        for name in [one for one in logging.root.manager.loggerDict if one.startswith("distrib")]:
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
        self._address = f"tcp://{address}"
        try:
            _wait_for_greeting(address)
            self._client = distributed.Client(
                self._address, timeout=ANSWER_WITHIN_S, set_as_default=False
            )
        except (OSError, TimeoutError) as error:
            raise InputError(
                f"{ENGINE_VARIABLE}: expected a Dask scheduler at {self._address}, got no answer "
                f"({shorten(str(error), 100)})"
            ) from None
        try:
            self._check_scheduler()
            self._workers = self._find_workers()
        except InputError:
            self._client.close()
            raise
        num = len(self._workers)
        self.num_workers = min(num_workers or num, num)
        self._are_all = self.num_workers == num
        self._num_lost, self._seen_s = 0, time.monotonic()
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def _check_scheduler(self) -> None:
        """Raises InputError if the scheduler cannot load vigil, without which it runs nothing."""
        try:
            self._client.run_on_scheduler(loaded)
        except Exception as error:  # any error of another version's code
            raise InputError(
                f"{ENGINE_VARIABLE}: expected this version of vigil where the Dask scheduler runs, "
                f"which loads what is sent to workers, got: {shorten(str(error), 150)}"
            ) from None

    def _find_workers(self) -> set[str]:
        workers = self._client.scheduler_info(n_workers=-1)["workers"]
        several = [worker["nthreads"] for worker in workers.values() if worker["nthreads"] != 1]
        if not workers or several:
            raise InputError(
                f"{ENGINE_VARIABLE}: expected Dask workers with one thread each (--nthreads 1), "
                + (f"got one with {several[0]}" if several else "found no worker")
            )
        return set(workers)

    @property
    def num_handed_out(self) -> int:
        """Twice the workers, so that none waits; but not to others than `VIGIL_WORKERS` allows."""
        return self.num_workers * (2 if self._are_all else 1)

    def _hand_out(self, call: Callable[..., Any], item: Named) -> Any:
        try:
            future = self._client.submit(call, *item, pure=False)
        except Exception as error:  # the client tells a lost scheduler by errors of several kinds
            if self._client.status == "running":
                raise
            raise self._scheduler_lost() from error
        future.add_done_callback(self._ended.put)
        return future

    def _wait(self, handed_out: list[Any]) -> dict[Any, Any]:
        with suppress(queue.Empty):
            self._ended.get(timeout=POLL_S)
        if self._client.status != "running" or any(one.cancelled() for one in handed_out):
            raise self._scheduler_lost()
        results = {}
        for one in handed_out:
            if one.done():
                with suppress(_ResultLostError):
                    results[one] = self._result_of(one)
        self._count_losses(bool(results))
        return results

    def _count_losses(self, is_progress: bool) -> None:
        """Dask itself hands out the items of a lost worker again, so that nobody would notice."""
        workers, now_s = set(self._client.scheduler_info(n_workers=-1)["workers"]), time.monotonic()
        if workers or is_progress:
            self._seen_s = now_s
        self._num_lost = 0 if is_progress else self._num_lost + len(self._workers - workers)
        self._workers = workers
        if self._num_lost >= MOST_LOSSES:
            raise GaveUpError(f"lost {self._num_lost} in a row")
        if now_s - self._seen_s > NO_WORKER_S:
            raise GaveUpError(f"had none for {NO_WORKER_S:g} s")

    def _scheduler_lost(self) -> InputError:
        return InputError(
            f"{ENGINE_VARIABLE}: expected a Dask scheduler that stays at {self._address}, lost the "
            "connection; what is finished is kept"
        )

    def _result_of(self, done: Any) -> Any:
        """The result of a finished one; raises what the call raised.

        A worker keeps a result until it is fetched. If the worker is lost before, Dask has the work
        done again, and `Future.result` waits for that: without workers, for ever.

        Raises:
            _ResultLostError: the result was not fetched in time.
        """
        from distributed.scheduler import KilledWorker

        try:
            return done.result(timeout=NO_WORKER_S)
        except KilledWorker:  # Dask itself has tried again
            raise GaveUpError("lost several in a row") from None
        except ImportError as error:
            raise _other_code(error) from None
        except (OSError, CancelledError) as error:
            if done.status == "error":  # of the call
                raise
            if isinstance(error, TimeoutError):
                raise _ResultLostError from None
            raise self._scheduler_lost() from None

    def __exit__(self, *_: object) -> None:
        self._client.close(timeout=ANSWER_WITHIN_S)


def loaded() -> bool:
    """Tells a process that asks a scheduler that vigil is loaded there."""
    return True


class Ray(Cluster):
    """Ray: a cluster that runs already, or one started on this machine for this stage."""

    def __init__(self, address: str, num_workers: int) -> None:
        try:
            import ray
        except ModuleNotFoundError:
            raise _not_installed("ray") from None
        lost = ray.exceptions
        self._ray, self.losses = (
            ray,
            (
                *(lost.WorkerCrashedError, lost.NodeDiedError, lost.OutOfMemoryError),
                lost.ObjectLostError,  # a result that was lost before it was fetched
            ),
        )
        quiet: dict[str, Any] = {"logging_level": "error", "log_to_driver": False}
        try:
            if address:
                _connect(address).close()  # else Ray tries for half a minute
                with warnings.catch_warnings():  # standard error is for the line of the failure
                    warnings.simplefilter("ignore")
                    ray.init(address=f"ray://{address}", **quiet)
            else:
                ray.init(
                    address="local",  # else RAY_ADDRESS or a cluster on this machine would be used
                    num_cpus=num_workers or _load_joblib().cpu_count(),
                    include_dashboard=False,
                    _node_ip_address="127.0.0.1",
                    **quiet,
                )
        except (ConnectionError, ImportError, RuntimeError, ValueError, OSError) as error:
            raise InputError(
                f"{ENGINE_VARIABLE}: expected a Ray cluster at {address or 'this machine'}, got: "
                f"{shorten(str(error), 150)}"
            ) from None
        num_cpus = int(ray.cluster_resources().get("CPU", 1))
        self.num_workers = min(num_workers or num_cpus, num_cpus)
        # A lost worker is counted here, and its item is handed out again by the engine.
        self._remote = ray.remote(num_cpus=1, max_retries=0)(call_item)

    def _hand_out(self, call: Callable[..., Any], item: Named) -> Any:
        return self._remote.remote(call, *item)

    def _wait(self, handed_out: list[Any]) -> dict[Any, Any]:
        done = self._ray.wait(handed_out, timeout=POLL_S)[0]
        return {one: self._result_of(one) for one in done}

    def _result_of(self, done: Any) -> Any:
        """The result of a finished one; raises what the call raised."""
        try:
            result = self._ray.get(done)
        except (ImportError, self._ray.exceptions.RaySystemError) as error:
            raise _other_code(error) from None
        if isinstance(result, Exception):
            raise result
        return result

    def __exit__(self, *_: object) -> None:
        self._ray.shutdown()


def call_item(call: Callable[..., Any], item: Any, name: str) -> Any:
    """The result of a call, or its error, which Ray would wrap in an error of its own."""
    try:
        return call(item, name)
    except Exception as error:
        return error


class Engine(NamedTuple):
    """What the environment says about the engine.

    Attributes:
        scheme: `loky`, `dask` or `ray`.
        address: `host:port`, or empty.
        num_workers: None: not said.
    """

    scheme: str
    address: str
    num_workers: int | None

    @classmethod
    def of_environment(cls) -> "Engine":
        """The engine that `VIGIL_ENGINE` and `VIGIL_WORKERS` name.

        Raises:
            InputError: there is no such engine, or the number of workers is not a number.
        """
        name = os.environ.get(ENGINE_VARIABLE, "loky")
        scheme, _, address = name.partition("://")
        is_known = name in {"loky", "ray"} or (scheme in {"dask", "ray"} and _is_address(address))
        if not is_known:
            raise InputError(f"{ENGINE_VARIABLE}: expected {EXPECTED}, got {shorten(name)}")
        return cls(scheme, address, _read_num_workers())

    def works_here(self, threads: int = 0) -> bool:
        """Whether this process works on all items by itself."""
        return self.num_workers == 0 or (
            self.scheme == "loky" and self._num_processes(threads) == 1
        )

    @property
    def is_default(self) -> bool:
        """Whether the environment says nothing of engines and workers."""
        return self.scheme == "loky" and self.num_workers is None

    def open(self, threads: int = 0) -> Backend:
        """Opens the engine, unless this process works on all items.

        By default, there is a worker for each core of this machine or cluster. On this machine, if
        an item needs several threads, there is one for each so many cores.

        Raises:
            InputError: the engine is not installed, or it does not answer.
        """
        if self.scheme == "loky":
            return Loky(self._num_processes(threads))
        return (Dask if self.scheme == "dask" else Ray)(self.address, self.num_workers or 0)

    def _num_processes(self, threads: int) -> int:
        return self.num_workers or max(1, _load_joblib().cpu_count() // max(1, threads))


def _read_num_workers() -> int | None:
    """`VIGIL_WORKERS`; None: not set."""
    if (text := os.environ.get(WORKERS_VARIABLE)) is None:
        return None
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(MOST_WORKERS))
    if not is_number or int(text) > MOST_WORKERS:
        raise InputError(
            f"{WORKERS_VARIABLE}: expected a whole number from 0 to {MOST_WORKERS}, got "
            f"{shorten(text)}"
        )
    return int(text)


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(f"//{text}")
        is_more = parts.path or parts.query or parts.fragment or "@" in parts.netloc
        return bool(parts.hostname and parts.port) and not is_more
    except ValueError:
        return False


def _connect(address: str) -> socket.socket:
    """Raises OSError if nothing answers in time."""
    parts = urlsplit(f"//{address}")
    return socket.create_connection(
        (parts.hostname or "", parts.port or 0), timeout=ANSWER_WITHIN_S
    )


def _wait_for_greeting(address: str) -> None:
    """Returns once a Dask scheduler has sent its first bytes, which it does by itself.

    They are the number of frames of a message, of 8 bytes with the lowest first. Dask's client
    would wait for them for ever, and take those of another program for a huge number.

    Raises:
        OSError: nothing answers in time.
    """
    with _connect(address) as connection:
        greeting = b""
        while len(greeting) < GREETING_BYTES:  # they may come in parts
            if not (part := connection.recv(GREETING_BYTES - len(greeting))):
                raise ConnectionError("the connection was closed")
            greeting += part
    if int.from_bytes(greeting, "little") > MOST_FRAMES:
        raise ConnectionError(f"another program answers: {greeting!r}")


def _open_parallel(num_workers: int, backend: str, **options: Any) -> "Parallel":
    joblib = _load_joblib()
    with joblib.parallel_config(backend, **options):  # ends before the first item, as it is global
        parallel: Parallel = joblib.Parallel(
            n_jobs=num_workers,
            return_as="generator",
            batch_size=1,
            pre_dispatch="2*n_jobs",
            max_nbytes=None,
        )
    return parallel


def _delayed(call: Callable[..., Any], items: Sequence[Named]) -> Iterator[Any]:
    delayed = _load_joblib().delayed
    return (delayed(call)(*item) for item in items)


def _load_joblib() -> ModuleType:
    """joblib, which stages without workers do not load.

    Where a system gives no semaphores, for example on a full disk, joblib warns when it is loaded
    that it starts no process. Standard error is for the one line of a failure, so this is printed.
    """
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        import joblib
    for warning in told:
        print(warning.message)
    loaded: ModuleType = joblib
    return loaded


def _not_installed(library: str) -> InputError:
    return InputError(
        f"{ENGINE_VARIABLE}: expected {library} to be installed (pip install 'vigil[{library}]'), "
        "found no such library"
    )


def _other_code(error: Exception) -> InputError:
    return InputError(
        f"{ENGINE_VARIABLE}: expected this version of vigil on every worker, got a worker that "
        f"cannot load it: {shorten(str(error), 150)}"
    )

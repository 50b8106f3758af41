"""Runs the items of a stage (videos, clips, batches) on an engine: processes here, or a cluster.

`VIGIL_ENGINE` names the engine. Items are independent, and their results come back in the order of
the items. So the engine and the number of its workers cannot change a result.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from vigil.plumbing.engine_backends import (
    ENGINE_VARIABLE,
    MOST_LOSSES,
    Backend,
    Engine,
    GaveUpError,
)
from vigil.plumbing.engine_worker import Call, Checks, Machine
from vigil.plumbing.errors import InputError, listed
from vigil.plumbing.progress import progress

Item = TypeVar("Item")
Result = TypeVar("Result")
SOON_DONE_S = 3.0
"""Where nothing is said of an engine, work that is done so soon starts no other process."""


def each(
    work: Callable[[Item], Result],
    items: Sequence[Item],
    names: Sequence[str],
    description: str,
    unit: str,
    *,
    machine: Machine | None = None,
    threads: int = 0,
) -> Iterator[Result]:
    """Yields the result of `work` for each item, in order.

    Fewer than two items, or no workers (`VIGIL_WORKERS=0`), are worked on in this process. By
    default this process begins alone, and starts workers if items are left after `SOON_DONE_S`. If
    a worker is lost, its item is worked on again. An error that `work` raises is raised here.

    Args:
        work: must not depend on other items. It is sent to other processes, as are the items and
            results, so all of them can be pickled.
        names: the name of each item, for errors.
        description, unit: for the progress bar.
        machine: returns facts of a machine that `work` depends on. They must be the same on every
            worker as here.
        threads: the number of threads in which torch computes one item; 0: items need no torch. The
            result depends on this number, so every worker has it. The default number of workers is
            smaller accordingly.

    Raises:
        InputError: see `Engine` and `Call`; or workers were lost repeatedly.
    """
    engine = Engine.of_environment()
    results = _each(engine, work, items, names, machine, threads)
    yield from progress(results, description, unit, len(items))


def grouped(items: Sequence[Item], size: int, *, threads: int = 0) -> list[Sequence[Item]]:
    """The items in groups for workers: of `size`, or all in one where this process works alone.

    Args:
        threads: see `each`.

    Raises:
        InputError: see `Engine`.
    """
    if Engine.of_environment().works_here(threads):
        return [items] if items else []
    return [items[start : start + size] for start in range(0, len(items), size)]


def _each(
    engine: Engine,
    work: Callable[[Item], Result],
    items: Sequence[Item],
    names: Sequence[str],
    machine: Machine | None,
    threads: int,
) -> Iterator[Result]:
    num_done, until_s = 0, time.monotonic() + SOON_DONE_S
    while engine.is_default and num_done < len(items) and time.monotonic() < until_s:
        yield work(items[num_done])
        num_done += 1
    if len(items) < 2 or num_done == len(items) or engine.works_here(threads):
        yield from map(work, items[num_done:])
        return
    with (
        engine.open(threads) as backend,
        Checks(backend.is_elsewhere, machine, threads) as checks,
    ):
        yield from _run(backend, work, checks, items[num_done:], names[num_done:])


def _run(
    backend: Backend,
    work: Callable[[Item], Result],
    checks: Checks,
    items: Sequence[Item],
    names: Sequence[str],
) -> Iterator[Result]:
    """Yields the results in order. After the loss of a worker, unfinished work restarts."""
    call = Call(work, checks)
    num_done = num_losses = 0
    while num_done < len(items):
        waiting = list(zip(items, names, strict=True))[num_done:]
        try:
            for result in backend.run(call, waiting):
                num_done, num_losses = num_done + 1, 0
                yield result
        except backend.losses as error:
            num_losses += 1
            if num_losses >= MOST_LOSSES:
                raise _lost(f"lost {num_losses} in a row", checks) from error
            checks.forget_work()
            print("a worker was lost; its work is done again")
        except GaveUpError as error:
            raise _lost(str(error), checks) from error


def _lost(what: str, checks: Checks) -> InputError:
    at_work = checks.at_work()
    return InputError(
        f"{ENGINE_VARIABLE}: expected workers that stay, {what}"
        + (
            f" that worked on one of: {listed(at_work)}"
            if at_work
            else " that had finished their items"
        )
        + "; a worker that needs too much memory is killed: fewer workers (VIGIL_WORKERS) need less"
    )

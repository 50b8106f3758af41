"""Runs a stage script: paths from the command line, settings from `params.yaml`, one-line errors.

A stage is a script with one function. Its signature declares everything it reads (see `contract`).
"""

import inspect
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from vigil.plumbing.alone import alone
from vigil.plumbing.arithmetic import check_trained_alike, use_arithmetic
from vigil.plumbing.contract import Contract, Main
from vigil.plumbing.errors import FieldError, InputError, printable
from vigil.plumbing.failures import explain_failure
from vigil.plumbing.folders import check_path
from vigil.plumbing.interruptions import describe_interruption, interruptible
from vigil.plumbing.launching import launch
from vigil.plumbing.listed_code import check_listed_code
from vigil.plumbing.named_paths import named_path
from vigil.plumbing.own_source import use_own_source
from vigil.plumbing.params import read_params
from vigil.plumbing.ranks import Batches, outputs_of_rank, this_rank
from vigil.plumbing.state import claim_state
from vigil.plumbing.times import note_time

LONGEST_MESSAGE = 2000
FAMILIES = ("evaluate", "export", "predict", "split")
"""Stages that have an instance for each branch in `dvc.yaml`."""


def run_stage(main: Main, *, is_training: bool = False) -> NoReturn:
    """Runs the stage of the calling script and exits.

    Args:
        main: the stage's function.
        is_training: whether several processes can share the work; see `ranks`.
    """
    use_own_source(sys.argv)
    script = Path(inspect.getfile(main))
    title, contract = stage_name(script), Contract(main)
    start = time.monotonic()
    try:
        use_arithmetic(sys.argv)
        check_listed_code(script)
        paths = contract.parse_paths(title, sys.argv[1:])
        content = read_params()
        values = contract.parse_values(content)
        paths = {name: named_path(path, content) for name, path in paths.items()}
        for path in paths.values():
            if path.exists():
                check_path(path)
        if not is_training:
            check_trained_alike(path for name, path in paths.items() if name.endswith("card"))
        if is_training:  # now, so that a wrong parameter is told once
            launch(sys.argv, _shared_batches(values))
        if this_rank().number:
            title = f"{title}, rank {this_rank().number}"
            with interruptible(), outputs_of_rank(paths) as own_paths:
                main(**own_paths, **values)
            sys.exit(0)
        with interruptible(), alone(title):
            claim_state({"stage": title, "params": _plain(values)})
            main(**paths, **values)
    except FieldError as error:
        _fail(title, f"{contract.place_of(error.field)}: {error.problem}", 1)
    except InputError as error:
        # An error from a loader's process has a traceback in front.
        _fail(title, " ".join(str(error).rsplit("InputError: ", 1)[-1].split()), 1)
    except KeyboardInterrupt:
        _fail(title, *describe_interruption())
    except SystemExit as end:  # Lightning raises it at an interruption
        if isinstance(end.__context__, KeyboardInterrupt):
            _fail(title, *describe_interruption())
        raise
    except Exception as error:
        if not (line := explain_failure(error)):
            raise
        _fail(title, line, 1)
    note_time(title, time.monotonic() - start)
    sys.exit(0)


def stage_name(script: Path) -> str:
    """The name of a script's stage in DVC: `evaluate_detector.py` is `evaluate@detector`."""
    family, _, branch = script.stem.partition("_")
    return f"{family}@{branch}" if family in FAMILIES else script.stem


def _shared_batches(values: dict[str, object]) -> Batches | None:
    """The batches of a training, of which several processes compute parts."""
    for value in values.values():
        optimisation, fitting = (getattr(value, name, None) for name in ("optimisation", "fitting"))
        if optimisation and fitting:
            return Batches(optimisation.num_shards, fitting.batch_size, fitting.precision)
    return None


def _plain(values: dict[str, object]) -> dict[str, object]:
    return {name: repr(value) for name, value in values.items()}


def _fail(title: str, message: str, code: int) -> NoReturn:
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[: LONGEST_MESSAGE - 1]}…"
    with suppress(OSError):  # nobody reads the output any more
        sys.stdout.flush()  # where both go to one file, the error stands last
    with suppress(OSError):  # the terminal was closed
        print(f"{title}: {printable(message)}", file=sys.stderr, flush=True)
    sys.exit(code)

"""Runs a stage script: paths from the command line, parameters from `params.yaml`, one-line errors.

A stage's signature is its whole contract:

- a `Path` argument is a required option on the command line (`video_folder` is `--video-folder`),
  in which `{dataset.root}` stands for that value of `params.yaml`;
- `params`, whose type is a `Section`, is the script's own section of `params.yaml`;
- any other argument is the key of the same name in the section `dataset`.

A stage of one instance has a function `main`. A stage of several (`evaluate@classifier`,
`evaluate@detector`) has one function for each; the first word on the command line picks it. Its
`params` are the script's whole section when their type is the script's `Params`, else the
sub-section of the instance's name.
"""

import argparse
import errno
import fcntl
import importlib.util
import inspect
import os
import re
import sys
import time
import typing
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import version
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

import vigil
from vigil.plumbing.closure import SOURCE, Import, closure_of, code_digest, is_plumbing
from vigil.plumbing.errors import InputError, listed, printable
from vigil.plumbing.folders import check_path
from vigil.plumbing.interruptions import describe_interruption, interruptible
from vigil.plumbing.named_paths import named_path
from vigil.plumbing.params import Dataset, Section, parse_section, read_params
from vigil.plumbing.records import write_json
from vigil.plumbing.state import claim_state, fingerprint, project_state_folder

Main = Callable[..., None]

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
"""How numpy tells that a disk is full, without its number."""
NO_MEMORY = re.compile(
    r"DefaultCPUAllocator: [^\n]*allocate memory[^\n]*"
    r"|(CUDA|HIP) out of memory[^\n]*"
    r"|Insufficient memory[^\n]*"
    r"|std::bad_alloc"
)
"""How torch and OpenCV tell it, by errors of their own."""
LONGEST_MESSAGE = 2000
LONGEST_NAME = 500
RESULT_LIBRARIES = (
    *("av", "dvclive", "faster-coco-eval", "lightning", "numpy", "opencv-python-headless"),
    *("pandas", "pytorchvideo", "safetensors", "scikit-learn", "torch", "torchvision"),
    "transformers",
)


def run_stage(*mains: Main) -> NoReturn:
    """Runs the stage of the calling script and exits.

    Args:
        mains: the function `main`, or one for each of the stage's instances.
    """
    use_own_source(sys.argv)
    script = Path(inspect.getfile(mains[0]))
    title = script.stem
    start = time.monotonic()
    try:
        main, words = _pick(mains, sys.argv[1:])
        if main.__name__ != "main":
            title = f"{script.stem}@{main.__name__}"
        paths = _parse_paths(main, title, words)
        content = read_params()
        check_params(content, script.parent)
        paths = {name: named_path(path, content) for name, path in paths.items()}
        for path in paths.values():
            if path.exists():
                check_path(path)
        with interruptible(), _alone(title):
            claim_state({"stage": title, "params": content.get(script.stem)})
            main(**paths, **_parse_values(main, sys.modules[main.__module__], script.stem, content))
    except InputError as error:
        # A loader's worker puts its traceback in front.
        _fail(title, " ".join(str(error).rsplit("InputError: ", 1)[-1].split()), 1)
    except OSError as error:
        if not (wanted := EXPECTED.get(error.errno or 0)):
            if not SHORT_WRITE.search(str(error)):
                raise
            wanted = TO_WRITE
        where = str(error.filename or ("output" if wanted == TO_WRITE else "the system"))
        where = f"{where[:LONGEST_NAME]}…" if len(where) > LONGEST_NAME else where
        _fail(title, f"{where}: expected {wanted}, got: {error.strerror or error}", 1)
    except MemoryError as error:
        _fail(title, f"expected more memory, got: {str(error) or 'no more'}", 1)
    except Exception as error:
        if not (told := NO_MEMORY.search(str(error))):
            raise
        _fail(title, f"expected more memory, as for a smaller batch, got: {told[0]}", 1)
    except KeyboardInterrupt:
        _fail(title, *describe_interruption())
    except SystemExit as end:  # what Lightning makes of an interruption
        if isinstance(end.__context__, KeyboardInterrupt):
            _fail(title, *describe_interruption())
        raise
    with suppress(OSError):  # of interest to people, and no result
        seconds = round(time.monotonic() - start, 1)
        write_json({"seconds": seconds}, times_folder() / f"{title}.json")
    sys.exit(0)


@contextmanager
def _alone(title: str) -> Iterator[None]:
    """Refuses to run beside another stage of the same project or experiment.

    DVC starts one at a time. Where it alone is killed, the stage that it started goes on, and would
    replace an output that another one reads. The lock ends with the process. It holds for all users
    of the project: whoever made its file lets the others write to it.

    Raises:
        InputError: one still runs.
    """
    here = Path.cwd()
    project = next((folder for folder in (here, *here.parents) if (folder / ".dvc").is_dir()), here)
    name = fingerprint({"folder": str(project)})[:16]
    file = project_state_folder() / "running" / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        if error.errno == errno.EROFS:  # nor can another stage write: this one itself will tell
            yield
            return
        told = f"{title}: goes on without knowing whether it runs alone: {file}: {error.strerror}"
        print(printable(told), file=sys.stderr)
        yield
        return
    with suppress(OSError):  # it is another user's
        os.fchmod(lock, 0o666)
    try:
        _lock(lock, title)
        yield
    finally:
        os.close(lock)


def _lock(file: int, title: str) -> None:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):  # either says that it is taken
        other = os.read(file, 80).decode(errors="replace")
        raise InputError(
            f"expected to run alone, but {other} still runs here, left by a run that was stopped; "
            "wait for it, or end it"
        ) from None
    except OSError:
        return  # a file system that knows no locks
    with suppress(OSError):  # no room: the stage itself will tell
        os.ftruncate(file, 0)
        os.write(file, f"process {os.getpid()} ({title})".encode())


def times_folder() -> Path:
    """Where each stage leaves how long its last run took, as `<stage>.json`: `seconds`."""
    return project_state_folder() / "times"


def check_params(content: dict[str, Any], folder: Path) -> None:
    """Validates every section of `params.yaml` against the stage scripts in `folder`.

    A wrong value for the last stage thus stops the first one that runs, not a night's training. A
    script's `check_sections`, where it has one, holds its own section against the others.

    Raises:
        InputError: a section is unknown or missing, or has a wrong value.
    """
    modules = {script.stem: load_script(script) for script in sorted(folder.glob("*.py"))}
    known: dict[str, type[Section]] = {name: module.Params for name, module in modules.items()}
    if folder.name == "stages":  # elsewhere (the demo), a script brings its own params.yaml
        known["dataset"] = Dataset
    unknown = content.keys() - known.keys()
    if unknown:
        raise InputError(
            f"params.yaml: no such section: {listed(unknown)}; expected {listed(known, 20)}"
        )
    sections = {name: parse_section(model, content, name) for name, model in known.items()}
    for module in modules.values():
        if hasattr(module, "check_sections"):
            module.check_sections(sections)


def code_fingerprint(main: Main, untaken: Collection[Import] = ()) -> str:
    """SHA-256 over the code that makes a stage's result, in hexadecimal.

    That is its script, every module of vigil this imports but for floor 0, and the versions of the
    libraries that decode, compute and encode.

    Args:
        untaken: imports of what does nothing with the parameters at hand.
    """
    script = Path(inspect.getfile(main))
    closure = closure_of(script, main.__name__, untaken)
    facts = {
        "script": code_digest(script),
        "modules": {
            module.relative_to(SOURCE).as_posix(): code_digest(module)
            for module in closure
            if not is_plumbing(module)
        },
        "libraries": {library: version(library) for library in RESULT_LIBRARIES},
    }
    return fingerprint(facts)


def use_own_source(words: Sequence[str]) -> None:
    """Starts again with `src/` of the current folder in front, where vigil came from elsewhere.

    `words` are what python is to be called with.

    `dvc exp run --temp` and `--queue` run another revision of the project in a folder of their own,
    in which the installed package still points at the main one.
    """
    own = Path("src").resolve()
    if (own / "vigil").is_dir() and own not in Path(vigil.__file__).resolve().parents:
        search = [str(own), *filter(None, [os.environ.get("PYTHONPATH")])]
        os.environ["PYTHONPATH"] = os.pathsep.join(search)
        os.execv(sys.executable, [sys.executable, *words])


def _pick(mains: tuple[Main, ...], words: list[str]) -> tuple[Main, list[str]]:
    if mains[0].__name__ == "main":
        return mains[0], words
    instances = {main.__name__: main for main in mains}
    if not words or words[0] not in instances:
        got = repr(words[0]) if words else "nothing"
        raise InputError(f"expected one of {listed(instances)} as the first argument, got {got}")
    return instances[words[0]], words[1:]


def _parse_paths(main: Main, title: str, words: list[str]) -> dict[str, Path]:
    parser = argparse.ArgumentParser(
        prog=title, description=inspect.getdoc(inspect.getmodule(main))
    )
    for name, kind in typing.get_type_hints(main).items():
        if kind is Path:
            parser.add_argument(f"--{name.replace('_', '-')}", type=Path, required=True)
    return vars(parser.parse_args(words))


def _parse_values(
    main: Main, script: ModuleType, section: str, content: dict[str, Any]
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, kind in typing.get_type_hints(main).items():
        if name == "return" or kind is Path:
            continue
        if name == "params":
            own = kind is script.Params
            values[name] = parse_section(
                kind, content, section if own else f"{section}.{main.__name__}"
            )
        else:
            values[name] = getattr(parse_section(Dataset, content, "dataset"), name)
    return values


def load_script(script: Path) -> ModuleType:
    """A stage script as a module; the one that runs is not loaded again."""
    if str(script) == sys.argv[0]:
        return sys.modules["__main__"]
    spec = importlib.util.spec_from_file_location(f"stage_{script.stem}", script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _fail(title: str, message: str, code: int) -> NoReturn:
    if len(message) > LONGEST_MESSAGE:
        message = f"{message[: LONGEST_MESSAGE - 1]}…"
    with suppress(OSError):  # the terminal was closed
        print(f"{title}: {printable(message)}", file=sys.stderr, flush=True)
    sys.exit(code)

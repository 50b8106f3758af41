"""Damaged parameters and inputs through each stage, trainings too: it works or ends with one line.

`make fuzz` runs what takes minutes.
"""

import copy
import importlib
import os
import random
import resource
import runpy
import shlex
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from functools import reduce
from operator import getitem
from pathlib import Path
from typing import Any

import cv2
import pytest
import yaml
from damage import ROUNDS, SEED, VALUES, places_of, scramble
from threadpoolctl import threadpool_limits
from tiny_project import ROOT, Project

from vigil.plumbing.contract import project_sections

STAGES = sorted((ROOT / "stages").glob("*.py"))
SECTIONS = project_sections()
NUMBERS = {"integer", "number"}
LOW, HIGH = {"minimum", "exclusiveMinimum"}, {"maximum", "exclusiveMaximum"}
LONGEST_S = 60.0
FAR_MORE = 5
MEMORY_BYTES = 12 * 2**30
LAZY = ("faster_coco_eval", "lightning.pytorch", "matplotlib.pyplot", "torchmetrics.detection")
FOLDERS = ("data", "models", "metrics")


def section_of(stage: str) -> str:
    """Where a stage's parameters stand: `predict@detector` has its own, `split@detector` not.

    Empty for a stage without parameters.
    """
    names = (stage.replace("@", "."), stage.split("@")[0])
    return next((name for name in names if name in SECTIONS), "")


def numbers_of(schema: Any, name: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """What a JSON schema tells of numbers, wherever they stand in it."""
    if isinstance(schema, list):
        for part in schema:
            yield from numbers_of(part, name)
    elif isinstance(schema, dict):
        if schema.get("type") in NUMBERS and "enum" not in schema and "const" not in schema:
            yield name, schema
        for key, part in schema.items():
            yield from numbers_of(part, key)


WITHOUT_NUMBERS = {"predict.alarm", "export.alarm"}


@pytest.mark.parametrize("section", SECTIONS)
def test_every_number_has_two_bounds(section: str) -> None:
    """One without would end in an overflow somewhere, or ask for more memory than there is."""
    found = list(numbers_of(SECTIONS[section].model_json_schema()))
    assert found or section in WITHOUT_NUMBERS
    assert [name for name, told in found if not (LOW & told.keys() and HIGH & told.keys())] == []


def draw_value(section: str, key: Any, was: Any, draw: random.Random) -> Any:
    """Mostly a bound of the number that stands there, else anything."""
    told = numbers_of(SECTIONS[section].model_json_schema())
    bounds = [
        own[end] for name, own in told if name == key for end in sorted((LOW | HIGH) & {*own})
    ]
    if bounds and draw.random() < 0.8:
        bound = draw.choice(bounds)
        return int(bound) if isinstance(was, int) else float(bound)
    return copy.deepcopy(draw.choice(VALUES))


def is_far_from(was: Any, value: Any) -> bool:
    """Whether a count, a size or a stride may ask for many times the work."""
    if not (type(was) is int and type(value) is int):
        return False
    return value > FAR_MORE * was or FAR_MORE * value < was


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    project = Project(tmp_path_factory.mktemp("project"))
    project.repro()
    for script in STAGES:  # libraries are loaded once, not in each fork
        runpy.run_path(str(script))
    for name in LAZY:
        importlib.import_module(name)
    num_threads = cv2.getNumThreads()
    cv2.setNumThreads(1)
    with threadpool_limits(1):  # a fork has none of the threads begun before, and waits for them
        yield project
    cv2.setNumThreads(num_threads)


@pytest.mark.slow
def test_extreme_parameters_of_each_stage(project: Project, tmp_path: Path) -> None:
    draw = random.Random(f"{SEED} parameters")
    text = (project.folder / "params.yaml").read_text()
    ended: Counter[str] = Counter()
    work = tmp_path / "work"
    for number in range(2 * ROUNDS):
        stage = draw.choice(list(ran(project, has_section=True)))
        section = section_of(stage)
        params = yaml.safe_load(text)
        container, key = draw.choice(places_of(reduce(getitem, section.split("."), params)))
        was = container[key]
        container[key] = draw_value(section, key, was, draw)
        told = f"round {number}: {stage}: {key}: {was!r} -> {container[key]!r}"[:300]
        try:
            damaged = yaml.safe_dump(params).encode()
        except RecursionError:  # PyYAML's writer gave up, not the reader that is tested
            continue
        may_last = key != "seed" and is_far_from(was, container[key])
        ended[try_stage(project, stage, "params.yaml", damaged, work, told, may_last)] += 1
    assert min(ended["worked"], ended["refused"]) > ROUNDS / 4, ended


@pytest.mark.slow
def test_damaged_inputs_of_each_stage(project: Project, tmp_path: Path) -> None:
    """Models, their cards, embeddings, splits and all else that one stage hands to another."""
    draw = random.Random(f"{SEED} inputs")
    ended: Counter[str] = Counter()
    for number in range(2 * ROUNDS):
        stage = draw.choice(list(ran(project)))
        places = [project.folder / dep["path"] for dep in ran(project)[stage]["deps"]]
        file = draw.choice(
            [
                file
                for place in places
                for file in ([place] if place.is_file() else sorted(place.rglob("*")))
                if file.is_file() and file.relative_to(project.folder).parts[0] in FOLDERS
            ]
        )
        name = str(file.relative_to(project.folder))
        told = f"round {number}: {stage}: {name}"
        damaged = scramble(file.read_bytes(), draw)
        ended[try_stage(project, stage, name, damaged, tmp_path / "work", told)] += 1
    assert min(ended["worked"], ended["refused"]) > ROUNDS / 4, ended


def ran(project: Project, *, has_section: bool = False) -> dict[str, Any]:
    """By stage that reads data: what `dvc.lock` tells of it.

    Args:
        has_section: whether only stages with parameters of their own are wanted.
    """
    stages: dict[str, Any] = yaml.safe_load(project.lock)["stages"]
    del stages["list_code"]
    return {name: told for name, told in stages.items() if section_of(name) or not has_section}


def try_stage(
    project: Project,
    stage: str,
    name: str,
    damaged: bytes,
    work: Path,
    told: str,
    may_last: bool = False,
) -> str:
    """Runs a stage with one file damaged, in a fork, which has its libraries loaded.

    Args:
        may_last: whether it may be at work when its time is up; it is killed, and leaves nothing.

    Returns:
        How it ended.
    """
    own = ran(project)[stage]
    outputs = [out["path"] for out in own["outs"]]
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(project.folder, work, ignore=shutil.ignore_patterns("src", "stages", ".vigil"))
    for folder in ("stages", "src"):  # ROOT's: a stage that finds another vigil starts again
        (work / folder).symlink_to(ROOT / folder)
    for path in (work / output for output in outputs):
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    (work / name).write_bytes(damaged)
    log = work / "log"
    child = os.fork()
    if child == 0:
        words = shlex.split(own["cmd"])
        _run_and_exit(work, words[words.index("python") + 1 :], log)
    started = time.monotonic()
    done = 0
    while not done:
        done, status = os.waitpid(child, os.WNOHANG)
        if not done and time.monotonic() - started > LONGEST_S:
            os.killpg(child, signal.SIGKILL)
            used = os.wait4(child, 0)[2]
            assert used.ru_utime + used.ru_stime > LONGEST_S / 2, f"{told}: waits for ever"
            assert may_last, f"{told}: goes on for ever\n{log.read_text(errors='replace')}"
            assert not any((work / output).exists() for output in outputs), told
            print(told, "still at it")
            return "still at it"
        time.sleep(0.02)
    code, text = os.waitstatus_to_exitcode(status), log.read_text(errors="replace")
    print(told, code, *text.splitlines()[-1:])
    assert code in (0, 1), f"{told}: {code}\n{text}"
    assert "Traceback" not in text, f"{told}\n{text}"
    made = [output for output in outputs if (work / output).exists()]
    assert made == (outputs if code == 0 else []), f"{told}: {made}\n{text}"
    if code == 1:
        assert text.splitlines()[-1].startswith((f"{stage}: ", f"{stage.split('@')[0]}: ")), (
            f"{told}\n{text}"
        )
    return "worked" if code == 0 else "refused"


def _run_and_exit(work: Path, words: list[str], log: Path) -> None:
    code = 97
    try:
        os.setsid()
        os.chdir(work)
        file = os.open(log, os.O_CREAT | os.O_WRONLY)
        os.dup2(file, 1)
        os.dup2(file, 2)
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        sys.argv = words
        sys.stdout, sys.stderr = open(1, "w"), open(2, "w")  # noqa: SIM115 (for good)
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
        try:
            runpy.run_path(words[0], run_name="__main__")
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else 98
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)

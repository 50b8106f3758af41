"""`dvc.yaml` against the code: declared code, paths and parameters are the true ones."""

import ast
import importlib.util
import re
import shlex
import typing
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from vigil.plumbing.closure import closure_of, is_plumbing
from vigil.plumbing.params import Dataset
from vigil.plumbing.stages import check_params

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Stage:
    """A stage of a `dvc.yaml` after its `foreach`."""

    name: str
    instance: str | None
    folder: Path
    definition: dict[str, Any]

    @property
    def words(self) -> list[str]:
        return shlex.split(self.definition["cmd"])

    @property
    def script(self) -> Path:
        return (self.folder / self.words[1]).resolve()

    @property
    def deps(self) -> list[str]:
        return list(self.definition.get("deps", []))

    @property
    def made(self) -> list[str]:
        entries = [
            entry
            for kind in ("outs", "metrics", "plots")
            for entry in self.definition.get(kind, [])
        ]
        return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def load_stages(file: Path) -> list[Stage]:
    stages = []
    for name, definition in yaml.safe_load(file.read_text())["stages"].items():
        if "foreach" not in definition:
            stages.append(Stage(name, None, file.parent, definition))
            continue
        for key, item in definition["foreach"].items():
            text = yaml.safe_dump(definition["do"], width=10_000)
            text = text.replace("${key}", key)
            text = re.sub(r"\$\{item\.(\w+)\}", lambda found, item=item: item[found[1]], text)
            stages.append(Stage(f"{name}@{key}", key, file.parent, yaml.safe_load(text)))
    return stages


STAGES = load_stages(ROOT / "dvc.yaml") + load_stages(ROOT / "demo" / "dvc.yaml")
every_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


def load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"checked_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main_of(stage: Stage) -> Any:
    return getattr(load(stage.script), stage.instance or "main")


def is_code(path: str) -> bool:
    return path.endswith(".py") or path.startswith("src/") or path == "scene"


def declared_code(stage: Stage) -> set[Path]:
    """Files; a folder of code stands for all modules in it."""
    paths = {(stage.folder / dep).resolve() for dep in stage.deps if is_code(dep)}
    return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}


def true_code(stage: Stage) -> set[Path]:
    closure = closure_of(stage.script, stage.instance or "main")
    return {stage.script, *(module for module in closure if not is_plumbing(module))}


def names_of(files: set[Path]) -> set[str]:
    return {str(file.relative_to(ROOT)) for file in files if file.name != "__init__.py"}


@every_stage
def test_declared_code_is_the_import_closure_without_plumbing(stage: Stage):
    """Instances share one declaration, which holds what any of them needs."""
    declared, true = names_of(declared_code(stage)), names_of(true_code(stage))
    if stage.instance is None:
        assert declared == true
        return
    folders = {dep for dep in stage.deps if is_code(dep) and not dep.endswith(".py")}
    for folder in folders:
        assert any(name.startswith(f"{folder}/") for name in true), f"nothing of {folder} is used"
    own = {name for name in declared if not any(name.startswith(f"{f}/") for f in folders)}
    siblings = [one for one in STAGES if one.script == stage.script]
    assert true <= declared
    assert own <= set().union(*(names_of(true_code(one)) for one in siblings))


@every_stage
def test_the_command_line_is_the_signature_and_lies_within_deps_and_outs(stage: Stage):
    words = stage.words[2:]
    if stage.instance:
        assert words.pop(0) == stage.instance
    options = dict(zip(words[::2], words[1::2], strict=True))
    hints = typing.get_type_hints(main_of(stage))
    paths = {f"--{name.replace('_', '-')}" for name, kind in hints.items() if kind is Path}
    assert options.keys() == paths
    known = [path.replace("${", "{") for path in (*stage.deps, *stage.made)]
    outside = [
        path
        for path in options.values()
        if not any(path == one or path.startswith(f"{one}/") for one in known)
    ]
    assert not outside
    unused = [
        path
        for path in known
        if not is_code(path)
        and not any(path == value or path.startswith(f"{value}/") for value in options.values())
    ]
    assert not unused


def read_params(stage: Stage) -> set[str]:
    main = main_of(stage)
    hints = typing.get_type_hints(main)
    read = set()
    for name, kind in hints.items():
        if name == "return" or kind is Path:
            continue
        if name == "params":
            whole = kind is main.__globals__["Params"]
            read.add(stage.script.stem if whole else f"{stage.script.stem}.{stage.instance}")
        else:
            assert name in Dataset.model_fields
            read.add(f"dataset.{name}")
    return read


@every_stage
def test_declared_params_are_those_the_script_reads(stage: Stage):
    """Instances share one declaration, which holds what any of them reads."""
    declared = set(stage.definition["params"])
    if stage.instance is None:
        assert declared == read_params(stage)
        return
    siblings = [one for one in STAGES if one.script == stage.script]
    assert read_params(stage) <= declared
    assert declared <= set().union(*(read_params(one) for one in siblings))


@every_stage
def test_a_stage_says_what_it_does(stage: Stage):
    assert len(stage.definition["desc"]) > 20


def test_every_script_is_a_stage_of_its_name():
    names = {stage.name.split("@")[0] for stage in STAGES}
    assert names == {
        script.stem for folder in ("stages", "demo") for script in (ROOT / folder).glob("*.py")
    }


def test_the_shipped_params_are_valid():
    text = (ROOT / "params.yaml").read_text()
    check_params(yaml.safe_load(text), ROOT / "stages")


def test_no_shell_reads_what_a_user_names():
    for stage in STAGES:
        assert "${" not in stage.definition["cmd"], stage.name


def test_no_vars_since_dvc_does_not_track_them():
    assert "vars" not in yaml.safe_load((ROOT / "dvc.yaml").read_text())


def test_params_stand_in_the_script_of_their_section():
    for script in (ROOT / "stages").glob("*.py"):
        classes = [
            node.name
            for node in ast.parse(script.read_text()).body
            if isinstance(node, ast.ClassDef)
        ]
        assert "Params" in classes, script.name

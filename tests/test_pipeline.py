"""`dvc.yaml` against the code: declared code, paths and parameters are the true ones."""

import functools
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from vigil.plumbing.closure import closure_of, is_plumbing
from vigil.plumbing.contract import Contract, check_sections, project_sections
from vigil.plumbing.listed_code import CODE
from vigil.plumbing.named_paths import named_path
from vigil.plumbing.params import read_params
from vigil.plumbing.runner import FAMILIES, stage_name

ROOT = Path(__file__).parents[1]
LISTER = "list_code"


@dataclass(frozen=True)
class Stage:
    """A stage of a `dvc.yaml` after its `foreach`."""

    name: str
    instance: str | None
    folder: Path
    definition: dict[str, Any]

    @property
    def words(self) -> list[str]:
        """Of the command line, from `python` on."""
        source, *words = shlex.split(self.definition["cmd"])
        to_source = os.path.relpath(ROOT / "src", self.folder)
        assert source == f"PYTHONPATH={to_source}:$PYTHONPATH"
        return words

    @property
    def script(self) -> Path:
        return (self.folder / self.words[1]).resolve()

    @property
    def deps(self) -> list[str]:
        return list(self.definition.get("deps", []))

    @property
    def outputs(self) -> dict[str, bool]:
        """Whether DVC keeps it in its cache, by the path of each output."""
        entries = [
            entry if isinstance(entry, dict) else {entry: {}}
            for kind in ("outs", "metrics", "plots")
            for entry in self.definition.get(kind, [])
        ]
        return {
            path: options.get("cache", True) for entry in entries for path, options in entry.items()
        }

    @property
    def contract(self) -> Contract:
        return Contract(load(self.script).main)


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


@functools.cache
def load(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"checked_{script.stem}", script)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


STAGES = load_stages(ROOT / "dvc.yaml") + load_stages(ROOT / "demo" / "dvc.yaml")
every_stage = pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)


def is_code(path: str) -> bool:
    return path.endswith(".py") or path.startswith(("src/", "../src/", "code/")) or path == "scene"


def declared_code(stage: Stage) -> set[Path]:
    """Files; a folder of code stands for all modules in it."""
    paths = {(stage.folder / dep).resolve() for dep in stage.deps if is_code(dep)}
    paths |= {stage.folder / dep for dep in stage.deps if dep == "stages"}
    assert all(path.exists() for path in paths)
    return {file for path in paths for file in (path.rglob("*.py") if path.is_dir() else [path])}


def true_code(stage: Stage) -> set[Path]:
    modules = (module for module in closure_of(stage.script) if not is_plumbing(module))
    return {stage.script, *modules}


def names_of(files: set[Path]) -> set[str]:
    return {str(file.relative_to(ROOT)) for file in files if file.name != "__init__.py"}


def family_of(stage: Stage) -> list[Stage]:
    return [one for one in STAGES if one.name.split("@")[0] == stage.name.split("@")[0]]


@every_stage
def test_a_stage_depends_on_its_script_and_on_the_digests_of_what_it_imports(stage: Stage):
    declared = list(dict.fromkeys(dep for dep in stage.deps if is_code(dep)))
    if stage.folder == ROOT and stage.name != LISTER:
        name = stage.script.stem
        assert declared == [f"stages/{name}.py", f"{CODE}/{name}.json"]


def test_the_digests_are_made_anew_whenever_a_module_of_a_stage_changes():
    """Of floor 0, which changes no result, those that make the digests count."""
    (lister,) = (stage for stage in STAGES if stage.name == LISTER)
    listed = [stage for stage in STAGES if stage.folder == ROOT and stage is not lister]
    needed = names_of(set().union(*(true_code(stage) for stage in listed)))
    declared = names_of(declared_code(lister))
    assert needed <= declared
    own = {f"src/vigil/plumbing/{name}.py" for name in ("closure", "listed_code")}
    assert {name for name in declared if name.startswith("src/vigil/plumbing/")} == own


def test_the_declared_code_of_the_demo_is_what_it_imports():
    """The demo has no list: it draws the data of this project alone."""
    (demo,) = (stage for stage in STAGES if stage.folder != ROOT)
    assert names_of(declared_code(demo)) == names_of(true_code(demo))


@every_stage
def test_the_command_line_is_the_signature_and_lies_within_deps_and_outs(stage: Stage):
    words = stage.words[2:]
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert list(options) == sorted(options, key=list(options).index)
    assert options.keys() == set(stage.contract.options)
    known = [path.replace("${", "{") for path in (*stage.deps, *stage.outputs)]
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
        and not any(
            path == value or path.startswith(f"{value}/") or value.startswith(f"{path}/")
            for value in options.values()
        )
    ]
    assert not unused


@every_stage
def test_declared_params_are_those_the_script_reads(stage: Stage):
    """Instances share one declaration, which holds what any of them reads."""
    declared, read = set(stage.definition.get("params", [])), stage.contract.params
    if stage.instance is None:
        assert declared == read
        return
    assert read <= declared
    assert declared <= set().union(*(one.contract.params for one in family_of(stage)))


@every_stage
def test_a_stage_says_what_it_does(stage: Stage):
    assert len(stage.definition["desc"]) > 20


@every_stage
def test_an_instance_has_a_script_of_its_own_by_its_name(stage: Stage):
    assert stage_name(stage.script) == stage.name
    assert (stage.instance is not None) == (stage.name.split("@")[0] in FAMILIES)


def test_git_ignores_what_dvc_keeps_and_nothing_else(tmp_path: Path):
    """Where git does not ignore an output, DVC writes a `.gitignore` that nobody committed."""
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    shutil.copy(ROOT / ".gitignore", tmp_path)
    outputs = {
        (stage.folder / path).resolve().relative_to(ROOT).as_posix(): is_kept
        for stage in STAGES
        for path, is_kept in stage.outputs.items()
    }
    command = ["git", "check-ignore", "--stdin"]
    told = subprocess.run(
        command, cwd=tmp_path, input="\n".join(f"{path}/" for path in outputs),
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ignored = {line.rstrip("/") for line in told.stdout.splitlines()}
    assert ignored == {path for path, is_kept in outputs.items() if is_kept}


def test_every_script_is_a_stage():
    scripts = {script for name in ("stages", "demo") for script in (ROOT / name).glob("*.py")}
    assert {stage.script for stage in STAGES} == scripts


def test_every_section_is_read_by_a_stage():
    read = set().union(*(stage.contract.params for stage in STAGES))
    sections = set(project_sections())
    assert sections - read == {"dataset"}
    keys = {name.split(".")[1] for name in read if name.startswith("dataset.")}
    # These two are put into the paths of the command line.
    assert keys | {"root", "annotations", "clips"} == set(
        project_sections()["dataset"].model_fields
    )


def test_the_shipped_params_are_valid():
    check_sections(read_params(ROOT / "params.yaml"), project_sections())


def test_no_shell_reads_what_a_user_names():
    for stage in STAGES:
        assert "${" not in stage.definition["cmd"], stage.name


def test_no_vars_since_dvc_does_not_track_them():
    assert "vars" not in yaml.safe_load((ROOT / "dvc.yaml").read_text())


def test_a_section_is_one_module_and_a_parameter_has_a_description():
    """An edit of one section must not rerun the stage of another."""
    for name, kind in project_sections().items():
        assert kind.__module__ == f"vigil.settings.{name.replace('.', '_')}"
        fields = [field for field in kind.model_fields if field not in ("architecture", "backbone")]
        blocks = {
            field: kind.model_fields[field].annotation
            for field in fields
            if hasattr(kind.model_fields[field].annotation, "model_fields")
        }
        told = kind.__doc__ or ""
        for field in fields:
            block = blocks.get(field)
            assert re.search(rf"\b{field}\b", told) or (block and block.__doc__), f"{name}.{field}"


@every_stage
def test_every_named_path_of_a_command_is_found(stage: Stage):
    """A word such as `{dataset.root}` names a parameter, and is replaced by its value."""
    content = read_params(ROOT / "params.yaml")
    for word in shlex.split(stage.definition["cmd"]):
        if "{" in word:
            assert "{" not in str(named_path(Path(word), content))

"""The house: imports point down, rooms have one subject, and light stages stay light."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from vigil.plumbing.closure import SOURCE, closure_of, imports_of

ROOT = SOURCE.parent
PACKAGE = SOURCE / "vigil"
MODULES = sorted(PACKAGE.rglob("*.py"))
SCRIPTS = sorted((ROOT / "stages").glob("*.py"))
FLOORS = {
    "plumbing": 0,
    "settings": 1,
    "domain": 1,
    "pixels": 2,
    "runtime": 2,
    "learn": 3,
    "evaluation": 4,
    "review": 4,
    "watch": 5,
}
FACADES = {
    *("classifier.py", "detector.py", "segmenter.py", "alarm.py"),
    *("__main__.py", "options.py", "__init__.py"),
}
"""What a user imports or calls; above all floors."""
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}
BRANCHES = ("classifier", "detector", "segmenter", "alarm")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
MAX_STAGE_LINES = 60
HEAVY = {"train", "fit", "predict", "embed", "export", "watch", "attend", "gather", "track"}
"""The first words of the names of stages that run networks."""


def name_of(file: Path) -> str:
    return file.relative_to(ROOT).as_posix()


def folder_of(file: Path) -> str:
    return file.relative_to(PACKAGE).parts[0]


def third_parties_of(file: Path) -> set[str]:
    """The top-level names of what a module imports that is neither vigil's nor Python's."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [node.module or ""]
        found |= {name.split(".")[0] for name in names}
    return found - {"vigil"} - set(sys.stdlib_module_names)


def test_imports_are_absolute_and_the_package_is_modules_alone():
    """The digests of code see nothing else."""
    for module in MODULES:
        nodes = ast.walk(ast.parse(module.read_bytes()))
        assert not any(isinstance(node, ast.ImportFrom) and node.level for node in nodes)
    files = {file for file in PACKAGE.rglob("*") if file.is_file()}
    others = {file for file in files if file.suffix != ".py" and "__pycache__" not in file.parts}
    assert others == set()


@pytest.mark.parametrize("module", [m for m in MODULES if m.name not in FACADES], ids=name_of)
def test_a_module_imports_its_own_floor_or_a_lower_one(module: Path):
    floor = FLOORS[folder_of(module)]
    above = [name_of(m) for m in imports_of(module) if FLOORS[folder_of(m)] > floor]
    assert not above


def test_settings_import_settings_and_plumbing_alone():
    for module in (PACKAGE / "settings").glob("*.py"):
        assert {folder_of(m) for m in imports_of(module)} <= {"settings", "plumbing"}


def test_every_floor_has_a_row_in_contributing_that_is_true():
    """The table of CONTRIBUTING.md names each room, its floor and what it may import."""
    rows = re.findall(r"^\| (\d) \| (.+?) \| .+? \| (.+?) \|$", CONTRIBUTING, flags=re.MULTILINE)
    allowed: dict[str, set[str]] = {}
    inherited: set[str] = set()
    for floor, rooms, libraries in rows:
        inherited |= {name.strip() for name in libraries.split(",")}
        for room in re.findall(r"`src/vigil/(\w+)`", rooms):
            assert FLOORS[room] == int(floor)
            allowed[room] = set(inherited)
    assert allowed.keys() == FLOORS.keys()
    for module in MODULES:
        if module.name in FACADES and module.parent == PACKAGE:
            continue
        unknown = third_parties_of(module) - allowed[folder_of(module)]
        assert not unknown, f"{name_of(module)}: {unknown}"


def test_branches_do_not_know_each_other():
    """What one branch needs of another belongs to both, and lies beside them."""
    for module in MODULES:
        own = [branch for branch in BRANCHES if branch in module.relative_to(PACKAGE).parts]
        for imported in imports_of(module):
            theirs = [b for b in BRANCHES if b in imported.relative_to(PACKAGE).parts[:-1]]
            if own and folder_of(module) == "learn":
                assert set(theirs) <= set(own), f"{name_of(module)} -> {name_of(imported)}"


def test_a_network_and_its_training_are_two_things():
    """What predicts must not rerun for how it was trained."""
    for module in MODULES:
        if folder_of(module) != "learn" or "training" in module.parts:
            continue
        if module.name == "lr_finder.py" or "tuning" in module.parts:  # which train
            continue
        above = [name_of(m) for m in imports_of(module) if "training" in m.parts]
        assert not above, name_of(module)


def test_evaluations_and_light_stages_need_no_torch():
    """By what they may import anywhere: `embed_clips` picks at run time, and is tested there."""
    heavy = {"torch", "lightning", "torchvision", "transformers"}
    light = [s for s in SCRIPTS if s.stem.split("_")[0] not in HEAVY]
    assert len(light) >= 11
    for script in light:
        for module in closure_of(script):
            assert not third_parties_of(module) & heavy, f"{script.name}: {name_of(module)}"


def test_nothing_imports_a_stage_or_the_demo():
    packages = {"stages", "scene", "demo"}
    for file in [*MODULES, *SCRIPTS]:
        assert not third_parties_of(file) & packages, name_of(file)


def test_packages_hold_no_code():
    """`__init__.py` files are no dependencies of a stage, so they must not be able to matter."""
    for file in MODULES:
        if file.name == "__init__.py":
            body = ast.parse(file.read_text(encoding="utf-8")).body
            if file == PACKAGE / "learn" / "__init__.py":  # must come before torch does
                assert ast.unparse(body.pop()) == "import vigil.plumbing.waiting"
            assert len(body) == 1, name_of(file)
            assert isinstance(body[0], ast.Expr), name_of(file)
            assert isinstance(body[0].value, ast.Constant), name_of(file)


def test_no_module_is_a_drawer():
    assert not [name_of(m) for m in [*MODULES, *SCRIPTS] if m.stem in FORBIDDEN_NAMES]


@pytest.mark.parametrize("script", SCRIPTS, ids=name_of)
def test_a_stage_reads_calls_and_writes(script: Path):
    text = script.read_text(encoding="utf-8")
    assert len(text.splitlines()) < MAX_STAGE_LINES
    assert not [node for node in ast.parse(text).body if isinstance(node, ast.ClassDef)]


def test_torch_is_imported_where_networks_are_learnt_and_used():
    for module in MODULES:
        if module.parent == PACKAGE or folder_of(module) in {"learn", "watch"}:
            continue
        assert not third_parties_of(module) & {"torch", "lightning"}, name_of(module)


def test_a_library_does_not_know_its_stages_by_name():
    """Who calls a library may be no stage at all: errors carry a field, the runner the section."""
    stages = "|".join(sorted(script.stem for script in SCRIPTS))
    named = re.compile(rf"\b({stages})\.\w|params\.yaml: ")
    for module in MODULES:
        if folder_of(module) in {"plumbing", "settings", "review"} or module.parent == PACKAGE:
            continue
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Raise):
                assert not named.search(ast.unparse(node)), (
                    f"{name_of(module)}: {ast.unparse(node)}"
                )


def test_threads_wait_without_spinning_before_torch_is_loaded():
    """For whoever imports a network first; who asked for another way gets it."""
    told = "import vigil.learn.networks.machine, os; print(os.environ['OMP_WAIT_POLICY'])"
    for given, expected in (({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE")):
        env = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"} | given
        done = subprocess.run([sys.executable, "-c", told], env=env, capture_output=True, text=True)
        assert done.stdout.strip() == expected
    for file in (PACKAGE / "learn").rglob("*.py"):
        assert file.parent.joinpath("__init__.py").exists()

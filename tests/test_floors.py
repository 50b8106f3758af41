"""The house: imports point down, and light stages stay light."""

import ast
from pathlib import Path

import pytest

from vigil.plumbing.closure import SOURCE, imports_of

MODULES = sorted((SOURCE / "vigil").rglob("*.py"))
SCRIPTS = sorted((SOURCE.parent / "stages").glob("*.py"))
FLOORS = {"plumbing": 0, "domain": 1, "pixels": 2, "learn": 3, "review": 3}
FORBIDDEN_NAMES = {"utils", "helpers", "common", "misc"}


def name_of(file: Path) -> str:
    return file.relative_to(SOURCE.parent).as_posix()


def folder_of(file: Path) -> str:
    return file.relative_to(SOURCE / "vigil").parts[0]


@pytest.mark.parametrize("module", [m for m in MODULES if m.name != "__init__.py"], ids=name_of)
def test_a_module_imports_its_own_floor_or_a_lower_one(module: Path):
    floor = FLOORS[folder_of(module)]
    above = [name_of(m) for m in imports_of(module) if FLOORS[folder_of(m)] > floor]
    assert not above


def test_a_network_and_its_training_are_two_things():
    """What predicts must not rerun for how it was trained."""
    for module in MODULES:
        if folder_of(module) == "learn" and "training" not in module.parts:
            above = [name_of(m) for m in imports_of(module) if "training" in m.parts]
            assert not above, name_of(module)


def test_nothing_imports_a_stage():
    for file in [*MODULES, *SCRIPTS]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] != "stages", name_of(file)
            if isinstance(node, ast.Import):
                assert not any(a.name.split(".")[0] == "stages" for a in node.names), name_of(file)


def test_packages_hold_no_code():
    """`__init__.py` files are no dependencies of a stage, so they must not be able to matter."""
    for file in MODULES:
        if file.name == "__init__.py":
            body = ast.parse(file.read_text(encoding="utf-8")).body
            assert len(body) == 1, name_of(file)
            assert isinstance(body[0], ast.Expr), name_of(file)
            assert isinstance(body[0].value, ast.Constant), name_of(file)


def test_no_module_is_a_drawer():
    assert not [name_of(m) for m in [*MODULES, *SCRIPTS] if m.stem in FORBIDDEN_NAMES]


def test_torch_stands_on_floor_3_alone():
    for module in MODULES:
        if module.parent == SOURCE / "vigil" or folder_of(module) == "learn":
            continue
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {n.split(".")[0] for n in names} & {"torch", "lightning"}, name_of(module)

"""What an installation brings: the wheel's files, its libraries and its extras."""

import ast
import re
import tomllib
from pathlib import Path

from vigil.review.project_files import FOLDERS, SINGLE

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PIN = re.compile(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)(?: *#.*)?$")
"""A library, perhaps with an extra of its own, and its version."""


def pins_of(name: str) -> dict[str, str]:
    """The versions of all libraries that a file pins."""
    lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if line and not line.startswith(("#", "-c"))]
    found = {line: PIN.match(line) for line in kept}
    assert all(found.values()), [line for line, pin in found.items() if not pin]
    return {pin[1].lower(): pin[2] for pin in found.values() if pin}


def test_a_wheel_needs_what_requirements_txt_pins():
    """The build reads this file, which may hold nothing but pins."""
    assert PROJECT["tool"]["setuptools"]["dynamic"]["dependencies"] == {
        "file": ["requirements.txt"]
    }
    assert {"torch", "numpy", "dvc"} <= pins_of("requirements.txt").keys()


def test_extras_are_tested_in_the_versions_that_they_pin():
    tested, default = pins_of("requirements-dev.txt"), pins_of("requirements.txt")
    for extra, pins in PROJECT["project"]["optional-dependencies"].items():
        for pin in pins:
            library = PIN.match(pin)
            assert library, pin
            name, version = library.groups()
            assert tested[name] == version, extra
            assert name not in default, "the default install grows by none"


def test_every_pin_is_among_the_constraints():
    constraints = pins_of("constraints.txt")
    for file in ("requirements.txt", "requirements-dev.txt"):
        for name, version in pins_of(file).items():
            assert constraints.get(name, version) == version, name


def test_the_wheel_has_the_files_of_a_new_project():
    """setup.py is run without the library, so it lists them again."""
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    listed = {
        target.id: ast.literal_eval(statement.value)
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    assert listed == {"PARTS": SINGLE, "FOLDERS": FOLDERS}
    assert all((ROOT / name).exists() for name in (*SINGLE, *FOLDERS))

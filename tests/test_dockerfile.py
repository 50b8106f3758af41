"""The Dockerfile, as far as it can be checked without Docker."""

import ast
import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "Dockerfile").read_text(encoding="utf-8")


def instructions() -> list[tuple[str, str]]:
    """The instructions, without comments, with continued lines joined."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [tuple(line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]


def test_its_shell_commands_are_valid():
    for name, rest in instructions():
        if name == "RUN":
            subprocess.run(["sh", "-n", "-c", rest], check=True)


def test_every_file_that_a_wheel_needs_is_sent_to_the_build():
    """The build sees only what `.dockerignore` lets through."""
    sent = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), flags=re.MULTILINE)
    setup = (ROOT / "setup.py").read_text()
    parts = re.search(r"^PARTS = (.+)$", setup, flags=re.MULTILINE)
    folders = re.search(r"^FOLDERS = (.+)$", setup, flags=re.MULTILINE)
    assert parts
    assert folders
    needed = [
        *ast.literal_eval(parts[1]),
        *ast.literal_eval(folders[1]),
        "src",
        "pyproject.toml",
        "setup.py",
    ]
    assert set(needed) | {"requirements.txt", "constraints.txt"} == set(sent)
    assert all((ROOT / name).exists() for name in sent)


def test_its_python_is_one_that_the_project_supports():
    version = re.search(r"^FROM python:(\d+)\.(\d+)-slim$", TEXT, flags=re.MULTILINE)
    assert version
    assert (3, 11) <= (int(version[1]), int(version[2])) < (3, 14)


def test_it_names_no_user_so_that_any_may_run_it():
    names = [name for name, _ in instructions()]
    assert "USER" not in names
    environment = next(rest for name, rest in instructions() if name == "ENV")
    assert "HOME=/tmp" in environment

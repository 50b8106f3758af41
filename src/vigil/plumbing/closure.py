"""Which of vigil's modules a script imports, directly or not, read from their source.

This is what makes a stage's code: what `dvc.yaml` must declare, and what remembered work is keyed
by. Imports count wherever they stand in a file, in a function too.
"""

import ast
import hashlib
from collections.abc import Collection
from pathlib import Path

SOURCE = Path(__file__).parents[2]

Import = tuple[Path, Path]
"""A file, and one that it imports."""


def module_file(name: str, root: Path = SOURCE) -> Path | None:
    """The file of a dotted module below `root`; None for names that are not modules of it."""
    path = root / Path(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def imports_from(file: Path, *names: str) -> set[Import]:
    """A file's imports of modules of vigil by their dotted names, as `closure_of` leaves them out.

    Raises:
        ValueError: no such module.
    """
    modules = {name: module_file(name) for name in names}
    if missing := [name for name, module in modules.items() if module is None]:
        raise ValueError(f"no modules of vigil: {missing}")
    return {(file, module) for module in modules.values() if module}


def imports_of(file: Path) -> set[Path]:
    """Files of vigil, and of packages beside a script, that a file imports anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {module for name in names if (module := _module_seen_from(file, name))}
    return {module for module in found if module.name != "__init__.py"}


def _module_seen_from(file: Path, name: str) -> Path | None:
    """A module of vigil, or of the packages in the script's folder (the demo's scene)."""
    if name.split(".")[0] == "vigil":
        return module_file(name)
    packages = (folder for folder in file.parents if not (folder / "__init__.py").exists())
    return module_file(name, next(packages)) if "." in name else None


def closure_of(file: Path, untaken: Collection[Import] = ()) -> set[Path]:
    """All files of vigil that a file imports, directly or not, but for what is `untaken`."""

    def without(importer: Path, imported: set[Path]) -> set[Path]:
        return {module for module in imported if (importer, module) not in untaken}

    found: set[Path] = set()
    waiting = without(file, imports_of(file))
    while waiting:
        module = waiting.pop()
        found.add(module)
        waiting |= without(module, imports_of(module)) - found
    return found


def code_digest(file: Path) -> str:
    """SHA-256 of what Python makes of a file, in hexadecimal: no comment counts, nor its format."""
    tree = ast.parse(file.read_bytes())
    for node in ast.walk(tree):
        statements = getattr(node, "body", None)
        if isinstance(statements, list):
            node.body = [one for one in statements if not _is_text(one)]  # type: ignore[attr-defined]
    return hashlib.sha256(ast.dump(tree).encode()).hexdigest()


def is_plumbing(file: Path) -> bool:
    """Whether a module of vigil lies on floor 0, of which no edit may change a result."""
    return file.parent.name == "plumbing"


def _is_text(statement: ast.stmt) -> bool:
    """Whether it is a docstring, of whatever stands before or around it."""
    value = getattr(statement, "value", None)
    return (
        isinstance(statement, ast.Expr)
        and isinstance(value, ast.Constant)
        and isinstance(value.value, str)
    )

"""The modules of vigil that a script imports, directly or indirectly, read from their source.

These modules are the code of a stage. The stage and cached results depend on their digests. An
import counts anywhere in a file, also in a function. Imports are absolute in this project.
"""

import ast
import hashlib
from collections.abc import Collection
from functools import cache
from pathlib import Path

SOURCE = Path(__file__).parents[2]
PACKAGE = SOURCE / "vigil"

Import = tuple[Path, Path]
"""A file, and a file that it imports."""


def module_file(name: str, root: Path = SOURCE) -> Path | None:
    """The file of a dotted module name below `root`; None if there is no such module."""
    path = root / Path(*name.split("."))
    if path.with_suffix(".py").is_file():
        return path.with_suffix(".py")
    return path / "__init__.py" if (path / "__init__.py").is_file() else None


def imports_from(file: Path, *names: str) -> set[Import]:
    """Pairs of a file and the modules `names` of vigil, as the argument `untaken` of `closure_of`.

    Raises:
        ValueError: a name is not a module of vigil.
    """
    modules = {name: module_file(name) for name in names}
    if missing := [name for name, module in modules.items() if module is None]:
        raise ValueError(f"no modules of vigil: {missing}")
    return {(file, module) for module in modules.values() if module}


def imports_of(file: Path) -> set[Path]:
    """The modules of vigil, and of packages beside a script, that a file imports anywhere."""
    names = _imported_names(file.read_bytes())
    modules = {module for name in names if (module := _module_seen_from(file, name))}
    return {module for module in modules if module.name != "__init__.py"}


@cache  # many scripts share most of their modules, and parsing takes nearly all of the time
def _imported_names(source: bytes) -> frozenset[str]:
    """All dotted names that a module imports, or that may be modules which it imports."""
    names: set[str] = set()
    tree = _parse(source)
    for node in ast.walk(tree) if tree else ():
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.update({node.module, *(f"{node.module}.{alias.name}" for alias in node.names)})
    return frozenset(names)


def _module_seen_from(file: Path, name: str) -> Path | None:
    """The file of a module of vigil, or of a package in the script's folder (the demo's scene).

    Beside the package of vigil lie other libraries where vigil is installed. They do not count.
    """
    if name.split(".")[0] == PACKAGE.name:
        return module_file(name)
    if PACKAGE in file.parents and (file.parent / "__init__.py").exists():
        return None
    packages = (folder for folder in file.parents if not (folder / "__init__.py").exists())
    return module_file(name, next(packages)) if "." in name else None


def closure_of(file: Path, untaken: Collection[Import] = ()) -> set[Path]:
    """All modules of vigil that a file imports, directly or indirectly, except by `untaken`."""

    def taken(importer: Path, imported: set[Path]) -> set[Path]:
        return {module for module in imported if (importer, module) not in untaken}

    closure: set[Path] = set()
    waiting = taken(file, imports_of(file))
    while waiting:
        module = waiting.pop()
        closure.add(module)
        waiting |= taken(module, imports_of(module)) - closure
    return closure


def code_digest(file: Path) -> str:
    """SHA-256 of a file's syntax tree without comments and docstrings, in hexadecimal.

    It does not depend on the version of Python. Of a file that Python cannot read, the bytes count:
    only stages that import it fail, and Python says where.
    """
    return _digest(file.read_bytes())


@cache
def _digest(source: bytes) -> str:
    tree = _parse(source)
    if tree is None:
        return hashlib.sha256(source).hexdigest()
    for node in ast.walk(tree):
        statements = getattr(node, "body", None)
        if isinstance(statements, list):
            node.body = [one for one in statements if not _is_text(one)]  # type: ignore[attr-defined]
    return hashlib.sha256(repr(_plain(tree)).encode()).hexdigest()


def _parse(source: bytes) -> ast.Module | None:
    """The syntax tree of a module; None if Python cannot read it."""
    try:
        return ast.parse(source)
    except (SyntaxError, ValueError):
        return None


def _plain(part: object) -> object:
    """A syntax tree as tuples, without the fields that a node does not use.

    `ast.dump` shows them, and newer versions of Python have more of them.
    """
    if isinstance(part, list):
        return [_plain(one) for one in part]
    if isinstance(part, ast.JoinedStr):  # Python 3.12 ends some with an empty text
        texts = [one for one in part.values if getattr(one, "value", None) != ""]
        return "JoinedStr", [_plain(one) for one in texts]
    if not isinstance(part, ast.AST):
        return part
    fields = [(name, value) for name, value in ast.iter_fields(part) if value not in (None, [])]
    return type(part).__name__, *((name, _plain(value)) for name, value in fields)


def is_plumbing(file: Path) -> bool:
    """Whether a module of vigil is on floor 0, where no edit can change a result."""
    return file.parent.name == "plumbing"


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is only a string, as a docstring is."""
    value = getattr(statement, "value", None)
    return (
        isinstance(statement, ast.Expr)
        and isinstance(value, ast.Constant)
        and isinstance(value.value, str)
    )

"""Reads and writes JSON and CSV; the same content always gives the same bytes."""

import csv
import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.outputs import whole

FORMULA = re.compile(r"'*(?:[\t\r\n]|\s*[=+\-@\uff1d\uff0b\uff0d\uff20])")
"""The start of a cell that a spreadsheet would compute, or of such a cell after escaping."""


def read_json(path: Path, *, is_foreign: bool = False) -> Any:
    """Reads a JSON file.

    Args:
        is_foreign: whether another program or a person wrote the file. Python keeps the last value
            of a key that an object has twice; in such a file, a key twice is an error. The check
            makes parsing 1.2 to 1.4 times as slow.

    Raises:
        InputError: no such file, not JSON in UTF-8, UTF-16 or UTF-32, nested too deep, or a key
            twice in one object.
    """
    try:
        content = path.read_bytes()
        text = content.decode(json.detect_encoding(content))
        return json.loads(text, object_pairs_hook=_each_key_once if is_foreign else None)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a JSON file, found no such file") from None
    except (IsADirectoryError, NotADirectoryError):
        raise InputError(f"{path}: expected a JSON file, found a folder") from None
    except ValueError as error:  # a wrong encoding, no JSON, or a number with thousands of digits
        raise InputError(f"{path}: expected JSON, got: {shorten(str(error), 120)}") from None
    except RecursionError:
        raise InputError(f"{path}: expected JSON, got values nested too deep") from None


def _each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        numbers = Counter(key for key, _ in pairs)
        repeated = next(key for key, number in numbers.items() if number > 1)
        raise ValueError(f"the key {shorten(repeated)} twice in one object")
    return content


def write_json(content: Any, path: Path, *, indent: int | None = 1) -> None:
    """Writes sorted, finite JSON that ends with a newline.

    Raises:
        InputError: a number that is not finite, which JSON cannot hold.
    """
    try:
        text = json.dumps(
            content, indent=indent, sort_keys=True, ensure_ascii=False, allow_nan=False
        )
    except ValueError as error:
        raise InputError(f"{path}: expected finite numbers to write, got: {error}") from None
    with whole(path) as partial:
        partial.write_text(text + "\n", encoding="utf-8", newline="\n")


def write_csv(table: pd.DataFrame, path: Path) -> None:
    """Writes a table without its index, with `\\n` line ends on every system.

    A spreadsheet would compute a text that starts with =, +, -, @, a tab or a carriage return as a
    formula. Names of videos, clips and classes may come from anywhere. So such a text gets a ' in
    front (OWASP, "CSV Injection"), which `read_csv` removes again.
    """
    table = _map_texts(table, lambda text: f"'{text}" if FORMULA.match(text) else text)
    with whole(path) as partial:
        # pandas does not quote a carriage return, and a reader would start a new row at it.
        quoting = csv.QUOTE_NONNUMERIC if _has_return(table) else csv.QUOTE_MINIMAL
        table.to_csv(partial, index=False, lineterminator="\n", quoting=quoting)


def read_csv(path: Path, dtypes: dict[str, Any]) -> pd.DataFrame:
    """Reads exactly the columns of `dtypes` from a file that `write_csv` wrote.

    Raises:
        InputError: no such file, not CSV, a missing column or a value of another type.
    """
    try:
        # Texts such as "NA" or "null" are names here, not missing values.
        table = pd.read_csv(path, dtype=dtypes, usecols=list(dtypes), keep_default_na=False)
    except FileNotFoundError:
        raise InputError(f"{path}: expected a table, found no such file") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: expected the columns {', '.join(dtypes)}, got: {shorten(str(error), 120)}"
        ) from None
    if not isinstance(table.index, pd.RangeIndex):  # pandas made an index of the first cells
        raise InputError(
            f"{path}: expected as many cells in each row as names in the first, got more"
        )
    return _map_texts(
        table, lambda text: text[1:] if text[:1] == "'" and FORMULA.match(text) else text
    )


def _has_return(table: pd.DataFrame) -> bool:
    return any("\r" in str(cell) for name in _texts(table) for cell in table[name])


def _texts(table: pd.DataFrame) -> list[str]:
    return [name for name in table if not pd.api.types.is_numeric_dtype(table[name])]


def _map_texts(table: pd.DataFrame, change: Callable[[str], str]) -> pd.DataFrame:
    changed = {
        name: table[name].map(lambda cell: change(cell) if isinstance(cell, str) else cell)
        for name in _texts(table)
    }
    return table.assign(**changed)

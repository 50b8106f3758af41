"""Which index or colour of a mask picture means which class.

A table is a mapping in params.yaml, or a text file with a class on each line: `R G B name`, as
CamVid's `label_colors.txt`, or `index name`. Lines that begin with `#` count for nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vigil.plumbing.errors import FieldError, InputError, listed, shorten

LARGEST_INDEX, LARGEST_COLOUR = 65535, 255
"""The largest index in a picture of 16 bits a pixel, and the largest value of a colour."""
Value = int | tuple[int, int, int]
"""An index, or red, green and blue."""


@dataclass(frozen=True)
class ClassTable:
    """Classes of mask pictures.

    Attributes:
        label_of: the class of each value. The values are all indices, or all colours.
        ignored: classes whose pixels count neither way.
    """

    label_of: Mapping[Value, str]
    ignored: frozenset[str]

    @property
    def classes(self) -> list[str]:
        """The classes that count, in the order of their values."""
        labels = [self.label_of[value] for value in sorted(self.label_of)]
        return [label for label in dict.fromkeys(labels) if label not in self.ignored]


def read_table(
    table: Mapping[str, int | Sequence[int]] | str,
    root: Path,
    ignored: Sequence[str],
    *,
    of_colours: bool,
) -> ClassTable:
    """Takes a table from the parameters, or reads it from a text file.

    Args:
        table: by class an index or a colour; or the name of a text file below `root`.
        ignored: classes whose pixels count neither way.
        of_colours: whether values are to be colours; else they are to be indices.

    Raises:
        FieldError: the table is empty, of the other kind, or lacks an ignored class.
        InputError: no such file, or not of the form.
    """
    pairs = _read_lines(root / table) if isinstance(table, str) and table else table
    if not pairs:
        raise FieldError(
            "masks.table", "expected the index or colour of each class, or a text file, got none"
        )
    kind = "a colour (red, green, blue)" if of_colours else "an index"
    label_of: dict[Value, str] = {}
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    for label, given in items:
        value: Value = given if isinstance(given, int) else tuple(given)  # type: ignore[assignment]
        if isinstance(value, int) == of_colours:
            raise FieldError("masks.table", f"{shorten(label)}: expected {kind}, got {given}")
        if label_of.setdefault(value, label) != label:
            raise FieldError(
                "masks.table",
                f"expected each value once, got {given} for {label_of[value]} and {label}",
            )
    if unknown := set(ignored) - set(label_of.values()):
        raise FieldError(
            "masks.ignored",
            f"expected classes of masks.table ({listed(label_of.values())}), got {listed(unknown)}",
        )
    return ClassTable(label_of, frozenset(ignored))


def _read_lines(file: Path) -> list[tuple[str, int | list[int]]]:
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file}: expected a text file, got: {shorten(str(error))}") from None
    pairs: list[tuple[str, int | list[int]]] = []
    for number, line in enumerate(lines, start=1):
        words = line.split()
        if not words or line.lstrip().startswith("#"):
            continue
        num_values = next((i for i, word in enumerate(words) if not word.isdecimal()), len(words))
        values, name = [int(word) for word in words[:num_values]], " ".join(words[num_values:])
        most = LARGEST_INDEX if num_values == 1 else LARGEST_COLOUR
        if num_values not in (1, 3) or not name or max(values) > most:
            raise InputError(
                f"{file}: line {number}: expected R G B name, of numbers up to {LARGEST_COLOUR}, "
                f"or index name, up to {LARGEST_INDEX}, got {shorten(line)}"
            )
        pairs.append((name, values[0] if num_values == 1 else values))
    return pairs

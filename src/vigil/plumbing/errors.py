"""Errors whose message is written for the user."""

from itertools import accumulate

MOST_LISTED = 300
"""The largest length of a list of names in a message, in characters, after the first name."""


class InputError(Exception):
    """Something that a user provided (a file, a value, a machine) is not what is required.

    The message is one line: where, what was expected, what was found. A stage prints it after its
    own name and exits with code 1, without a traceback.
    """


class FieldError(InputError):
    """A parameter is not what is required.

    The library code that raises it knows only the parameter's name within a block of settings. The
    runner of stages knows the place of this block in `params.yaml`, and puts it in front.
    """

    def __init__(self, field: str, problem: str) -> None:
        """Args: field: its dotted name within the block of settings. problem: expected …, got …."""
        super().__init__(field, problem)  # both, so that a loader's process can pickle the error
        self.field, self.problem = field, problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


def counted(number: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 box`, `2 boxes`.

    Args:
        many: the plural, where it is not the singular and an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def printable(text: str) -> str:
    """A text in which escape sequences and line ends, which a terminal would obey, are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(value: object, num_characters: int = 60) -> str:
    """`repr` of an untrusted value, shortened so that a message stays one readable line."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deep"
    return text if len(text) <= num_characters else f"{text[: num_characters - 1]}…"


def listed(names: object, num_shown: int = 8) -> str:
    """A sorted, comma-separated list of the first names, with the number of all others.

    At least one name is shown. Others are left out where the list would be longer than
    `MOST_LISTED` characters.
    """
    ordered = sorted(printable(str(name)) for name in names)  # type: ignore[attr-defined]
    ends = accumulate(len(name) + 2 for name in ordered[:num_shown])
    shown = ordered[: max(sum(end <= MOST_LISTED for end in ends), 1)]
    left_out = len(ordered) - len(shown)
    text = ", ".join(shown) or "none"
    return f"{text} and {left_out} more" if left_out > 0 else text

"""The errors that a user is meant to read."""


class InputError(Exception):
    """Something a user gave (a file, a value, a machine) is not what is required.

    The message is one line: where, what was expected, what was found. A stage prints it after its
    own name and exits with code 1, without a traceback.
    """


class FieldError(InputError):
    """A parameter is not what is required.

    Who raises it knows the parameter by its name in a block of settings. Where that block stands in
    `params.yaml`, the runner of stages knows, and puts it in front.
    """

    def __init__(self, field: str, problem: str) -> None:
        """Args: field: dotted, as the block of settings names it. problem: expected …, got …."""
        super().__init__(field, problem)  # both, or no loader's process could hand it over
        self.field, self.problem = field, problem

    def __str__(self) -> str:
        return f"{self.field}: {self.problem}"


def printable(text: str) -> str:
    """A text with what a terminal would obey (escape sequences, line ends) written out."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shorten(value: object, num_characters: int = 60) -> str:
    """`repr` of an untrusted value, cut so that a message stays one readable line."""
    try:
        text = repr(value)
    except RecursionError:
        text = f"a {type(value).__name__} nested too deep"
    return text if len(text) <= num_characters else f"{text[: num_characters - 1]}…"


def listed(names: object, num_shown: int = 8) -> str:
    """A sorted, comma-separated list of names, with the number of those left out."""
    ordered = sorted(printable(str(name)) for name in names)  # type: ignore[attr-defined]
    shown = ", ".join(ordered[:num_shown]) or "none"
    left_out = len(ordered) - num_shown
    return f"{shown} and {left_out} more" if left_out > 0 else shown

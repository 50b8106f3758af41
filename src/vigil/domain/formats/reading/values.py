"""Reads single values by their meaning: 640.0 and "640" are 640, and "true" is true.

A value that is not written as in the format is noted, even if its meaning is clear.
"""

import math
import re
from typing import Any

from vigil.domain.formats.reading.findings import OTHERWISE, Findings
from vigil.plumbing.errors import InputError, shorten

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.I | re.A)
WORDS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "t"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "f"), False),
}
WHOLE_LIMIT = 2**53
"""Above this, floats cannot represent every whole number."""


def number_of(text: str) -> float | None:
    """The number in a text; None for a text that is not a number, such as "1_0" and "¹"."""
    return float(text) if NUMBER.fullmatch(text.strip()) else None


class Values:
    """Reads values, and notes values that are not written as in the format."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def whole(self, value: Any, key: str, place: str) -> int:
        """A whole number of at least -1, also if it is written as 1.0, "1" or "1.0".

        Raises:
            InputError: it is not such a number.
        """
        number: Any = number_of(value) if isinstance(value, str) else value
        is_whole = type(number) is int or (type(number) is float and number.is_integer())
        if not is_whole or not -1 <= number < WHOLE_LIMIT:
            raise InputError(f"{place}: expected a whole number as {key}, got {shorten(value)}")
        if type(value) is not int:
            self._findings.note(OTHERWISE, [f"{place}: {key}: {shorten(value)}"])
        return int(number)

    def side(self, value: Any, key: str, place: str) -> int:
        """A picture's width or height in px; 0 where it is unknown: None, "", -1 or 0.

        Raises:
            InputError: it is something else.
        """
        return 0 if value is None or value == "" else max(0, self.whole(value, key, place))

    def number(self, value: Any, key: str, place: str) -> float:
        """A number, finite or not, also if it is written as a text.

        Raises:
            InputError: it is not a number, or too large for a float.
        """
        parsed: Any = number_of(value) if isinstance(value, str) else value
        if type(parsed) not in (int, float):
            raise InputError(f"{place}: expected a number as {key}, got {shorten(value)}")
        if isinstance(value, str):
            self._findings.note(OTHERWISE, [f"{place}: {key}: {shorten(value)}"])
        try:
            return float(parsed)
        except OverflowError:
            raise InputError(
                f"{place}: expected a number of px as {key}, got {shorten(value)}"
            ) from None

    def flag(self, value: Any, key: str, place: str) -> bool:
        """0 or 1, also if it is written as 1.0, true or a word; a missing value is false.

        Raises:
            InputError: it is something else.
        """
        if type(value) is int and value in (0, 1):
            return bool(value)
        if value is None or value == "":
            parsed: bool | None = False
        elif isinstance(value, str):
            parsed = WORDS.get(value.strip().lower())
        else:
            is_one = isinstance(value, (bool, float)) and not math.isnan(value) and value in (0, 1)
            parsed = bool(value) if is_one else None
        if parsed is None:
            raise InputError(f"{place}: expected 0 or 1 as {key}, got {shorten(value)}")
        self._findings.note(OTHERWISE, [f"{place}: {key}: {shorten(value)}"])
        return parsed

    def text(self, value: Any, key: str, place: str) -> str:
        """A text that is not blank and can be written as UTF-8.

        Raises:
            InputError: it is not such a text.
        """
        is_text = isinstance(value, str) and value.strip()
        if not is_text or any("\ud800" <= c <= "\udfff" for c in value):
            raise InputError(f"{place}: expected a text as {key}, got {shorten(value)}")
        return str(value)

"""Single values, taken for what they mean: 640.0 and "640" are 640, "true" is true.

What is not written as the format has it is noted, whatever it is taken for.
"""

import math
import re
from typing import Any

from vigil.domain.formats.findings import OTHERWISE, Findings
from vigil.plumbing.errors import InputError, shorten

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?(inf|infinity|nan)", re.I | re.A)
WORDS = {
    **dict.fromkeys(("1", "1.0", "true", "yes", "y", "t"), True),
    **dict.fromkeys(("0", "0.0", "false", "no", "n", "f"), False),
}
MOST = 2**53
"""Past it, a float is no whole number any more."""


def number_of(text: str) -> float | None:
    """The number that a text is; None for what is none, such as "1_0" and "¹"."""
    return float(text) if NUMBER.fullmatch(text.strip()) else None


class Values:
    """Reads values, and notes those that are written in another way than asked."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings

    def whole(self, value: Any, key: str, place: str) -> int:
        """A whole number from -1 on, also as 1.0, "1" or "1.0".

        Raises:
            InputError: it is none.
        """
        found: Any = number_of(value) if isinstance(value, str) else value
        is_whole = type(found) is int or (type(found) is float and found.is_integer())
        if not is_whole or not -1 <= found < MOST:
            raise InputError(f"{place}: expected a whole number as {key}, got {shorten(value)}")
        if type(value) is not int:
            self._findings.note(OTHERWISE, [f"{place}: {key}: {shorten(value)}"])
        return int(found)

    def side(self, value: Any, key: str, place: str) -> int:
        """A picture's width or height in px, and 0 where it is not told: None, "", -1 or 0.

        Raises:
            InputError: it is something else.
        """
        return 0 if value is None or value == "" else max(0, self.whole(value, key, place))

    def number(self, value: Any, key: str, place: str) -> float:
        """A number, finite or not, also as a text.

        Raises:
            InputError: it is none, or one that no float can hold.
        """
        found: Any = number_of(value) if isinstance(value, str) else value
        if type(found) not in (int, float):
            raise InputError(f"{place}: expected a number as {key}, got {shorten(value)}")
        if isinstance(value, str):
            self._findings.note(OTHERWISE, [f"{place}: {key}: {shorten(value)}"])
        try:
            return float(found)
        except OverflowError:
            raise InputError(
                f"{place}: expected a number of px as {key}, got {shorten(value)}"
            ) from None

    def flag(self, value: Any, key: str, place: str) -> bool:
        """0 or 1, also as 1.0, true or a word; what is not told is false.

        Raises:
            InputError: it is something else.
        """
        if type(value) is int and value in (0, 1):
            return bool(value)
        if value is None or value == "":
            found: bool | None = False
        elif isinstance(value, str):
            found = WORDS.get(value.strip().lower())
        else:
            is_one = isinstance(value, (bool, float)) and not math.isnan(value) and value in (0, 1)
            found = bool(value) if is_one else None
        if found is None:
            raise InputError(f"{place}: expected 0 or 1 as {key}, got {shorten(value)}")
        self._findings.note(OTHERWISE, [f"{place}: {key}: {shorten(value)}"])
        return found

    def text(self, value: Any, key: str, place: str) -> str:
        """A text with something in it that can be written as UTF-8.

        Raises:
            InputError: it is none.
        """
        is_text = isinstance(value, str) and value.strip()
        if not is_text or any("\ud800" <= c <= "\udfff" for c in value):
            raise InputError(f"{place}: expected a text as {key}, got {shorten(value)}")
        return str(value)

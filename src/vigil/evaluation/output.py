"""What an evaluation prints at its end."""

from collections.abc import Mapping
from typing import Any

PICTURES = "pictures"
"""The folder of an evaluation's pictures, beside its tables; DVC shows all its files."""


def print_headline(numbers: Mapping[str, Any]) -> None:
    """Prints the single numbers, without tables and intervals."""
    print({name: value for name, value in numbers.items() if not isinstance(value, (dict, list))})

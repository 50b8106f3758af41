"""Reads plain words of YAML (numbers, booleans, texts) as DVC reads them.

PyYAML follows YAML 1.1, where 1e-05 is a text and 1:30 is 90. DVC follows YAML 1.2 when it reads
`params.yaml` for `dvc.lock`, and with `-S` it writes 1e-05 itself.
"""

import re

import yaml

WORDS = (
    ("null", r"~|null|Null|NULL|", "~nN\0"),
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (
        "float",
        r"[-+]?[0-9][0-9_]*\.[0-9_]*([eE][-+]?[0-9]+)?|[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+"
        r"|[-+]?\.[0-9_]+([eE][-+][0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        "-+.0123456789",
    ),
    (
        "int",
        r"[-+]?0b[01_]+|[-+]?0o?[0-7_]+|[-+]?[0-9_]+|[-+]?0x[0-9a-fA-F_]+",
        "-+0123456789",
    ),
    (
        "timestamp",
        r"\d{4}-\d\d-\d\d|\d{4}-\d\d?-\d\d?([Tt]|[ \t]+)\d\d?:\d\d:\d\d(\.\d*)?"
        r"([ \t]*(Z|[-+]\d\d?(:\d\d)?))?",
        "0123456789",
    ),
    ("merge", "<<", "<"),
    ("value", "=", "="),
)
"""A tag, a pattern of its words, and the characters that they start with, as in `ruamel.yaml`."""
BASES = {"0b": 2, "0o": 8, "0x": 16}


class WordsLoader(yaml.SafeLoader):  # type: ignore[misc]
    """PyYAML's safe loader, with the plain words of YAML 1.2."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012

    def construct_yaml_int(self, node: yaml.ScalarNode) -> int:
        """A whole number; a leading zero does not make it octal."""
        digits = self.construct_scalar(node).replace("_", "").lower()
        sign = -1 if digits.startswith("-") else 1
        digits = digits.lstrip("+-")
        base = BASES.get(digits[:2], 10)
        return sign * int(digits if base == 10 else digits[2:], base)


for _tag, _words, _first in WORDS:
    WordsLoader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"(?:{_words})$"), [c.strip("\0") for c in _first]
    )
WordsLoader.add_constructor("tag:yaml.org,2002:int", WordsLoader.construct_yaml_int)

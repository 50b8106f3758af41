"""Words of params.yaml are what DVC takes them for: DVC's own reader is asked."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides
from dvc.utils.serialize import parse_yaml
from hypothesis import example, given, settings
from hypothesis import strategies as st

from vigil.plumbing.params import read_params
from vigil.plumbing.yaml_words import WordsLoader

NUMBERS = {
    **{"1e-05": 1e-5, "1e5": 1e5, "1E5": 1e5, "1e+05": 1e5, "-1e-05": -1e-5, "+1e-5": 1e-5},
    **{"1.E+3": 1e3, "1.e3": 1e3, "1.0E3": 1e3, "12e03": 12e3, "-2E+02": -200.0, "0e0": 0.0},
    **{"5.": 5.0, "-.5": -0.5, "-.5e-3": -5e-4, "1_000.5": 1000.5, "1e400": float("inf")},
    **{"017": 17, "09": 9, "-017": -17, "0o17": 15, "0x1F": 31, "-0x10": -16, "0b101": 5},
    **{"1_000": 1000, "+1": 1, "-0": 0, "00": 0},
}
TEXTS = ["1:30", "1:30.5", "1e", "1e-", "1.2.3", ".", "e5", ".5e3", "inf", "nan", "0o8", "1,000"]
OTHERS = ["yes", "no", "on", "off", "y", "True", "TRUE", "false", "null", "~", ".inf", "2001-01-01"]


def ours(word: str) -> Any:
    return yaml.load(f"a: {word}\n", WordsLoader)["a"]


def dvcs(word: str) -> Any:
    return parse_yaml(f"a: {word}\n", "params.yaml")["a"]


@pytest.mark.parametrize("word", NUMBERS)
def test_numbers(word: str) -> None:
    assert (ours(word), type(ours(word))) == (NUMBERS[word], type(NUMBERS[word]))
    assert (dvcs(word), type(dvcs(word))) == (NUMBERS[word], type(NUMBERS[word]))


@pytest.mark.parametrize("word", [*TEXTS, *OTHERS])
def test_what_is_no_number_is_what_dvc_takes_it_for(word: str) -> None:
    assert ours(word) == dvcs(word)
    assert isinstance(ours(word), str) == (word in {*TEXTS, "yes", "no", "on", "off", "y"})


@given(st.text("0123456789abefoxnrtulyINFE+-._:~", min_size=1, max_size=9))
@example("_")
@example("+_")
@example("0b_")
@settings(max_examples=2000)
def test_any_word(word: str) -> None:
    """Not what is no word, as "- a", or what neither can turn into what it looks like."""
    try:
        expected = dvcs(word)
    except (DvcException, ValueError, IndexError, TypeError, AttributeError):
        with pytest.raises((yaml.YAMLError, ValueError)):
            ours(word)
        return
    found = ours(word)
    assert repr(found) == repr(expected)  # NaN is not itself


@pytest.mark.parametrize("told", ["1e-5", "1E-5", "0.00001", "1.0e-5"])
def test_a_number_set_by_dvc_is_read_as_one(tmp_path: Path, told: str) -> None:
    """As by `dvc exp run -S`, which writes 1e-05."""
    file = tmp_path / "params.yaml"
    file.write_text("a: {rate: 0.1, name: x}\n")
    apply_overrides(str(file), [f"a.rate={told}"])
    assert read_params(file) == {"a": {"rate": 1e-5, "name": "x"}}

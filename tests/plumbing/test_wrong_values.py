"""Every parameter of `params.yaml` with every kind of wrong value: the message is plain English."""

import re
import typing
from collections.abc import Iterator
from copy import deepcopy
from typing import Any, NamedTuple

import pytest
from tiny_settings import SHIPPED

from vigil.plumbing.allowed_values import Kind, plain
from vigil.plumbing.contract import project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.params import Section, parse_section, read_params

SECTIONS = project_sections()
DEFAULTS = read_params(SHIPPED)
WRONG: list[Any] = [
    None, True, 3, 2.5, -1, 10**30, 1e300, float("nan"), float("inf"), "no such word", "",
    "x" * 5000, [], [None], [1], [1, 2], ["no such word"], ["a", "a"], [[]], list(range(200)),
    {}, {"a": []}, {"a": -1.5}, {"a": None},
]  # fmt: skip
"""Values of all types. Each parameter allows few of them."""
FOREIGN = re.compile(
    r"\[constrained|literal\[|tuple\[|dict\[|\barray\b|\bstring\b|\bdictionary\b|\binteger\b|"
    r"\bboolean\b|\bvalid\b|Input|instance of|greater than|less than|a number (whole|true|integer)|"
    r"\bobject\b|finite|\.(int|str|float|bool)\b|\\n"
)
"""Words of pydantic, and places that it makes up."""


class Leaf(NamedTuple):
    section: str
    keys: tuple[str, ...]
    kind: Kind

    @property
    def name(self) -> str:
        return ".".join((self.section, *self.keys))


def leaves(section: str, model: type[Section], keys: tuple[str, ...] = ()) -> Iterator[Leaf]:
    for key in model.model_fields:
        kind = Kind(model).below(key)
        if kind.is_block:
            yield from leaves(section, kind.annotation, (*keys, key))
        else:
            yield Leaf(section, (*keys, key), kind)


LEAVES = [leaf for name, model in SECTIONS.items() for leaf in leaves(name, model)]


def message_of(leaf: Leaf, value: Any) -> str | None:
    """What is said about a value of a parameter; None if the value is allowed."""
    content = deepcopy(DEFAULTS)
    place = content
    for key in (*leaf.section.split("."), *leaf.keys[:-1]):
        place = place[key]
    place[leaf.keys[-1]] = value
    try:
        parse_section(SECTIONS[leaf.section], content, leaf.section)
    except InputError as error:
        return str(error)
    return None


def out_of_bounds(kind: Kind) -> Iterator[tuple[float, float]]:
    """Values beyond each bound of a number, with the bound."""
    for one in (
        [plain(arm) for arm in typing.get_args(kind.annotation)] if kind.is_union else [kind]
    ):
        if one.annotation not in (int, float):
            continue
        least = [limit.ge for limit in one.limits if hasattr(limit, "ge")]
        most = [limit.le for limit in one.limits if hasattr(limit, "le")]
        if least:
            yield max(least) - 1, max(least)
        if most:
            yield min(most) + 1, min(most)
        yield from ((limit.gt, limit.gt) for limit in one.limits if hasattr(limit, "gt"))
        yield from ((limit.lt, limit.lt) for limit in one.limits if hasattr(limit, "lt"))


def test_all_parameters_are_here() -> None:
    assert len(LEAVES) > 300
    assert {leaf.section for leaf in LEAVES} == set(SECTIONS)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_a_wrong_value_is_refused_in_plain_words(leaf: Leaf) -> None:
    messages = [message for value in WRONG if (message := message_of(leaf, value))]
    assert len(messages) > len(WRONG) / 2
    for message in messages:
        places = (f"{leaf.section}: ", *(f"{leaf.name}{end}" for end in (": ", ".")))
        blocks = tuple(
            f"{'.'.join((leaf.section, *leaf.keys[:number]))}: " for number in range(len(leaf.keys))
        )
        assert message.startswith(tuple(f"params.yaml: {one}" for one in (*places, *blocks)))
        assert message.count("params.yaml") == 1
        problem = re.sub(r"got .*", "", message.removeprefix("params.yaml: "), count=1)
        assert not FOREIGN.search(problem.partition(": ")[2]), message
        assert not FOREIGN.search(problem.partition(": ")[0]), message
        assert re.search(r": (expected|must|no such)", message)


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_null_is_refused_with_all_that_is_allowed(leaf: Leaf) -> None:
    message = message_of(leaf, None)
    assert message is not None
    assert message.startswith(f"params.yaml: {leaf.name}: expected ")
    assert message.endswith(", got None")


@pytest.mark.parametrize("leaf", LEAVES, ids=lambda leaf: leaf.name)
def test_a_bound_is_named_where_it_is_passed(leaf: Leaf) -> None:
    for value, bound in out_of_bounds(leaf.kind):
        message = message_of(leaf, value)
        assert message is not None
        assert message.startswith(f"params.yaml: {leaf.name}: expected ")
        assert re.search(
            rf"(from|to|above|below|least|most) {re.escape(f'{bound:.12g}')}\b", message
        ) or (bound > 2**31)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        (
            "train_detector.fitting.max_epochs",
            "x",
            "a whole number from 1 to 1000000 or 'auto', got 'x'",
        ),
        ("fit_alarm.speed_map", "maybe", "true, false or 'auto', got 'maybe'"),
        (
            "train_segmenter.class_weights",
            {"human": -1},
            "'auto', 'none', 'balanced', or a map, each value a number above 0 and at most 1000, "
            "got {'human': -1}",
        ),
        (
            "train_detector.input_size_wh",
            [640],
            "a list of 2 items, each a whole number from 32 to 8192, or 'auto', got [640]",
        ),
        ("embed_clips.channels", [], "a list of at least 1 item, got []"),
        ("fit_alarm.network.hidden", [1] * 101, "a list of 1 to 100 items, got [1, 1"),
        ("split.val_fraction", 1, "a number above 0 and below 1, got 1"),
        ("dataset.videos", "a.mp4", "a list, each item a text, got 'a.mp4'"),
        ("dataset.video_of_task", [], "a map, each value a text, got []"),
        ("train_detector.weights", "", "a text of 1 to 4096 characters, got ''"),
        ("interpolate_annotations.frame_offset", 1, "-1 or 0, got 1"),
    ],
)
def test_what_is_expected_of_each_kind_of_value(name: str, value: Any, expected: str) -> None:
    (leaf,) = (leaf for leaf in LEAVES if leaf.name == name)
    message = message_of(leaf, value)
    assert message is not None
    assert message.startswith(f"params.yaml: {name}: expected {expected}")


def test_an_unknown_word_in_a_list_is_named_and_not_the_length_of_the_list() -> None:
    (leaf,) = (leaf for leaf in LEAVES if leaf.name == "embed_clips.channels")
    assert message_of(leaf, ["foo"]) == (
        "params.yaml: embed_clips.channels.0: expected 'local_speed', 'local_disorder', "
        "'motion_histogram', 'motion_cells', 'appearance' or 'objects', got 'foo'"
    )


def test_a_block_that_is_none_is_refused() -> None:
    content = {**DEFAULTS, "train_segmenter": {**DEFAULTS["train_segmenter"], "unet": 3}}
    with pytest.raises(InputError, match="unet: expected a block of parameters, got 3"):
        parse_section(SECTIONS["train_segmenter"], content, "train_segmenter")
    with pytest.raises(InputError, match=r"^params\.yaml: split: expected a block of parameters"):
        parse_section(SECTIONS["split"], {"split": 3}, "split")


def test_text_that_is_no_unicode_is_refused() -> None:
    content = {**DEFAULTS, "split": {**DEFAULTS["split"], "test_videos": ["\ud800"]}}
    with pytest.raises(InputError, match=r"^params\.yaml: split: expected plain values, got: "):
        parse_section(SECTIONS["split"], content, "split")

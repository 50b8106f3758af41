"""XML whose bytes and whose declaration say different things."""

import pytest

from vigil.domain.formats.encodings import text_of_xml


def xml(declared: str, text: str) -> str:
    return f'<?xml version="1.0" encoding="{declared}"?><a>{text}</a>'


@pytest.mark.parametrize(
    ("declared", "encoding", "text"),
    [
        ("utf-8", "utf-8", "汽车"),
        ("UTF-8", "utf-8-sig", "汽车"),
        ("utf-16", "utf-16", "汽车"),
        ("utf-16", "utf-16-le", "汽车"),
        ("utf-16-be", "utf-16-be", "汽车"),
        ("gb2312", "gbk", "汽车"),
        ("shift_jis", "shift_jis", "日本"),
        ("windows-1251", "cp1251", "тест"),
        ("iso-8859-1", "iso-8859-1", "café"),
        ("gb2312", "ascii", "car"),
    ],
)
def test_as_declared(declared: str, encoding: str, text: str) -> None:
    assert text_of_xml(xml(declared, text).encode(encoding)) == (f"<a>{text}</a>", False)


@pytest.mark.parametrize(
    ("declared", "encoding"),
    [
        ("utf-16", "utf-8"),
        ("utf-16", "utf-8-sig"),
        ("gbk", "utf-8-sig"),
        ("x-unknown", "utf-8-sig"),
        ("utf-8", "utf-16"),
        ("gb2312", "utf-16-le"),
        ("ascii", "utf-8"),
        ("gb2312", "utf-8"),  # the bytes of this text are not GB2312
    ],
)
def test_as_the_bytes_say_it(declared: str, encoding: str) -> None:
    assert text_of_xml(xml(declared, "车").encode(encoding)) == ("<a>车</a>", True)


@pytest.mark.parametrize(
    ("declared", "text"), [("gb2312", "汽车"), ("iso-8859-1", "é"), ("cp1251", "тест")]
)
def test_where_both_are_possible_none_is_picked(declared: str, text: str) -> None:
    with pytest.raises(ValueError, match="as declared or UTF-8, which differ"):
        text_of_xml(xml(declared, text).encode())


@pytest.mark.parametrize("content", [b"\xff<a/>", xml("gb2312", "").encode() + b"\xff\xff"])
def test_where_none_is_possible(content: bytes) -> None:
    with pytest.raises(ValueError, match="neither"):
        text_of_xml(content)


def test_without_a_declaration_it_is_utf_8() -> None:
    assert text_of_xml("<a>汽车</a>".encode()) == ("<a>汽车</a>", False)

"""Decodes XML by what its bytes are, not by what it declares alone.

Editors and scripts change the encoding of a file and leave its declaration, and the reverse. Two
readings of the same bytes would be two names of a class, so no reading is picked silently.
"""

import codecs
import re

DECLARED = re.compile(r"^\s*<\?xml[^>]*?encoding\s*=\s*[\"']([A-Za-z0-9._-]+)[\"'][^>]*\?>", re.A)
UTF_8, UTF_16 = "utf-8", "utf-16"
MARKS = (
    (codecs.BOM_UTF8, UTF_8),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, UTF_16),
    (codecs.BOM_UTF16_BE, UTF_16),
    # Without a byte order mark: the first character of XML is "<".
    (b"<\0", "utf-16-le"),
    (b"\0<", "utf-16-be"),
)
LARGER = {"gb2312": "gb18030", "gbk": "gb18030"}
"""Files with the declared encoding on the left may have characters of the encoding on the right,
which decodes everything on the left in the same way."""


def text_of_xml(content: bytes) -> tuple[str, bool]:
    """The text of XML without its declaration, and whether its encoding is not the declared one.

    A byte order mark, or the zeros of UTF-16, say more than the declaration. So does the content
    where it can be decoded in one of two ways only, the declared encoding and UTF-8.

    Raises:
        ValueError: the content cannot be decoded, or both ways are possible and differ.
        LookupError: no such encoding.
    """
    marked = next((name for mark, name in MARKS if content.startswith(mark)), "")
    if marked:
        text = content.decode(marked).removeprefix("\ufeff")
        declared = DECLARED.match(text)
        return _body(text, declared), declared is not None and not _is_of(declared[1], marked)
    declared = DECLARED.match(content[:1000].decode("latin-1"))
    name = _codec(declared[1]) if declared else UTF_8
    if name.startswith((UTF_16, "utf-32")):  # it would have zeros between its letters
        return _body(content.decode(UTF_8), declared), True
    as_declared, as_utf_8 = _try(content, LARGER.get(name, name)), _try(content, UTF_8)
    if as_declared is not None and as_utf_8 not in (None, as_declared):
        raise ValueError(f"{name} as declared or UTF-8, which differ; write the file in UTF-8")
    if as_declared is not None:
        return _body(as_declared, declared), False
    if as_utf_8 is None:
        raise ValueError(f"neither {name} nor UTF-8")
    return _body(as_utf_8, declared), True


def _codec(name: str) -> str:
    """Python's name of an encoding of texts."""
    codec = codecs.lookup(name)
    if not codec._is_text_encoding:
        raise LookupError(f"{name}, which is not an encoding of texts")
    return codec.name


def _is_of(declared: str, marked: str) -> bool:
    """Whether a declared encoding is the one that the first bytes show, in either byte order."""
    try:
        return codecs.lookup(declared).name[:6] == marked[:6]
    except LookupError:
        return False


def _try(content: bytes, name: str) -> str | None:
    try:
        return content.decode(name)
    except ValueError:
        return None


def _body(text: str, declared: re.Match[str] | None) -> str:
    return text[declared.end() :] if declared else text

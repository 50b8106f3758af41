"""The card inside an exported model: what a program must know to use it.

The card is one text of JSON. An ONNX file has it among its metadata, OpenVINO's among its runtime
information, and an exported alarm as a file in its archive. It names no path, no host and no time.

A digest beside the card tells whether a file is still as it was written. In it, the digits of the
digest itself count as zeros. An alarm's archive has it in the card, for all members.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vigil.plumbing.errors import InputError, shorten

KEY = "vigil"
"""The name of the card among the metadata of a file."""
DIGEST_KEY = "vigil_sha256"
"""The name of the digest of a file among its metadata, or in the card of an archive."""
NO_DIGEST = "0" * 64
FORMAT = 1
"""Of the card and of the network's inputs and outputs. A program reads one format."""

Card = Mapping[str, Any]


def card_text(card: Card) -> str:
    """The card as it is stored: equal cards give equal bytes."""
    return json.dumps(card, sort_keys=True, ensure_ascii=True, allow_nan=False)


def sealed(content: bytes, *others: bytes) -> bytes:
    """The content of a file with its digest in place of `NO_DIGEST`, which it has once.

    Args:
        others: the content of files that belong to it.
    """
    before, _, after = content.partition(NO_DIGEST.encode())
    return before + _digest(content, *others).encode() + after


def check_seal(file: Path, digest: str | None, content: bytes, *others: bytes) -> None:
    """Checks that a file is as it was written.

    Args:
        digest: as told among its metadata; None: not told.
        content: of the file.
        others: see `sealed`.

    Raises:
        InputError: it is not.
    """
    unsealed = content.replace((digest or "?").encode(), NO_DIGEST.encode(), 1)
    if digest != _digest(unsealed, *others):
        raise InputError(
            f"{file}: expected the bytes that `vigil export` wrote, got others: a damaged file, or "
            "one of an earlier version; export the model again"
        )


def fingerprint_of(members: Mapping[str, bytes]) -> bytes:
    """The names and contents of an archive's members, as one of the `others` of `sealed`."""
    digests = [
        hashlib.sha256(part).digest()
        for name in sorted(members)
        for part in (name.encode(), members[name])
    ]
    return b"".join(digests)


def _digest(*contents: bytes) -> str:
    digest = hashlib.sha256()
    for content in contents:
        digest.update(content)
    return digest.hexdigest()


def read_card_text(text: str | None, file: Path, branch: str) -> dict[str, Any]:
    """Reads a stored card.

    Args:
        text: the stored card; None: the file has none.
        branch: which model is expected: `classifier`, `detector`, `segmenter` or `alarm`.

    Raises:
        InputError: this is no card, or that of another version or model.
    """
    try:
        card = json.loads(text or "")
        found, version = card["format"], card["version"]
    except (ValueError, KeyError, TypeError):
        raise InputError(
            f"{file}: expected a model of `vigil export`, got a file without its card"
        ) from None
    if found != FORMAT:
        raise InputError(
            f"{file}: expected an export in format {FORMAT}, got format {shorten(found)} of vigil "
            f"{shorten(version)}; export the model again with this version"
        )
    if card.get("branch") != branch:
        raise InputError(
            f"{file}: expected an exported {branch}, got {shorten(card.get('branch'))}"
        )
    content: dict[str, Any] = card
    return content

"""The entries of a card that all exported models have."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from vigil.plumbing.memo import file_digest
from vigil.runtime.card import FORMAT


def common_card(branch: str, weights: Path, card: Path, architecture: str) -> dict[str, Any]:
    """What an exported model is, and of which files it was made, by their digests.

    A revision of git is no entry: a commit that changes no model would change the bytes. The
    digests say which revision it is, since the lock of DVC has them.
    """
    return {
        "format": FORMAT,
        "version": version("vigil"),
        "branch": branch,
        "architecture": architecture,
        "weights_sha256": file_digest(weights),
        "card_sha256": file_digest(card),
    }

"""The entries of a card that all exported models have."""

from importlib.metadata import version
from pathlib import Path
from typing import Any

from vigil.learn.networks.weights import read_card
from vigil.plumbing.arithmetic import KEY, NATIVE, arithmetic_of
from vigil.plumbing.memo import file_digest
from vigil.runtime.card import FORMAT


def common_card(branch: str, weights: Path, card: Path, picked: Path | None) -> dict[str, Any]:
    """What an exported model is, and of which files it was made, by their digests.

    A revision of git is no entry: a commit that changes no model would change the bytes. The
    digests say which revision it is, since the lock of DVC has them.

    Args:
        picked: the file of a score or of thresholds that were picked on validation data; None: the
            model has none.

    Raises:
        InputError: a file is missing, or is not a card.
    """
    facts = read_card(card)
    arithmetic = arithmetic_of(facts)
    return {
        "format": FORMAT,
        "version": version("vigil"),
        "branch": branch,
        "architecture": str(facts["architecture"]),
        "weights_sha256": file_digest(weights),
        "card_sha256": file_digest(card),
        **({"picked_sha256": file_digest(picked)} if picked else {}),
        **({KEY: arithmetic} if arithmetic != NATIVE else {}),  # of the training
    }

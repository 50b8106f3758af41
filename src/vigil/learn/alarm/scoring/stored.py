"""A fitted autoencoder from its files."""

from pathlib import Path
from typing import Any, get_args

from torch import Tensor, nn

from vigil.domain.clips.embeddings import ClipScore
from vigil.learn.alarm.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.alarm.scoring.tuned import TunedWeights
from vigil.learn.networks.weights import load_described, read_card
from vigil.plumbing.errors import InputError, listed, shorten


def load_autoencoder(
    weights: Path, card_file: Path
) -> tuple[Autoencoder, dict[str, Tensor], dict[str, Any]]:
    """Loads a fitted autoencoder, ready for use.

    Returns:
        The autoencoder, the tuned weights of its backbone by name (none where it was not tuned),
        and its card.

    Raises:
        InputError: a file is missing, damaged, or the two do not fit.
    """
    card = read_card(card_file)
    if card["architecture"] != "autoencoder":
        raise InputError(
            f"{card_file}: expected the card of an autoencoder, got that of "
            f"{shorten(card['architecture'])}"
        )
    if card.get("clip_score") not in get_args(ClipScore):
        raise InputError(
            f"{card_file}: clip_score: expected one of {listed(get_args(ClipScore))}, "
            f"got {shorten(card.get('clip_score'))}"
        )
    shapes = card.get("tuned_shapes", {})

    def build() -> nn.Module:
        model = build_autoencoder(card["config"])
        return TunedWeights(model, shapes) if shapes else model

    stored = load_described(build, card, weights, card_file)
    model = stored.autoencoder if isinstance(stored, TunedWeights) else stored
    assert isinstance(model, Autoencoder)
    tuned = dict(stored.tuned.items()) if isinstance(stored, TunedWeights) else {}
    return model, {name.replace("/", "."): w.detach() for name, w in tuned.items()}, card

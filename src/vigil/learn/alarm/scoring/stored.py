"""A fitted autoencoder from its files."""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vigil.learn.alarm.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.alarm.scoring.tuned import TunedWeights
from vigil.learn.networks.weights import load_weights, read_card
from vigil.plumbing.errors import InputError


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
    try:
        model = build_autoencoder(card["config"])
        shapes = card.get("tuned_shapes", {})
        stored: nn.Module = TunedWeights(model, shapes) if shapes else model
    except (TypeError, AttributeError) as error:
        raise InputError(f"{card_file}: expected a fitted autoencoder, got: {error}") from None
    load_weights(stored, weights)
    model.eval()
    tuned = dict(stored.tuned.items()) if isinstance(stored, TunedWeights) else {}
    return model, {name.replace("/", "."): w.detach() for name, w in tuned.items()}, card

"""A fitted alarm in its files: the autoencoder, what it tuned, and the vectors it learnt from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.networks.weights import State, load_described, read_card
from vigil.plumbing.errors import InputError, shorten

ARCHITECTURE = "autoencoder"


class StoredAlarm(nn.Module):
    """All tensors of a fitted alarm.

    Attributes:
        autoencoder: ready for use.
        tuned: weights of the backbone in place of its own; none where it was not tuned.
        allowed_vectors: (M, D) of the training windows, which other scorers compare with.
    """

    allowed_vectors: Tensor

    def __init__(
        self, autoencoder: Autoencoder, shapes: Mapping[str, Any], num_allowed: int
    ) -> None:
        """Args: shapes: of the tuned weights, by the backbone's names. num_allowed: vectors, M."""
        super().__init__()
        self.autoencoder = autoencoder
        self.tuned = nn.ParameterDict(
            {
                name.replace(".", "/"): nn.Parameter(torch.empty(shape), requires_grad=False)
                for name, shape in shapes.items()
            }
        )
        self.register_buffer("allowed_vectors", torch.empty(num_allowed, autoencoder.width))

    def tuned_state(self) -> dict[str, Tensor]:
        """The tuned weights by the backbone's names."""
        return {name.replace("/", "."): tensor.detach() for name, tensor in self.tuned.items()}


def stored_state(autoencoder: State, tuned: State, allowed_vectors: Tensor) -> dict[str, Tensor]:
    """The tensors of a `StoredAlarm` by name, to be saved."""
    return {
        **{f"autoencoder.{name}": tensor for name, tensor in autoencoder.items()},
        **{f"tuned.{name.replace('.', '/')}": tensor for name, tensor in tuned.items()},
        "allowed_vectors": allowed_vectors,
    }


def stored_facts(tuned: State, allowed_vectors: Tensor) -> dict[str, Any]:
    """What a card tells of a `StoredAlarm` besides the autoencoder's config."""
    return {
        "tuned_shapes": {name: list(tensor.shape) for name, tensor in tuned.items()},
        "num_allowed_vectors": len(allowed_vectors),
    }


def load_alarm(weights: Path, card_file: Path) -> tuple[StoredAlarm, dict[str, Any]]:
    """Loads a fitted alarm, ready for use, and its card.

    Raises:
        InputError: a file is missing, damaged, or the two do not fit.
    """
    card = read_card(card_file)
    if card["architecture"] != ARCHITECTURE:
        raise InputError(
            f"{card_file}: expected the card of an {ARCHITECTURE}, got "
            f"{shorten(card['architecture'])}"
        )

    def build() -> StoredAlarm:
        shapes, num_vectors = card.get("tuned_shapes"), card.get("num_allowed_vectors")
        if not isinstance(shapes, Mapping):
            raise InputError(f"tuned_shapes: expected shapes by name, got {shorten(shapes)}")
        if not isinstance(num_vectors, int):
            raise InputError(
                f"num_allowed_vectors: expected a whole number, got {shorten(num_vectors)}"
            )
        return StoredAlarm(build_autoencoder(card["config"]), shapes, num_vectors)

    return load_described(build, card, weights, card_file), card

"""A trained model on disk: weights as safetensors, which hold no code, and a JSON card beside."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.memo import file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json, write_json

State = Mapping[str, torch.Tensor]
M = TypeVar("M", bound=torch.nn.Module)


def save_model(state: State, card: Mapping[str, Any], weights: Path, card_file: Path) -> None:
    """Writes a model's weights and its card, to which the weights' SHA-256 is added."""
    with whole(weights) as partial:
        save_file({name: tensor.contiguous().cpu() for name, tensor in state.items()}, partial)
    write_json({**card, "weights_sha256": file_digest(weights)}, card_file)


def read_card(card_file: Path) -> dict[str, Any]:
    """Reads a model's card.

    Raises:
        InputError: no such file, or not a card.
    """
    card = read_json(card_file)
    if not isinstance(card, dict) or not {"architecture", "config"} <= card.keys():
        raise InputError(f"{card_file}: expected a model's card, got {shorten(card)}")
    return card


def load_weights(module: torch.nn.Module, weights: Path) -> None:
    """Loads weights into a module, each name and shape as the module has it.

    Raises:
        InputError: no such file, not safetensors, or names or shapes that differ.
    """
    try:
        state = load_file(weights)
    except FileNotFoundError:
        raise InputError(f"{weights}: expected a model's weights, found no such file") from None
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(
            f"{weights}: expected safetensors, got: {shorten(str(error), 100)}"
        ) from None
    own = module.state_dict()
    if missing := own.keys() - state.keys():
        raise InputError(f"{weights}: expected weights for {listed(missing)}, found none")
    if unknown := state.keys() - own.keys():
        raise InputError(f"{weights}: expected no weights but the model's, got {listed(unknown)}")
    for name, tensor in own.items():
        if tensor.shape != state[name].shape:
            raise InputError(
                f"{weights}: {name}: expected the shape {tuple(tensor.shape)}, "
                f"got {tuple(state[name].shape)}"
            )
    module.load_state_dict(state)


def load_model(build: Callable[[str, Mapping[str, Any]], M], weights: Path, card_file: Path) -> M:
    """Loads a trained network from its weights and card, ready for prediction.

    Args:
        build: makes the network from the card's architecture and config.

    Raises:
        InputError: a file is missing, damaged, or the two do not fit.
    """
    card = read_card(card_file)
    try:
        model = build(card["architecture"], card["config"])
    except TypeError as error:
        raise InputError(f"{card_file}: config: {error}") from None
    load_weights(model, weights)
    return model.eval()

"""A trained model on disk: weights as safetensors, which hold no code, and a JSON card beside."""

import hashlib
import pickle
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vigil.plumbing.errors import InputError, listed, shorten
from vigil.plumbing.memo import file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json, write_json

State = Mapping[str, Tensor]
WRAPPINGS = ("model_state", "state_dict", "model")
"""Keys under which checkpoints hold the weights themselves."""

UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
)
"""What fetching and reading published weights raises."""

M = TypeVar("M", bound=torch.nn.Module)


def save_model(state: State, card: Mapping[str, Any], weights: Path, card_file: Path) -> None:
    """Writes a model's weights and its card, to which the weights' SHA-256 is added.

    Raises:
        InputError: there is no room, or no leave, to write.
    """
    with whole(weights) as partial:
        try:
            save_file({name: tensor.contiguous().cpu() for name, tensor in state.items()}, partial)
        except SafetensorError as error:  # which is no OSError
            raise InputError(f"{weights}: expected to write, got: {error}") from None
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
        InputError: as `read_state`, or names or shapes that differ.
    """
    state = read_state(weights)
    check_state(module.state_dict(), state, str(weights))
    module.load_state_dict(state)


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads weights by name from safetensors or from a file of `torch.save`.

    A pickle is read by torch's own reader, which runs no code of it and makes nothing but tensors.

    Raises:
        InputError: no such file, neither of the two, or no weights by name.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a network's weights, found no such file")
    try:
        with warnings.catch_warnings(action="ignore"):  # of pickles that it refuses
            content = (
                load_file(path)
                if path.suffix == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
    except Exception as error:  # damaged pickles raise anything
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if "weights_only" in reason:  # followed by the advice to let it run code
            reason = "a pickle of more than weights, none of which was run"
        raise InputError(
            f"{path}: expected safetensors or a state dict, got: {shorten(reason, 100)}"
        ) from None
    return unwrap_state(content, str(path))


def state_digest(model: torch.nn.Module) -> str:
    """SHA-256 over a model's weights: names, shapes and values, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def unwrap_state(content: Any, place: str) -> dict[str, Tensor]:
    """Weights by name, out of a checkpoint that may hold more.

    Raises:
        InputError: there are none; `place` names them in the message.
    """
    for key in WRAPPINGS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items())
    ):
        raise InputError(
            f"{place}: expected weights by name, got {shorten(type(content).__name__)}"
        )
    return dict(content)


def check_state(own: State, given: State, place: str) -> None:
    """Holds weights against those of a network.

    Raises:
        InputError: names or shapes that differ; `place` names the weights in the message.
    """
    if missing := own.keys() - given.keys():
        raise InputError(
            f"{place}: expected weights for {listed(missing, 3)}, found none ({len(missing)} of "
            f"{len(own)} missing)"
        )
    if unknown := given.keys() - own.keys():
        raise InputError(
            f"{place}: expected no weights but the network's, got {listed(unknown, 3)}"
        )
    for name, tensor in own.items():
        if tensor.shape != given[name].shape:
            raise InputError(
                f"{place}: {name}: expected the shape {tuple(tensor.shape)}, "
                f"got {tuple(given[name].shape)}"
            )


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
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = shorten(" ".join(str(error).split()), 100)
        raise InputError(
            f"{card_file}: config: expected what {shorten(card['architecture'])} is built from, "
            f"got: {reason}"
        ) from None
    load_weights(model, weights)
    return model.eval()

"""A trained model on disk: weights as safetensors, which hold no code, and a JSON card beside."""

import hashlib
import math
import pickle
import re
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

IMPOSSIBLE = (
    *(TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError, AssertionError),
    *(ArithmeticError, NotImplementedError),
)
"""What building a network raises of a configuration that it does not take."""
LARGEST_SIZE = 8192
"""Of a picture, in px: a number of a card may be as large though no weight is."""

M = TypeVar("M", bound=torch.nn.Module)


def save_model(state: State, card: Mapping[str, Any], weights: Path, card_file: Path) -> None:
    """Writes a model's weights and its card, to which the weights' SHA-256 is added.

    Raises:
        InputError: there is no room, or no leave, to write.
    """
    with whole(weights) as partial:
        try:
            # Copies, since some networks have one weight by two names, which the format refuses.
            save_file({name: t.cpu().contiguous().clone() for name, t in state.items()}, partial)
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
        InputError: no such file, neither of the two, no weights by name, or numbers that are not
            finite.
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
        if re.search(
            "weights.only", reason, re.IGNORECASE
        ):  # followed by the advice to let it run code
            reason = "a pickle of more than weights, none of which was run"
        raise InputError(
            f"{path}: expected safetensors or a state dict, got: {shorten(reason, 100)}"
        ) from None
    state = unwrap_state(content, str(path))
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise InputError(
                f"{path}: {shorten(name)}: expected finite weights, got NaN or infinity"
            )
    return state


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
        InputError: as `load_described`, or a file is missing or damaged.
    """
    card = read_card(card_file)
    return load_described(
        lambda: build(card["architecture"], card["config"]), card, weights, card_file
    )


def load_described(
    build: Callable[[], M], card: Mapping[str, Any], weights: Path, card_file: Path
) -> M:
    """Loads the network that a card describes from its weights, ready for prediction.

    Both may come from someone else. So the network is first built without memory for its weights,
    and for good where it has those of the file.

    Args:
        build: makes the network from the card; called twice.

    Raises:
        InputError: the weights are missing, damaged or not those of the card, or the card does not
            describe a network that they fit.
    """
    state = read_state(weights)
    _check_numbers(
        {key: card.get(key) for key in ("config", "tuned_shapes", "num_allowed_vectors")},
        max(LARGEST_SIZE, len(state), *(size for one in state.values() for size in one.shape)),
        card_file,
    )
    # Warnings are of layers without a weight, which are refused then.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        outline = _built(build, card_file)
    check_state(outline.state_dict(), state, str(weights))
    if card.get("weights_sha256") != file_digest(weights):
        raise InputError(
            f"{card_file}: expected the card of {weights}, got one of other weights "
            "(its weights_sha256 is not theirs)"
        )
    model = _built(build, card_file)
    model.load_state_dict(state)
    return model.eval()


def _built(build: Callable[[], M], card_file: Path) -> M:
    try:
        return build()
    except InputError as error:
        raise InputError(f"{card_file}: {error}") from None
    except IMPOSSIBLE as error:
        reason = shorten(str(error), 200)
        raise InputError(
            f"{card_file}: config: expected that of a network, got: {reason}"
        ) from None


def _check_numbers(content: Any, most: int, card_file: Path) -> None:
    """Refuses sizes and lists that no weight explains: a network would be built by them."""
    waiting = [content]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            waiting += value.values()
        elif isinstance(value, list) and len(value) <= most:
            waiting += value
        elif isinstance(value, list) or (isinstance(value, int) and abs(value) > most):
            size = len(value) if isinstance(value, list) else value
            raise InputError(
                f"{card_file}: config: expected no size over {most}, which its weights explain, "
                f"got {shorten(size)}"
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{card_file}: config: expected finite numbers, got {value}")

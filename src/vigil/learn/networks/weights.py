"""A trained model on disk: weights as safetensors, a format without code, and a JSON card."""

import hashlib
import math
import pickle
import re
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
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
"""Keys under which checkpoints store the weights."""

UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    KeyError,
)
"""The exceptions that downloading and reading published weights raises."""

IMPOSSIBLE = (
    *(TypeError, ValueError, RuntimeError, KeyError, IndexError, AttributeError, AssertionError),
    *(ArithmeticError, NotImplementedError),
)
"""The exceptions that building a network raises if its configuration is invalid."""
_MAKE_NUMBER: Any = np.float64(0).__reduce__()[0]
NUMBERS: tuple[Any, ...] = (
    *((_MAKE_NUMBER, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")),
    *(np.dtype, *(type(np.dtype(name)) for name in ("f2", "f4", "f8", "i4", "i8", "?"))),
)
"""What pickles make numpy's numbers of, by the names of numpy 1 and 2."""
LARGEST_SIZE = 8192
"""The largest side of a picture in px.

A number in a card may be as large as this even if no dimension of the weights is.
"""

M = TypeVar("M", bound=torch.nn.Module)


def save_model(state: State, card: Mapping[str, Any], weights: Path, card_file: Path) -> None:
    """Writes a model's weights and its card, and adds the SHA-256 of the weights to the card.

    Raises:
        InputError: the disk is full, or writing is not permitted.
    """
    with whole(weights) as partial:
        try:
            # Copies, since some networks have one weight by two names, which the format refuses.
            save_file({name: t.cpu().contiguous().clone() for name, t in state.items()}, partial)
        except SafetensorError as error:  # it is not an OSError
            raise InputError(f"{weights}: expected to write, got: {error}") from None
    write_json({**card, "weights_sha256": file_digest(weights)}, card_file)


def read_card(card_file: Path) -> dict[str, Any]:
    """Reads a model's card.

    Raises:
        InputError: the file is missing, or is not a card.
    """
    card = read_json(card_file, is_foreign=True)
    if not isinstance(card, dict) or not {"architecture", "config"} <= card.keys():
        raise InputError(f"{card_file}: expected a model's card, got {shorten(card)}")
    return card


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads weights by name from safetensors or from a file of `torch.save`.

    A pickle is read by torch's restricted reader, which runs no code of the file and creates only
    tensors and numpy's numbers, such as the accuracy that a training keeps beside the weights.

    Raises:
        InputError: the file is missing, is in neither format, holds no weights by name, or holds
            numbers that are not finite.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a network's weights, found no such file")
    ending = path.suffix.lower()
    if ending == ".onnx":
        raise InputError(f"{path}: expected safetensors or a state dict, got an ONNX file")
    try:
        with (
            warnings.catch_warnings(action="ignore"),  # torch warns before it refuses a pickle
            torch.serialization.safe_globals(list(NUMBERS)),
        ):
            content = (
                load_file(path)
                if ending == ".safetensors"
                else torch.load(path, map_location="cpu", weights_only=True)
            )
    except Exception as error:  # damaged pickles raise exceptions of any type
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        # torch's message advises to run the code of the file.
        if re.search("weights.only", reason, re.IGNORECASE):
            reason = "a pickle that holds more than weights; no code of it was run"
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
    """The SHA-256 of the names, shapes and values of a model's weights, in hexadecimal."""
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


def unwrap_state(content: Any, place: str) -> dict[str, Tensor]:
    """Takes the weights by name out of a checkpoint, which may hold more than weights.

    Raises:
        InputError: there are no weights; `place` names the checkpoint in the message.
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


def check_state(expected: State, given: State, place: str) -> None:
    """Compares the names and shapes of weights with those of a network.

    Args:
        expected: the weights of the network.
        given: the weights to check.

    Raises:
        InputError: names or shapes differ; `place` names the weights in the message.
    """
    if missing := expected.keys() - given.keys():
        raise InputError(
            f"{place}: expected weights for {listed(missing, 3)}, found none ({len(missing)} of "
            f"{len(expected)} missing)"
        )
    if unknown := given.keys() - expected.keys():
        raise InputError(
            f"{place}: expected no weights but the network's, got {listed(unknown, 3)}"
        )
    for name, tensor in expected.items():
        if tensor.shape != given[name].shape:
            raise InputError(
                f"{place}: {name}: expected the shape {tuple(tensor.shape)}, "
                f"got {tuple(given[name].shape)}"
            )


def load_model(build: Callable[[str, Mapping[str, Any]], M], weights: Path, card_file: Path) -> M:
    """Loads a trained network from its weights and card, ready for prediction.

    Args:
        build: builds the network from the card's architecture and config.

    Raises:
        InputError: see `load_described`; or a file is missing or damaged.
    """
    card = read_card(card_file)
    return load_described(
        lambda: build(card["architecture"], card["config"]), card, weights, card_file
    )


def load_described(
    build: Callable[[], M], card: Mapping[str, Any], weights: Path, card_file: Path
) -> M:
    """Loads the network that a card describes from its weights, ready for prediction.

    Card and weights may be untrusted. So the network is first built without memory for its weights.
    It is built with memory only if it has the same weights as the file.

    Args:
        build: builds the network from the card; called twice.

    Raises:
        InputError: the weights are missing or damaged, belong to another card, or do not fit the
            network that the card describes.
    """
    state = read_state(weights)
    _check_numbers(
        {"config": card.get("config")},
        max(LARGEST_SIZE, len(state), *(size for one in state.values() for size in one.shape)),
        card_file,
    )
    # torch warns of layers with weights of size 0; `check_state` refuses such networks.
    with torch.device("meta"), warnings.catch_warnings(action="ignore"):
        outline = _build_described(build, card_file)
    check_state(outline.state_dict(), state, str(weights))
    if card.get("weights_sha256") != file_digest(weights):
        raise InputError(
            f"{card_file}: expected the card of {weights}, got the card of other weights "
            "(weights_sha256 differs)"
        )
    model = _build_described(build, card_file)
    model.load_state_dict(state)
    return model.eval()


def _build_described(build: Callable[[], M], card_file: Path) -> M:
    try:
        return build()
    except InputError as error:
        raise InputError(f"{card_file}: {error}") from None
    except IMPOSSIBLE as error:
        reason = shorten(str(error), 200)
        raise InputError(
            f"{card_file}: config: expected the config of a network, got: {reason}"
        ) from None


def _check_numbers(content: Any, most: int, card_file: Path) -> None:
    """Refuses sizes and lists larger than the weights allow, before a network is built from them.

    Args:
        content: a part of a card.
        most: the largest number allowed.
    """
    unchecked = [content]
    while unchecked:
        value = unchecked.pop()
        if isinstance(value, Mapping):
            unchecked += value.values()
        elif isinstance(value, list) and len(value) <= most:
            unchecked += value
        elif isinstance(value, list) or (isinstance(value, int) and abs(value) > most):
            size = len(value) if isinstance(value, list) else value
            raise InputError(
                f"{card_file}: config: expected sizes of at most {most}, as its weights allow, "
                f"got {shorten(size)}"
            )
        elif isinstance(value, float) and not math.isfinite(value):
            raise InputError(f"{card_file}: config: expected finite numbers, got {value}")

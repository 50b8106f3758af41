"""Weights in the layouts they are published in, read without running any code they hold."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from vigil.plumbing.errors import InputError, listed, shorten

WRAPPINGS = ("model_state", "state_dict", "model")
"""Keys under which checkpoints hold the weights themselves."""


def read_state(path: Path) -> dict[str, Tensor]:
    """Reads weights by name from safetensors or from a file of `torch.save`.

    Raises:
        InputError: no such file, neither of the two, or no weights by name.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a network's weights, found no such file")
    try:
        content = load_file(path) if path.suffix == ".safetensors" else _load(path)
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        OSError,
        EOFError,
        ValueError,
        KeyError,
    ) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: expected safetensors or a state dict, got: {shorten(reason, 100)}"
        ) from None
    return _unwrap(content, str(path))


def download_state(address: str, *, check_hash: bool = False) -> dict[str, Tensor]:
    """Weights from torch hub's cache, or from an address on the network.

    Raises:
        OSError, RuntimeError: they cannot be had, or are not what their name says.
        InputError: they are no weights.
    """
    content = torch.hub.load_state_dict_from_url(
        address, map_location="cpu", progress=False, check_hash=check_hash, weights_only=True
    )
    return _unwrap(content, address)


def load_into(network: nn.Module, state: Mapping[str, Tensor], place: str, classifier: str) -> None:
    """Loads weights into a network, each name and shape as the network has it.

    The classifier, which is cut off, may be missing or of other classes.

    Args:
        place: names the weights in errors.
        classifier: how the names of the classifier's weights start.

    Raises:
        InputError: names or shapes that differ.
    """
    own = {k: v for k, v in network.state_dict().items() if not k.startswith(classifier)}
    given = {k: v for k, v in state.items() if not k.startswith(classifier)}
    for prefix in _prefixes(own):  # weights of the network without its classifier's frame
        if not any(name.startswith(prefix) for name in given):
            given = {f"{prefix}{name}": tensor for name, tensor in given.items()}
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
    network.load_state_dict(given, strict=False)


def _prefixes(own: Mapping[str, Tensor]) -> set[str]:
    """What all names start with, where that is one module: `timesformer.`."""
    starts = {name.split(".")[0] for name in own}
    return {f"{starts.pop()}."} if len(starts) == 1 else set()


def _load(path: Path) -> Any:
    return torch.load(path, map_location="cpu", weights_only=True)


def _unwrap(content: Any, place: str) -> dict[str, Tensor]:
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

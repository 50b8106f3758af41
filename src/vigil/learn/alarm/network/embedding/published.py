"""Weights in the layouts they are published in."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vigil.learn.networks.weights import check_state, unwrap_state


def download_state(address: str, *, check_hash: bool = False) -> dict[str, Tensor]:
    """Weights from torch hub's cache, or from an address on the network.

    Raises:
        OSError, RuntimeError: they cannot be had, or are not what their name says.
        InputError: they are no weights.
    """
    content = torch.hub.load_state_dict_from_url(
        address, map_location="cpu", progress=False, check_hash=check_hash, weights_only=True
    )
    return unwrap_state(content, address)


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
    check_state(own, given, place)
    network.load_state_dict(given, strict=False)


def _prefixes(own: Mapping[str, Tensor]) -> set[str]:
    """What all names start with, where that is one module: `timesformer.`."""
    starts = {name.split(".")[0] for name in own}
    return {f"{starts.pop()}."} if len(starts) == 1 else set()

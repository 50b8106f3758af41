"""Loads published weights, in the layouts of their publishers."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from vigil.learn.networks.weights import check_state, unwrap_state


def download_state(address: str, *, check_hash: bool = False) -> dict[str, Tensor]:
    """Reads weights from the cache of torch hub, or downloads them from an address.

    Raises:
        OSError, RuntimeError: the download fails, or its hash does not match its name.
        InputError: the file holds no weights.
    """
    content = torch.hub.load_state_dict_from_url(
        address, map_location="cpu", progress=False, check_hash=check_hash, weights_only=True
    )
    return unwrap_state(content, address)


def load_into(network: nn.Module, state: Mapping[str, Tensor], place: str, classifier: str) -> None:
    """Loads weights into a network. Names and shapes must be those of the network.

    The weights of the classifier, which is removed, may be missing or for other classes.

    Args:
        place: names the weights in errors.
        classifier: the prefix of the names of the classifier's weights.

    Raises:
        InputError: names or shapes differ.
    """
    expected = {k: v for k, v in network.state_dict().items() if not k.startswith(classifier)}
    given = {k: v for k, v in state.items() if not k.startswith(classifier)}
    for prefix in _prefixes(
        expected
    ):  # the file may lack the prefix of the module with the classifier
        if not any(name.startswith(prefix) for name in given):
            given = {f"{prefix}{name}": tensor for name, tensor in given.items()}
    check_state(expected, given, place)
    network.load_state_dict(given, strict=False)


def _prefixes(state: Mapping[str, Tensor]) -> set[str]:
    """The common first module of all names, if there is one: `timesformer.`."""
    starts = {name.split(".")[0] for name in state}
    return {f"{starts.pop()}."} if len(starts) == 1 else set()

"""Builds the network that a training starts from, with random, downloaded or loaded weights."""

from collections.abc import Mapping
from typing import Any

from vigil.learn.networks.weights import check_state, read_state
from vigil.learn.pictures.trunk import Trunk, load_trunk
from vigil.learn.segmenter.network.interface import Segmenter
from vigil.learn.segmenter.network.registry import build_segmenter
from vigil.settings.train_segmenter import TrainSegmenter


def build_start(config: Mapping[str, Any], settings: TrainSegmenter) -> Segmenter:
    """Builds a network with its initial weights.

    Args:
        config: the configuration that the network is built from.

    Raises:
        FieldError, InputError: the weights are missing, damaged, or of another network.
    """
    file = settings.weights_file
    network = build_segmenter(
        settings.architecture,
        config,
        pretrained="none" if file else settings.weights,
        num_frozen_blocks=settings.num_frozen_blocks,
    )
    if file is None:
        return network
    state, current = read_state(file), network.state_dict()
    trunk = getattr(network, "trunk", None)
    if (
        isinstance(trunk, Trunk)
        and state.keys() != current.keys()
        and load_trunk(trunk, settings.unet.trunk, state, str(file))
    ):
        print(f"{file}: the weights of the trunk; the other weights are random")
        return network
    # By its name: an import would make torchvision's segmenters a part of the code of `unet`.
    load_published = getattr(network, "load_published", None)
    if load_published and state.keys().isdisjoint(current):
        load_published(state, str(file))
        print(f"{file}: torchvision's weights but for the last layers, which are random")
        return network
    check_state(current, state, str(file))
    network.load_state_dict(state)
    return network

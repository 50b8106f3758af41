"""Builds the network that a training starts from, with random, downloaded or loaded weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vigil.learn.cards import card_beside
from vigil.learn.networks.weights import check_state, read_state
from vigil.learn.pictures.trunk import Trunk, load_trunk
from vigil.learn.segmenter.network.interface import Segmenter
from vigil.learn.segmenter.network.registry import build_segmenter
from vigil.plumbing.errors import InputError, listed
from vigil.settings.train_segmenter import TrainSegmenter


def build_start(
    config: Mapping[str, Any], settings: TrainSegmenter, classes: Sequence[str]
) -> Segmenter:
    """Builds a network with its initial weights.

    Args:
        config: the configuration that the network is built from.
        classes: of the masks, in the order of the network's.

    Raises:
        FieldError, InputError: the weights are missing, damaged, of another network, or of other
            classes.
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
    _check_classes(file, classes)
    check_state(current, state, str(file))
    network.load_state_dict(state)
    return network


def _check_classes(file: Path, classes: Sequence[str]) -> None:
    """Checks that whole weights are of these classes, in this order, as far as anything says so."""
    card = card_beside(file)
    if card is None:
        taken = ", ".join(classes)
        print(f"{file}: no card of these weights names their classes; they are taken as {taken}")
        return
    own, given = list(classes), card.get("classes")
    if given == own:
        return
    names = [str(name) for name in given] if isinstance(given, list) else []
    without, beyond = sorted(set(own) - set(names)), sorted(set(names) - set(own))
    if without or beyond or len(names) != len(own):
        raise InputError(
            f"{file}: expected a segmenter of the {len(own)} classes of the masks, got one of "
            f"{len(names)}; missing: {listed(without)}; not of the masks: {listed(beyond)}"
        )
    at = next(at for at in range(len(own)) if own[at] != names[at])
    raise InputError(
        f"{file}: expected a segmenter of the classes in the order of the masks, got {names[at]} "
        f"in place of {own[at]}"
    )

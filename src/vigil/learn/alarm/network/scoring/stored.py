"""The files of a fitted alarm: parameters of the scorers of each channel, and tuned weights."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder, build_autoencoder
from vigil.learn.networks.weights import State, load_described, read_card
from vigil.plumbing.errors import InputError, shorten
from vigil.settings.fit_alarm import AUTOENCODER

ARCHITECTURE = "alarm"
Arrays = Mapping[str, npt.NDArray[np.float64]]


class StoredChannel(nn.Module):
    """All tensors of a channel.

    Attributes:
        width: the dimensions of a vector.
        autoencoder: ready for use; None if the channel has no autoencoder.
        tuned: weights that replace weights of the network; empty if the network was not tuned.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Args: config: the output of `channel_config`."""
        super().__init__()
        self.width = int(config["width"])
        self._scorers = list(config["scorers"])
        self.autoencoder: Autoencoder | None = None
        if AUTOENCODER in self._scorers:
            self.autoencoder = build_autoencoder(config["autoencoder"])
        self.tuned = nn.ParameterDict(
            {
                name.replace(".", "/"): nn.Parameter(torch.empty(shape), requires_grad=False)
                for name, shape in config["tuned_shapes"].items()
            }
        )
        self.learnt = nn.ModuleDict()
        for scorer, shapes in config["learnt_shapes"].items():
            arrays = nn.Module()
            for name, shape in shapes.items():
                arrays.register_buffer(name, torch.empty(shape, dtype=torch.float64))
            self.learnt[scorer] = arrays

    def arrays(self, scorer: str) -> dict[str, npt.NDArray[np.float64]]:
        """The parameters of a fitted scorer by name; empty for a scorer without parameters."""
        if scorer not in self.learnt:
            return {}
        return {name: one.numpy() for name, one in self.learnt[scorer].named_buffers()}

    def tuned_state(self) -> dict[str, Tensor]:
        """The tuned weights, by their names in the network."""
        return {name.replace("/", "."): tensor.detach() for name, tensor in self.tuned.items()}


class StoredAlarm(nn.Module):
    """All tensors of a fitted alarm, by channel.

    Attributes:
        widths: (C,) the dimensions of a vector of each channel, sorted by the channels' names.
            Because of it, a file of weights is never empty.
    """

    widths: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Args: config: the config of each channel by its name."""
        super().__init__()
        self.register_buffer("widths", torch.empty(len(config), dtype=torch.float64))
        self.channels = nn.ModuleDict({name: StoredChannel(each) for name, each in config.items()})

    def channel(self, name: str) -> StoredChannel:
        """The tensors of a channel."""
        channel = self.channels[name]
        assert isinstance(channel, StoredChannel)
        return channel


def channel_state(autoencoder: State, tuned: State, learnt: Mapping[str, Arrays]) -> State:
    """The tensors of a `StoredChannel` by name. Args: learnt: the parameters of each scorer."""
    return {
        **{f"autoencoder.{name}": tensor for name, tensor in autoencoder.items()},
        **{f"tuned.{name.replace('.', '/')}": tensor for name, tensor in tuned.items()},
        **{
            f"learnt.{scorer}.{name}": torch.from_numpy(np.ascontiguousarray(array, np.float64))
            for scorer, arrays in learnt.items()
            for name, array in arrays.items()
        },
    }


def channel_config(
    scorers: Sequence[str],
    width: int,
    autoencoder: Mapping[str, Any] | None,
    tuned: State,
    learnt: Mapping[str, Arrays],
) -> dict[str, Any]:
    """The config that builds a `StoredChannel`: shapes, and the config of the autoencoder."""
    return {
        "scorers": list(scorers),
        "width": width,
        "autoencoder": dict(autoencoder) if autoencoder else {},
        "tuned_shapes": {name: list(tensor.shape) for name, tensor in tuned.items()},
        "learnt_shapes": {
            scorer: {name: list(array.shape) for name, array in arrays.items()}
            for scorer, arrays in learnt.items()
            if arrays
        },
    }


def load_alarm(weights: Path, card_file: Path) -> tuple[StoredAlarm, dict[str, Any]]:
    """Loads a fitted alarm, ready for use, and its card.

    Raises:
        InputError: a file is missing or damaged, or the two files do not belong together.
    """
    card = read_card(card_file)
    if card["architecture"] != ARCHITECTURE:
        raise InputError(
            f"{card_file}: expected the card of an {ARCHITECTURE}, got "
            f"{shorten(card['architecture'])}"
        )
    alarm = load_described(lambda: StoredAlarm(card["config"]), card, weights, card_file)
    expected = alarm.widths.tolist()
    widths = [alarm.channel(name).width for name in sorted(alarm.channels)]
    if widths != expected:
        raise InputError(
            f"{card_file}: config: expected channels of the widths {shorten(expected)}, as its "
            f"weights have, got {shorten(widths)}"
        )
    return alarm, card

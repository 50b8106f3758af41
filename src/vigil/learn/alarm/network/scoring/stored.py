"""A fitted alarm in its files: what each scorer of each channel learnt, and tuned weights."""

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
        width: numbers of a vector.
        autoencoder: ready for use; None where the channel has none.
        tuned: weights of the network that embeds in place of its own; none where it was not tuned.
    """

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Args: config: as `channel_config` makes it."""
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
            own = nn.Module()
            for name, shape in shapes.items():
                own.register_buffer(name, torch.empty(shape, dtype=torch.float64))
            self.learnt[scorer] = own

    def arrays(self, scorer: str) -> dict[str, npt.NDArray[np.float64]]:
        """What a scorer learnt, by name; nothing of one that learns nothing."""
        if scorer not in self.learnt:
            return {}
        return {name: one.numpy() for name, one in self.learnt[scorer].named_buffers()}

    def tuned_state(self) -> dict[str, Tensor]:
        """The tuned weights by the names of the network that embeds."""
        return {name.replace("/", "."): tensor.detach() for name, tensor in self.tuned.items()}


class StoredAlarm(nn.Module):
    """All tensors of a fitted alarm, by channel.

    Attributes:
        widths: (C,) numbers of a vector of each channel, by the channels' names: a file of weights
            is never empty.
    """

    widths: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        """Args: config: of each channel by its name."""
        super().__init__()
        self.register_buffer("widths", torch.empty(len(config), dtype=torch.float64))
        self.channels = nn.ModuleDict({name: StoredChannel(own) for name, own in config.items()})

    def channel(self, name: str) -> StoredChannel:
        """The tensors of a channel."""
        own = self.channels[name]
        assert isinstance(own, StoredChannel)
        return own


def channel_state(autoencoder: State, tuned: State, learnt: Mapping[str, Arrays]) -> State:
    """The tensors of a `StoredChannel` by name, to be saved. Args: learnt: by scorer."""
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
    """What a `StoredChannel` is built from: shapes, and an autoencoder's config."""
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
        InputError: a file is missing, damaged, or the two do not fit.
    """
    card = read_card(card_file)
    if card["architecture"] != ARCHITECTURE:
        raise InputError(
            f"{card_file}: expected the card of an {ARCHITECTURE}, got "
            f"{shorten(card['architecture'])}"
        )
    return load_described(lambda: StoredAlarm(card["config"]), card, weights, card_file), card

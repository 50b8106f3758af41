"""A moving average of a network's weights, which is often better than the weights themselves.

Source: Polyak and Juditsky, "Acceleration of Stochastic Approximation by Averaging", 1992.
"""

import torch
from torch import nn


def decay_at(step: int, decay: float) -> float:
    """The decay at a step. It rises to `decay`, so that the first weights are soon forgotten."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def move_towards(average: nn.Module, network: nn.Module, share: float) -> None:
    """Moves the weights and running statistics of `average` towards those of `network`.

    Counters are copied. A weight with two names moves once.

    Args:
        share: the fraction of the way, in [0, 1].
    """
    latest, all_averages = network.state_dict(), average.state_dict()
    # One name for each weight: names of the same memory replace one another.
    names = {tensor.data_ptr(): name for name, tensor in all_averages.items()}
    averages = {name: all_averages[name] for name in names.values()}
    floats = [name for name, tensor in averages.items() if tensor.is_floating_point()]
    torch._foreach_lerp_(
        [averages[name] for name in floats], [latest[name] for name in floats], share
    )
    for name in averages.keys() - set(floats):
        averages[name].copy_(latest[name])

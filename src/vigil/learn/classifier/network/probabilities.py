"""Predictions of trained networks, a batch at a time."""

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from vigil.learn.classifier.network.data import Batch


@torch.inference_mode()
def predict_probabilities(
    model: nn.Module, batches: DataLoader[Batch], device: torch.device
) -> Tensor:
    """(N,): each sample's probability of a person, on the CPU, in the order of the batches."""
    model = model.to(device).eval()
    scored = [model(crops.to(device)).sigmoid().float().cpu() for crops, _ in batches]
    return torch.cat(scored) if scored else torch.empty(0)

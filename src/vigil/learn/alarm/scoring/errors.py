"""Reconstruction errors of vectors, a batch at a time."""

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import DataLoader

from vigil.learn.alarm.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.scoring.data import Batch


@torch.inference_mode()
def reconstruction_errors(
    model: Autoencoder, batches: DataLoader[Batch], device: torch.device
) -> npt.NDArray[np.float64]:
    """(N,): each vector's error, in the order of the batches, without dropout."""
    model = model.to(device).eval()
    scored = [model.errors(vectors.to(device)).double().cpu() for vectors, _ in batches]
    return torch.cat(scored).numpy() if scored else np.empty(0)

"""The colours that networks with a trunk expect."""

import torch
from torch import Tensor

# The mean and deviation of ImageNet, for which pretrained trunks were trained.
MEAN_RGB = (0.485, 0.456, 0.406)
STD_RGB = (0.229, 0.224, 0.225)


def normalise(pictures: Tensor) -> Tensor:
    """(B, 3, H, W) uint8 to float with ImageNet's mean and deviation, channels last."""
    mean = 255 * torch.tensor(MEAN_RGB, device=pictures.device).view(1, 3, 1, 1)
    std = 255 * torch.tensor(STD_RGB, device=pictures.device).view(1, 3, 1, 1)
    floats = pictures.to(torch.float32, memory_format=torch.channels_last)
    return floats.sub_(mean).div_(std)

"""Batch normalisation folded into the convolutions in front of it, for detecting alone.

In evaluation mode a norm is a factor and an offset for each channel, which the convolution's own
weights can hold (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", 2018, section 3.2).
"""

from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval


def fold_norms(network: nn.Module) -> None:
    """Folds the norms of a network in evaluation mode, in place.

    A norm belongs to the convolution that is declared right in front of it in the same module, as
    in all networks of torchvision. What is trained or saved must not be folded.
    """
    for module in list(network.modules()):
        for (name, conv), (next_name, norm) in pairwise(list(module.named_children())):
            if (
                isinstance(conv, nn.Conv2d)
                and isinstance(norm, nn.BatchNorm2d)
                and norm.num_features == conv.out_channels
            ):
                setattr(module, name, fuse_conv_bn_eval(conv, norm))
                setattr(module, next_name, nn.Identity())

"""The video networks of torchvision.

R(2+1)D: Tran et al., "A Closer Look at Spatiotemporal Convolutions for Action Recognition", 2018.
S3D: Xie et al., "Rethinking Spatiotemporal Feature Learning", 2018. MViTv2: Li et al., "MViTv2:
Improved Multiscale Vision Transformers", 2022. Swin3D: Liu et al., "Video Swin Transformer", 2022.
"""

from torch import nn
from torchvision.models import get_model, get_model_weights

from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts

CLASSIFIERS = {"r2plus1d_18": "fc", "s3d": "classifier", "mvit_v2_s": "head", "swin3d_t": "head"}
"""The name of the last module of each network."""


def build(name: str) -> nn.Module:
    """The whole network with random weights."""
    network: nn.Module = get_model(name, weights=None)
    return network


def cut(network: nn.Module, name: str, inputs: InputFacts) -> Backbone:
    """Removes the classifier of a network."""
    setattr(network, CLASSIFIERS[name], nn.Identity())
    return Backbone(network, inputs)


def address(name: str) -> str:
    """The address of the weights trained on Kinetics-400."""
    return str(get_model_weights(name).KINETICS400_V1.url)

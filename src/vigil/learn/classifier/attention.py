"""The attention of a trained classifier: what its last block reads from each patch.

It is computed from the network's own projections, beside the prediction. The prediction stays as it
is, to the bit.
"""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from vigil.learn.classifier.network.crop_transformer import CropTransformer
from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.plumbing.errors import InputError

Attention = npt.NDArray[np.float32]


@torch.inference_mode()
def attention_of(
    model: nn.Module, dataset: CropDataset, batch_size: int, device: torch.device
) -> Attention:
    """(N, heads, h, w): the attention to each patch, for each sample of a dataset.

    The ten crops of a sample are the channels of each patch, so one map holds for all of them.

    Raises:
        InputError: the network has no attention.
    """
    if not isinstance(model, CropTransformer):
        raise InputError(
            "expected a classifier whose attention can be shown, a crop_transformer, got "
            f"{type(model).__name__}"
        )
    parts = [
        received_attention(model, crops.to(device)).float().cpu()
        for crops, _ in batches(dataset, batch_size, shuffle_seed=None)
    ]
    return torch.cat(parts).numpy()


def received_attention(model: CropTransformer, crops: Tensor) -> Tensor:
    """(B, heads, h, w): the attention that each patch receives in the last block.

    The network has no class token. Its head sees the mean of all tokens. So the attention that a
    patch receives is the mean over all tokens that attend. A head's map sums to 1.

    Args:
        crops: (B, T, S, S) uint8, as of the network.
    """
    scaled = crops.float() / 127.5 - 1
    tokens = model.patches(scaled)  # (B, width, h, w)
    grid_hw = tokens.shape[-2:]
    tokens = tokens.flatten(2).transpose(1, 2) + model.position
    *earlier, last = model.blocks.layers
    for block in earlier:
        tokens = block(tokens)
    attention: Tensor = _weights(last.norm1(tokens), last.self_attn).mean(dim=2)
    return attention.view(*attention.shape[:2], *grid_hw)


def _weights(tokens: Tensor, attention: nn.MultiheadAttention) -> Tensor:
    """(B, heads, tokens, tokens): how much each token (dimension 2) attends to each other one."""
    width, heads = attention.embed_dim, attention.num_heads
    projected = nn.functional.linear(
        tokens, attention.in_proj_weight[: 2 * width], attention.in_proj_bias[: 2 * width]
    )
    queries, keys = (
        part.unflatten(2, (heads, -1)).transpose(1, 2) for part in projected.split(width, dim=2)
    )
    weights: Tensor = (queries @ keys.transpose(2, 3) / (width // heads) ** 0.5).softmax(dim=3)
    return weights

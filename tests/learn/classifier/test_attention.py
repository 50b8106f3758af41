"""The crop transformer's attention, against torch's own and against what the block computes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from vigil.domain.samples.attention import NAME, read_attention, write_attention
from vigil.domain.samples.index import array_path, write_index
from vigil.learn.classifier.attention import attention_of, received_attention
from vigil.learn.classifier.network.crop_transformer import CropTransformer
from vigil.learn.classifier.network.data import CropDataset
from vigil.plumbing.errors import InputError

CONFIG = {
    "num_frames": 3, "size_px": 20, "patch_px": 5, "width": 16, "num_heads": 4, "mlp_width": 16,
    "dropout": 0.3,
}  # fmt: skip


def model_of(depth: int) -> CropTransformer:
    torch.manual_seed(0)
    model = CropTransformer(**CONFIG, depth=depth).eval()
    for weight in model.parameters():
        weight.data.add_(torch.randn_like(weight) * 0.2)
    return model


def crops_of(num: int) -> torch.Tensor:
    rng = np.random.default_rng(0)
    return torch.from_numpy(rng.integers(0, 256, (num, 3, 20, 20), np.uint8))


@pytest.mark.parametrize("depth", [1, 3])
@torch.inference_mode()
def test_it_is_what_torchs_attention_says_in_the_last_block(depth: int):
    model, crops = model_of(depth), crops_of(5)
    seen = []
    last = model.blocks.layers[-1]
    hook = last.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    model(crops)
    hook.remove()
    tokens = last.norm1(seen[0])
    _, weights = last.self_attn(tokens, tokens, tokens, average_attn_weights=False)
    expected = weights.mean(dim=2).unflatten(2, (4, 4))
    attention = received_attention(model, crops)
    torch.testing.assert_close(attention, expected, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(attention.sum((2, 3)), torch.ones(5, 4))
    assert expected.std() > 1e-3


@torch.inference_mode()
def test_the_weights_give_what_the_head_reads():
    """The mean of the block's outputs is the values, weighted by these maps."""
    model, crops = model_of(1), crops_of(4)
    (block,) = model.blocks.layers
    tokens = model.patches(crops.float() / 127.5 - 1).flatten(2).transpose(1, 2) + model.position
    normed = block.norm1(tokens)
    attended, _ = block.self_attn(normed, normed, normed)
    own = block.self_attn
    values = nn.functional.linear(normed, own.in_proj_weight[32:], own.in_proj_bias[32:])
    maps = received_attention(model, crops).flatten(2)  # (B, heads, tokens)
    read = torch.einsum("bht,bthd->bhd", maps, values.unflatten(2, (4, 4))).flatten(1)
    torch.testing.assert_close(own.out_proj(read), attended.mean(dim=1), atol=1e-5, rtol=1e-4)


@torch.inference_mode()
def test_it_leaves_the_prediction_as_it_is():
    model, crops = model_of(2), crops_of(6)
    before = model(crops)
    received_attention(model, crops)
    assert torch.equal(model(crops), before)


def dataset_of(folder: Path, num: int) -> CropDataset:
    np.save(array_path(folder, "a.mp4"), crops_of(num).numpy())
    row = {"label": "person", "track": "t", "num_frames": 3, "width_px": 9.0, "height_px": 9.0}
    rows = [{"video": "a.mp4", "row": at, "first_frame": at, **row} for at in range(num)]
    write_index(pd.DataFrame(rows), folder)
    return CropDataset(folder, [f"a.mp4/{at}" for at in reversed(range(num))])


def test_a_data_set_gives_its_maps_in_its_order(tmp_path: Path):
    model, dataset = model_of(1), dataset_of(tmp_path, 7)
    maps = attention_of(model, dataset, 3, torch.device("cpu"))
    expected = received_attention(model, crops_of(7).flip(0)).detach().numpy()
    np.testing.assert_allclose(maps, expected, atol=1e-6)


def test_a_network_without_attention_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="expected a classifier whose attention can be shown"):
        attention_of(nn.Linear(2, 2), dataset_of(tmp_path, 2), 2, torch.device("cpu"))


def test_maps_on_disk(tmp_path: Path):
    maps = np.random.default_rng(0).random((3, 2, 4, 4)).astype(np.float32)
    write_attention(maps, tmp_path)
    assert np.array_equal(read_attention(tmp_path, 3), maps.astype(np.float16))


BAD = {
    "another number of samples": (lambda f: None, 4, r"expected \(4, heads, h, w\) float16, got"),
    "another kind": (lambda f: np.save(f, np.zeros((3, 1, 2, 2))), 3, "float16, got .* float64"),
    "no array": (lambda f: f.write_text("x"), 3, "expected maps of attention, got: "),
    "no file": (lambda f: f.unlink(), 3, "expected maps of attention, found no such file"),
    "negative ones": (
        lambda f: np.save(f, np.full((3, 1, 2, 2), -1, np.float16)), 3, "expected finite, positive",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_other_files_of_maps_are_refused(case: str, tmp_path: Path):
    damage, num, expected = BAD[case]
    write_attention(np.full((3, 2, 4, 4), 0.1, np.float32), tmp_path)
    damage(tmp_path / NAME)
    with pytest.raises(InputError, match=expected):
        read_attention(tmp_path, num)

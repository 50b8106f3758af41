"""Segmenters: shapes, odd sizes, batches, saved models, and four pictures learnt by heart."""

from itertools import pairwise
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch

from vigil.domain.measures.segmenter import confusion_of, mean_iou
from vigil.learn.networks.machine import prepare_torch, seed_torch
from vigil.learn.networks.weights import save_model
from vigil.learn.pictures.trunk import TRUNKS
from vigil.learn.segmenter.network.interface import Segmenter, enlarge
from vigil.learn.segmenter.network.predicting import Prediction
from vigil.learn.segmenter.network.registry import build_segmenter, load_segmenter
from vigil.learn.segmenter.network.upsampling import UPSAMPLINGS
from vigil.learn.segmenter.trained import TrainedSegmenter
from vigil.learn.segmenter.training.losses import cross_entropy
from vigil.pixels.canvases import fitted_size, tiles_of
from vigil.pixels.fitting import fit_within, letterbox
from vigil.plumbing.errors import FieldError, InputError
from vigil.runtime.segmenting import best_classes
from vigil.settings.train_segmenter import TorchvisionArchitecture, UpsamplingName

PLAIN: dict[str, Any] = {
    "num_classes": 3, "trunk": "plain", "width": 4, "upsampling": "bilinear", "finest_stride": 1,
    "sees_all": True,
}  # fmt: skip
SMALL_TRUNK = {**PLAIN, "trunk": "shufflenet_v2_x0_5", "width": 8, "finest_stride": 2}


def build(architecture: str, config: dict[str, Any]) -> Segmenter:
    prepare_torch()
    seed_torch(0)
    return build_segmenter(architecture, config)


def pictures(num: int, size_hw: tuple[int, int]) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.randint(256, (num, 3, *size_hw), generator=generator, dtype=torch.uint8)


def test_every_name_of_the_settings_can_be_built():
    assert set(UPSAMPLINGS) == set(get_args(UpsamplingName))
    with pytest.raises(FieldError, match="architecture: expected one of"):
        build_segmenter("transformer", {"num_classes": 2})


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
@pytest.mark.parametrize("config", [PLAIN, SMALL_TRUNK], ids=["plain", "shufflenet"])
@pytest.mark.parametrize("size_hw", [(37, 53), (64, 32)])
def test_odd_sizes_fit_and_a_batch_is_its_pictures(
    upsampling: str, config: dict[str, Any], size_hw: tuple[int, int]
):
    network = build("unet", {**config, "upsampling": upsampling}).eval()
    both = pictures(2, size_hw)
    before = both.clone()
    with torch.inference_mode():
        together = network(both)
        alone = torch.cat([network(both[:1]), network(both[1:])])
    assert together.shape == (2, 3, *size_hw)
    assert together.dtype == torch.float32
    assert (both == before).all()
    torch.testing.assert_close(together, alone, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_an_enlarged_map_lies_where_the_map_lay(upsampling: str):
    """A bright cell stays over the pixels that it stands for."""
    layer = UPSAMPLINGS[upsampling](1, 1, 1)
    for weight in layer.parameters():
        torch.nn.init.constant_(weight, 1.0 if weight.dim() > 1 else 0.0)
    deep, skip = torch.zeros(1, 1, 4, 3), torch.zeros(1, 1, 7, 5)
    deep[0, 0, 2, 1] = 1.0
    with torch.inference_mode():
        found = layer(deep, skip)[0, 0]
    assert found.shape == (7, 5)
    rows, columns = torch.nonzero(found == found.max(), as_tuple=True)
    assert rows.float().mean() == pytest.approx(4.5, abs=0.6)
    assert columns.float().mean() == pytest.approx(2.5, abs=0.6)


@pytest.mark.parametrize("trunk", ["vgg11_bn", "densenet121", "convnext_tiny", "regnet_y_400mf"])
def test_trunks_that_round_down_fit_odd_sizes(trunk: str):
    assert trunk in TRUNKS
    network = build("unet", {**SMALL_TRUNK, "trunk": trunk}).eval()
    with torch.inference_mode():
        assert network(pictures(1, (41, 70))).shape == (1, 3, 41, 70)


def test_the_finest_stride_is_that_of_the_scores():
    for stride, sides in ((1, (40, 56)), (2, (20, 28)), (4, (10, 14))):
        network = build("unet", {**SMALL_TRUNK, "finest_stride": stride}).eval()
        with torch.inference_mode():
            assert network.maps(pictures(1, (40, 56)))["main"].shape[-2:] == sides


def test_a_saved_model_predicts_the_same(tmp_path: Path):
    network = build("unet", PLAIN).eval()
    card = {"architecture": "unet", "config": PLAIN}
    save_model(network.state_dict(), card, tmp_path / "w.safetensors", tmp_path / "c.json")
    again = load_segmenter(tmp_path / "w.safetensors", tmp_path / "c.json")
    with torch.inference_mode():
        assert (network(pictures(1, (32, 32))) == again(pictures(1, (32, 32)))).all()
    other = {"architecture": "unet", "config": {**PLAIN, "width": 8}}
    save_model(network.state_dict(), other, tmp_path / "w.safetensors", tmp_path / "c.json")
    with pytest.raises(InputError, match="expected the shape"):
        load_segmenter(tmp_path / "w.safetensors", tmp_path / "c.json")


def test_tiles_cover_a_picture_and_overlap_as_asked():
    for side, tile, overlap in ((100, 40, 0.25), (41, 40, 0.0), (30, 40, 0.5)):
        spans = [(x1, x2) for x1, _, x2, _ in tiles_of((side, 10), (tile, 10), overlap)]
        covered = np.zeros(side, int)
        for start, stop in spans:
            covered[start:stop] += 1
        assert covered.min() >= 1
        assert all(stop - start == min(side, tile) for start, stop in spans)
        shared = [before[1] - after[0] for before, after in pairwise(spans)]
        assert all(one >= overlap * tile - 1 for one in shared)


def test_a_picture_of_one_tile_is_predicted_as_the_network_predicts_it():
    network = build("unet", PLAIN).eval()
    picture = pictures(1, (32, 40))[0].permute(1, 2, 0).numpy()
    how = Prediction((40, 32), "tiled", "ce", "32-true")
    found = TrainedSegmenter(network, "abc", "", how)(picture)
    with torch.inference_mode():
        logits = network(torch.from_numpy(picture).permute(2, 0, 1)[None])
    assert (found.classes == logits.argmax(dim=1)[0].numpy()).all()
    assert found.scores.max() <= 1


def scored(network: Segmenter, canvas: np.ndarray, loss: str) -> torch.Tensor:
    """(C, H, W): the scores of one canvas."""
    with torch.inference_mode():
        logits = network(torch.from_numpy(canvas)[None].movedim(-1, 1))[0]
    return logits.sigmoid() if loss == "bce" else logits.softmax(dim=0)


@pytest.mark.parametrize("loss", ["ce", "bce"])
def test_scores_are_averaged_where_tiles_overlap(loss: str):
    """Each pixel has the mean of the scores of the tiles that it lies on."""
    network = build("unet", PLAIN).eval()
    torch.nn.init.normal_(network.classify.weight, std=2.0)
    picture = np.ascontiguousarray(pictures(1, (50, 37))[0].permute(1, 2, 0).numpy())
    segmenter = TrainedSegmenter(network, "abc", "", Prediction((24, 16), "tiled", loss, "32-true"))
    (found,) = segmenter.segment_batch([picture], batch_size=3, tile_overlap=0.5)
    tiles = tiles_of((37, 50), (24, 16), 0.5)
    assert len(tiles) > 6
    parts = [scored(network, picture[y1:y2, x1:x2], loss) for x1, y1, x2, y2 in tiles]
    expected = np.zeros((3, 50, 37))
    for y in range(50):
        for x in range(37):
            expected[:, y, x] = np.mean(
                [part[:, y - y1, x - x1].numpy()
                 for part, (x1, y1, x2, y2) in zip(parts, tiles, strict=True)
                 if y1 <= y < y2 and x1 <= x < x2], axis=0,
            )  # fmt: skip
    np.testing.assert_allclose(found.scores, expected.max(axis=0), atol=1e-4)
    assert (found.classes != expected.argmax(axis=0)).mean() < 0.01
    assert len(np.unique(found.classes)) > 1


@pytest.mark.parametrize("size_hw", [(50, 90), (7, 9), (200, 31)])
def test_scores_of_a_resized_picture_are_those_of_its_part_of_the_canvas(size_hw: tuple[int, int]):
    network = build("unet", PLAIN).eval()
    torch.nn.init.normal_(network.classify.weight, std=2.0)
    picture = np.ascontiguousarray(pictures(1, size_hw)[0].permute(1, 2, 0).numpy())
    how = Prediction((40, 32), "resized", "ce", "32-true")
    found = TrainedSegmenter(network, "abc", "", how)(picture)
    height, width = fit_within(picture, (40, 32))[0].shape[:2]
    assert fitted_size((size_hw[1], size_hw[0]), (40, 32)) == (width, height)
    scores = scored(network, letterbox(picture, (40, 32))[0], "ce")[:, :height, :width]
    expected = torch.nn.functional.interpolate(scores[None], size_hw, mode="bilinear")[0]
    np.testing.assert_allclose(found.scores, expected.amax(dim=0).numpy(), atol=1e-4)
    assert (found.classes != expected.argmax(dim=0).numpy()).mean() < 0.01


def test_of_equal_scores_the_first_class_counts():
    scores = np.array([[0.2, 0.5, 0.1], [0.4, 0.5, 0.1], [0.4, 0.0, 0.8]], np.float32)[:, None]
    found = best_classes(scores)
    assert found.classes.tolist() == [[1, 0, 2]]
    assert found.scores.tolist() == scores.max(axis=0).tolist()
    assert scores[0, 0].tolist() == [np.float32(x) for x in (0.2, 0.5, 0.1)], "left as it is"


def learn_by_heart(network: Segmenter, num_steps: int, size_hw: tuple[int, int]) -> float:
    """Trains on four pictures of shapes; returns the mean IoU on them."""
    truth = torch.zeros(4, *size_hw, dtype=torch.int64)
    height, width = size_hw
    for number in range(4):
        truth[number, height // 8 : height // 2, number * width // 8 :][:, : width // 3] = 1
        truth[number, 5 * height // 8 : 7 * height // 8, width // 4 : 3 * width // 4] = 2
    colours = torch.tensor([[60, 60, 60], [220, 40, 40], [40, 40, 220]], dtype=torch.uint8)
    shown = colours[truth].permute(0, 3, 1, 2).contiguous()
    optimiser = torch.optim.AdamW(network.parameters(), 5e-3)
    network.train()
    for _ in range(num_steps):
        maps = network.maps(shown)
        loss = cross_entropy(enlarge(maps["main"], size_hw), truth)
        if "auxiliary" in maps:
            loss = loss + 0.5 * cross_entropy(enlarge(maps["auxiliary"], size_hw), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    # In training mode: after so few steps, the norms' running statistics are not those of a batch.
    with torch.inference_mode():
        found = enlarge(network.maps(shown)["main"], size_hw).argmax(dim=1)
    confusion = confusion_of(truth.numpy().astype(np.uint8), found.numpy().astype(np.uint8), 3)
    return mean_iou(confusion)


@pytest.mark.parametrize("upsampling", UPSAMPLINGS)
def test_a_small_network_learns_four_pictures_by_heart(upsampling: str):
    network = build("unet", {**PLAIN, "width": 8, "upsampling": upsampling})
    assert learn_by_heart(network, 60, (32, 32)) >= 0.95


@pytest.mark.slow
@pytest.mark.parametrize("architecture", get_args(TorchvisionArchitecture))
def test_every_architecture_learns_four_pictures_by_heart(architecture: str):
    network = build(architecture, {"num_classes": 3})
    assert learn_by_heart(network, 80, (128, 128)) >= 0.95

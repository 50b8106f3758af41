"""The crop transformer, its data and its augmentation."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_settings import shipped

from vigil.domain.samples.index import (
    BACKGROUND,
    INDEX_DTYPES,
    LABELS,
    PERSON,
    array_path,
    write_index,
)
from vigil.learn.classifier.network.crop_transformer import CropTransformer
from vigil.learn.classifier.network.data import CropDataset, batches
from vigil.learn.classifier.network.registry import build_classifier, load_classifier
from vigil.learn.classifier.trained import TrainedClassifier
from vigil.learn.classifier.training.augmentation import CropAugmentation
from vigil.learn.classifier.training.module import ClassifierTraining
from vigil.learn.networks.machine import choose_device, seed_torch
from vigil.learn.networks.order import EpochSampler
from vigil.learn.networks.weights import save_model
from vigil.plumbing.errors import InputError
from vigil.settings.train_classifier import TrainClassifier

CONFIG = {
    "num_frames": 3,
    "size_px": 10,
    "patch_px": 5,
    "width": 8,
    "depth": 2,
    "num_heads": 2,
    "mlp_width": 16,
    "dropout": 0.1,
}


@pytest.fixture
def model() -> CropTransformer:
    torch.manual_seed(0)
    return CropTransformer(**CONFIG).eval()


@pytest.fixture
def samples(tmp_path: Path) -> Path:
    folder = tmp_path / "samples"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = []
    for video, number in (("a.mp4", 5), ("b c.avi", 7)):
        np.save(array_path(folder, video), rng.integers(0, 256, (number, 3, 10, 10), np.uint8))
        for row in range(number):
            label = PERSON if row % 2 else BACKGROUND
            rows.append([video, row, label, "t" if row % 2 else "", row, 3, 9.0, 10.0])
    write_index(pd.DataFrame(rows, columns=list(INDEX_DTYPES)), folder)
    return folder


def test_the_head_sees_features_pooled_over_tokens_alone(model):
    """Pooled over features too, the head would get one number."""
    assert model.head[0].in_features == CONFIG["width"]
    tokens = torch.randn(2, 4, 8)
    with torch.no_grad():
        pooled = model.blocks(tokens).mean(dim=1)
    assert pooled.shape == (2, 8)


def test_attention_weights_sum_to_one_over_keys(model):
    attention = model.blocks.layers[0].self_attn
    tokens = torch.randn(2, 4, 8)
    _, weights = attention(tokens, tokens, tokens, need_weights=True)
    assert torch.allclose(weights.sum(dim=-1), torch.ones(2, 4), atol=1e-6)
    assert not torch.allclose(weights.sum(dim=-2), torch.ones(2, 4), atol=1e-3)


def test_position_matters(model):
    crops = torch.zeros(1, 3, 10, 10)
    crops[:, :, :5, :5] = 200
    assert not torch.allclose(model(crops), model(crops.flip(3)))


def test_a_batch_equals_its_samples_one_by_one(model):
    crops = torch.randint(0, 256, (6, 3, 10, 10), dtype=torch.uint8)
    with torch.inference_mode():
        together = model(crops)
        alone = torch.cat([model(crop[None]) for crop in crops])
    assert together.shape == (6,)
    assert torch.allclose(together, alone, atol=1e-5)


def test_blocks_start_out_different(model):
    first, second = model.blocks.layers
    assert not torch.equal(first.linear1.weight, second.linear1.weight)


def test_wrong_shapes_are_refused(model):
    with pytest.raises(ValueError, match=r"crops must have the shape \(B, 3, 10, 10\)"):
        model(torch.zeros(1, 3, 10, 11))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"patch_px": 4}, "patch_px: expected a divisor"), ({"num_heads": 3}, "num_heads: expected")],
)
def test_impossible_configurations_are_refused(change, message):
    with pytest.raises(InputError, match=message):
        build_classifier("crop_transformer", CONFIG | change)


def test_an_unknown_architecture_lists_the_known():
    with pytest.raises(InputError, match=r"one of crop_transformer, got 'resnet'"):
        build_classifier("resnet", CONFIG)


def test_a_saved_model_predicts_the_same(model, tmp_path):
    weights, card = tmp_path / "m.safetensors", tmp_path / "m.json"
    save_model(
        model.state_dict(), {"architecture": "crop_transformer", "config": CONFIG}, weights, card
    )
    crops = torch.randint(0, 256, (4, 3, 10, 10), dtype=torch.uint8)
    with torch.inference_mode():
        assert torch.equal(load_classifier(weights, card)(crops), model(crops))


def test_weights_that_do_not_fit_are_refused(model, tmp_path):
    weights, card = tmp_path / "m.safetensors", tmp_path / "m.json"
    save_model(
        model.state_dict(),
        {"architecture": "crop_transformer", "config": CONFIG | {"width": 16}},
        weights,
        card,
    )
    with pytest.raises(InputError, match=r"expected the shape \(.*16.*\), got \(.*8.*\)"):
        load_classifier(weights, card)
    weights.write_bytes(b"\x80\x04 not safetensors")
    with pytest.raises(InputError, match="expected safetensors"):
        load_classifier(weights, card)
    weights.unlink()
    with pytest.raises(InputError, match="found no such file"):
        load_classifier(weights, card)


def test_batches_hold_the_stored_samples_in_the_order_asked_for(samples):
    ids = ["b c.avi/6", "a.mp4/0", "b c.avi/1", "a.mp4/3"]
    crops, targets = next(iter(batches(CropDataset(samples, ids), 10, shuffle_seed=None)))
    for crop, target, name in zip(crops, targets, ids, strict=True):
        video, row = name.rsplit("/", 1)
        stored = np.load(array_path(samples, video))[int(row)]
        assert np.array_equal(crop.numpy(), stored)
        assert target == int(row) % 2


def test_shuffled_batches_hold_every_sample_once_and_differ_by_epoch(samples):
    ids = [f"a.mp4/{i}" for i in range(5)] + [f"b c.avi/{i}" for i in range(7)]
    loader = batches(CropDataset(samples, ids), 5, shuffle_seed=1)
    epochs = []
    for epoch in (0, 1, 0):
        loader.sampler.set_epoch(epoch)
        epochs.append(torch.cat([crops for crops, _ in loader]))
    assert torch.equal(epochs[0], epochs[2])
    assert not torch.equal(epochs[0], epochs[1])
    sums = [sorted(epoch.sum(dim=(1, 2, 3)).tolist()) for epoch in epochs]
    assert sums[0] == sums[1]
    assert len(sums[0]) == 12


def test_an_unknown_sample_is_named(samples):
    with pytest.raises(InputError, match=r"found no a\.mp4/9"):
        CropDataset(samples, ["a.mp4/0", "a.mp4/9"])


def test_an_array_that_does_not_fit_its_index_is_refused(samples):
    np.save(array_path(samples, "a.mp4"), np.zeros((2, 3, 10, 10), np.uint8))
    with pytest.raises(InputError, match=r"a\.mp4\.npy: does not fit"):
        CropDataset(samples, ["a.mp4/0", "a.mp4/3"])


@given(st.integers(1, 40), st.integers(0, 5), st.integers(0, 5))
def test_the_sampler_permutes(num_samples, seed, epoch):
    sampler = EpochSampler(num_samples, seed)
    sampler.set_epoch(epoch)
    assert sorted(sampler) == list(range(num_samples))


def test_predictions_are_probabilities_in_order(model, samples):
    dataset = CropDataset(samples, ["a.mp4/0", "b c.avi/2", "a.mp4/4"])
    trained = TrainedClassifier(model, (3, 10, 10), LABELS)
    together, split = (trained.predict_all(dataset, batch_size=size) for size in (3, 2))
    assert together.shape == (3,)
    assert ((together > 0) & (together < 1)).all()
    np.testing.assert_allclose(together, split, atol=1e-6)
    stored = [
        np.load(array_path(samples, video))[row]
        for video, row in (("a.mp4", 0), ("b c.avi", 2), ("a.mp4", 4))
    ]
    np.testing.assert_allclose(trained(np.stack(stored)), together, atol=1e-6)
    np.testing.assert_allclose(
        together,
        [torch.sigmoid(model(torch.from_numpy(one)[None])).item() for one in stored],
        atol=1e-6,
    )


NO_CHANGE = {
    "flip_probability": 0.0,
    "max_shift_px": 0.0,
    "max_scale": 1.0,
    "max_brightness": 0.0,
    "max_contrast": 0.0,
    "noise": 0.0,
}
STRONG = {
    "flip_probability": 0.5,
    "max_shift_px": 2.0,
    "max_scale": 1.3,
    "max_brightness": 0.3,
    "max_contrast": 0.5,
    "noise": 0.05,
}


def augmentation(told: dict[str, float], **changes: float) -> CropAugmentation:
    return CropAugmentation(shipped(TrainClassifier, augmentation=told | changes).augmentation)


def test_no_augmentation_changes_nothing():
    crops = torch.randint(0, 256, (4, 3, 10, 10), dtype=torch.uint8)
    assert torch.allclose(augmentation(NO_CHANGE)(crops), crops.float(), atol=1e-4)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**31))
def test_augmented_crops_stay_in_range_and_padding_stays_zero(seed):
    seed_torch(seed)
    crops = torch.randint(1, 256, (3, 2, 12, 12), dtype=torch.uint8)
    crops[:, :, :, :4] = 0
    changed = augmentation(STRONG)(crops)
    assert changed.min() >= 0
    assert changed.max() <= 255 + 1e-3  # sampling between pixels rounds
    moves = {"flip_probability": 0.0, "max_shift_px": 0.0, "max_scale": 1.0}
    still = augmentation(STRONG, **moves)(crops)
    assert (still[:, :, :, :4] == 0).all()


def test_all_frames_of_a_sample_change_alike():
    seed_torch(1)
    frame = torch.randint(1, 256, (8, 1, 12, 12), dtype=torch.uint8)
    changed = augmentation(STRONG, noise=0.0)(frame.repeat(1, 4, 1, 1))
    assert torch.allclose(changed, changed[:, :1].expand_as(changed))
    assert not torch.allclose(changed[:, :1], frame.float())


def test_a_flip_is_a_mirror_image():
    seed_torch(0)
    crops = torch.randint(1, 256, (16, 1, 6, 6), dtype=torch.uint8)
    changed = augmentation(NO_CHANGE, flip_probability=0.5)(crops)
    same = (changed == crops).all(dim=(1, 2, 3))
    mirrored = (changed == crops.flip(3)).all(dim=(1, 2, 3))
    assert (same | mirrored).all()
    assert same.any()
    assert mirrored.any()


@pytest.mark.parametrize("name", ["gpu", "cuda:99", "mps", "cuda:x"])
def test_a_device_that_is_not_there_is_an_error(name, monkeypatch):
    monkeypatch.setenv("VIGIL_DEVICE", name)
    with pytest.raises(InputError, match="VIGIL_DEVICE: expected"):
        choose_device()


def test_seeds_and_steps_do_not_meet():
    drawn = set()
    for seed in range(20):
        for step in range(20):
            seed_torch(seed, step)
            drawn.add(torch.rand(1).item())
    assert len(drawn) == 400


def test_smoothed_targets_move_the_training_loss_alone(model, monkeypatch):
    told = shipped(TrainClassifier, label_smoothing=0.2, augmentation=NO_CHANGE)
    monkeypatch.setattr(ClassifierTraining, "log_dict", lambda self, *_, **__: None)
    crops = torch.randint(0, 256, (4, 3, 10, 10), dtype=torch.uint8)
    targets = torch.tensor([0.0, 1.0, 1.0, 0.0])
    loss = ClassifierTraining(model, told).training_step((crops, targets), 0)
    p = model(crops).sigmoid()
    soft = torch.tensor([0.1, 0.9, 0.9, 0.1])
    by_hand = -(soft * p.log() + (1 - soft) * (1 - p).log()).mean()
    assert loss.item() == pytest.approx(by_hand.item(), rel=1e-4)

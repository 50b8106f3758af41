"""RF-DETR and D-FINE by transformers: no hub, empty pictures, files, and that they learn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_detectors import build, draw
from tiny_overfit import overfit
from tiny_settings import shipped

from vigil.learn.detector.network.class_rows import with_rows
from vigil.learn.detector.network.registry import load_detector
from vigil.learn.detector.network.tensors import Objects, pad_objects
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.networks.weights import read_state, save_model
from vigil.plumbing.errors import InputError
from vigil.settings.train_detector import TrainDetector

SMALL = {
    "dfine_n": {"num_queries": 20, "decoder_layers": 2, "num_denoising": 10},
    "rfdetr_nano": {
        "num_queries": 20,
        "decoder_layers": 2,
        "group_detr": 2,
        "image_px": 96,
        "backbone_config": {
            "hidden_size": 48,
            "num_attention_heads": 3,
            "num_hidden_layers": 4,
            "out_indices": [2, 4],
            "num_windows": 1,
        },
    },
}
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("asked a network"))


def small(architecture: str) -> torch.nn.Module:
    return build(architecture, changes=SMALL[architecture])


@pytest.mark.parametrize("architecture", SMALL)
def test_pictures_without_objects_train(architecture: str):
    pictures, objects = draw(2)
    nothing = Objects(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0).bool())
    model = small(architecture).train()
    for truth in (pad_objects([nothing, objects[1]]), pad_objects([nothing, nothing])):
        losses = model.losses(pictures, truth)
        assert all(torch.isfinite(loss) for loss in losses.values())
        sum(losses.values()).backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("architecture", SMALL)
def test_the_same_seed_gives_the_same_losses(architecture: str):
    pictures, objects = draw(2)
    model = small(architecture).train()
    totals = []
    for _ in range(2):
        torch.manual_seed(3)
        totals.append(float(model.losses(pictures, pad_objects(objects))["set"].detach()))
    assert totals[0] == totals[1]


@pytest.mark.parametrize("architecture", SMALL)
def test_a_batch_equals_its_pictures_one_by_one_and_a_file_gives_it_again(
    architecture: str, tmp_path: Path
):
    pictures, _ = draw(3)
    model = small(architecture).eval()
    config = {"num_classes": 2, "changes": SMALL[architecture]}
    card = {"architecture": architecture, "config": config}
    files = tmp_path / "w.safetensors", tmp_path / "c.json"
    save_model(model.state_dict(), card, *files)
    loaded = load_detector(*files)
    with torch.inference_mode():
        together = model.candidates(pictures)
        again = loaded.candidates(pictures)
        for number, one in enumerate(together):
            (alone,) = model.candidates(pictures[number : number + 1])
            assert len(one.scores) > 0
            assert torch.allclose(one.scores, alone.scores, atol=1e-4)
            assert torch.equal(one.scores, again[number].scores)
            assert (one.boxes >= 0).all()
            assert (one.boxes[:, 2:] <= torch.tensor([96, 64])).all()


@pytest.mark.parametrize(
    ("architecture", "masks"), [("dfine_n", False), ("rfdetr_nano", False), ("rfdetr_nano", True)]
)
def test_they_detect_in_any_precision(architecture: str, masks: bool):
    """They compute in 32 bits, whatever the precision, as `auto` is bfloat16 on many machines."""
    pictures, _ = draw(2)
    rgb = [np.ascontiguousarray(one.permute(1, 2, 0).numpy()) for one in pictures]
    size_wh = (pictures.shape[3], pictures.shape[2])
    found = {}
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(4)
        options = {"masks": True} if masks else {}
        model = build(architecture, changes=SMALL[architecture], **options).eval()
        detector = TrainedDetector(model, ("a", "b"), size_wh, precision)  # type: ignore[arg-type]
        found[precision] = detector.detect_batch(rgb)
    for one, other in zip(*found.values(), strict=True):
        assert len(one)
        assert np.array_equal(one.boxes_xyxy, other.boxes_xyxy)
        assert (one.masks is not None) == masks


def test_weights_of_other_classes_fit_all_but_the_scores():
    model = small("dfine_n")
    before = model.state_dict()["network.class_embed.0.weight"].clone()
    other = build("dfine_n", seed=1, num_classes=5, changes=SMALL["dfine_n"])
    published = {
        key.removeprefix("network."): tensor
        for key, tensor in other.state_dict().items()
        if not key.endswith("num_batches_tracked")
    }
    model.load_state_dict(with_rows(model, model.named_as_here(published), {0: 3}))
    name = "network.model.backbone.model.embedder.stem1.convolution.weight"
    assert torch.equal(model.state_dict()[name], other.state_dict()[name])
    taken, given = (one.state_dict()["network.class_embed.0.weight"] for one in (model, other))
    assert torch.equal(taken[0], given[3])
    assert torch.equal(taken[1], before[1])


@pytest.mark.parametrize("architecture", SMALL)
def test_files_that_transformers_writes_are_read_as_it_reads_them(
    architecture: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """They have other names than the network, and lack what is the same tensor twice."""
    theirs = build(architecture, seed=1, num_classes=5, changes=SMALL[architecture]).eval()
    theirs.network.save_pretrained(tmp_path)
    state = read_state(tmp_path / "model.safetensors")
    own = build(architecture, seed=2, num_classes=5, changes=SMALL[architecture]).eval()
    assert not theirs.state_dict().keys() <= {f"network.{key}" for key in state}
    before = torch.random.get_rng_state()
    capsys.readouterr()
    named = own.named_as_here(state)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert named.keys() == theirs.state_dict().keys()
    assert all(torch.equal(named[key], one) for key, one in theirs.state_dict().items())
    own.load_state_dict(with_rows(own, named, {number: number for number in range(5)}))
    pictures, _ = draw(2)
    with torch.no_grad():
        mine, other = (one.network(pixel_values=one._prepare(pictures)) for one in (own, theirs))
    assert torch.allclose(mine.pred_boxes, other.pred_boxes, atol=1e-5)
    assert torch.allclose(mine.logits, other.logits, atol=1e-5)
    fewer = build(architecture, num_classes=2, changes=SMALL[architecture]).named_as_here(state)
    assert all(torch.equal(fewer[key], one) for key, one in named.items())
    assert capsys.readouterr().err == ""


def test_weights_of_another_network_keep_their_names(tmp_path: Path):
    small("rfdetr_nano").network.save_pretrained(tmp_path)
    state = read_state(tmp_path / "model.safetensors")
    other = small("dfine_n").named_as_here(state)
    assert {f"network.{key}" for key in state} <= other.keys()
    fewer = dict(list(state.items())[:-3])
    assert (
        not small("rfdetr_nano").state_dict().keys()
        <= small("rfdetr_nano").named_as_here(fewer).keys()
    )


@pytest.mark.parametrize(
    "changes", [{"backbone": "hub/name"}, {"backbone_config": {"_name_or_path": "there"}}]
)
def test_a_card_changes_sizes_alone(changes: dict):
    with pytest.raises(ValueError, match="only sizes may be changed, but got"):
        build("dfine_n", changes=changes)


@pytest.mark.slow
@pytest.mark.parametrize("architecture", SMALL)
def test_they_overfit_eight_pictures(architecture: str):
    model = small(architecture)
    assert overfit(model, *draw(8), rate=1e-3, batch_size=8, num_steps=1000) >= 0.95


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"weights": "coco"}, r"expected weights to be none or a file for rfdetr_nano, got coco"),
        ({"input_size_wh": [96, 64]}, r"at least 300 cells of 16 px for rfdetr_nano, got 96x64"),
        (
            {"num_frozen_blocks": 1, "weights": "w.pth"},
            r"expected num_frozen_blocks to be 0 for rf",
        ),
        ({"monitor": "val_loss"}, r"expected monitor to be val_map for rfdetr_nano"),
    ],
)
def test_what_they_do_not_have_is_refused(changes: dict, expected: str):
    with pytest.raises(InputError, match=expected):
        shipped(TrainDetector, architecture="rfdetr_nano", **changes)

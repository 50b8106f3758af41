"""The losses of detectors in shards: divided by the places or objects of the whole batch."""

from pathlib import Path

import pytest
import torch
from tiny_detectors import SIZE_WH, build, write_scene
from tiny_settings import shipped
from torch import Tensor, nn

from vigil.domain.measures.detector import measure_detections
from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.interface import Detector
from vigil.learn.detector.training.assembly import Sides, plan_training
from vigil.learn.detector.training.module import DetectorTraining
from vigil.learn.training.loop import Plan, fit
from vigil.plumbing.errors import FieldError
from vigil.plumbing.ranks import Rank
from vigil.settings.train_detector import TrainDetector

RFDETR = {
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
}
EXACT = (
    *("grid", "anchor", "yolox_nano"),
    *("ssdlite320_mobilenet_v3_large", "fcos_resnet50_fpn", "retinanet_resnet50_fpn_v2"),
    "rfdetr_nano",
)
pytestmark = pytest.mark.filterwarnings("ignore")


class Recorded(DetectorTraining):
    """Keeps the gradients of a step, with norms that use no statistics of a batch, and SGD."""

    def on_train_batch_start(self, batch: object, batch_idx: int) -> None:
        for module in self.network.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm | nn.Dropout):
                module.eval()
            if isinstance(getattr(module, "dropout", None), float):
                module.dropout = 0.0

    def on_before_optimizer_step(self, optimizer: torch.optim.Optimizer) -> None:
        self.gradients = {
            name: one.grad.clone()
            for name, one in self.network.named_parameters()
            if one.grad is not None
        }

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.network.parameters(), 1e-4)


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, AnnotatedPictures]:
    """Seven pictures. The first two, a shard of their own, have no object."""
    folder = tmp_path_factory.mktemp("images")
    known = write_scene(folder, 7)
    boxes = known.boxes[~known.boxes["image"].isin(["0.png", "1.png"])].reset_index(drop=True)
    return folder, AnnotatedPictures.of(known.images.reset_index(), boxes, known.classes)


def network_of(name: str) -> Detector:
    return build(name, **({"changes": RFDETR} if name == "rfdetr_nano" else {}))


def train(
    scene: tuple[Path, AnnotatedPictures], curves: Path, name: str, num_shards: int
) -> tuple[dict[str, Tensor], dict[str, float]]:
    """The gradients of a step with all pictures, and the logged losses."""
    folder, known = scene
    settings = shipped(
        TrainDetector,
        architecture="grid" if name == "rfdetr_nano" else name,
        input_size_wh=list(SIZE_WH),
        monitor="val_map",
        ema_decay=0.0,
        **{"features.strides": [8]},
        fitting={"max_epochs": 1, "batch_size": 8, "precision": "32-true", "gradient_clip": 0.0},
        augmentation={"mosaic_probability": 0.0},
    )
    pictures = PictureDataset(folder, known, input_size_wh=SIZE_WH)
    module = Recorded(
        network_of(name),
        settings,
        val_set=pictures,
        measure=lambda found: measure_detections(known, found)["map"],
    )
    plan = Plan(
        module,
        batches(pictures, 8, shuffle_seed=None),
        batches(pictures, 8, shuffle_seed=None),
        settings.fitting.chosen,
        settings.monitor,
        settings.mode,
        seed=0,
        num_shards=num_shards,
    )
    fitted = fit(plan, branch="detector", fingerprint=f"{name} {num_shards}", curves=curves)
    losses = {name: value for name, value in fitted.values.items() if name.startswith("train_")}
    return module.gradients, losses


def test_a_loss_that_depends_on_the_number_of_processes_is_refused(
    scene: tuple[Path, AnnotatedPictures], monkeypatch: pytest.MonkeyPatch
):
    folder, known = scene
    settings = shipped(
        TrainDetector,
        architecture="rfdetr_nano",
        input_size_wh=[384, 384],
        weights="none",
        monitor="val_map",
        **{"fitting.max_epochs": 1, "frames.num": 1, "optimisation.num_shards": 2},
    )
    two = Rank("torchrun", 0, 2, 0)
    monkeypatch.setattr("vigil.learn.detector.training.assembly.this_rank", lambda: two)
    with pytest.raises(FieldError, match="another detector for 2 processes, got rf") as caught:
        plan_training(Sides(folder, known, known), settings)
    assert caught.value.field == "architecture"


@pytest.mark.parametrize("name", EXACT)
def test_gradients_are_those_of_whole_batches(
    scene: tuple[Path, AnnotatedPictures], tmp_path: Path, name: str
):
    """Also where a shard has no object: then its loss of the background was divided by 1."""
    whole, losses = train(scene, tmp_path / "1", name, 1)
    cut, losses_of_cut = train(scene, tmp_path / "3", name, 3)
    assert losses_of_cut == pytest.approx(losses, rel=1e-4)
    assert whole.keys() == cut.keys()
    largest = max(float(one.abs().max()) for one in whole.values())
    for key, gradient in whole.items():
        torch.testing.assert_close(
            cut[key], gradient, rtol=1e-3, atol=1e-5 * largest, msg=lambda text, k=key: k + text
        )

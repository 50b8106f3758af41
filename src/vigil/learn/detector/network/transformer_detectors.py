"""Detectors that predict a set of boxes: RF-DETR and D-FINE, by transformers' classes.

Robinson et al., "RF-DETR: Neural Architecture Search for Real-Time Detection Transformers", 2025;
Peng et al., "D-FINE: Redefine Regression Task in DETRs as Fine-grained Distribution Refinement",
2024. The sizes are given here, so that no hub is needed. Losses and matching are those of
transformers: the matching is exact, and noise depends on torch's seed alone. RF-DETR may find
masks, too: a grid for each box, a quarter as fine as the picture.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from logging import CRITICAL
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision.ops import box_convert

from vigil.learn.detector.network.coco_classes import COCO_BY_ID, COCO_CLASSES
from vigil.learn.detector.network.interface import Detector, best_candidates
from vigil.learn.detector.network.tensors import Candidates, Masks, Truth
from vigil.learn.pictures.colours import normalise
from vigil.settings.train_detector import TransformerArchitecture

MULTIPLE_PX, MULTIPLE_WITH_MASKS_PX = 32, 24
"""The sides of windows of patches; RF-DETR with masks has smaller patches."""
CHANGEABLE = {
    *("num_queries", "decoder_layers", "num_denoising", "group_detr", "image_px"),
    "backbone_config",
}
CHANGEABLE_OF_BACKBONE = {
    *("hidden_size", "num_attention_heads", "num_hidden_layers", "out_indices", "num_windows"),
}
"""Only sizes: a card may be untrusted, and other settings name files and hubs."""
COUNTER = "num_batches_tracked"
SCORE_PARTS = ("class_embed", "enc_score_head")
"""In the names of weights that have a row for each class."""

_HGNET_B0 = {
    "stem_channels": [3, 16, 16],
    "stage_in_channels": [16, 64, 256, 512],
    "stage_mid_channels": [16, 32, 64, 128],
    "stage_out_channels": [64, 256, 512, 1024],
    "stage_num_blocks": [1, 1, 2, 1],
    "stage_numb_of_layers": [3, 3, 3, 3],
    "hidden_sizes": [64, 256, 512, 1024],
    "use_learnable_affine_block": True,
}
_HGNET_B2 = {
    "stem_channels": [3, 24, 32],
    "stage_in_channels": [32, 96, 384, 768],
    "stage_mid_channels": [32, 64, 128, 256],
    "stage_out_channels": [96, 384, 768, 1536],
    "stage_num_blocks": [1, 1, 3, 1],
    "stage_numb_of_layers": [4, 4, 4, 4],
    "hidden_sizes": [96, 384, 768, 1536],
    "use_learnable_affine_block": True,
}
_THREE_MAPS = {"out_features": ["stage2", "stage3", "stage4"]}
D_FINE: dict[str, dict[str, Any]] = {
    "dfine_n": {
        "backbone_config": {**_HGNET_B0, "out_features": ["stage3", "stage4"]},
        "encoder_in_channels": [512, 1024],
        "feat_strides": [16, 32],
        "encode_proj_layers": [1],
        "encoder_hidden_dim": 128,
        "encoder_ffn_dim": 512,
        "hidden_expansion": 0.34,
        "depth_mult": 0.5,
        "d_model": 128,
        "decoder_in_channels": [128, 128],
        "num_feature_levels": 2,
        "decoder_n_points": [6, 6],
        "decoder_layers": 3,
        "decoder_ffn_dim": 512,
    },
    "dfine_s": {
        "backbone_config": {**_HGNET_B0, **_THREE_MAPS},
        "encoder_in_channels": [256, 512, 1024],
        "hidden_expansion": 0.5,
        "depth_mult": 0.34,
        "decoder_n_points": [3, 6, 3],
        "decoder_layers": 3,
    },
    "dfine_m": {
        "backbone_config": {**_HGNET_B2, **_THREE_MAPS},
        "encoder_in_channels": [384, 768, 1536],
        "depth_mult": 0.67,
        "decoder_n_points": [3, 6, 3],
        "decoder_layers": 4,
    },
}
_DINO_SMALL = {
    "hidden_size": 384,
    "num_attention_heads": 6,
    "patch_size": 16,
    "num_windows": 2,
    "out_indices": [3, 6, 9, 12],
}
_TWO_POINTS = {"decoder_n_points": 2}
"""For each head and cell, as in the authors' configurations of all sizes."""
RF_DETR: dict[str, dict[str, Any]] = {
    "rfdetr_nano": {"image_px": 384, "decoder_layers": 2, **_TWO_POINTS},
    "rfdetr_small": {"image_px": 512, "decoder_layers": 3, **_TWO_POINTS},
    "rfdetr_medium": {"image_px": 576, "decoder_layers": 4, **_TWO_POINTS},
}
_FINE_PATCHES = {"patch_size": 12}
_WITH_MASKS = {**_TWO_POINTS, "class_loss_coefficient": 5.0}
RF_DETR_WITH_MASKS: dict[str, dict[str, Any]] = {
    "rfdetr_nano": {
        **_WITH_MASKS,
        "image_px": 312,
        "decoder_layers": 4,
        "num_queries": 100,
        "backbone_config": {**_FINE_PATCHES, "num_windows": 1},
    },
    "rfdetr_small": {
        **_WITH_MASKS,
        "image_px": 384,
        "decoder_layers": 4,
        "num_queries": 100,
        "backbone_config": _FINE_PATCHES,
    },
    "rfdetr_medium": {
        **_WITH_MASKS,
        "image_px": 432,
        "decoder_layers": 5,
        "num_queries": 200,
        "backbone_config": _FINE_PATCHES,
    },
}
"""Of the published networks of the same names with masks, which are others than those without."""


class TransformerDetector(Detector):
    """One of transformers' detectors behind the common interface."""

    published_classes: ClassVar[Mapping[int, tuple[str | None, ...]]] = {
        len(COCO_CLASSES): COCO_CLASSES,
        len(COCO_BY_ID): COCO_BY_ID,
    }
    computes_in_32_bits = True  # sampling and matching need them

    def __init__(
        self,
        name: TransformerArchitecture,
        *,
        num_classes: int,
        changes: Mapping[str, Any] | None = None,
        masks: bool = False,
    ) -> None:
        """Builds a detector.

        Args:
            changes: changes of the model's sizes, of `CHANGEABLE`.
            masks: whether it finds masks, too; for RF-DETR alone.

        Raises:
            ValueError: another setting is changed, or the network cannot find masks.
        """
        super().__init__()
        _check_changes(changes or {})
        self._is_dfine = name in D_FINE
        if masks and self._is_dfine:
            raise ValueError(f"{name} finds no masks")
        self.has_masks = masks
        self._num_objects = 0
        self._multiple_px = MULTIPLE_WITH_MASKS_PX if masks else MULTIPLE_PX
        build_rfdetr = _build_rfdetr_with_masks if masks else _build_rfdetr
        build = _build_dfine if self._is_dfine else build_rfdetr
        self.network: nn.Module = build(name, num_classes, dict(changes or {}))

    def rows_of_classes(self, key: str, num_rows: int) -> Tensor | None:
        if not any(part in key for part in SCORE_PARTS):
            return None
        # Its last row stands for no class.
        num_classes = num_rows - 1 if "denoising_class_embed" in key else num_rows
        return torch.arange(num_classes)[:, None]

    def named_as_here(self, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Published weights with the names and counters of this network.

        Files that transformers writes, as those of the hub are, have other names than the network,
        and leave out what is the same tensor twice. transformers itself reads them.

        Returns:
            Weights of another network are returned with their own names.
        """
        bare = {key.removeprefix("network."): tensor for key, tensor in state.items()}
        initial = {
            key.removeprefix("network."): tensor for key, tensor in self.state_dict().items()
        }
        counters = {key: one for key, one in initial.items() if key.endswith(COUNTER)}
        if not initial.keys() <= bare.keys() | counters.keys():
            bare = self._read_by_library(bare) or bare
        return {f"network.{key}": tensor for key, tensor in (counters | bare).items()}

    def _read_by_library(self, state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
        """Weights as transformers reads a file of its own; None: they are of another network."""
        rows = {
            len(tensor)
            for key, tensor in state.items()
            if "class_embed" in key and "denoising" not in key and tensor.ndim
        }
        if len(rows) != 1:
            return None
        (num_classes,) = rows
        library: Any = self.network
        config = deepcopy(library.config)
        config.num_labels = num_classes
        try:
            with _silence(), torch.random.fork_rng():  # what it draws is replaced
                network, found = type(library).from_pretrained(
                    None, config=config, state_dict=dict(state), output_loading_info=True
                )
        except RuntimeError:  # other shapes
            return None
        missing = [key for key in found["missing_keys"] if not key.endswith(COUNTER)]
        if missing or found["unexpected_keys"] or found["mismatched_keys"]:
            return None
        read: dict[str, Tensor] = network.state_dict()
        return read

    def losses(self, pictures: Tensor, truth: Truth) -> dict[str, Tensor]:
        floats = self._prepare(pictures)
        self._num_objects = int(truth.is_object.sum())
        height, width = floats.shape[-2:]
        size = torch.tensor([width, height, width, height], device=floats.device)
        labels = [
            {
                "class_labels": classes[is_object],
                "boxes": box_convert(boxes[is_object], "xyxy", "cxcywh") / size,
            }
            for boxes, classes, is_object in zip(
                truth.boxes, truth.labels, truth.is_object, strict=True
            )
        ]
        if self.has_masks:
            for target, masks in zip(labels, truth.masks_of_objects(), strict=True):
                rows, columns = masks.shape[-2:]
                target["masks"] = functional.pad(masks, (0, width - columns, 0, height - rows))
        with torch.autocast(floats.device.type, enabled=False):
            outputs = self.network(pixel_values=floats, labels=labels)
        loss = outputs.loss
        if not loss.numel():
            # The batch has no object, and the library gives losses of masks without a number.
            parts = [one for name, one in outputs.loss_dict.items() if name.startswith("loss_ce")]
            config: Any = self.network.config
            loss = config.class_loss_coefficient * torch.stack(parts).sum()
        return {"set": loss}

    def num_terms(self, num_pictures: int) -> int:
        """The number of objects, for each group of queries, for RF-DETR.

        D-FINE divides parts of its loss by other numbers, so its losses count by pictures.
        """
        if self._is_dfine:
            return num_pictures
        config: Any = self.network.config
        return self._num_objects * (config.group_detr if self.training else 1)

    def candidates(self, pictures: Tensor) -> list[Candidates]:
        return self._find(pictures)

    def masked(
        self, pictures: Tensor, keep: Callable[[Candidates], Candidates]
    ) -> list[Candidates]:
        return [keep(one) for one in self._find(pictures)]

    def _find(self, pictures: Tensor) -> list[Candidates]:
        floats = self._prepare(pictures)
        height, width = floats.shape[-2:]
        with torch.autocast(floats.device.type, enabled=False):
            outputs = self.network(pixel_values=floats)
        size = torch.tensor([width, height, width, height], device=floats.device)
        boxes = box_convert(outputs.pred_boxes.float(), "cxcywh", "xyxy") * size
        rows, columns = pictures.shape[-2:]
        scores = outputs.logits.float().sigmoid()
        if not self.has_masks:
            return best_candidates(boxes, scores, (rows, columns))
        grids = outputs.pred_masks.float().sigmoid()
        frames = torch.tensor([0, 0, width, height], device=floats.device).expand(boxes.shape)
        rows_of_grids = torch.arange(boxes.shape[1], device=floats.device)
        masks = [Masks(*pair, rows_of_grids) for pair in zip(grids, frames, strict=True)]
        return best_candidates(boxes, scores, (rows, columns), masks)

    def _prepare(self, pictures: Tensor) -> Tensor:
        """Floats as published weights expect them, padded to whole windows of patches."""
        height, width = pictures.shape[-2:]
        floats = pictures.float() / 255 if self._is_dfine else normalise(pictures)
        multiple = self._multiple_px
        return functional.pad(floats, (0, -width % multiple, 0, -height % multiple))


@contextmanager
def _silence() -> Iterator[None]:
    """Silences transformers: what a file lacks is told by the error about it."""
    from transformers.utils import logging

    library: Any = logging
    level, has_bar = library.get_verbosity(), library.is_progress_bar_enabled()
    library.set_verbosity(CRITICAL)
    library.disable_progress_bar()
    try:
        yield
    finally:
        library.set_verbosity(level)
        if has_bar:
            library.enable_progress_bar()


def _check_changes(changes: Mapping[str, Any]) -> None:
    unknown = changes.keys() - CHANGEABLE
    unknown |= dict(changes.get("backbone_config", {})).keys() - CHANGEABLE_OF_BACKBONE
    if unknown:
        raise ValueError(f"only sizes may be changed, but got {sorted(unknown)}")


def _build_dfine(name: str, num_classes: int, changes: dict[str, Any]) -> nn.Module:
    from transformers import DFineConfig, DFineForObjectDetection

    arguments = {**D_FINE[name], **changes}
    backbone = {"model_type": "hgnet_v2", **arguments.pop("backbone_config")}
    arguments["num_labels"] = num_classes
    config = DFineConfig(backbone_config=backbone, freeze_backbone_batch_norms=False, **arguments)
    network: nn.Module = DFineForObjectDetection(config)
    return network


def _build_rfdetr(name: str, num_classes: int, changes: dict[str, Any]) -> nn.Module:
    from transformers import RfDetrForObjectDetection

    config = _configure_rfdetr({**RF_DETR[name], **changes}, num_classes)
    network: nn.Module = RfDetrForObjectDetection(config)
    return network


def _build_rfdetr_with_masks(name: str, num_classes: int, changes: dict[str, Any]) -> nn.Module:
    from transformers import RfDetrForInstanceSegmentation

    sizes = RF_DETR_WITH_MASKS[name]
    backbone = {**sizes["backbone_config"], **changes.get("backbone_config", {})}
    arguments = {**sizes, **changes, "backbone_config": backbone}
    network: nn.Module = RfDetrForInstanceSegmentation(_configure_rfdetr(arguments, num_classes))
    return network


def _configure_rfdetr(arguments: dict[str, Any], num_classes: int) -> Any:
    from transformers import RfDetrConfig

    image_px, backbone = (
        arguments.pop("image_px"),
        {**_DINO_SMALL, **arguments.pop("backbone_config", {})},
    )
    arguments["num_labels"] = num_classes
    return RfDetrConfig(
        backbone_config={"model_type": "rf_detr_dinov2", "image_size": image_px, **backbone},
        **arguments,
    )

"""YOLOX networks with random weights, and as ONNX files."""

import warnings
from pathlib import Path

import onnx
import torch
from tiny_detectors import config_of

from vigil.learn.detector.network import published_yolox
from vigil.learn.detector.network.registry import build_detector


def lively(architecture: str = "yolox_nano", num_classes: int = 80) -> torch.nn.Module:
    """A network with norms that have seen something, ready to detect."""
    torch.manual_seed(0)
    model = build_detector(architecture, config_of(architecture, num_classes))
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):
                norm.running_mean.uniform_(-0.1, 0.1)
                norm.running_var.uniform_(0.5, 2.0)
                norm.weight.uniform_(0.5, 1.5)
                norm.bias.uniform_(-0.5, 0.5)
    return model.eval()


def write_onnx(model: torch.nn.Module, path: Path, folds_norms: bool = True) -> Path:
    """The network from floats to the maps of its head, norms folded in or behind convolutions."""
    parts = torch.nn.ModuleDict({"backbone": model.backbone, "head": model.head})
    chain = published_yolox._Chain(parts)
    mode = torch.onnx.TrainingMode.EVAL if folds_norms else torch.onnx.TrainingMode.PRESERVE
    with warnings.catch_warnings(action="ignore"):
        torch.onnx.export(
            chain.eval(),
            (torch.zeros(1, 3, 64, 64),),
            str(path),
            dynamo=False,
            opset_version=13,
            training=mode,
            do_constant_folding=folds_norms,
        )
    kinds = {node.op_type for node in onnx.load(path).graph.node}
    assert ("BatchNormalization" in kinds) != folds_norms
    return path

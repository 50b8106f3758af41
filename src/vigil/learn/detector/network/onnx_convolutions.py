"""Reads the convolutions of an ONNX file, in the order of computation."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import InputError, shorten

Array = npt.NDArray[np.float32]


class Convolution(NamedTuple):
    """A convolution, with the norm after it folded in.

    Attributes:
        weight: (channels out, channels in / groups, rows, columns).
        bias: (channels out,).
        stride: along rows.
    """

    weight: Array
    bias: Array
    groups: int
    stride: int


def read_convolutions(path: Path) -> list[Convolution]:
    """Reads all convolutions with their weights.

    Raises:
        InputError: the file is missing, is not an ONNX file, or does not hold the weights of a
            convolution.
    """
    import onnx  # takes a second

    if not path.is_file():
        raise InputError(f"{path}: expected a network's weights, found no such file")
    try:
        graph = onnx.load(str(path), load_external_data=False).graph
        weights = {one.name: _array(one) for one in graph.initializer}
    except Exception as error:  # protobuf and numpy raise many types for damaged files
        raise InputError(
            f"{path}: expected an ONNX file with its weights in it, got: {shorten(str(error), 100)}"
        ) from None
    norms = {node.input[0]: node for node in graph.node if node.op_type == "BatchNormalization"}
    convolutions = []
    for node in graph.node:
        if node.op_type != "Conv":
            continue
        try:
            convolution = _read(node, weights)
            norm = norms.get(node.output[0])
            convolutions.append(convolution if norm is None else _fold(convolution, norm, weights))
        except (KeyError, ValueError, IndexError):
            raise InputError(
                f"{path}: {shorten(node.name)}: expected a convolution with its weights in the "
                "file, found none"
            ) from None
    return convolutions


def _array(initializer: Any) -> Array:
    from onnx import numpy_helper

    return np.asarray(numpy_helper.to_array(initializer))


def _read(node: Any, weights: dict[str, Array]) -> Convolution:
    weight = weights[node.input[1]].astype(np.float32)
    bias = weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight))
    settings = {one.name: one for one in node.attribute}
    groups = settings["group"].i if "group" in settings else 1
    stride = settings["strides"].ints[0] if "strides" in settings else 1
    return Convolution(weight, bias.astype(np.float32), groups, stride)


def _fold(conv: Convolution, norm: Any, weights: dict[str, Array]) -> Convolution:
    scale, offset, mean, variance = (
        weights[name].astype(np.float64) for name in list(norm.input)[1:5]
    )
    eps = next((one.f for one in norm.attribute if one.name == "epsilon"), 1e-5)
    factor = scale / np.sqrt(variance + eps)
    return conv._replace(
        weight=(conv.weight * factor[:, None, None, None]).astype(np.float32),
        bias=((conv.bias - mean) * factor + offset).astype(np.float32),
    )

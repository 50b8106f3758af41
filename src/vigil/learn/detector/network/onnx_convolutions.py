"""Reads the convolutions of an ONNX file with their connections, and computes their outputs."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import InputError, listed, shorten

Array = npt.NDArray[np.float32]

OPERATIONS = {
    *("Conv", "BatchNormalization", "Sigmoid", "Mul", "Add", "Concat", "Slice", "MaxPool"),
    *("Resize", "Upsample", "Identity", "Constant", "Cast", "SpaceToDepth", "Transpose"),
    *("Shape", "Gather", "Unsqueeze", "Squeeze", "Floor"),
}
"""Before the last convolutions of a YOLOX network, and around its change of sides."""


class Convolution(NamedTuple):
    """A convolution, with the norm after it folded in.

    Attributes:
        weight: (channels out, channels in / groups, rows, columns).
        bias: (channels out,).
        stride: along rows.
        sources: the numbers of the convolutions whose outputs it reads, by way of other nodes.
        output: the name of its output, after the norm.
    """

    weight: Array
    bias: Array
    groups: int
    stride: int
    sources: frozenset[int]
    output: str


class OnnxNetwork:
    """The convolutions of an ONNX file.

    Attributes:
        convolutions: in the order of the file.
    """

    def __init__(self, path: Path) -> None:
        """Reads all convolutions with their weights.

        Raises:
            InputError: the file is missing, is not an ONNX file, or does not hold the weights of a
                convolution.
        """
        self._path = path
        self._graph, self._opsets, self._weights = _load(path)
        self._producers = {name: node for node in self._graph.node for name in node.output}
        nodes = [node for node in self._graph.node if node.op_type == "Conv"]
        numbers = {node.output[0]: number for number, node in enumerate(nodes)}
        norms = {
            node.input[0]: node for node in self._graph.node if node.op_type == "BatchNormalization"
        }
        self.convolutions: list[Convolution] = []
        for node in nodes:
            try:
                one = _read(node, self._weights)
                if norm := norms.get(node.output[0]):
                    one = _fold(one, norm, self._weights)
            except (KeyError, ValueError, IndexError):
                raise InputError(
                    f"{path}: {shorten(node.name)}: expected a convolution with its weights in the "
                    "file, found none"
                ) from None
            self.convolutions.append(one._replace(sources=self._sources(node, numbers)))

    @property
    def only_size_wh(self) -> tuple[int, int] | None:
        """The size of pictures that the file is made for; None: it may compute others, too.

        Maps are enlarged by a factor, or to a size that may be fixed in the file.
        """
        has_sizes = any(
            node.op_type == "Resize" and len(node.input) > 3 and node.input[3]
            for node in self._graph.node
        )
        for one in self._graph.input if has_sizes else ():
            sides = [side.dim_value for side in one.type.tensor_type.shape.dim]
            if len(sides) == 4 and sides[2] > 0 and sides[3] > 0:
                return sides[3], sides[2]
        return None

    def outputs(self, numbers: Sequence[int], pictures: Array) -> list[Array]:
        """What some convolutions give for pictures, by ONNX's own definition of each operation.

        Args:
            numbers: of the convolutions.
            pictures: (1, 3, H, W).

        Raises:
            InputError: the file has other operations than a YOLOX network, another input than one
                picture, or does not compute.
        """
        from onnx import TensorProto, helper
        from onnx.reference import ReferenceEvaluator

        names = [self.convolutions[number].output for number in numbers]
        needed = self._needed(names)
        if others := {node.op_type for node in needed} - OPERATIONS:
            raise InputError(
                f"{self._path}: expected the operations of a YOLOX network, such as Sigmoid and "
                f"Mul for its activation, got {listed(others)}"
            )
        weights = dict(self._weights)
        needed = [part for node in needed for part in _without_norm(_in_32_bits(node), weights)]
        used = {name for node in needed for name in node.input}
        inputs = [one for one in self._graph.input if one.name in used - weights.keys()]
        if len(inputs) != 1:
            raise InputError(
                f"{self._path}: expected one input, pictures, got {listed(i.name for i in inputs)}"
            )
        model = helper.make_model(
            helper.make_graph(
                needed,
                "part",
                [helper.make_tensor_value_info(inputs[0].name, TensorProto.FLOAT, None)],
                [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names],
                [_tensor(name, array) for name, array in weights.items() if name in used],
            ),
            opset_imports=self._opsets,
        )
        try:
            with np.errstate(all="ignore"), warnings.catch_warnings(action="ignore"):
                found = ReferenceEvaluator(model).run(None, {inputs[0].name: pictures})
        except Exception as error:  # a file that does not fit raises exceptions of many types
            raise InputError(
                f"{self._path}: expected a network that computes, got: {shorten(str(error), 100)}"
            ) from None
        return [np.asarray(array, np.float32) for array in found]

    def _sources(self, node: Any, numbers: dict[str, int]) -> frozenset[int]:
        found, waiting, seen = set(), [*node.input], set()
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            if name in numbers:
                found.add(numbers[name])
            elif name in self._producers:
                waiting += self._producers[name].input
        return frozenset(found)

    def _needed(self, names: Sequence[str]) -> list[Any]:
        """The nodes that outputs depend on, each after those that it depends on."""
        ordered: list[Any] = []
        seen: set[str] = set()
        waiting = [(name, False) for name in reversed(names)]
        while waiting:
            name, is_ready = waiting.pop()
            node = self._producers.get(name)
            if is_ready:
                ordered.append(node)
            elif node is not None and node.output[0] not in seen:
                seen.add(node.output[0])
                waiting.append((name, True))
                waiting += [(one, False) for one in node.input]
        return ordered


def _load(path: Path) -> tuple[Any, list[Any], dict[str, Array]]:
    """The graph, the versions of its operations, and its weights by name."""
    import onnx  # takes a second

    if not path.is_file():
        raise InputError(f"{path}: expected a network's weights, found no such file")
    try:
        model = onnx.load(str(path), load_external_data=False)
        weights = {one.name: _array(one) for one in model.graph.initializer}
        for node in model.graph.node:
            for one in node.attribute if node.op_type == "Constant" else ():
                if one.HasField("t"):
                    weights[node.output[0]] = _array(one.t)
        for node in model.graph.node:  # an exporter stores equal weights once
            if node.op_type == "Identity" and node.input[0] in weights:
                weights[node.output[0]] = weights[node.input[0]]
    except Exception as error:  # protobuf and numpy raise many types for damaged files
        raise InputError(
            f"{path}: expected an ONNX file with its weights in it, got: {shorten(str(error), 100)}"
        ) from None
    if not model.graph.node:
        raise InputError(f"{path}: expected an ONNX file with a network, got none in it")
    return model.graph, list(model.opset_import), weights


def _array(tensor: Any) -> Array:
    """As 32 bits, where it is of 16."""
    from onnx import numpy_helper

    array = np.asarray(numpy_helper.to_array(tensor))
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _tensor(name: str, array: Array) -> Any:
    from onnx import numpy_helper

    return numpy_helper.from_array(array, name)


def _read(node: Any, weights: dict[str, Array]) -> Convolution:
    weight = weights[node.input[1]].astype(np.float32)
    bias = weights[node.input[2]] if len(node.input) > 2 else np.zeros(len(weight))
    settings = {one.name: one for one in node.attribute}
    groups = settings["group"].i if "group" in settings else 1
    stride = settings["strides"].ints[0] if "strides" in settings else 1
    return Convolution(weight, bias.astype(np.float32), groups, stride, frozenset(), node.output[0])


def _in_32_bits(node: Any) -> Any:
    """A conversion to 16 bits as one to 32: the weights are compared, not the rounding."""
    from onnx import TensorProto, helper

    kinds = [one.i for one in node.attribute if one.name == "to"]
    if node.op_type != "Cast" or kinds != [TensorProto.FLOAT16]:
        return node
    return helper.make_node("Cast", node.input, node.output, to=TensorProto.FLOAT)


def _without_norm(node: Any, weights: dict[str, Array]) -> list[Any]:
    """A norm as a factor and an offset, since ONNX's reference takes some for those of training.

    Args:
        weights: gets the factor and the offset.
    """
    from onnx import helper

    if node.op_type != "BatchNormalization" or not set(node.input[1:]) <= weights.keys():
        return [node]
    factor, offset = _norm_of(node, weights)
    name, scaled = node.output[0], f"{node.output[0]} scaled"
    weights[f"{name} factor"] = factor[:, None, None].astype(np.float32)
    weights[f"{name} offset"] = offset[:, None, None].astype(np.float32)
    return [
        helper.make_node("Mul", [node.input[0], f"{name} factor"], [scaled]),
        helper.make_node("Add", [scaled, f"{name} offset"], [name]),
    ]


def _norm_of(norm: Any, weights: dict[str, Array]) -> tuple[npt.NDArray[np.float64], ...]:
    """(channels,) factor and offset of a norm."""
    scale, offset, mean, variance = (
        weights[name].astype(np.float64) for name in list(norm.input)[1:5]
    )
    eps = next((one.f for one in norm.attribute if one.name == "epsilon"), 1e-5)
    factor = scale / np.sqrt(variance + eps)
    return factor, offset - mean * factor


def _fold(conv: Convolution, norm: Any, weights: dict[str, Array]) -> Convolution:
    factor, offset = _norm_of(norm, weights)
    return conv._replace(
        weight=(conv.weight * factor[:, None, None, None]).astype(np.float32),
        bias=(conv.bias * factor + offset).astype(np.float32),
        output=norm.output[0],
    )

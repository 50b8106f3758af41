"""Writes a network as one ONNX file: the same network and card give the same bytes.

The exporter of torch leaves names of source files and versions in the file. They are removed.
"""

import tempfile
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, nn

from vigil.learn.exporting.tracing import tracing
from vigil.plumbing.outputs import whole
from vigil.runtime.card import DIGEST_KEY, KEY, NO_DIGEST, Card, card_text, sealed

OPSET = 17
"""The version of ONNX's operators: the newest that the exporter writes without conversion."""
INPUT, OUTPUT, BATCH = "batch", "outputs", "samples"


def onnx_bytes(network: nn.Module, example: Tensor) -> bytes:
    """The network as ONNX without a card.

    Args:
        network: takes one tensor and returns one; the first axis of both is the sample.
        example: a batch of two samples. Any number of samples may be given later, but only of this
            shape.
    """
    with tempfile.TemporaryDirectory() as folder, tracing():
        made = Path(folder) / "network.onnx"
        torch.onnx.export(
            network.eval(),
            (example,),
            made,
            dynamo=False,
            opset_version=OPSET,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_axes={INPUT: {0: BATCH}, OUTPUT: {0: BATCH}},
        )
        model = onnx.load(made)
    _strip(model)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def write_onnx(content: bytes, card: Card, file: Path) -> None:
    """Writes a network with its card among the metadata."""
    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    model.metadata_props.add(key=KEY, value=card_text(card))
    model.metadata_props.add(key=DIGEST_KEY, value=NO_DIGEST)
    with whole(file) as partial:
        partial.write_bytes(sealed(model.SerializeToString(deterministic=True)))


def _strip(model: Any) -> None:
    """Removes what says where and by what the file was made, and what ONNX Runtime refuses."""
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    del model.metadata_props[:]
    graph = model.graph
    graph.name, graph.doc_string = KEY, ""
    del graph.value_info[:]  # types of values in between, which are computed anew
    for node in graph.node:
        node.doc_string, node.name = "", ""
        del node.metadata_props[:]
        for attribute in node.attribute:
            # ONNX Runtime has no largest value of 16 bit integers. 32 bits hold the same numbers.
            if node.op_type == "Cast" and attribute.i == onnx.TensorProto.INT16:
                attribute.i = onnx.TensorProto.INT32
    for value in (*graph.input, *graph.output, *graph.initializer):
        value.doc_string = ""
        del value.metadata_props[:]

"""Writes an ONNX network with 8-bit integers, by ONNX Runtime's static quantisation.

Weights and activations become integers with a scale each, and arithmetic between them is that of
integers (Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", 2018). The scales of activations come from training samples.
"""

import logging
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx

from vigil.learn.exporting.onnx_file import INPUT, write_onnx
from vigil.runtime.card import Card

OPERATIONS = ("Conv", "MatMul", "Gemm")
"""Decoding needs numbers as they are, so only these become integers."""


def write_int8(
    content: bytes, batches: Iterable[npt.NDArray[np.uint8]], card: Card, file: Path
) -> None:
    """Writes a network with 8-bit integers.

    Args:
        content: the network in 32 bits, as ONNX.
        batches: training samples, as the network takes them.
    """
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        # It logs advice on networks that were not simplified before.
        logging.disable(logging.WARNING)
        try:
            quantize_static(
                onnx.load_from_string(content),
                str(made),
                _Reader(batches),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATIONS),
                per_channel=True,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=CalibrationMethod.MinMax,
            )
        finally:
            logging.disable(logging.NOTSET)
        model: Any = onnx.load(made)
    model.producer_name, model.producer_version, model.doc_string = "", "", ""
    write_onnx(model.SerializeToString(deterministic=True), {**card, "arithmetic": "int8"}, file)


class _Reader:
    """Gives batches one by one, as ONNX Runtime's calibration asks for them."""

    def __init__(self, batches: Iterable[npt.NDArray[np.uint8]]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, npt.NDArray[np.uint8]] | None:
        """The next batch by the name of the input; None at the end."""
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}

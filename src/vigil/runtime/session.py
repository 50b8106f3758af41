"""Runs the network of an exported file: ONNX by ONNX Runtime, OpenVINO's by OpenVINO."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from vigil.plumbing.errors import InputError, shorten
from vigil.runtime.card import DIGEST_KEY, KEY, check_seal

Bytes = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]
Run = Callable[[npt.NDArray[Any]], Floats]
"""A batch to the network's output; the first axis of both is the sample."""
Shape = tuple[int | None, ...]


class Network(NamedTuple):
    """The network of a file.

    Attributes:
        run: computes a batch.
        card: the text of its card; None: the file has none.
        input_shape, output_shape: as declared in the file; None for any size. Empty: not told.
    """

    run: Run
    card: str | None
    input_shape: Shape = ()
    output_shape: Shape = ()


def open_network(file: Path) -> Network:
    """Opens the network of a file by its suffix.

    `VIGIL_THREADS` is the number of threads; without it, the library chooses.

    Raises:
        InputError: the file is missing or damaged, or the library that runs it is not installed.
    """
    openers = {".onnx": open_onnx, ".xml": _open_openvino}
    if file.suffix not in openers:
        raise InputError(f"{file}: expected .onnx or OpenVINO's .xml, got {file.name!r}")
    if not file.is_file():
        raise InputError(f"{file}: expected an exported model, found none; `vigil export` makes it")
    return openers[file.suffix](file)


def open_onnx(source: Path | bytes) -> Network:
    """Opens a network in ONNX, from a file or from its bytes; see `open_network`."""
    try:
        import onnxruntime
    except ImportError:
        raise _not_installed("onnxruntime") from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = _num_threads()
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors come as exceptions, and warnings are for developers
    content = source if isinstance(source, bytes) else _read(source)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no common class
        raise _unreadable(source, error) from None
    name = session.get_inputs()[0].name
    metadata = session.get_modelmeta().custom_metadata_map
    card = metadata.get(KEY)
    if card is not None and isinstance(source, Path):
        check_seal(source, metadata.get(DIGEST_KEY), content)
    shapes = [
        tuple(size if isinstance(size, int) else None for size in one.shape)
        for one in (session.get_inputs()[0], session.get_outputs()[0])
    ]
    return Network(lambda batch: np.asarray(session.run(None, {name: batch})[0]), card, *shapes)


def _open_openvino(file: Path) -> Network:
    try:
        import openvino
    except ImportError:
        raise _not_installed("openvino") from None
    try:
        model = openvino.Core().read_model(str(file))
        options: dict[str, Any] = {"INFERENCE_PRECISION_HINT": "f32"}
        if threads := _num_threads():
            options["INFERENCE_NUM_THREADS"] = threads
        compiled = openvino.Core().compile_model(model, "CPU", options)
    except Exception as error:  # its exceptions have no common class
        raise _unreadable(file, error) from None
    card = str(model.get_rt_info(KEY).value) if model.has_rt_info(KEY) else None
    if card is not None:
        told = model.get_rt_info(DIGEST_KEY).value if model.has_rt_info(DIGEST_KEY) else None
        check_seal(file, told, _read(file), _read(file.with_suffix(".bin")))
    shapes = [
        tuple(size.get_length() if size.is_static else None for size in one.partial_shape)
        for one in (model.input(0), model.output(0))
    ]
    return Network(lambda batch: np.array(compiled(batch)[0]), card, *shapes)


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise _unreadable(file, error) from None


def _num_threads() -> int:
    text = os.environ.get("VIGIL_THREADS", "0")
    if not text.isdecimal():
        raise InputError(f"VIGIL_THREADS: expected a whole number of at least 0, got {text!r}")
    return int(text)


def _not_installed(library: str) -> InputError:
    return InputError(
        f"{library}: expected it to be installed, found no such package; "
        f"pip install {library}, or 'vigil[export]' with all that exports need"
    )


def _unreadable(source: Path | bytes, error: Exception) -> InputError:
    place = "network" if isinstance(source, bytes) else str(source)
    reason = " ".join(str(error).split())
    return InputError(f"{place}: expected an exported network, got: {shorten(reason, 120)}")

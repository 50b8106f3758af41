"""Writes a network for OpenVINO: `.xml` with the graph and card, `.bin` with the weights."""

import io
import tempfile
from pathlib import Path

from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.runtime.card import DIGEST_KEY, KEY, NO_DIGEST, Card, card_text, sealed


def write_openvino(content: bytes, card: Card, file: Path) -> None:
    """Writes a network that is given as ONNX.

    Args:
        file: the `.xml`; the weights get the same name with `.bin`.

    Raises:
        InputError: OpenVINO is not installed.
    """
    try:
        import openvino
    except ImportError:
        raise InputError(
            "openvino: expected it to be installed, found no such package; "
            "pip install 'vigil[export]'"
        ) from None
    model = openvino.convert_model(io.BytesIO(content))
    for key in list(model.get_rt_info()):  # versions, and the place of the ONNX file
        del model.rt_info[key]
    model.set_friendly_name(KEY)
    for number, operation in enumerate(model.get_ordered_ops()):
        # A process numbers all operations that it ever made. The names of inputs are kept.
        operation.set_friendly_name(f"operation_{number}")
    model.set_rt_info(card_text(card), KEY)
    model.set_rt_info(NO_DIGEST, DIGEST_KEY)
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / file.name
        openvino.save_model(model, str(made), compress_to_fp16=False)
        weights = made.with_suffix(".bin").read_bytes()
        for suffix, part in ((".bin", weights), (file.suffix, sealed(made.read_bytes(), weights))):
            with whole(file.with_suffix(suffix)) as partial:
                partial.write_bytes(part)

"""Writes a network as one TorchScript file: the same network and card give the same bytes.

Torch numbers the classes that it traces within a process, and stores where each line of code came
from. Both are removed.
"""

import io
import re
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from vigil.learn.exporting.tracing import tracing
from vigil.plumbing.errors import InputError, shorten
from vigil.plumbing.outputs import whole
from vigil.runtime.card import KEY, Card, card_text
from vigil.runtime.session import Network

CARD_FILE = f"{KEY}.json"
NUMBERED = re.compile(rb"[./]___torch_mangle_\d+")
EARLIEST = (1980, 1, 1, 0, 0, 0)


def write_torchscript(network: nn.Module, example: Tensor, card: Card, file: Path) -> None:
    """Writes a network; see `onnx_file.onnx_bytes` for the arguments."""
    stream = io.BytesIO()
    with tracing():
        traced = torch.jit.trace(network.eval(), example, check_trace=False)
        frozen = torch.jit.freeze(traced)
        torch.jit.save(frozen, stream, _extra_files={CARD_FILE: card_text(card)})
    with (
        whole(file) as partial,
        zipfile.ZipFile(stream) as made,
        zipfile.ZipFile(partial, "w", zipfile.ZIP_STORED) as cleaned,
    ):
        for name in made.namelist():
            if name.endswith((".debug_pkl", "serialization_id")):
                continue
            content = made.read(name)
            if "/code/" in name or name.endswith("/data.pkl"):
                content = NUMBERED.sub(b"", content)
            clean_name = NUMBERED.sub(b"", name.encode()).decode()
            cleaned.writestr(zipfile.ZipInfo(clean_name, EARLIEST), content)


def open_torchscript(file: Path) -> Network:
    """Opens what `write_torchscript` wrote; unlike the other formats, it needs torch.

    Raises:
        InputError: the file is missing or damaged.
    """
    if not file.is_file():
        raise InputError(f"{file}: expected an exported model, found none; `vigil export` makes it")
    card = {CARD_FILE: ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            loaded = torch.jit.load(str(file), map_location="cpu", _extra_files=card)
    except (RuntimeError, ValueError) as error:
        reason = shorten(" ".join(str(error).split()), 120)
        raise InputError(f"{file}: expected an exported network, got: {reason}") from None

    def run(batch: Any) -> Any:
        with torch.inference_mode():
            return np.asarray(loaded(torch.from_numpy(np.asarray(batch))).numpy())

    text: Any = card[CARD_FILE]
    return Network(run, (text.decode() if isinstance(text, bytes) else text) or None)

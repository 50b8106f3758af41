"""Ways in which a file is no export: damaged, of another version, with another card."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx

from vigil.learn.exporting.onnx_file import write_onnx
from vigil.runtime.card import KEY


def damaged(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:1000])


def without_card(file: Path) -> None:
    model = onnx.load(file)
    del model.metadata_props[:]
    onnx.save(model, file)


def with_card(*left_out: str, **changes: object) -> Callable[[Path], None]:
    """Changes the card in an ONNX file. Args: left_out: entries that are removed."""

    def change(file: Path) -> None:
        model = onnx.load(file)
        card = card_of(model) | changes
        for name in left_out:
            del card[name]
        write_onnx(model.SerializeToString(), card, file)

    return change


def card_of(model: onnx.ModelProto) -> dict[str, Any]:
    (text,) = (entry.value for entry in model.metadata_props if entry.key == KEY)
    card: dict[str, Any] = json.loads(text)
    return card


of_another_version = with_card(format=99, version="7.0")

"""Ways in which a file is no export: damaged, of another version, with another card."""

import json
from collections.abc import Callable
from pathlib import Path

import onnx


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
        card = json.loads(model.metadata_props[0].value) | changes
        for name in left_out:
            del card[name]
        model.metadata_props[0].value = json.dumps(card)
        onnx.save(model, file)

    return change


of_another_version = with_card(format=99, version="7.0")

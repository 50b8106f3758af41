"""Changes to the card of a trained model, which lies second among its files."""

from collections.abc import Callable
from pathlib import Path

from vigil.plumbing.records import read_json, write_json


def without(key: str) -> Callable[..., None]:
    def change(_: Path, card: Path, *__: Path) -> None:
        write_json({name: value for name, value in read_json(card).items() if name != key}, card)

    return change


def told(**changes: object) -> Callable[..., None]:
    return lambda _, card, *__: write_json(read_json(card) | changes, card)

"""Opens a self-supervised vision transformer by its name, with its weights."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from vigil.learn.networks.weights import (
    UNREADABLE,
    check_state,
    load_described,
    read_card,
    read_state,
)
from vigil.learn.vision_transformers.families import FAMILIES, SIZES, Size
from vigil.learn.vision_transformers.names import as_named_here
from vigil.learn.vision_transformers.network import AttentiveTransformer, build_own
from vigil.plumbing.errors import FieldError, InputError, listed, shorten
from vigil.plumbing.records import read_json
from vigil.settings.vision_transformer import (
    NO_WEIGHTS,
    PUBLISHED,
    TRAINED,
    TransformerName,
    VisionTransformer,
)

OWN_ARCHITECTURE = "vision_transformer"
"""The architecture in a card of `train_dino`."""
CONFIG_FILE = "config.json"
WEIGHTS_FILES = ("model.safetensors", "pytorch_model.bin")
CONFIG_KEYS = ("hidden_size", "num_hidden_layers", "num_attention_heads", "patch_size")
CLASS_TOKEN = "embeddings.cls_token"


def open_transformer(settings: VisionTransformer) -> AttentiveTransformer:
    """Builds a network, ready for prediction. Random weights depend on torch's seed.

    Raises:
        FieldError: published weights are neither in the cache nor can be downloaded.
        InputError: the weights are missing or damaged, or belong to another network.
    """
    name, path = settings.architecture, settings.weights_path
    if name == TRAINED:
        return _open_trained(Path(settings.weights))
    size = SIZES[name]
    transformer = AttentiveTransformer(size.family, size.config).eval()
    if settings.weights == NO_WEIGHTS:
        return transformer
    if settings.weights == PUBLISHED:
        state, place = _published_state(name, size), f"the weights {size.published}"
    else:
        assert path is not None
        state, place = _read(path, name, size), str(path)
    state = as_named_here(state, size.family)
    _check_width(state, transformer.width, name, place)
    check_state(transformer.network.state_dict(), state, place)
    transformer.network.load_state_dict(state)
    return transformer


def _open_trained(weights: Path) -> AttentiveTransformer:
    """Opens a network that `train_dino` wrote, by the card beside its weights."""
    card_file = weights.with_suffix(".json")
    card = read_card(card_file)
    if card["architecture"] != OWN_ARCHITECTURE:
        raise InputError(
            f"{card_file}: expected the card of a {OWN_ARCHITECTURE}, got one of "
            f"{shorten(card['architecture'])}, which has no attention of a class token"
        )
    return load_described(lambda: build_own(card["config"]), card, weights, card_file)


def _read(path: Path, name: str, size: Size) -> dict[str, Tensor]:
    """The weights of a file, or of a folder in the form of transformers."""
    if not path.is_dir():
        return read_state(path)
    config = read_json(path / CONFIG_FILE, is_foreign=True)
    if not isinstance(config, dict):
        raise InputError(f"{path / CONFIG_FILE}: expected a config, got {shorten(config)}")
    _check_config(config, name, size, path / CONFIG_FILE)
    for file in WEIGHTS_FILES:
        if (path / file).is_file():
            return read_state(path / file)
    raise InputError(f"{path}: expected {' or '.join(WEIGHTS_FILES)} in it, found neither")


def _check_config(config: dict[str, Any], name: str, size: Size, file: Path) -> None:
    """Refuses the config of another network, or of one that has no attention to show."""
    kind = config.get("model_type")
    known = {family.model_type for family in FAMILIES}
    if kind not in known:
        raise InputError(
            f"{file}: expected a network whose class token attends to patches, of the type "
            f"{listed(known)}, got {shorten(kind)}"
        )
    if kind != size.family.model_type:
        raise InputError(
            f"{file}: expected the type {size.family.model_type} of {name}, got {shorten(kind)}"
        )
    for key in CONFIG_KEYS:
        if config.get(key) != size.config[key]:
            raise InputError(
                f"{file}: expected {key} {size.config[key]} of {name}, got "
                f"{shorten(config.get(key))}"
            )


def _check_width(state: dict[str, Tensor], width: int, name: str, place: str) -> None:
    token = state.get(CLASS_TOKEN)
    if token is not None and token.dim() and token.shape[-1] != width:
        raise InputError(
            f"{place}: expected weights of the width {width} of {name}, got those of the width "
            f"{token.shape[-1]}"
        )


def _published_state(name: TransformerName, size: Size) -> dict[str, Tensor]:
    """The published weights, from the cache of huggingface_hub or downloaded.

    They are read as a file, since transformers would fill missing weights with random numbers.
    """
    from transformers.utils.hub import cached_file

    try:
        with _quiet("huggingface_hub"):
            file = cached_file(size.published, WEIGHTS_FILES[0])
        return read_state(Path(str(file)))
    except (*UNREADABLE, InputError) as error:
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise FieldError(
            "weights",
            f"expected to find or download {size.published} for {name}, got: {reason}; on a "
            f"machine with a network, `hf download {size.published} --local-dir {name}`, copy "
            f"the folder {name}, and name it here",
        ) from None


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    """Silences a library's log, which repeats what its exception says."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)

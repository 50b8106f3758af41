"""TimeSformer, from the library transformers.

Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", 2021.
"""

from pathlib import Path
from typing import Any

from torch import Tensor, nn

from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts
from vigil.learn.networks.weights import read_state

PUBLISHED = "facebook/timesformer-base-finetuned-k400"


def build(num_frames: int, **config: Any) -> nn.Module:
    """TimeSformer with divided attention, a classifier and random weights.

    Args:
        config: arguments of transformers' TimesformerConfig that differ from the base model.
    """
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    facts: dict[str, Any] = {"num_frames": num_frames, "num_labels": 400, **config}
    return TimesformerForVideoClassification(TimesformerConfig(**facts))


class TimeSformer(Backbone):
    """Its vector is the class token after the last block and its norm."""

    def __init__(self, network: nn.Module, inputs: InputFacts) -> None:
        super().__init__(network.timesformer, inputs)  # type: ignore[arg-type]

    def features(self, clips: Tensor) -> Tensor:
        """The vectors (B, D) of normalised frames (B, 3, T, S, S)."""
        frames = clips.transpose(1, 2)  # (B, T, 3, S, S)
        return self.network(pixel_values=frames).last_hidden_state[:, 0]  # type: ignore[no-any-return]


def published_state() -> dict[str, Tensor]:
    """The weights trained on Kinetics-400, from the cache or downloaded.

    They are read as a file, since transformers would fill missing weights with random numbers.

    Raises:
        OSError: they are not in the cache, and the download fails.
        InputError: the file holds no weights.
    """
    from transformers.utils import SAFE_WEIGHTS_NAME, WEIGHTS_NAME
    from transformers.utils.hub import cached_file

    for name in (SAFE_WEIGHTS_NAME, WEIGHTS_NAME):
        file = cached_file(PUBLISHED, name, _raise_exceptions_for_missing_entries=False)
        if file is not None:
            return read_state(Path(file))
    raise FileNotFoundError(f"{PUBLISHED} holds neither {SAFE_WEIGHTS_NAME} nor {WEIGHTS_NAME}")

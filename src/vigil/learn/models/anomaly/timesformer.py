"""TimeSformer, from transformers.

Bertasius et al., "Is Space-Time Attention All You Need for Video Understanding?", 2021.
"""

from typing import Any

from torch import Tensor, nn

from vigil.learn.models.anomaly.backbone import Backbone, InputFacts

PUBLISHED = "facebook/timesformer-base-finetuned-k400"


def build(num_frames: int, **config: Any) -> nn.Module:
    """TimeSformer with divided attention and its classifier, its weights random.

    Args:
        config: of transformers' TimesformerConfig, where it is not to be the base model.
    """
    from transformers import TimesformerConfig, TimesformerForVideoClassification

    facts: dict[str, Any] = {"num_frames": num_frames, "num_labels": 400, **config}
    return TimesformerForVideoClassification(TimesformerConfig(**facts))


class TimeSformer(Backbone):
    """The class token after the last block and its norm."""

    def __init__(self, network: nn.Module, inputs: InputFacts) -> None:
        super().__init__(network.timesformer, inputs)  # type: ignore[arg-type]

    def features(self, clips: Tensor) -> Tensor:
        """(B, 3, T, S, S) normalised to (B, D)."""
        frames = clips.transpose(1, 2)  # (B, T, 3, S, S)
        return self.network(pixel_values=frames).last_hidden_state[:, 0]  # type: ignore[no-any-return]


def published_state() -> dict[str, Tensor]:
    """The weights trained on Kinetics-400, from the cache or the network.

    Raises:
        OSError: they are neither in the cache nor to be had.
    """
    from transformers import TimesformerForVideoClassification

    network = TimesformerForVideoClassification.from_pretrained(PUBLISHED)
    return dict(network.state_dict())

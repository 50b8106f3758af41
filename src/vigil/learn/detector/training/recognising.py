"""Finds out which network a file of weights belongs to, by the names and shapes in it."""

from dataclasses import dataclass
from pathlib import Path

from vigil.learn.detector.network.published_yolox import read_published
from vigil.learn.detector.network.yolox import SIZES
from vigil.learn.networks.weights import read_state
from vigil.learn.pictures.trunk import TRUNKS, is_whole_trunk
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.trunk import TrunkName


@dataclass(frozen=True)
class Recognised:
    """A network.

    Attributes:
        architecture: a `yolox` network, or `grid`, whose trunk the weights are of.
        trunk: None for a `yolox` network.
    """

    architecture: str
    trunk: TrunkName | None


def recognise(weights: Path, likely: TrunkName) -> Recognised:
    """Recognises a `yolox` network, or a classification network of torchvision.

    Args:
        likely: the trunk that is tried first.

    Raises:
        FieldError: it is neither of these.
        InputError: the file is missing or damaged.
    """
    for name in SIZES:
        try:
            read_published(weights, name)
        except InputError:
            continue
        return Recognised(name, None)
    unknown = FieldError(
        "architecture", f"expected the name of the network whose weights {weights} holds, got auto"
    )
    if weights.suffix == ".onnx":
        raise unknown
    state = read_state(weights)
    for trunk in (likely, *TRUNKS):
        if is_whole_trunk(trunk, state):
            return Recognised("grid", trunk)
    raise unknown

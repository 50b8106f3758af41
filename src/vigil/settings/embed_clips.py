"""Parameters of `embed_clips`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field

from vigil.plumbing.errors import FieldError, shorten
from vigil.plumbing.params import Section, Seed, Weight

NetworkName = Literal[
    "r2plus1d_18",
    "slowfast_r50",
    "timesformer",
    "x3d_xs",
    "x3d_s",
    "s3d",
    "mvit_v2_s",
    "swin3d_t",
]
FlowHistogramName = Literal["flow_histogram"]
FLOW_HISTOGRAM: FlowHistogramName = "flow_histogram"
Published = Literal["none", "kinetics400"]
ShortClips = Literal["repeat_last", "error"]
Precision = Literal["auto", "32-true", "bf16-true"]


class FlowHistogram(Section):
    """How `flow_histogram` measures optical flow.

    Attributes:
        num_pairs: pairs of frames whose flow is measured, spread evenly over a window.
        gap_s: time between the two frames of a pair; at least one frame.
        short_side_px: the short side that frames are resized to.
        num_bins: bins of direction, which divide 360 degrees.
        num_time_cells: equal parts of a window in time.
        num_space_cells: equal parts of the picture along each side.
        min_speed: the least speed of a pixel that counts, in short sides a second; slower motion is
            noise.
    """

    num_pairs: Annotated[int, Field(ge=1, le=1000)]
    gap_s: Annotated[float, Field(ge=0.001, le=10)]
    short_side_px: Annotated[int, Field(ge=32, le=1080)]
    num_bins: Annotated[int, Field(ge=2, le=64)]
    num_time_cells: Annotated[int, Field(ge=1, le=64)]
    num_space_cells: Annotated[int, Field(ge=1, le=16)]
    min_speed: Weight


class Network(Section):
    """How a network is used.

    Attributes:
        seed: the seed of random weights.
        num_frames: frames sampled from a window; 0: the number that the network was designed for.
        slowfast_alpha: the slow path of SlowFast takes every alpha-th frame.
        batch_size: windows in a batch; the last batch is padded to this size.
        precision: `auto` is bf16-true where the device has units for it, else 32-true.
        channels_last: whether tensors are stored with channels last in memory.
    """

    seed: Seed
    num_frames: Annotated[int, Field(ge=0, le=1000)]
    slowfast_alpha: Annotated[int, Field(ge=1, le=64)]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    precision: Precision
    channels_last: bool


class EmbedClips(Section):
    """How a window of a video becomes a vector.

    Attributes:
        backbone: `flow_histogram`, or the name of a network.
        weights: the weights of a network: `none` (random), `kinetics400` (published by the
            network's library) or a file.
        short_clips: a window with fewer frames than are sampled repeats its last frame
            (`repeat_last`), or is an error (`error`).
    """

    section: ClassVar[str] = "embed_clips"

    backbone: Literal[FlowHistogramName, NetworkName]
    weights: Annotated[str, Field(min_length=1, max_length=4096)]
    short_clips: ShortClips
    network: Network
    flow_histogram: FlowHistogram

    @property
    def weights_file(self) -> Path | None:
        """The file of the weights; None if the weights are published or random."""
        return None if self.weights in get_args(Published) else Path(self.weights)

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A file of weights must exist before the first stage runs."""
        if self.weights_file and not self.weights_file.is_file():
            raise FieldError(
                "weights", f"expected none, kinetics400 or a file, got {shorten(self.weights)}"
            )
        if self.backbone == FLOW_HISTOGRAM and self.weights != "none":
            raise FieldError(
                "weights",
                f"expected none, since {FLOW_HISTOGRAM} has no weights, got {self.weights!r}",
            )

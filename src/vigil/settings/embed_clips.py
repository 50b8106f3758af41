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
    """What `flow_histogram` measures.

    Attributes:
        num_pairs: pairs of frames whose flow is measured, spread evenly over a window.
        gap_s: between the frames of a pair; at least one frame.
        short_side_px: frames are resized to.
        num_bins: of direction, 360 degrees over all.
        num_time_cells: of a window.
        num_space_cells: along each side of the picture.
        min_speed: of pixels that count, in short sides a second; slower ones are noise.
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
        seed: of random weights.
        num_frames: of a window; 0: the network's own number.
        slowfast_alpha: the slow path of SlowFast takes every alpha-th frame.
        batch_size: windows a step; the last batch is filled up to it.
        precision: `auto` is bf16-true where the device has units for it, else 32-true.
        channels_last: memory layout.
    """

    seed: Seed
    num_frames: Annotated[int, Field(ge=0, le=1000)]
    slowfast_alpha: Annotated[int, Field(ge=1, le=64)]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    precision: Precision
    channels_last: bool


class EmbedClips(Section):
    """What turns a window of a video into a vector.

    Attributes:
        backbone: `flow_histogram`, or a network by its name.
        weights: of a network: `none` (random), `kinetics400` (the library's own) or a file.
        short_clips: what a window of fewer frames than are sampled is.
    """

    section: ClassVar[str] = "embed_clips"

    backbone: Literal[FlowHistogramName, NetworkName]
    weights: Annotated[str, Field(min_length=1, max_length=4096)]
    short_clips: ShortClips
    network: Network
    flow_histogram: FlowHistogram

    @property
    def weights_file(self) -> Path | None:
        """The file that the weights come from; None where they are named or random."""
        return None if self.weights in get_args(Published) else Path(self.weights)

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """A file of weights must be there before the first stage works."""
        if self.weights_file and not self.weights_file.is_file():
            raise FieldError(
                "weights", f"expected none, kinetics400 or a file, got {shorten(self.weights)}"
            )
        if self.backbone == FLOW_HISTOGRAM and self.weights != "none":
            raise FieldError(
                "weights", f"expected none, since {FLOW_HISTOGRAM} has none, got {self.weights!r}"
            )

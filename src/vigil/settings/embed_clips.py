"""Parameters of `embed_clips`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Field, field_validator, model_validator

from vigil.plumbing.errors import FieldError, shorten
from vigil.plumbing.params import Section, Seed
from vigil.settings.trunk import Stride, TrunkName
from vigil.settings.vision_transformer import TransformerName, VisionTransformer

NetworkName = Literal[
    "r2plus1d_18",
    "slowfast_r50",
    "timesformer",
    "x3d_xs",
    "x3d_s",
    "s3d",
    "mvit_v2_s",
    "swin3d_t",
    "dino",
    "trunk",
]
DINO: NetworkName = "dino"
TRUNK: NetworkName = "trunk"
WITH_CELLS: tuple[NetworkName, ...] = (DINO, TRUNK)
"""The networks that see frames one by one, so that a cell of a frame has a vector."""
ChannelName = Literal[
    "local_speed", "local_disorder", "motion_histogram", "motion_cells", "appearance", "objects"
]
MotionChannelName = Literal["local_speed", "local_disorder", "motion_histogram", "motion_cells"]
APPEARANCE: ChannelName = "appearance"
OBJECTS: ChannelName = "objects"
CHANNELS: tuple[ChannelName, ...] = get_args(ChannelName)
MOTION_CHANNELS: tuple[MotionChannelName, ...] = get_args(MotionChannelName)
Published = Literal["none", "kinetics400", "published", "imagenet"]
ShortClips = Literal["repeat_last", "error"]
Precision = Literal["auto", "32-true", "bf16-true"]
NoiseFloor = Literal["measured"]
FeatureName = Literal["speed", "acceleration", "shape", "place", "dwelling", "crowd", "distance"]
Seconds = Annotated[float, Field(ge=0, le=60)]


class Flow(Section):
    """How optical flow is measured between two frames.

    Attributes:
        short_side_px: frames with a longer short side are resized to it; smaller frames are not
            enlarged.
        gap_s: time between the two frames of a pair; at least one frame.
        num_cells: cells along the short side; velocities are averaged over each cell.
    """

    short_side_px: Annotated[int, Field(ge=32, le=1080)]
    gap_s: Annotated[float, Field(ge=0.001, le=1)]
    num_cells: Annotated[int, Field(ge=4, le=1080)]


class LocalSpeed(Section):
    """How `local_speed` measures the speed of the fastest bodies.

    Attributes:
        flow: how optical flow is measured.
        mean_cells: side of the square of cells over which velocities are averaged.
        past_s: past time over which a velocity is averaged along its straight path.
        ahead_s: future time of the same average; evidence is known this much later.
        num_peaks: the number of fastest places that are kept at each moment.
    """

    flow: Flow
    mean_cells: Annotated[int, Field(ge=1, le=101)]
    past_s: Seconds
    ahead_s: Seconds
    num_peaks: Annotated[int, Field(ge=1, le=100)]

    @field_validator("mean_cells")
    @classmethod
    def _check_odd(cls, number: int) -> int:
        if number % 2 == 0:
            raise ValueError(
                f"expected an odd number, since a square needs a middle cell, got {number}"
            )
        return number


class LocalDisorder(Section):
    """How `local_disorder` measures motion in several directions at one place.

    Attributes:
        flow: how optical flow is measured.
        size: side of a place, as a fraction of the short side.
        min_speed: the least speed of a cell that counts, in short sides a second; slower motion is
            noise. `measured`: three times the median speed at the moment, at most 0.05.
        past_s: past time over which the disorder of a place is averaged.
        num_peaks: the number of places with the most disorder that are kept at each moment.
    """

    flow: Flow
    size: Annotated[float, Field(ge=0.01, le=1)]
    min_speed: NoiseFloor | Annotated[float, Field(ge=0, le=100)]
    past_s: Seconds
    num_peaks: Annotated[int, Field(ge=1, le=100)]


class Histogram(Section):
    """Histograms of the direction of motion, weighted by speed.

    Attributes:
        num_bins: bins of direction, which divide 360 degrees.
        num_time_cells: equal parts of the time that a vector describes.
        min_speed: the least speed of a cell that counts, in short sides a second; slower motion is
            noise. `measured`: three times the median speed at the moment, at most 0.05.
        root: whether the square root of each sum is taken.
    """

    num_bins: Annotated[int, Field(ge=2, le=64)]
    num_time_cells: Annotated[int, Field(ge=1, le=64)]
    min_speed: NoiseFloor | Annotated[float, Field(ge=0, le=100)]
    root: bool


class MotionHistogram(Section):
    """How `motion_histogram` measures the motion of the whole picture in a window.

    Attributes:
        flow: how optical flow is measured.
        histogram: how its directions are counted.
        num_pairs: pairs of frames, spread evenly over a window; 0: all pairs.
        num_space_cells: equal parts of the picture along each side.
    """

    flow: Flow
    histogram: Histogram
    num_pairs: Annotated[int, Field(ge=0, le=1000)]
    num_space_cells: Annotated[int, Field(ge=1, le=16)]


class MotionCells(Section):
    """How `motion_cells` measures the motion in each place of a person's size.

    Attributes:
        flow: how optical flow is measured.
        histogram: how its directions are counted.
        size: side of a place, as a fraction of the short side; places overlap by half.
        past_s: the time that a vector describes.
        step_s: the time from one vector of a place to the next.
    """

    flow: Flow
    histogram: Histogram
    size: Annotated[float, Field(ge=0.01, le=1)]
    past_s: Annotated[float, Field(gt=0, le=60)]
    step_s: Annotated[float, Field(gt=0, le=60)]


class Network(Section):
    """How a network is used.

    Attributes:
        seed: the seed of random weights, before the weights of a file replace them.
        num_frames: frames sampled from a window; 0: the number that the network was designed for.
        slowfast_alpha: the slow path of SlowFast takes every alpha-th frame.
        transformer: the vision transformer of `dino`; the vector of a whole window is the mean
            class token of its frames.
        trunk: the network of `trunk`, which torchvision knows by this name.
        stride: the side of a cell of the map of `trunk` that is used, in px of the input.
        size_px: the side of the square to which `dino` and `trunk` resize frames; 0: the size that
            the network was designed for, of which `dino` uses at most 224.
        batch_size: windows in a batch; the last batch is padded to this size.
        precision: `auto` is bf16-true where the device has units for it, else 32-true; for `trunk`
            always 32-true, since the vectors of MobileNetV2 in bf16 differ by up to a third.
        channels_last: whether tensors are stored with channels last in memory.
    """

    seed: Seed
    num_frames: Annotated[int, Field(ge=0, le=1000)]
    slowfast_alpha: Annotated[int, Field(ge=1, le=64)]
    transformer: TransformerName
    trunk: TrunkName
    stride: Stride
    size_px: Annotated[int, Field(ge=0, le=4096)]
    batch_size: Annotated[int, Field(ge=1, le=1024)]
    precision: Precision
    channels_last: bool


class Appearance(Section):
    """How `appearance` measures: a network trained on other clips gives the vector of a window.

    Attributes:
        backbone: the name of a network.
        weights: the weights of the network: `kinetics400` (published by the network's library), a
            file, or `none` (random), which the channel refuses. For `dino`: `published`, a file,
            or a folder in the form of the library transformers. For `trunk`: `imagenet`
            (published by torchvision) or a file.
        num_space_cells: equal parts of the picture along each side. 1: a window has one vector.
            More, for `dino` and `trunk`: each part of each sampled frame has a vector, so the
            evidence has a place and a time.
        network: how the network is used.
    """

    backbone: NetworkName
    weights: Annotated[str, Field(min_length=1, max_length=4096)]
    num_space_cells: Annotated[int, Field(ge=1, le=64)]
    network: Network

    @model_validator(mode="after")
    def _check_cells(self) -> "Appearance":
        if self.num_space_cells > 1 and self.backbone not in WITH_CELLS:
            raise ValueError(
                f"expected num_space_cells to be 1 for {self.backbone}, whose vector describes a "
                f"whole window, got {self.num_space_cells}; {' and '.join(WITH_CELLS)} have cells"
            )
        if self.network.size_px and self.backbone not in WITH_CELLS:
            raise ValueError(
                f"expected network.size_px to be 0 for {self.backbone}, which has a size of its "
                f"own, got {self.network.size_px}"
            )
        return self

    @property
    def weights_file(self) -> Path | None:
        """The file or folder of the weights; None if the weights are published or random."""
        return None if self.weights in get_args(Published) else Path(self.weights)


class Objects(Section):
    """How `objects` measures what tracked objects do. Lengths are in heights of the object's box.

    Attributes:
        features: what is measured of each object; each has a scorer of its own. `speed` and
            `acceleration`, in heights a second and heights a second squared; `shape`: the change
            of the logarithm of height over width, a second; `place`: where it stands, as fractions
            of the picture's width and height; `dwelling`: the time since it was last elsewhere;
            `crowd`: the number of objects in the picture; `distance`: to the nearest other object,
            in heights.
        past_s: past time over which boxes are smoothed. A younger track is not measured.
        edge: a box that comes so near to the edge of the picture, as a fraction of the short side,
            is not measured: the picture may cut the object off. It counts as one of the crowd.
        dwell_heights: farther away than this is elsewhere.
        dwell_s: the longest time that `dwelling` counts.
        far_heights: the longest distance that `distance` counts; also where nobody else is.
    """

    features: Annotated[tuple[FeatureName, ...], Field(min_length=1)]
    past_s: Annotated[float, Field(gt=0, le=60)]
    edge: Annotated[float, Field(ge=0, le=0.5)]
    dwell_heights: Annotated[float, Field(gt=0, le=100)]
    dwell_s: Annotated[float, Field(gt=0, le=86_400)]
    far_heights: Annotated[float, Field(gt=0, le=1000)]

    @field_validator("features")
    @classmethod
    def _check_once(cls, names: tuple[FeatureName, ...]) -> tuple[FeatureName, ...]:
        if len(set(names)) < len(names):
            raise ValueError(f"expected each feature once, got {', '.join(names)}")
        return names


class EmbedClips(Section):
    """How the evidence in the windows of videos is measured.

    Attributes:
        channels: the kinds of evidence; the block of the same name has the parameters of each.
        short_clips: a window that is shorter than a channel needs is measured over its frames
            (`repeat_last`; a network sees the last frame repeated), or is an error (`error`).
        local_speed, local_disorder, motion_histogram, motion_cells, appearance, objects: the
            parameters of each channel.
    """

    section: ClassVar[str] = "embed_clips"

    channels: Annotated[tuple[ChannelName, ...], Field(min_length=1)]
    short_clips: ShortClips
    local_speed: LocalSpeed
    local_disorder: LocalDisorder
    motion_histogram: MotionHistogram
    motion_cells: MotionCells
    appearance: Appearance
    objects: Objects

    @model_validator(mode="after")
    def _check_channels(self) -> "EmbedClips":
        repeated = sorted({name for name in self.channels if self.channels.count(name) > 1})
        if repeated:
            raise ValueError(f"expected each channel once, got more of {', '.join(repeated)}")
        return self

    @property
    def motion_channels(self) -> tuple[MotionChannelName, ...]:
        """The channels in use that need no network."""
        return tuple(name for name in MOTION_CHANNELS if name in self.channels)

    @property
    def needs_tracks(self) -> bool:
        """Whether a channel judges tracked objects."""
        return OBJECTS in self.channels

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """Weights and the detector of tracks must be named before the first stage runs."""
        if self.needs_tracks and not sections["track_clips"].is_asked:
            raise FieldError(
                "channels",
                "expected track_clips.detector to name a detector where objects is a channel, as "
                f"models/detector, got {sections['track_clips'].detector}",
            )
        if APPEARANCE not in self.channels:
            return
        weights, file = self.appearance.weights, self.appearance.weights_file
        named: dict[NetworkName, Published] = {DINO: "published", TRUNK: "imagenet"}
        published = named.get(self.appearance.backbone, "kinetics400")
        if weights == "none":
            raise FieldError(
                "appearance.weights",
                f"expected {published} or a file, since vectors of random weights are no evidence, "
                "got 'none'",
            )
        if file is None and weights != published:
            raise FieldError(
                "appearance.weights",
                f"expected {published} or a file for {self.appearance.backbone}, got {weights}",
            )
        if self.appearance.backbone == DINO:
            name = self.appearance.network.transformer
            block = VisionTransformer(architecture=name, weights=weights)
            block.check_weights("appearance", [published])
        elif file and not file.is_file():
            raise FieldError(
                "appearance.weights", f"expected {published} or a file, got {shorten(weights)}"
            )

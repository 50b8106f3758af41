"""Builds networks that turn a clip into a vector, by name, with their weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType

from torch import Tensor, nn

from vigil.learn.alarm.network.embedding import (
    dino,
    pytorchvideo_hub,
    timesformer,
    torchvision_video,
    trunk,
)
from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts
from vigil.learn.alarm.network.embedding.published import download_state, load_into
from vigil.learn.networks.weights import UNREADABLE, read_state
from vigil.learn.pictures.trunk import Trunk
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.pixels.fitting import FrameSize
from vigil.plumbing.closure import Import, imports_from
from vigil.plumbing.errors import FieldError, listed
from vigil.settings.embed_clips import DINO, TRUNK, NetworkName
from vigil.settings.trunk import Stride, TrunkName
from vigil.settings.vision_transformer import PUBLISHED, TransformerName

NO_WEIGHTS, KINETICS, IMAGENET = "none", "kinetics400", trunk.IMAGENET
KINETICS_MEAN = (0.43216, 0.394666, 0.37645)
KINETICS_STD = (0.22803, 0.22145, 0.216989)
HALF, QUARTER = (0.45, 0.45, 0.45), (0.225, 0.225, 0.225)
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class ByFrame:
    """How a network sees frames one by one. Its parameters are those of `embed_clips.appearance`.

    Attributes:
        trunk, stride: the network of `trunk`, and the cells of its map in px of the frame.
        size_px: the side of the squares that frames are resized to; 0: the network's own.
        num_cells: equal parts of a frame along each side, each with a vector if there are several.
    """

    trunk: TrunkName = "mobilenet_v2"
    stride: Stride = 16
    size_px: int = 0
    num_cells: int = 1


WHOLE_PICTURES = ByFrame()


@dataclass(frozen=True)
class Options:
    """The options of a network.

    Attributes:
        num_frames: the number of frames from a window.
        alpha: the slow path of SlowFast takes every alpha-th frame.
        transformer: the vision transformer of `dino`.
        weights: of `dino` and `trunk`, see `build_backbone`. Other networks are built with random
            weights.
        by_frame: how `dino` and `trunk` see frames.
    """

    num_frames: int
    alpha: int
    transformer: TransformerName = "dinov2_reg_small"
    weights: str = NO_WEIGHTS
    by_frame: ByFrame = WHOLE_PICTURES


@dataclass(frozen=True)
class Entry:
    """A network.

    Attributes:
        inputs: the input that the network was designed for.
        width: the dimensions of its vectors; of `dino` and `trunk`, those of the default network.
        build: builds the library's whole network with random weights.
        cut: removes its classifier.
        named: the name of its published weights.
        published: reads its weights trained on Kinetics-400; None: `build` loads all weights.
        classifier: the prefix of the names of the classifier's weights.
        frames: accepted numbers of frames besides `inputs.num_frames`; None: any.
    """

    inputs: InputFacts
    width: int
    build: Callable[[Options], nn.Module]
    cut: Callable[[nn.Module, InputFacts, Options], Backbone]
    published: Callable[[], Mapping[str, Tensor]] | None
    classifier: str
    frames: tuple[int, ...] | None = ()
    named: str = KINETICS


def _torchvision(
    name: str, width: int, inputs: InputFacts, frames: tuple[int, ...] | None = ()
) -> Entry:
    return Entry(
        inputs,
        width,
        build=lambda _: torchvision_video.build(name),
        cut=lambda network, facts, _: torchvision_video.cut(network, name, facts),
        published=lambda: download_state(torchvision_video.address(name), check_hash=True),
        classifier=f"{torchvision_video.CLASSIFIERS[name]}.",
        frames=frames,
    )


def _x3d(name: str, num_frames: int) -> Entry:
    return Entry(
        InputFacts(num_frames, FrameSize(182, 182), HALF, QUARTER),
        2048,
        build=lambda _: pytorchvideo_hub.build_x3d(name),
        cut=lambda network, facts, _: pytorchvideo_hub.cut_x3d(network, facts),
        published=lambda: download_state(pytorchvideo_hub.address(name)),
        classifier="blocks.5.proj.",
    )


BACKBONES: dict[NetworkName, Entry] = {
    "r2plus1d_18": _torchvision(
        "r2plus1d_18",
        512,
        InputFacts(8, FrameSize((128, 171), 112), KINETICS_MEAN, KINETICS_STD),
        frames=None,
    ),
    "s3d": _torchvision(
        "s3d",
        1024,
        InputFacts(32, FrameSize((256, 256), 224), KINETICS_MEAN, KINETICS_STD),
        frames=(16, 64, 128),
    ),
    "mvit_v2_s": _torchvision("mvit_v2_s", 768, InputFacts(16, FrameSize(256, 224), HALF, QUARTER)),
    "swin3d_t": _torchvision(
        "swin3d_t",
        768,
        InputFacts(32, FrameSize(256, 224), IMAGENET_MEAN, IMAGENET_STD),
        frames=None,
    ),
    "slowfast_r50": Entry(
        InputFacts(32, FrameSize(256, 256), HALF, QUARTER),
        2304,
        build=lambda options: pytorchvideo_hub.build_slowfast(options.num_frames, options.alpha),
        cut=lambda network, facts, options: pytorchvideo_hub.SlowFast(
            network, facts, options.alpha
        ),
        published=lambda: download_state(pytorchvideo_hub.address("slowfast_r50")),
        classifier="blocks.6.proj.",
        frames=None,
    ),
    "x3d_xs": _x3d("x3d_xs", 4),
    "x3d_s": _x3d("x3d_s", 13),
    "timesformer": Entry(
        InputFacts(8, FrameSize(224, 224), HALF, QUARTER),
        768,
        build=lambda options: timesformer.build(options.num_frames),
        cut=lambda network, facts, _: timesformer.TimeSformer(network, facts),
        published=timesformer.published_state,
        classifier="classifier.",
        frames=None,
    ),
    DINO: Entry(
        InputFacts(8, FrameSize(224, 224), IMAGENET_MEAN, IMAGENET_STD),
        384,
        build=lambda options: dino.build(options.transformer, options.weights),
        cut=lambda network, facts, options: _cut_dino(network, facts, options.by_frame),
        published=None,
        classifier="",
        frames=None,
        named=PUBLISHED,
    ),
    TRUNK: Entry(
        InputFacts(4, FrameSize(224, 224), IMAGENET_MEAN, IMAGENET_STD),
        96,
        build=lambda options: trunk.build(
            options.by_frame.trunk, options.by_frame.stride, options.weights
        ),
        cut=lambda network, facts, options: _cut_trunk(network, facts, options.by_frame),
        published=None,
        classifier="",
        frames=None,
        named=IMAGENET,
    ),
}


def _cut_dino(network: nn.Module, facts: InputFacts, options: ByFrame) -> Backbone:
    assert isinstance(network, AttentiveTransformer)
    return dino.DinoFrames(network, facts, num_cells=options.num_cells, size_px=options.size_px)


def _cut_trunk(network: nn.Module, facts: InputFacts, options: ByFrame) -> Backbone:
    assert isinstance(network, Trunk)
    stride, side, num_cells = options.stride, options.size_px, options.num_cells
    return trunk.TrunkFrames(network, facts, num_cells=num_cells, stride=stride, size_px=side)


def imports_of_others(name: str) -> set[Import]:
    """The imports of this module that a network does not use."""
    by_name: dict[str, ModuleType] = {"timesformer": timesformer, DINO: dino, TRUNK: trunk}
    by_name |= dict.fromkeys(torchvision_video.CLASSIFIERS, torchvision_video)
    library = by_name.get(name, pytorchvideo_hub)
    others = {*by_name.values(), pytorchvideo_hub} - {library}
    unused = {module.__name__ for module in others}
    if library is not dino:
        unused.add(AttentiveTransformer.__module__)
    if library is not trunk:
        unused.add(Trunk.__module__)
    return imports_from(Path(__file__), *unused)


def build_backbone(
    name: str,
    *,
    weights: str,
    num_frames: int,
    alpha: int,
    transformer: TransformerName = "dinov2_reg_small",
    by_frame: ByFrame = WHOLE_PICTURES,
) -> Backbone:
    """Builds a network by name, ready to embed.

    Args:
        weights: `none` (random, from torch's seed), `kinetics400` (published by the library, from
            its cache or downloaded), or a file. In place of `kinetics400`, `dino` has `published`,
            and `trunk` has `imagenet`. For `dino`, a folder, too.
        num_frames: frames from a window; 0: the number that the network was designed for.
        alpha: the slow path of SlowFast takes every alpha-th frame.
        transformer: the vision transformer of `dino`.
        by_frame: how `dino` and `trunk` see frames.

    Raises:
        FieldError: the name, the number of frames or alpha is not valid, the cells do not fit the
            network's map, or published weights cannot be read.
        InputError: the weights are those of another network.
    """
    if name not in BACKBONES:
        raise FieldError("backbone", f"expected one of {listed(BACKBONES)}, got {name!r}")
    entry = BACKBONES[name]
    options = Options(num_frames or entry.inputs.num_frames, alpha, transformer, weights, by_frame)
    _check_frames(name, entry, options)
    if weights in {KINETICS, PUBLISHED, IMAGENET} - {entry.named}:
        raise FieldError("weights", f"expected {entry.named} or a file for {name}, got {weights}")
    network = entry.build(options)
    if entry.published is None:
        inputs = replace(entry.inputs, num_frames=options.num_frames)
        return entry.cut(network, inputs, options).eval()
    if weights == KINETICS:
        _load_published(name, network, entry)
    elif weights != NO_WEIGHTS:
        path = Path(weights)
        load_into(network, read_state(path), str(path), entry.classifier)
    inputs = replace(entry.inputs, num_frames=options.num_frames)
    return entry.cut(network, inputs, options).eval()


def _check_frames(name: str, entry: Entry, options: Options) -> None:
    known = None if entry.frames is None else {entry.inputs.num_frames, *entry.frames}
    if known and options.num_frames not in known:
        raise FieldError(
            "network.num_frames",
            f"expected {listed(known)} (0: {entry.inputs.num_frames}) for {name}, "
            f"got {options.num_frames}",
        )
    if name == "slowfast_r50" and (
        options.num_frames % options.alpha or options.num_frames < options.alpha
    ):
        raise FieldError(
            "network.slowfast_alpha",
            f"expected a divisor of the {options.num_frames} frames, got {options.alpha}",
        )


def _load_published(name: str, network: nn.Module, entry: Entry) -> None:
    assert entry.published is not None
    try:
        state = entry.published()
    except UNREADABLE as error:  # urllib's and requests' errors are OSErrors
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise FieldError(
            "weights",
            f"expected to find or download {name}'s weights of Kinetics-400, got: {reason}; "
            "without a network, give a file",
        ) from None
    load_into(network, state, f"{name}'s weights of Kinetics-400", entry.classifier)

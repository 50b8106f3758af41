"""Each network against its library's own with the classifier cut off, small and random."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import pytest
import torch
from tiny_transformers import small_sizes, use_small_sizes
from torch import Tensor, nn
from torchvision.models import get_model

from vigil.learn.alarm.network.embedding import (
    dino,
    pytorchvideo_hub,
    timesformer,
    torchvision_video,
)
from vigil.learn.alarm.network.embedding.backbone import Backbone, InputFacts
from vigil.learn.alarm.network.embedding.pytorchvideo_hub import pack_pathways
from vigil.learn.alarm.network.embedding.registry import BACKBONES, build_backbone
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.pixels.fitting import FrameSize
from vigil.plumbing.errors import InputError

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
]
WIDTHS = {
    "r2plus1d_18": 512, "slowfast_r50": 2304, "timesformer": 768, "x3d_xs": 2048, "x3d_s": 2048,
    "s3d": 1024, "mvit_v2_s": 768, "swin3d_t": 768, "dino": 384, "trunk": 96,
}  # fmt: skip


def facts(num_frames: int, side_px: int) -> InputFacts:
    return InputFacts(num_frames, FrameSize(side_px, side_px), (0.4, 0.5, 0.6), (0.2, 0.3, 0.25))


def frames_of(inputs: InputFacts, batch: int = 3) -> Tensor:
    generator = torch.Generator().manual_seed(1)
    side = inputs.size.crop_px
    shape = (batch, inputs.num_frames, side, side, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def normalised(frames: Tensor, inputs: InputFacts) -> Tensor:
    clips = frames.movedim(-1, 1).float() / 255
    mean, std = (torch.tensor(v).view(1, 3, 1, 1, 1) for v in (inputs.mean, inputs.std))
    return (clips - mean) / std


def assert_near(found: Tensor, expected: Tensor, tolerance: float) -> None:
    """Relative to the largest number: random networks have no scale."""
    assert (found - expected).abs().max() <= tolerance * max(1.0, float(expected.abs().max()))


def before(network: nn.Module, classifier: nn.Module, run: Callable[[], object]) -> Tensor:
    """What the library's network gives to its classifier."""
    seen: list[Tensor] = []
    hook = classifier.register_forward_pre_hook(lambda _, given: seen.append(given[0].clone()))
    with torch.inference_mode():
        run()
    hook.remove()
    return seen[0]


def small_r2plus1d() -> nn.Module:
    from torchvision.models.video.resnet import BasicBlock, Conv2Plus1D, R2Plus1dStem, VideoResNet

    return VideoResNet(BasicBlock, [Conv2Plus1D] * 4, [1, 1, 1, 1], R2Plus1dStem)


def small_slowfast(num_frames: int, alpha: int) -> nn.Module:
    from pytorchvideo.models.slowfast import create_slowfast

    return create_slowfast(
        model_depth=50,
        stem_dim_outs=(8, 4),
        slowfast_fusion_conv_kernel_size=(7, 1, 1),
        slowfast_fusion_conv_stride=(alpha, 1, 1),
        slowfast_channel_reduction_ratio=(2,),
        head_pool_kernel_sizes=((num_frames // alpha, 1, 1), (num_frames, 1, 1)),
        model_num_class=5,
    )


def small_x3d() -> nn.Module:
    from pytorchvideo.models.x3d import create_x3d

    return create_x3d(input_clip_length=4, input_crop_size=64, model_num_class=5)


def randomise(network: nn.Module) -> nn.Module:
    """Norms' weights and statistics too, which start out as ones and zeros."""
    torch.manual_seed(0)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            nn.init.uniform_(parameter, 0.5, 1.5)
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    return network.eval()


def small_mvit() -> nn.Module:
    from torchvision.models.video.mvit import MSBlockConfig, MViT

    first = MSBlockConfig(1, 8, 16, [3, 3, 3], [3, 3, 3], [1, 1, 1], [1, 2, 2])
    second = MSBlockConfig(2, 16, 16, [3, 3, 3], [3, 3, 3], [1, 2, 2], [1, 1, 1])
    return MViT(
        spatial_size=(32, 32),
        temporal_size=4,
        block_setting=[first, second],
        residual_pool=True,
        residual_with_cls_embed=False,
        rel_pos_embed=True,
        proj_after_attn=True,
        num_classes=5,
        patch_embed_stride=(2, 4, 4),
    )


def small_swin() -> nn.Module:
    from torchvision.models.video.swin_transformer import SwinTransformer3d

    return SwinTransformer3d([2, 4, 4], 12, [2, 2], [2, 4], [2, 4, 4], num_classes=5)


Case = tuple[Tensor, Backbone, Tensor]
"""The library's output before its classifier, our network and its frames."""


def of_torchvision(name: str, network: nn.Module, inputs: InputFacts, batch: int = 3) -> Case:
    network, frames = randomise(network), frames_of(inputs, batch)
    classifier = getattr(network, torchvision_video.CLASSIFIERS[name])
    expected = before(network, classifier, lambda: network(normalised(frames, inputs)))
    return expected, torchvision_video.cut(network, name, inputs), frames


def slowfast_case() -> Case:
    inputs = facts(16, 64)
    frames = frames_of(inputs, 2)
    network = randomise(small_slowfast(16, 4))
    paths, head = pack_pathways(normalised(frames, inputs), 4), network.blocks[-1]
    expected = before(network, head.dropout, lambda: network(paths)).mean((2, 3, 4))
    return expected, pytorchvideo_hub.SlowFast(network, inputs, 4), frames


def x3d_case() -> Case:
    inputs = facts(4, 64)
    frames = frames_of(inputs, 2)
    network = randomise(small_x3d())
    clips, head = normalised(frames, inputs), network.blocks[-1]
    expected = before(network, head.dropout, lambda: network(clips)).mean((2, 3, 4))
    return expected, pytorchvideo_hub.cut_x3d(network, inputs), frames


def timesformer_case() -> Case:
    inputs = facts(4, 32)
    frames = frames_of(inputs)
    network = randomise(
        timesformer.build(
            4,
            hidden_size=24,
            num_hidden_layers=2,
            num_attention_heads=2,
            intermediate_size=48,
            image_size=32,
        )
    )
    turned = normalised(frames, inputs).transpose(1, 2)
    expected = before(network, network.classifier, lambda: network(turned))
    with torch.inference_mode():
        token = network.timesformer(turned).last_hidden_state[:, 0]
    torch.testing.assert_close(expected, token)
    return expected, timesformer.TimeSformer(network, inputs), frames


def dino_case() -> Case:
    """The mean of the class tokens that the library gives for each frame alone."""
    size = small_sizes()["dinov2_reg_small"]
    network = AttentiveTransformer(size.family, {**size.config, "image_size": 32})
    inputs = facts(4, 32)
    randomise(network)
    frames = frames_of(inputs)
    pixels = normalised(frames, inputs)
    with torch.inference_mode():
        tokens = [
            network.network(pixel_values=pixels[:, :, at]).last_hidden_state[:, 0]
            for at in range(4)
        ]
    return (
        torch.stack(tokens).mean(dim=0),
        dino.DinoFrames(network, inputs, num_cells=1, size_px=0),
        frames,
    )


CASES: dict[str, Callable[[], Case]] = {
    "dino": dino_case,
    "r2plus1d": lambda: of_torchvision("r2plus1d_18", small_r2plus1d(), facts(4, 32)),
    # S3D averages over 2 x 7 x 7 places: it takes no smaller clips than this.
    "s3d": lambda: of_torchvision("s3d", get_model("s3d", weights=None), facts(16, 224), 2),
    "mvit": lambda: of_torchvision("mvit_v2_s", small_mvit(), facts(4, 32)),
    "swin3d": lambda: of_torchvision("swin3d_t", small_swin(), facts(4, 32)),
    "slowfast": slowfast_case,
    "x3d": x3d_case,
    "timesformer": timesformer_case,
}


def case(name: str) -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CASES[name]()


NAMES = tuple(CASES)


@pytest.mark.parametrize("name", NAMES)
def test_a_network_is_the_librarys_with_its_classifier_cut_off(name: str) -> None:
    expected, model, frames = case(name)
    with torch.inference_mode():
        vectors = model(frames)
    assert vectors.shape == expected.flatten(1).shape
    assert expected.std() > 1e-3
    assert_near(vectors, expected.flatten(1), 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_equals_its_clips_one_by_one(name: str) -> None:
    _, model, frames = case(name)
    with torch.inference_mode():
        alone = torch.cat([model(one) for one in frames.split(1)])
        assert_near(model(frames), alone, 1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_other_arithmetic_gives_about_the_same(name: str) -> None:
    expected, model, frames = case(name)
    model.use_channels_last()
    with torch.inference_mode():
        assert_near(model(frames), expected.flatten(1), 1e-5)
        model.use_bf16()
        vectors = model(frames)
    assert vectors.dtype == torch.float32
    error = (vectors - expected.flatten(1)).norm() / expected.norm()
    assert 0 < error < 0.03


def test_slow_frames_are_packed_as_pytorchvideo_does() -> None:
    """Its tutorial's PackPathway: linspace over all frames, cut to whole numbers."""
    clips = torch.arange(32.0).view(1, 1, 32, 1, 1)
    slow, fast = pack_pathways(clips, 4)
    assert slow.flatten().tolist() == [0, 4, 8, 13, 17, 22, 26, 31]
    assert torch.equal(fast, clips)
    assert pack_pathways(clips, 8)[0].shape[2] == 4


def test_the_registry_tells_the_published_widths() -> None:
    assert {name: entry.width for name, entry in BACKBONES.items()} == WIDTHS


@pytest.mark.parametrize("name", ["x3d_xs", "r2plus1d_18"])
def test_a_real_network_has_its_width(name: str) -> None:
    model = build_backbone(name, weights="none", num_frames=0, alpha=4)
    inputs = replace(model.inputs, size=FrameSize(160, 160 if name == "x3d_xs" else 32))
    with torch.inference_mode():
        assert model(frames_of(inputs, 1)).shape == (1, WIDTHS[name])


@pytest.mark.parametrize(
    ("name", "told", "expected"),
    [
        ("resnet", {}, "^backbone: expected one of dino, mvit_v2_s"),
        ("dino", {"weights": "kinetics400"}, "^weights: expected published or a file for dino"),
        ("x3d_xs", {"weights": "published"}, "^weights: expected kinetics400 or a file for x3d_xs"),
        ("dino", {"weights": "none.pth"}, "none.pth: expected a network's weights"),
        (
            "mvit_v2_s",
            {"num_frames": 8},
            r"^network\.num_frames: expected 16 \(0: 16\) for mvit_v2_s, got 8",
        ),
        ("x3d_xs", {"num_frames": 8}, "for x3d_xs, got 8"),
        (
            "slowfast_r50",
            {"alpha": 5},
            "^network.slowfast_alpha: expected a divisor of the 32 frames",
        ),
        ("slowfast_r50", {"num_frames": 2}, "slowfast_alpha"),
        ("r2plus1d_18", {"weights": "none.pth"}, "none.pth: expected a network's weights"),
    ],
)
def test_what_does_not_fit_is_refused(name: str, told: dict, expected: str) -> None:
    with pytest.raises(InputError, match=expected):
        build_backbone(name, **{"weights": "none", "num_frames": 0, "alpha": 4, **told})


def test_dino_takes_any_transformer_with_its_own_width(monkeypatch: pytest.MonkeyPatch) -> None:
    use_small_sizes(monkeypatch)
    told = {"weights": "none", "num_frames": 3, "alpha": 4}
    model = build_backbone("dino", **told, transformer="dinov3_base")
    assert model.inputs.num_frames == 3
    assert model.inputs.size == FrameSize(16, 16)
    with torch.inference_mode():
        assert model(torch.zeros(2, 3, 16, 16, 3, dtype=torch.uint8)).shape == (2, 24)


def test_frames_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match=r"frames must have the shape \(B, T, S, S, 3\)"):
        case("r2plus1d")[1](torch.zeros(1, 3, 4, 8, 8))

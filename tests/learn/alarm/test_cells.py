"""The vectors of cells: each describes its own part of its own frame, wherever it is asked for."""

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny_alarms import write_alarm
from tiny_clips import decode, write_clip
from tiny_settings import shipped
from tiny_transformers import NAMES, use_small_sizes
from torchvision.models import mobilenet_v2

from vigil.domain.clips.evidence.pieces import pieces_of_cells
from vigil.learn.alarm.appearance import AppearanceEmbedder
from vigil.learn.alarm.network.embedding.registry import ByFrame, build_backbone
from vigil.learn.alarm.trained import TrainedAlarm
from vigil.learn.vision_transformers.network import AttentiveTransformer
from vigil.pixels.embedding.remembered import VideoRequest
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import FieldError, InputError
from vigil.settings.embed_clips import EmbedClips

FPS = Fraction(25)
TOLD: dict[str, Any] = {"weights": "none", "num_frames": 2, "alpha": 4}


def frames_of(model: Any) -> torch.Tensor:
    side = model.inputs.size.crop_px
    generator = torch.Generator().manual_seed(1)
    shape = (1, model.inputs.num_frames, side, side, 3)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


def weights_file(folder: Path) -> Path:
    """Random weights, always the same."""
    torch.manual_seed(0)
    save_file(mobilenet_v2(weights=None).state_dict(), folder / "mobilenet.safetensors")
    return folder / "mobilenet.safetensors"


def cells_embedder(folder: Path, num_cells: int, **network: object) -> AppearanceEmbedder:
    network = {"precision": "32-true", "channels_last": False, "size_px": 64, **network}
    own = {
        "backbone": "trunk",
        "weights": str(weights_file(folder)),
        "num_space_cells": num_cells,
        "network": network,
    }
    return AppearanceEmbedder(shipped(EmbedClips, channels=["appearance"], appearance=own), FPS)


def test_the_cells_of_frames_tile_the_picture() -> None:
    """A corner of a cell is where its neighbours begin, at an uneven size too."""
    times = np.array([0.5, 1.25])
    vectors = np.arange(2 * 9 * 4, dtype=np.float32).reshape(18, 4)
    pieces = pieces_of_cells(vectors, (100, 50), times)
    assert pieces.vectors is vectors
    assert pieces.spans_s.tolist() == [[0.5, 0.5]] * 9 + [[1.25, 1.25]] * 9
    boxes = pieces.boxes_xyxy.reshape(2, 3, 3, 4)
    assert np.array_equal(boxes[0], boxes[1])
    assert boxes[0, 0, 0, :2].tolist() == [0, 0]
    assert boxes[0, 2, 2, 2:].tolist() == [100, 50]
    assert np.array_equal(boxes[:, :, 1:, 0], boxes[:, :, :-1, 2])
    assert np.array_equal(boxes[:, 1:, :, 1], boxes[:, :-1, :, 3])
    np.testing.assert_allclose(boxes[0, 1, 2], [200 / 3, 50 / 3, 100, 100 / 3])
    assert (pieces.sizes_wh == [100, 50]).all()


def test_a_change_of_a_place_is_seen_in_its_cell_of_its_frame() -> None:
    torch.manual_seed(0)
    cells = ByFrame(trunk="resnet18", stride=4, size_px=128, num_cells=4)
    model = build_backbone("trunk", **TOLD, by_frame=cells)
    before = frames_of(model)
    after = before.clone()
    after[0, 1, 64:96, 96:128] = 255  # the second frame, row 2, column 3
    with torch.inference_mode():
        change = (model(after) - model(before)).norm(dim=2).reshape(2, 4, 4)
    assert change.argmax().item() == 16 + 2 * 4 + 3
    assert not change[0].any()
    assert not change[1, :, 0].any()  # farther away than the trunk sees


def test_the_vector_of_a_whole_window_is_the_mean_of_torchvisions_map() -> None:
    torch.manual_seed(0)
    model = build_backbone("trunk", **TOLD, by_frame=ByFrame(stride=32, size_px=64))
    torch.manual_seed(0)
    network = mobilenet_v2(weights=None).eval()
    frames = frames_of(model)
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    pixels = ((frames[0].float() / 255 - mean) / std).permute(0, 3, 1, 2)
    with torch.inference_mode():
        expected = network.features[:-1](pixels).mean(dim=(0, 2, 3))
        found = model(frames)
    assert found.shape == (1, 320)
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_the_cells_of_a_transformer_are_means_of_its_patches(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without class token and registers; each family has another number of registers."""
    use_small_sizes(monkeypatch)
    cells = ByFrame(num_cells=2, size_px=24)
    model = build_backbone("dino", **TOLD, transformer=name, by_frame=cells)
    frames = frames_of(model)
    assert frames.shape[2:4] == (24, 24)
    transformer: Any = model.network
    assert isinstance(transformer, AttentiveTransformer)
    with torch.inference_mode():
        found = model(frames)
        pixels = transformer.normalise(frames[0])
        options = {"interpolate_pos_encoding": True} if name == "dino_small_16" else {}
        tokens = transformer.network(pixel_values=pixels, **options).last_hidden_state
    patches = tokens[:, -36:].reshape(2, 2, 3, 2, 3, 24)  # frame, rows of 3, columns of 3
    torch.testing.assert_close(
        found.reshape(2, 2, 2, 24), patches.mean(dim=(2, 4)), rtol=1e-4, atol=1e-5
    )


def test_files_frames_and_streams_have_the_same_cells(tmp_path: Path) -> None:
    embedder = cells_embedder(tmp_path, 4)
    path = write_clip(tmp_path / "dash.mp4", "dash", 3, num_frames=20)
    windows = [WHOLE, Window(0.0, 0.4)]
    (found,) = embedder.embed([VideoRequest(path, windows, ["appearance"])])
    whole, part = found["appearance"]
    assert whole.vectors.shape == (4 * 16, 96)
    facts = {"appearance": {**embedder.facts["appearance"], "width": 96}}
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, facts))
    frames, times = decode(path)
    own = alarm.measure(frames, times)["appearance"]
    np.testing.assert_allclose(own.vectors, whole.vectors, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(own.spans_s, whole.spans_s, atol=1e-3)
    assert np.array_equal(own.boxes_xyxy, whole.boxes_xyxy)
    assert len(np.unique(own.spans_s[:, 0])) == 4
    stream = alarm.stream(0.4, 0.4)
    verdicts = [one for frame, at in zip(frames, times.tolist(), strict=True)
                for one in stream.push(frame, at)]  # fmt: skip
    expected = alarm.score("appearance", part.vectors)["appearance.autoencoder"]
    (first, *_) = verdicts
    assert first.verdict.scores["appearance.autoencoder"] == pytest.approx(expected.max(), rel=1e-4)
    strongest = first.verdict.evidence[0]
    assert strongest.box_xyxy == tuple(part.boxes_xyxy[expected.argmax()].tolist())
    assert strongest.time_s == pytest.approx(part.spans_s[expected.argmax(), 1], abs=1e-3)


def test_other_cells_are_other_facts(tmp_path: Path) -> None:
    """Else the vectors of an earlier run would be taken for those of these parameters."""
    changes: list[dict[str, object]] = [{}, {"stride": 32}, {"size_px": 96}]
    facts = [cells_embedder(tmp_path, 2, **one).facts["appearance"] for one in changes]
    facts.append(cells_embedder(tmp_path, 1).facts["appearance"])
    assert all(one != other for at, one in enumerate(facts) for other in facts[:at])


@pytest.mark.parametrize(
    ("name", "told", "cells", "expected"),
    [
        ("trunk", {}, ByFrame(num_cells=28), r"^num_space_cells: expected one of 1, 2, 7, 14, s"),
        ("trunk", {}, ByFrame(size_px=100), r"^network\.size_px: expected a multiple of the stri"),
        ("dino", {}, ByFrame(size_px=10), r"^network\.size_px: expected a multiple of the 4 px"),
        ("dino", {}, ByFrame(num_cells=5), r"^num_space_cells: expected one of 1, 2, 4, since"),
        ("trunk", {"weights": "kinetics400"}, ByFrame(), "^weights: expected imagenet or a file"),
        ("trunk", {"weights": "none.pth"}, ByFrame(), "none.pth: expected a network's weights"),
    ],
)
def test_cells_that_cannot_be_are_refused(
    name: str, told: dict[str, str], cells: ByFrame, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_small_sizes(monkeypatch)
    with pytest.raises(InputError, match=expected):
        build_backbone(name, **{**TOLD, **told}, by_frame=cells)


def test_weights_of_another_trunk_are_refused(tmp_path: Path) -> None:
    file = weights_file(tmp_path)
    with pytest.raises(InputError, match="expected the weights of resnet18, got those of another"):
        build_backbone("trunk", **{**TOLD, "weights": str(file)}, by_frame=ByFrame("resnet18"))


def test_published_weights_that_cannot_be_had_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no network")

    monkeypatch.setattr("vigil.learn.pictures.trunk._network", refuse)
    with pytest.raises(FieldError, match=r"^weights: expected to download the ImageNet weights"):
        build_backbone("trunk", **{**TOLD, "weights": "imagenet"})


def test_a_short_window_has_each_cell_of_each_frame_once(tmp_path: Path) -> None:
    """The network sees the last frame several times, which is no evidence of other moments."""
    embedder = cells_embedder(tmp_path, 2)
    path = write_clip(tmp_path / "dash.mp4", "dash", 3, num_frames=20)
    windows = [Window(0.0, 0.25), WHOLE]
    (found,) = embedder.embed([VideoRequest(path, windows, ["appearance"])])
    short, whole = found["appearance"]
    num_frames = len(np.unique(short.spans_s[:, 0]))
    assert 1 < num_frames < 4
    assert len(short) == 4 * num_frames
    assert len(whole) == 4 * 4
    assert len(np.unique(np.concatenate([short.spans_s, short.boxes_xyxy], axis=1), axis=0)) == len(
        short
    )


def test_frames_far_apart_are_no_window(tmp_path: Path) -> None:
    """As with the channels of motion: what happened between is not known."""
    embedder = cells_embedder(tmp_path, 2)
    facts = {"appearance": {**embedder.facts["appearance"], "width": 96}}
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, facts))
    frame = np.zeros((48, 64, 3), np.uint8)
    alarm([frame] * 3, np.array([0.0, 1.0, 2.0]))
    with pytest.raises(InputError, match="expected frames at most 1 s apart, got some 60 s apart"):
        alarm([frame] * 3, np.array([0.0, 60.0, 61.0]))


def test_an_alarm_of_an_earlier_version_is_refused(tmp_path: Path) -> None:
    """Its card tells of no cells."""
    facts = dict(cells_embedder(tmp_path, 1).facts["appearance"])
    del facts["num_space_cells"]
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, {"appearance": {**facts, "width": 96}}))
    with pytest.raises(InputError, match="expected num_space_cells to be told, found none"):
        alarm.fit_frame(np.zeros((8, 8, 3), np.uint8))


def test_a_network_of_windows_has_no_cells() -> None:
    with pytest.raises(InputError, match="expected num_space_cells to be 1 for r2plus1d_18, whose"):
        shipped(EmbedClips, appearance={"num_space_cells": 2})

"""Several frames in: which they are, what a network sees of them, and that it is causal."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tiny_detectors import NO_CHANGE, build, config_of, draw
from tiny_settings import shipped

from vigil.domain.pictures.annotated import AnnotatedPictures
from vigil.learn.detector.network.data import PictureDataset, batches
from vigil.learn.detector.network.fusion import num_channels
from vigil.learn.detector.network.registry import build_detector
from vigil.learn.detector.network.tensors import pad_objects
from vigil.learn.detector.trained import TrainedDetector
from vigil.learn.detector.training.augmentation import BoxAugmentation
from vigil.learn.pictures.colours import normalise
from vigil.pixels.frames import extract_frames
from vigil.plumbing.errors import InputError
from vigil.runtime.history import (
    FrameHistory,
    Steps,
    choose_frames,
    median_picture,
    reduce_frames,
)
from vigil.settings.train_detector import Frames, TrainDetector

FUSIONS = ("stack", "difference", "background", "temporal")
OWN = ("grid", "anchor", "yolox_nano")
NUM_FRAMES, RATE = 12, 10


def frames_of(**changes: object) -> Frames:
    told = {"num": 3, "step_s": 0.2, "fusion": "stack", "control": False}
    return Frames(**told | changes)


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the archive of a video whose frame n has about the grey 20 n."""
    folder = tmp_path_factory.mktemp("frames")
    with av.open(str(folder / "v.avi"), "w") as file:
        stream = file.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuvj420p"
        for number in range(NUM_FRAMES):
            grey = np.full((64, 96, 3), 20 * number, np.uint8)
            for packet in stream.encode(av.VideoFrame.from_ndarray(grey, format="rgb24")):
                file.mux(packet)
        for packet in stream.encode():
            file.mux(packet)
    facts = extract_frames(folder / "v.avi", folder / "v.avi.zip", jpeg_quality=95)
    assert facts.num_frames == NUM_FRAMES
    assert facts.fps == Fraction(RATE)
    return folder


def annotated(*indices: int, archive: str = "v.avi.zip") -> AnnotatedPictures:
    names = [f"{archive}/{index:06d}.jpg" for index in indices]
    images = pd.DataFrame(
        {"file_name": names, "width": 96, "height": 64, "video": "v.avi", "sha256": ""}
    ).assign(frame_index=indices)
    rows = [(name, "0", 10.0, 10.0, 40.0, 30.0, False, False) for name in names]
    columns = ["image", "label", "x1", "y1", "x2", "y2", "is_crowd", "is_difficult"]
    return AnnotatedPictures.of(images, pd.DataFrame(rows, columns=columns), ("0", "1"))


def greys(dataset: PictureDataset, position: int) -> list[int]:
    picture, _ = dataset[0, position]
    return [round(float(one.float().mean()) / 20) for one in picture]


@pytest.mark.parametrize(
    ("index", "changes", "expected"),
    [
        (6, {}, [2, 4, 6]),
        (6, {"step_s": 0.1}, [4, 5, 6]),
        (6, {"step_s": 0.25}, [1, 3, 6]),  # what was shown by then
        (3, {}, [0, 1, 3]),
        (0, {}, [0, 0, 0]),
        (6, {"num": 4, "step_s": 0.1, "fusion": "background"}, [4, 6]),
        (6, {"control": True}, [6, 6, 6]),
        (6, {"num": 4, "fusion": "background", "control": True}, [6, 6]),
    ],
)
def test_a_sequence_is_what_was_shown_before(
    video: Path, index: int, changes: dict, expected: list[int]
):
    dataset = PictureDataset(
        video, annotated(index), input_size_wh=(96, 64), frames=frames_of(**changes)
    )
    assert greys(dataset, 0) == expected


def test_one_frame_is_a_picture(video: Path):
    one = PictureDataset(video, annotated(3), input_size_wh=(96, 64), frames=frames_of(num=1))
    plain = PictureDataset(video, annotated(3), input_size_wh=(96, 64))
    assert torch.equal(one[0, 0][0], plain[0, 0][0])
    assert one.digest() == plain.digest()


def test_the_digest_tells_the_frames_before(video: Path):
    def digest(**changes: object) -> str:
        frames = frames_of(**changes)
        return PictureDataset(video, annotated(6), input_size_wh=(96, 64), frames=frames).digest()

    assert digest() == digest()
    assert digest() != digest(step_s=0.1)
    assert digest() != digest(num=2)


@given(
    st.lists(st.floats(0.01, 2.0), min_size=1, max_size=30),
    st.integers(2, 6),
    st.floats(0.05, 3.0),
)
def test_no_frame_is_of_later_and_a_history_keeps_what_is_needed(
    steps: list[float], num: int, step_s: float
):
    times = np.cumsum(steps)
    history = FrameHistory(Steps(num, step_s, "stack", False))
    for last in range(len(times)):
        chosen = choose_frames(times[: last + 1], num, step_s)
        assert chosen == sorted(chosen)
        assert len(chosen) == num
        assert chosen[-1] == last
        for lag, index in enumerate(reversed(chosen[:-1]), start=1):
            wanted = times[last] - lag * step_s
            assert index == 0 or times[index] <= wanted + 1e-5
            assert index == last or times[index + 1] > wanted - 1e-5
        picture = np.full((2, 2, 3), last, np.uint8)
        seen = history.add(picture, times[last])[:, 0, 0, 0].tolist()
        assert seen[-1] == last
        for expected, found in zip(chosen, seen, strict=True):
            assert 0 <= times[expected] - times[found] < step_s / 8 + 1e-5


@given(st.integers(1, 9), st.integers(0, 2**31))
def test_the_median_is_numpys(num: int, seed: int):
    pictures = np.random.default_rng(seed).integers(0, 256, (num, 4, 5, 3)).astype(np.uint8)
    expected = np.sort(pictures, axis=0)[(num - 1) // 2]
    before = pictures.copy()
    assert np.array_equal(median_picture(pictures), expected)
    assert np.array_equal(pictures, before)


def seeing(architecture: str, fusion: str, num: int = 3) -> torch.nn.Module:
    torch.manual_seed(0)
    frames = frames_of(num=num, fusion=fusion)
    return build_detector(architecture, config_of(architecture) | {"frames": frames.model_dump()})


def copies(pictures: torch.Tensor, fusion: str, num: int = 3) -> torch.Tensor:
    return pictures[:, None].repeat(1, 2 if fusion == "background" else num, 1, 1, 1)


@pytest.mark.parametrize("architecture", OWN)
@pytest.mark.parametrize("fusion", FUSIONS)
def test_copies_of_a_frame_say_what_the_frame_says(architecture: str, fusion: str):
    pictures, objects = draw(2)
    alone, together = build(architecture), seeing(architecture, fusion)
    sequences = copies(pictures, fusion)
    with torch.inference_mode():
        one, _ = alone.eval()(pictures)
        other, _ = together.eval()(sequences)
    for part, own in zip(one, other, strict=True):
        assert torch.allclose(part, own, atol=2e-3 * float(part.abs().max()) + 1e-3)
    losses = together.train().losses(sequences, pad_objects(objects))
    sum(losses.values()).backward()
    assert all(p.grad is not None for p in together.parameters())


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_batch_of_sequences_equals_them_one_by_one(fusion: str):
    rng = torch.Generator().manual_seed(0)
    shape = (3, 2 if fusion == "background" else 3, 3, 64, 96)
    sequences = torch.randint(0, 256, shape, generator=rng, dtype=torch.uint8)
    before = sequences.clone()
    model = seeing("grid", fusion).eval()
    if fusion == "temporal":  # which starts as if there was no time
        torch.nn.init.normal_(model.attention[0].value.weight, std=0.1)
        torch.nn.init.normal_(model.attention[0].lag)
    with torch.inference_mode():
        together, _ = model(sequences)
        for number in range(3):
            alone, _ = model(sequences[number : number + 1])
            for one, other in zip(together, alone, strict=True):
                assert torch.allclose(one[number], other[0], atol=1e-4)
        changed = sequences.clone()
        changed[:, 0] = 255 - changed[:, 0]
        later, _ = model(changed)
    assert torch.equal(sequences, before)
    assert not torch.allclose(later.encoded, together.encoded, atol=1e-5)


def test_channels_are_counted():
    pictures = torch.zeros(1, 4, 3, 8, 8, dtype=torch.uint8)
    from vigil.learn.detector.network.fusion import fuse

    for fusion in ("stack", "difference"):
        assert fuse(pictures, fusion, normalise).shape[1] == num_channels(fusion, 4)
    assert fuse(pictures[:, :2], "background", normalise).shape[1] == num_channels("background", 4)


def test_all_frames_are_changed_alike(video: Path):
    settings = shipped(
        TrainDetector,
        augmentation={"max_scale": 1.5, "max_shift": 0.2, "max_rotation_deg": 10.0,
                      "mosaic_probability": 0.5, "mixup_probability": 0.3, "hue": 0.1},
    )  # fmt: skip
    dataset = PictureDataset(
        video,
        annotated(*range(12)),
        input_size_wh=(96, 64),
        augmentation=BoxAugmentation(settings.augmentation, 10),
        frames=frames_of(control=True),
    )
    for pictures, _ in batches(dataset, 4, shuffle_seed=0):
        assert pictures.shape == (4, 3, 3, 64, 96)
        assert torch.equal(pictures[:, 0], pictures[:, 2])
        assert torch.equal(pictures[:, 1], pictures[:, 2])


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_a_sequence_is_shown_as_if_nothing_moved(video: Path, probability: float):
    frames = frames_of(fusion="stack")
    settings = shipped(TrainDetector, augmentation=NO_CHANGE | {"still_probability": probability})
    plain, changed = (
        PictureDataset(
            video,
            annotated(*range(12)),
            input_size_wh=(96, 64),
            augmentation=augmentation,
            frames=frames,
        )
        for augmentation in (None, BoxAugmentation(settings.augmentation, 10))
    )
    for position in range(4, 12):
        (before, known), (after, objects) = plain[0, position], changed[0, position]
        assert not torch.equal(before[0], before[-1]), "the scene moves"
        expected = before[-1:].expand_as(before) if probability else before
        assert torch.equal(after, expected)
        assert torch.equal(objects.boxes, known.boxes)


def test_a_trained_detector_follows_a_video(video: Path):
    model = seeing("grid", "background", num=3).eval()
    torch.nn.init.constant_(model.heads[0].bias[4:], 5.0)
    frames = frames_of(fusion="background")
    detector = TrainedDetector(model, ["0", "1"], (96, 64), "32-true", frames=frames)
    known = annotated(*range(12))
    dataset = PictureDataset(video, known, input_size_wh=(96, 64), frames=frames)
    table = detector.detect_all(dataset)
    history = detector.history()
    for position, name in enumerate(dataset.ids):
        sequence = history.add(dataset.rgb(position), position / RATE)
        assert sequence.shape == (3, 64, 96, 3)
        found = detector.detect_batch([sequence])[0]
        own = table[table["image"] == name]
        np.testing.assert_allclose(found.scores, own["score"], atol=1e-5)
    alone = detector(dataset.rgb(0))
    np.testing.assert_allclose(
        alone.scores, table[table["image"] == dataset.ids[0]]["score"], atol=1e-5
    )


def test_the_history_of_a_detector_of_pictures_gives_them_back():
    model = build("grid").eval()
    detector = TrainedDetector(model, ["0", "1"], (96, 64), "32-true")
    picture = np.zeros((64, 96, 3), np.uint8)
    assert detector.history().add(picture, 0.0) is picture
    with pytest.raises(InputError, match=r"expected pictures \(H, W, 3\) uint8, got \(3, 64"):
        detector.detect_batch([np.stack([picture] * 3)])


def test_what_is_no_sequence_is_refused(video: Path, tmp_path: Path):
    frames = frames_of(fusion="difference")
    detector = TrainedDetector(
        seeing("grid", "difference").eval(), ["0", "1"], (96, 64), "32-true", frames=frames
    )
    with pytest.raises(InputError, match=r"or sequences \(3, H, W, 3\), got \(2, 64"):
        detector.detect_batch([np.zeros((2, 64, 96, 3), np.uint8)])


@pytest.mark.parametrize(
    ("known", "changes", "expected"),
    [
        (annotated(3), {"num": 13}, r"^frames.num: expected at most the 12 frames of v.avi.zip"),
        (
            annotated(3, archive="loose"),
            {},
            r"^frames.num: expected 1 for pictures that are no frames of a video, as 'loose/0",
        ),
    ],
)
def test_a_sequence_that_cannot_be_is_an_error(
    video: Path, known: AnnotatedPictures, changes: dict, expected: str
):
    with pytest.raises(InputError, match=expected):
        PictureDataset(video, known, input_size_wh=(96, 64), frames=frames_of(**changes))


def test_the_median_of_one_frame_is_refused():
    with pytest.raises(
        ValueError, match=r"expected num to be 1, or at least 3 for the fusion back"
    ):
        frames_of(num=2, fusion="background")
    with pytest.raises(InputError, match=r"frames.num to be 1 for fcos_resnet50_fpn, got 3"):
        shipped(
            TrainDetector, architecture="fcos_resnet50_fpn", frames={"num": 3}, monitor="val_map"
        )


def test_reducing_keeps_the_last_frame():
    canvases = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)
    kept = reduce_frames(canvases, "background")
    assert kept.shape == (2, 4, 6, 3)
    assert np.array_equal(kept[1], canvases[-1])
    assert np.array_equal(kept[0], np.sort(canvases[:-1], axis=0)[1])
    assert reduce_frames(canvases, "stack") is canvases

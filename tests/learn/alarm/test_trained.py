"""A fitted alarm on arrays and streams: no files but its own, no params, no clips on disk."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from changed_cards import told, without
from safetensors.torch import save_file
from tiny_alarms import SCORERS_OF, THRESHOLDS, write_alarm
from tiny_clips import decode, square_frames, write_clip
from tiny_settings import shipped

from vigil.alarm import TrainedAlarm
from vigil.learn.alarm.appearance import AppearanceEmbedder
from vigil.learn.alarm.network.embedding.registry import BACKBONES, Options
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.pixels.embedding.remembered import VideoRequest
from vigil.pixels.windows import WHOLE, Window
from vigil.plumbing.errors import FieldError, InputError
from vigil.plumbing.records import read_json, write_json
from vigil.settings.embed_clips import MOTION_CHANNELS, EmbedClips

FPS = Fraction(25)
TIMES = np.arange(40) / 25


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


def motion_embedder(short_clips: str = "repeat_last") -> MotionEmbedder:
    settings = shipped(EmbedClips, channels=list(MOTION_CHANNELS), short_clips=short_clips)
    return MotionEmbedder(settings, FPS)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Of an alarm on all channels of motion."""
    return write_alarm(tmp_path, motion_embedder().facts)


def frames_of(num: int = 40, step: tuple[int, int] = (2, 1), seed: int = 3) -> list[np.ndarray]:
    return list(square_frames(step, seed, num))


def same(one: dict[str, Any], other: dict[str, Any], **tolerance: float) -> None:
    assert one.keys() == other.keys()
    for name, own in one.items():
        np.testing.assert_allclose(own.vectors, other[name].vectors, **tolerance)
        np.testing.assert_allclose(own.boxes_xyxy, other[name].boxes_xyxy)
        np.testing.assert_allclose(own.spans_s, other[name].spans_s, atol=1e-6)


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm", ".mkv"])
def test_frames_have_the_evidence_of_the_clip_they_were_decoded_from(
    files: tuple[Path, Path, Path], tmp_path: Path, suffix: str
) -> None:
    alarm = TrainedAlarm.from_files(*files)
    path = write_clip(tmp_path / f"dash{suffix}", "dash", 3, num_frames=30)
    (found,) = motion_embedder().embed([VideoRequest(path, [WHOLE], MOTION_CHANNELS)])
    frames, times = decode(path)
    own = alarm.measure(frames, times - times[0])
    same(own, {name: pieces[0] for name, pieces in found.items()}, rtol=1e-3, atol=1e-6)
    later = alarm.measure(frames, times - times[0] + 100)
    same(own, {name: pieces.moved(-100) for name, pieces in later.items()}, rtol=1e-3, atol=1e-6)


def test_a_verdict_says_how_unusual_by_which_channel_and_where(
    files: tuple[Path, Path, Path],
) -> None:
    alarm = TrainedAlarm.from_files(*files)
    frames = frames_of()
    before = [frame.copy() for frame in frames]
    verdict = alarm(frames, TIMES)
    assert verdict.scores.keys() == set(THRESHOLDS)
    assert list(verdict.ratios) == [
        *("local_speed", "local_disorder", "motion_histogram", "motion_cells")
    ]
    for channel, scorer in verdict.raising.items():
        assert scorer == f"{channel}.{SCORERS_OF[channel][0]}"
        expected = verdict.scores[scorer] / THRESHOLDS[scorer]
        assert verdict.ratios[channel] == pytest.approx(expected)
    assert verdict.ratio == max(verdict.ratios.values())
    assert verdict.ratios[verdict.channel] == verdict.ratio
    assert verdict.is_alarm == (verdict.ratio > 1)
    ratios = [one.ratio for one in verdict.evidence]
    assert ratios == sorted(ratios, reverse=True)
    assert ratios[0] == pytest.approx(verdict.ratio)
    for channel, ratio in verdict.ratios.items():
        own = [one.ratio for one in verdict.evidence if one.channel == channel]
        assert not own or max(own) == pytest.approx(ratio)
    strongest = verdict.evidence[0]
    pieces = alarm.measure(frames, TIMES)[strongest.channel]
    vectors = alarm.by_place(strongest.channel, pieces)
    scores = alarm.score(strongest.channel, vectors)[verdict.raising[strongest.channel]]
    np.testing.assert_array_equal(verdict.vector, vectors[scores.argmax()])
    for one in verdict.evidence:
        x1, y1, x2, y2 = one.box_xyxy
        assert 0 <= x1 < x2 <= 96.01
        assert 0 <= y1 < y2 <= 72.01
        assert 0 < one.time_s <= TIMES[-1]
    assert all(np.array_equal(one, other) for one, other in zip(frames, before, strict=True))


@pytest.mark.parametrize(("threshold", "is_alarm"), [(1e-9, True), (1e9, False), (0.0, True)])
def test_one_channel_is_enough_to_raise_the_alarm(
    files: tuple[Path, Path, Path], threshold: float, is_alarm: bool
) -> None:
    told = read_json(files[2])
    for name in told["scorers"]:
        told["scorers"][name]["value"] = 1e9
    told["scorers"]["local_speed.largest"]["value"] = threshold
    write_json(told, files[2])
    verdict = TrainedAlarm.from_files(*files)(frames_of(), TIMES)
    assert verdict.is_alarm == is_alarm
    if is_alarm:
        assert verdict.channel == "local_speed"


@pytest.mark.parametrize("fps", [10, 25])
def test_a_stream_says_of_each_window_what_a_call_says(
    files: tuple[Path, Path, Path], fps: int
) -> None:
    """The same evidence, though the stream measures motion once for all windows."""
    alarm = TrainedAlarm.from_files(*files)
    num = 4 * fps
    frames, times = frames_of(num, (1, 0)), np.arange(num) / fps + 7.0
    stream = alarm.stream(window_s=2.0, stride_s=0.4)
    found = []
    for frame, time_s in zip(frames, times.tolist(), strict=True):
        own = stream.push(frame, time_s)
        assert all(one.stop_s <= time_s + 1e-3 for one in own)
        found += own
    assert [one.start_s for one in found] == pytest.approx([7.0, 7.4, 7.8, 8.2, 8.6])
    for one in found:
        own = (times >= one.start_s - 1e-6) & (times < one.stop_s - 1e-6)
        alone = alarm([frames[at] for at in np.flatnonzero(own)], times[own])
        for name in ("local_speed.largest", "motion_histogram.mahalanobis"):
            assert one.verdict.scores[name] == pytest.approx(alone.scores[name], rel=1e-4)
        assert one.verdict.evidence
        assert all(one.start_s <= each.time_s < one.stop_s for each in one.verdict.evidence)


def test_a_stream_holds_what_open_windows_need(files: tuple[Path, Path, Path]) -> None:
    stream = TrainedAlarm.from_files(*files).stream(1.0, 0.5)
    frames = frames_of(40)
    sizes = []
    for at in range(400):
        stream.push(frames[at % 40], at / 25)
        follower = stream._follower
        sizes.append(
            sum(len(own._motions) if hasattr(own, "_motions") else len(own._moments)
                for _, own in follower._followers.values()) + len(follower._times_s)
        )  # fmt: skip
    assert max(sizes[200:]) <= max(sizes[:200])


def test_a_stream_begins_anew_after_a_gap(files: tuple[Path, Path, Path]) -> None:
    stream = TrainedAlarm.from_files(*files).stream(1.0, 0.5)
    frames = frames_of(60)
    found = [one for at in range(30) for one in stream.push(frames[at], at / 25)]
    assert [one.start_s for one in found] == [0.0]
    found = [one for at in range(30, 60) for one in stream.push(frames[at], 100 + at / 25)]
    assert [one.start_s for one in found] == pytest.approx([101.2])
    assert stream.num_restarts == 1


@pytest.mark.parametrize(
    ("window_s", "stride_s"), [(0.0, 0.0), (1.0, 2.0), (1.0, 0.0), (np.inf, 1.0), (np.nan, 1.0)]
)
def test_lengths_that_are_none_are_refused(
    files: tuple[Path, Path, Path], window_s: float, stride_s: float
) -> None:
    with pytest.raises(InputError, match=r"^expected a stride of more than 0 s and at most"):
        TrainedAlarm.from_files(*files).stream(window_s, stride_s)


def test_a_window_of_one_frame_is_told_with_its_times(files: tuple[Path, Path, Path]) -> None:
    stream = TrainedAlarm.from_files(*files).stream(window_s=0.03, stride_s=0.03)
    stream.push(frames_of()[0], 5.0)
    with pytest.raises(InputError, match=r"^from 0 to 0\.03 s: expected a clip of at least 2"):
        stream.push(frames_of()[1], 5.04)


def test_a_stream_refuses_other_frames_and_times(files: tuple[Path, Path, Path]) -> None:
    stream = TrainedAlarm.from_files(*files).stream(1.0, 0.5)
    frame = frames_of(1)[0]
    stream.push(frame, 1.0)
    for time_s in (1.0, 0.5, np.nan, np.inf):
        with pytest.raises(InputError, match="expected times that ascend, got"):
            stream.push(frame, time_s)
    with pytest.raises(InputError, match=r"expected frames \(H, W, 3\) uint8, all of one size"):
        stream.push(frame[:-1], 2.0)


def weights_file(folder: Path) -> Path:
    torch.manual_seed(0)
    network = BACKBONES["x3d_xs"].build(Options(4, 4))
    save_file(network.state_dict(), folder / "x3d_xs.safetensors")
    return folder / "x3d_xs.safetensors"


def appearance_embedder(folder: Path) -> AppearanceEmbedder:
    network = {"precision": "32-true", "channels_last": False}
    own = {"backbone": "x3d_xs", "weights": str(weights_file(folder)), "network": network}
    settings = shipped(EmbedClips, channels=["appearance"], appearance=own)
    return AppearanceEmbedder(settings, FPS)


def test_a_network_sees_frames_and_streams_as_it_sees_the_clip(tmp_path: Path) -> None:
    embedder = appearance_embedder(tmp_path)
    path = write_clip(tmp_path / "dash.mp4", "dash", 3, num_frames=20)
    windows = [WHOLE, Window(0.0, 0.4)]
    (found,) = embedder.embed([VideoRequest(path, windows, ["appearance"])])
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, embedder.facts))
    assert not alarm.is_tuned
    frames, times = decode(path)
    own = alarm.measure(frames, times)["appearance"]
    np.testing.assert_allclose(own.vectors, found["appearance"][0].vectors, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(own.spans_s, found["appearance"][0].spans_s, atol=1e-3)
    stream = alarm.stream(0.4, 0.4)
    verdicts = [one for frame, at in zip(frames, times.tolist(), strict=True)
                for one in stream.push(frame, at)]  # fmt: skip
    expected = alarm.score("appearance", found["appearance"][1].vectors)
    scores = verdicts[0].verdict.scores
    assert scores["appearance.autoencoder"] == pytest.approx(
        expected["appearance.autoencoder"][0], rel=1e-4
    )


def test_a_tuned_network_embeds_with_its_tuned_weights(tmp_path: Path) -> None:
    embedder = appearance_embedder(tmp_path)
    name, weight = list(embedder._network.model.named_parameters())[-1]
    tuned = {name: weight.detach() + 0.5}
    path = write_clip(tmp_path / "clips/dash.mp4", "dash", 3)
    frames, times = decode(path)
    files = write_alarm(tmp_path, embedder.facts, tuned)
    alarm = TrainedAlarm.from_files(*files)
    assert alarm.is_tuned
    before = next(iter(embedder.embed([VideoRequest(path, [WHOLE], ["appearance"])])))[
        "appearance"
    ][0]
    with torch.no_grad():
        weight.copy_(tuned[name])
    after = next(iter(embedder.embed([VideoRequest(path, [WHOLE], ["appearance"])])))["appearance"][
        0
    ]
    own = alarm.measure(frames, times)["appearance"].vectors
    np.testing.assert_allclose(own, after.vectors, rtol=1e-5, atol=1e-7)
    assert not np.allclose(own, before.vectors, rtol=1e-3)


def test_a_batch_equals_its_vectors_one_by_one(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    vectors = np.abs(np.random.default_rng(1).normal(size=(7, 64))).astype(np.float32)
    together = alarm.score("motion_histogram", vectors)
    for name, scores in together.items():
        alone = [alarm.score("motion_histogram", one[None])[name][0] for one in vectors]
        np.testing.assert_allclose(scores, alone, rtol=1e-5)
    assert alarm.score("motion_histogram", vectors[:0]).keys() == together.keys()


def test_other_vectors_are_refused_in_one_line(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    for wrong in (np.zeros((3, 63)), np.zeros(64), np.zeros((2, 2, 64))):
        with pytest.raises(InputError, match="expected vectors of 64 numbers for motion_h") as told:
            alarm.score("motion_histogram", wrong.astype(np.float32))
        assert "\n" not in str(told.value)


def test_without_thresholds_there_is_a_score_and_no_verdict(
    files: tuple[Path, Path, Path],
) -> None:
    alarm = TrainedAlarm.from_files(*files[:2])
    assert alarm.measure(frames_of(), TIMES)
    for judge in (lambda: alarm(frames_of(), TIMES), lambda: alarm.stream(1.0, 0.5)):
        with pytest.raises(InputError, match=r"^expected thresholds for a verdict, got none$"):
            judge()


def changed(at: int, value: float) -> np.ndarray:
    times = TIMES.copy()
    times[at] = value
    return times


@pytest.mark.parametrize(
    ("frames", "times"),
    [
        ([], TIMES[:0]),
        (frames_of()[:1], TIMES[:1]),
        (frames_of(), TIMES[:-1]),
        (frames_of(), TIMES[::-1]),
        (frames_of(), changed(3, TIMES[2])),
        (frames_of(), changed(3, np.nan)),
        (frames_of(), TIMES[:, None]),
    ],
)
def test_too_few_frames_or_times_that_do_not_ascend_are_refused_in_one_line(
    files: tuple[Path, Path, Path], frames: list[np.ndarray], times: np.ndarray
) -> None:
    with pytest.raises(InputError, match="expected at least 2 frames and as many") as error:
        TrainedAlarm.from_files(*files)(frames, times)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame[..., 0],
        lambda frame: frame[..., :2],
        lambda frame: frame.astype(np.float32),
        lambda frame: frame[:-1],
        lambda frame: frame[:0],
    ],
)
def test_other_frames_are_refused_in_one_line(
    files: tuple[Path, Path, Path], change: Callable[[np.ndarray], np.ndarray]
) -> None:
    frames = frames_of()
    frames[5] = change(frames[5])
    with pytest.raises(InputError, match=r"expected frames \(H, W, 3\) uint8, all of") as error:
        TrainedAlarm.from_files(*files)(frames, TIMES)
    assert "\n" not in str(error.value)


def test_short_windows_are_refused_where_the_clips_were(tmp_path: Path) -> None:
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, motion_embedder("error").facts))
    with pytest.raises(FieldError, match="short_clips: expected windows of at least"):
        alarm(frames_of(10), TIMES[:10])


def of_config(**changes: object) -> Callable[[Path, Path, Path], None]:
    def damage(_: Path, card: Path, __: Path) -> None:
        content = read_json(card)
        content["config"]["motion_histogram"] |= changes
        write_json(content, card)

    return damage


def of_facts(**changes: object) -> Callable[[Path, Path, Path], None]:
    def damage(_: Path, card: Path, __: Path) -> None:
        content = read_json(card)
        content["embeddings"]["motion_cells"] |= changes
        write_json(content, card)

    return damage


DAMAGE: dict[str, tuple[Callable[[Path, Path, Path], object], str]] = {
    "no weights": (lambda weights, *_: weights.unlink(), "a.safetensors: .*found no such file"),
    "no card": (lambda _, card, __: card.unlink(), "a.json: expected"),
    "no thresholds": (lambda *files: files[2].unlink(), "threshold.json: expected"),
    "cut weights": (
        lambda weights, *_: weights.write_bytes(weights.read_bytes()[:200]),
        "a.safetensors: expected safetensors",
    ),
    "a cut card": (lambda _, card, __: card.write_text(card.read_text()[:40]), "a.json: expected"),
    "another architecture": (told(architecture="grid"), "a.json: expected the card of an alarm"),
    "a config of something else": (told(config={"num_classes": 2}), "a.json: "),
    "a config that is none": (told(config=[1]), "a.json: config: expected"),
    "tuned shapes that are none": (of_config(tuned_shapes=[1]), "a.json: config: expected"),
    "no scorers": (of_config(scorers=3), "a.json: config: expected"),
    "nothing told of the channels": (without("embeddings"), "a.json: expected what measures"),
    "channels of nothing": (told(embeddings=None), "a.json: expected what measures the windows"),
    "another channel's facts": (of_facts(channel="smell"), "a.json: expected what measures"),
    "options of nothing": (of_facts(options={"bins": 3}), "a.json: expected what measures"),
    "an earlier measurement": (of_facts(revision=1), "a.json: expected an alarm that learnt from"),
    "thresholds of something else": (
        lambda *files: files[2].write_text("[]"),
        "threshold.json: expected picked thresholds",
    ),
    "a threshold that is none": (
        lambda *files: write_json(
            {"scorers": {"local_speed.largest": {"value": "x"}}, "raising": []}, files[2]
        ),
        "threshold.json: expected picked thresholds",
    ),
    "thresholds of one scorer": (
        lambda *files: write_json(
            {"scorers": {"local_speed.largest": {"value": 1.0}}, "raising": []}, files[2]
        ),
        "threshold.json: expected a threshold of each scorer, found none of local_disorder.largest",
    ),
}


@pytest.mark.parametrize("change", DAMAGE)
def test_files_that_are_damaged_or_do_not_fit_are_refused_in_one_line(
    files: tuple[Path, Path, Path], change: str
) -> None:
    damage, expected = DAMAGE[change]
    damage(*files)
    with pytest.raises(InputError, match=expected) as error:
        TrainedAlarm.from_files(*files)
    assert "\n" not in str(error.value)

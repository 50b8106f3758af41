"""A fitted alarm on arrays: no files but its own, no params, no clips on disk."""

import json
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny_clips import SPEEDS_PX, decode, square_frames, write_clip
from tiny_settings import shipped

from vigil.domain.clips.scorers import mahalanobis_distances, neighbour_distances
from vigil.domain.clips.scores import AUTOENCODER, SCORERS
from vigil.learn.alarm.network.embedding.embedder import NetworkEmbedder
from vigil.learn.alarm.network.scoring.autoencoder import Autoencoder
from vigil.learn.alarm.network.scoring.stored import load_alarm, stored_facts, stored_state
from vigil.learn.alarm.trained import NUM_NEIGHBOURS, TrainedAlarm
from vigil.learn.networks.weights import save_model
from vigil.pixels.flow.embedder import FlowEmbedder
from vigil.pixels.windows import WHOLE
from vigil.plumbing.errors import InputError
from vigil.plumbing.records import read_json, write_json
from vigil.settings.embed_clips import EmbedClips

FPS = Fraction(25)
THRESHOLDS = {AUTOENCODER: 2.0, "mahalanobis": 5.0, "nearest_neighbours": 0.5}
TIMES = np.arange(16) / 25


@pytest.fixture(autouse=True)
def _on_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")


def embedder_of(backbone: str = "flow_histogram") -> FlowEmbedder | NetworkEmbedder:
    network = {"precision": "32-true", "channels_last": False}
    settings = shipped(EmbedClips, backbone=backbone, network=network)
    kind = FlowEmbedder if backbone == "flow_histogram" else NetworkEmbedder
    return kind(settings, FPS)


def write_alarm(
    folder: Path,
    facts: dict,
    allowed: np.ndarray,
    tuned: dict[str, torch.Tensor] | None = None,
) -> tuple[Path, Path, Path]:
    """An autoencoder as it starts out, in its files, and thresholds."""
    torch.manual_seed(0)
    config = {"width": allowed.shape[1], "hidden": [8, 4], "dropout": 0.5, "error": "sum"}
    vectors = torch.from_numpy(allowed)
    card = {
        "architecture": "autoencoder",
        "config": config,
        "embeddings": facts,
        **stored_facts(tuned or {}, vectors),
    }
    files = folder / "a.safetensors", folder / "a.json", folder / "threshold.json"
    state = stored_state(Autoencoder(**config).state_dict(), tuned or {}, vectors)
    save_model(state, card, *files[:2])
    values = {name: {"value": value} for name, value in THRESHOLDS.items()}
    files[2].write_text(json.dumps({"scorers": values}))
    return files


def vectors_of(num: int, width: int = 64, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(num, width)).astype(np.float32)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Of an alarm on the flow of clips."""
    return write_alarm(tmp_path, embedder_of().facts, vectors_of(20))


def frames_of(kind: str = "dash") -> list[np.ndarray]:
    return list(square_frames(SPEEDS_PX[kind], 3))


@pytest.mark.parametrize("suffix", [".mp4", ".avi", ".webm", ".mkv"])
def test_frames_have_the_vector_of_the_encoded_clip_they_were_decoded_from(
    files: tuple[Path, Path, Path], tmp_path: Path, suffix: str
) -> None:
    alarm = TrainedAlarm.from_files(*files)
    path = write_clip(tmp_path / f"dash{suffix}", "dash", 3)
    ((expected,),) = embedder_of().embed([(path, [WHOLE])])
    frames, times = decode(path)
    vector = alarm.embed(frames, times)
    assert vector.shape == (alarm.width,)
    assert expected.any()
    np.testing.assert_allclose(vector, expected, rtol=1e-3)  # time stamps of a file are rounded
    assert np.array_equal(alarm.embed(frames, times + 100), vector)
    backwards = alarm.embed(frames[::-1], times)
    assert not np.allclose(backwards, expected, rtol=1e-3)


def test_at_the_files_very_rate_the_vector_is_the_same_to_the_last_bit(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "dash.mp4", "dash", 3)
    ((expected,),) = embedder_of().embed([(path, [WHOLE])])
    vector = TrainedAlarm.from_files(*files).embed(*decode(path))
    assert np.array_equal(vector, expected)


def test_a_network_sees_frames_as_it_sees_the_clip_they_were_decoded_from(tmp_path: Path) -> None:
    embedder = embedder_of("x3d_xs")
    path = write_clip(tmp_path / "dash.mp4", "dash", 3)
    ((expected,),) = embedder.embed([(path, [WHOLE])])
    alarm = TrainedAlarm.from_files(
        *write_alarm(tmp_path, embedder.facts, vectors_of(4, len(expected)))
    )
    assert not alarm.is_tuned
    np.testing.assert_allclose(alarm.embed(*decode(path)), expected, rtol=1e-5, atol=1e-7)


def test_a_tuned_network_embeds_with_its_tuned_weights(tmp_path: Path) -> None:
    embedder = embedder_of("x3d_xs")
    name, weight = list(embedder.model.named_parameters())[-1]
    tuned = {name: weight.detach() + 0.5}
    path = write_clip(tmp_path / "clips/dash.mp4", "dash", 3)
    ((before,),) = embedder.embed([(path, [WHOLE])])
    allowed = vectors_of(4, len(before))
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, embedder.facts, allowed, tuned))
    assert alarm.is_tuned
    with torch.no_grad():
        weight.copy_(tuned[name])
    ((after,),) = embedder.embed([(path, [WHOLE])])
    vector = alarm.embed(*decode(path))
    np.testing.assert_allclose(vector, after, rtol=1e-5, atol=1e-7)
    assert not np.allclose(vector, before, rtol=1e-3)
    windows = pd.DataFrame({"video": ["dash.mp4"], "start_s": [0.0], "stop_s": [np.inf]})
    scores = alarm.score_windows(windows, before[None], tmp_path / "clips")
    np.testing.assert_allclose(scores, alarm.score(after[None]), rtol=1e-4)
    assert not np.allclose(scores, alarm.score(before[None]), rtol=1e-3)


def test_stored_vectors_are_scored_as_they_are_where_nothing_was_tuned(
    files: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    alarm = TrainedAlarm.from_files(*files)
    windows = pd.DataFrame({"video": ["not there"] * 3, "start_s": 0.0, "stop_s": np.inf})
    found = alarm.score_windows(windows, vectors_of(3, seed=1), tmp_path)
    pd.testing.assert_frame_equal(found, alarm.score(vectors_of(3, seed=1)))


def test_scores_are_those_of_each_scorer(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files, num_neighbours=2)
    vectors = vectors_of(5, seed=1)
    scores = alarm.score(vectors)
    assert list(scores.columns) == list(SCORERS)
    stored, _ = load_alarm(*files[:2])
    with torch.inference_mode():
        errors = stored.autoencoder.errors(torch.from_numpy(vectors)).double().numpy()
    allowed, every = vectors_of(20).astype(np.float64), vectors.astype(np.float64)
    np.testing.assert_allclose(scores[AUTOENCODER], errors, rtol=1e-6)
    np.testing.assert_allclose(
        scores["mahalanobis"], mahalanobis_distances(allowed, every), rtol=1e-9
    )
    near = neighbour_distances(allowed, every, 2)
    np.testing.assert_allclose(scores["nearest_neighbours"], near, rtol=1e-9)
    more = TrainedAlarm.from_files(*files).score(vectors)["nearest_neighbours"]
    np.testing.assert_allclose(more, neighbour_distances(allowed, every, NUM_NEIGHBOURS), rtol=1e-9)


def test_a_batch_equals_its_vectors_one_by_one(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    vectors = vectors_of(7, seed=1)
    together = alarm.score(vectors)
    alone = pd.concat([alarm.score(one[None]) for one in vectors], ignore_index=True)
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert len(together) == 7


def test_no_vectors_have_no_scores(files: tuple[Path, Path, Path]) -> None:
    scores = TrainedAlarm.from_files(*files).score(vectors_of(0))
    assert list(scores.columns) == list(SCORERS)
    assert len(scores) == 0
    assert (scores.dtypes == np.float64).all()


@pytest.mark.parametrize(
    "wrong", [vectors_of(3, 63), vectors_of(64, 1)[:, 0], np.zeros((2, 2, 64), np.float32)]
)
def test_other_vectors_are_refused_in_one_line(
    files: tuple[Path, Path, Path], wrong: np.ndarray
) -> None:
    with pytest.raises(InputError, match="expected vectors of 64 numbers, got an arr") as error:
        TrainedAlarm.from_files(*files).score(wrong)
    assert str(wrong.shape) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_verdict_holds_scores_against_thresholds(files: tuple[Path, Path, Path]) -> None:
    alarm = TrainedAlarm.from_files(*files)
    frames = frames_of()
    before = [frame.copy() for frame in frames]
    verdict = alarm(frames, TIMES)
    expected = alarm.score(alarm.embed(frames, TIMES)[None]).iloc[0].to_dict()
    assert verdict.scores == expected
    assert verdict.thresholds == THRESHOLDS
    assert verdict.ratios == {name: expected[name] / THRESHOLDS[name] for name in SCORERS}
    assert verdict.is_alarm == (expected[AUTOENCODER] > THRESHOLDS[AUTOENCODER])
    assert all(np.array_equal(one, other) for one, other in zip(frames, before, strict=True))


@pytest.mark.parametrize(("threshold", "is_alarm"), [(1e-9, True), (1e9, False), (0.0, True)])
def test_the_alarm_is_raised_above_the_autoencoders_threshold(
    files: tuple[Path, Path, Path], threshold: float, is_alarm: bool
) -> None:
    told = read_json(files[2])
    told["scorers"][AUTOENCODER]["value"] = threshold
    write_json(told, files[2])
    verdict = TrainedAlarm.from_files(*files)(frames_of(), TIMES)
    assert verdict.is_alarm == is_alarm
    assert (verdict.ratios[AUTOENCODER] > 1) == is_alarm


def test_without_thresholds_there_is_a_score_and_no_verdict(
    files: tuple[Path, Path, Path],
) -> None:
    alarm = TrainedAlarm.from_files(*files[:2])
    assert len(alarm.score(alarm.embed(frames_of(), TIMES)[None])) == 1
    with pytest.raises(InputError, match=r"^expected thresholds for a verdict, got none$"):
        alarm(frames_of(), TIMES)


def not_ascending() -> np.ndarray:
    times = TIMES.copy()
    times[3] = times[2]
    return times


def not_a_number() -> np.ndarray:
    times = TIMES.copy()
    times[3] = np.nan
    return times


@pytest.mark.parametrize(
    ("frames", "times"),
    [
        ([], TIMES[:0]),
        (frames_of()[:1], TIMES[:1]),
        (frames_of(), TIMES[:-1]),
        (frames_of(), TIMES[::-1]),
        (frames_of(), not_ascending()),
        (frames_of(), not_a_number()),
        (frames_of(), TIMES[:, None]),
    ],
)
def test_too_few_frames_or_times_that_do_not_ascend_are_refused_in_one_line(
    files: tuple[Path, Path, Path], frames: list[np.ndarray], times: np.ndarray
) -> None:
    alarm = TrainedAlarm.from_files(*files)
    for judge in (alarm, alarm.embed):
        with pytest.raises(InputError, match="expected at least 2 frames and as many") as error:
            judge(frames, times)
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
    assert str(frames[5].shape) in str(error.value)
    assert "\n" not in str(error.value)


def test_windows_shorter_than_are_sampled_are_refused_where_the_clips_were(tmp_path: Path) -> None:
    facts = {**embedder_of().facts, "short_clips": "error"}
    alarm = TrainedAlarm.from_files(*write_alarm(tmp_path, facts, vectors_of(20)))
    with pytest.raises(InputError, match="short_clips: expected windows of at least 18 frames"):
        alarm(frames_of(), TIMES)


def without(key: str) -> Callable[[Path, Path, Path], None]:
    def damage(_: Path, card: Path, __: Path) -> None:
        write_json({name: told for name, told in read_json(card).items() if name != key}, card)

    return damage


def told(**changes: object) -> Callable[[Path, Path, Path], None]:
    return lambda _, card, __: write_json(read_json(card) | changes, card)


def of_vectors(**changes: object) -> Callable[[Path, Path, Path], None]:
    def damage(_: Path, card: Path, __: Path) -> None:
        facts = read_json(card)
        write_json(facts | {"embeddings": facts["embeddings"] | changes}, card)

    return damage


CONFIG = {"width": 64, "hidden": [8, 4], "dropout": 0.5, "error": "sum"}
DAMAGE: dict[str, tuple[Callable[[Path, Path, Path], object], str]] = {
    "no weights": (lambda weights, *_: weights.unlink(), "a.safetensors: .*found no such file"),
    "no card": (lambda _, card, __: card.unlink(), "a.json: expected"),
    "no thresholds": (lambda *files: files[2].unlink(), "threshold.json: expected"),
    "cut weights": (
        lambda weights, *_: weights.write_bytes(weights.read_bytes()[:200]),
        "a.safetensors: expected safetensors",
    ),
    "a cut card": (lambda _, card, __: card.write_text(card.read_text()[:40]), "a.json: expected"),
    "weights of another width": (
        told(config=CONFIG | {"hidden": [8, 5]}),
        "a.safetensors: .*expected the shape",
    ),
    "weights of more vectors": (
        told(num_allowed_vectors=21),
        "a.safetensors: allowed_vectors: expected the shape",
    ),
    "another architecture": (told(architecture="grid"), "a.json: expected the card of an autoen"),
    "a config of something else": (told(config={"num_classes": 2}), "a.json: config: expected"),
    "a config that is none": (told(config=[1]), "a.json: config: expected"),
    "no number of vectors": (without("num_allowed_vectors"), "a.json: num_allowed_vectors: exp"),
    "tuned shapes that are none": (told(tuned_shapes=[1]), "a.json: tuned_shapes: expected"),
    "nothing told of the vectors": (without("embeddings"), "a.json: expected what embeds"),
    "vectors of nothing": (told(embeddings=None), "a.json: expected what embeds the windows"),
    "vectors of another flow": (of_vectors(options={"bins": 3}), "a.json: expected what embeds"),
    "vectors of another width": (
        of_vectors(options=embedder_of().facts["options"] | {"num_bins": 4}),
        "a.json: expected what embeds the windows",
    ),
    "thresholds of something else": (
        lambda *files: files[2].write_text("[]"),
        "threshold.json: expected picked thresholds",
    ),
    "a threshold that is none": (
        lambda *files: write_json({"scorers": {AUTOENCODER: {"value": "x"}}}, files[2]),
        "threshold.json: expected picked thresholds",
    ),
    "thresholds of one scorer": (
        lambda *files: write_json({"scorers": {AUTOENCODER: {"value": 1.0}}}, files[2]),
        "threshold.json: expected a threshold of each scorer, found none of mahalanobis, near",
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

"""`vigil tune-alarm` on a tiny project: numbers, sides, bytes and errors."""

import json
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import roc_auc_score
from tiny_clips import write_clip
from tiny_settings import SHIPPED

from vigil.domain.clips.evidence.embeddings import write_embeddings
from vigil.domain.clips.windows import read_labels, write_windows
from vigil.domain.sides import TEST, TRAIN, VAL
from vigil.learn.alarm.tuning.allowed import halve, read_allowed
from vigil.learn.alarm.tuning.command import CLIPS, SPLITS, tune_alarm
from vigil.learn.alarm.tuning.measuring import as_one_table, measure
from vigil.learn.alarm.tuning.scoring import ChannelScorer
from vigil.pixels.embedding.following import follow_file
from vigil.pixels.embedding.motion import MotionEmbedder
from vigil.pixels.importing.clips.windows import import_class_folders
from vigil.pixels.pseudo_anomalies.making import Part, make_pseudo_clips, map_training
from vigil.pixels.windows import WHOLE
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.params import parse_section, read_params
from vigil.plumbing.records import read_json, write_json
from vigil.settings.embed_clips import EmbedClips
from vigil.settings.fit_alarm import FitAlarm
from vigil.settings.import_clips import ImportClips

FPS = Fraction(25)
MEAN_CELLS = "embed_clips.local_speed.mean_cells"
NUM_VAL = 4


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two classes of allowed clips, an anomalous one, and three sides."""
    return build(tmp_path / "project", monkeypatch)


def build(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("VIGIL_STATE_DIR", str(folder / "state"))
    params = read_params(SHIPPED)
    params["dataset"]["clips"] = "clips"
    params["embed_clips"]["channels"] = ["local_speed", "motion_histogram"]
    params["embed_clips"]["local_speed"]["past_s"] = 0.3
    params["fit_alarm"]["scorers"]["motion_histogram"] = ["mahalanobis"]
    (folder / "params.yaml").write_text(yaml.safe_dump(params))
    for kind, num in (("creep", 4), ("stroll", 4), ("dash", 2)):
        for number in range(num):
            write_clip(folder / "clips" / kind / f"{kind}_{number}.avi", kind, number)
    windows = import_class_folders(
        Path("clips"),
        parse_section(ImportClips, params, "import_clips"),
        anomalous_classes=["dash"],
        group_pattern="",
        picture_fps=FPS,
    ).windows
    CLIPS.mkdir(parents=True)
    SPLITS.mkdir(parents=True)
    write_windows(windows, CLIPS)
    allowed = windows.loc[~windows["is_anomalous"], "video"].tolist()
    train = [allowed[0], allowed[4], allowed[5]]
    val = [allowed[1], allowed[2], allowed[6], allowed[7]]
    rest = sorted(set(windows["video"]) - {*train, *val})
    for side, names in ((TRAIN, train), (VAL, [*val, "dash/dash_0.avi"]), (TEST, rest)):
        write_json(names, SPLITS / f"{side}.json")
    return folder


def results(*lists: str, seed: int = 0) -> dict[str, Any]:
    tune_alarm(lists, seed, 8, Path("results.json"))
    content: dict[str, Any] = json.loads(Path("results.json").read_text())
    return content


def test_the_table_holds_the_numbers_of_the_file_and_names_the_best(project: Path):
    told = tune_alarm([f"{MEAN_CELLS}=1,5,9"], 0, 8, Path("results.json"))
    record = json.loads(Path("results.json").read_text())
    assert [one["settings"] for one in record["candidates"]] == [
        {},
        {MEAN_CELLS: 1},
        {MEAN_CELLS: 9},
    ]
    means = [one["auroc"]["together"]["mean"] for one in record["candidates"]]
    assert means[record["best"]] == max(means)
    table = [line.split() for line in told.splitlines()]
    for at, one in enumerate(record["candidates"]):
        row = next(words for words in table if words[:1] == [str(at)])
        assert row[1] == ("present", "1", "9")[at]
        shown = list(map(float, row[2:-2]))
        assert shown == list(one["auroc"]["together"].values())
    assert f"best: {record['best']} (" in told
    gap = record["difference"]
    assert gap["low"] <= gap["value"] <= gap["high"]
    assert record["is_clear"] == (gap["low"] > 0)
    assert ("is larger" in told) == record["is_clear"]
    assert (f"dvc exp run -S {MEAN_CELLS}=" in told) == (record["best"] != 0)
    doubted = "not known to be better; to try it all the same: dvc exp run" in told
    assert doubted == (record["best"] != 0 and not record["is_clear"])
    assert record["num_pseudo_clips"]["faster"] == NUM_VAL


def test_the_auroc_of_a_channel_without_training_is_that_of_its_scores(project: Path):
    """Measured clip by clip, without any of the code that compares settings."""
    record = results()
    params = read_params()
    settings = parse_section(EmbedClips, params, "embed_clips")
    labels = read_labels(CLIPS / "labels.csv")
    allowed = read_allowed(CLIPS, SPLITS, 0)
    halves = halve(allowed.val, 0)
    digests = dict(zip(allowed.val["video"], allowed.val["digest"], strict=True))
    training = [Part(row.video, row.digest, _first(10.0)) for row in allowed.train.itertuples()]
    moves = map_training(training, Path("clips"), FPS)
    parts = [Part(video, digest, _first(10.0)) for video, digest in digests.items()]
    made = make_pseudo_clips(parts, Path("clips"), moves, 0, FPS)
    channels = {"local_speed": MotionEmbedder(settings, FPS)._channels["local_speed"]}

    def speed(path: Path) -> float:
        (found,) = follow_file(path, [WHOLE], channels, FPS)
        return float(found["local_speed"].vectors.max())

    source_of = dict(zip(labels["video"], labels["source"], strict=True))
    normal = {video: speed(Path("clips", video)) for video in digests}
    for kind in record["num_pseudo_clips"]:
        changed = [
            (one.part.video, speed(Path("state", one.video))) for one in made if one.kind == kind
        ]
        values = []
        for half in (0, 1):
            bases = {video for video, _ in changed}
            own = {video for video in bases if halves[source_of[video]] == half}
            low = [normal[video] for video in own]
            high = [score for video, score in changed if video in own]
            truth = np.repeat([0, 1], [len(low), len(high)])
            values.append(roc_auc_score(truth, [*low, *high]))
        expected = np.mean(values).round(3)
        assert record["candidates"][0]["auroc"]["local_speed"][kind] == pytest.approx(expected)


def _first(stop_s: float):
    return WHOLE._replace(stop_s=stop_s)


def test_a_kind_of_too_few_sources_is_told_and_not_compared(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    """The tiny bodies fill their picture: nobody can be pasted, except where this is arranged."""
    record = results()
    assert record["num_rare_clips"] == {"pasted": 0}
    assert "pasted" not in record["candidates"][0]["auroc"]["together"]
    monkeypatch.setattr("vigil.learn.alarm.tuning.trying.LEAST_SOURCES", 5)
    with pytest.raises(InputError, match=r"at least 5 sources in which something moves, got 4$"):
        tune_alarm([], 0, 8, None)


def test_neither_test_clips_nor_anomalous_clips_are_read(project: Path):
    before = results()
    for kind in ("dash",):
        for path in (project / "clips" / kind).iterdir():
            path.unlink()
    for video in json.loads((SPLITS / "test.json").read_text()):
        (project / "clips" / video).unlink(missing_ok=True)
    (SPLITS / "test.json").unlink()
    (CLIPS / "frames.csv").unlink(missing_ok=True)
    subprocess.run(["rm", "-r", "state"], check=True)
    assert results() == before


def test_the_same_bytes_twice_and_no_file_of_the_user_changed(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    before = {name: tree_digest(project / name) for name in ("clips", "data", "params.yaml")}
    told = tune_alarm([f"{MEAN_CELLS}=3"], 0, 8, Path("results.json"))
    again = tune_alarm([f"{MEAN_CELLS}=3"], 0, 8, None)
    after = {name: tree_digest(project / name) for name in before}
    assert after == before
    content = (project / "results.json").read_bytes()
    assert {path.name for path in project.iterdir()} == {*before, "state", "results.json"}
    build(tmp_path / "other", monkeypatch)
    assert tune_alarm([f"{MEAN_CELLS}=3"], 0, 8, Path("results.json")) == told == again
    assert Path("results.json").read_bytes() == content


def test_a_cache_without_room_changes_no_number(project: Path, monkeypatch: pytest.MonkeyPatch):
    before = results()
    monkeypatch.setenv("VIGIL_STATE_DIR", str(project / "full"))
    monkeypatch.setenv("VIGIL_MEMO_GB", "0")
    assert results() == before
    left = project / "full/memo/pseudo_anomalies"
    assert not list(left.iterdir())


def test_what_the_stage_measured_is_not_measured_again(
    project: Path, monkeypatch: pytest.MonkeyPatch
):
    from vigil.pixels.channels import registry
    from vigil.pixels.embedding.remembered import embed_windows
    from vigil.plumbing.fingerprints import code_fingerprint

    allowed = read_allowed(CLIPS, SPLITS, 0)
    settings = parse_section(EmbedClips, read_params(), "embed_clips")
    codes: dict[str, str] = {
        name: code_fingerprint(MotionEmbedder, registry.imports_of_others(name))
        for name in settings.motion_channels
    }
    stored = embed_windows(allowed.val, Path("clips"), MotionEmbedder(settings, FPS), codes)

    def refuse(*_: object) -> None:
        raise AssertionError("measured again")

    monkeypatch.setattr("vigil.learn.alarm.tuning.measuring.follow_file", refuse)
    found = measure(allowed.val, Path("clips"), [settings], FPS)
    assert len(found) == len(stored) == 2
    for one in found.values():
        own = stored[one.facts["channel"]]
        assert np.array_equal(one.pieces.vectors, own.pieces.vectors)


def test_scores_are_those_of_the_stages(project: Path, tmp_path: Path):
    """Fitted and scored by what `fit_alarm` and `predict@alarm` call."""
    from vigil.domain.clips.evidence.embeddings import Embedding
    from vigil.domain.clips.evidence.pieces import join_evidence
    from vigil.domain.clips.found import strongest_in_windows
    from vigil.learn.alarm.trained import TrainedAlarm
    from vigil.learn.alarm.training.assembly import Embedded, fit_alarm
    from vigil.learn.lr_finder import plan_alarm

    allowed = read_allowed(CLIPS, SPLITS, 0)
    params = read_params()
    settings = parse_section(EmbedClips, params, "embed_clips")
    for scorers, speed_map in ((["mahalanobis"], "auto"), (["autoencoder"], True)):
        params["fit_alarm"]["scorers"]["motion_histogram"] = scorers
        params["fit_alarm"] |= {"speed_map": speed_map}
        params["fit_alarm"]["fitting"]["max_epochs"] = 2
        params["fit_alarm"]["fine_tuning"]["from_epoch"] = 0
        fit = parse_section(FitAlarm, params, "fit_alarm")
        measured = [
            measure(one, Path("clips"), [settings], FPS) for one in (allowed.train, allowed.val)
        ]
        both = {}
        for variant, train in measured[0].items():
            val = measured[1][variant]
            index = pd.concat([train.index, val.index], ignore_index=True)
            pieces = join_evidence([train.pieces, val.pieces])
            both[str(train.facts["channel"])] = Embedding(index, pieces, train.facts)
        folder = tmp_path / scorers[0]
        folder.mkdir()
        write_embeddings(both, folder)
        data = Embedded.read(Path("clips"), folder, CLIPS / "labels.csv", SPLITS)
        weights, card = tmp_path / "a.safetensors", tmp_path / "a.json"
        fit_alarm(data, fit, weights=weights, card=card, curves=tmp_path / "curves")
        decided, facts = data.decide(fit)
        assert read_json(card).get("chosen", {}) == facts
        assert bool(facts) == (speed_map == "auto")
        alarm = TrainedAlarm.from_files(weights, card)
        expected = alarm.score_pieces(both, Path("clips"))
        for variant, train in measured[0].items():
            channel = str(train.facts["channel"])
            windows = (allowed.train, allowed.val)
            own = [
                as_one_table(one, each[variant])
                for one, each in zip(windows, measured, strict=True)
            ]
            scorer = ChannelScorer(channel, *own, decided, Path("clips"))
            found = scorer.score_clips(own[1], "mean")
            scores = expected[channel][f"{channel}.{fit.scorers.of(channel)[0]}"]
            by_window = strongest_in_windows(both[channel], scores)
            assert list(found.index) == list(allowed.val["clip"])
            assert found.to_numpy() == pytest.approx(by_window[len(allowed.train) :], rel=1e-5)
    undecided = fit.model_copy(update={"speed_map": "auto"})
    plan_alarm(
        clips=Path("clips"), embeddings=folder, labels=CLIPS / "labels.csv", splits=SPLITS,
        settings=undecided,
    )  # fmt: skip


def test_no_network_loads_no_torch(project: Path):
    code = (
        "import sys; from vigil.learn.alarm.tuning.command import tune_alarm; "
        "print(tune_alarm([], 0, 8, None)); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "best: 0 (the present settings)" in done.stdout


def test_the_command_line_reaches_it(project: Path):
    words = ["-m", "vigil", "tune-alarm", "-S", f"{MEAN_CELLS}=3", "--json", "out/all.json"]
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "local_speed.mean_cells" in done.stdout
    assert json.loads(Path("out/all.json").read_text())["seed"] == 0


Break = Callable[[Path], object]


def _few_sources(project: Path) -> None:
    names = json.loads((SPLITS / "val.json").read_text())
    write_json(names[1:], SPLITS / "val.json")


def _no_training(project: Path) -> None:
    write_json([], SPLITS / "train.json")


def _still(project: Path) -> None:
    """Every validation clip is one frame, repeated."""
    for video in json.loads((SPLITS / "val.json").read_text()):
        path = project / "clips" / video
        write_clip(path, "creep", 1, num_frames=1)
        _repeat(path)


def _repeat(path: Path) -> None:
    from tiny_clips import decode
    from tiny_videos import write_video

    pictures, _ = decode(path)
    write_video(path, [np.ascontiguousarray(pictures[0][..., ::-1])] * 16)


def _brief(project: Path) -> None:
    video = json.loads((SPLITS / "val.json").read_text())[0]
    write_clip(project / "clips" / video, "stroll", 1, num_frames=3)


@pytest.mark.parametrize(
    ("damage", "lists", "message"),
    [
        (_few_sources, [], r"at least 4 sources, two that .* got 3; a larger split\.val_fraction"),
        (_no_training, [], "at least 2 windows of allowed clips to learn from, got 0"),
        (_still, [], "validation clips in which something moves, found none"),
        (_brief, [], r"creep_1\.avi: expected clips of at least 4 frames .* got 3"),
        (lambda _: (CLIPS / "labels.csv").unlink(), [], r"labels\.csv"),
        (lambda _: subprocess.run(["rm", "-r", SPLITS], check=True), [], "dvc repro split@alarm"),
        (lambda _: None, [f"{MEAN_CELLS}=4"], "mean_cells: expected an odd number"),
        (lambda _: None, ["embed_clips.short_clips=error", "embed_clips.local_speed.past_s=9.0"],
         r"params\.yaml: embed_clips\.short_clips: expected windows of at least 9 s"),
        (lambda _: None, ["fit_alarm.scorers.motion_histogram=[gaussian_mixture]",
                          "fit_alarm.num_components=900"],
         r"params\.yaml: fit_alarm\.num_components: expected at most the 3 vectors"),
        (lambda _: None, ["pick_threshold.method=youden"],
         r"params\.yaml: pick_threshold\.method: expected max_validation_error.* got youden"),
        (lambda _: None, ["pick_threshold.method=conformal", "pick_threshold.false_alarm_rate=0.1"],
         r"params\.yaml: pick_threshold\.false_alarm_rate: expected at least 19"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_in_one_line(
    project: Path, damage: Break, lists: list[str], message: str
):
    damage(project)
    with pytest.raises(InputError, match=message) as caught:
        tune_alarm(lists, 0, 8, None)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("seed", "clips"), [(-1, 8), (0, 0)])
def test_options_out_of_range_are_refused(project: Path, seed: int, clips: int):
    with pytest.raises(InputError, match="expected a seed of at least 0 and at least 1 clip"):
        tune_alarm([], seed, clips, None)

"""From clips to the alarm's metrics, stage by stage, bad input included."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from conftest import (
    COMMANDS,
    REPOSITORY,
    Outcome,
    Project,
    alarm_words,
    files_of,
    init_git,
    run_here,
    run_watched,
    write_drawn,
)
from damage import assert_used_or_refused
from safetensors.torch import save_file
from tiny_clips import write_clip, write_clips
from tiny_videos import cut_off, write_coded_video

from vigil.domain.clips.allowed import read_allowed
from vigil.domain.clips.evidence.embeddings import read_embeddings
from vigil.domain.clips.scores import read_scores
from vigil.domain.clips.windows import MIXED, read_labels
from vigil.learn.alarm.network.embedding.registry import BACKBONES, Options
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest
from vigil.review.alarm_pictures import draw_alarms

Run = Callable[..., Outcome]
SIDES = ("train", "val", "test")
AUTOENCODER, MAHALANOBIS, NEIGHBOURS = SCORERS = (
    "motion_histogram.autoencoder",
    "motion_histogram.mahalanobis",
    "motion_histogram.nearest_neighbours",
)
STAGES = list(alarm_words())
LIGHT = [stage for stage in STAGES if stage not in {"fit_alarm", "gather_allowed", "predict_alarm"}]


@pytest.fixture(scope="session")
def untouched_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clips") / "project"
    write_clips(folder / "scene" / "clips", num_sources=6)
    params = yaml.safe_load((REPOSITORY / "params.yaml").read_text(encoding="utf-8"))
    params["dataset"].update(
        root="scene",
        clips="scene/clips",
        anomalous_classes=["dash"],
        clip_group_pattern=r"(\w+_g\d+)_",
    )
    params["embed_clips"]["channels"] = ["motion_histogram"]
    params["fit_alarm"]["scorers"]["motion_histogram"] = [name.split(".")[1] for name in SCORERS]
    params["fit_alarm"]["network"].update(hidden=[16, 4])
    params["fit_alarm"]["fitting"].update(max_epochs=6, batch_size=8)
    params["evaluate"]["alarm"].update(num_bootstrap=20, num_pictures=2)
    (folder / "params.yaml").write_text(yaml.safe_dump(params), encoding="utf-8")
    write_drawn(Project(folder))
    return folder


@pytest.fixture
def project(untouched_clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    shutil.copytree(untouched_clips, tmp_path / "project")
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    return Project(tmp_path / "project")


def run_until(project: Project, run_stage: Run, last: str) -> Outcome:
    for stage in STAGES:
        outcome = run_stage(project, stage)
        if stage == last:
            return outcome
        assert outcome.code == 0, outcome.stderr
    raise AssertionError(last)


def content_of(folder: Path) -> dict[str, bytes]:
    made = [folder / name for name in ("data", "models", "metrics")]
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for place in made
        for file in sorted(place.rglob("*"))
        if file.is_file()
    }


def json_of(project: Project, name: str) -> Any:
    return json.loads((project.folder / name).read_text())


def scores_of(project: Project) -> pd.DataFrame:
    return read_scores(project.folder / "data/predictions/alarm/scores.csv")


def test_from_clips_to_metrics_twice_the_same(project: Project, run_stage: Run) -> None:
    init_git(project)
    outcome = run_until(project, run_stage, "evaluate_alarm")
    assert (outcome.code, outcome.stderr) == (0, "")
    metrics = json_of(project, "metrics/alarm.json")
    assert metrics.keys() >= {
        "auroc", "average_precision", "anomaly_recall", "false_alarm_rate",
        "accuracy", "accuracy_by_class", "intervals_95", "scorers", "channels",
    }  # fmt: skip
    assert metrics["accuracy"].keys() == {"train", "val", "test", "anomaly"}
    assert [row["scorer"] for row in metrics["scorers"]] == list(SCORERS)
    assert [row["raises_the_alarm"] for row in metrics["scorers"]] == [True, False, False]
    assert metrics["auroc"] == metrics["scorers"][0]["auroc"] >= 0.9
    threshold = json_of(project, "models/threshold.json")
    picked = {name: own["value"] for name, own in threshold["scorers"].items()}
    assert picked.keys() == set(SCORERS)
    assert threshold["raising"] == [AUTOENCODER]
    for row in metrics["scorers"]:
        assert row["threshold"] == pytest.approx(picked[row["scorer"]], rel=5e-3)
    assert threshold["picked_on"] == {
        "allowed_validation_clips": 3, "anomalous_validation_clips": 0,
    }  # fmt: skip
    scores = scores_of(project)
    assert len(scores) == 24
    assert set(scores.loc[scores["class"] == "dash", "split"]) == {"test"}
    allowed = scores[(scores["split"] == "val") & ~scores["is_anomalous"]]
    for name, value in picked.items():  # the rule: the largest of them
        assert value == allowed[name].max()
    verdicts = pd.read_csv(project.folder / "metrics/plots/alarm/verdicts.csv")
    assert verdicts["clip"].tolist() == scores["clip"].tolist()
    ratios = scores[AUTOENCODER] / picked[AUTOENCODER]
    assert verdicts["ratio"].tolist() == pytest.approx(ratios.tolist(), rel=1e-5)
    assert (verdicts["channel"] == "motion_histogram").all()
    alarm = (scores[AUTOENCODER] > picked[AUTOENCODER]).tolist()
    assert verdicts["alarm"].tolist() == alarm
    assert verdicts["is_right"].tolist() == (scores["is_anomalous"] == alarm).tolist()
    card = json_of(project, "models/alarm.json")
    fitted = card["training"]["motion_histogram"]["values_at_best_epoch"]
    assert allowed[AUTOENCODER].mean() == pytest.approx(fitted["val_loss"], rel=1e-4)
    pictures = {path.name for path in (project.folder / "metrics/plots/alarm/pictures").iterdir()}
    assert pictures == {
        "alarms.jpg", "errors_by_split.png", "errors_by_class.png", "misses.jpg",
        "false_alarms.jpg",
    }  # fmt: skip
    first = content_of(project.folder)
    assert run_until(project, run_stage, "evaluate_alarm").code == 0
    assert content_of(project.folder) == first


def test_every_alarm_has_a_picture(
    project: Project, run_stage: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_until(project, run_stage, "evaluate_alarm")
    monkeypatch.chdir(project.folder)
    verdicts = pd.read_csv("metrics/plots/alarm/verdicts.csv")
    expected = verdicts[verdicts["alarm"] & (verdicts["split"] == "test")]
    assert len(expected) > 2, "more than the sheet of the evaluation shows"
    for _ in range(2):
        told = draw_alarms(Path("alarms"))
        table = pd.read_csv("alarms/alarms.csv").set_index("clip")
        assert sorted(table.index) == sorted(expected["clip"])
        ratios = expected.set_index("clip")["ratio"]
        assert table["ratio"].to_dict() == pytest.approx(ratios.to_dict())
        assert (
            told
            == f"alarms: {len(expected)} alarms, {(~table['is_anomalous']).sum()} of them false"
        )
        assert sorted(path.name for path in Path("alarms").glob("*.jpg")) == sorted(
            table["picture"]
        )
    for name in table["picture"]:
        picture = cv2.imread(f"alarms/{name}")
        assert picture is not None
        assert picture.shape[1] > 1000
    scores = pd.read_csv("data/predictions/alarm/scores.csv")
    is_one = scores["clip"] == table.index[-1]
    scores.loc[is_one, ["class", "is_anomalous"]] = [MIXED, True]
    scores.to_csv("data/predictions/alarm/scores.csv", index=False)
    told = draw_alarms(Path("alarms"))
    assert told.startswith(f"alarms: {len(expected) - 1} alarms, ")
    assert told.endswith(" of them false; 1 of partly anomalous windows are not drawn")
    with pytest.raises(InputError, match="--out data: expected no file or folder, or an earlier"):
        draw_alarms(Path("data"))


def test_predictions_hold_every_side_and_every_scorer(project: Project, run_stage: Run) -> None:
    init_git(project)
    assert run_until(project, run_stage, "predict_alarm").code == 0
    scores = scores_of(project)
    for side in ("train", "val", "test"):
        own = json_of(project, f"data/splits/alarm/{side}.json")
        assert sorted(scores.loc[scores["split"] == side, "clip"]) == sorted(own)
    assert (scores[list(SCORERS)] >= 0).all(axis=None)
    file = project.folder / "data/predictions/alarm/scores.csv"
    first = file.read_bytes()
    assert run_stage(project, "predict_alarm").code == 0
    assert file.read_bytes() == first


def test_allowed_evidence_is_that_of_allowed_training_clips(
    project: Project, run_stage: Run
) -> None:
    init_git(project)
    assert run_until(project, run_stage, "gather_allowed").code == 0
    folder = project.folder / "models" / "allowed"
    first = content_of(project.folder)
    allowed = read_allowed(folder, file_digest(project.folder / "models/alarm.safetensors"))
    labels = pd.read_csv(project.folder / "data/clips/labels.csv").set_index("video")
    videos = set(allowed.table["video"])
    assert not labels.loc[sorted(videos), "is_anomalous"].any()
    assert videos <= set(json_of(project, "data/splits/alarm/train.json"))
    (embedding,) = read_embeddings(project.folder / "data/embeddings").values()
    times_s = embedding.pieces.spans_s[:, 1].round(6)
    of_video = embedding.index["video"].to_numpy()[embedding.windows]
    kept = allowed.vectors["motion_histogram"]
    for (video, time_s), vector in zip(
        allowed.table[["video", "time_s"]].itertuples(index=False), kept, strict=True
    ):
        own = embedding.pieces.vectors[(of_video == video) & (times_s == time_s)]
        assert (own == vector).all(axis=1).any()
    for jpeg in allowed.pictures:
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape[1] <= 240
    assert run_stage(project, "gather_allowed").code == 0
    assert content_of(project.folder) == first


def test_the_score_of_a_clip_is_the_mean_or_the_highest_of_its_windows(
    project: Project, run_stage: Run
) -> None:
    init_git(project)
    project.set_params("import_clips", num_windows=3)
    assert run_until(project, run_stage, "predict_alarm").code == 0
    mean = scores_of(project)
    project.set_params("predict.alarm", clip_score="max")
    assert run_stage(project, "predict_alarm").code == 0
    highest = scores_of(project)
    assert len(mean) == len(highest) == 24
    assert mean["clip"].equals(highest["clip"])
    for name in SCORERS:
        assert (highest[name] > mean[name]).all()
        assert (highest[name] <= 3.001 * mean[name]).all()


def test_measuring_anew_needs_no_model(project: Project, run_stage: Run) -> None:
    init_git(project)
    assert run_until(project, run_stage, "evaluate_alarm").code == 0
    before = content_of(project.folder)
    for name in ("alarm.safetensors", "alarm.json"):
        (project.folder / "models" / name).unlink()
    shutil.rmtree(project.folder / "data/embeddings")
    assert run_stage(project, "evaluate_alarm").code == 0
    after = content_of(project.folder)
    assert after.items() <= before.items()
    project.set_params("evaluate.alarm", seed=5, num_bootstrap=21, num_pictures=0)
    assert run_stage(project, "evaluate_alarm").code == 0
    metrics = json_of(project, "metrics/alarm.json")
    assert metrics["auroc"] == json.loads(before["metrics/alarm.json"])["auroc"]
    assert (project.folder / "metrics/alarm.json").read_bytes() != before["metrics/alarm.json"]


def test_another_choice_of_anomalous_classes_embeds_nothing_again(
    project: Project, run_stage: Run
) -> None:
    assert run_until(project, run_stage, "embed_clips").code == 0
    folder = project.folder / "data/clips"
    windows, labels = ((folder / name).read_bytes() for name in ("windows.csv", "labels.csv"))
    embeddings = files_of(project.folder / "data/embeddings")
    project.set_params("dataset", anomalous_classes=["rise"], clip_group_pattern="")
    assert run_stage(project, "import_clips").code == 0
    assert (folder / "windows.csv").read_bytes() == windows
    assert (folder / "labels.csv").read_bytes() != labels
    table = read_labels(folder / "labels.csv")
    assert set(table.loc[table["is_anomalous"], "class"]) == {"rise"}
    assert table["source"].equals(table["clip"])
    assert run_until(project, run_stage, "embed_clips").code == 0
    assert files_of(project.folder / "data/embeddings") == embeddings


def test_one_more_clip_costs_one_clip(project: Project, run_stage: Run) -> None:
    assert run_until(project, run_stage, "embed_clips").code == 0
    memo = project.folder / ".vigil/memo/embeddings"
    before = {entry.name for entry in memo.iterdir()}
    own = read_embeddings(project.folder / "data/embeddings")["motion_histogram"]
    index, vectors = own.index, own.pieces.vectors
    write_clip(project.folder / "scene/clips/creep/creep_g99_c1.avi", "creep", 999)
    assert run_until(project, run_stage, "embed_clips").code == 0
    assert len({entry.name for entry in memo.iterdir()} - before) == 1
    new = read_embeddings(project.folder / "data/embeddings")["motion_histogram"]
    more, other = new.index, new.pieces.vectors
    kept = (more["video"] != "creep/creep_g99_c1.avi").to_numpy()
    assert kept.sum() == len(kept) - 1
    assert list(more.loc[kept, "video"]) == list(index["video"])
    assert np.array_equal(other[kept], vectors)


def test_windows_become_rows(project: Project, run_stage: Run) -> None:
    project.set_params("import_clips", num_windows=2)
    assert run_until(project, run_stage, "embed_clips").code == 0
    own = read_embeddings(project.folder / "data/embeddings")["motion_histogram"]
    index, vectors, facts = own.index, own.pieces.vectors, own.facts
    assert list(index["start_s"][:4]) == [0.0, 0.8, 0.0, 0.8]
    assert list(index["stop_s"][:4]) == [0.8, 1.6, 0.8, 1.6]
    assert index["video"].value_counts().eq(2).all()
    assert len(vectors) == 48
    assert facts["channel"] == "motion_histogram"
    labels = read_labels(project.folder / "data/clips/labels.csv")
    assert labels["clip"].equals(index["video"])
    assert labels["start_s"].equals(index["start_s"])


@pytest.mark.parametrize("method", ["quantile", "best_f1", "youden"])
def test_another_rule_needs_the_scores_alone(project: Project, run_stage: Run, method: str) -> None:
    init_git(project)
    project.set_params("split", anomalous_val_fraction=0.34)
    assert run_until(project, run_stage, "predict_alarm").code == 0
    for name in ("alarm.safetensors", "alarm.json"):
        (project.folder / "models" / name).unlink()
    project.set_params("pick_threshold", method=method)
    for stage in ("pick_threshold", "evaluate_alarm"):
        outcome = run_stage(project, stage)
        assert (outcome.code, outcome.stderr) == (0, "")
    told = json_of(project, "models/threshold.json")
    assert told["picked_on"]["anomalous_validation_clips"] == (0 if method == "quantile" else 2)
    assert told["rule"]["method"] == method
    assert "val_anomaly" in json_of(project, "metrics/alarm.json")["accuracy"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # pytorchvideo's, within torch
def test_a_network_is_tuned_and_used(project: Project, run_stage: Run) -> None:
    init_git(project)
    for kind in ("creep", "stroll", "rise", "dash"):  # few, since a network takes its time
        for path in sorted((project.folder / "scene/clips" / kind).iterdir())[3:]:
            path.unlink()
    appear(project, backbone="x3d_xs", weights=str(random_weights(project.folder)))
    project.set_params("embed_clips.appearance.network", precision="32-true")
    project.set_params("fit_alarm.scorers", appearance=["autoencoder"])
    project.set_params("fit_alarm.fitting", max_epochs=2, batch_size=4)
    project.set_params("fit_alarm.fine_tuning", from_epoch=2, learning_rate=0.01)
    outcome = run_until(project, run_stage, "evaluate_alarm")
    assert (outcome.code, outcome.stderr) == (0, "")
    card = json_of(project, "models/alarm.json")
    assert len(card["config"]["appearance"]["tuned_shapes"]) == 12
    assert len(card["embeddings"]["appearance"]["weights_sha256"]) == 64
    # What the training measured of the network that it kept is what the prediction makes of it.
    scores = scores_of(project)
    chosen = (scores["split"] == "val") & ~scores["is_anomalous"]
    val = scores.loc[chosen, "appearance.autoencoder"]
    fitted = card["training"]["appearance"]["values_at_best_epoch"]
    assert val.mean() == pytest.approx(fitted["val_error"], rel=1e-3)


def random_weights(folder: Path) -> Path:
    """A file of weights that nobody trained, which the channel takes since it is a file."""
    torch.manual_seed(0)
    network = BACKBONES["x3d_xs"].build(Options(4, 4))
    save_file(network.state_dict(), folder / "x3d_xs.safetensors")
    return folder / "x3d_xs.safetensors"


def test_what_needs_no_network_needs_no_torch(project: Project, run_stage: Run) -> None:
    init_git(project)
    assert run_until(project, run_stage, "evaluate_alarm").code == 0
    for stage in LIGHT:
        done = run_watched(project, stage)
        assert (done.returncode, done.stderr) == (0, "loaded:\n"), stage


def test_clips_alone_need_no_root_of_their_own(project: Project, run_stage: Run) -> None:
    """As the README says: the root stays the demo's, which has clips too."""
    shutil.copytree(project.folder / "scene/clips", project.folder / "data/demo/clips")
    project.set_params("dataset", root="data/demo", clips="scene/clips")
    assert run_stage(project, "import_clips").code == 0


def give(project: Project, text: str) -> tuple[str, ...]:
    (project.folder / "splits/given.csv").write_text(f"name,side\n{text}")
    return with_given("splits/given.csv")


def with_given(given: str) -> tuple[str, ...]:
    return tuple(word.replace("splits/drawn.csv", given) for word in COMMANDS["split_alarm"])


def test_a_split_of_clips_may_be_given_as_lists(project: Project, run_stage: Run) -> None:
    assert run_stage(project, "import_clips").code == 0
    clips = read_labels(project.folder / "data/clips/labels.csv")
    number = clips["source"].str.extract(r"_g(\d+)")[0].astype(int)
    side = number.map(lambda own: ("train", "train", "train", "val", "test", "test")[own])
    side[clips["is_anomalous"]] = "test"
    lists = project.folder / "splits/lists"
    lists.mkdir()
    for name, own in clips["clip"].groupby(side):
        # By whole names, and by what is left without folders and endings.
        shorter = [clip.split("/")[-1].split(".")[0] for clip in own]
        (lists / f"{name}.txt").write_text("\n".join(own if name == "test" else shorter))
    for seed in (0, 1):
        project.set_params("split", seed=seed)
        outcome = run_stage(project, "split_alarm", *with_given("splits/lists"))
        assert (outcome.code, outcome.stderr) == (0, "")
        for name, own in clips["clip"].groupby(side):
            assert json_of(project, f"data/splits/alarm/{name}.json") == list(own)


def test_what_a_given_split_leaves_out_is_drawn(project: Project, run_stage: Run) -> None:
    assert run_stage(project, "import_clips").code == 0
    given = {"creep/creep_g00_c1.mp4", "rise/rise_g01_c1.mkv"}
    listed = "creep_g00_c1,test\nrise/rise_g01_c1.mkv,test\n"
    outcome = run_stage(project, "split_alarm", *give(project, listed))
    assert outcome.code == 1
    assert "expected a side for each anomalous clip, since none is trained on" in outcome.stderr
    listed += "".join(f"dash_g{number:02d}_c1,test\n" for number in range(6))
    outcome = run_stage(project, "split_alarm", *give(project, listed))
    assert (outcome.code, outcome.stderr) == (0, "")
    sides = {side: json_of(project, f"data/splits/alarm/{side}.json") for side in SIDES}
    dashes = {name for name in sides["test"] if name.startswith("dash/")}
    assert len(dashes) == 6
    assert set(sides["test"]) == given | dashes
    assert len(sides["train"]) + len(sides["val"]) == 16
    assert sides["val"]


BAD_GIVEN = {
    "an unknown name": (
        "fall/fall_g00_c1.mp4,test\n",
        "params.yaml: split.given.alarm: 'fall/fall_g00_c1.mp4': expected a name of the data, "
        "got none of creep/creep_g00_c1.mp4, ",
    ),
    "a clip on two sides": (
        "creep_g00_c1.mp4,train\ncreep_g00_c1.mp4,test\n",
        "splits/given.csv: expected each name on one side, got 'creep_g00_c1.mp4' in train and "
        "test",
    ),
    "a clip by two names on two sides": (
        "creep_g00_c1.mp4,train\ncreep/creep_g00_c1.mp4,test\n",
        "split.given.alarm: 'creep/creep_g00_c1.mp4': expected one side, got train and test",
    ),
    "an anomalous clip to train on": (
        "".join(
            f"{kind}_g{number:02d}_c1,{side}\n"
            for kind in ("creep", "dash", "rise", "stroll")
            for number, side in enumerate(("train", "train", "train", "val", "test", "test"))
        ),
        "split.given.alarm: expected only allowed clips for training, got the anomalous "
        "dash/dash_g00_c1",
    ),
    "a source on two sides": (
        "creep_g00_c1,val\n",
        "params.yaml: split.given.alarm: expected the clips of a source (clip_group_pattern) on "
        "one side, got those of creep_g00 in ",
    ),
}


@pytest.mark.parametrize("case", BAD_GIVEN)
def test_a_given_split_that_leaks_or_names_nothing_is_one_line(
    case: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    text, expected = BAD_GIVEN[case]
    if case == "a source on two sides":
        write_clip(project.folder / "scene/clips/creep/creep_g00_c2.mp4", "creep", 77)
    assert run_stage(project, "import_clips").code == 0
    outcome = run_stage(project, "split_alarm", *give(project, text))
    assert_refused(outcome, project, "split_alarm")
    assert expected in outcome.stderr


UCF101 = REPOSITORY.parent / "shared" / "real" / "ucf101"


@pytest.mark.skipif(not UCF101.is_dir(), reason="needs ../shared/real/ucf101")
def test_real_clips_with_params_alone(project: Project, run_stage: Run) -> None:
    init_git(project)
    shutil.rmtree(project.folder / "scene/clips")
    shutil.copytree(UCF101, project.folder / "scene/clips")
    project.set_params("dataset", anomalous_classes=["Diving"], clip_group_pattern="")
    assert run_until(project, run_stage, "evaluate_alarm").code == 0
    metrics = json_of(project, "metrics/alarm.json")
    assert (metrics["num_allowed"], metrics["num_anomalous"]) == (2, 5)
    assert metrics["auroc"] >= 0.9


def clip_of(project: Project, kind: str = "creep") -> Path:
    return sorted((project.folder / "scene/clips" / kind).iterdir())[0]


def empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.unlink()


def leave_one(project: Project) -> None:
    for kind in ("creep", "stroll", "rise"):
        for path in sorted((project.folder / "scene/clips" / kind).iterdir())[1:]:
            path.unlink()
    shutil.rmtree(project.folder / "scene/clips/rise")
    shutil.rmtree(project.folder / "scene/clips/stroll")


def appear(project: Project, **changes: Any) -> None:
    project.set_params("embed_clips", channels=["appearance"])
    project.set_params("embed_clips.appearance", **changes)


BAD: dict[str, tuple[str, Callable[[Project], object], str]] = {
    "no clips": ("import_clips", lambda p: shutil.rmtree(p.folder / "scene/clips"), "scene/clips"),
    "an empty class": (
        "import_clips",
        lambda p: empty(p.folder / "scene/clips/rise"),
        "scene/clips/rise: expected clips, found an empty folder",
    ),
    "one clip only": ("split_alarm", leave_one, "there are 1 allowed clips of 1 sources"),
    "no such class": (
        "import_clips",
        lambda p: p.set_params("dataset", anomalous_classes=["fly"]),
        "params.yaml: dataset.anomalous_classes: expected classes of creep, dash, rise, stroll, "
        "got fly",
    ),
    "all classes": (
        "import_clips",
        lambda p: p.set_params("dataset", anomalous_classes=["creep", "dash", "rise", "stroll"]),
        "params.yaml: dataset.anomalous_classes: expected to leave a class that is allowed",
    ),
    "clips of another dataset": (
        "import_clips",
        lambda p: p.set_params("dataset", clips="data/demo/clips"),
        "params.yaml: dataset.clips: expected scene/clips, since dataset.root holds clips of its "
        "own, got those of the demo",
    ),
    "no class": (
        "import_clips",
        lambda p: p.set_params("dataset", anomalous_classes=[]),
        "params.yaml: dataset.anomalous_classes: expected at least one class to raise the alarm",
    ),
    "the same clip twice": (
        "split_alarm",
        lambda p: shutil.copy(clip_of(p), clip_of(p).with_name("creep_g77_c1.mp4")),
        "creep/creep_g77_c1.mp4: expected different clips",
    ),
    "a pattern that fits no clip": (
        "import_clips",
        lambda p: p.set_params("dataset", clip_group_pattern="x(y)z"),
        "expected clip_group_pattern 'x(y)z' to find the clip's source in its name, found none",
    ),
    "a pattern that is none": (
        "import_clips",
        lambda p: p.set_params("dataset", clip_group_pattern="x(y"),
        "params.yaml: dataset.clip_group_pattern: expected a regular expression, got 'x(y'",
    ),
    "a truncated clip": ("embed_clips", lambda p: cut_off(clip_of(p), 0.4), "creep_g00_c1.mp4"),
    "a text file": (
        "embed_clips",
        lambda p: clip_of(p).write_text("hello"),
        "creep_g00_c1.mp4: expected a video",
    ),
    "an empty file": ("embed_clips", lambda p: clip_of(p).write_bytes(b""), "empty file"),
    "a clip of one frame": (
        "embed_clips",
        lambda p: write_coded_video(clip_of(p), 1),
        "creep_g00_c1.mp4: expected a clip of at least 2 frames, got 1",
    ),
    "a short clip where that is an error": (
        "embed_clips",
        lambda p: (
            write_coded_video(clip_of(p), 5),
            p.set_params("embed_clips", short_clips="error"),
        ),
        "params.yaml: embed_clips.short_clips: expected windows of at least 8 pairs of frames for "
        "motion_histogram, got one of 4; repeat_last takes it (scene/clips/creep/creep_g00_c1.mp4)",
    ),
    "no channel": (
        "import_clips",
        lambda p: p.set_params("embed_clips", channels=[]),
        "params.yaml: embed_clips.channels: ",
    ),
    "a channel twice": (
        "import_clips",
        lambda p: p.set_params("embed_clips", channels=["local_speed"] * 2),
        "params.yaml: embed_clips: expected each channel once, got more of local_speed",
    ),
    "an unknown channel": (
        "import_clips",
        lambda p: p.set_params("embed_clips", channels=["smell"]),
        "params.yaml: embed_clips.channels.0: expected 'local_speed', 'local_disorder'",
    ),
    "random weights": (
        "import_clips",
        lambda p: appear(p, weights="none"),
        "params.yaml: embed_clips.appearance.weights: expected kinetics400 or a file, since "
        "vectors of random weights are no evidence, got 'none'",
    ),
    "cells of a network that has none": (
        "import_clips",
        lambda p: appear(p, weights="kinetics400", num_space_cells=3),
        "params.yaml: embed_clips.appearance: expected num_space_cells to be 1 for r2plus1d_18, "
        "whose vector describes a whole window, got 3; dino and trunk have cells",
    ),
    "a size that has no effect": (
        "import_clips",
        lambda p: (
            appear(p, weights="kinetics400"),
            p.set_params("embed_clips.appearance.network", size_px=64),
        ),
        "params.yaml: embed_clips.appearance: expected network.size_px to be 0 for r2plus1d_18, "
        "which has a size of its own, got 64",
    ),
    "published weights of another network": (
        "import_clips",
        lambda p: appear(p, weights="imagenet"),
        "params.yaml: embed_clips.appearance.weights: expected kinetics400 or a file for "
        "r2plus1d_18, got imagenet",
    ),
    "cells to tune by": (
        "import_clips",
        lambda p: (
            appear(p, backbone="trunk", weights="imagenet", num_space_cells=3),
            p.set_params("fit_alarm.fine_tuning", from_epoch=1),
        ),
        "params.yaml: fit_alarm.fine_tuning.from_epoch: expected 0 where "
        "embed_clips.appearance.num_space_cells is more than 1, since a window has one vector to "
        "learn from, got 1 and 3",
    ),
    "no weights of a trunk": (
        "import_clips",
        lambda p: appear(p, backbone="trunk", weights="none.pth"),
        "params.yaml: embed_clips.appearance.weights: expected imagenet or a file, got 'none.pth'",
    ),
    "a scorer of one number for many": (
        "import_clips",
        lambda p: p.set_params("fit_alarm.scorers", motion_histogram=["largest"]),
        "params.yaml: fit_alarm.scorers: expected largest only for local_speed and "
        "local_disorder, got it for motion_histogram",
    ),
    "more components than vectors": (
        "fit_alarm",
        lambda p: (
            p.set_params("fit_alarm", num_components=99),
            p.set_params("fit_alarm.scorers", motion_histogram=["gaussian_mixture"]),
        ),
        "params.yaml: fit_alarm.num_components: expected at most the ",
    ),
    "an unknown backbone": (
        "import_clips",
        lambda p: p.set_params("embed_clips.appearance", backbone="c3d"),
        "params.yaml: embed_clips.appearance.backbone: expected 'r2plus1d_18'",
    ),
    "a clip gone": ("embed_clips", lambda p: None, "clips/creep/creep_g00_c1.mp4"),
    "a backbone without weights to tune": (
        "import_clips",
        lambda p: p.set_params("fit_alarm.fine_tuning", from_epoch=1),
        "params.yaml: fit_alarm.fine_tuning.from_epoch: expected 0 without appearance among "
        "embed_clips.channels, since no other channel has a network, got 1",
    ),
    "tuning that never begins": (
        "import_clips",
        lambda p: p.set_params("fit_alarm.fine_tuning", from_epoch=7),
        "params.yaml: fit_alarm: expected fine_tuning.from_epoch to be at most "
        "fitting.max_epochs (6), got 7",
    ),
    "one vector a batch for a norm": (
        "import_clips",
        lambda p: p.set_params("fit_alarm.fitting", batch_size=1),
        "params.yaml: fit_alarm: expected fitting.batch_size to be at least 2",
    ),
    "frames that a network does not take": (
        "embed_clips",
        lambda p: (
            appear(p, backbone="mvit_v2_s", weights="kinetics400"),
            p.set_params("embed_clips.appearance.network", num_frames=5),
        ),
        "params.yaml: embed_clips.appearance.network.num_frames: expected 16 (0: 16) for "
        "mvit_v2_s, got 5",
    ),
    "frames that the slow path cannot take": (
        "embed_clips",
        lambda p: (
            appear(p, backbone="slowfast_r50", weights="kinetics400"),
            p.set_params("embed_clips.appearance.network", slowfast_alpha=5),
        ),
        "params.yaml: embed_clips.appearance.network.slowfast_alpha: expected a divisor of the "
        "32 frames, got 5",
    ),
    "precision for a GPU": (
        "fit_alarm",
        lambda p: p.set_params("fit_alarm.fitting", precision="16-mixed"),
        "params.yaml: fit_alarm.fitting.precision: expected auto, 32-true or bf16-mixed on a "
        "CPU, got 16-mixed",
    ),
    "weights that are not there": (
        "import_clips",
        lambda p: appear(p, backbone="x3d_xs", weights="none.pth"),
        "params.yaml: embed_clips.appearance.weights: expected kinetics400 or a file, got "
        "'none.pth'",
    ),
    "no anomalous validation clips": (
        "pick_threshold",
        lambda p: p.set_params("pick_threshold", method="youden"),
        "params.yaml: pick_threshold.method: expected anomalous clips in validation for youden",
    ),
    "too few validation clips": (
        "pick_threshold",
        lambda p: p.set_params("pick_threshold", method="conformal"),
        "params.yaml: pick_threshold.false_alarm_rate: expected at least 9 allowed clips in "
        "validation for a rate of 0.1 a channel, got 3",
    ),
}


@pytest.mark.parametrize("change", BAD)
def test_bad_input_is_one_line(
    change: str, project: Project, run_stage: Run, assert_refused: Callable[..., None]
) -> None:
    stage, edit, expected = BAD[change]
    init_git(project)
    edit(project)
    if change == "a clip gone":
        assert run_until(project, run_stage, "split_alarm").code == 0
        clip_of(project).unlink()
        outcome = run_stage(project, "embed_clips")
    else:
        outcome = run_until(project, run_stage, stage)
    assert_refused(outcome, project, stage)
    assert expected in outcome.stderr
    assert not list(project.folder.rglob("*.partial"))


def scramble_labels(project: Project) -> None:
    file = project.folder / "data/clips/labels.csv"
    file.write_text(file.read_text().replace("dash/dash_g00_c1", "dash/other"))


def another_model(project: Project) -> None:
    """Of vectors of another width."""
    file = project.folder / "data/embeddings/motion_histogram/vectors.npy"
    np.save(file, np.load(file)[:, :7])


def alarm_at_everything(project: Project) -> None:
    scorers = {name: {"value": 0.0} for name in SCORERS}
    (project.folder / "models/threshold.json").write_text(
        json.dumps({"scorers": scorers, "raising": [AUTOENCODER]})
    )


BAD_MADE: dict[str, tuple[str, Callable[[Project], object], str]] = {
    "no weights": (
        "predict_alarm",
        lambda p: (p.folder / "models/alarm.safetensors").unlink(),
        "models/alarm.safetensors: expected ",
    ),
    "a card that is none": (
        "predict_alarm",
        lambda p: (p.folder / "models/alarm.json").write_text("{}"),
        "models/alarm.json: expected ",
    ),
    "vectors of another width": ("predict_alarm", another_model, "expected vectors of "),
    "a window without labels": (
        "predict_alarm",
        scramble_labels,
        "expected labels for the window of each video, found none for dash/dash_g00_c1",
    ),
    "a video on no side": (
        "predict_alarm",
        lambda p: (p.folder / "data/splits/alarm/val.json").write_text("[]"),
        "expected a side of the split for the window of each video, found none for ",
    ),
    "no scores": (
        "pick_threshold",
        lambda p: (p.folder / "data/predictions/alarm/scores.csv").unlink(),
        "data/predictions/alarm/scores.csv: expected a table, found no such file",
    ),
    "thresholds of fewer scorers": (
        "evaluate_alarm",
        lambda p: (p.folder / "models/threshold.json").write_text(
            json.dumps({"scorers": {AUTOENCODER: {"value": 1}}, "raising": [AUTOENCODER]})
        ),
        "expected a threshold of each scorer, got none of motion_histogram.mahalanobis, ",
    ),
    "no evidence": (
        "evaluate_alarm",
        lambda p: (p.folder / "data/predictions/alarm/found.csv").unlink(),
        "data/predictions/alarm/found.csv: expected a table, found no such file",
    ),
    "no thresholds": (
        "evaluate_alarm",
        lambda p: (p.folder / "models/threshold.json").write_text('{"value": 3}'),
        "models/threshold.json: expected picked thresholds, got ",
    ),
    "another table for scores": (
        "evaluate_alarm",
        lambda p: (p.folder / "data/predictions/alarm/scores.csv").write_text("a,b\n1,2\n"),
        "data/predictions/alarm/scores.csv: expected the columns clip, class, source, ",
    ),
    "the videos of the sheets gone": (
        "evaluate_alarm",
        lambda p: (alarm_at_everything(p), shutil.rmtree(p.folder / "scene/clips")),
        ": expected a video, found no such file",
    ),
}


@pytest.fixture(scope="module")
def made_until_the_threshold(
    untouched_clips: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """What all stages before the last make. Copy it, do not change it."""
    made = Project(tmp_path_factory.mktemp("made") / "project")
    shutil.copytree(untouched_clips, made.folder)
    init_git(made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VIGIL_DEVICE", "cpu")
        for stage in STAGES[:-1]:
            assert run_here(made, stage, COMMANDS[stage], patch) == 0
    return made.folder


@pytest.mark.parametrize("change", BAD_MADE)
def test_damage_to_what_stages_hand_on_is_one_line(
    change: str,
    made_until_the_threshold: Path,
    tmp_path: Path,
    run_stage: Run,
    assert_refused: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    project = Project(tmp_path / "project")
    shutil.copytree(made_until_the_threshold, project.folder)
    stage, edit, expected = BAD_MADE[change]
    project.remove_outputs(stage)
    edit(project)
    outcome = run_stage(project, stage)
    assert_refused(outcome, project, stage)
    assert expected in outcome.stderr


DAMAGED = {
    "predict_alarm": (
        "data/clips/labels.csv",
        "data/embeddings/motion_histogram/index.csv",
        "models/alarm.json",
    ),
    "pick_threshold": ("data/predictions/alarm/scores.csv",),
    "evaluate_alarm": (
        "data/predictions/alarm/scores.csv",
        "models/threshold.json",
        "data/clips/windows.csv",
        "data/clips/labels.csv",
    ),
}


@pytest.mark.parametrize("stage", DAMAGED)
def test_damaged_tables_are_used_or_are_one_line(
    stage: str,
    made_until_the_threshold: Path,
    tmp_path: Path,
    run_stage: Run,
    assert_refused: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VIGIL_DEVICE", "cpu")
    project = Project(tmp_path / "project")
    shutil.copytree(made_until_the_threshold, project.folder)
    assert_used_or_refused(project, stage, DAMAGED[stage], run_stage, assert_refused)

"""The whole pipeline through DVC on a tiny scene: what reruns, what does not, what is left."""

import ast
import json
import os
import shutil
import sys
from pathlib import Path

import pytest
import yaml
from rerun_table import TRAININGS, changed, edit, edit_export, move_box, render_table
from tiny_project import ROOT, VIDEOS, Project, stages_of, task_of, write_video

NUM_STAGES = 36
WATCH = ("watch", "evaluate@watch")
MODEL = Path("src", "vigil", "learn", "classifier", "network", "crop_transformer.py")
UNTRAINED = ("split@classifier", "split@detector")  # with all that leads to them
RERUNS = ROOT / "docs" / "reruns.md"


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    settings = {"PYTHONHASHSEED": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC", "VIGIL_WORKERS": "0"}
    project = Project(tmp_path_factory.mktemp("project"), settings)
    assert len(project.repro()) == NUM_STAGES
    return project


def test_elsewhere_and_under_other_settings_it_makes_the_same_bytes(
    project: Project, tmp_path: Path
):
    """A small version of `make verify-reproducible`."""
    settings = {
        **{"PYTHONHASHSEED": "4242", "LC_ALL": "C", "TZ": "Pacific/Auckland"},
        **{"VIGIL_WORKERS": "2", "PYTHONPATH": str(ROOT / "campaigns" / "shuffled")},
    }
    (tmp_path / "another place").mkdir()
    other = Project(tmp_path / "another place", settings)
    scene = Path("data", "scene")
    shutil.copytree(project.folder / scene, other.folder / scene, dirs_exist_ok=True)
    assert len(other.repro()) == NUM_STAGES
    one, two = ({**p.content(), "lock": p.lock.encode()} for p in (project, other))
    assert sorted(name for name in one | two if one.get(name) != two.get(name)) == []


def test_the_second_run_does_nothing(project: Project):
    assert project.repro() == []


def test_every_result_is_there(project: Project):
    numbers = json.loads((project.folder / "metrics" / "classifier.json").read_text())
    assert numbers.keys() >= {
        "accuracy", "precision", "recall", "f1", "auroc", "brier", "num_samples",
    }  # fmt: skip
    assert set(numbers["accuracy_by_video"]) < set(VIDEOS)
    card = json.loads((project.folder / "models" / "classifier.json").read_text())
    assert card["architecture"] == "crop_transformer"
    content = project.content()
    measured = json.loads((project.folder / "metrics" / "detector.json").read_text())
    assert measured.keys() >= {
        "map", "map_50", "map_75", "map_small", "map_medium", "map_large", "mar_100",
        "precision", "recall", "f1", "score_threshold", "ap_by_class",
    }  # fmt: skip
    assert json.loads((project.folder / "models" / "detector.json").read_text())["classes"]
    for video in VIDEOS:
        assert f"data/frames/{video}.zip" in content
        assert f"data/annotations/{video}/coco.json" in content
        assert f"data/samples/{video}.npy" in content
    assert not [name for name in content if "partial" in name]


def test_a_fourth_video_costs_itself_alone_and_leaves_no_trace(project: Project):
    lock, content = project.lock, project.content()
    frames, samples = project.memo("extract_frames"), project.memo("generate_samples")
    kept = {video: (project.folder / f"data/frames/{video}.zip").read_bytes() for video in VIDEOS}
    project.list_videos((*VIDEOS, "d.mp4"))
    assert "extract_frames" in project.repro(*UNTRAINED)
    assert len(project.memo("extract_frames") - frames) == 1
    assert len(project.memo("generate_samples") - samples) == 1
    for video, archive in kept.items():
        assert (project.folder / f"data/frames/{video}.zip").read_bytes() == archive
    assert project.lock != lock
    project.list_videos(VIDEOS)
    project.repro(*UNTRAINED)
    assert project.lock == lock
    assert project.content() == content


def test_a_video_off_the_list_leaves_no_trace_though_its_file_stays(project: Project):
    extra = project.folder / "data" / "scene" / "videos" / "d.mp4"
    write_video(extra, 3)
    project.repro(*UNTRAINED)
    lock, content = project.lock, project.content()
    project.list_videos((*VIDEOS, "d.mp4"))
    project.repro(*UNTRAINED)
    project.change("dataset", videos=list(VIDEOS))
    project.change("interpolate_annotations", unlisted_tasks="skip")
    project.repro(*UNTRAINED)
    made = {n: c for n, c in content.items() if not n.startswith("data/scene")}
    assert made.items() <= project.content().items()
    assert not [name for name in project.content() if "/d.mp4" in name and "scene" not in name]
    project.change("interpolate_annotations", unlisted_tasks="error")
    tasks = [task_of(video, number) for number, video in enumerate(VIDEOS)]
    (project.folder / "data" / "scene" / "export.json").write_text(json.dumps(tasks))
    project.repro(*UNTRAINED)
    assert project.lock == lock
    extra.unlink()
    assert project.repro() == []  # as before, so from the cache


@pytest.mark.slow
def test_a_video_that_comes_and_goes_leaves_no_trace_in_what_is_trained(project: Project):
    lock, content = project.lock, project.content()
    project.list_videos((*VIDEOS, "d.mp4"))
    assert {"train_classifier", "train_detector"} <= {*project.repro()}
    project.change("dataset", videos=list(VIDEOS))  # its file and its task stay
    project.change("interpolate_annotations", unlisted_tasks="skip")
    project.repro()
    now = project.content()
    assert [n for n in content if "scene" not in n and content[n] != now.get(n)] == []
    assert [n for n in now if "scene" not in n and n not in content] == []
    project.change("interpolate_annotations", unlisted_tasks="error")
    project.list_videos(VIDEOS)
    assert project.repro() == []  # as before, so from the cache
    assert project.lock == lock
    assert project.content() == content


@pytest.mark.parametrize(
    ("section", "changes", "back", "rerun"),
    [
        (
            "train_classifier.network",
            {"depth": 2},
            {"depth": 1},
            [
                *("train_classifier", "predict@classifier", "export@classifier"),
                *("evaluate@classifier", *WATCH),
            ],
        ),
        pytest.param(
            "train_detector",
            {"architecture": "anchor", "anchor": {"num_sizes": 1}},
            {"architecture": "grid", "anchor": {"num_sizes": 3}},
            [
                *("train_detector", "predict@detector", "export@detector"),
                *("pick_score", "evaluate@detector", *WATCH),
            ],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "train_segmenter",
            {"loss": "dice", "unet": {"upsampling": "nearest"}},
            {"loss": "ce", "unet": {"upsampling": "bilinear"}},
            ["train_segmenter", "predict@segmenter", "export@segmenter", "evaluate@segmenter"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "split",
            {"gap_frames": 11},
            {"gap_frames": 10},
            [
                "split@classifier",
                "split@detector",
                "split@segmenter",
                "split@alarm",
            ],  # whole videos: the lists stay the same
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_changed_parameter_reruns_what_depends_on_it(project, section, changes, back, rerun):
    project.change(section, **changes)
    assert sorted(project.repro()) == sorted(rerun)
    project.change(section, **back)
    project.repro()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("branch", "changes"),
    [("classifier", {"threshold": 0.4}), ("detector", {"score_threshold": 0.4})],
)
def test_a_changed_threshold_retrains_nothing(project: Project, branch: str, changes: dict):
    path = project.folder / "params.yaml"
    before = path.read_text()
    content = yaml.safe_load(before)
    content["evaluate"][branch].update(changes)
    path.write_text(yaml.safe_dump(content))
    assert project.repro() == [f"evaluate@{branch}"]
    path.write_text(before)
    project.repro()


@pytest.mark.slow
def test_another_rule_for_the_alarm_refits_nothing(project: Project):
    project.change("pick_threshold", method="quantile")
    assert sorted(project.repro()) == [
        "evaluate@alarm",
        "evaluate@watch",
        "export@alarm",
        "pick_threshold",
        "watch",
    ]
    project.change("pick_threshold", method="max_validation_error")
    project.repro()


@pytest.mark.slow
def test_another_backbone_leaves_the_other_branches_alone(project: Project):
    path = project.folder / "params.yaml"
    before = path.read_text()
    content = yaml.safe_load(before)
    content["embed_clips"]["motion_histogram"]["histogram"]["num_bins"] = 4
    path.write_text(yaml.safe_dump(content))
    assert set(project.repro()) == {
        "embed_clips", "fit_alarm", "predict@alarm", "pick_threshold", "export@alarm",
        "evaluate@alarm", "gather_allowed", *WATCH,
    }  # fmt: skip
    path.write_text(before)
    project.repro()


def test_plumbing_and_comments_rerun_nothing_and_a_model_what_reads_it(project: Project):
    plumbing = project.folder / "src" / "vigil" / "plumbing" / "progress.py"
    plumbing.write_text(plumbing.read_text() + "\nSPARE = 1\n")
    assert project.repro() == []
    model = project.folder / MODEL
    before = model.read_text()
    model.write_text(before + "\n# another comment\n")
    assert stale_stages(project) == []
    assert project.repro() == ["list_code"]
    model.write_text(before + "\nSPARE = 1\n")
    importing = ["export@classifier", "predict@classifier", "train_classifier", "watch"]
    assert stale_stages(project) == importing
    refused = project.run("dvc", "repro", "-s", "-f", "predict@classifier", code=255)
    assert "run dvc repro -f list_code" in refused
    # The same probabilities: nothing new to evaluate.
    retrained = {"train_classifier", "predict@classifier", "export@classifier"}
    assert set(project.repro()) == {"list_code", *retrained, *WATCH}
    model.write_text(before)
    project.repro()


def stale_stages(project: Project) -> list[str]:
    """The stages that `vigil report` names as not run with the present code, the demo aside."""
    script = (
        "import pathlib, vigil.review.revisions as r; print(r.read_status(pathlib.Path('.'))[0])"
    )
    stale = ast.literal_eval(project.run(sys.executable, "-c", script).splitlines()[-1])
    return [name for name in stale if not name.startswith("demo/")]


@pytest.mark.slow
def test_nothing_trains_for_an_edit_that_cannot_change_what_is_learnt(project: Project):
    """DVC reruns trainings, since their inputs differ in a byte; they see that it is nothing.

    A box moves on a video that tests, the detector that does not train changes, and so does what
    decodes clips for fine-tuning, which is off. A comment in the training loop reruns nothing.
    """
    rerun = {"train_classifier", "train_detector", "fit_alarm"}
    tested = json.loads((project.folder / "data/splits/detector/test.json").read_text())
    (video,) = {image.split(".zip/")[0] for image in tested}
    models = {n: c for n, c in project.content().items() if n.startswith("models/")}

    def edit_all(project: Project) -> None:
        edit_export(move_box, video)(project)
        edit("src/vigil/learn/detector/network/anchor.py")(project)
        edit("src/vigil/learn/training/loop.py", "\n# another comment\n")(project)
        edit("src/vigil/learn/alarm/training/frames.py")(project)

    with changed(project, edit_all):
        told = project.run("dvc", "repro")
        ran = set(stages_of(told))
        assert ran >= {*rerun, "evaluate@classifier", "evaluate@detector"}
        assert not ran & (set(TRAININGS) - rerun)
        assert told.count("nothing that this training depends on has changed") == len(rerun)
        assert "epoch 1/" not in told
        now = project.content()
        assert {n: c for n, c in now.items() if n.startswith("models/")} == models
    project.repro()


def test_a_misspelt_parameter_of_a_late_stage_stops_the_first(project: Project):
    path = project.folder / "params.yaml"
    before = path.read_text()
    path.write_text(before.replace("label_smoothing:", "label_smothing:"))
    project.change("extract_frames", jpeg_quality=90)
    told = project.run("dvc", "repro", code=255)
    lines = [line for line in told.splitlines() if line.startswith("extract_frames: ")]
    assert len(lines) == 1
    assert "train_classifier.label_smothing: no such parameter" in lines[0]
    path.write_text(before)
    assert project.repro() == []


def test_an_experiment_in_a_folder_of_its_own_runs_its_own_code(project: Project):
    """DVC runs it elsewhere, where the installed package is not the one meant."""
    project.run("dvc", "add", "-q", "data/scene")
    model = project.folder / MODEL
    model.write_text(model.read_text() + "\nprint('code from', __file__)\n")
    project.run("git", "add", ".")
    project.run("git", "commit", "-qm", "all")
    change = "train_classifier.network.depth=2"
    told = project.run("dvc", "exp", "run", "--temp", "--name", "deep", "-S", change)
    sources = [line.split()[-1] for line in told.splitlines() if line.startswith("code from")]
    assert len(sources) == 4  # train, predict, export and watch
    assert all(f"{os.sep}.dvc{os.sep}tmp{os.sep}" in source for source in sources)
    assert "deep" in project.run("dvc", "exp", "show", "--csv")
    assert project.run("git", "status", "--short") == ""


def test_the_sweep_of_learning_rates_changes_no_result(project: Project):
    project.repro()
    before = project.content()
    told = project.run(sys.executable, "-m", "vigil", "find-lr", "fit_alarm")
    assert "fit_alarm.optimisation.learning_rate: " in told
    drawn = project.folder / "lr_finder" / "fit_alarm"
    assert {file.name for file in drawn.iterdir()} == {"curve.png", "losses.csv"}
    assert project.content() == before
    assert project.repro() == []


def test_metrics_and_plots_show(project: Project):
    project.run("dvc", "plots", "show", "-o", "plots")
    page = (project.folder / "plots" / "index.html").read_text()
    assert "classifier_curves" in page
    assert "Confusion (classifier)" in page
    assert "mAP by box height (detector)" in page
    project.run("dvc", "metrics", "diff", "--all")


def test_the_table_of_reruns_is_what_dvc_says(project: Project):
    """`VIGIL_WRITE_DOCS=1` writes docs/reruns.md anew."""
    project.repro()
    table = render_table(project)
    if os.environ.get("VIGIL_WRITE_DOCS"):
        RERUNS.write_text(table, encoding="utf-8")
    assert table == RERUNS.read_text(encoding="utf-8")
    assert project.repro() == []

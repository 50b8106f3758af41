"""The report on a change: what it compares, and that it stands by itself."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vigil.plumbing.errors import InputError
from vigil.review.comment import write_comment
from vigil.review.comparison import Change, changed_stages, compare, judge
from vigil.review.findings import Findings, metric_table
from vigil.review.headline import print_headline
from vigil.review.report import write_report
from vigil.review.revisions import WorkingFolder, flatten, read_curves, read_metrics

CURVE = "a_rate,b_rate\n0.0,0.0\n0.5,0.8\n1.0,1.0\n"
DVC_YAML = """
plots:
- ROC:
    template: simple
    x: a_rate
    y:
      metrics/plots/classifier/roc.csv: b_rate
- metrics/plots/classifier/pictures/wrong.png
"""


def git(folder: Path, *words: str) -> None:
    names = {
        f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    subprocess.run(["git", *words], cwd=folder, check=True, env={**os.environ, **names})


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with one commit, whose working folder is a change of it."""
    folder = tmp_path / "project"
    (folder / "metrics/plots/classifier/pictures").mkdir(parents=True)
    git(folder, "init", "-q", "-b", "main", ".")
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    (folder / "dvc.yaml").write_text(DVC_YAML)
    (folder / "params.yaml").write_text("train_classifier: {depth: 1, width: 8}\n")
    (folder / "metrics/plots/classifier/roc.csv").write_text(CURVE)
    write_metrics(folder, accuracy=0.9, brier=0.1, num_samples=20, threshold=0.5)
    dependency = {"path": "src/a.py", "hash": "md5", "md5": "1" * 32, "size": 1}
    lock = {"schema": "2.0", "stages": {"train": {"cmd": "x", "deps": [dependency]}}}
    (folder / "dvc.lock").write_text(json.dumps(lock))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "base")
    write_metrics(folder, accuracy=0.95, brier=0.12, num_samples=25, threshold=0.6, extra=1.0)
    (folder / "params.yaml").write_text("train_classifier: {depth: 2, width: 8}\n")
    dependency["md5"] = "2" * 32
    (folder / "dvc.lock").write_text(json.dumps(lock))
    return folder


def write_metrics(folder: Path, **numbers: float) -> None:
    (folder / "metrics/classifier.json").write_text(json.dumps(numbers))


def test_a_change_is_told_and_marked(project: Path, tmp_path: Path):
    write_report(project, "main", tmp_path / "report")
    told = (tmp_path / "report/report.md").read_text()
    assert (
        "- Classifier: 1 better, 1 worse, 0 same.\n- Parameters that differ: 1. Stages: 1." in told
    )
    assert "| `accuracy` | 0.90 | 0.95 | +0.05 | ▲ better |" in told
    assert "| `brier` | 0.10 | 0.12 | +0.02 | ▼ worse |" in told
    assert "| `num_samples` | 20 | 25 | +5 | changed |" in told
    assert "| `extra` | - | 1.0 |  | changed |" in told
    assert "| `train_classifier.depth` | `1` | `2` |" in told
    assert "width" not in told
    assert "| `train` | code |" in told
    assert "Not run" not in told


def test_the_page_stands_by_itself(project: Path, tmp_path: Path):
    picture = b"\x89PNG of ours"
    (project / "metrics/plots/classifier/pictures/wrong.png").write_bytes(picture)
    write_report(project, "main", tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert page.count("data:image/png;base64,") == 2  # the curve and the picture
    assert not re.findall(r"(?:src|href)=['\"](?!data:)", page)
    assert "<td>accuracy</td>" in page


def test_names_cannot_put_code_into_the_page_or_the_comment(project: Path, tmp_path: Path):
    text = "a: {'<script>x</script>': '|<b>', '`@all` <i>': '![](http://a)'}\n"
    (project / "params.yaml").write_text(text)
    write_report(project, "main", tmp_path / "report")
    assert "<script>" not in (tmp_path / "report/index.html").read_text()
    told = (tmp_path / "report/report.md").read_text()
    assert "| `a.<script>x</script>` | - | `\\|<b>` |" in told
    assert "| `a.'@all' <i>` | - | `![](http://a)` |" in told


def test_a_branch_where_nothing_changes_is_folded_away(project: Path, tmp_path: Path):
    write_metrics(project, accuracy=0.9, brier=0.1, num_samples=20, threshold=0.5)
    write_report(project, "main", tmp_path / "report")
    told = (tmp_path / "report/report.md").read_text()
    assert "- Classifier: 0 better, 0 worse, 2 same." in told
    assert "### Classifier\n\n<details><summary>all the same</summary>" in told


def test_curves_that_are_the_same_are_drawn_once_and_folded_away(project: Path, tmp_path: Path):
    def page() -> str:
        write_report(project, "main", tmp_path / "report")
        return (tmp_path / "report/index.html").read_text()

    assert "<summary>1 the same on both sides</summary>" in page()
    (project / "metrics/plots/classifier/roc.csv").write_text(CURVE.replace("0.8", "0.9"))
    assert "the same on both sides" not in page()


STAGES = """
stages:
  train: {cmd: x, deps: [a.py], params: [train_classifier.depth]}
  other: {cmd: x, deps: [a.py], params: [train_classifier.width]}
"""


@pytest.mark.parametrize(
    ("code", "depth", "expected"),
    [("1", 2, ""), ("1", 3, "train"), ("2", 2, "other, train"), (None, 2, "")],
)
def test_what_has_not_run_as_it_stands_is_told(
    project: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: str | None,
    depth: int,
    expected: str,
):
    monkeypatch.chdir(project)
    (project / "dvc.yaml").write_text(DVC_YAML + STAGES)
    (project / "a.py").write_text("1")
    (project / "params.yaml").write_text("train_classifier: {depth: 2, width: 8}\n")
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-q", "-f"], cwd=project, check=True)
    (project / "params.yaml").write_text(f"train_classifier: {{depth: {depth}, width: 8}}\n")
    if code is None:
        (project / "a.py").unlink()  # as where data has not been pulled
    else:
        (project / "a.py").write_text(code)
    write_report(project, "main", tmp_path / "report")
    (told,) = [
        line.removeprefix("- Not run with the present code, data and parameters: ").split(".")[0]
        for line in (tmp_path / "report/report.md").read_text().splitlines()
        if line.startswith("- Not run")
    ] or [""]
    assert told == expected


def test_curves_of_base_that_the_cache_lacks_are_told(project: Path, tmp_path: Path):
    folder = project / "models/curves"
    folder.mkdir(parents=True)
    (folder / "loss.tsv").write_text("step\tloss\n1\t0.5\n")
    curve = {"Loss": {"x": "step", "y": {"models/curves/loss.tsv": "loss"}}}
    stages = {"train": {"cmd": "x", "outs": ["models/curves"]}}
    (project / "dvc.yaml").write_text(json.dumps({"plots": [curve], "stages": stages}))
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-q", "-f"], cwd=project, check=True)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "curves")
    (folder / "loss.tsv").write_text("step\tloss\n1\t0.4\n")
    shutil.rmtree(project / ".dvc/cache")
    write_report(project, "main", tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert page.count("data:image/png;base64,") == 1
    assert "Loss: base is neither in git nor in DVC's cache here" in page


def test_a_folder_of_curves_is_drawn_value_by_value(project: Path, tmp_path: Path):
    folder = project / "models/one_curves/plots/metrics"
    for name in ("train/loss", "val/loss", "val/accuracy"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        value = name.split("/")[1]
        (folder / f"{name}.tsv").write_text(f"step\t{value}\n1\t0.5\n2\t0.4\n")
    plots = [{"models/one_curves/plots/metrics": {"x": "step", "x_label": "epoch"}}]
    (project / "dvc.yaml").write_text(json.dumps({"plots": plots}))
    found = read_curves(WorkingFolder(project))
    assert [(curve.title, Path(curve.path).parent.name, curve.y) for curve in found] == [
        ("accuracy (one)", "val", "accuracy"),
        ("loss (one)", "train", "loss"),
        ("loss (one)", "val", "loss"),
    ]
    write_report(project, "main", tmp_path / "report")
    page = (tmp_path / "report/index.html").read_text()
    assert page.count("data:image/png;base64,") == 2
    assert "loss (one): base is neither in git" in page


DAMAGE = [
    ("params.yaml", "<<<<<<< ours\na: 1\n=======\na: 2\n>>>>>>> theirs\n", ""),
    ("params.yaml", "- 1", ""),
    ("demo/params.yaml", "a: [", "expected YAML, got: "),
    ("metrics/classifier.json", '{"accuracy":', "expected JSON, got: "),
    ("metrics/classifier.json", "[0.5]", "expected metrics by name, got: "),
    ("dvc.lock", "<<<<<<< ours\n", ""),
    ("dvc.lock", "schema: '2.0'\nsta\n  -", ""),
    ("dvc.yaml", "plots: [", ""),
    ("demo/params.yaml", "? - a: 1\n", "expected YAML, got: "),
]


@pytest.mark.parametrize(
    ("side", "name", "content", "expected"),
    [*(("ours", *damage) for damage in DAMAGE), *(("base", *damage) for damage in DAMAGE[2:5])],
)
def test_damaged_files_are_one_line_and_leave_no_older_report(
    project: Path, tmp_path: Path, side: str, name: str, content: str, expected: str
):
    (tmp_path / "report").mkdir()
    (tmp_path / "report/index.html").write_text("older")
    (project / name).parent.mkdir(exist_ok=True)
    before = (project / name).read_bytes() if (project / name).exists() else b"{}"
    (project / name).write_text(content)
    if side == "base":
        git(project, "add", "-A")
        git(project, "commit", "-qm", "damaged")
        (project / name).write_bytes(before)
    with pytest.raises(InputError) as caught:
        write_report(project, "main", tmp_path / "report")
    told = str(caught.value)
    assert name in told
    assert expected in told
    assert "\n" not in told
    assert len(told) < 600
    if expected:
        assert ("of the working folder:" in told) == (side == "ours")
    assert not [*(tmp_path / "report").iterdir()]


def test_numbers_that_no_run_left_so_are_told(project: Path, tmp_path: Path):
    out = {"metrics/classifier.json": {"cache": False}}
    stages = {"evaluate": {"cmd": "x", "metrics": [out]}}
    (project / "dvc.yaml").write_text(json.dumps({"stages": stages}))
    subprocess.run([sys.executable, "-m", "dvc", "commit", "-q", "-f"], cwd=project, check=True)
    write_report(project, "main", tmp_path / "report")
    assert "Not as the last run" not in (tmp_path / "report/report.md").read_text()
    write_metrics(project, accuracy=0.99)
    write_report(project, "main", tmp_path / "report")
    told = (tmp_path / "report/report.md").read_text()
    assert "- Changed after the last run: metrics/classifier.json. The next dvc repro" in told
    assert "Not run with" not in told


def test_the_demos_own_pipeline_is_told_of(project: Path, tmp_path: Path):
    (project / "demo").mkdir()
    (project / "demo/params.yaml").write_text("make_demo: {seed: 8}\n")
    stages = {"make_demo": {"cmd": "x", "params": {"params.yaml": {"make_demo.seed": 8}}}}
    (project / "demo/dvc.lock").write_text(json.dumps({"schema": "2.0", "stages": stages}))
    write_report(project, "main", tmp_path / "report")
    told = (tmp_path / "report/report.md").read_text()
    assert "| `demo/make_demo.seed` | - | `8` |" in told
    assert "| `demo/dvc.yaml:make_demo` | params |" in told


def test_a_comment_is_no_longer_than_github_takes_and_says_what_it_left_out():
    changes = compare({}, {f"a_{number}": "x" * 900 for number in range(3000)})
    stages = {"evaluate@detector": ["code"]}
    findings = Findings(("@me", "1234567"), {}, changes, stages, ["evaluate@detector"], [], {})
    told = write_comment(findings)
    assert 10_000 < len(told) < 65_536
    assert "more rows are in the report." in told
    assert "| `a_0` |" in told
    assert "present code, data and parameters: evaluate@detector." in told  # to be copied
    assert " @me" not in told


@pytest.mark.parametrize("make", [Path.mkdir, Path.touch])
def test_what_is_no_report_is_not_replaced(project: Path, tmp_path: Path, make):
    make(tmp_path / "report")
    kept = tmp_path / "report" / "mine" if make is Path.mkdir else tmp_path / "report"
    kept.write_text("mine")
    with pytest.raises(InputError, match="expected nothing or an older report at"):
        write_report(project, "main", tmp_path / "report")
    assert kept.read_text() == "mine"


def test_an_unknown_revision_is_told(project: Path, tmp_path: Path):
    with pytest.raises(InputError, match="expected a git revision to compare with, got 'nope'"):
        write_report(project, "nope", tmp_path / "report")
    assert not (tmp_path / "report").exists()


def test_a_project_that_never_ran_is_told(project: Path, tmp_path: Path):
    (project / "metrics/classifier.json").unlink()
    with pytest.raises(InputError, match="expected metrics of a finished run"):
        write_report(project, "main", tmp_path / "report")


@pytest.mark.parametrize(
    ("name", "base", "ours", "expected"),
    [
        ("auroc", 0.5, 0.6, "better"),
        ("false_alarm_rate", 0.5, 0.6, "worse"),
        ("baselines.knn.false_alarm_rate", 0.5, 0.4, "better"),
        ("intervals_95.auroc.low", 0.5, 0.6, "other"),
        ("score_threshold", 0.5, 0.6, "other"),
        ("map_large", None, 0.6, "other"),
        ("map", 0.5, 0.5, "same"),
    ],
)
def test_directions(name: str, base: float, ours: float, expected: str):
    assert judge(name, base, ours) == expected


def test_tables_and_intervals_in_metrics_become_names(tmp_path: Path):
    told = {
        "auroc": 0.9,
        "intervals_95": {"auroc": [0.8, 1.0]},
        "accuracy_by_class": [
            {"accuracy": 0.5, "class": "run", "num_clips": 2},
            {"accuracy": 1.0, "class": "walk", "num_clips": 1},
        ],
        "ap_by_class": {},
    }
    (tmp_path / "metrics").mkdir()
    (tmp_path / "metrics/alarm.json").write_text(json.dumps(told))
    assert read_metrics(WorkingFolder(tmp_path))["alarm"] == {
        "auroc": 0.9,
        "intervals_95.auroc.low": 0.8,
        "intervals_95.auroc.high": 1.0,
        "accuracy_by_class.run.accuracy": 0.5,
        "accuracy_by_class.run.num_clips": 2,
        "accuracy_by_class.walk.accuracy": 1.0,
        "accuracy_by_class.walk.num_clips": 1,
    }


def test_a_change_within_the_interval_is_uncertain():
    base = {"auroc": 0.9, "intervals_95.auroc.low": 0.8, "intervals_95.auroc.high": 0.95, "f1": 0.5}
    for auroc, expected in ((0.9, False), (0.85, True), (0.95, True), (0.96, False)):
        changes = {change.name: change for change in compare(base, base | {"auroc": auroc})}
        assert changes["auroc"].is_uncertain == expected
        assert not changes["f1"].is_uncertain
    (change,) = compare({"f1": 0.5}, {"f1": 0.4})
    assert not change.is_uncertain


@pytest.mark.parametrize(
    ("base", "ours", "expected"),
    [
        (0.5, 0.4321, ("0.5000", "0.4321", "-0.0679")),
        (1.0, 1.0, ("1.0", "1.0", "")),
        (3, 5, ("3", "5", "+2")),
        (None, 0.25, ("-", "0.25", "")),
        (0.0158751, 0.0158752, ("0.0158751", "0.0158752", "+0.0000001")),
    ],
)
def test_both_sides_have_as_many_decimals(base: float, ours: float, expected: tuple[str, ...]):
    (row,) = metric_table([Change("a", base, ours, "other")]).rows
    assert row[1:4] == expected


def test_what_only_one_side_has_is_kept():
    changes = compare({"a": 1, "gone": 2}, {"new": 3, "a": 1})
    assert [(c.name, c.base, c.ours) for c in changes] == [
        ("new", None, 3),
        ("a", 1, 1),
        ("gone", 2, None),
    ]
    assert [c.difference for c in changes] == [None, 0, None]


def test_stages_differ_by_what_differs():
    def stage(code: str, data: str, params: int, out: str) -> dict:
        deps = [{"path": "src/vigil/a.py", "md5": code}, {"path": "data/x", "md5": data}]
        return {
            "deps": deps,
            "params": {"params.yaml": {"p": params}},
            "outs": [{"path": "o", "md5": out}],
        }

    base = {
        "same": stage("1", "1", 1, "1"),
        "all": stage("1", "1", 1, "1"),
        "gone": stage("1", "1", 1, "1"),
    }
    ours = {"same": stage("1", "1", 1, "1"), "all": stage("2", "2", 2, "2")}
    for name in ("code/a.json", "stages"):
        listed = [{"deps": [{"path": name, "md5": digest}]} for digest in "12"]
        assert changed_stages({"one": listed[0]}, {"one": listed[1]}) == {"one": ["code"]}
    found = changed_stages(base, ours)
    assert found["all"] == ["code", "data", "params", "results"]
    assert found.keys() == {"all", "gone"}


def test_flat_keys():
    assert flatten({"a": {"b": 1, "c": {"d": 2}}, "e": [3]}) == {"a.b": 1, "a.c.d": 2, "e": [3]}


def test_the_headline_is_the_numbers_without_their_details(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    metrics = {"accuracy": 0.95, "accuracy_by_video": {"a.mp4": 0.9}}
    (project / "metrics/classifier.json").write_text(json.dumps(metrics))
    monkeypatch.chdir(project)
    print_headline(Path.cwd())
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "classifier"
    assert "by_video" not in str(told)
    assert any(line.split() == ["accuracy", "0.95"] for line in told), told
    (project / "models").mkdir(exist_ok=True)
    (project / "models/classifier.json").write_text('{"architecture": "crop_transformer"}')
    monkeypatch.setenv("VIGIL_ARITHMETIC", "portable")
    print_headline(Path.cwd())
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("models/classifier.json: trained with native arithmetic, other than VIG")

"""The committed results of the demo: of the committed lock file, and as the README tells them."""

import hashlib
import json
import re
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).parent.parent
BRANCHES = ("classifier", "detector", "segmenter", "alarm")


def metrics(branch: str) -> dict:
    return json.loads((PROJECT / f"metrics/{branch}.json").read_text())


@pytest.mark.parametrize("branch", BRANCHES)
def test_recorded_metrics_are_those_of_the_lock_file(branch: str) -> None:
    stages = yaml.safe_load((PROJECT / "dvc.lock").read_text())["stages"]
    outs = {out["path"]: out["md5"] for out in stages[f"evaluate@{branch}"]["outs"]}
    file = PROJECT / f"metrics/{branch}.json"
    assert outs[f"metrics/{branch}.json"] == hashlib.md5(file.read_bytes()).hexdigest()


def test_the_readme_tells_the_recorded_numbers() -> None:
    readme = (PROJECT / "README.md").read_text()
    classifier, detector, segmenter, alarm = (metrics(branch) for branch in BRANCHES)
    scorers = {row["scorer"]: row for row in alarm["scorers"]}
    cells, disorder, speed = (
        scorers[name]["auroc"]
        for name in (
            *("motion_cells.gaussian_mixture", "local_disorder.largest", "local_speed.largest"),
        )
    )
    for told in (
        f"accuracy {classifier['accuracy']}, AUROC {classifier['auroc']} |",
        f"mAP {detector['map']}, mAP at IoU 0.5 {detector['map_50']} |",
        f"IoU of people {segmenter['by_class']['human']['iou']:.3f} |",
        f"AUROC {alarm['auroc']}, recall {alarm['anomaly_recall']}, "
        f"{round(alarm['false_alarm_rate'] * alarm['num_allowed'])} false alarm in "
        f"{alarm['num_allowed']} allowed clips |",
        f"AUROC {cells}, {disorder} and {speed} |",
    ):
        assert told in readme


def test_the_alarm_tells_the_demos_behaviours_apart() -> None:
    """With its threshold picked by allowed validation clips alone."""
    params = yaml.safe_load((PROJECT / "params.yaml").read_text())
    assert "appearance" not in params["embed_clips"]["channels"]
    assert params["split"]["anomalous_val_fraction"] == 0
    assert params["pick_threshold"]["method"] in {"max_validation_error", "quantile", "conformal"}
    found = metrics("alarm")
    assert found["auroc"] >= 0.985
    assert {"auroc", "anomaly_recall", "false_alarm_rate"} <= found["intervals_95"].keys()


def test_no_machine_or_time_stands_in_the_results() -> None:
    suspicious = re.compile(r"/home/|/root/|/tmp/|/work/|localhost|20\d\d-\d\d-\d\d|\d\d:\d\d:\d\d")
    for file in [*(PROJECT / "metrics").rglob("*.json"), *(PROJECT / "metrics").rglob("*.csv")]:
        assert not suspicious.search(file.read_text()), file

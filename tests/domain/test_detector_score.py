"""The file of the detector's best score, and limits that are multiples of it."""

import json
from pathlib import Path

import pytest

from vigil.domain.detector_score import read_score, write_score
from vigil.plumbing.errors import InputError
from vigil.settings.tracking import DEFAULT


def test_a_score_comes_back(tmp_path: Path) -> None:
    write_score(0.123456789, tmp_path / "models/score.json")
    assert read_score(tmp_path / "models/score.json") == 0.123457


@pytest.mark.parametrize(
    "content", [[], {}, 0.3, None, {"best_f1_score": 0}, {"best_f1_score": 1.1},
                {"best_f1_score": True}, {"best_f1_score": "0.3"}, {"best_f1_score": None}]
)  # fmt: skip
def test_a_file_without_a_score_is_refused(tmp_path: Path, content: object) -> None:
    (tmp_path / "score.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"score\.json: expected best_f1_score, above 0"):
        read_score(tmp_path / "score.json")


def test_limits_follow_the_detector_and_can_be_reached() -> None:
    for best in (0.05, 0.31, 0.9, 1.0):
        limits = DEFAULT.in_scores(best)
        assert limits.new_score == pytest.approx(best * DEFAULT.new_score)
        assert limits.least_score < limits.first_score < limits.new_score <= 1
    assert DEFAULT.model_copy(update={"new_score": 5.0}).in_scores(0.9).new_score == 1.0

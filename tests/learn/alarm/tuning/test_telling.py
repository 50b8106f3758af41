"""What `vigil tune-alarm` says of its choice."""

import pytest

from vigil.learn.alarm.tuning.telling import tell


@pytest.mark.parametrize("is_clear", [True, False])
def test_a_command_that_gains_nothing_for_sure_says_so(is_clear: bool) -> None:
    low = 0.01 if is_clear else -0.01
    candidates = [
        {
            "settings": settings,
            "auroc": {"together": {"mean": mean}},
            "caught": {"faster": 0.5},
            "false_alarm_rate": 0.1,
        }
        for settings, mean in (({}, 0.5), ({"fit_alarm.num_neighbours": 2}, 0.52))
    ]
    told = tell(
        {
            **{"num_training_clips": 9, "num_validation_clips": 8, "num_changed_clips": 8},
            **{"sources_by_half": [["a", "b"], ["c", "d"]], "num_pseudo_clips": {"faster": 8}},
            **{"num_still_clips": 0, "num_rare_clips": {}, "candidates": candidates, "best": 1},
            **{"compared_with": 0, "difference": {"value": 0.02, "low": low, "high": 0.05}},
            "is_clear": is_clear,
        }
    ).splitlines()
    command = "dvc exp run -S fit_alarm.num_neighbours=2"
    doubt = "so it is not known to be better; to try it all the same: "
    assert told[-1] == (command if is_clear else doubt + command)

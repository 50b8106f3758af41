"""The alarm for unusual behaviour, for programs of your own."""

from vigil.learn.alarm.trained import (
    AlarmStream,
    Evidence,
    TrainedAlarm,
    Verdict,
    WindowVerdict,
)

__all__ = ["AlarmStream", "Evidence", "TrainedAlarm", "Verdict", "WindowVerdict"]

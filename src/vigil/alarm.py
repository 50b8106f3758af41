"""The trained alarm for unusual behaviour, to use in your own programs."""

from vigil.learn.alarm.trained import (
    AlarmStream,
    Evidence,
    TrainedAlarm,
    Verdict,
    WindowVerdict,
)

__all__ = ["AlarmStream", "Evidence", "TrainedAlarm", "Verdict", "WindowVerdict"]

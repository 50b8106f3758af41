"""The alarm for unusual behaviour, for programs of your own."""

from vigil.learn.alarm.trained import TrainedAlarm, Verdict

__all__ = ["TrainedAlarm", "Verdict"]

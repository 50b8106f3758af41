"""The trained alarm for unusual behaviour, to use in your own programs."""

from vigil.learn.alarm.trained import TrainedAlarm, Verdict

__all__ = ["TrainedAlarm", "Verdict"]

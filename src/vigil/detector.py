"""The detector of boxes, for programs of your own."""

from vigil.domain.detections import Detections
from vigil.learn.detector.trained import TrainedDetector
from vigil.settings.suppression import Suppression

__all__ = ["Detections", "Suppression", "TrainedDetector"]

"""The trained detector, to use in your own programs."""

from vigil.domain.detections import Detections
from vigil.domain.pictures.run_lengths import masks_of
from vigil.learn.detector.trained import TrainedDetector
from vigil.settings.suppression import Suppression

__all__ = ["Detections", "Suppression", "TrainedDetector", "masks_of"]

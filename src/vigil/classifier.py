"""The trained classifier of people and background, to use in your own programs."""

from vigil.learn.classifier.trained import TrainedClassifier
from vigil.pixels.fit_crop import fit_crop

__all__ = ["TrainedClassifier", "fit_crop"]

"""The classifier of people and background, for programs of your own."""

from vigil.learn.classifier.trained import TrainedClassifier
from vigil.pixels.crops import fit_crop

__all__ = ["TrainedClassifier", "fit_crop"]

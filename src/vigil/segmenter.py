"""The trained segmenter, to use in your own programs."""

from vigil.learn.segmenter.network.predicting import Segmentation
from vigil.learn.segmenter.trained import TrainedSegmenter

__all__ = ["Segmentation", "TrainedSegmenter"]

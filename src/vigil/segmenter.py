"""The trained segmenter, to use in your own programs."""

from vigil.learn.segmenter.trained import TrainedSegmenter
from vigil.runtime.segmenting import Segmentation

__all__ = ["Segmentation", "TrainedSegmenter"]

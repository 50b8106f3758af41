"""Parameters of `track_clips`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError
from vigil.plumbing.params import Count, DataPath, Section
from vigil.settings.suppression import Suppression
from vigil.settings.tracking import Seconds, Tracking

NO_DETECTOR = "splits/no_detector"
ClassNames = tuple[Annotated[str, Field(min_length=1, max_length=200)], ...]
AS_WATCHED = ("detect_every_s", "suppression", "tracking")
"""The parameters that must be those of `watch`, whose tracks the channel `objects` judges."""


class TrackClips(Section):
    """How objects are detected and tracked in the clips of the alarm, for the channel `objects`.

    Attributes:
        detector: where the files of a trained detector are, without their ends `.safetensors`,
            `.json` and `_score.json`: `models/detector` is that of the pipeline.
            `splits/no_detector`: nothing is tracked.
        classes: the classes of the detector that are tracked; empty: all.
        detect_every_s: time between two pictures for the detector.
        batch_size: pictures per call of the detector. The boxes may depend on it, by rounding.
        suppression: which boxes of the detector count.
        tracking: which boxes belong to one object.
    """

    section: ClassVar[str] = "track_clips"

    detector: DataPath
    classes: ClassNames
    detect_every_s: Seconds
    batch_size: Count
    suppression: Suppression
    tracking: Tracking

    @model_validator(mode="after")
    def _check_classes(self) -> "TrackClips":
        if len(set(self.classes)) < len(self.classes):
            raise ValueError(f"expected each class once, got {', '.join(self.classes)}")
        return self

    @property
    def is_asked(self) -> bool:
        """Whether a detector is named."""
        return self.detector != NO_DETECTOR

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """`watch` judges its own tracks, so they must come about as those that were learnt from."""
        if not sections["embed_clips"].needs_tracks:
            return
        for name in AS_WATCHED:
            if getattr(self, name) != getattr(sections["watch"], name):
                raise FieldError(
                    name, f"expected that of watch.{name} where objects is a channel, got another"
                )

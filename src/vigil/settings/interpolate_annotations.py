"""Parameters of `interpolate_annotations`."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from vigil.plumbing.errors import shorten
from vigil.plumbing.params import CountOr0, Section

RULES = ("error", "ground_truth", "merge", "newest")


class InterpolateAnnotations(Section):
    """How a Label Studio export is read.

    Attributes:
        labels: the labels that may occur in the export.
        unlabelled: the label for a region without a label; empty: such a region is an error.
        annotators: which of several finished annotations of a task counts. `error`: annotations
            that differ are an error; `newest`; `ground_truth`; `merge`: all boxes of all
            annotations count; or the e-mail or number of the annotator whose annotation counts.
        use_predictions: whether the last prediction of a task counts if it has no annotation.
        unlisted_tasks: whether a task whose video is not in `dataset.videos` is an error (`error`)
            or is skipped (`skip`).
        data_key_of_tag: a map from the name of a `<Video>` tag to the key of the task's data that
            holds its video, for tasks with several videos; in JSON_MIN, from the name of a control.
        frame_offset: -1: frame n was shown at (n - 1) / rate; 0: at n / rate, as in old versions.
        past_end_tolerance_s: a keyframe past the end of the video by at most this time means the
            last frame.
        ghost_frames: a track that does not move for more than this number of frames up to the end
            of the video is reported.
        num_pictures: frames of a video that are drawn with their boxes.
    """

    section: ClassVar[str] = "interpolate_annotations"

    labels: Annotated[tuple[str, ...], Field(min_length=1)]
    unlabelled: str
    annotators: Annotated[str, Field(max_length=254)]
    use_predictions: bool
    unlisted_tasks: Literal["error", "skip"]
    data_key_of_tag: dict[str, str]
    frame_offset: Literal[-1, 0]
    past_end_tolerance_s: Annotated[float, Field(ge=0, le=60)]
    ghost_frames: CountOr0
    num_pictures: Annotated[int, Field(ge=0, le=1000)]

    @field_validator("labels")
    @classmethod
    def _check_labels(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if not all(name.strip() for name in names):
            raise ValueError(f"must not hold an empty label, got {shorten(list(names))}")
        return names

    @field_validator("annotators", mode="before")
    @classmethod
    def _take_number(cls, annotators: object) -> object:
        is_number = isinstance(annotators, int) and not isinstance(annotators, bool)
        return str(annotators) if is_number else annotators

    @field_validator("annotators")
    @classmethod
    def _check_annotators(cls, annotators: str) -> str:
        if annotators not in RULES and not re.fullmatch(r"\d+|[^@\s]+@[^@\s]+", annotators):
            raise ValueError(
                f"expected {', '.join(RULES)}, or the e-mail or number of an annotator, "
                f"got {shorten(annotators)}"
            )
        return annotators

    @model_validator(mode="after")
    def _check_unlabelled(self) -> "InterpolateAnnotations":
        if self.unlabelled and self.unlabelled not in self.labels:
            raise ValueError(f"expected unlabelled to be one of labels, got {self.unlabelled!r}")
        return self

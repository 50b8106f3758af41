"""How boxes become tracks: a block of the section `watch`."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vigil.plumbing.params import Section

Multiple = Annotated[float, Field(ge=0, le=100)]
Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Tracking(Section):
    """Which boxes belong to one object. Times are in seconds, independent of the frame rate.

    Scores are multiples of the detector's score that was picked on the validation set, so that the
    same limits fit detectors with high and with low scores.

    The two rounds of matching follow Zhang et al., "ByteTrack: Multi-Object Tracking by Associating
    Every Detection Box", 2022.

    Attributes:
        first_score: boxes with at least this score are matched in the first round.
        least_score: boxes with at least this score are matched in the second round, to tracks that
            have no box from the first round.
        new_score: an unmatched box with at least this score starts a track.
        most_covered: an unmatched box starts no track if a box of another track in the same picture
            covers more than this fraction of it, or is covered by it to more than this fraction.
            Detectors give several boxes to one object: its upper half, or it and its shadow.
        least_overlap: the least IoU of a predicted and a detected box of one object. Both boxes are
            enlarged before.
        poor_overlap: the least IoU in the second round. It should be larger, since detectors give
            boxes with low scores around every object.
        growth: the enlargement of both boxes on each side, as a fraction of their width and height
            (Yang et al., "Hard to Track Objects with Irregular Motions and Similar Appearances?
            Make It Easier by Buffering the Matching Space", 2023).
        lost_s: a track ends after a longer time without a box.
        confirm_s: a track is confirmed when it has boxes over this time, in at least two pictures,
            and in every picture since its first box.
        acceleration: the typical acceleration of objects, in heights of the object per second
            squared (root mean square). With larger values, predictions trust the speed less.
        position_noise: the error of the position of detected boxes, as a fraction of their height
            (root mean square).
    """

    first_score: Multiple
    least_score: Multiple
    new_score: Multiple
    most_covered: Annotated[float, Field(ge=0, le=1)]
    least_overlap: Annotated[float, Field(gt=0, lt=1)]
    poor_overlap: Annotated[float, Field(gt=0, lt=1)]
    growth: Annotated[float, Field(ge=0, le=4)]
    lost_s: Seconds
    confirm_s: Seconds
    acceleration: Annotated[float, Field(gt=0, le=1000)]
    position_noise: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _check_order(self) -> Self:
        if not self.least_score <= self.first_score <= self.new_score:
            raise ValueError(
                "expected least_score <= first_score <= new_score, got "
                f"{self.least_score}, {self.first_score}, {self.new_score}"
            )
        return self

    def in_scores(self, best_score: float) -> "Tracking":
        """The same settings with scores of a detector in place of multiples of its best score.

        A limit is at most 1, which a box can reach.
        """
        names = ("first_score", "least_score", "new_score")
        return self.model_copy(
            update={name: min(getattr(self, name) * best_score, 1.0) for name in names}
        )


DEFAULT = Tracking(
    first_score=0.8,
    least_score=0.25,
    new_score=1.0,
    most_covered=0.4,
    least_overlap=0.1,
    poor_overlap=0.5,
    growth=0.3,
    lost_s=1.0,
    confirm_s=0.15,
    acceleration=1.0,
    position_noise=0.1,
)

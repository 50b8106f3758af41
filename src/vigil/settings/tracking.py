"""How boxes become tracks: a block of what watches a video."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from vigil.plumbing.params import Fraction, Section

Seconds = Annotated[float, Field(ge=0, le=86_400)]


class Tracking(Section):
    """Which boxes are one object's. Times are in seconds, so that no frame rate enters.

    The two rounds of matching are those of Zhang et al., "ByteTrack: Multi-Object Tracking by
    Associating Every Detection Box", 2022.

    Attributes:
        first_score: a box of at least this score is matched in the first round.
        least_score: one of at least this score in the second round, to a track that the first one
            left without a box.
        new_score: a box that no track wants begins one, from this score on.
        least_overlap: IoU of a predicted and a found box, both grown, below which they are not one
            object's.
        poor_overlap: the same in the second round: around any object lie poor boxes of nothing.
        growth: of both boxes before they are compared, in their own sides (Yang et al., "Hard to
            Track Objects with Irregular Motions and Similar Appearances? Make It Easier by
            Buffering the Matching Space", 2023).
        lost_s: a track that finds no box for longer ends.
        confirm_s: a track counts once it was seen for as long, in at least two pictures, and never
            missed before.
        acceleration: how fast objects change their speed, in their own heights a second squared
            (root mean square); the larger, the less a prediction trusts a speed.
        position_noise: of a found box's sides, as a fraction of its height (root mean square).
    """

    first_score: Fraction
    least_score: Fraction
    new_score: Fraction
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


DEFAULT = Tracking(
    first_score=0.4,
    least_score=0.1,
    new_score=0.5,
    least_overlap=0.1,
    poor_overlap=0.5,
    growth=0.3,
    lost_s=1.0,
    confirm_s=0.15,
    acceleration=1.0,
    position_noise=0.1,
)

"""Parameters of `generate_samples`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from vigil.plumbing.errors import FieldError, listed
from vigil.plumbing.params import Count, Section, Seed


class Background(Section):
    """Where samples of background are cut.

    Attributes:
        sides: `uniform`: width and height are random, between the two bounds; `like_people`: width
            and height are those of a random person's box.
        min_side_px, max_side_px: the bounds of `uniform`.
        max_tries: random places that are tried, until one overlaps no person.
    """

    sides: Literal["uniform", "like_people"]
    min_side_px: Count
    max_side_px: Count
    max_tries: Count

    @model_validator(mode="after")
    def _check_sides(self) -> "Background":
        if self.min_side_px > self.max_side_px:
            raise ValueError(
                "expected min_side_px to be at most max_side_px, "
                f"got {self.min_side_px} and {self.max_side_px}"
            )
        return self


class GenerateSamples(Section):
    """How sequences of crops are cut.

    Attributes:
        seed: the seed of the places of background samples.
        person_label: the label of the tracks that are people.
        num_frames: consecutive frames in a sample.
        stride_frames: frames from the start of one sample of a track to the start of the next.
        size_px: the side of the square that a crop is fitted to.
        min_side_px: a box with a shorter side is a point or a line, and is left out.
        max_aspect_ratio: a box is left out if its longer side divided by its shorter side is more.
        background: where samples of background are cut.
    """

    section: ClassVar[str] = "generate_samples"

    seed: Seed
    person_label: str
    num_frames: Annotated[int, Field(ge=1, le=1000)]
    stride_frames: Count
    size_px: Annotated[int, Field(ge=8, le=512)]
    min_side_px: Count
    max_aspect_ratio: Annotated[float, Field(ge=1, le=1000)]
    background: Background

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """`person_label` must be one of the labels that the annotations may have."""
        labels = sections["interpolate_annotations"].labels
        if self.person_label not in labels:
            raise FieldError(
                "person_label",
                f"expected one of interpolate_annotations.labels ({listed(labels)}), "
                f"got {self.person_label!r}",
            )

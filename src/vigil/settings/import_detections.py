"""Parameters of `import_detections`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Count, CountOr0, Section

Policy = Literal["error", "drop"]
"""What becomes of something that is not as it should be: it is refused, or left out."""
KeepingPolicy = Literal["error", "drop", "keep"]
"""As `Policy`; or it is taken as it is."""


class ImportDetections(Section):
    """How annotated pictures are checked.

    Attributes:
        frame_stride: every n-th frame of a video, with boxes and without; of tracks alone.
        min_side_px: a box with a shorter side within the picture is left out.
        malformed_entries: what an entry, a row or a file of annotations is that is not of its form.
        invalid_boxes: what a box is that is not finite, reversed, without area or outside.
        unusable_pictures: what a picture is that is missing, no picture, or of more than 134
            million px.
        damaged_pictures: what a JPEG is that decodes with a warning.
        wrong_sizes: what a picture is of another size than the annotations tell.
        empty_pictures: what a picture is without a box of the classes chosen.
        num_listed: names in the report, for each kind of finding.
        num_pictures: drawn with their boxes.
    """

    section: ClassVar[str] = "import_detections"

    frame_stride: Count
    min_side_px: Annotated[float, Field(ge=0.1, le=1_000_000)]
    malformed_entries: Policy
    invalid_boxes: Policy
    unusable_pictures: Policy
    damaged_pictures: KeepingPolicy
    wrong_sizes: KeepingPolicy
    empty_pictures: Literal["keep", "drop"]
    num_listed: CountOr0
    num_pictures: Annotated[int, Field(ge=0, le=1000)]

"""Parameters of `import_detections`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import Count, CountOr0, Section

Policy = Literal["error", "drop"]
"""What happens to a wrong entry: it ends the stage with an error, or it is left out."""
KeepingPolicy = Literal["error", "drop", "keep"]
"""As `Policy`, with a third choice: it is used unchanged."""


class ImportDetections(Section):
    """How annotated pictures are checked.

    Attributes:
        frame_stride: for `tracks`, every n-th frame of a video is used, with or without boxes.
        min_side_px: a box is left out if a side of its part within the picture is shorter.
        malformed_entries: the policy for an entry, a row or a file of annotations that does not
            follow its format.
        invalid_boxes: the policy for a box that is not finite, reversed, without area or outside
            its picture.
        unusable_pictures: the policy for a picture that is missing, is not a picture, or has more
            than 134 million px.
        damaged_pictures: the policy for a JPEG that decodes with a warning.
        wrong_sizes: the policy for a picture whose size differs from the size in the annotations.
        empty_pictures: whether to keep or to drop a picture without a box of the chosen classes.
        num_listed: names in the report for each kind of finding.
        num_pictures: pictures that are drawn with their boxes.
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

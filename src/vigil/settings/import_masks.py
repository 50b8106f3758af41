"""Parameters of `import_masks`."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from vigil.plumbing.params import CountOr0, Section
from vigil.settings.import_detections import KeepingPolicy, Policy


class ImportMasks(Section):
    """How pictures with masks are checked.

    Attributes:
        malformed_entries: the policy for an entry of annotations that does not follow its format.
            With `drop`, the pixels in the box of a COCO annotation count neither way.
        invalid_masks: the policy for a mask without a pixel; for a polygon that has fewer than
            three corners, is not finite or lies outside its picture; for a COCO annotation without
            a mask; and for a region of Label Studio that is neither a brush nor a polygon. With
            `drop`, the pixels in the box of such an object count neither way, if it has a box.
        unknown_values: the policy for an index or a colour that `table` does not name. With
            `ignore`, its pixels count neither way.
        unusable_pictures: the policy for a picture that is missing, is not a picture, or has more
            than 134 million px.
        damaged_pictures: the policy for a JPEG that decodes with a warning.
        wrong_sizes: the policy for a mask of another size than its picture.
        empty_pictures: whether to keep or to drop a picture without an object.
        num_listed: names in the report for each kind of finding.
        num_pictures: pictures that are drawn with their masks.
    """

    section: ClassVar[str] = "import_masks"

    malformed_entries: Policy
    invalid_masks: Policy
    unknown_values: Literal["error", "ignore"]
    unusable_pictures: Policy
    damaged_pictures: KeepingPolicy
    wrong_sizes: Policy
    empty_pictures: Literal["keep", "drop"]
    num_listed: CountOr0
    num_pictures: Annotated[int, Field(ge=0, le=1000)]

"""Parameters of `split`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from vigil.plumbing.errors import FieldError, listed
from vigil.plumbing.params import DataPath, FileNames, Section, Seed

DEMO_CLIPS = Path("data/demo/clips")


class Given(Section):
    """Given splits, for each branch: a CSV of `name` and `side`, or a folder of lists.

    Attributes:
        classifier: a split of videos.
        detector: a split of pictures, or of videos if the detector learns from frames of videos.
        segmenter: as `detector`, for the pictures with masks.
        alarm: a split of clips or videos, by their path below `dataset.clips`.
    """

    classifier: DataPath
    detector: DataPath
    segmenter: DataPath
    alarm: DataPath


class Split(Section):
    """How samples, pictures and clips are divided into training, validation and test sets.

    Attributes:
        seed: the seed of the random draw.
        val_fraction: the validation set, as a fraction of everything outside the test set.
        test_fraction: the test set, as a fraction of all data; not used with `test_videos`.
        test_videos: file names of videos that are used for testing only.
        gap_frames: frames left unused between two blocks of one video.
        anomalous_val_fraction: the fraction of anomalous clips for validation; all others are for
            testing.
        given: sides that are given and not drawn.
    """

    section: ClassVar[str] = "split"

    seed: Seed
    val_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_fraction: Annotated[float, Field(gt=0, lt=1)]
    test_videos: FileNames
    gap_frames: Annotated[int, Field(ge=0, le=1_000_000)]
    anomalous_val_fraction: Annotated[float, Field(ge=0, lt=1)]
    given: Given

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """Test videos must be videos of the pipeline, and clips must belong to `dataset.root`."""
        dataset = sections["dataset"]
        if unknown := set(self.test_videos) - set(dataset.videos):
            raise FieldError(
                "test_videos",
                f"expected some of dataset.videos ({listed(dataset.videos)}), "
                f"got {listed(unknown)}",
            )
        # `clips` is a parameter of its own, since many users have only videos or only clips. But if
        # the user's root holds clips too, the demo's clips are hardly meant.
        root_clips = Path(dataset.root) / "clips"
        if Path(dataset.clips) == DEMO_CLIPS != root_clips and root_clips.is_dir():
            raise FieldError(
                "dataset.clips",
                f"expected {root_clips.as_posix()}, since dataset.root holds clips of its own, got "
                "those of the demo",
            )

"""Parameters of `split`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from vigil.plumbing.errors import FieldError, listed
from vigil.plumbing.params import DataPath, FileNames, Section, Seed

DEMO_CLIPS = Path("data/demo/clips")


class Given(Section):
    """Splits that someone gives: a CSV of `name` and `side`, or a folder of lists, for each branch.

    Attributes:
        classifier: of videos.
        detector: of pictures, or of videos where frames of videos are learnt from.
        alarm: of clips or videos, by their path below `dataset.clips`.
    """

    classifier: DataPath
    detector: DataPath
    alarm: DataPath


class Split(Section):
    """How samples, pictures and clips are shared among train, val and test.

    Attributes:
        seed: of the draw.
        val_fraction: of what is not for testing.
        test_fraction: of all, where `test_videos` is empty.
        test_videos: file names of videos that only test.
        gap_frames: left unused between two blocks of one video.
        anomalous_val_fraction: of the anomalous clips; the others test.
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
        """Videos for testing must be of the pipeline, and clips those of its own data."""
        dataset = sections["dataset"]
        if unknown := set(self.test_videos) - set(dataset.videos):
            raise FieldError(
                "test_videos",
                f"expected some of dataset.videos ({listed(dataset.videos)}), "
                f"got {listed(unknown)}",
            )
        # Clips are named by themselves, since many have videos without clips or clips alone. Who
        # points root at a folder with both hardly means to raise an alarm about the demo.
        own = Path(dataset.root) / "clips"
        if Path(dataset.clips) == DEMO_CLIPS != own and own.is_dir():
            raise FieldError(
                "dataset.clips",
                f"expected {own.as_posix()}, as dataset.root holds clips of its own, got those of "
                "the demo",
            )

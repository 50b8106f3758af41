"""Parameters of `attend`."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field

from vigil.plumbing.params import Count, DataPath, FileNames, Fraction, Section, Seed
from vigil.settings.vision_transformer import VisionTransformer


class Attend(Section):
    """How the attention of a vision transformer is shown.

    Attributes:
        seed: the seed of clusters, and of random weights.
        root: the folder of the pictures and videos that the stage `attend` reads.
        sources: names of pictures, of folders of pictures and of videos below `root`; empty: none.
        short_side_px: pictures are resized to this short side, and then cut to multiples of a
            patch.
        batch_size: frames in a batch; the last batch of a video is padded to this size.
        step_s: time between two frames of a video; 0: every frame.
        keep_fraction: the fraction of a head's attention that its kept patches hold, those with the
            largest attention.
        scale_percentile: the percentile of all attention in a video that has the brightest colour.
            The scale is fixed for the whole video, so that its colours do not flicker.
        num_clusters: clusters of pictures by their class tokens; 0: none.
    """

    section: ClassVar[str] = "attend"

    seed: Annotated[Seed, Field(le=2**32 - 1)]
    root: DataPath
    sources: FileNames
    network: VisionTransformer
    short_side_px: Annotated[int, Field(ge=16, le=2048)]
    batch_size: Count
    step_s: Annotated[float, Field(ge=0, le=3600)]
    keep_fraction: Fraction
    scale_percentile: Annotated[float, Field(gt=0, le=100)]
    num_clusters: Annotated[int, Field(ge=0, le=1000)]

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """Weights must be there before the first stage runs, if there is a source."""
        if self.sources:
            self.network.check_weights("network")

"""Parameters of `import_clips`."""

from typing import Annotated, ClassVar

from pydantic import Field, model_validator

from vigil.plumbing.params import Section


class ImportClips(Section):
    """Which parts of clips and videos get a vector.

    Attributes:
        num_windows: a clip in a class folder is divided into this number of equal windows.
        window_s: the length of a window of a frame-labelled video.
        stride_s: the time from the start of one window to the start of the next.
        min_anomalous_fraction: a window is anomalous if at least this fraction of its frames is
            labelled anomalous. With fewer, but some, nothing learns from it, and no metric of clips
            counts it.
    """

    section: ClassVar[str] = "import_clips"

    num_windows: Annotated[int, Field(ge=1, le=100)]
    window_s: Annotated[float, Field(ge=0.05, le=3600)]
    stride_s: Annotated[float, Field(ge=0.01, le=3600)]
    min_anomalous_fraction: Annotated[float, Field(gt=0, le=1)]

    @model_validator(mode="after")
    def _check_stride(self) -> "ImportClips":
        if self.stride_s > self.window_s:
            raise ValueError(
                "expected stride_s to be at most window_s, so that no frame is left out, "
                f"got {self.stride_s} and {self.window_s}"
            )
        return self

"""The data that the pipeline runs on."""

from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator

from vigil.plumbing.errors import shorten
from vigil.plumbing.params import DataPath, FileNames, Section


def _check_not_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one file, got an empty list")
    return names


DetectionFormat = Literal["tracks", "voc", "coco", "rtsd"]


class Detection(Section):
    """The data of the detector: pictures, and annotations in one of four formats.

    Attributes:
        format: `tracks` (output of interpolate_annotations), `voc` (a folder of XML), `coco`
            (instances JSON) or `rtsd` (CSV).
        root: the file or folder of the annotations.
        images: the folder of the pictures; an archive of frames in it counts as a folder.
        classes: the classes to detect; empty: all classes that occur.
    """

    format: DetectionFormat
    root: DataPath
    images: DataPath
    classes: tuple[str, ...]

    @field_validator("classes")
    @classmethod
    def _check_classes(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if "" in names or len(set(names)) < len(names):
            raise ValueError(f"must name classes, none twice, got {shorten(list(names))}")
        return names


class Dataset(Section):
    """The data that the pipeline runs on. A change of a key reruns only the stages that read it.

    Attributes:
        root: the folder that holds `videos/` and the export.
        videos: file names below `<root>/videos`.
        annotations: a Label Studio export below `root`.
        video_of_task: a map from a task's id to its video, for tasks whose file name does not
            identify the video.
        detection: the data of the detector.
        picture_fps: the frame rate of videos that are folders of numbered pictures.
        clips: the data of the alarm: a folder with a folder of clips for each class, or with
            frame-labelled videos.
        clip_labels: for frame-labelled videos, the CSV below `clips` that lists the anomalous
            frames; empty: `clips` has a folder for each class.
        anomalous_classes: the classes that must raise the alarm; not used with `clip_labels`.
        clip_group_pattern: a regular expression that finds the source in a clip's name; empty: each
            clip is a source of its own.
    """

    section: ClassVar[str] = "dataset"

    root: DataPath
    videos: Annotated[FileNames, AfterValidator(_check_not_empty)]
    annotations: DataPath
    video_of_task: dict[str, str]
    picture_fps: Annotated[float, Field(ge=0.001, le=1000)]
    detection: Detection
    clips: DataPath
    clip_labels: Annotated[str, Field(max_length=1000)]
    anomalous_classes: FileNames
    clip_group_pattern: Annotated[str, Field(max_length=1000)]

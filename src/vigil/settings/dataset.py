"""The data that the pipeline runs on."""

import re
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from vigil.plumbing.errors import listed, shorten
from vigil.plumbing.params import DataPath, FileNames, Section


def _check_not_empty(names: tuple[str, ...]) -> tuple[str, ...]:
    if not names:
        raise ValueError("must name at least one file, got an empty list")
    return names


def _check_pattern(pattern: str) -> str:
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(
            f"expected a regular expression, got {shorten(pattern)}: {error}"
        ) from None
    return pattern


DetectionFormat = Literal["tracks", "voc", "coco", "rtsd", "masks"]
MaskFormat = Literal["coco", "label_studio", "index", "colour", "instances", "binary"]
Byte = Annotated[int, Field(ge=0, le=255)]
ColourOrIndex = Annotated[int, Field(ge=0, le=65_535)] | tuple[Byte, Byte, Byte]


class Detection(Section):
    """The data of the detector: pictures, and annotations in one of five formats.

    Attributes:
        format: `tracks` (output of interpolate_annotations), `voc` (a folder of XML), `coco`
            (instances JSON), `rtsd` (CSV) or `masks` (the file of objects with masks that
            import_masks writes, for a detector with masks; a box is that of its mask).
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


class MaskData(Section):
    """The data of the segmenter: pictures, and masks in one of six formats.

    Attributes:
        format: `coco` (instances JSON: polygons and run lengths), `label_studio` (JSON: brushes and
            polygons), or mask pictures: `index` (a value is a class), `colour` (a colour is a
            class), `instances` (a value is an object, 0 is none), `binary` (a picture for each
            object).
        root: the file or folder of the masks.
        images: the folder of the pictures.
        classes: for `coco` and `label_studio`, the classes that count; empty: all that occur. For
            `instances` and `binary`, the name of the one class.
        table: for `index` and `colour`, the value of each class, as in `{road: 3}` or
            `{road: [128, 64, 128]}`; or a text file below `root` with such a list.
        ignored: classes of `table` whose pixels count neither way.
        background: the name of the class of pixels without an object; empty: they count neither
            way. `index` and `colour` do not use it, since they give every pixel a class.
    """

    format: MaskFormat
    root: DataPath
    images: DataPath
    classes: tuple[str, ...]
    table: dict[str, ColourOrIndex] | Annotated[str, Field(max_length=1000)]
    ignored: tuple[str, ...]
    background: Annotated[str, Field(max_length=200)]

    @model_validator(mode="after")
    def _check_classes(self) -> "MaskData":
        if "" in self.classes or len(set(self.classes)) < len(self.classes):
            raise ValueError(f"classes: must be named, none twice, got {listed(self.classes)}")
        if self.format in ("instances", "binary") and len(self.classes) != 1:
            raise ValueError(
                f"expected classes to name the one class of {self.format} masks, got "
                f"{listed(self.classes)}"
            )
        if self.format in ("index", "colour"):
            if not self.table:
                raise ValueError(
                    f"expected table to hold the value of each class for {self.format} masks, got "
                    "none"
                )
            if self.classes:
                raise ValueError(
                    f"expected no classes for {self.format} masks, whose table names them, got "
                    f"{listed(self.classes)}"
                )
        return self


class Dataset(Section):
    """The data that the pipeline runs on. A change of a key reruns only the stages that read it.

    Attributes:
        root: the folder that holds `videos/` and the export.
        videos: file names below `<root>/videos`.
        annotations: a Label Studio export below `root`.
        video_of_task: a map from a task's id to its video, for tasks whose file name does not
            identify the video.
        detection: the data of the detector.
        masks: the data of the segmenter.
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
    masks: MaskData
    clips: DataPath
    clip_labels: Annotated[str, Field(max_length=1000)]
    anomalous_classes: FileNames
    clip_group_pattern: Annotated[str, Field(max_length=1000), AfterValidator(_check_pattern)]

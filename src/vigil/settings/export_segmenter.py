"""Parameters of `export@segmenter`."""

from typing import ClassVar

from vigil.plumbing.params import Section
from vigil.settings.exporting import Formats, ToInt8


class ExportSegmenter(Section):
    """Which files of the trained segmenter are written for programs without torch.

    Attributes:
        formats: `onnx`, `openvino` and `torchscript`; empty: nothing is written.
        int8: 8-bit integers; needs `onnx` among `formats`.
    """

    section: ClassVar[str] = "export.segmenter"

    formats: Formats
    int8: ToInt8

"""Parameters of `export@detector`."""

from collections.abc import Mapping
from typing import Any, ClassVar

from vigil.plumbing.params import Section
from vigil.settings.exporting import Formats, ToInt8, check_int8


class ExportDetector(Section):
    """Which files of the trained detector are written for programs without torch.

    Attributes:
        formats: `onnx`, `openvino` and `torchscript`; empty: nothing is written.
        int8: 8-bit integers; needs `onnx` among `formats`.
    """

    section: ClassVar[str] = "export.detector"

    formats: Formats
    int8: ToInt8

    def check_against(self, sections: Mapping[str, Any]) -> None:
        """8-bit integers without ONNX are refused before the first stage runs."""
        check_int8(self.formats, self.int8)

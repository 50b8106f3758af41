"""Parameters of `export@alarm`."""

from typing import ClassVar, Literal

from vigil.plumbing.params import Section


class ExportAlarm(Section):
    """Which files of the fitted alarm are written for programs without torch.

    Attributes:
        formats: `onnx`, for autoencoders; all else is numbers. Empty: nothing is written.
    """

    section: ClassVar[str] = "export.alarm"

    formats: tuple[Literal["onnx"], ...]

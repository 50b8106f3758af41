"""What the exports of all models have in common."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from vigil.plumbing.errors import FieldError, listed
from vigil.plumbing.params import Section

Format = Literal["onnx", "openvino", "torchscript"]


def _check_once(names: tuple[Format, ...]) -> tuple[Format, ...]:
    if len(set(names)) < len(names):
        raise ValueError(f"must have each format once, got {listed(names)}")
    return names


Formats = Annotated[tuple[Format, ...], AfterValidator(_check_once)]


class ToInt8(Section):
    """Whether ONNX is also written with 8-bit integers, which is smaller and often faster.

    Attributes:
        enabled: whether it is written.
        num_samples: training samples whose ranges of values give the scales of the integers.
    """

    enabled: bool
    num_samples: Annotated[int, Field(ge=1, le=10_000)]


def check_int8(formats: Sequence[Format], int8: ToInt8) -> None:
    """Checks that there is an ONNX file, from which the one with 8-bit integers is made.

    Raises:
        FieldError: there is none.
    """
    if int8.enabled and "onnx" not in formats:
        raise FieldError(
            "formats", f"expected onnx, which int8.enabled needs, got {listed(formats)}"
        )

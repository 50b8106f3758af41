"""Functions of torch that round alike on every x86 CPU.

MKL computes these functions for torch, and its results differ in the last bit from CPU to CPU
(measured on an EPYC, and on a Haswell that QEMU emulates). It seems to start from the approximate
reciprocals and roots of the CPU (`rcpps`, `rsqrtps`). Numpy computes roots exactly, and the other
functions without such instructions.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "sqrt": np.sqrt,
    "log": np.log,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
}
_replaced: list[torch.library.Library] = []
"""Keeps the replacements, which end with this object."""


def use_portable_functions() -> None:
    """Replaces these functions of torch on the CPU, for the rest of this process."""
    if _replaced:
        return
    library = torch.library.Library("aten", "IMPL")
    for name, function in FUNCTIONS.items():
        for kind, own in _kinds_of(function).items():
            library.impl(f"{name}{kind}", own, "CPU", allow_override=True)
    _replaced.append(library)


def _kinds_of(function: Callable[..., Any]) -> dict[str, Callable[..., Tensor]]:
    """The forms that torch has of a function: with a new result, in place, and into a tensor."""

    def compute(values: Tensor) -> Tensor:
        kind = values.dtype if values.dtype.is_floating_point else torch.get_default_dtype()
        wide = values.detach().to(kind if kind.itemsize > 2 else torch.float32)
        with np.errstate(all="ignore"):  # torch tells nothing of roots of negative numbers
            return torch.from_numpy(np.asarray(function(wide.numpy()))).to(kind)

    def compute_in_place(values: Tensor) -> Tensor:
        return values.copy_(compute(values))

    def compute_into(values: Tensor, *, out: Tensor) -> Tensor:
        return out.resize_(values.shape).copy_(compute(values))

    return {"": compute, "_": compute_in_place, ".out": compute_into}

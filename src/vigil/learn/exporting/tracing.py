"""How networks are run while they are traced."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def tracing() -> Iterator[None]:
    """Without gradients, and without torch's fused attention, which no other program has.

    Torch warns of sizes that become constants, which is what is wanted, and of its exporter.
    """
    had_fast_path = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(had_fast_path)

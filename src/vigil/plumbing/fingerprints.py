"""A fingerprint of the code that makes a result; cached results are stored under it."""

import inspect
from collections.abc import Callable, Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

from vigil.plumbing.closure import SOURCE, Import, closure_of, code_digest, is_plumbing
from vigil.plumbing.state import fingerprint

RESULT_LIBRARIES = (
    *("av", "dvclive", "faster-coco-eval", "lightning", "numpy", "opencv-python-headless"),
    *("pandas", "pytorchvideo", "safetensors", "scikit-learn", "torch", "torchvision"),
    "transformers",
)


def code_fingerprint(maker: Callable[..., Any], untaken: Collection[Import] = ()) -> str:
    """SHA-256 over the code that makes a result, in hexadecimal.

    The fingerprint covers the module that holds `maker`, every module of vigil that it imports
    except floor 0, and the versions of the libraries that decode, compute and encode.

    Args:
        maker: the function or class that makes the result.
        untaken: imports of modules that are not used with the present parameters.
    """
    file = Path(inspect.getfile(maker))
    facts = {
        "modules": {
            one.relative_to(SOURCE).as_posix(): code_digest(one)
            for one in {file, *closure_of(file, untaken)}
            if not is_plumbing(one)
        },
        "libraries": {library: version(library) for library in RESULT_LIBRARIES},
    }
    return fingerprint(facts)

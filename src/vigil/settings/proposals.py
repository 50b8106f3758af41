"""How results are proposed to annotators: a block of the section `watch`."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from vigil.plumbing.errors import shorten
from vigil.plumbing.params import Section


def _check_folder(folder: str) -> str:
    parts = folder.split("/")
    if folder and (
        not all(parts) or {".", ".."} & set(parts) or re.search(r"[\\\x00-\x1f]", folder)
    ):
        raise ValueError(
            f"expected a folder with slashes, as cameras/yard, or nothing, got {shorten(folder)}"
        )
    return folder


class Proposals(Section):
    """The addresses under which Label Studio finds the watched videos.

    Attributes:
        address: `local_files`: the server reads them from its local storage
            (`/data/local-files/?d=…`). `upload`: they lie among its uploads (`/data/upload/…`).
        folder: local_files: their folder below the document root of the server; upload: the folder
            below its uploads, which is the number of the project. Empty: none.
    """

    address: Literal["local_files", "upload"]
    folder: Annotated[str, AfterValidator(_check_folder)]

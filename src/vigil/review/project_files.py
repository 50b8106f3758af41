"""The files of a project of one's own: those of this project, for the installed library.

In such a project there is no source of the library for DVC to watch. Instead, each stage depends on
`code/<script>.json`: the digests of all modules that it imports. `vigil upgrade` writes these files
anew. So an upgrade of the library reruns exactly the stages whose code changed, as here.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from vigil.plumbing.closure import SOURCE
from vigil.plumbing.errors import InputError
from vigil.plumbing.listed_code import CODE, LISTER, list_code

INSTALLED = Path(__file__).parents[1] / "project"
"""Where the wheel has the files."""
SINGLE = (".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml")
FOLDERS = ("splits", "stages")
OWN_PARAMS = {
    "root: data/demo # folder with videos/ and the export; data/demo is generated": (
        "root: data/mine # folder with videos/ and the export"
    ),
    "masks: # data of the segmenter; these values mean the demo's people": (
        "masks: # data of the segmenter"
    ),
    "root: data/demo/masks/instances.json": "root: data/mine/masks.json",
    "images: data/demo/masks/pictures": "images: data/mine/pictures",
    "clips: data/demo/clips": "clips: data/mine/clips",
    "root: data/demo/videos": "root: data/mine/videos",
    "root: data/demo/watch": "root: data/mine/watch",
    "truth: data/demo/watch_truth.json # true events and tracks of the watched videos; "
    "splits/no_truth.json: unknown": (
        "truth: splits/no_truth.json # true events and tracks of the watched videos; "
        "splits/no_truth.json: unknown"
    ),
}
"""Lines of params.yaml about the embedded demo, and what they are in another project."""
OWN_DVCIGNORE = {
    "make repro refuses all others.": "`vigil check-data` refuses all others.",
    "!/demo/dvc.yaml\n": "",
}
HEADER = """# Each stage depends on code/<stage>.json: the digests of the modules of vigil that its
# script imports. `vigil upgrade --write` writes them for the installed version. A command has no
# ${dataset...}, since a shell would expand special characters in it. The stage itself looks up
# {dataset.root}.
"""
LISTS = (
    (r"^  videos: \[plaza_1[^\]]*\]", "  videos: [one.mp4]"),
    (r"^  videos: \[gate_1[^\]]*\]", "  videos: []"),
)


def project_files() -> dict[str, str]:
    """The content of each file of a new project, by its path.

    Raises:
        InputError: this installation has no such files.
    """
    root = INSTALLED if INSTALLED.is_dir() else SOURCE.parent
    names = [*SINGLE, *(f"{f}/{p.name}" for f in FOLDERS for p in sorted((root / f).glob("*.*")))]
    try:
        content = {name: (root / name).read_text(encoding="utf-8") for name in names}
    except FileNotFoundError as error:
        raise InputError(
            f"{error.filename}: expected the files of a project beside the library, found none; "
            "install vigil from its wheel"
        ) from None
    del content[f"stages/{LISTER}.py"]
    content["dvc.yaml"] = _pipeline(content["dvc.yaml"])
    content["params.yaml"] = _params(content["params.yaml"])
    content[".gitignore"] = _replaced(content[".gitignore"], {f"/{CODE}/\n": ""}, ".gitignore")
    content[".dvcignore"] = _replaced(content[".dvcignore"], OWN_DVCIGNORE, ".dvcignore")
    stages = [root / name for name in content if name.startswith("stages/")]
    return content | {f"{CODE}/{script.stem}.json": list_code(script) for script in stages}


def _pipeline(text: str) -> str:
    """The pipeline without the stage that digests the source, and with the installed library."""
    text = HEADER + text[text.index("\nstages:\n") :]
    text = text.replace("PYTHONPATH=src:$PYTHONPATH python", "python")
    return re.sub(rf"^  {LISTER}:\n(    .*\n)+\n", "", text, flags=re.MULTILINE)


def _replaced(text: str, own_lines: Mapping[str, str], name: str) -> str:
    """The text of a file with other lines for those about this project."""
    for shipped, own in own_lines.items():
        if shipped not in text:
            raise ValueError(f"{name} has no {shipped!r}")
        text = text.replace(shipped, own)
    return text


def _params(text: str) -> str:
    text = _replaced(text, OWN_PARAMS, "params.yaml")
    for pattern, own in LISTS:
        text, num = re.subn(pattern, own, text, count=1, flags=re.MULTILINE)
        if not num:
            raise ValueError(f"params.yaml has no line {pattern!r}")
    return text

"""Writes the digests of the code of each stage, so that DVC sees which stages a change concerns."""

from pathlib import Path

from vigil.plumbing.errors import InputError
from vigil.plumbing.listed_code import list_code
from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage


def main(*, stages: Path, code: Path) -> None:
    scripts = sorted(set(stages.absolute().glob("[!.]*.py")) - {Path(__file__).absolute()})
    if not scripts:
        raise InputError(f"{stages}: expected the scripts of stages, found none")
    lists = {script.stem: list_code(script) for script in scripts}
    # DVC takes the digest of the source after this stage, so it must be of what is listed.
    while lists != (again := {script.stem: list_code(script) for script in scripts}):
        lists = again
    with whole(code) as folder:
        folder.mkdir()
        for name, text in lists.items():
            (folder / f"{name}.json").write_text(text, encoding="utf-8")
    print(f"{len(scripts)} stages")


if __name__ == "__main__":
    run_stage(main)

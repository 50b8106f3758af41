"""Puts the files of a project into the wheel, where `vigil new` finds them; see pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

PARTS = (".dvc/.gitignore", ".dvc/config", ".dvcignore", ".gitignore", "dvc.yaml", "params.yaml")
FOLDERS = ("splits", "stages")


class BuildWithProject(build_py):
    """Builds the package, and copies the pipeline into it."""

    def run(self) -> None:
        """See `build_py`."""
        super().run()
        if self.editable_mode:
            return
        target = Path(self.build_lib) / "vigil" / "project"
        files = [Path(part) for part in PARTS]
        files += [one for folder in FOLDERS for one in sorted(Path(folder).glob("*.*"))]
        for file in files:
            (target / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / file)


setup(cmdclass={"build_py": BuildWithProject})

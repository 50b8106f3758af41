"""Each option `-S` that the documents show can be pasted: DVC takes it, and so do the settings."""

import re
import shutil
from pathlib import Path

import pytest
from dvc.utils.hydra import apply_overrides
from tiny_project import ROOT

from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.params import read_params

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OPTION = re.compile(r"""-S\s+(?:'([^']+)'|"([^"]+)"|([^\s'"`)]+))""")
SEVERAL_VALUES = ("vigil tune-alarm", "tune ", "dvc exp run --queue")


def documented() -> list[tuple[str, list[str]]]:
    """Each command of the documents with options, and its options."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8").replace("\\\n", " ")
        # The options of a list in brackets are on several lines.
        text = re.sub(r"\w+=\((-S[^)]*)\)", lambda group: group[1].replace("\n", " "), text)
        for line in text.splitlines():
            options = ["".join(groups) for groups in OPTION.findall(line)]
            options = [option for option in options if "=" in option and "$" not in option]
            if options and not any(words in line for words in SEVERAL_VALUES):
                found.append((line, options))
    return found


COMMANDS = documented()


def test_there_are_commands_with_options() -> None:
    assert len(COMMANDS) > 20
    assert sum(len(options) for _, options in COMMANDS) > 50


@pytest.mark.parametrize(("command", "options"), COMMANDS, ids=range(len(COMMANDS)))
def test_an_option_can_be_set(
    command: str, options: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for weights in re.findall(r"\S+\.(?:safetensors|onnx)", command):
        Path(weights.split("=")[-1]).touch()  # settings check that a file of weights exists
    params = tmp_path / "params.yaml"
    shutil.copyfile(ROOT / "params.yaml", params)
    apply_overrides(str(params), options)
    check_sections(read_params(params), project_sections())

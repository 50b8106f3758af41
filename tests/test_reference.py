"""The documents: the reference is made of the settings, links lead somewhere, examples run."""

import os
import re
from pathlib import Path

import pytest
from reference_page import ROOT, render_page

from vigil.plumbing.contract import project_sections

REFERENCE = ROOT / "docs" / "reference.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_is_what_the_settings_say():
    """`VIGIL_WRITE_DOCS=1` writes docs/reference.md anew."""
    page = render_page()
    if os.environ.get("VIGIL_WRITE_DOCS"):
        REFERENCE.write_text(page, encoding="utf-8")
    assert page == REFERENCE.read_text(encoding="utf-8")


def test_every_parameter_has_a_meaning_or_names_that_say_it():
    silent = re.findall(r"^\| `([\w.]+)` .* \|  \|$", render_page(), flags=re.MULTILINE)
    assert not silent


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files_and_headings_that_are_there(page: Path):
    text = page.read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)]+)\)", text):
        name, _, anchor = target.partition("#")
        file = (page.parent / name) if name else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), flags=re.M)
            anchors = {re.sub(r"[^\w -]", "", one).lower().replace(" ", "-") for one in headings}
            assert anchor in anchors, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_parameters_that_documents_name_exist(page: Path):
    sections = project_sections()
    known = {name.split(".")[0] for name in sections}
    text = page.read_text(encoding="utf-8")
    for name in set(re.findall(rf"(?<![\w/.@])((?:{'|'.join(known)})(?:\.\w+)+)\b(?!\()", text)):
        if name.endswith((".py", ".md", ".safetensors", ".json", ".csv", ".yaml")):
            continue
        section = max((s for s in sections if f"{name}.".startswith(f"{s}.")), key=len, default="")
        if not section:  # a family of sections, such as evaluate.detector.*
            assert any(s.startswith(f"{name}.") for s in sections), name
            continue
        kind = sections[section]
        for key in filter(None, name[len(section) + 1 :].split(".")):
            assert key in kind.model_fields, name
            kind = kind.model_fields[key].annotation


def test_the_readme_fits_a_screen_or_two():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 110

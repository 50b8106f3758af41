"""Proposes the masks that the trained detector found to annotators: `vigil propose-masks`.

Only masks of at least the score that was picked on the validation set are proposed.
"""

from pathlib import Path

from vigil.domain.detections import NAME, read_results
from vigil.domain.detector_score import read_score
from vigil.domain.mask_proposals import mask_config, propose_masks
from vigil.domain.pictures.annotated import COUNTS, read_annotated
from vigil.domain.proposals import served_address
from vigil.domain.sides import read_side
from vigil.evaluation.detector import finds_masks
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.memo import file_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.plumbing.records import write_json
from vigil.settings.watch import Watch

DATA, MODELS = Path("data"), Path("models")
TASKS_FILE, CONFIG_FILE = "label_studio.json", "label_config.xml"
ARCHIVE = ".zip/"


def propose(out: Path, side: str | None, data: Path = DATA, models: Path = MODELS) -> str:
    """Writes tasks with the masks of stored predictions, and the interface to correct them.

    `watch.proposals` says where Label Studio finds the pictures.

    Args:
        out: the folder to write to.
        side: `train`, `val` or `test`; None: all pictures.

    Returns:
        A line that says what was written.

    Raises:
        InputError: predictions are missing or have no masks, or a picture is within an archive,
            where Label Studio does not find it.
    """
    watch = check_sections(read_params(), project_sections())[Watch.section]
    assert isinstance(watch, Watch)
    known = read_annotated(data / "detection" / "instances.json")
    file = data / "predictions" / "detector" / NAME
    table = read_results(known, file, with_masks=finds_masks(models / "detector.json"))
    if COUNTS not in table:
        raise InputError(
            f"{file}: expected detections with masks (train_detector.masks: true), got boxes alone"
        )
    if side is not None:
        known = known.select(read_side(data / "splits" / "detector" / f"{side}.json"))
    packed = [name for name in known.images.index if ARCHIVE in name]
    if packed:
        raise InputError(
            f"expected pictures that are files of their own, which Label Studio can show, got "
            f"{packed[0]} ({len(packed)} of {len(known.images)} pictures are in archives)"
        )
    table = table[table["score"] >= read_score(models / "detector_score.json")]
    tasks = propose_masks(
        known,
        table,
        address=lambda name: served_address(name, watch.proposals),
        model_version=f"vigil-{file_digest(models / 'detector.safetensors')[:12]}",
    )
    write_json(tasks, out / TASKS_FILE, indent=None)
    with whole(out / CONFIG_FILE) as partial:
        partial.write_text(mask_config(known.classes), encoding="utf-8", newline="\n")
    num = sum(len(task["predictions"][0]["result"]) for task in tasks)
    return f"{out / TASKS_FILE}: {num} masks in {len(tasks)} pictures"

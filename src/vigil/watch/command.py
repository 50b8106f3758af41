"""The commands `vigil watch` and `vigil replay`."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.interruptions import interruptible
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.settings.dataset import Dataset
from vigil.settings.watch import Watch
from vigil.watch.models import ExportedFiles, ModelFiles, Models, Runtime
from vigil.watch.recording import EVENTS_FILE, RUN_FILE, Recorder
from vigil.watch.results.eventful import read_events
from vigil.watch.sources import Camera, Recording, Source, find_sources


def watch_sources(
    words: Sequence[str],
    out: Path,
    models: Path | None,
    notify: Sequence[str],
    runtime: Runtime = "torch",
) -> None:
    """Watches the named sources, with the settings of `params.yaml`.

    Args:
        out: the folder in which each source gets a folder.
        models: the folder of the models; None: that of the pipeline, `models` or `exported`.
        notify: addresses for notifications, `file:<path>` or of apprise; for live sources only.
        runtime: what runs the networks; all but torch run exported models, and need no torch.

    Raises:
        InputError: a source or a model cannot be used.
    """
    sources = find_sources(words)
    _check_targets(sources, out)
    sections = check_sections(read_params(), project_sections())
    settings, dataset = sections["watch"], sections["dataset"]
    assert isinstance(settings, Watch)
    assert isinstance(dataset, Dataset)
    digests, load = _models_of(models, runtime)
    cameras = [source for source in sources if isinstance(source, Camera)]
    if notify and not cameras:
        raise InputError("--notify: expected a camera or a stream, got recordings")
    if cameras:
        from vigil.watch.live import watch_live

        try:
            with interruptible():
                watch_live(cameras[0], out, load, settings, notify)
        except KeyboardInterrupt:  # the usual end of a service; open events are stored by now
            print(f"{out / cameras[0].name}: stopped")
        return
    recorder = Recorder(digests, cache(load), settings, Fraction(str(dataset.picture_fps)))
    for source in sources:
        assert isinstance(source, Recording)
        target = out / source.name
        with whole(target) as folder:
            recorder.watch(source.path, folder)
        events = read_events(target / EVENTS_FILE)
        alarms = sum(event["kind"] == "unusual" and not event["suppressed"] for event in events)
        print(f"{target / 'index.html'}: {alarms} alarm{'' if alarms == 1 else 's'}")
    recorder.prune()


def _check_targets(sources: Sequence[Source], out: Path) -> None:
    """Refuses places of results that hold anything but earlier results: it would be deleted.

    Raises:
        InputError: a place is a source, or a part of one; or something else is there.
    """
    paths = [source.path.resolve() for source in sources if isinstance(source, Recording)]
    for source in sources:
        target = (out / source.name).resolve()
        if any(target in {path, *path.parents} or path in target.parents for path in paths):
            raise InputError(
                f"--out {out}: expected a folder apart from the sources, but the results of "
                f"{source.name} would take the place of a source"
            )
        is_recording = isinstance(source, Recording)
        if is_recording and target.exists() and not (target / RUN_FILE).is_file():
            raise InputError(
                f"{out / source.name}: expected no file or folder, or earlier results of "
                "`vigil watch`, found something else"
            )


def _models_of(
    folder: Path | None, runtime: Runtime
) -> tuple[dict[str, str], Callable[[], Models]]:
    """The digests of the models' files, and what loads them.

    Raises:
        InputError: a file is missing.
    """
    if runtime != "torch":
        exported = ExportedFiles.below(folder or Path("exported"), runtime)
        return exported.digests(), exported.load
    from vigil.learn.networks.machine import choose_device, prepare_torch

    files = ModelFiles.below(folder or Path("models"))
    digests = files.digests()
    prepare_torch()
    return digests, partial(files.load, choose_device())

"""The commands `vigil watch` and `vigil replay`."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

from vigil.domain.events.event import UNUSUAL
from vigil.plumbing.arithmetic import check_trained_alike
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.interruptions import interruptible
from vigil.plumbing.memo import tree_digest
from vigil.plumbing.outputs import whole
from vigil.plumbing.records import read_json
from vigil.plumbing.shipped import read_own_or_shipped
from vigil.settings.dataset import Dataset
from vigil.settings.watch import Watch
from vigil.watch.frames import check_first_frame
from vigil.watch.models import TRAINED, ExportedFiles, ModelFiles, Models, Runtime
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
    """Watches the named sources, with the settings of `params.yaml`, or those of the library.

    Args:
        out: the folder in which each source gets a folder.
        models: the folder of the models; None: `models`, or for exported ones `released`, and the
            pipeline's `exported`.
        notify: addresses for notifications, `file:<path>` or of apprise; for live sources only.
        runtime: what runs the networks; all but torch run exported models, and need no torch.

    Raises:
        InputError: a source or a model cannot be used; all other recordings are watched first.
    """
    sources = find_sources(words)
    _check_targets(sources, out)
    sections = check_sections(read_own_or_shipped(), project_sections())
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
    picture_fps = Fraction(str(dataset.picture_fps))
    recordings = [source for source in sources if isinstance(source, Recording)]
    for recording in recordings:  # so that no night of work ends at a file that is no video
        check_first_frame(recording.path, picture_fps)
    recorder = Recorder(digests, cache(load), settings, picture_fps)
    failures: list[str] = []
    for recording in recordings:
        try:
            _watch_recording(recorder, recording, out / recording.name)
        except InputError as error:
            if len(recordings) == 1:
                raise
            failures.append(str(error))
            print(f"{recording.path}: not watched", flush=True)
    recorder.prune()
    if failures:
        raise InputError(
            f"{len(failures)} of {len(recordings)} recordings were not watched: "
            + "; ".join(dict.fromkeys(failures))  # a damaged model fails all in the same way
        )


def _watch_recording(recorder: Recorder, recording: Recording, target: Path) -> None:
    with whole(target) as folder:
        recorder.watch(recording.path, folder)
    events = read_events(target / EVENTS_FILE)
    alarms = sum(event["kind"] == UNUSUAL and not event["suppressed"] for event in events)
    print(f"{target / 'index.html'}: {alarms} alarm{'' if alarms == 1 else 's'}")


def _check_targets(sources: Sequence[Source], out: Path) -> None:
    """Refuses places of results that hold anything but earlier results: it would be deleted.

    Raises:
        InputError: a place is a source, or a part of one; or something else is there, as the
            results of another video of the same name.
    """
    paths = [source.path.resolve() for source in sources if isinstance(source, Recording)]
    for source in sources:
        target = (out / source.name).resolve()
        if any(target in {path, *path.parents} or path in target.parents for path in paths):
            raise InputError(
                f"--out {out}: expected a folder apart from the sources, but the results of "
                f"{source.name} would take the place of a source"
            )
        if not isinstance(source, Recording) or not target.exists():
            continue
        if not (target / RUN_FILE).is_file():
            raise InputError(
                f"{out / source.name}: expected no file or folder, or earlier results of "
                "`vigil watch`, found something else"
            )
        watched = read_json(target / RUN_FILE)
        digest = watched.get("source", {}).get("sha256") if isinstance(watched, dict) else None
        if digest and digest != tree_digest(source.path):
            raise InputError(
                f"{out / source.name}: expected earlier results of {source.path}, found those of "
                "another video of its name; give --out, or delete them"
            )


def _models_of(
    folder: Path | None, runtime: Runtime
) -> tuple[dict[str, str], Callable[[], Models]]:
    """The digests of the models' files, and what loads them.

    Raises:
        InputError: a file is missing, or models were trained with another arithmetic.
    """
    if runtime != "torch":
        exported = ExportedFiles.below(folder, runtime)
        return exported.digests(), exported.load
    from vigil.learn.networks.machine import choose_device, prepare_torch

    files = ModelFiles.below(folder or Path(TRAINED))
    digests = files.digests()
    check_trained_alike([files.detector_card, files.classifier_card, files.alarm_card])
    prepare_torch()
    return digests, partial(files.load, choose_device())

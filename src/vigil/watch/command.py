"""The commands `vigil watch` and `vigil replay`."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, partial
from pathlib import Path

from vigil.learn.networks.machine import choose_device, prepare_torch
from vigil.plumbing.contract import check_sections, project_sections
from vigil.plumbing.errors import InputError
from vigil.plumbing.outputs import whole
from vigil.plumbing.params import read_params
from vigil.settings.dataset import Dataset
from vigil.settings.watch import Watch
from vigil.watch.eventful import read_events
from vigil.watch.models import ModelFiles
from vigil.watch.recording import EVENTS_FILE, Recorder
from vigil.watch.sources import Camera, Recording, find_sources


def watch_sources(words: Sequence[str], out: Path, models: Path, tell: Sequence[str]) -> None:
    """Watches the named sources, with the settings of `params.yaml`.

    Args:
        out: the folder in which each source gets a folder.
        models: the folder of the trained models.
        tell: addresses for notifications, `file:<path>` or of apprise; for live sources only.

    Raises:
        InputError: a source or a model cannot be used.
    """
    sources = find_sources(words)
    sections = check_sections(read_params(), project_sections())
    settings, dataset = sections["watch"], sections["dataset"]
    assert isinstance(settings, Watch)
    assert isinstance(dataset, Dataset)
    files = ModelFiles.below(models)
    digests = files.digests()
    cameras = [source for source in sources if isinstance(source, Camera)]
    if tell and not cameras:
        raise InputError("--tell: expected a camera or a stream, got recordings")
    if cameras:
        from vigil.watch.live import watch_live

        prepare_torch()
        watch_live(cameras[0], out, files.load(choose_device()), settings, tell)
        return
    prepare_torch()
    get_models = cache(partial(files.load, choose_device()))
    recorder = Recorder(digests, get_models, settings, Fraction(str(dataset.picture_fps)))
    for source in sources:
        assert isinstance(source, Recording)
        target = out / source.name
        with whole(target) as folder:
            recorder.watch(source.path, folder)
        events = read_events(target / EVENTS_FILE)
        alarms = sum(event["kind"] == "unusual" and not event["suppressed"] for event in events)
        print(f"{target / 'index.html'}: {alarms} alarm{'' if alarms == 1 else 's'}")
    recorder.prune()

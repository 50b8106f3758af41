"""Shows what a self-supervised vision transformer attends to, on pictures and videos."""

from fractions import Fraction
from pathlib import Path

from vigil.plumbing.outputs import whole
from vigil.plumbing.runner import run_stage
from vigil.settings.attend import Attend


def main(*, sources: Path, attention: Path, picture_fps: float, settings: Attend) -> None:
    with whole(attention) as folder:
        folder.mkdir()
        if not settings.sources:
            print("no pictures or videos are listed, so no attention is shown")
            return
        from vigil.learn.attention.showing import show_attention
        from vigil.learn.attention.sources import find_sources

        found = find_sources(sources / name for name in settings.sources)
        show_attention(found, folder, settings, Fraction(str(picture_fps)))


if __name__ == "__main__":
    run_stage(main)

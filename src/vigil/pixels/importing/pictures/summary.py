"""Summarises the report on an imported set of pictures for the terminal."""

from typing import Any

from vigil.plumbing.errors import counted, listed

MOST_CLASSES = 8


def summarise(content: dict[str, Any], one: str, many: str) -> str:
    """Counts of pictures and objects, then the findings and a warning.

    Args:
        content: the content of `report.json`.
        one, many: the name of an object there, as `box` and `boxes`.
    """
    counts = {label: values[many] for label, values in content["by_class"].items()}
    shown = dict(sorted(counts.items(), key=lambda item: -item[1])[:MOST_CLASSES])
    lines = [
        f"{counted(content['num_pictures'], 'picture')} "
        f"({content[f'num_pictures_without_{one}']} without a {one}), "
        f"{counted(content[f'num_{many}'], one, many)} "
        f"({content[f'num_{many}_to_ignore']} to be ignored) of "
        f"{counted(len(counts), 'class', 'classes')}: {shown}",
        *(f"  {reason}: {number}" for reason, number in sorted(content["findings"].items())),
    ]
    if lacking := content[f"classes_without_{one}"]:
        lines.append(f"  warning: no {one} of {listed(lacking)}")
    return "\n".join(lines)

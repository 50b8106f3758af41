"""Finds the videos of a task in its data, and which of its boxes lie on which video.

A box names its `<Video>` tag (`to_name`). The tag names the key of the data that holds the video's
address, but an export does not contain the tags. So where a task has several videos, or its boxes
have several tags, the tags must be named like the keys, as in Label Studio's templates, or
`interpolate_annotations.data_key_of_tag` must give the key of each tag.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from vigil.domain.label_studio.addresses import is_video, path_of
from vigil.domain.label_studio.regions import CONTROL, GEOMETRY
from vigil.plumbing.errors import FieldError, InputError, listed, shorten

USUAL_KEY = "video"
HINT = "set interpolate_annotations.data_key_of_tag to choose"


def tags_of(results: Iterable[Any], key_of_tag: Mapping[str, str]) -> set[str | None]:
    """The tags of all boxes; None for a box that names none.

    A box of JSON_MIN names no tag. Its control stands for the tag, if there are `key_of_tag`.
    """
    return {
        _tag(result, key_of_tag)
        for result in results
        if isinstance(result, Mapping) and result.get("type") == GEOMETRY
    }


def _tag(result: Mapping[str, Any], key_of_tag: Mapping[str, str]) -> str | None:
    tag = result.get("to_name")
    if not tag and key_of_tag:
        tag = result.get(CONTROL)
    return tag if isinstance(tag, str) and tag else None


def videos_of(data: Any, where: str) -> dict[str, str]:
    """The addresses of a task's videos by their key in its data, at least one.

    Raises:
        InputError: there is no data, or no video in it.
    """
    if not isinstance(data, Mapping):
        raise InputError(f"{where}: expected 'data' with the video, got {shorten(data)}")
    texts = _texts(data)
    videos = {k: v for k, v in texts.items() if k == USUAL_KEY or is_video(path_of(v).name)}
    if videos:
        return videos
    others = {k: v for k, v in texts.items() if re.search(r"\.[A-Za-z0-9]{2,4}($|\?)", v)}
    if len(others) != 1:
        raise InputError(
            f"{where}: expected the video's path under '{USUAL_KEY}', found the keys {listed(data)}"
        )
    return others


def _texts(data: Mapping[str, Any]) -> dict[str, str]:
    return {key: value for key, value in data.items() if isinstance(value, str) and value}


def key_of_each_tag(
    data: Mapping[str, Any],
    tags: set[str | None],
    all_tags: set[str | None],
    key_of_tag: Mapping[str, str],
    where: str,
) -> dict[str | None, str]:
    """The key of the data that holds the video of each tag, in order.

    The tags of a whole export are those of one project. A video of a tag without a box in this
    task was annotated too: it holds no object.

    Args:
        data: of the task.
        tags: the tags of the task's boxes.
        all_tags: the tags of all boxes of the export.
        key_of_tag: the key of each tag, if it was given by hand.

    Raises:
        InputError: it cannot be known which video a box lies on.
        FieldError: `key_of_tag` lacks a tag, or names keys that are not in the data.
    """
    texts, videos = _texts(data), videos_of(data, where)
    if key_of_tag:
        unknown = {tag for tag in tags if tag is None or key_of_tag.get(tag) not in texts}
        if unknown or not any(key in texts for key in key_of_tag.values()):
            raise FieldError(
                "data_key_of_tag",
                f"expected for each tag in {where} a key of its data ({listed(data)}), found none "
                f"for {listed(unknown or tags)}",
            )
        return {tag: key for tag, key in key_of_tag.items() if key in texts}
    names = {path_of(source).name for source in videos.values()}
    if len(names) == 1 and len(tags) < 2:
        key = USUAL_KEY if USUAL_KEY in videos else next(iter(videos))
        return dict.fromkeys(tags or {None}, key)
    named: dict[str | None, str] = {tag: tag for tag in sorted(map(str, all_tags)) if tag in texts}
    if not named or not tags <= named.keys():
        boxes = f"boxes of {listed(str(tag) for tag in tags)}" if tags - {None} else "its boxes"
        raise InputError(
            f"{where}: expected to know the video of {boxes}, found several videos or tags "
            f"({listed(videos)}); {HINT}"
        )
    return named


def results_on(
    results: Sequence[Any], keys: Mapping[str | None, str], key: str, key_of_tag: Mapping[str, str]
) -> Iterator[Any]:
    """The results that belong to the video under a key of the data, or that name no known tag."""
    for result in results:
        tag = _tag(result, key_of_tag) if isinstance(result, Mapping) else None
        if keys.get(tag, key) == key:
            yield result

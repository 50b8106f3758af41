"""Matching of file names, as a real server stores them, with the names of listed videos."""

from collections.abc import Sequence
from typing import Any
from unicodedata import normalize
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.label_studio.names import match_videos, stored_name, unmatched
from vigil.domain.label_studio.tasks import Task
from vigil.plumbing.errors import FieldError, InputError

FILE = "export.json"


def match(
    sources: Sequence[str], videos: Sequence[str], told: dict[str, str] | None = None
) -> dict[str, str]:
    tasks = [Task(str(n), source, (), ()) for n, source in enumerate(sources, start=1)]
    found = match_videos(tasks, videos, FILE, told)
    return {video: task.source for video, task in found.items()}


class TestFileNames:
    @pytest.mark.parametrize(
        ("source", "video"),
        [
            ("/data/upload/1/5ad17d38-door.mp4", "door.mp4"),
            ("/data/upload/1/5ad17d38-opossum_snow.mp4", "opossum snow.mp4"),
            ("/data/upload/12/5ad17d38-a_b_1.mp4", "a b (1).mp4"),
            ("http://localhost:8080/data/upload/12/5ad17d38-a_b_1.mp4", "a b (1).mp4"),
            ("/data/upload/12/5ad17d38-Stra%C3%9Fe.mp4", "Straße.mp4"),
            ("/data/upload/12/5ad17d38-ab.mp4", "a&b.avi"),  # converted to be uploaded
            ("/data/upload/12/5ad17d38-cam_1.mp4", "cam 1"),  # a folder of pictures
            ("/data/local-files/?d=cameras/north/door.mp4", "door.mp4"),
            ("/data/local-files/?d=cameras%2Fnorth%2Fthe%20door.mp4", "the door.mp4"),
            ("/data/local-files/?d=C%3A%5Cvideos%5Cdoor.mp4", "door.mp4"),
            ("http://localhost:8080/data/local-files/?d=x/door.mp4", "door.mp4"),
            ("s3://bucket/folder/door.mp4", "door.mp4"),
            ("gs://bucket/door.mp4", "door.mp4"),
            ("https://example.org/a/door.mp4?token=x.avi&expires=9", "door.mp4"),
            ("https://example.org/a/the%20door.mp4?token=x", "the door.mp4"),
            ("https://example.org/a/door.mp4?d=20240301", "door.mp4"),
            ("videos/door.mp4", "door.mp4"),
            ("/home/me/videos/door.mp4", "door.mp4"),
            ("C:\\videos\\door.mp4", "door.mp4"),
            ("door.mp4", "door.mp4"),
            ("door.mov", "door.mp4"),  # converted since
            ("5ad17d38-door.mp4", "5ad17d38-door.mp4"),  # the prefix is the file's own
            ("/data/upload/1/0a1b2c3d-5ad17d38-door.mp4", "5ad17d38-door.mp4"),
            ("100%.mp4", "100%.mp4"),
            ("two.dots.mp4", "two.dots.mp4"),
            ("/data/upload/5ad17d38-door.mp4", "door.mp4"),  # of an old version
            ("s3://bucket/upload/7/5ad17d38-door.mp4", "door.mp4"),  # uploads kept in a cloud
            ("/data/upload/1/5ad17d38-door.mp4", "5ad17d38-door.mp4"),  # as it was downloaded
            ("/data/local-files/?d=v/20240131-gate.mp4", "20240131-gate.mp4"),
            ("s3://bucket/cam#1.mp4", "cam#1.mp4"),
            ("gs://bucket/100%25.mp4", "100%25.mp4"),
            ("/data/local-files/?d=v/a&b.mp4", "a&b.mp4"),
            ("/data/local-files/?d=v/a#1.mp4&x=2", "a#1.mp4"),
            ("/data/local-files/?d=v/a+b.mp4", "a b.mp4"),
            ("https://example.org/a/door.mp4?token=x#t=2", "door.mp4"),
            ("cam.10.mp4", "cam.10"),  # a folder of pictures
        ],
    )
    def test_a_video_is_found_by_its_file_name(self, source: str, video: str) -> None:
        assert match([source], [video]) == {video: source}

    @pytest.mark.parametrize(
        ("source", "video"),
        [
            ("/data/upload/1/5ad17d38-door.mp4", "door_2.mp4"),
            ("/data/upload/1/5ad17d3-door.mp4", "door.mp4"),  # seven digits
            ("/data/upload/1/5ad17d38_door.mp4", "door.mp4"),
            ("door/other.mp4", "door.mp4"),
            ("two.dots.mp4", "two.mp4"),
            ("/data/upload/12/5ad17d38-a_b__1_.mp4", "a b (1).mp4"),
            ("/data/upload/4/4af68a72-ночь.mp4", "день.mp4"),
            ("/data/upload/4/4af68a72-大阪.mp4", "東京.mp4"),
            ("/data/upload/4/4af68a72-Tör.mp4", "Tür.mp4"),
            ("/data/upload/4/4af68a72-Door.mp4", "door.mp4"),
            ("gate_1.mp4", "gate (1).mp4"),  # no upload: no server changed it
            ("20240131-gate.mp4", "gate.mp4"),  # no upload: a date of its own
            ("/data/local-files/?d=v/20240131-gate.mp4", "gate.mp4"),
            ("https://example.org/deadbeef-gate.mp4", "gate.mp4"),
            ("s3://bucket/cam#1.mp4", "cam.mp4"),
            ("s3://bucket/cam.mp4?v=2", "cam.mp4"),
            ("s3://bucket/a%20b.mp4", "a b.mp4"),
            ("a%20b.mp4", "a b.mp4"),
            ("/data/local-files/?d=v/a&b.mp4", "a.mp4"),
            ("/data/local-files/?d=v/a+b.mp4", "a+b.mp4"),  # the server reads a space there
            ("cam.mp4", "cam.10"),
            ("cam.10", "cam.mp4"),
            ("gate.mp4.zip", "gate.mp4"),
            ("gate.mp4.mp4", "gate.mp4"),
            ("gate.v2", "gate.mp4"),
            ("gate.jpg", "gate.mp4"),
        ],
    )
    def test_no_match_is_an_error_that_names_both(self, source: str, video: str) -> None:
        with pytest.raises(InputError) as error:
            match([source], [video])
        assert video in str(error.value)
        assert source.rsplit("/", 1)[-1] in str(error.value)

    @pytest.mark.parametrize("source_form", ["NFC", "NFD"])
    @pytest.mark.parametrize("video_form", ["NFC", "NFD"])
    @pytest.mark.parametrize(
        "source",
        [
            "/data/local-files/?d=north/{}",
            "/data/upload/1/5ad17d38-{}",
            "videos/{}",
            "https://example.org/{}",
        ],
    )
    def test_an_accent_is_a_part_of_its_letter_or_a_character(
        self, source: str, source_form: Any, video_form: Any
    ) -> None:
        video = normalize(video_form, "café Zürich.mp4")
        named = source.format(normalize(source_form, "café Zürich.mp4"))
        assert match([named], [video]) == {video: named}
        quoted = source.format(quote(normalize(source_form, "café Zürich.mp4")))
        if "/data/" in source or "://" in source:
            assert match([quoted], [video]) == {video: quoted}

    def test_an_upload_may_have_lost_its_accents(self) -> None:
        """Names in NFD, from macOS, lose their accents; names in NFC keep them."""
        for video in (normalize("NFC", "café.mp4"), normalize("NFD", "café.mp4")):
            for stored in ("cafe.mp4", quote(normalize("NFC", "café.mp4"))):
                source = f"/data/upload/1/5ad17d38-{stored}"
                assert match([source], [video]) == {video: source}

    def test_the_name_that_stands_so_is_preferred_to_one_without_accents(self) -> None:
        sources = ["/data/upload/1/5ad17d38-cafe.mp4", "/data/upload/1/6ad17d38-caf%C3%A9.mp4"]
        found = match(sources, [normalize("NFC", "café.mp4"), "cafe.mp4"])
        assert list(found.values()) == sources[::-1]

    def test_two_videos_whose_names_differ_by_the_form_alone_are_told_apart(self) -> None:
        videos = [normalize("NFC", "café.mp4"), normalize("NFD", "café.mp4")]
        assert videos[0] != videos[1]
        assert match(videos, videos) == {video: video for video in videos}

    def test_accents_tell_names_apart(self) -> None:
        sources = [normalize("NFD", "é.mp4"), normalize("NFD", "è.mp4")]
        assert match(sources, ["è.mp4", "é.mp4"]) == {"è.mp4": sources[1], "é.mp4": sources[0]}
        with pytest.raises(InputError, match=r"matches è\.mp4, é\.mp4"):
            match(["/data/upload/1/0a1b2c3d-e.mp4"], ["è.mp4", "é.mp4"])

    def test_tasks_are_given_in_the_order_of_the_videos(self) -> None:
        found = match(["b.mp4", "a.mp4"], ["a.mp4", "b.mp4"])
        assert list(found.items()) == [("a.mp4", "a.mp4"), ("b.mp4", "b.mp4")]

    def test_tasks_of_other_videos_are_left_out(self) -> None:
        assert match(["a.mp4", "b.mp4"], ["b.mp4"]) == {"b.mp4": "b.mp4"}

    def test_same_stem_and_different_ending_is_told_apart_by_the_ending(self) -> None:
        sources = ["/data/upload/1/0a1b2c3d-a.mp4", "/data/upload/1/1a1b2c3d-a.avi"]
        assert match(sources, ["a.avi", "a.mp4"]) == {"a.avi": sources[1], "a.mp4": sources[0]}

    def test_same_stem_and_neither_ending_is_an_error_that_names_both(self) -> None:
        with pytest.raises(InputError, match=r"task 1: .*a\.webm.* matches a\.avi, a\.mp4"):
            match(["a.webm"], ["a.mp4", "a.avi"])

    def test_two_videos_of_one_name_after_replacement_are_an_error_that_names_both(self) -> None:
        with pytest.raises(InputError, match=r"matches a b\.mp4, a_b\.mp4"):
            match(["/data/upload/1/0a1b2c3d-a_b.mp4"], ["a b.mp4", "a_b.mp4"])

    def test_names_that_were_not_replaced_are_told_apart(self) -> None:
        sources = ["/data/local-files/?d=%E6%9D%B1.mp4", "/data/local-files/?d=%E8%A5%BF.mp4"]
        assert match(sources, ["東.mp4", "西.mp4"]) == {"東.mp4": sources[0], "西.mp4": sources[1]}

    def test_two_tasks_of_one_video_are_an_error_that_names_both(self) -> None:
        with pytest.raises(InputError, match=r"tasks 1 and 2 both belong to a\.mp4"):
            match([f"/data/upload/1/{n}a1b2c3d-a.mp4" for n in (0, 1)], ["a.mp4"])

    def test_a_video_without_a_task_is_an_error_that_names_it(self) -> None:
        with pytest.raises(InputError, match=r"found none for b\.mp4"):
            match(["a.mp4"], ["a.mp4", "b.mp4"])

    @given(st.text())
    def test_any_text_matches_or_is_refused(self, source: str) -> None:
        try:
            found = match([source], ["door.mp4"])
        except InputError:
            return
        assert found == {"door.mp4": source}

    def test_an_upload_may_be_one_video_or_another_by_its_prefix(self) -> None:
        source = "/data/upload/1/20240131-gate.mp4"
        for video in ("gate.mp4", "20240131-gate.mp4"):
            assert match([source], [video]) == {video: source}
        with pytest.raises(InputError, match=r"matches 20240131-gate\.mp4, gate\.mp4"):
            match([source], ["gate.mp4", "20240131-gate.mp4"])

    def test_another_ending_is_told(self) -> None:
        sources = ["/data/upload/1/0a1b2c3d-a.mp4", "b.mp4", "c.mp4"]
        tasks = [Task(str(n), source, (), ()) for n, source in enumerate(sources)]
        found = match_videos(tasks, ["a.avi", "b.mp4"], FILE)
        assert found["b.mp4"] == tasks[1]
        assert found["a.avi"].counts == {"videos_of_another_ending": 1}
        (warning,) = found["a.avi"].warnings
        assert "task 0 names '0a1b2c3d-a.mp4'; it was taken for a.avi" in warning
        assert unmatched(tasks, found) == [tasks[2]]

    def test_another_ending_yields_to_the_same_one(self) -> None:
        assert match(["a.avi", "a.mp4"], ["a.mp4"]) == {"a.mp4": "a.mp4"}


STORED = {
    " lead space.mp4": "_lead_space.mp4",
    "--lead.mp4": "--lead.mp4",
    "...dots.mp4": "...dots.mp4",
    "2024-01-01 12.30.00.mp4": "2024-01-01_12.30.00.mp4",
    "CAM@home!.mp4": "CAMhome.mp4",
    "Kamera – Süd.mp4": "Kamera__Süd.mp4",
    "UPPER.MP4": "UPPER.MP4",
    "`cam`$x.mp4": "camx.mp4",
    "a&b.mp4": "ab.mp4",
    "a&amp;b.mp4": "ab.mp4",
    "a&#x41;b.mp4": "aAb.mp4",
    "cam'3'.mp4": "cam3.mp4",
    'cam"3".mp4': "cam22322.mp4",
    "cam=1~2.mp4": "cam12.mp4",
    "gate (1) [x]{y}, #+%:;.mp4": "gate_1_xy_.mp4",
    "tab\tname.mp4": "tabname.mp4",
    "trail .mp4": "trail_.mp4",
    "video😀.mp4": "video.mp4",
    "½cam².mp4": "½cam².mp4",
    "a\u3000b\u00a0c.mp4": "abc.mp4",
    "東京 2.mp4": "東京_2.mp4",
    "हिन्दी.mp4": "हनद.mp4",
    "folder/of\\cam.mp4": "cam.mp4",
}
"""The names that Label Studio 1.23.2 stored after its prefix for files with these names."""


@pytest.mark.parametrize("name", STORED)
def test_what_a_real_server_stored(name: str) -> None:
    assert stored_name(name) == STORED[name]


@pytest.mark.parametrize("name", [name for name in STORED if "/" not in name])
def test_what_a_real_server_stored_is_found(name: str) -> None:
    source = "/data/upload/4/4af68a72-" + quote(STORED[name])
    assert match([source], [name]) == {name: source}


def test_a_name_that_is_too_long_is_cut_before_it_is_stored() -> None:
    assert stored_name("x" * 300 + ".mp4") == "x" * 251 + ".mp4"


class TestCutNames:
    """The whole path has at most 100 characters; the end of the root becomes random."""

    LONG = "camera_north_gate_" + "x" * 80 + ".2024.mp4"

    def stored(self, name: str, project: int = 4) -> str:
        root, _, ending = stored_name(name).partition(".")
        room = 100 - len(f"upload/{project}/") - len("01234567-") - 8 - len(ending) - 1
        return f"/data/upload/{project}/96c0f1fc-{root[:room]}_LF1FhiT.{ending}"

    @pytest.mark.parametrize("project", [4, 11, 123])
    def test_they_match_by_what_was_kept(self, project: int) -> None:
        source = self.stored(self.LONG, project)
        assert len(source.removeprefix("/data/")) == 100
        assert match([source], [self.LONG, "camera_north.mp4"][:1]) == {self.LONG: source}

    @pytest.mark.parametrize(
        "other",
        [
            LONG.replace("2024", "2025"),  # another ending, from the first dot on
            LONG.replace("north", "south"),
            "camera_north_gate_xxx.2024.mp4",  # would not have been cut
        ],
    )
    def test_others_do_not(self, other: str) -> None:
        with pytest.raises(InputError, match="found none for"):
            match([self.stored(self.LONG)], [other])

    def test_a_path_that_is_not_full_was_not_cut(self) -> None:
        with pytest.raises(InputError, match="found none for"):
            match(["/data/upload/4/96c0f1fc-camera_LF1FhiT.2024.mp4"], [self.LONG])

    def test_two_that_share_what_was_kept_are_an_error_that_names_both(self) -> None:
        videos = [self.LONG, self.LONG.replace("x.2024", "y.2024")]
        with pytest.raises(InputError, match=r"matches .*x\.2024\.mp4, .*xy\.2024\.mp4"):
            match([self.stored(self.LONG)], videos)


class TestToldByHand:
    SOURCES = ("/data/upload/4/73603cdd-clip_1.mp4", "/data/upload/4/d5d84b4d-clip_1.mp4")

    def test_names_that_the_server_made_equal_are_an_error_that_names_both(self) -> None:
        with pytest.raises(
            InputError, match=r"matches clip \(1\)\.mp4, clip 1\.mp4.*video_of_task"
        ):
            match(self.SOURCES, ["clip (1).mp4", "clip 1.mp4"])

    def test_one_told_leaves_the_other(self) -> None:
        found = match(self.SOURCES, ["clip (1).mp4", "clip 1.mp4"], {"2": "clip (1).mp4"})
        assert found == {"clip (1).mp4": self.SOURCES[1], "clip 1.mp4": self.SOURCES[0]}

    def test_any_name_can_be_told(self) -> None:
        assert match(["s3://b/x.mp4"], ["door.mp4"], {"1": "door.mp4"}) == {
            "door.mp4": "s3://b/x.mp4"
        }

    @pytest.mark.parametrize(
        ("told", "problem"),
        [
            ({"9": "a.mp4"}, r"video_of_task\.9: expected one task of that id .*found 0"),
            ({"1": "b.mp4"}, r"video_of_task\.1: expected one of videos, got 'b\.mp4'"),
            ({"1": "a.mp4", "2": "a.mp4"}, r"video_of_task\.2: expected each video once"),
        ],
    )
    def test_what_is_told_must_be_there(self, told: dict[str, str], problem: str) -> None:
        with pytest.raises(FieldError, match=problem):
            match(["x.mp4", "y.mp4"], ["a.mp4"], told)

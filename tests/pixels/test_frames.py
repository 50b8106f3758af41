import json
import tempfile
import zipfile
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_videos import (
    cut_off,
    damage_packet,
    noise,
    read_code,
    turn_clockwise,
    write_coded_video,
    write_video,
)

from vigil.domain.video_facts import Stamps, VideoFacts, dump_facts
from vigil.pixels.frames import FrameArchive, extract_frames
from vigil.plumbing.errors import InputError

NTSC = Fraction(30_000, 1001)


@pytest.mark.parametrize("ending", ["mp4", "webm", "avi"])
@pytest.mark.parametrize("size_wh", [(64, 48), (63, 47)])
def test_count_size_rate_and_order_are_exact(
    tmp_path: Path, ending: str, size_wh: tuple[int, int]
) -> None:
    video = write_coded_video(tmp_path / f"v.{ending}", 41, size_wh, fps=NTSC)
    facts = extract_frames(video, tmp_path / "v.zip", jpeg_quality=90)
    assert facts == VideoFacts(size_wh, 41, NTSC, False, facts.stamps)
    # WebM tells milliseconds.
    tolerance_s = 0.0006 if ending == "webm" else 1e-9
    np.testing.assert_allclose(facts.shown_s(), np.arange(41) / float(NTSC), atol=tolerance_s)
    with FrameArchive(tmp_path / "v.zip") as archive:
        assert archive.facts == facts
        assert len(archive) == 41
        assert [read_code(archive.bgr(index)) for index in range(41)] == list(range(41))
        assert archive.bgr(0).shape == (size_wh[1], size_wh[0], 3)
        assert archive.grey(0).shape == (size_wh[1], size_wh[0])


def test_the_same_video_gives_the_same_bytes(tmp_path: Path) -> None:
    video = write_coded_video(tmp_path / "v.mp4", 40)
    contents = []
    for name in ("one.zip", "two.zip"):
        extract_frames(video, tmp_path / name, jpeg_quality=95)
        contents.append((tmp_path / name).read_bytes())
    assert contents[0] == contents[1]


def test_the_archive_is_a_plain_zip_of_stored_jpegs_and_facts(tmp_path: Path) -> None:
    video = write_coded_video(tmp_path / "v.mp4", 3, fps=NTSC)
    extract_frames(video, tmp_path / "v.zip", jpeg_quality=95)
    with zipfile.ZipFile(tmp_path / "v.zip") as file:
        assert file.testzip() is None
        names = ["000000.jpg", "000001.jpg", "000002.jpg", "frames.json"]
        assert sorted(file.namelist()) == names
        for entry in file.infolist():
            assert entry.compress_type == zipfile.ZIP_STORED
            assert entry.date_time == (1980, 1, 1, 0, 0, 0)
        assert file.read("000001.jpg")[:3] == b"\xff\xd8\xff"
        assert json.loads(file.read("frames.json")) == {
            "fps": "30000/1001",
            "is_variable_rate": False,
            "num_frames": 3,
            "num_hidden": 0,
            "size_wh": [64, 48],
            "stamps": {"first": 0, "steps": "1001*2", "unit_s": "1/30000"},
        }


def test_quality_is_that_of_the_jpegs(tmp_path: Path) -> None:
    video = write_coded_video(tmp_path / "v.mp4", 5)
    sizes = []
    for quality in (10, 95):
        extract_frames(video, tmp_path / f"{quality}.zip", jpeg_quality=quality)
        sizes.append((tmp_path / f"{quality}.zip").stat().st_size)
    assert sizes[0] < sizes[1]


def test_a_turned_video_has_its_upright_size(tmp_path: Path) -> None:
    video = write_coded_video(tmp_path / "v.mp4", 4, (64, 48))
    turn_clockwise(video, 1)
    assert extract_frames(video, tmp_path / "v.zip", jpeg_quality=90).size_wh == (48, 64)
    with FrameArchive(tmp_path / "v.zip") as archive:
        assert archive.bgr(0).shape == (64, 48, 3)


def test_a_varying_rate_is_kept(tmp_path: Path) -> None:
    times_s = [Fraction(n, 10) for n in range(20)] + [Fraction(n) for n in range(3, 9)]
    video = write_coded_video(tmp_path / "v.mp4", len(times_s), times_s=times_s)
    facts = extract_frames(video, tmp_path / "v.zip", jpeg_quality=90)
    assert facts.is_variable_rate
    np.testing.assert_allclose(facts.shown_s(), [float(time_s) for time_s in times_s])
    with FrameArchive(tmp_path / "v.zip") as archive:
        assert archive.facts == facts


def test_each_frame_s_stamp_is_kept_in_few_bytes(tmp_path: Path) -> None:
    """A constant rate is one run of steps, whatever its length."""
    video = write_coded_video(tmp_path / "v.mp4", 500)
    extract_frames(video, tmp_path / "v.zip", jpeg_quality=10)
    with zipfile.ZipFile(tmp_path / "v.zip") as file:
        stamps = json.loads(file.read("frames.json"))["stamps"]
    assert stamps["steps"].endswith("*499")


@given(st.integers(-(10**9), 10**9), st.lists(st.integers(-50, 1000), max_size=60))
def test_any_stamps_come_back(first: int, steps: list[int]) -> None:
    stamps = [first + sum(steps[:n]) for n in range(len(steps) + 1)]
    kept = Stamps.of(stamps, Fraction(1, 90_000))
    assert kept.units().tolist() == stamps
    assert kept.num_frames == len(stamps)
    with tempfile.TemporaryDirectory() as folder:
        facts = VideoFacts((4, 3), len(stamps), Fraction(25), True, kept, 3)
        write_zip(Path(folder) / "v.zip", **{"frames.json": dump_facts(facts)})
        with FrameArchive(Path(folder) / "v.zip") as archive:
            assert archive.facts == facts


def test_numbered_pictures_are_evenly_spaced(tmp_path: Path) -> None:
    (tmp_path / "v").mkdir()
    for number in range(4):
        cv2.imwrite(str(tmp_path / "v" / f"{number:06d}.png"), np.zeros((6, 8, 3), np.uint8))
    facts = extract_frames(
        tmp_path / "v", tmp_path / "v.zip", jpeg_quality=90, picture_fps=Fraction(7)
    )
    assert facts.stamps == Stamps(Fraction(1, 7), 0, ((1, 3),))


def test_a_bad_video_is_refused_by_name(tmp_path: Path) -> None:
    video = cut_off(write_coded_video(tmp_path / "v.avi", 60), 0.5)
    with pytest.raises(InputError, match=str(video)):
        extract_frames(video, tmp_path / "v.zip", jpeg_quality=90)


@pytest.fixture(scope="module")
def archive_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    video = write_coded_video(folder / "v.mp4", 60)
    extract_frames(video, folder / "v.zip", jpeg_quality=95)
    return folder / "v.zip"


@pytest.mark.parametrize(
    "indices", [[], [7], [0, 59], list(range(0, 60, 3)), list(range(60)), [5, 5, 4]]
)
def test_grey_frames_come_in_the_order_asked_for(archive_file: Path, indices: list[int]) -> None:
    with FrameArchive(archive_file) as archive:
        found = [(index, read_code(picture)) for index, picture in archive.grey_in_order(indices)]
    assert found == [(index, index) for index in indices]


def test_grey_is_the_luminance(archive_file: Path) -> None:
    with FrameArchive(archive_file) as archive:
        colour, grey = archive.bgr(21), archive.grey(21)
    expected = cv2.cvtColor(colour, cv2.COLOR_BGR2GRAY).astype(int)
    assert np.abs(grey.astype(int) - expected).max() <= 3


@pytest.mark.parametrize("index", [60, -1, 10**9])
def test_a_frame_that_is_not_there_is_refused(archive_file: Path, index: int) -> None:
    with (
        FrameArchive(archive_file) as archive,
        pytest.raises(InputError, match=rf"v\.zip: expected frame {index} of 60"),
    ):
        archive.bgr(index)


def test_a_damaged_frame_is_refused(archive_file: Path, tmp_path: Path) -> None:
    content = bytearray(archive_file.read_bytes())
    at = content.index(b"\xff\xd8\xff", 5000)
    content[at : at + 20] = bytes(20)
    (tmp_path / "v.zip").write_bytes(content)
    with FrameArchive(tmp_path / "v.zip") as archive, pytest.raises(InputError, match=r"v\.zip"):
        list(archive.grey_in_order(range(60)))


def write_zip(path: Path, **entries: str) -> None:
    with zipfile.ZipFile(path, "w") as file:
        for name, content in entries.items():
            file.writestr(name, content)


OLD_FACTS = {"fps": "10/1", "is_variable_rate": False, "num_frames": 1, "size_wh": [4, 3]}
"""Of an archive of before the stamps were kept."""
GOOD_FACTS = {**OLD_FACTS, "stamps": {"first": 0, "steps": "", "unit_s": "1/10"}}


@pytest.mark.parametrize(
    "facts",
    [
        "",
        "{",
        "[]",
        "3",
        *(json.dumps({k: v for k, v in OLD_FACTS.items() if k != left}) for left in OLD_FACTS),
        json.dumps({**GOOD_FACTS, "fps": "fast"}),
        json.dumps({**GOOD_FACTS, "fps": "1/0"}),
        json.dumps({**GOOD_FACTS, "size_wh": [4]}),
        json.dumps({**GOOD_FACTS, "num_frames": None}),
        json.dumps({**GOOD_FACTS, "num_frames": 2}),
        json.dumps({**GOOD_FACTS, "stamps": "1*2"}),
        *(
            json.dumps({**GOOD_FACTS, "stamps": {**GOOD_FACTS["stamps"], **wrong}})
            for wrong in ({"first": None}, {"steps": "1*0"}, {"steps": "a"}, {"unit_s": "1/0"})
        ),
    ],
)
def test_facts_that_are_none_are_refused(tmp_path: Path, facts: str) -> None:
    write_zip(tmp_path / "v.zip", **{"frames.json": facts})
    with pytest.raises(InputError, match=r"v\.zip: expected an archive of frames"):
        FrameArchive(tmp_path / "v.zip")


def test_without_stamps_a_constant_rate_is_evenly_spaced(tmp_path: Path) -> None:
    write_zip(tmp_path / "v.zip", **{"frames.json": json.dumps({**OLD_FACTS, "num_frames": 3})})
    with FrameArchive(tmp_path / "v.zip") as archive:
        assert archive.facts.stamps is None
        assert archive.facts.shown_s().tolist() == [0, 0.1, 0.2]


def test_without_stamps_a_varying_rate_is_refused(tmp_path: Path) -> None:
    facts = {**OLD_FACTS, "is_variable_rate": True}
    write_zip(tmp_path / "v.zip", **{"frames.json": json.dumps(facts)})
    with pytest.raises(InputError, match=r"v\.zip: .*time stamps.*run extract_frames again"):
        FrameArchive(tmp_path / "v.zip")


def test_other_files_are_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "empty.zip")
    (tmp_path / "text.zip").write_text("hello")
    (tmp_path / "nothing.zip").write_bytes(b"")
    (tmp_path / "folder.zip").mkdir()
    for name in ("empty.zip", "text.zip", "nothing.zip", "folder.zip", "none.zip"):
        with pytest.raises(InputError, match=name):
            FrameArchive(tmp_path / name)


def test_an_entry_that_is_no_jpeg_is_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "v.zip", **{"frames.json": json.dumps(GOOD_FACTS), "000000.jpg": "no"})
    with (
        FrameArchive(tmp_path / "v.zip") as archive,
        pytest.raises(InputError, match="frame 0 is not a JPEG"),
    ):
        archive.bgr(0)


def test_an_empty_entry_is_refused(tmp_path: Path) -> None:
    write_zip(tmp_path / "v.zip", **{"frames.json": json.dumps(GOOD_FACTS), "000000.jpg": ""})
    with FrameArchive(tmp_path / "v.zip") as archive, pytest.raises(InputError, match="frame 0"):
        archive.bgr(0)


def test_damaged_frames_are_kept_where_that_is_asked(tmp_path: Path) -> None:
    video = write_video(tmp_path / "v.avi", noise(9), encoder="mjpeg")
    damage_packet(video, 4, b"\xff")
    with pytest.raises(InputError, match=r"v\.avi: frame 4 is damaged: .*damaged_frames: keep"):
        extract_frames(video, tmp_path / "v.zip", jpeg_quality=90)
    facts = extract_frames(video, tmp_path / "v.zip", jpeg_quality=90, damaged_frames="keep")
    assert facts.damaged_frames == (4,)
    with FrameArchive(tmp_path / "v.zip") as archive:
        assert archive.facts == facts
        assert archive.bgr(4).shape == (96, 128, 3)

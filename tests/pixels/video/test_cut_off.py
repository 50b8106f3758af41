"""Files without their end, or with a hole, in containers that no decoder complains about."""

import random
import struct
from pathlib import Path

import av
import pytest
from conftest import REAL
from tiny_videos import cut_off, read_code, write_coded_video, write_with_sound

from vigil.pixels.video.cut_off import missing_part
from vigil.pixels.video.reading import VideoReader, to_bgr
from vigil.plumbing.errors import InputError

FRAGMENTS = {"movflags": "frag_keyframe+empty_moov"}
KINDS = {
    "FLV": ("v.flv", "flv", {}),
    "WMV": ("v.asf", "wmv2", {}),
    "Ogg": ("v.ogg", "libvpx", {}),
    "MPEG-TS": ("v.ts", "mpeg2video", {}),
    "MP4": ("v.mp4", "libx264", {"movflags": "faststart"}),
    "MP4 in fragments": ("v.mp4", "libx264", FRAGMENTS),
    "Matroska": ("v.mkv", "libx264", {}),
    "AVI": ("v.avi", "mpeg4", {}),
}


def write(folder: Path, kind: str, num_frames: int = 40, sound_s: float = 4.0) -> Path:
    name, encoder, options = KINDS[kind]
    return write_with_sound(
        folder / name, num_frames, sound_s, encoder=encoder, container_options=options
    )


def codes_of(path: Path, *, keeps_damaged: bool = False) -> tuple[VideoReader, list[int]]:
    reader = VideoReader(path, 1, keeps_damaged=keeps_damaged)
    return reader, [read_code(to_bgr(frame)) for frame in reader]


@pytest.mark.parametrize("sound_s", [4.0, 9.0])
@pytest.mark.parametrize("kind", KINDS)
def test_whole_files_are_read_whatever_the_length_of_their_sound(
    tmp_path: Path, kind: str, sound_s: float
) -> None:
    reader, codes = codes_of(write(tmp_path, kind, sound_s=sound_s))
    assert codes == list(range(40))
    assert (reader.container_damage, reader.damaged) == ([], {})
    assert float(reader.fps) == pytest.approx(10, rel=0.01)


@pytest.mark.parametrize("num_threads", [1, 2, 8])
@pytest.mark.parametrize("kind", KINDS)
def test_the_last_frames_are_read_where_the_sound_is_the_first_stream(
    tmp_path: Path, kind: str, num_threads: int
) -> None:
    """The decoder holds frames back: one for each thread, and those that B-frames refer to."""
    name, encoder, options = KINDS[kind]
    has_b_frames = encoder in ("libx264", "mpeg2video", "mpeg4")
    file = write_with_sound(
        *(tmp_path / name, 40, 4.0),
        encoder=encoder,
        container_options=options,
        codec_options={"g": "40", "bf": "2"} if has_b_frames else None,
        sound_first=True,
    )
    with av.open(str(file)) as container:
        assert [stream.type for stream in container.streams] == ["audio", "video"]
    reader = VideoReader(file, num_threads)
    assert [read_code(to_bgr(frame)) for frame in reader] == list(range(40))
    assert float(reader.fps) == pytest.approx(10, rel=0.01)


@pytest.mark.skipif(not REAL.is_dir(), reason="no real data beside the project")
@pytest.mark.parametrize("num_threads", [1, 2, 8])
def test_a_real_recording_with_its_sound_first_is_read_whole(num_threads: int) -> None:
    file = REAL / "labelstudio" / "opossum_snow_short.mp4"
    with av.open(str(file)) as container:
        num_packets = sum(packet.size > 0 for packet in container.demux(video=0))
    assert len(list(VideoReader(file, num_threads))) == num_packets == 35


@pytest.mark.parametrize("kind", KINDS)
def test_cut_off_files_are_told(tmp_path: Path, kind: str) -> None:
    file = write(tmp_path, kind)
    content = file.read_bytes()
    draw = random.Random(0)
    for share in [draw.uniform(0.3, 0.93) for _ in range(8)]:
        file.write_bytes(content)
        cut_off(file, share)
        with pytest.raises(InputError, match=r"v\.\w+: ") as error:
            codes_of(file)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "MPEG-TS"])
def test_a_hole_is_told(tmp_path: Path, kind: str) -> None:
    file = write(tmp_path, kind)
    content = file.read_bytes()
    draw = random.Random(1)
    for start in [draw.randrange(len(content) // 4, len(content) * 3 // 4) for _ in range(6)]:
        file.write_bytes(content[:start] + content[start + len(content) // 9 :])
        with pytest.raises(InputError):
            codes_of(file)


class TestOgg:
    def pages(self, content: bytes) -> list[int]:
        places, place = [], content.find(b"OggS")
        while place >= 0:
            places.append(place)
            place = content.find(b"OggS", place + 1)
        return places

    def test_a_lost_page_is_told(self, tmp_path: Path) -> None:
        """Between two pages, where nothing is damaged and no checksum fails."""
        file = write(tmp_path, "Ogg")
        content = file.read_bytes()
        places = self.pages(content)
        middle = len(places) // 2
        file.write_bytes(content[: places[middle]] + content[places[middle + 1] :])
        assert "belongs" in missing_part(file, "ogg")
        with pytest.raises(InputError, match="its container is damaged, frames may be missing"):
            codes_of(file)
        file.write_bytes(content[: places[middle]])
        assert missing_part(file, "ogg") == "the last page of a stream missing"

    def test_a_checksum_that_fails_is_told_or_kept(self, tmp_path: Path) -> None:
        file = write(tmp_path, "Ogg")
        content = bytearray(file.read_bytes())
        content[self.pages(bytes(content))[len(self.pages(bytes(content))) // 2] + 22] ^= 1
        file.write_bytes(content)
        with pytest.raises(InputError, match="frames may be missing: 'CRC mismatch!'"):
            codes_of(file)
        reader, codes = codes_of(file, keeps_damaged=True)
        assert "CRC mismatch!" in reader.container_damage
        assert len(codes) < 40 or reader.is_variable_rate


def test_a_kept_stream_that_is_cut_off_says_so(tmp_path: Path) -> None:
    file = cut_off(write(tmp_path, "MPEG-TS"), 0.7)
    if len(file.read_bytes()) % 188 == 0:
        file.write_bytes(file.read_bytes()[:-1])
    reader, codes = codes_of(file, keeps_damaged=True)
    assert any("of a last packet of 188" in text for text in reader.container_damage)
    assert codes[:20] == list(range(20))


@pytest.mark.parametrize("flags", [0, 1])
def test_an_asf_that_was_broadcast_declares_no_size(tmp_path: Path, flags: int) -> None:
    file = write(tmp_path, "WMV")
    content = bytearray(file.read_bytes())
    place = content.index(bytes.fromhex("a1dcab8c47a9cf118ee400c00c205365"))
    struct.pack_into("<Q", content, place + 40, 2 * len(content))
    struct.pack_into("<I", content, place + 88, 2 | flags)
    file.write_bytes(content)
    assert bool(missing_part(file, "asf")) == (flags == 0)


@pytest.mark.parametrize("added", [b"\0" * 40, b"notes of the camera" * 3, b"x"])
def test_what_cameras_add_to_an_mp4_is_no_damage(tmp_path: Path, added: bytes) -> None:
    file = write_coded_video(tmp_path / "v.mp4", 12)
    file.write_bytes(file.read_bytes() + added)
    assert codes_of(file)[1] == list(range(12))


@pytest.mark.parametrize("container", ["mov", "asf", "ogg", "mpegts", "flv"])
def test_nothing_is_known_of_other_bytes(tmp_path: Path, container: str) -> None:
    draw = random.Random(0)
    for size in (0, 1, 7, 100, 3000):
        (tmp_path / "v").write_bytes(draw.randbytes(size))
        told = missing_part(tmp_path / "v", container)
        assert told == "" or container == "ogg"

"""Given splits in every form, and the sides that are drawn in addition."""

import json
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vigil.domain.sides import SIDES, TEST, TRAIN, VAL
from vigil.domain.splits.given import count_given, hold_given, read_given
from vigil.plumbing.errors import FieldError, InputError

SHIPPED = Path(__file__).parents[3] / "splits" / "drawn.csv"


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as error:
        read_given(path)
    assert "\n" not in str(error.value)
    return str(error.value)


class TestTable:
    @pytest.mark.parametrize(
        "text",
        [
            "name,side\na.mp4,train\nb c.mp4,test\n",
            "name, side\r\na.mp4, train\r\nb c.mp4, test\r\n",
            '\ufeffname,side\n"a.mp4","train"\n"b c.mp4","test"',
            "name,side\na.mp4,train\n\nb c.mp4,test\na.mp4,train\n",
        ],
    )
    def test_each_name_has_its_side(self, tmp_path: Path, text: str) -> None:
        file = write(tmp_path / "given.csv", text)
        assert read_given(file) == {"a.mp4": "train", "b c.mp4": "test"}

    @pytest.mark.parametrize("name", ["NA", "null", "nan", "0123", "1e5", "-1", "true", "=1", "'x"])
    def test_names_that_look_like_something_else_are_names(self, tmp_path: Path, name: str) -> None:
        assert read_given(write(tmp_path / "a.csv", f"name,side\n{name},val\n")) == {name: "val"}

    def test_a_table_without_rows_gives_none_as_the_one_that_is_shipped(self, tmp_path) -> None:
        assert read_given(write(tmp_path / "a.csv", "name,side\n")) == {}
        assert read_given(SHIPPED) == {}

    @pytest.mark.parametrize("side", ["", "Train", "validation", "train.txt", "none"])
    def test_an_unknown_side_is_refused(self, tmp_path: Path, side: str) -> None:
        told = refused(write(tmp_path / "a.csv", f"name,side\na.mp4,test\nb.mp4,{side}\n"))
        assert "'b.mp4': expected one of train, val, test, got " in told
        assert repr(side) in told

    def test_a_name_on_two_sides_is_refused(self, tmp_path: Path) -> None:
        told = refused(write(tmp_path / "a.csv", "name,side\na,train\nb,val\na,test\n"))
        assert "expected each name on one side, got 'a' in train and test" in told

    @pytest.mark.parametrize(
        "text",
        [
            *("", "\n", "a.mp4,train\n", "side,name\ntrain,a\n", "name\na\n"),
            *("name,side,more\na,train,1\n", "name;side\na;train\n", "name,side\na,train,1\n"),
            *(
                "name,side\na,train\nb,train,1\n",
                'name,side\n"a,train\n',
                "name,side,side\na,b,c\n",
            ),
        ],
    )
    def test_what_is_not_of_the_form_is_refused(self, tmp_path: Path, text: str) -> None:
        assert "a.csv: expected " in refused(write(tmp_path / "a.csv", text))

    def test_another_encoding_is_refused(self, tmp_path: Path) -> None:
        file = write(tmp_path / "a.csv", "name,side\nДверь,train\n", "cp1251")
        assert "a.csv: expected CSV, got: " in refused(file)

    def test_no_file(self, tmp_path: Path) -> None:
        assert "expected a CSV of name, side, or a folder of lists" in refused(tmp_path / "a.csv")


class TestNamesWithoutASide:
    """Nobody listed them, perhaps since nobody knew that they are there."""

    def told(self, capsys: pytest.CaptureFixture[str], *given_sides: str) -> str:
        hold(("a", "b", "c", "d"), dict(zip("abcd", given_sides, strict=False)))
        return capsys.readouterr().out

    def test_where_they_go_is_said(self, capsys) -> None:
        field = "split.given.alarm: 2 of 4 names have no given side: c, d; they go to"
        assert self.told(capsys, TRAIN, TRAIN) == f"{field} test\n"
        assert self.told(capsys, TRAIN, TEST) == f"{field} val\n"
        assert self.told(capsys, VAL, TEST) == f"{field} train\n"
        last = self.told(capsys, TEST)
        assert "3 of 4 names have no given side: b, c, d; train and val are drawn from" in last

    def test_nothing_is_said_where_all_or_none_have_one(self, capsys) -> None:
        assert self.told(capsys) == self.told(capsys, TRAIN, TRAIN, VAL, TEST) == ""


class TestLists:
    def test_a_folder_of_lists(self, tmp_path: Path) -> None:
        write(tmp_path / "train.txt", "a.jpg\n  b.jpg  \r\n\n")
        write(tmp_path / "test.txt", "\ufeffdeep/c d.jpg")
        write(tmp_path / "trainval.txt", "what else lies there does not matter")
        expected = {"a.jpg": TRAIN, "b.jpg": TRAIN, "deep/c d.jpg": TEST}
        assert read_given(tmp_path) == expected

    def test_lists_of_one_class_of_pascal_voc_have_a_second_column(self, tmp_path: Path) -> None:
        write(tmp_path / "train.txt", "2008_000008 -1\n2008_000015  1\n2008_000019  0\n")
        write(tmp_path / "val.txt", "2008_000002 -1\n")
        names = ("2008_000008", "2008_000015", "2008_000019", "2008_000002")
        told = read_given(tmp_path)
        assert hold(tuple(f"{name}.jpg" for name in names), told)[0] == ["", "", "", VAL]

    def test_a_whole_line_comes_before_a_name_and_a_mark(self, tmp_path: Path) -> None:
        write(tmp_path / "test.txt", "yard 1\n")
        write(tmp_path / "val.txt", "yard\n")
        told = read_given(tmp_path)
        assert hold(("yard.mp4", "yard 1.mp4", "door.mp4"), told)[0] == [VAL, TEST, TRAIN]

    def test_a_table_has_no_marks(self, tmp_path: Path) -> None:
        told = read_given(write(tmp_path / "a.csv", "name,side\nyard 1,test\n"))
        with pytest.raises(FieldError, match="'yard 1': expected a name of the data"):
            hold(("yard.mp4", "door.mp4"), told)

    @pytest.mark.parametrize("name", ["1", "-1", "a 2", "my door", "0 0.jpg", "#1"])
    def test_what_looks_like_a_column_may_be_a_name(self, tmp_path: Path, name: str) -> None:
        write(tmp_path / "val.txt", f"{name}\n")
        assert hold((name, "other"), read_given(tmp_path))[0] == [VAL, ""]

    def test_a_folder_of_coco_files_gives_their_pictures(self, tmp_path: Path) -> None:
        images = [{"id": 1, "file_name": "a/1.jpg"}, {"id": 2, "file_name": "2.jpg"}]
        write(tmp_path / "train.json", json.dumps({"images": images, "annotations": []}))
        write(tmp_path / "val.txt", "3.jpg\n")
        given_sides = read_given(tmp_path)
        assert given_sides == {"a/1.jpg": TRAIN, "2.jpg": TRAIN, "3.jpg": VAL}
        assert count_given(given_sides) == {"given": {TRAIN: 2, VAL: 1}}
        assert count_given({}) == {}

    @pytest.mark.parametrize("content", [[], {}, {"images": 1}, {"images": [{"id": 1}]}])
    def test_json_without_pictures_is_refused(self, tmp_path: Path, content: object) -> None:
        write(tmp_path / "test.json", json.dumps(content))
        assert "test.json: expected COCO's images" in refused(tmp_path)

    def test_json_with_a_key_twice_is_refused(self, tmp_path: Path) -> None:
        """Python would forget the pictures of the first."""
        write(tmp_path / "test.json", '{"images": [{"file_name": "a.jpg"}], "images": []}')
        assert "images" in refused(tmp_path)

    def test_two_files_for_one_side_are_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "test.json", '{"images": []}')
        write(tmp_path / "test.txt", "a.jpg\n")
        assert "expected one file for test" in refused(tmp_path)

    @pytest.mark.parametrize(
        ("name", "text"), [("val.txt", "\n \n"), ("val.json", '{"images": []}')]
    )
    def test_an_empty_list_is_refused_since_its_side_would_be_drawn(
        self, tmp_path: Path, name: str, text: str
    ) -> None:
        write(tmp_path / name, text)
        assert f"{name}: expected names, found none" in refused(tmp_path)

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            *(("valid.txt", "val.txt"), ("Train.txt", "train.txt"), ("testing.json", "test.json")),
            *(("VAL.txt", "val.txt"), ("validation.json", "val.json")),
        ],
    )
    def test_a_list_with_nearly_the_name_of_a_side_is_refused(
        self, tmp_path: Path, name: str, expected: str
    ) -> None:
        other = "test.txt" if expected.startswith("train") else "train.txt"
        write(tmp_path / other, "a\n")
        write(tmp_path / name, "b\n")
        assert f"{name}: expected the name {expected}, got {name}" in refused(tmp_path)

    @pytest.mark.parametrize("name", ["validation.txt", "VAL.TXT", "val.Json"])
    def test_two_lists_for_a_side_are_refused(self, tmp_path: Path, name: str) -> None:
        """Nothing says which of them counts, and a new name for one would overwrite the other."""
        write(tmp_path / "val.txt", "a\n")
        write(tmp_path / name, "b\n")
        told = refused(tmp_path)
        assert "expected one file for val, got" in told
        assert name in told

    def test_endings_may_be_in_capitals_but_then_the_list_is_not_left_out(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path / "train.txt", "a\n")
        write(tmp_path / "TEST.TXT", "c\n")
        assert "expected the name test.txt, got TEST.TXT" in refused(tmp_path)

    def test_the_number_of_a_class_may_follow_the_name_of_a_file(self, tmp_path: Path) -> None:
        """As in UCF101's lists. Without an ending, a name may end in a number."""
        write(tmp_path / "train.txt", "Yard/v 1.avi 7\nYard/v_2.avi 12\ngate 12\n")
        given = read_given(tmp_path)
        names = pd.Series(["Yard/v 1.avi", "Yard/v_2.avi", "gate 12"])
        assert hold_given(names, given, "alarm").given.tolist() == ["train"] * 3
        with pytest.raises(InputError, match=r"gate 12.: expected a name of the data"):
            hold_given(pd.Series(["Yard/v 1.avi", "Yard/v_2.avi", "gate"]), given, "alarm")

    def test_a_name_on_two_lists_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "train.txt", "a\nb\n")
        write(tmp_path / "val.txt", "a\n")
        assert "got 'a' in train and val" in refused(tmp_path)

    def test_a_name_with_a_mark_and_without_it_on_two_lists_is_refused(
        self, tmp_path: Path
    ) -> None:
        write(tmp_path / "train.txt", "a -1\nb 1\n")
        write(tmp_path / "val.txt", "a\n")
        with pytest.raises(FieldError, match="'a': expected one side, got train and val"):
            hold(("a", "b"), read_given(tmp_path))

    @pytest.mark.parametrize("name", ["", "Train.txt.bak", "train.csv", "train.txt/a"])
    def test_a_folder_without_a_list_is_refused(self, tmp_path: Path, name: str) -> None:
        if name:
            write(tmp_path / name, "a")
        assert "expected one of train.txt, val.txt, test.txt, or .json of COCO" in refused(tmp_path)

    def test_another_encoding_is_refused(self, tmp_path: Path) -> None:
        write(tmp_path / "test.txt", "Дверь\n", "cp1251")
        assert "test.txt: expected UTF-8, got: " in refused(tmp_path)


NAMES = ("walk/a.avi", "walk/b.avi", "run/b.avi", "c.mp4", "d", "deep/er/e.tar.gz")


def hold(names: tuple[str, ...], told: dict[str, str]) -> tuple[list[str], tuple[str, ...]]:
    sides, open_sides, _ = hold_given(pd.Series(names), told, "alarm")
    return list(sides), open_sides


class TestHold:
    def test_nothing_given_leaves_all_to_be_drawn(self) -> None:
        assert hold(NAMES, {}) == ([""] * len(NAMES), SIDES)

    @pytest.mark.parametrize(
        ("alias", "place"),
        [
            *(("walk/a.avi", 0), ("walk/a", 0), ("a.avi", 0), ("a", 0)),
            *(("walk/b", 1), ("walk/b.avi", 1), ("run/b", 2), ("c", 3), ("d", 4)),
            *(("e.tar.gz", 5), ("deep/er/e.tar", 5), ("e.tar", 5)),
        ],
    )
    def test_a_name_may_lack_its_ending_and_its_folders(self, alias: str, place: int) -> None:
        sides, open_sides = hold(NAMES, {alias: TEST})
        assert sides == [TEST if at == place else "" for at in range(len(NAMES))]
        assert open_sides == (TRAIN, VAL)

    @pytest.mark.parametrize("alias", ["b", "b.avi"])
    def test_a_short_name_of_several_is_refused(self, alias: str) -> None:
        with pytest.raises(FieldError, match=r"fits run/b\.avi, walk/b\.avi$") as error:
            hold(NAMES, {alias: TEST})
        assert error.value.field == "given.alarm"

    def test_a_full_name_is_itself_also_where_it_is_a_short_one_of_another(self) -> None:
        assert hold(("a", "a.mp4", "x/a"), {"a": TEST})[0] == [TEST, "", ""]

    @pytest.mark.parametrize("name", ["", "er/e.tar.gz", "walk", "A.avi", "e", "z.mp4", ".avi"])
    def test_an_unknown_name_is_refused(self, name: str) -> None:
        told = "expected a name of the data, got none of c.mp4, d, deep/er/e.tar.gz"
        with pytest.raises(FieldError, match=told) as error:
            hold(NAMES, {"c": TRAIN, name: TRAIN})
        assert repr(name) in str(error.value)

    def test_one_thing_by_two_names_has_one_side(self) -> None:
        assert hold(NAMES, {"a": TEST, "walk/a": TEST})[0][0] == TEST
        for first, second in (("a", "walk/a"), ("walk/a.avi", "a"), ("walk/a", "walk/a.avi")):
            with pytest.raises(InputError, match=r"'walk/a\.avi': expected one side, got test and"):
                hold(NAMES, {first: TEST, second: TRAIN})

    def test_all_sides_given_leave_nothing_to_be_drawn(self) -> None:
        told = dict(zip(NAMES, (TRAIN, VAL, TEST, TRAIN, VAL, TEST), strict=True))
        assert hold(NAMES, told) == (list(told.values()), (TRAIN,))
        told.pop("d")
        with pytest.raises(FieldError, match=r"^given.alarm: .* found none for d$"):
            hold(NAMES, told)

    @pytest.mark.parametrize(
        ("told", "expected", "drawn"),
        [
            ({"a": TRAIN}, ["", TEST, TEST, TEST], (TRAIN, VAL)),
            ({"a": TRAIN, "b": VAL}, [TRAIN, VAL, TEST, TEST], (TRAIN,)),
            ({"a": TRAIN, "b": TEST}, [TRAIN, TEST, VAL, VAL], (TRAIN,)),
            (dict.fromkeys("abcd", TRAIN), ["", "", "", ""], SIDES),
            (dict.fromkeys("abc", TRAIN) | {"d": TEST}, ["", "", "", TEST], (TRAIN, VAL)),
        ],
    )
    def test_beside_a_given_training_side_nothing_else_is_trained_on(
        self, told: dict[str, str], expected: list[str], drawn: tuple[str, ...]
    ) -> None:
        assert hold(tuple("abcd"), told) == (expected, drawn)

    @pytest.mark.parametrize("name", ["./walk/a.avi", "walk\\a.avi", ".\\walk\\a"])
    def test_names_may_be_paths_of_another_system(self, name: str) -> None:
        assert hold(NAMES, {name: TEST})[0][0] == TEST

    def test_validation_and_test_alone_leave_the_rest_for_training(self) -> None:
        told = {"walk/a.avi": VAL, "c.mp4": TEST}
        expected = [VAL, TRAIN, TRAIN, TEST, TRAIN, TRAIN]
        assert hold(NAMES, told) == (expected, (TRAIN,))

    def test_several_rows_of_a_name_stay_together(self) -> None:
        names = pd.Series(["a", "b", "a"], index=["x", "y", "z"])
        held = hold_given(names, {"a": VAL}, "alarm")
        assert held.sides.to_dict() == {"x": VAL, "y": "", "z": VAL}
        assert held.given.to_dict() == held.sides.to_dict()


@given(
    told=st.dictionaries(st.sampled_from(NAMES), st.sampled_from(SIDES)),
    names=st.lists(st.sampled_from(NAMES), min_size=1, max_size=20),
)
def test_what_is_given_is_held_and_only_the_training_side_is_open(told, names) -> None:
    told = {name: side for name, side in told.items() if name in names}
    rest = set(names) - set(told)
    try:
        sides, open_sides = hold(tuple(names), told)
    except FieldError:
        assert set(SIDES) == set(told.values())
        assert rest
        return
    empty = [side for side in (TEST, VAL) if side not in told.values()]
    placed = empty[:1] if rest and TRAIN in told.values() else []
    assert open_sides == tuple(
        side for side in SIDES if side == TRAIN or (side in empty and side not in placed)
    )
    for name, side in zip(names, sides, strict=True):
        if told.get(name, TRAIN) != TRAIN:
            assert side == told[name]
        elif name in rest and placed:
            assert side == placed[0]
        else:  # to be drawn, unless all sides are given
            assert side == (TRAIN if len(open_sides) == 1 else "")

"""Engines: the same results in the same order, whatever runs the items and whatever is lost."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import COMMANDS, REPOSITORY, Project, files_of
from tiny_clips import write_clips

from vigil.plumbing import engine_backends, engine_worker
from vigil.plumbing.engine import each, grouped
from vigil.plumbing.engine_worker import Call, Checks
from vigil.plumbing.errors import InputError

NUM_ITEMS = 14
SCRIPT = """
import json, os, signal, sys, time
from pathlib import Path

from vigil.plumbing.engine import each
from vigil.plumbing.errors import InputError

SLOW_S, LOST, BAD = (json.loads(word) for word in sys.argv[1:4])


def work(number):
    with Path("worked").open("a") as file:
        file.write(f"{number}\\n")
    time.sleep(SLOW_S)
    if number == BAD:
        raise InputError(f"clip {number}: expected a video, got none")
    if number == LOST and not Path("was_lost").exists():
        Path("was_lost").touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return number**2, os.getpid(), os.environ.get("VIGIL_THREADS")


if __name__ == "__main__":
    items = list(range(NUM_ITEMS))
    Path("parent").write_text(str(os.getpid()))
    try:
        names = [f"clip {one}" for one in items]
        print(json.dumps(list(each(work, items, names, "work", "clip", threads=3))))
    except InputError as error:
        sys.exit(str(error))
""".replace("NUM_ITEMS", str(NUM_ITEMS))
DATA_STAGES = (
    *("extract_frames", "interpolate_annotations", "generate_samples", "import_detections"),
    *("import_clips", "embed_clips"),
)


def run_script(
    folder: Path, engine: Mapping[str, str], slow_s: float = 0, lost: int = -1, bad: int = -1
) -> subprocess.CompletedProcess[str]:
    """Runs the script on an engine, in a folder of its own."""
    (folder / "script.py").write_text(SCRIPT)
    return subprocess.run(
        [sys.executable, "script.py", *map(str, (slow_s, lost, bad))],
        cwd=folder, env={**os.environ, **engine}, capture_output=True, text=True, check=False,
    )  # fmt: skip


class Cluster(NamedTuple):
    """A Dask cluster whose scheduler and workers are processes of their own."""

    address: str
    scheduler: "subprocess.Popen[bytes]"
    workers: "list[subprocess.Popen[bytes]]"


@contextmanager
def started(
    place: Path, num_workers: int, *options: str, scheduler_path: str | None = None
) -> Iterator[Cluster]:
    """A cluster that ends here.

    Args:
        options: of the workers.
        scheduler_path: where the scheduler finds modules, if not where the test finds them.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if name != "VIGIL_WORKERS"}

    def start(module: str, *words: str, **variables: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{module}", *words]
        return subprocess.Popen(
            [*command, "--no-dashboard"], cwd=place, env=own | variables, stderr=subprocess.DEVNULL
        )

    address = f"127.0.0.1:{port}"
    path = {"PYTHONPATH": scheduler_path} if scheduler_path else {}
    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", str(port), **path)]
    try:
        for at in range(num_workers):
            words = (f"tcp://{address}", "--nthreads", "1", *options)
            processes.append(
                start("dask_worker", *words, "--local-directory", str(place / str(at)))
            )
        from distributed import Client

        with Client(f"tcp://{address}", timeout=60, set_as_default=False) as client:
            client.wait_for_workers(num_workers, timeout=120)
        yield Cluster(address, processes[0], processes[1:])
    finally:
        for process in processes[::-1]:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def scheduler(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Dask cluster of two workers."""
    with started(tmp_path_factory.mktemp("dask"), 2) as cluster:
        yield f"dask://{cluster.address}"


@pytest.fixture(
    params=["loky 1", "loky 2", "loky 4", "dask", pytest.param("ray", marks=pytest.mark.slow)]
)
def engine(request: pytest.FixtureRequest) -> dict[str, str]:
    """The variables that name an engine."""
    scheme, _, num_workers = request.param.partition(" ")
    name = request.getfixturevalue("scheduler") if scheme == "dask" else scheme
    return {"VIGIL_ENGINE": name, "VIGIL_WORKERS": num_workers or "2"}


def test_results_are_in_order_and_lost_work_is_done_again(tmp_path: Path, engine: dict[str, str]):
    is_alone = engine["VIGIL_WORKERS"] == "1"
    lost = -1 if is_alone else 5
    done = run_script(tmp_path, engine, slow_s=0.05, lost=lost)
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert [square for square, _, _ in results] == [number**2 for number in range(NUM_ITEMS)]
    assert (len({process for _, process, _ in results}) == 1) == is_alone
    if not is_alone:
        assert (tmp_path / "was_lost").exists()
        assert {threads for _, _, threads in results} == {"3"}


def test_a_wrong_input_is_told_by_its_name_and_not_tried_again(
    tmp_path: Path, engine: dict[str, str]
):
    done = run_script(tmp_path, engine, bad=2)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "clip 2: expected a video, got none"
    assert (tmp_path / "worked").read_text().splitlines().count("2") == 1


def run_data_stages(project: Project, variables: Mapping[str, str]) -> dict[str, bytes]:
    """The files that the data stages write on an engine."""
    for stage in DATA_STAGES:
        script = str(REPOSITORY / "stages" / f"{stage}.py")
        done = subprocess.run(
            [sys.executable, script, *COMMANDS[stage]],
            cwd=project.folder, env={**os.environ, **variables}, capture_output=True, text=True,
            check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
    return files_of(project.folder / "data")


@pytest.fixture(scope="module")
def clips_project(untouched_project: Project, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The scene with clips, before any stage ran. Copy it, do not change it."""
    project = Project(tmp_path_factory.mktemp("clips") / "project")
    shutil.copytree(untouched_project.folder, project.folder)
    write_clips(project.folder / "scene" / "clips", num_sources=3)
    project.set_params(
        "dataset", clips="scene/clips", anomalous_classes=["dash"], clip_group_pattern=""
    )
    return project


@pytest.fixture(scope="module")
def written_alone(
    clips_project: Project, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, bytes]:
    """What the data stages write in a process of their own."""
    project = Project(tmp_path_factory.mktemp("alone") / "project")
    shutil.copytree(clips_project.folder, project.folder)
    return run_data_stages(project, {"VIGIL_WORKERS": "0"})


def test_data_stages_write_the_same_bytes(
    clips_project: Project,
    written_alone: dict[str, bytes],
    tmp_path: Path,
    engine: dict[str, str],
):
    project = Project(tmp_path / "project")
    shutil.copytree(clips_project.folder, project.folder)
    assert len(written_alone) > 40
    assert run_data_stages(project, engine) == written_alone


def test_workers_that_are_always_lost_are_an_error(tmp_path: Path):
    script = SCRIPT.replace('and not Path("was_lost").exists()', "")
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py", "0", "3", "-1"],
        cwd=tmp_path, env={**os.environ, "VIGIL_WORKERS": "2"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 1
    line = done.stderr.splitlines()[-1]
    assert line.startswith("VIGIL_ENGINE: expected workers that stay, lost 3 in a row")
    assert "clip 3" in line


@pytest.mark.parametrize("name", ["dask", pytest.param("ray", marks=pytest.mark.slow)])
def test_a_cluster_of_one_worker_is_used(name: str, tmp_path: Path):
    """Not this process, whose machine may be no place for the work."""
    with ExitStack() as stack:
        if name == "dask":
            name = f"dask://{stack.enter_context(started(tmp_path, 1)).address}"
        done = run_script(tmp_path, {"VIGIL_ENGINE": name, "VIGIL_WORKERS": "1"})
    assert done.returncode == 0, done.stderr
    (worker,) = {process for _, process, _ in json.loads(done.stdout.splitlines()[-1])}
    assert str(worker) != (tmp_path / "parent").read_text()


def seconds(number: int, one_s: float = 0.3) -> tuple[list[float], list[str]]:
    """Items for `time.sleep`, which every worker has, and their names."""
    return [one_s] * number, [f"clip {at}" for at in range(number)]


def test_a_scheduler_that_cannot_load_vigil_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Dask itself would wait for ever."""
    (tmp_path / "other/vigil").mkdir(parents=True)
    (tmp_path / "other/vigil/__init__.py").touch()
    with started(tmp_path, 1, scheduler_path=str(tmp_path / "other")) as cluster:
        monkeypatch.setenv("VIGIL_ENGINE", f"dask://{cluster.address}")
        monkeypatch.setenv("VIGIL_WORKERS", "2")
        told = "expected this version of vigil where the Dask scheduler runs.*No module named 'vig"
        with pytest.raises(InputError, match=told):
            list(each(time.sleep, *seconds(4), "work", "clip"))


SCHEDULER_LOST = r"expected a Dask scheduler that stays at tcp://.*, lost the connection"
WORKERS_LOST = "expected workers that stay, had none for 3 s that "


@pytest.mark.parametrize(
    ("lost", "after_s", "told"),
    [
        ("workers", 0, WORKERS_LOST + r"worked on one of: clip \d"),
        ("scheduler", 0, SCHEDULER_LOST),
        # All items that are handed out are finished, and their results wait on the workers.
        ("workers", 2, WORKERS_LOST + "had finished their items"),
        ("scheduler", 2, SCHEDULER_LOST),
    ],
)
def test_a_cluster_that_is_lost_in_the_midst_is_told(
    lost: str,
    after_s: float,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
):
    monkeypatch.setattr(engine_backends, "NO_WORKER_S", 3.0)
    monkeypatch.setattr(engine_backends, "POLL_S", 0.5)
    with started(tmp_path, 2, "--no-nanny") as cluster:
        monkeypatch.setenv("VIGIL_ENGINE", f"dask://{cluster.address}")
        monkeypatch.setenv("VIGIL_WORKERS", "2")
        results = each(time.sleep, *seconds(200), "work", "clip")
        next(results)
        time.sleep(after_s)
        for process in cluster.workers if lost == "workers" else [cluster.scheduler]:
            process.kill()
        with pytest.raises(InputError, match=told):
            list(results)
    assert "Traceback" not in capfd.readouterr().err


def test_workers_that_are_lost_on_one_item_are_an_error_that_names_it(
    tmp_path: Path, scheduler: str
):
    script = SCRIPT.replace('and not Path("was_lost").exists()', "")
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py", "0.05", "9", "-1"],
        cwd=tmp_path, env={**os.environ, "VIGIL_ENGINE": scheduler, "VIGIL_WORKERS": "2"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()[-1:]
    assert line.startswith("VIGIL_ENGINE: expected workers that stay, lost")
    assert "clip 9" in line


def test_only_the_items_at_work_are_named(tmp_path: Path):
    """Later items are finished while the first takes long, and are not handed out in order."""
    script = SCRIPT.replace('and not Path("was_lost").exists()', "").replace(
        "time.sleep(SLOW_S)", "time.sleep(60 if number == 0 else 0)"
    )
    (tmp_path / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, "script.py", "0", "9", "-1"],
        cwd=tmp_path, env={**os.environ, "VIGIL_WORKERS": "2"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    line = done.stderr.splitlines()[-1]
    assert "clip 9" in line
    assert "clip 1," not in line


def children_of(process: int) -> set[int]:
    """Processes on Linux by their parent."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == process and fields[0] != "Z":
            found.add(int(status.parent.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_stage_that_is_stopped_leaves_no_worker_and_keeps_what_is_finished(
    project: Project, number: signal.Signals
):
    script = str(REPOSITORY / "stages" / "extract_frames.py")
    process = subprocess.Popen(
        [sys.executable, script, *COMMANDS["extract_frames"]],
        cwd=project.folder,
        env={**os.environ, "VIGIL_WORKERS": "2"},
        stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    memo = project.folder / ".vigil" / "memo" / "frames"
    while process.poll() is None and not whole_entries(memo):
        time.sleep(0.005)
    workers = children_of(process.pid)
    process.send_signal(number)
    process.communicate()
    kept = whole_entries(memo)
    assert kept
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{one}/cwd").exists() for one in workers):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert whole_entries(memo) >= kept


def whole_entries(memo: Path) -> set[str]:
    if not memo.exists():
        return set()
    return {entry.name for entry in memo.iterdir() if not entry.name.startswith("partial-")}


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"VIGIL_ENGINE": "spark"}, "VIGIL_ENGINE: expected loky, dask://host:port, ray"),
        ({"VIGIL_ENGINE": "dask"}, "VIGIL_ENGINE: expected loky, dask://host:port, ray"),
        ({"VIGIL_ENGINE": "dask://host"}, "VIGIL_ENGINE: expected loky, dask://host:port, ray"),
        ({"VIGIL_ENGINE": "loky://host:1"}, "VIGIL_ENGINE: expected loky, dask://host:port, ray"),
        ({"VIGIL_ENGINE": "dask://me@host:1"}, "VIGIL_ENGINE: expected loky, dask://host:port"),
        ({"VIGIL_ENGINE": "ray://host:1?x=y"}, "VIGIL_ENGINE: expected loky, dask://host:port"),
        ({"VIGIL_WORKERS": "two"}, "VIGIL_WORKERS: expected a whole number from 0 to 10000"),
        ({"VIGIL_WORKERS": "-1"}, "VIGIL_WORKERS: expected a whole number from 0 to 10000"),
        ({"VIGIL_WORKERS": "9" * 20}, "VIGIL_WORKERS: expected a whole number from 0 to 10000"),
        ({"VIGIL_WORKERS": "9" * 5000}, "VIGIL_WORKERS: expected a whole number from 0 to 10000"),
        ({"VIGIL_WORKERS": "\u0663"}, "VIGIL_WORKERS: expected a whole number from 0 to 10000"),
    ],
)
@pytest.mark.parametrize("num_items", [1, 2])
def test_an_engine_that_is_no_engine_is_refused(
    variables: dict[str, str], told: str, num_items: int, monkeypatch: pytest.MonkeyPatch
):
    """Also where there is so little to do that the engine is not needed."""
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    items = list(range(num_items))
    with pytest.raises(InputError, match=told):
        list(each(abs, items, list("ab"[:num_items]), "work", "item"))


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("vigil.plumbing.engine_backends.ANSWER_WITHIN_S", 0.5)
    monkeypatch.setenv("VIGIL_WORKERS", "2")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        monkeypatch.setenv("VIGIL_ENGINE", f"dask://{address}")
        with pytest.raises(InputError, match=f"Dask scheduler at tcp://{address}, got no answer"):
            list(each(abs, [1, 2], ["a", "b"], "work", "item"))


def test_a_ray_cluster_that_is_not_there_is_told_at_once(monkeypatch: pytest.MonkeyPatch):
    """Ray itself would try for half a minute, and warn on standard error."""
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    monkeypatch.setenv("VIGIL_ENGINE", f"ray://{address}")
    monkeypatch.setenv("VIGIL_WORKERS", "2")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match=f"expected a Ray cluster at {address}, got: .*refuse"):
            list(each(abs, [1, 2], ["a", "b"], "work", "item"))


def test_another_program_is_no_scheduler(monkeypatch: pytest.MonkeyPatch):
    """Its first bytes would be taken for a number of frames, and memory asked for all of them."""
    monkeypatch.setenv("VIGIL_WORKERS", "2")
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"

        def greet() -> None:
            with server.accept()[0] as connection:
                connection.sendall(b"SSH")
                time.sleep(0.2)  # a greeting may come in parts
                connection.sendall(b"-2.0-OpenSSH_9.6\r\n")

        answering = threading.Thread(target=greet)
        answering.start()
        monkeypatch.setenv("VIGIL_ENGINE", f"dask://{address}")
        with pytest.raises(InputError, match=r"got no answer .*another program answers: b'SSH-2"):
            list(each(abs, [1, 2], ["a", "b"], "work", "item"))
        answering.join()


def test_there_are_no_more_processes_than_items(monkeypatch: pytest.MonkeyPatch):
    asked: list[int] = []
    whole = engine_backends._open_parallel

    def watch(num_workers: int, *told: Any, **options: Any) -> Any:
        asked.append(num_workers)
        return whole(num_workers, *told, **options)

    monkeypatch.setattr(engine_backends, "_open_parallel", watch)
    monkeypatch.setenv("VIGIL_WORKERS", "16")
    assert list(each(abs, [-1, -2], ["a", "b"], "work", "item")) == [1, 2]
    assert asked == [2]


@pytest.mark.parametrize(
    ("library", "name"), [("distributed", "dask://127.0.0.1:1"), ("ray", "ray")]
)
def test_an_engine_that_is_not_installed_is_told(
    library: str, name: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.setenv("VIGIL_ENGINE", name)
    monkeypatch.setenv("VIGIL_WORKERS", "2")
    extra = name.partition(":")[0]
    with pytest.raises(InputError, match=rf"{extra} to be installed \(pip install 'vigil\[{extra}"):
        list(each(abs, [1, 2], ["a", "b"], "work", "item"))


class TestWorker:
    @pytest.fixture(autouse=True)
    def _own_process(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """A worker changes its process for good: what it changes is put back."""
        monkeypatch.setenv("VIGIL_STATE_DIR", str(tmp_path / "state"))
        monkeypatch.setattr(engine_worker, "_prepared", [])
        monkeypatch.setattr(engine_worker.progress, "switch_off", lambda: None)
        monkeypatch.setattr(engine_worker, "threadpool_limits", lambda *_: None)
        monkeypatch.setattr(os, "environ", dict(os.environ))

    def test_other_code_on_a_worker_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        with Checks(True, None, 0) as checks:
            here = engine_worker.describe_code()
            monkeypatch.setattr(engine_worker, "describe_code", lambda: {**here, "torch": "1.0"})
            with pytest.raises(InputError, match=r"expected torch \S+ as here, got 1\.0"):
                Call(abs, checks)(1, "clip")

    def test_changed_code_on_a_worker_is_refused(self, monkeypatch: pytest.MonkeyPatch):
        with Checks(True, None, 0) as checks:
            here = engine_worker.describe_code()
            other = {**here, "code of vigil": "0" * 12}
            monkeypatch.setattr(engine_worker, "describe_code", lambda: other)
            with pytest.raises(InputError, match=r"expected code of vigil .* as here, got 0000"):
                Call(abs, checks)(1, "clip")

    def test_the_files_of_vigil_new_in_a_wheel_are_no_code(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ):
        """A clone has them elsewhere, so a worker with the wheel would be refused."""
        package = tmp_path / "library" / "vigil"
        package.mkdir(parents=True)
        (package / "one.py").write_text("ONE = 1\n")
        monkeypatch.setattr(engine_worker, "SOURCE", package.parent)
        monkeypatch.setattr(engine_worker, "PROJECT", package / "project")
        clone = engine_worker.describe_code()
        (package / "project/stages").mkdir(parents=True)
        (package / "project/stages/watch.py").write_text("TWO = 2\n")
        assert engine_worker.describe_code() == clone
        (package / "two.py").write_text("TWO = 2\n")
        assert engine_worker.describe_code() != clone

    def test_a_worker_without_the_folder_is_refused(self, tmp_path: Path):
        with Checks(True, None, 0) as checks:
            shutil.rmtree(tmp_path / "state")
            with pytest.raises(InputError, match="as a folder that machines share, found none"):
                Call(abs, checks)(1, "clip")

    def test_another_kind_of_machine_is_refused(self):
        kinds = iter(["AVX512", "AVX2"])
        with (
            Checks(True, lambda: next(kinds), 0) as checks,
            pytest.raises(InputError, match=r"the same kind of machine.*'AVX512', got 'AVX2'"),
        ):
            Call(abs, checks)(1, "clip")

    def test_a_failure_of_the_system_names_the_item(self):
        def fill_the_disk(_: int) -> None:
            raise OSError(28, "No space left on device", "frames.zip")

        with (
            Checks(True, None, 0) as checks,
            pytest.raises(InputError, match=r"door\.mp4: frames\.zip: expected to write, got"),
        ):
            Call(fill_the_disk, checks)(1, "door.mp4")

    def test_nothing_is_left_of_the_checks(self, tmp_path: Path):
        with Checks(True, None, 0):
            assert list((tmp_path / "state/engine").iterdir())
        assert not list((tmp_path / "state/engine").iterdir())


def test_groups_hold_every_item_in_order(monkeypatch: pytest.MonkeyPatch):
    items = list(range(7))
    assert list(grouped(items, 3)) == [items]  # alone, as in all tests
    assert list(grouped([], 3)) == []
    monkeypatch.setenv("VIGIL_WORKERS", "2")
    assert list(grouped(items, 3)) == [[0, 1, 2], [3, 4, 5], [6]]


@pytest.mark.parametrize(("soon_done_s", "are_alone"), [("inf", True), ("0", False)])
def test_by_default_work_that_is_soon_done_starts_no_process(
    tmp_path: Path, soon_done_s: str, are_alone: bool
):
    lines = f"engine.SOON_DONE_S, joblib.cpu_count = float({soon_done_s!r}), lambda: 8"
    script = SCRIPT.replace("\n\n\ndef work", f"\n{lines}\n\n\ndef work", 1)
    (tmp_path / "script.py").write_text(
        f"import joblib\nfrom vigil.plumbing import engine\n{script}"
    )
    done = subprocess.run(
        [sys.executable, "script.py", "0.05", "-1", "-1"],
        cwd=tmp_path,
        env={name: value for name, value in os.environ.items() if name != "VIGIL_WORKERS"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    results = json.loads(done.stdout.splitlines()[-1])
    assert [square for square, _, _ in results] == [number**2 for number in range(NUM_ITEMS)]
    assert (len({process for _, process, _ in results}) == 1) == are_alone


def test_by_default_workers_and_threads_use_each_core_once(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("VIGIL_WORKERS")
    monkeypatch.setattr("joblib.cpu_count", lambda: 8)
    assert len(grouped(range(9), 1)) == 9  # eight processes
    assert len(grouped(range(9), 1, threads=4)) == 9  # two
    assert len(grouped(range(9), 1, threads=8)) == 1  # this one


def test_work_that_is_soon_done_loads_no_engine():
    """A stage without workers does not pay for the import of joblib, nor need its semaphores."""
    script = (
        "import sys; from vigil.plumbing.engine import each; "
        "assert list(each(abs, [-1, -2], ['a', 'b'], 'count', 'items')) == [1, 2]; "
        "sys.exit('joblib' in sys.modules)"
    )
    own = {name: value for name, value in os.environ.items() if not name.startswith("VIGIL_")}
    assert subprocess.run([sys.executable, "-c", script], env=own, check=False).returncode == 0

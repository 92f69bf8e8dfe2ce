import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

import simcompare
from flows import FlowConfig, FlowModel
from mocks.toys import toy_galaxies, write_tng_snapshot
from simcompare.cli import main
from simcompare.commands import mock as mock_command
from simcompare.commands import score as score_runs
from simcompare.commands.attribute import attribute_mocks
from simcompare.commands.mock import make_mocks
from simcompare.commands.prepare import make_image_set
from simcompare.commands.score import score_image_sets
from simcompare.observed import sample
from simcompare.runs import tasks as engine
from simcompare.runs.files import sha256
from simcompare.runs.tasks import StoppedError, run_in_order, run_tasks
from simcompare.settings import AttributeSettings, MockSettings, PrepareSettings, ScoreSettings


def square_and_process(number):
    return number, number**2, os.getpid()


def slow_square(number):
    time.sleep(0.2)
    return number**2


def wait_and_square(number):
    time.sleep(0.01 * number)
    return number**2


def refuse(number):
    raise ValueError(f"{number} is no good")


@pytest.mark.parametrize("workers", [1, 2])
def test_every_task_is_done_once(workers):
    done = sorted(run_tasks(square_and_process, list(range(7)), workers))
    assert [row[:2] for row in done] == [(number, number**2) for number in range(7)]
    assert (os.getpid() in {row[2] for row in done}) == (workers == 1)


def test_two_clusters_live_side_by_side():
    first = run_tasks(square_and_process, list(range(3)), 2)
    done = [next(first)[0]]
    assert sorted(row[0] for row in run_tasks(square_and_process, list(range(4)), 2)) == [0, 1, 2, 3]
    assert sorted(done + [row[0] for row in first]) == [0, 1, 2]


def test_signal_stops_after_the_running_task_and_a_second_at_once():
    before = signal.getsignal(signal.SIGUSR1)
    work = run_tasks(square_and_process, list(range(5)))
    next(work)
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(StoppedError, match="after 1 of 5 tasks"):
        next(work)
    assert signal.getsignal(signal.SIGUSR1) == before
    work = run_tasks(square_and_process, [1])
    next(work)
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(StoppedError, match="after 1 of 1 tasks"):
        next(work)
    work = run_tasks(square_and_process, list(range(5)))
    next(work)
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGTERM)
    work.close()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """A scheduler and two workers with a stated GPU, each a process of its own, as batch jobs start them."""
    folder = tmp_path_factory.mktemp("cluster")
    file = folder / "scheduler.json"
    environment = os.environ | {"PYTHONPATH": str(Path(simcompare.__file__).parents[1])}

    def start(program, *options):
        command = [sys.executable, "-m", f"distributed.cli.{program}", "--scheduler-file", str(file)]
        return subprocess.Popen(
            [*command, "--no-dashboard", *options], cwd=folder, env=environment, stderr=subprocess.DEVNULL
        )

    processes = [start("dask_scheduler", "--host", "127.0.0.1", "--port", "0")]
    while not file.is_file():
        time.sleep(0.1)
    processes += [start("dask_worker", "--nthreads", "1", "--resources", "GPU=1") for _ in range(2)]
    yield file, processes[1:]
    for process in reversed(processes):
        for child in psutil.Process(process.pid).children(recursive=True):
            child.kill()
        process.kill()
        process.wait()


def kill_workers(nannies, stop):
    """Kill the process of one worker after the other by signal 9."""
    for nanny in nannies:
        time.sleep(1.0)
        for child in psutil.Process(nanny.pid).children():
            if not stop.is_set() and "spawn_main" in " ".join(child.cmdline()):
                child.kill()


def test_cluster_with_dying_workers_makes_the_same_bits(cluster, stamps, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mock_command, "_IMAGES_PER_PART", 2)
    monkeypatch.setattr(score_runs, "_IMAGES_PER_TASK", 2)
    monkeypatch.setattr(sample, "_STAMPS_PER_TASK", 3)
    file, nannies = cluster
    write_tng_snapshot(Path("toy-1"), toy_galaxies("toy-1", 10, 3))
    write_tng_snapshot(Path("toy-2"), toy_galaxies("toy-1", 2, 4))
    FlowModel(FlowConfig(size=32, softening=(0.1,))).save(Path("flow"))
    mock = {"inputs": ["toy-1"], "name": "toy-1", "redshift": 0.05, "size": 32, "workers": 1}
    score = {"model": "flow", "batch_size": 2, "workers": 1}
    prepare = {"inputs": [stamps], "size": 32, "workers": 1}
    attribute = {"inputs": ["toy-2"], "name": "toy-2", "redshift": 0.05, "size": 32, "workers": 1}
    attribute |= {"model": "flow", "percents": "10", "dusts": "none"}
    attribute |= {"symmetries": False, "real_conditions": False}
    real = Path("here") / "prepare"
    for name, scheduler in (("here", None), ("there", str(file))):
        where = {"scheduler": scheduler}
        stop = threading.Event()
        killer = threading.Thread(target=kill_workers, args=(nannies, stop))
        if scheduler:
            killer.start()
        make_mocks(MockSettings(out=f"{name}/mock", **where, **mock))
        score_image_sets(ScoreSettings(images=[f"{name}/mock"], out=f"{name}/score", **where, **score))
        make_image_set(PrepareSettings(out=f"{name}/prepare", **where, **prepare))
        attribute_mocks(AttributeSettings(real=real, out=f"{name}/attribute", **where, **attribute))
        stop.set()
    killer.join()
    here, there = (
        {
            str(path.relative_to(name)): sha256(path)
            for path in Path(name).rglob("*.*")
            if path.suffix in (".h5", ".ecsv")
        }
        for name in ("here", "there")
    )
    assert sum("part-" in name for name in here) >= 4 + 1 + 2
    assert here == there


def test_tasks_for_gpus_go_to_workers_with_one(cluster, monkeypatch):
    done = list(run_tasks(square_and_process, list(range(4)), scheduler=str(cluster[0]), gpu=True))
    assert sorted(row[1] for row in done) == [0, 1, 4, 9]
    monkeypatch.setattr(engine, "_PATIENCE", 0.5)
    with pytest.raises(OSError, match=r"no worker with a GPU.*--resources GPU=1"):
        list(run_tasks(square_and_process, list(range(3)), workers=2, gpu=True))


def test_stop_on_a_cluster_keeps_what_is_finished(cluster):
    work = run_tasks(slow_square, list(range(40)), scheduler=str(cluster[0]))
    done = [next(work)]
    os.kill(os.getpid(), signal.SIGUSR1)
    with pytest.raises(StoppedError, match="of 40 tasks"):
        done.extend(work)
    assert len(done) < 40


def test_results_come_in_the_order_of_tasks_read_one_by_one(cluster):
    for scheduler in (None, str(cluster[0])):
        tasks = iter([5, 1, 4, 2, 3] * 3)
        assert list(run_in_order(wait_and_square, tasks, scheduler=scheduler)) == [25, 1, 16, 4, 9] * 3
    assert list(run_in_order(wait_and_square, iter([7]), 8)) == [49]
    assert list(run_in_order(wait_and_square, iter([]), 8)) == []


def test_error_of_a_task_is_that_of_the_call(cluster):
    with pytest.raises(ValueError, match="is no good"):
        list(run_tasks(refuse, [1, 2], scheduler=str(cluster[0])))


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.0 400 Bad Request\r\n\r\n"])
def test_an_address_where_no_scheduler_answers_is_told_in_time(answer, monkeypatch):
    monkeypatch.setattr(engine, "_ANSWER_WITHIN", 2.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        open_ones = []

        def take():
            with suppress(OSError):
                while True:
                    open_ones.append(server.accept()[0])
                    open_ones[-1].sendall(answer)

        threading.Thread(target=take, daemon=True).start()
        address, start = f"tcp://127.0.0.1:{server.getsockname()[1]}", time.monotonic()
        with pytest.raises(OSError, match=f"no Dask scheduler answers at {address}"):
            list(run_tasks(square_and_process, [1, 2], scheduler=address))
        assert time.monotonic() - start < 10
        server.shutdown(socket.SHUT_RDWR)
        for each in open_ones:
            each.close()


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[" * 100_000,
        '"tcp://h:1"',
        "{}",
        '{"address": 5}',
        '{"address": "inproc://x"}',
        '{"address": "tcp://\\u001b[2J;:1"}',
        f'{{"address": "tcp://{"a" * 300}:1"}}',
    ],
)
def test_a_file_that_names_no_scheduler_is_refused(tmp_path, content):
    (tmp_path / "scheduler.json").write_text(content)
    with pytest.raises(ValueError, match=r"is not JSON|is not the address of a scheduler"):
        list(run_tasks(square_and_process, [1, 2], scheduler=str(tmp_path / "scheduler.json")))


def test_missing_scheduler_file_is_exit_2(tmp_path, capsys):
    write_tng_snapshot(tmp_path / "toy-1", toy_galaxies("toy-1", 1, 3))
    arguments = ["mock", tmp_path / "toy-1", "--out", tmp_path / "run", "--redshift", "0.05"]
    assert main([*map(str, arguments), "--scheduler", "nowhere.json"]) == 2
    assert "nowhere.json does not exist" in capsys.readouterr().err

"""Where the work runs: in this process, on all cores, or on a cluster, always through the same call."""

import asyncio
import logging
import multiprocessing
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import chain, islice
from pathlib import Path

from simcompare.runs.documents import read_json

__all__ = ["StoppedError", "available_cores", "run_in_order", "run_tasks"]

logger = logging.getLogger(__name__)

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
}
_ANSWER_WITHIN = 30.0  # s, for a scheduler that is there
_ADDRESS = re.compile(r"(tcp|tls|ws|wss|ucx)://[\w.:\[\]-]{1,253}:\d{1,5}", re.ASCII)
_PATIENCE = 600.0  # s, until the first worker of an existing cluster must be there
_COUNT_WORKERS_EVERY = 10.0  # s


class _NoWorkersError(OSError):
    """No process can be started on this system."""


class StoppedError(Exception):
    """The work was asked to stop before it was complete; what is finished is kept."""


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(
    function: Callable,
    tasks: Sequence,
    workers: int = 1,
    *,
    scheduler: str | None = None,
    gpu: bool = False,
) -> Iterator:
    """Apply a function to every task and yield the results as they arrive, in any order.

    The function must take its randomness from the task itself, so that the results do not depend on
    the number of workers. Signals SIGTERM and SIGUSR1 end the work after the tasks that are running, as
    a batch system sends them before a job's time is over; a second one ends it at once.

    Parameters
    ----------
    function : callable
        Importable function of one argument; it gets paths and numbers, never open files or arrays.
    tasks : sequence
        Arguments, one per call.
    workers : int
        1 works in this process; more starts a local Dask cluster with one thread per worker.
    scheduler : str, optional
        An existing Dask cluster instead: its scheduler file, its address (``tcp://host:port``), or
        ``"slurm"`` to start ``workers`` jobs through dask-jobqueue as its configuration says.
    gpu : bool
        Give the tasks of a cluster only to workers started with ``--resources GPU=1``.

    Yields
    ------
    object
        What ``function`` returned.

    Raises
    ------
    StoppedError
        When a signal asked for the end, also during the last task.
    FileNotFoundError, OSError
        When the scheduler, or workers with a GPU, are not there; after all other tasks, when some tasks
        ended every worker that tried them.
    """
    if scheduler is None and (workers <= 1 or len(tasks) <= 1):
        yield from _run_here(function, tasks, len(tasks))
    elif len(tasks):
        there = _run_there(function, tasks, len(tasks), min(workers, len(tasks)), scheduler, gpu)
        yield from _or_here(there, function, tasks, len(tasks))


def run_in_order(
    function: Callable, tasks: Iterable, workers: int = 1, *, scheduler: str | None = None
) -> Iterator:
    """Apply a function to tasks that are read one after the other, and yield the results in their order.

    As `run_tasks`, for tasks whose number is not known before: a few for each worker are read ahead.

    Yields
    ------
    object
        What ``function`` returned.
    """
    waiting = iter(tasks)
    first = list(islice(waiting, 2))
    tasks = chain(first, waiting)
    if scheduler is None and (workers <= 1 or len(first) < 2):
        yield from _run_here(function, tasks, None)
        return
    early, due = {}, 0
    numbered, each = partial(_numbered, function), enumerate(tasks)
    there = _run_there(numbered, each, None, workers, scheduler, False)
    for number, result in _or_here(there, numbered, each, None):
        early[number] = result
        while due in early:
            yield early.pop(due)
            due += 1


def _numbered(function: Callable, task: tuple[int, object]) -> tuple[int, object]:
    """Give a task's result beside its number."""
    return task[0], function(task[1])


def _run_here(function: Callable, tasks: Iterable, total: int | None) -> Iterator:
    """Do the tasks in this process."""
    with _stop_signals() as is_stopped:
        for done, task in enumerate(tasks):
            if is_stopped():
                raise StoppedError(_stop_message(done, total))
            yield function(task)
        if is_stopped():
            raise StoppedError(_stop_message(total, total))


def _run_there(
    function: Callable, tasks: Iterable, total: int | None, workers: int, scheduler: str | None, gpu: bool
) -> Iterator:
    """Do the tasks on a cluster."""
    with _stop_signals() as is_stopped, _main_hidden(), _client(scheduler, workers) as client:
        _await_workers(client, gpu)
        there = partial(_run_in_folder, os.getcwd(), function)
        yield from _run_on_cluster(client, there, tasks, total, gpu, is_stopped)


def _run_in_folder(folder: str, function: Callable, task: object) -> object:
    """Run a task where the command was given, which is what its paths are relative to."""
    os.chdir(folder)
    return function(task)


def _or_here(there: Iterator, function: Callable, tasks: Iterable, total: int | None) -> Iterator:
    """Results from a cluster, or from this process where no worker can be started."""
    try:
        yield from there
    except _NoWorkersError as error:  # before the first task
        logger.warning("%s: running in this process alone", error)
        yield from _run_here(function, tasks, total)


def _stop_message(done: int, total: int | None) -> str:
    """Say how far the work came."""
    of_all = "" if total is None else f" of {total}"
    return f"stopped as asked after {done}{of_all} tasks; the same command goes on from there"


@contextmanager
def _stop_signals() -> Iterator[Callable[[], bool]]:
    """Note a signal to stop while the block runs; yields whether one came."""
    received = []

    def note(number, _frame):
        if received:
            raise KeyboardInterrupt
        received.append(number)
        logger.warning("asked to stop (%s); waiting for the running tasks", signal.Signals(number).name)

    names = ("SIGTERM", "SIGUSR1") if threading.current_thread() is threading.main_thread() else ()
    before = {name: signal.signal(getattr(signal, name), note) for name in names if hasattr(signal, name)}
    try:
        yield lambda: bool(received)
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def _client(scheduler: str | None, workers: int) -> Iterator:
    """Client of a cluster: of this machine, of a batch system, or one that is there already."""
    from distributed import Client

    if scheduler is not None and scheduler != "slurm":
        address = _address(scheduler)
        _greet(address)
        with Client(address, set_as_default=False) as client:
            yield client
        return
    cluster = _slurm_cluster(workers) if scheduler == "slurm" else _local_cluster(workers)
    with cluster, Client(cluster, set_as_default=False) as client:
        yield client


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Keep new processes from running the script that called us; they need nothing of it.

    Python imports the main script in each process that it starts. One that calls a verb, not under ``if
    __name__ == "__main__"``, would call it again there.
    """
    names, main = ("__file__", "__spec__"), vars(sys.modules["__main__"])
    kept = {name: main.pop(name) for name in names if name in main}
    main["__spec__"] = None
    try:
        yield
    finally:
        main.update({"__spec__": None} | kept)


def _local_cluster(workers: int):
    """Start processes of this machine as workers."""
    import dask
    from distributed import LocalCluster

    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        options = {
            "distributed.nanny.environ": _ONE_THREAD,
            "distributed.worker.multiprocessing-method": _way_of_starting(),
            "logging.distributed": "error",
        }
        with dask.config.set(options):
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                processes=True,
                host="127.0.0.1",
                # Any free port: two runs on one machine must not meet at the default one.
                dashboard_address="127.0.0.1:0",
            )
    except (RuntimeError, OSError) as error:
        raise _NoWorkersError(f"no worker could be started ({error})") from error


def _way_of_starting() -> str:
    """How workers come to be: forked, where there is that, from a process that has imported our modules once.

    That process is started here, as dask would start it without them.
    """
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return "spawn"
    from multiprocessing import forkserver

    ours = [name for name in sys.modules if name.partition(".")[0] in ("simcompare", "mocks", "flows")]
    multiprocessing.set_forkserver_preload(["distributed", *ours])
    before = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(_ONE_THREAD)  # libraries read these when imported
    try:
        forkserver.ensure_running()
    finally:
        for name, value in before.items():
            os.environ.pop(name)
            if value is not None:
                os.environ[name] = value
    return "forkserver"


def _address(scheduler: str) -> str:
    """Address of an existing scheduler."""
    address, source = scheduler, "--scheduler"
    if "://" not in scheduler:
        if not Path(scheduler).is_file():
            raise FileNotFoundError(
                f"scheduler file {scheduler} does not exist; give one written by 'dask scheduler "
                "--scheduler-file FILE' that is running, an address as tcp://host:8786, or 'slurm'."
            )
        content, source = read_json(scheduler), scheduler
        address = content.get("address") if isinstance(content, dict) else None
    if not isinstance(address, str) or not _ADDRESS.fullmatch(address):
        raise ValueError(
            f"{source}: {address!r} is not the address of a scheduler; write it like tcp://host:8786."
        )
    return address


def _greet(address: str) -> None:
    """Ask a scheduler who it is: of one that answers nothing, or nonsense, Dask would wait for minutes."""
    from distributed.core import rpc

    async def ask() -> None:
        async with rpc(address) as scheduler:
            await asyncio.wait_for(scheduler.identity(), _ANSWER_WITHIN)

    try:
        with ThreadPoolExecutor(1) as pool:  # this thread may be a notebook's, which has a loop of its own
            pool.submit(asyncio.run, ask()).result()
    except Exception as error:  # an answer from another server may raise anything in Dask
        reason = str(error) or f"no answer in {_ANSWER_WITHIN:.0f} s"
        raise OSError(
            f"no Dask scheduler answers at {address} ({reason}); start it, or correct --scheduler."
        ) from None


def _slurm_cluster(jobs: int):
    """Jobs of a batch system as workers, described by dask-jobqueue's own configuration."""
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError as error:
        raise ValueError(
            "scheduler 'slurm' needs dask-jobqueue: pip install 'simcompare[hpc]'; "
            "or start workers with 'dask worker' under srun and give their scheduler file."
        ) from error
    cluster = SLURMCluster(job_script_prologue=[f"export {name}=1" for name in _ONE_THREAD])
    cluster.scale(jobs=jobs)
    return cluster


def _await_workers(client, gpu: bool) -> None:
    """Wait until a worker that can take the tasks is there."""
    end = time.monotonic() + _PATIENCE
    is_logged = False
    while True:
        workers = client.scheduler_info(n_workers=-1)["workers"].values()
        if any(worker["resources"].get("GPU", 0) >= 1 for worker in workers) if gpu else workers:
            return
        if time.monotonic() > end:
            kind = "worker with a GPU ('dask worker ... --resources GPU=1')" if gpu else "worker"
            raise OSError(
                f"no {kind} connected to {client.scheduler.address} within {_PATIENCE:.0f} s; start some."
            )
        if not is_logged:
            logger.info("waiting for workers of %s", client.scheduler.address)
            is_logged = True
        time.sleep(0.2)


def _run_on_cluster(
    client, function: Callable, tasks: Iterable, total: int | None, gpu: bool, is_stopped: Callable
) -> Iterator:
    """Keep every worker busy and no more in flight than that needs, so that 1e6 tasks cost no memory."""
    from distributed import KilledWorker, as_completed

    options = {"pure": False, "retries": 1, "resources": {"GPU": 1} if gpu else None}
    waiting, running = iter(tasks), as_completed(loop=client.loop)
    done, started, lost, counted, window = 0, 0, [], -_COUNT_WORKERS_EVERY, 0
    while True:
        if time.monotonic() - counted > _COUNT_WORKERS_EVERY:
            # Workers come and go; two tasks for each, so that none waits for its next one.
            window, counted = 2 * sum(client.nthreads().values()) + 2, time.monotonic()
        if not is_stopped():
            for task in islice(waiting, max(0, window - running.count())):
                running.add(client.submit(function, task, **options))
                started += 1
        if running.is_empty():
            break
        future = next(running)
        if future.cancelled():
            raise OSError(
                "the Dask scheduler has stopped; finished work is kept, run the same command again."
            )
        if isinstance(future.exception(), KilledWorker):
            lost.append(str(future.exception()))
            continue
        done += 1
        yield future.result()
    if lost:
        raise OSError(
            f"{len(lost)} of {started} tasks ended every worker that tried them, most often for lack of "
            f"memory; the others are finished. Run the same command again with fewer workers. {lost[0]}"
        )
    if is_stopped():  # the work after the last task may also take long
        raise StoppedError(_stop_message(done, total))

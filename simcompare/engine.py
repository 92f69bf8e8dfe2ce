"""Where the work runs: in this process, or on all cores through Dask."""

import os
from collections.abc import Callable, Iterator, Sequence

__all__ = ["available_cores", "run_tasks"]

_ONE_THREAD = {
    f"{library}_NUM_THREADS": "1" for library in ("OMP", "OPENBLAS", "MKL", "NUMBA", "VECLIB_MAXIMUM")
}


def available_cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tasks(function: Callable, tasks: Sequence, workers: int = 1) -> Iterator:
    """Apply a function to every task and yield the results as they come, in any order.

    The function must take its randomness from the task itself, so that the results do not depend on
    the number of workers.

    Parameters
    ----------
    function : callable
        Importable function of one argument; it gets paths and numbers, never open files or arrays.
    tasks : sequence
        Arguments, one per call.
    workers : int
        1 works in this process; more starts a local Dask cluster with one thread per worker.

    Yields
    ------
    object
        What ``function`` returned.
    """
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return

    import dask
    from distributed import Client, LocalCluster, as_completed

    with (
        dask.config.set({"distributed.nanny.environ": _ONE_THREAD, "logging.distributed": "error"}),
        LocalCluster(
            n_workers=min(workers, len(tasks)),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            # Any free port: two runs on one machine must not meet at the default one.
            dashboard_address="127.0.0.1:0",
        ) as cluster,
        Client(cluster) as client,
    ):
        for _, result in as_completed(client.map(function, tasks, pure=False, retries=1), with_results=True):
            yield result

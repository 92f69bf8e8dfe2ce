import os

import pytest

from simcompare.engine import run_tasks


def square_and_process(number):
    return number, number**2, os.getpid()


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

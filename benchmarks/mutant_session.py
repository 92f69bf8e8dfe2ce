"""Run tests of one mutant after the other in forked processes; used by ``benchmarks/mutate.py``."""

import ast
import contextlib
import gc
import importlib
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from types import CodeType, FunctionType

ROOT = Path(__file__).parents[1]
NOT_TRIED = 70  # status of a fork in which no function changed
FORK = multiprocessing.get_context("fork")
LONGEST = 240.0  # s for the tests of one mutant: what loops for ever is seen


class Trial:
    """Plugin of pytest that tries mutants in forks of a session whose modules are imported.

    A fork gives the functions of the module the code of the mutant and runs the tests that call it, shortest
    first, then the others. What is not code of a function as Python calls it (constants, defaults, functions
    that numba compiles) is not tried.

    Parameters
    ----------
    module : Path
    mutants : list of (name, AST)
    end : float
        Time after which no mutant is begun.
    longest, slowest : float
        Seconds that all tests, and one of them, may take; slower ones are left out.
    results : Connection
        Gets name, outcome and seconds of each; of the clean run first, with the names of tests.
    """

    def __init__(
        self, module: Path, mutants: list, end: float, limits: tuple[float, float], results: Connection
    ) -> None:
        self.module, self.mutants, self.end, self.results = module, mutants, end, results
        self.longest, self.slowest = limits
        self.called, self.functions = {}, []

    def pytest_runtestloop(self, session):
        """Run all tests once, and then those of each mutant."""
        importlib.import_module(".".join(self.module.relative_to(Path.cwd()).with_suffix("").parts))
        notes, here = Path.cwd().parent / "calls.json", str(self.module)
        known = [each for each in gc.get_objects() if type(each) is FunctionType]
        self.functions = [each for each in known if each.__code__.co_filename == here]
        gc.freeze()
        state, seconds = self.forked(lambda: self.watch(session, notes), self.longest)
        if session.testsfailed or not session.items:
            state = "failed"
        self.called = json.loads(notes.read_text()) if state == "passed" else {}
        self.results.send((list(self.called), state, seconds))
        for name, tree in self.mutants if state == "passed" else ():
            if time.monotonic() > self.end:
                break
            function = name.partition(":")[0]
            items = [item for item in session.items if item.nodeid in self.called]
            first = [item for item in items if function in self.called[item.nodeid][1]]
            first.sort(key=lambda item: self.called[item.nodeid][0])
            # The others too: what is made once and kept is called by one test alone.
            items = [*first, *(item for item in items if item not in first)]
            run = partial(self.run_mutant, session, tree, items)
            self.results.send((name, *self.forked(run, min(LONGEST, 20 + 3 * seconds))))
        self.results.send(None)
        return True

    def forked(self, run: Callable, limit: float) -> tuple[str, float]:
        """Give what a function says in a fork: ``passed``, ``failed``, ``out of time``, ``not tried``."""
        start, child = time.monotonic(), os.fork()
        if child == 0:
            os.setsid()  # a group of its own, so that what the tests start ends with them
            try:
                status = run()
            except BaseException:
                status = 1
            os._exit(status)
        status = None
        while status is None and time.monotonic() - start < limit:
            done, found = os.waitpid(child, os.WNOHANG)
            status = os.waitstatus_to_exitcode(found) if done else None
            time.sleep(0 if done else 0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
        if status is None:
            os.waitpid(child, 0)
        states = {0: "passed", NOT_TRIED: "not tried", None: "out of time"}
        return states.get(status, "failed"), time.monotonic() - start

    def run_mutant(self, session, tree: ast.Module, items: list) -> int:
        """Status of tests under a mutant."""
        waiting, codes = [compile(tree, str(self.module), "exec")], {}
        while waiting:
            code = waiting.pop()
            codes[code.co_qualname, code.co_firstlineno] = code
            waiting += [each for each in code.co_consts if isinstance(each, CodeType)]
        is_changed = False
        for function in self.functions:
            code = function.__code__
            function.__code__ = codes.get((code.co_qualname, code.co_firstlineno), code)
            is_changed |= function.__code__ != code
        return self.run(session, items) if is_changed else NOT_TRIED

    def run(self, session, items: list) -> int:
        """Status of tests: of the first that fails."""
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if session.testsfailed:
                return 1
        return 0

    def watch(self, session, notes: Path) -> int:
        """Run all tests and write down how long each takes and which functions of the module it calls."""
        called, current, late, stopped = {}, set(), [], False

        def trace(frame, event, arg):
            if frame.f_code.co_filename == str(self.module):
                current.add(frame.f_code.co_name)

        def stop(*_):
            signal.setitimer(signal.ITIMER_REAL, 0)
            late.append(True)
            importlib.import_module("pytest").skip("slow")

        signal.signal(signal.SIGALRM, stop)
        sys.settrace(trace)
        for item, following in zip(session.items, [*session.items[1:], None], strict=True):
            current.clear()
            late.clear()
            start = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, self.slowest)
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            signal.setitimer(signal.ITIMER_REAL, 0)
            stopped |= bool(late)
            if late or (stopped and session.testsfailed):  # or wants what a stopped one should have made
                session.testsfailed, session.shouldfail = 0, False
            elif session.testsfailed:
                return 1
            else:
                called[item.nodeid] = time.monotonic() - start, sorted(current)
        notes.write_text(json.dumps(called))
        return 0


def run_tests(folder: Path, tests: list[str], trial: Trial | None) -> None:
    """Run tests in a copy of the project and leave this forked process with their status."""
    os.setsid()
    silent = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):
        os.dup2(silent, number)
    os.chdir(folder)
    own = str(ROOT), str(ROOT / "benchmarks")
    sys.path[:] = [str(folder), *(path for path in sys.path if path not in own)]
    os.environ["PYTHONPATH"] = str(folder)
    sys.dont_write_bytecode = False
    options = ["-qx", "-pno:cacheprovider", "-pno:xdist", "--tb=no", f"--basetemp={folder.parent / 'made'}"]
    os._exit(int(importlib.import_module("pytest").main([*options, *tests], [trial] if trial else [])))


def outcome(folder: Path, tests: list[str], limit: float) -> tuple[str, float]:
    """Tell what tests say, ``passed``, ``failed`` or ``out of time``, and the seconds they took."""
    process = FORK.Process(target=run_tests, args=(folder, tests, None))
    start = time.monotonic()
    process.start()
    process.join(limit)
    in_time = not process.is_alive()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()
    if not in_time:
        return "out of time", time.monotonic() - start
    return ("passed" if process.exitcode == 0 else "failed"), time.monotonic() - start


def in_session(
    folder: Path, tests: list[str], path: Path, mutants: list, end: float, limits: tuple[float, float]
) -> Iterator[tuple[str, str, float]]:
    """Yield name, outcome and seconds of each mutant that can be tried in one session of the tests."""
    results, sender = FORK.Pipe(duplex=False)
    trial = Trial(path, mutants, end, limits, sender)
    process = FORK.Process(target=run_tests, args=(folder, tests, trial))
    process.start()
    sender.close()
    with contextlib.suppress(EOFError):
        while result := results.recv():
            yield result
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.join()

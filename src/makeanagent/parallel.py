"""Work spread over processes, one thread each, with progress and a clean Ctrl-C.

Jobs are functions of arguments that pickle, so that any `concurrent.futures.Executor` runs them.
"""

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context, parent_process
from multiprocessing.queues import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

from makeanagent.errors import InputError

Result = TypeVar("Result")

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def count_cpus() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Pool(Executor):
    """An executor that says how many jobs it runs at a time, and may pass on what they report.

    One of other machines has to give `submit` and `num_workers`; without the rest, progress bars
    move when a job is done.
    """

    num_workers: int
    "Jobs that run at a time."

    def submit_reporting(
        self,
        on_report: Callable[[Any], Any],
        fn: Callable[..., Any],
        /,
        *args: Any,  # noqa: ANN401
    ) -> Future:
        """Submit `fn(*args, report)`; what it reports may reach `on_report` while it runs."""
        return self.submit(fn, *args, _report_to_nobody)

    def pass_on_reports(self) -> None:
        """Call `on_report` with what jobs have reported since the last time."""


def _report_to_nobody(report: object) -> None:
    pass


class _InlinePool(Pool):
    """Runs each job at once in this process."""

    num_workers = 1

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future:  # noqa: ANN401
        future: Future = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future

    def submit_reporting(
        self,
        on_report: Callable[[Any], Any],
        fn: Callable[..., Any],
        /,
        *args: Any,  # noqa: ANN401
    ) -> Future:
        return self.submit(fn, *args, on_report)


class _ProcessPool(ProcessPoolExecutor, Pool):
    """Worker processes of this machine, which send their reports through a pipe."""

    def __init__(self, num_workers: int) -> None:
        context = get_context("spawn")
        self.num_workers = num_workers
        self._reports: SimpleQueue = context.SimpleQueue()
        self._listeners: list[Callable[[Any], Any]] = []
        super().__init__(
            num_workers,
            mp_context=context,
            initializer=_start_worker,
            initargs=(self._reports,),
        )

    def submit_reporting(
        self,
        on_report: Callable[[Any], Any],
        fn: Callable[..., Any],
        /,
        *args: Any,  # noqa: ANN401
    ) -> Future:
        self._listeners.append(on_report)
        return self.submit(_run_reporting, len(self._listeners) - 1, fn, args)

    def pass_on_reports(self) -> None:
        while not self._reports.empty():
            listener, report = self._reports.get()
            self._listeners[listener](report)

    def stop(self) -> None:
        """End the workers at once; their jobs are lost."""
        for worker in list((self._processes or {}).values()):
            worker.terminate()


_reports_of_worker: SimpleQueue | None = None
"""Where this process, if it is a worker, sends what its jobs report."""


def _start_worker(reports: SimpleQueue) -> None:
    global _reports_of_worker
    _reports_of_worker = reports
    # A killed parent cannot stop its workers: they watch it and go with it.
    Thread(target=_follow_parent, daemon=True).start()


def _follow_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _run_reporting(listener: int, fn: Callable[..., Any], args: tuple) -> Any:  # noqa: ANN401
    """Run a job of a worker whose reports are for the pool's listener of this number."""
    reports = _reports_of_worker
    assert reports is not None
    return fn(*args, lambda report: reports.put((listener, report)))


@contextmanager
def open_pool(num_workers: int | None = None) -> Iterator[Pool]:
    """An executor of single-threaded worker processes, or of this process alone for one worker.

    Workers start afresh ("spawn") with one thread each, since libraries' threads would only fight
    over the processors, and since forking a process that has used torch may hang.

    On an error or Ctrl-C inside the block, workers are stopped at once and their jobs are lost:
    what must outlive them is written to disk by atomic renames.

    Args:
        num_workers: processes; by default one for each processor.

    Raises:
        InputError: `num_workers` is below 1, or a worker was killed.
    """
    num_workers = count_cpus() if num_workers is None else num_workers
    if num_workers < 1:
        raise InputError(f"workers {num_workers}: must be at least 1")
    if num_workers == 1:
        yield _InlinePool()
        return
    pool = _ProcessPool(num_workers)
    try:
        with _single_threaded(), _interrupts_held():
            # All workers start now, while the environment says one thread.
            started = [pool.submit(abs, index) for index in range(num_workers)]
        wait(started)
        yield pool
    except BaseException as error:
        pool.stop()
        if isinstance(error, BrokenProcessPool):
            raise InputError(
                "a worker process was killed (out of memory?); run the same command again"
            ) from None
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _single_threaded() -> Iterator[None]:
    """Processes started in the block use one thread each."""
    saved = {name: os.environ.get(name) for name in _THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(_THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in saved.items():
            if value is None:
                os.environ.pop(name, None)  # Another thread may have been first.
            else:
                os.environ[name] = value


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch computes in one thread: the same numbers with and without worker processes."""
    import torch

    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(num_threads)


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Ctrl-C waits until after the block; processes started in it never see one."""
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)


def run_jobs(
    pool: Executor,
    function: Callable[..., Result],
    jobs: Sequence[tuple],
    on_done: Callable[[int, Result], None] | None = None,
) -> list[Result]:
    """Run `function(*job)` for every job and return the results in the jobs' order.

    Args:
        pool: where to run; `function` and the jobs must pickle for a pool of processes.
        function: what to run.
        jobs: arguments of each call.
        on_done: called with a job's index and result as soon as it is there.
    """
    futures: dict[Future, int] = {}
    results: dict[int, Result] = {}

    def finish(future: Future) -> None:
        index = futures.pop(future)
        results[index] = future.result()
        if on_done is not None:
            on_done(index, results[index])

    try:
        for index, job in enumerate(jobs):
            future = pool.submit(function, *job)
            futures[future] = index
            if future.done():  # It ran in this process, and is to be reported at once.
                finish(future)
        for future in as_completed(list(futures)):
            finish(future)
    except BaseException:
        for future in futures:
            future.cancel()
        raise
    return [results[index] for index in range(len(jobs))]

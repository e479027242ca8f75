"""Worker processes: results in order, one thread each, and gone when they are not needed."""

import os
import pickle
import signal
import time
from concurrent.futures import Future
from pathlib import Path

import pytest

from makeanagent.errors import InputError
from makeanagent.parallel import Pool, count_cpus, open_pool, run_jobs


@pytest.fixture(scope="module")
def pool():
    with open_pool(2) as opened:
        yield opened


def square_late(number):
    """Later jobs end first."""
    time.sleep(0.2 / (1 + number))
    return number**2


def refuse(number):
    if number == 3:
        raise InputError("3: is not accepted")
    return number


def count_threads():
    import torch

    return torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.getpid()


def mark_and_sleep(path):
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def exists(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("num_workers", [1, 2])
def test_results_come_in_the_jobs_order(num_workers, pool):
    done = {}
    jobs = [(number,) for number in range(8)]
    if num_workers == 1:
        with open_pool(1) as inline:
            results = run_jobs(inline, square_late, jobs, done.__setitem__)
    else:
        results = run_jobs(pool, square_late, jobs, done.__setitem__)
    assert results == [number**2 for number in range(8)]
    assert done == dict(enumerate(results))


def test_no_jobs_give_no_results(pool):
    assert run_jobs(pool, square_late, []) == []


def test_an_error_in_a_job_comes_back_as_it_is(pool):
    for executor in (pool, None):
        with pytest.raises(InputError, match="^3: is not accepted$"):
            if executor is None:
                with open_pool(1) as inline:
                    run_jobs(inline, refuse, [(number,) for number in range(5)])
            else:
                run_jobs(executor, refuse, [(number,) for number in range(5)])
    assert run_jobs(pool, refuse, [(1,)]) == [1], "the pool lives on"


def test_workers_have_one_thread_each(pool):
    found = run_jobs(pool, count_threads, [()] * 6)
    assert {(threads, variable) for threads, variable, _ in found} == {(1, "1")}
    assert os.getpid() not in {pid for _, _, pid in found}


def test_the_environment_is_put_back(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    with open_pool(2):
        assert os.environ["OMP_NUM_THREADS"] == "3"
        assert "MKL_NUM_THREADS" not in os.environ


def test_one_worker_is_this_process():
    with open_pool(1) as inline:
        future = inline.submit(os.getpid)
        assert isinstance(future, Future)
        assert future.done()
        assert future.result() == os.getpid()


@pytest.mark.parametrize("num_workers", [0, -1])
def test_fewer_than_one_worker_is_refused(num_workers):
    with pytest.raises(InputError, match=f"^workers {num_workers}: "), open_pool(num_workers):
        pass


def test_there_is_a_processor():
    assert 1 <= count_cpus() <= (os.cpu_count() or 1)


@pytest.mark.parametrize("error", [KeyboardInterrupt, InputError])
def test_an_error_in_the_block_stops_running_jobs(tmp_path, error):
    path = tmp_path / "pid"
    with pytest.raises(error), open_pool(2) as pool:
        pool.submit(mark_and_sleep, str(path))
        while not (path.exists() and path.read_text()):
            time.sleep(0.01)
        begin = time.monotonic()
        raise error("stop")
    assert time.monotonic() - begin < 10
    assert not exists(int(path.read_text()))


def count_slowly(path, report):
    for number in range(3):
        report(number)
    # Goes on only when the reports have come in.
    while not Path(path).exists():
        time.sleep(0.01)
    return "done"


def test_reports_of_a_worker_come_while_it_runs(tmp_path, pool):
    heard = {0: [], 1: []}
    paths = [tmp_path / name for name in "ab"]
    jobs = [
        pool.submit_reporting(heard[number].append, count_slowly, str(paths[number]))
        for number in range(2)
    ]
    end = time.monotonic() + 30
    while any(len(values) < 3 for values in heard.values()):
        assert time.monotonic() < end
        pool.pass_on_reports()
        time.sleep(0.01)
    assert heard == {0: [0, 1, 2], 1: [0, 1, 2]}
    assert not any(job.done() for job in jobs)
    for path in paths:
        path.touch()
    assert [job.result() for job in jobs] == ["done"] * 2


def test_reports_of_this_process_come_at_once(tmp_path):
    heard = []
    with open_pool(1) as inline:
        future = inline.submit_reporting(heard.append, count_slowly, str(tmp_path))
    assert (heard, future.result()) == ([0, 1, 2], "done")


def test_a_pool_of_elsewhere_needs_no_reports():
    class Elsewhere(Pool):
        num_workers = 1

        def submit(self, fn, /, *args):
            future = Future()
            future.set_result(pickle.loads(pickle.dumps(fn))(*pickle.loads(pickle.dumps(args))))
            return future

    pool = Elsewhere()
    future = pool.submit_reporting(lambda report: None, count_slowly, __file__)
    pool.pass_on_reports()
    assert future.result() == "done"


def test_pools_say_how_many_jobs_they_run_at_a_time(pool):
    assert pool.num_workers == 2
    with open_pool(1) as inline:
        assert inline.num_workers == 1


def test_a_killed_worker_is_an_error_of_one_line(tmp_path):
    path = tmp_path / "pid"
    with pytest.raises(InputError, match="^a worker process was killed"), open_pool(2) as pool:
        future = pool.submit(mark_and_sleep, str(path))
        while not (path.exists() and path.read_text()):
            time.sleep(0.01)
        os.kill(int(path.read_text()), signal.SIGKILL)
        future.result()

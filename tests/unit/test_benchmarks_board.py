"""Jobs of any process report to the same folder."""

import multiprocessing
import time
from pathlib import Path

from benchmarks.peers.board import Board, Tally, instants


def _work(folder: Path, first: int, count: int) -> None:
    tally = Tally(folder)
    for number in range(first, first + count):
        tally.started(number)


def test_processes_add_up_and_the_last_job_is_timed(tmp_path: Path) -> None:
    board = Board(tmp_path)
    assert board.total() == (0, 0)
    before = time.monotonic_ns()
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_work, args=(tmp_path, first, 5)) for first in (0, 5)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    done, last = board.total()
    assert done == 10
    assert before < last < time.monotonic_ns()


def test_lags_are_from_a_jobs_instant_to_its_start(tmp_path: Path) -> None:
    sent = instants(tmp_path)
    sent[0] = sent[1] = time.time_ns() - 3_000_000
    sent[2] = time.time_ns() + 60_000_000_000
    tally = Tally(tmp_path)
    for number in range(3):
        tally.started(number)
    late, early = Board(tmp_path).lags(1, 2)
    assert 3 <= late < 1_000
    assert -60_000 <= early < -59_000

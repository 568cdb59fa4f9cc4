#!/usr/bin/env python3
"""The pattern of an inference engine: one scheduler broadcasts each step to eight workers, which wait without spinning, and collects their answers.

    python Examples/Inference/scheduler.py [STEPS]

A step is a pickled object (what to do, and for whom) and a numpy array (what to do it with), both in place in shared memory: eight workers read one copy. Then a worker is killed; the
scheduler is told which one within a check interval, and goes on with those that live. `pip install ./Clients/Python numpy` first.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import time

import numpy
import sharedring

WORKERS = 8
CHECK_INTERVAL = 0.02  # seconds: how late a death is found at most
OBJECT, ARRAY = 0, 1  # tags


def worker(number, work, answers):
    """Takes its part of every step, to the end of the stream."""
    with work.subscriber(waiting="sleep") as steps, answers.producer(waiting="sleep") as answer:
        answer.send(pickle.dumps(("ready", number, os.getpid())))
        while (message := steps.receive()) is not None:
            step = pickle.loads(message)  # from the ring, without a copy
            values = steps.receive()
            array = numpy.frombuffer(values, dtype=numpy.float64)  # in place
            workers = step["workers"]
            if number in workers:
                value = float(array[workers.index(number) :: len(workers)].sum())
                answer.send(pickle.dumps((step["try"], number, value)))
            del array, values  # a view that stayed would be refused: BufferError


class Scheduler:
    def __init__(self):
        self.work = sharedring.Ring(kind="broadcast", capacity=1 << 22, subscribers=WORKERS, label="work")
        self.answers = sharedring.Ring(kind="mpsc", capacity=1 << 16, lanes=WORKERS, label="answers")
        spawn = multiprocessing.get_context("spawn")
        self.processes = [spawn.Process(target=worker, args=(number, self.work, self.answers)) for number in range(WORKERS)]
        for process in self.processes:
            process.start()
        self.publisher = self.work.publisher(waiting="sleep", check_interval=CHECK_INTERVAL)
        self.inbox = self.answers.consumer(waiting="sleep", check_interval=CHECK_INTERVAL)
        self.live = {}  # the pids of the workers, by number
        self.tries = 0
        while len(self.live) < WORKERS:
            _, number, pid = pickle.loads(self.inbox.receive_bytes(60))
            self.live[number] = pid

    def step(self, number, array):
        """The sum over the array, by all workers that live. A worker that is killed meanwhile is named, and the step is done again by the others."""
        while True:
            workers = sorted(self.live)
            if not workers:
                raise RuntimeError("no worker lives")
            # A number of its own for each try: an answer to the one before may come late, and is of other shares.
            self.tries += 1
            self.publisher.send(pickle.dumps({"step": number, "try": self.tries, "workers": workers}), tag=OBJECT, timeout=60)
            with self.publisher.claim(array.nbytes, tag=ARRAY, timeout=60) as claim:
                numpy.frombuffer(claim, dtype=array.dtype)[:] = array
            found = {}
            while len(found) < len(workers):
                try:
                    answered, who, value = pickle.loads(self.inbox.receive_bytes(2 * CHECK_INTERVAL))
                    if answered == self.tries:
                        found[who] = value
                except sharedring.TimedOut:
                    if self.bury():
                        break
            else:
                return sum(found.values())

    def bury(self):
        """Takes dead workers off the list, and names them."""
        is_any = False
        while (end := self.inbox.next_end()) is not None:
            for number, pid in list(self.live.items()):
                if pid == end.pid and end.died:
                    print(f"worker {number}, process {end.pid} ({end.name}), died", flush=True)
                    del self.live[number]
                    is_any = True
        return is_any

    def close(self):
        self.publisher.close()  # the workers get the end of the stream
        for process in self.processes:
            process.join(60)


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    scheduler = Scheduler()
    array = numpy.arange(32768, dtype=numpy.float64)
    start = time.perf_counter()
    for number in range(steps):
        assert scheduler.step(number, array) == array.sum()
    passed = time.perf_counter() - start
    print(f"{steps} steps of {array.nbytes} bytes to {WORKERS} workers: {passed / steps * 1e6:.0f} µs each", flush=True)

    victim = scheduler.live[3]
    os.kill(victim, signal.SIGKILL)
    assert scheduler.step(steps, array) == array.sum()
    assert victim not in scheduler.live.values() and len(scheduler.live) == WORKERS - 1
    print(f"{len(scheduler.live)} workers go on", flush=True)
    scheduler.close()


if __name__ == "__main__":
    main()

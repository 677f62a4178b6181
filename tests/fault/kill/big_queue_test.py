#!/usr/bin/env python3
"""Many jobs in the database: how long a restart takes, and a page of the list.

usage: big_queue_test.py [--full] [--jobs N] [--seed N]

The short run looks at what the daemon answers after the restart; with --full the figures are printed, and must be those
that are asked for: from the start of the process to ready in less than 2 s, a page of 50 jobs in less than 50 ms.
"""

import contextlib
import json
import sqlite3
import sys

from daemon import Daemon, command, parse

PAGE = 50
READY_LIMIT_S = 2
PAGE_LIMIT_US = 50_000
CALLS = 200
RESTARTS = 5

# Takes the only worker, so that the others wait.
BUSY = """
name: "busy"
training {
  dataset { name: "synthetic-shapes" }
  input { rescale { factor: 0.00392156862745098 } }
  network { layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } } }
  loss { sparse_categorical_crossentropy {} }
  optimizer { sgd {} }
  epochs: 1000000
}
"""


class BigQueue:
    def __init__(self, options):
        self.options = options
        self.daemon = Daemon("--workers", 1)
        self.missed = []

    def fill(self):
        ready_s = self.daemon.spawn().wait_ready()
        if self.options.full:
            print(f"without a job: ready {ready_s:.3f} s after the start of the process "
                  f"({self.daemon.cpu_s():.2f} s of processor time)")
        self.busy = self.daemon.submit(BUSY, "--priority", "100")
        job_file = self.daemon.folder / "job.textproto"
        job_file.write_text(BUSY)
        done = self.daemon.fault_client("storm", job_file, "--submits", self.options.jobs, "--seed", self.options.seed)
        print(done.stdout, end="")
        assert done.returncode == 0, done.stderr
        self.expected = self.listed()
        assert len(self.expected) == self.options.jobs + 1

    def listed(self):
        """{id: (name, queue position)} of every job."""
        jobs = [job for line in self.daemon.ok("--output", "json", "jobs", "--limit", 0).splitlines()
                for job in json.loads(line).get("jobs", [])]
        found = {job["id"]: (job["name"], job.get("queuePosition")) for job in jobs}
        assert len(found) == len(jobs), "a job is listed twice"
        return found

    def restart(self, how, end):
        """Ends and starts the daemon, which must then have all jobs in their places."""
        end()
        ready_s = self.daemon.spawn().wait_ready()
        cpu_s = self.daemon.cpu_s()
        # It is ready when it says so: what it answers comes from no later moment.
        done = self.daemon.fault_client("page", "--size", PAGE, "--calls", CALLS)
        jobs, first_us, median_us, slowest_us = map(int, done.stdout.split())
        assert jobs == min(PAGE, self.options.jobs + 1), f"{jobs} jobs on a page"
        self.daemon.wait_for_state(self.busy, "RUNNING")
        listed = self.listed()
        assert listed == self.expected, "the queue is another after the restart"
        if not self.options.full:
            return
        print(f"{how}: ready {ready_s:.3f} s after the start of the process ({cpu_s:.2f} s of processor time); "
              f"a page of {jobs} jobs: the first {first_us / 1000:.2f} ms, the median {median_us / 1000:.2f} ms, "
              f"the slowest {slowest_us / 1000:.2f} ms", flush=True)
        if ready_s >= READY_LIMIT_S or median_us >= PAGE_LIMIT_US:
            self.missed.append(how)

    def run(self):
        try:
            self.fill()
            for number in range(RESTARTS if self.options.full else 1):
                self.restart(f"kill -9, {number + 1}", self.daemon.kill)
                self.restart(f"SIGTERM, {number + 1}", self.daemon.stop)
            # As if each had ended with weights: the start looks into all folders for files that a kill has left.
            self.daemon.stop()
            self.give_weights_to_all()
            (self.daemon.data_dir / "artifacts" / self.busy / "state-1-1.safetensors").write_bytes(b"left")
            self.restart("a folder each", lambda: None)
            left = {str(path.relative_to(self.daemon.data_dir / "artifacts"))
                    for path in self.daemon.data_dir.glob("artifacts/*/final.safetensors")}
            assert len(left) == len(self.expected), f"{len(self.expected) - len(left)} files are gone"
            assert not (self.daemon.data_dir / "artifacts" / self.busy / "state-1-1.safetensors").exists()
            assert not self.missed, f"slower than asked for: {self.missed}"
        finally:
            self.daemon.close()

    def give_weights_to_all(self):
        for job in self.expected:
            folder = self.daemon.data_dir / "artifacts" / job
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "final.safetensors").write_bytes(b"weights")
        with contextlib.closing(sqlite3.connect(self.daemon.data_dir / "anneal.db")) as database, database:
            database.execute("INSERT INTO checkpoints (job_id, file, epoch, bytes, sha256, description, time_us) "
                             "SELECT id, id || '/final.safetensors', 1, 7, '', x'', 1 FROM jobs")


def main():
    options = parse(__doc__.splitlines()[0], jobs=(500, 10000))
    print(f"{options.jobs} jobs, seed {options.seed}", flush=True)
    try:
        BigQueue(options).run()
    except AssertionError as error:
        print(f"FAILED: {error}; again: {command(options)}{' --full' if options.full else ''}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

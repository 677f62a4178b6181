"""A daemon and a client under test: the real binaries, in a temporary folder.

The folder of the binaries is in the environment variable ANNEAL_BIN (CTest sets it).
"""

import csv
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

BIN = pathlib.Path(os.environ.get("ANNEAL_BIN", "build/release/bin")).resolve()

# A job that trains for some hundred milliseconds an epoch on the data set that the daemon makes.
JOB = """
name: "e2e"
training {
  dataset { name: "synthetic-shapes" }
  validation { fraction: 0.1 }
  input { rescale { factor: 0.00392156862745098 } }
  network {
    layers { flatten {} }
    layers { dense { units: 32 activation: RELU kernel_initializer { he_normal {} } } }
    layers { dense { units: 10 activation: SOFTMAX } }
  }
  loss { sparse_categorical_crossentropy {} }
  optimizer { nadam {} }
  batch_size: 32 epochs: 5 seed: 1
}
"""


def wait_until(condition, what, timeout_s=60):
    """Polls `condition` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"timed out waiting for {what}")
        time.sleep(0.02)


class Server:
    """One data folder and socket; the daemon on it can be started, killed and started again."""

    def __init__(self, *flags):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anneal-e2e-"))
        self.data_dir = self.folder / "data"
        self.address = f"unix:{self.folder}/s"
        self.log_path = self.folder / "log"
        self.flags = flags
        self.process = None

    def start(self):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BIN / "anneald", "--listen", self.address, "--data-dir", self.data_dir, *self.flags],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(lambda: self.run("health").returncode == 0 or self.process.poll() is not None, "the daemon")
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended: {self.log()}")
        return self

    def kill(self):
        """kill -9."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        """SIGTERM; returns the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=20)

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def command(self, *arguments):
        return [str(BIN / "anneal"), "--server", self.address, *map(str, arguments)]

    def run(self, *arguments, stdin=None, timeout_s=120):
        """Runs the client; returns the CompletedProcess with text output."""
        return subprocess.run(self.command(*arguments), input=stdin, text=True, capture_output=True,
                              timeout=timeout_s)

    def ok(self, *arguments, **options):
        """Runs the client, which must succeed; returns its output."""
        done = self.run(*arguments, **options)
        if done.returncode != 0:
            raise AssertionError(f"anneal {arguments} exited {done.returncode}: {done.stdout}{done.stderr}")
        return done.stdout

    def submit(self, job=JOB, *flags):
        return self.ok("submit", "-", *flags, stdin=job).strip()

    def job(self, job_id):
        return json.loads(self.ok("--output", "json", "show", job_id))

    def state(self, job_id):
        return self.job(job_id)["state"]

    def wait_for_state(self, job_id, *states, timeout_s=120):
        wait_until(lambda: self.state(job_id) in states, f"job {job_id} to be {states}", timeout_s)

    def metrics(self, job_id):
        """{(epoch, metric): value as text}; an epoch stored twice is an error."""
        rows = list(csv.DictReader(io.StringIO(self.ok("metrics", job_id, "--format", "csv"))))
        values = {(int(row["epoch"]), row["metric"]): row["value"] for row in rows}
        if len(values) != len(rows):
            raise AssertionError(f"job {job_id} has an epoch twice")
        return values


def main_guard():
    if not (BIN / "anneald").exists():
        sys.exit(f"no anneald in {BIN}; set ANNEAL_BIN")

"""A daemon that is killed: started without waiting, timed, and asked through fault_client too."""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "e2e"))

import harness  # noqa: E402
from harness import BIN, Server  # noqa: E402

UNREACHABLE = 4  # exit code of both clients


class Daemon(Server):
    """As Server, but starting and being ready are two steps."""

    def __init__(self, *flags, **popen_options):
        super().__init__(*flags)
        self.popen_options = popen_options
        self.log_begin = 0  # of this process in the log

    def spawn(self):
        """Starts the process and returns at once."""
        self.log_begin = self.log_path.stat().st_size if self.log_path.exists() else 0
        with open(self.log_path, "ab") as log:
            self.spawn_time = time.monotonic()
            self.process = subprocess.Popen(
                [BIN / "anneald", "--listen", self.address, "--data-dir", self.data_dir, *map(str, self.flags)],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, **self.popen_options)
        return self

    def own_log(self):
        """What this process has logged."""
        with open(self.log_path, "rb") as log:
            log.seek(self.log_begin)
            return log.read().decode(errors="replace")

    def wait_ready(self, timeout_s=60):
        """Returns the seconds from the process's start to its ready line."""
        deadline = time.monotonic() + timeout_s
        while " is ready on " not in self.own_log():
            self.check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(f"the daemon is not ready after {timeout_s} s: {self.own_log()}")
            time.sleep(0.002)
        return time.monotonic() - self.spawn_time

    def cpu_s(self):
        """Processor time of the process so far, which says more than the clock where others work too."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def start(self):
        self.spawn().wait_ready()
        return self

    def check_alive(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the daemon ended by itself, code {self.process.returncode}: {self.own_log()}")

    def wait_for_state(self, job_id, *states, timeout_s=300):
        """As Server's, but asks seldom: the jobs need the processor more than the client does."""
        deadline = time.monotonic() + timeout_s
        while (state := self.state(job_id)) not in states:
            self.check_alive()
            if time.monotonic() > deadline:
                raise AssertionError(f"job {job_id} is {state}, not one of {states}, after {timeout_s} s")
            time.sleep(0.2)

    def fault_client(self, *arguments, timeout_s=600):
        return subprocess.run([BIN / "fault_client", "--server", self.address, *map(str, arguments)], text=True,
                              capture_output=True, timeout=timeout_s)

    def close(self, keep=False):
        """Ends the daemon; removes the folder unless it is to be kept."""
        if self.process is not None and self.process.poll() is None:
            self.kill()
        if not keep:
            shutil.rmtree(self.folder, ignore_errors=True)


def parse(description, **numbers):
    """The command line of a part: --full, --seed and numbers, each given as (short run, full run)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--full", action="store_true", help="the full figures")
    parser.add_argument("--seed", type=int, help="default: a random one, which is printed")
    for name, (short, full) in numbers.items():
        parser.add_argument(f"--{name}", type=int, help=f"default {short}, with --full {full}")
    options = parser.parse_args()
    for name, (short, full) in numbers.items():
        if getattr(options, name) is None:
            setattr(options, name, full if options.full else short)
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(1 << 31)
    harness.main_guard()
    return options


def command(options):
    """What repeats this run."""
    words = [f"--{name} {value}" for name, value in vars(options).items() if name != "full"]
    return " ".join([sys.argv[0], *words])

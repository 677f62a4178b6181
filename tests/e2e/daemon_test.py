#!/usr/bin/env python3
"""anneald, the program: its start, its refusals, its end."""

import contextlib
import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
import unittest

import harness
from harness import BIN, wait_until

ENVIRONMENT = {name: value for name, value in os.environ.items()
               if not name.startswith(("ANNEAL", "XDG_DATA_HOME", "NOTIFY_SOCKET"))}

# Every batch takes seconds: whoever waits for its end waits long.
HEAVY_JOB = """
name: "heavy"
training {
  dataset { name: "synthetic-shapes" }
  input { rescale { factor: 0.00392156862745098 } }
  network {
    layers { flatten {} }
    layers { repeat { count: 8 layers { dense { units: 6000 activation: RELU } } } }
    layers { dense { units: 10 activation: SOFTMAX } }
  }
  loss { sparse_categorical_crossentropy {} }
  optimizer { sgd {} }
  batch_size: 4000 epochs: 100
}
"""


class DaemonTest(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="anneal-daemon-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data = self.folder / "data"
        self.socket = self.folder / "s"
        self.logs = 0

    def spawn(self, *flags, environment=None, **options):
        """Starts the daemon; its output goes to a file of its own, .log."""
        self.logs += 1
        path = self.folder / f"log{self.logs}"
        with open(path, "wb") as log:
            process = subprocess.Popen([BIN / "anneald", *map(str, flags)], stdin=subprocess.DEVNULL, stdout=log,
                                       stderr=log, env={**ENVIRONMENT, **(environment or {})}, **options)
        process.log = lambda: path.read_text(errors="replace")

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
        self.addCleanup(end)
        return process

    def start(self, *flags, **options):
        """A daemon that is ready; .addresses are those of its ready line."""
        flags = flags or ("--listen", f"unix:{self.socket}", "--data-dir", self.data)
        process = self.spawn(*flags, **options)
        wait_until(lambda: " is ready on " in process.log() or process.poll() is not None, "the ready line")
        ready = re.search(r"anneald (\S+) is ready on (.*)", process.log())
        self.assertIsNotNone(ready, process.log())
        process.addresses = ready.group(2).split(", ")
        return process

    def refused(self, code, *flags, **options):
        """A daemon that must end with this code; returns what it said."""
        process = self.spawn(*flags, **options)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.fail(f"still runs: {process.log()}")
        self.assertEqual(process.returncode, code, process.log())
        self.assertNotIn(" is ready on ", process.log())
        return process.log()

    def client(self, address, *arguments, stdin=None, code=0):
        done = subprocess.run([BIN / "anneal", "--server", address, *map(str, arguments)], input=stdin, text=True,
                              capture_output=True, timeout=120, env=ENVIRONMENT)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout

    def start_heavy(self):
        """A daemon busy with a batch that will take long; the process and the job."""
        process = self.start()
        job = self.client(process.addresses[0], "submit", "-", stdin=HEAVY_JOB).strip()
        wait_until(lambda: "RUNNING" in self.client(process.addresses[0], "show", job), "the job to run")
        # Past loading and initialization, when the processor time says so.
        ticks = os.sysconf("SC_CLK_TCK")

        def busy():
            fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / ticks > 10
        wait_until(busy, "ten seconds of work", timeout_s=300)
        return process, job

    # --- printing and refusing ---

    def test_help_and_version(self):
        done = subprocess.run([BIN / "anneald", "--version"], capture_output=True, text=True, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^anneald \d+\.\d+\.\d+ \(.+\)\n$")
        done = subprocess.run([BIN / "anneald", "--help"], capture_output=True, text=True, env=ENVIRONMENT)
        self.assertEqual(done.returncode, 0)
        for flag in ("--config", "--listen", "--data-dir", "--workers", "--dataset", "--allow-insecure"):
            self.assertIn(flag, done.stdout)

    def test_wrong_command_lines_and_configurations(self):
        here = ("--data-dir", self.data)
        self.assertIn("--bogus", self.refused(2, "--bogus"))
        self.assertIn("--workers", self.refused(2, "--workers", "0", *here))
        self.assertIn("plain text", self.refused(2, "--listen", "0.0.0.0:50551", *here))
        self.assertIn("plain text", self.refused(2, "--listen", "[::]:50551", *here))
        self.assertIn("no port", self.refused(2, "--listen", "localhost", *here))
        self.assertIn("the system takes at most", self.refused(2, "--listen", "unix:/" + "p" * 200, *here))
        self.assertIn("NAME=FORMAT:PATH", self.refused(2, "--dataset", "cifar10", *here))
        self.assertIn('unknown format "parquet"', self.refused(2, "--dataset", "a=parquet:/x", *here))
        self.assertIn("ANNEALD_WORKERS", self.refused(2, *here, environment={"ANNEALD_WORKERS": "x"}))
        self.assertIn("no data folder", self.refused(2, environment={"HOME": ""}))
        config = self.folder / "c.textproto"
        config.write_text("workers: 2\nworker: 3\n")
        self.assertRegex(self.refused(2, "--config", config), re.escape(str(config)) + r":2:\d+: .*worker")
        self.assertIn("nothing.textproto", self.refused(2, "--config", self.folder / "nothing.textproto"))
        self.assertFalse(self.data.exists())  # nothing was touched

    def test_a_second_daemon_on_the_same_folder(self):
        first = self.start()
        said = self.refused(1, "--listen", "localhost:0", "--data-dir", self.data)
        self.assertIn("is in use by another anneald", said)
        self.assertIn(f"pid {first.pid}", said)
        self.assertIn(f"unix:{self.socket}", said)
        self.client(first.addresses[0], "health")

    def test_many_at_once_on_one_folder_leave_one(self):
        processes = [self.spawn("--listen", f"unix:{self.folder}/s{i}", "--data-dir", self.data) for i in range(6)]
        wait_until(lambda: sum(each.poll() is not None for each in processes) == 5, "five to give up")
        winner = next(each for each in processes if each.poll() is None)
        wait_until(lambda: " is ready on " in winner.log(), "the one that is left")
        self.assertEqual([each.returncode for each in processes if each is not winner], [1] * 5)

    def test_a_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as other:
            port = other.getsockname()[1]
            said = self.refused(1, "--listen", f"localhost:{port}", "--data-dir", self.data)
            self.assertIn(f"cannot listen on 127.0.0.1:{port}: the port is in use", said)

    def test_a_socket_in_use(self):
        self.start()
        said = self.refused(1, "--listen", f"unix:{self.socket}", "--data-dir", self.folder / "other")
        self.assertIn("another process listens on this socket", said)

    def test_a_folder_that_cannot_be_written(self):
        (self.folder / "file").write_text("x")
        said = self.refused(1, "--listen", "localhost:0", "--data-dir", self.folder / "file/data")
        self.assertIn("cannot make the", said)
        said = self.refused(1, "--listen", "localhost:0", "--data-dir", self.folder / "file")
        self.assertIn("cannot make the data folder", said)
        self.data.mkdir()
        options = {}
        if os.geteuid() == 0:  # root may write everywhere: become nobody
            self.folder.chmod(0o755)
            options = {"user": 65534, "group": 65534}
        self.data.chmod(0o555)
        said = self.refused(1, "--listen", "localhost:0", "--data-dir", self.data, **options)
        self.assertIn(f"cannot write in the data folder {self.data}", said)
        self.assertIn("Permission denied", said)

    def test_a_full_folder(self):
        # As a full disk: files cannot grow beyond so many bytes.
        def limit(most):
            def in_the_child():
                signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
                resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
            return in_the_child
        # The log is a file too, and may not grow either: a pipe takes its place.
        for most in (0, 4096, 20000):
            shutil.rmtree(self.data, ignore_errors=True)
            done = subprocess.run([BIN / "anneald", "--listen", "localhost:0", "--data-dir", self.data],
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, env=ENVIRONMENT,
                                  timeout=60, preexec_fn=limit(most))
            self.assertEqual(done.returncode, 1, done.stderr)
            self.assertIn("critical", done.stderr)
            self.assertIn(str(self.data), done.stderr)

    def test_a_file_that_is_no_database(self):
        self.data.mkdir()
        (self.data / "anneal.db").write_bytes(b"not a database" * 1000)
        self.assertIn("anneal.db", self.refused(1, "--listen", "localhost:0", "--data-dir", self.data))

    # --- running ---

    def test_ready_on_a_socket_and_a_port_of_the_systems_choice(self):
        process = self.start("--listen", f"unix:{self.socket}", "--listen", "localhost:0", "--data-dir", self.data)
        self.assertEqual(process.addresses[0], f"unix:{self.socket}")
        self.assertRegex(process.addresses[1], r"^127\.0\.0\.1:[1-9]\d*$")
        for address in process.addresses:
            self.client(address, "health")
        shown = self.client(process.addresses[1], "--output", "json", "server")
        self.assertIn(process.addresses[1], shown)
        self.assertEqual(stat.S_IMODE(self.socket.stat().st_mode), 0o600)
        self.assertEqual(stat.S_IMODE(self.data.stat().st_mode), 0o700)
        self.assertIn(str(process.pid), (self.data / "anneald.lock").read_text())

    def test_the_effective_configuration_is_logged(self):
        config = self.folder / "c.textproto"
        config.write_text(f"listen: 'unix:{self.folder}/file' workers: 7 data_dir: '{self.data}' # a comment\n")
        process = self.start("--listen", f"unix:{self.socket}",
                             environment={"ANNEALD_CONFIG": str(config), "ANNEALD_WORKERS": "3"})
        line = next(line for line in process.log().splitlines() if " starts with: " in line)
        for part in (f'listen: "unix:{self.socket}"', f'data_dir: "{self.data}"', "workers: 3", 'log_level: "info"'):
            self.assertIn(part, line)
        self.assertNotIn(f"{self.folder}/file", line)

    def test_the_ready_line_comes_at_every_log_level(self):
        for level in ("trace", "error"):
            process = self.start("--listen", f"unix:{self.socket}", "--data-dir", self.data, "--log-level", level)
            process.terminate()
            self.assertEqual(process.wait(timeout=20), 0)

    def test_a_data_set_that_cannot_be_read_is_a_warning(self):
        process = self.start("--listen", f"unix:{self.socket}", "--data-dir", self.data, "--dataset",
                             f"cifar10=cifar10:{self.folder}/missing")
        self.assertRegex(process.log(), r"warning.*cifar10.*missing")
        listed = self.client(process.addresses[0], "datasets", "list")
        self.assertIn("cifar10", listed)
        self.assertIn("synthetic-shapes", listed)

    def test_a_hangup_and_a_broken_pipe_are_ignored(self):
        process = self.start()
        for number in (signal.SIGHUP, signal.SIGPIPE):
            process.send_signal(number)
        self.client(process.addresses[0], "health")
        self.assertIsNone(process.poll())

    def test_what_a_killed_daemon_leaves_is_no_obstacle(self):
        process = self.start()
        process.kill()
        process.wait()
        self.assertTrue(self.socket.exists())
        self.assertTrue((self.data / "anneald.lock").exists())
        process = self.start()
        self.client(process.addresses[0], "health")

    def test_garbage_on_the_socket_does_no_harm(self):
        process = self.start()
        for garbage in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 10000, os.urandom(10000),
                        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + os.urandom(10000)):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(str(self.socket))
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(garbage)
        self.client(process.addresses[0], "health")

    # --- ending ---

    def test_tells_the_service_manager(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
            manager.bind(str(self.folder / "notify"))
            manager.settimeout(60)
            process = self.start(environment={"NOTIFY_SOCKET": str(self.folder / "notify")})
            message = manager.recv(4096).decode()
            self.assertIn("READY=1", message)
            self.assertIn(f"unix:{self.socket}", message)
            process.terminate()
            self.assertIn("STOPPING=1", manager.recv(4096).decode())
            self.assertEqual(process.wait(timeout=20), 0)

    def test_an_orderly_stop_puts_the_running_job_back(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            process = self.start()
            job = self.client(process.addresses[0], "submit", "-", "--set", "training.epochs=100000",
                              stdin=harness.JOB).strip()
            wait_until(lambda: "RUNNING" in self.client(process.addresses[0], "show", job), "the job to run")
            begin = time.monotonic()
            process.send_signal(number)
            self.assertEqual(process.wait(timeout=20), 0)
            self.assertLess(time.monotonic() - begin, 10)
            self.assertFalse(self.socket.exists())
            self.assertIn("stopped", process.log())
            # It was not lost: the next daemon has it, with the attempt that was interrupted.
            process = self.start()
            shown = self.client(process.addresses[0], "--output", "json", "show", job)
            self.assertIn("INTERRUPTED", shown)
            self.client(process.addresses[0], "cancel", job)
            wait_until(lambda: "CANCELLED" in self.client(process.addresses[0], "show", job), "the cancel")
            process.terminate()
            self.assertEqual(process.wait(timeout=20), 0)

    def test_a_stop_ends_in_ten_seconds_whatever_runs(self):
        process, job = self.start_heavy()
        begin = time.monotonic()
        process.terminate()
        self.assertEqual(process.wait(timeout=20), 0)
        self.assertLess(time.monotonic() - begin, 10)
        process = self.start("--listen", f"unix:{self.socket}", "--data-dir", self.data)
        self.assertIn("INTERRUPTED", self.client(process.addresses[0], "--output", "json", "show", job))

    def test_a_second_signal_ends_at_once(self):
        process, _ = self.start_heavy()
        process.terminate()
        wait_until(lambda: "stopping" in process.log(), "the first signal's line")
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        self.assertEqual(process.wait(timeout=20), 1)
        self.assertLess(time.monotonic() - begin, 2)
        self.assertIn("second signal", process.log())


if __name__ == "__main__":
    harness.main_guard()
    unittest.main()

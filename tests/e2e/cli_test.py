#!/usr/bin/env python3
"""The client against the real daemon: output, exit codes, a terminal, a daemon that is killed."""

import csv
import io
import json
import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness

BIN = harness.BIN
LIMIT_S = 120  # of anything that is waited for
ENVIRONMENT = {
    key: value for key, value in os.environ.items()
    if key not in ("ANNEAL_SERVER", "NO_COLOR") and not key.startswith("ANNEALD_")
} | {"LC_ALL": "C.UTF-8", "TZ": "UTC", "TERM": "xterm"}

# Small enough for an epoch in less than a second.
SMALL = ["--set", "training.network.layers[1].dense.units=16", "--set", "training.batch_size=128"]


class CliTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = harness.Server("--workers", "1").start()

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def anneal(self, *arguments, code=0, stdin=None, env=None):
        """Runs the client to its end; (standard output, standard error)."""
        result = subprocess.run([BIN / "anneal", "--server", self.daemon.address, *arguments], input=stdin,
                                capture_output=True, text=True, timeout=LIMIT_S, env=ENVIRONMENT | (env or {}))
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result.stdout, result.stderr

    def start(self, *arguments, **options):
        return subprocess.Popen([BIN / "anneal", "--server", self.daemon.address, *arguments], env=ENVIRONMENT,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)

    def test_a_job_from_file_to_curve(self):
        out, err = self.anneal("submit", "recipe:quickstart", *SMALL, "--set", "training.epochs=3", "--watch")
        lines = out.splitlines()
        job = lines[0]
        self.assertRegex(job, r"^\d+$")
        self.assertEqual(err, "")
        epochs = [line for line in lines if line.startswith("epoch ")]
        self.assertEqual([line.split()[1] for line in epochs], ["1/3", "2/3", "3/3"])
        for line in epochs:
            self.assertRegex(line, r"^epoch \d/3  loss \S+  accuracy \S+  val_loss \S+  val_accuracy \S+  \S+ m?s$")
        self.assertRegex(lines[-2], r"^result  test_loss \S+  test_accuracy \S+  epochs 3$")
        self.assertEqual(lines[-1], f"job {job} is SUCCEEDED (COMPLETED)")
        self.assertNotIn("\x1b", out)

        # Watching later shows the same.
        again, _ = self.anneal("watch", job)
        self.assertEqual(again.splitlines(), lines[1:])

        # The curve, three ways.
        answer = json.loads(self.anneal("metrics", job, "--format", "json")[0])
        stored = {(job, str(epoch["epoch"]), metric["name"]): metric["value"]
                  for epoch in answer["epochs"] for metric in epoch["metrics"]}
        self.assertEqual(len(stored), 12)
        rows = list(csv.reader(io.StringIO(self.anneal("metrics", job, "--format", "csv")[0])))
        self.assertEqual(rows[0], ["job", "epoch", "metric", "value"])
        self.assertEqual({(row[0], row[1], row[2]): float(row[3]) for row in rows[1:]}, stored)
        table, _ = self.anneal("metrics", job, "--metric", "loss", "--metric", "val_loss")
        self.assertEqual(table.splitlines()[0].split(), ["EPOCH", "loss", "val_loss", "TIME"])
        self.assertIn("● loss  ○ val_loss", table)
        ascii_table, _ = self.anneal("metrics", job, env={"LC_ALL": "C"})
        self.assertTrue(ascii_table.isascii())

        # The job file that is stored makes the same job again.
        spec, _ = self.anneal("show", job, "--spec")
        copy, _ = self.anneal("submit", "-", stdin=spec)
        shas = [json.loads(self.anneal("show", id_, "--output", "json")[0])["specSha256"] for id_ in (job, copy.strip())]
        self.assertEqual(shas[0], shas[1])
        self.anneal("watch", copy.strip())
        weights = [json.loads(self.anneal("show", id_, "--output", "json")[0])["result"]["weightsSha256"]
                   for id_ in (job, copy.strip())]
        self.assertEqual(weights[0], weights[1])

        # Two runs of one job file are the same model; the best value is that of the stored curve.
        answer = json.loads(self.anneal("compare", job, copy.strip(), "--output", "json")[0])
        accuracies = [value for (_, _, name), value in stored.items() if name == "val_accuracy"]
        self.assertEqual([one["bestAccuracy"]["value"] for one in answer["jobs"]], [max(accuracies)] * 2)
        parameters = json.loads(self.anneal("show", job, "--output", "json")[0])["summary"]["trainableParameters"]
        self.assertGreaterEqual(int(answer["jobs"][0]["parameters"]), int(parameters))
        self.assertTrue(all(reach["reached"] for reach in answer["reaches"]))
        text, _ = self.anneal("compare", job, copy.strip())
        self.assertIn("- No better model: ", text)

        self.anneal("delete", job, copy.strip())
        self.assertIn("NOT_FOUND", self.anneal("show", job, code=3)[1])

    def test_json_is_one_object_a_line(self):
        out, _ = self.anneal("--output", "json", "submit", "recipe:quickstart", *SMALL, "--set", "training.epochs=2", "--watch")
        objects = [json.loads(line) for line in out.splitlines()]
        self.assertIn("job", objects[0])
        events = [line["event"] for line in objects[1:]]
        self.assertEqual([int(event["sequence"]) for event in events], list(range(1, len(events) + 1)))
        self.assertEqual([event["epoch"]["epoch"] for event in events if "epoch" in event], ["1", "2"])
        self.assertEqual(events[-1]["stateChange"]["state"], "SUCCEEDED")
        for verb in (["jobs"], ["show", objects[0]["job"]["id"]], ["server"], ["health"], ["datasets", "list"],
                     ["validate", "recipe:quickstart"], ["version"]):
            self.assertIsInstance(json.loads(self.anneal(*verb, "--output", "json")[0]), dict)

    def test_validate(self):
        out, _ = self.anneal("validate", "recipe:quickstart")
        self.assertIn("3072", out)
        self.assertRegex(out, r"dense_3 +Dense +10 +650\n")
        _, err = self.anneal("validate", "recipe:quickstart", "--set", "training.batch_size=0", "--set",
                             "training.epochs=-1", "--set", "training.dataset.name=none", code=3)
        for field in ("training.batch_size", "training.epochs", "training.dataset.name"):
            self.assertRegex(err, rf"(?m)^  {re.escape(field)}: ")

    def test_usage_errors(self):
        with tempfile.NamedTemporaryFile("w", suffix=".textproto") as file:
            file.write('name: "n"\ntraining {\n  epoch: 3\n}\n')
            file.flush()
            _, err = self.anneal("submit", file.name, code=2)
            self.assertIn(f'{file.name}:3:3: there is no "epoch" here (did you mean "epochs"?)', err)
        self.anneal("submit", "/no/such/file", code=2)
        self.anneal("frob", code=2)
        self.anneal("submit", "recipe:quickstart", "--set", "training.epochs=x", code=2)
        self.assertIn("server address", self.anneal("--server", "nonsense", "jobs", code=2)[1])

    def test_the_server_refuses(self):
        for verb in ("show", "watch", "cancel", "delete", "metrics", "compare"):
            for job in ("999999", "0", "-1", "x", "", "9" * 30, "\x1b[2J"):
                _, err = self.anneal(verb, "--", job, code=3)
                self.assertNotIn("\x1b", err)

    def test_nobody_answers(self):
        for address in ("unix:/no/such/socket", "127.0.0.1:1"):
            begin = time.monotonic()
            _, err = self.anneal("jobs", "--server", address, code=4)
            self.assertLess(time.monotonic() - begin, 5)
            self.assertIn(address, err)

    def test_a_killed_daemon_is_found_again(self):
        watch = self.start("submit", "recipe:quickstart", "--set", "training.epochs=8", "--watch")
        lines = []
        for line in watch.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("epoch 3/8"):
                self.daemon.kill()
                break
        self.daemon.start()
        lines += watch.stdout.read().splitlines()
        err = watch.stderr.read()
        self.assertEqual(watch.wait(LIMIT_S), 0, err)
        watch.stdout.close()
        watch.stderr.close()
        self.assertEqual([line.split()[1] for line in lines if line.startswith("epoch ")],
                         [f"{epoch}/8" for epoch in range(1, 9)])
        self.assertEqual(lines[-1], f"job {lines[0]} is SUCCEEDED (COMPLETED)")
        self.assertIn("lost the daemon", err)
        self.assertIn("connected again", err)
        self.assertEqual(lines[1:], self.anneal("watch", lines[0])[0].splitlines())
        attempts = json.loads(self.anneal("show", lines[0], "--output", "json")[0])["attempts"]
        self.assertEqual([attempt["outcome"] for attempt in attempts], ["INTERRUPTED", "SUCCEEDED"])

    def test_ctrl_c_leaves_the_job_running(self):
        watch = self.start("submit", "recipe:quickstart", "--set", "training.epochs=1000", "--watch")
        job = watch.stdout.readline().strip()
        for line in watch.stdout:
            if line.startswith("epoch "):
                break
        watch.send_signal(signal.SIGINT)
        _, err = watch.communicate(timeout=LIMIT_S)
        self.assertEqual(watch.returncode, 130)
        self.assertIn(f"job {job} goes on; follow it again with: anneal --server {self.daemon.address} watch {job}", err)
        self.assertEqual(json.loads(self.anneal("show", job, "--output", "json")[0])["state"], "RUNNING")
        self.assertIn("RUNNING", self.anneal("jobs", "--state", "running")[0])
        self.anneal("delete", job, code=3)

        # Cancelling ends a watch with 1.
        watch = self.start("watch", job)
        watch.stdout.readline()
        self.anneal("cancel", job)
        out, _ = watch.communicate(timeout=LIMIT_S)
        self.assertEqual(watch.returncode, 1)
        self.assertIn(f"job {job} is CANCELLED (USER)", out)
        self.anneal("cancel", job, code=3)

    def on_terminal(self, *arguments, env=None):
        """What the client writes to a terminal, and its exit code."""
        parent, child = pty.openpty()
        process = subprocess.Popen([BIN / "anneal", "--server", self.daemon.address, *arguments], stdout=child,
                                   stderr=child, stdin=child, env=ENVIRONMENT | (env or {}))
        os.close(child)
        text = b""
        while select.select([parent], [], [], LIMIT_S)[0]:
            try:
                block = os.read(parent, 65536)
            except OSError:  # the other end is closed
                break
            if not block:
                break
            text += block
        os.close(parent)
        return text.decode(), process.wait(LIMIT_S)

    def test_a_live_line_on_a_terminal(self):
        text, code = self.on_terminal("submit", "recipe:quickstart", "--set", "training.epochs=4", "--watch")
        self.assertEqual(code, 0)
        live = re.findall(r"\repoch \d/4 [^\r\n]*\d+/\d+[^\r\n]*\x1b\[K", text)
        self.assertGreater(len(live), 0, text)
        self.assertEqual(re.findall(r"(?:^|\n|\x1b\[K)epoch (\d)/4  loss [^\r\n]*s\r\n", text), ["1", "2", "3", "4"])
        self.assertIn("\x1b[32mSUCCEEDED\x1b[0m", text)
        for line in live:
            self.assertLessEqual(len(line) - len("\r\x1b[K"), 79)
        text, _ = self.on_terminal("jobs", env={"NO_COLOR": "1"})
        self.assertNotIn("\x1b", text)

    def test_hostile_and_unicode_names(self):
        name = "日本 🙂 Übung"
        job = self.anneal("submit", "recipe:quickstart", *SMALL, "--set", "training.epochs=1", "--name", name)[0].strip()
        self.anneal("watch", job)
        self.assertIn(name, self.anneal("jobs", "--filter", "🙂")[0])
        self.assertEqual(json.loads(self.anneal("show", job, "--output", "json")[0])["name"], name)
        for hostile in ("a\x1b[2Jb", "a\nb", "x" * 201):
            _, err = self.anneal("submit", "recipe:quickstart", "--name", hostile, code=3)
            self.assertRegex(err, r"(?m)^  name: ")
            self.assertNotIn("\x1b", err)

    def test_output_that_cannot_be_written(self):
        with open("/dev/full", "w") as full:
            result = subprocess.run([BIN / "anneal", "recipes"], stdout=full, stderr=subprocess.PIPE, env=ENVIRONMENT)
        self.assertEqual(result.returncode, 2)
        self.assertIn(b"cannot be written", result.stderr)

    def test_version_is_quick_and_light(self):
        def seconds():
            begin = time.monotonic()
            self.anneal("version")
            return time.monotonic() - begin
        self.assertLess(min(seconds() for _ in range(20)), 0.05)  # the best: other programs run too
        libraries = subprocess.run(["ldd", BIN / "anneal"], capture_output=True, text=True, check=True).stdout
        self.assertIn("libgrpc++", libraries)
        self.assertNotRegex(libraries, "torch|sqlite")


if __name__ == "__main__":
    harness.main_guard()
    unittest.main()

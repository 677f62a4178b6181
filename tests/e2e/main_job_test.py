#!/usr/bin/env python3
"""The main job through the real binaries: training, repeatability, and what kill -9 leaves."""

import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPES = ROOT / "client" / "recipes"


class Queue(unittest.TestCase):
    def setUp(self):
        self.server = harness.Server("--workers", "1").start()
        self.addCleanup(self.server.close)

    def test_kill_9_loses_nothing(self):
        """One job runs and three wait; the daemon is killed three times; all end as if nothing had been."""
        long_enough = ("--set", "training.epochs=15")  # to be killed three times, also on a busy machine
        undisturbed = self.server.submit(harness.JOB, *long_enough)
        self.server.wait_for_state(undisturbed, "SUCCEEDED")
        expected = self.server.metrics(undisturbed)
        weights = self.server.job(undisturbed)["result"]["weightsSha256"]
        self.assertEqual({epoch for epoch, _ in expected}, set(range(1, 16)))

        jobs = [self.server.submit(harness.JOB, *long_enough) for _ in range(4)]
        watcher = subprocess.Popen(self.server.command("--output", "json", "watch", jobs[0]), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for kill in range(3):
            harness.wait_until(lambda: len(self.server.metrics(jobs[0])) >= 4 * (kill + 1), "another epoch")
            self.assertEqual(self.server.state(jobs[3]), "QUEUED")
            self.server.kill()
            self.server.start()
            # Only a job that a worker of this process holds may be shown as running.
            running = [job for job in jobs if self.server.state(job) == "RUNNING"]
            self.assertLessEqual(len(running), 1)
        for job in jobs:
            self.server.wait_for_state(job, "SUCCEEDED")
            self.assertEqual(self.server.metrics(job), expected)
            self.assertEqual(self.server.job(job)["result"]["weightsSha256"], weights)

        attempts = self.server.job(jobs[0])["attempts"]
        self.assertGreaterEqual(len(attempts), 2)
        self.assertEqual([attempt["outcome"] for attempt in attempts],
                         ["INTERRUPTED"] * (len(attempts) - 1) + ["SUCCEEDED"])

        # The watcher that ran through all of it saw each event once, in order.
        output, _ = watcher.communicate(timeout=60)
        self.assertEqual(watcher.returncode, 0)
        events = [json.loads(line)["event"] for line in output.splitlines() if '"event"' in line]
        self.assertEqual([int(event["sequence"]) for event in events], list(range(1, len(events) + 1)))
        self.assertEqual([int(event["epoch"]["epoch"]) for event in events if "epoch" in event],
                         list(range(1, 16)))

        self.assertEqual(self.server.stop(), 0)
        with sqlite3.connect(self.server.data_dir / "anneal.db") as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchone()[0], "ok")

    def test_sigterm_puts_the_running_job_back(self):
        job = self.server.submit(harness.JOB, "--set", "training.epochs=100000")
        harness.wait_until(lambda: self.server.metrics(job), "an epoch")
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.server.wait_for_state(job, "RUNNING")
        self.assertEqual([attempt.get("outcome", "") for attempt in self.server.job(job)["attempts"]],
                         ["INTERRUPTED", ""])
        self.server.ok("cancel", job)
        self.server.wait_for_state(job, "CANCELLED")
        self.assertEqual(self.server.job(job)["stopReason"], "USER")


class Repeatability(unittest.TestCase):
    def test_the_same_seed_gives_the_same_bits_also_beside_other_jobs(self):
        server = harness.Server("--workers", "3").start()
        self.addCleanup(server.close)
        alone = server.submit()
        server.wait_for_state(alone, "SUCCEEDED")
        beside = [server.submit(), server.submit(harness.JOB, "--set", "training.seed=2"), server.submit()]
        for job in beside:
            server.wait_for_state(job, "SUCCEEDED")
        hashes = [server.job(job)["result"]["weightsSha256"] for job in [alone, *beside]]
        self.assertEqual(hashes[0], hashes[1])
        self.assertEqual(hashes[0], hashes[3])
        self.assertNotEqual(hashes[0], hashes[2])
        self.assertEqual(server.metrics(alone), server.metrics(beside[0]))


class Recipes(unittest.TestCase):
    def test_quickstart_lands_where_its_comment_says(self):
        server = harness.Server().start()
        self.addCleanup(server.close)
        job = server.submit((RECIPES / "quickstart.textproto").read_text())
        server.wait_for_state(job, "SUCCEEDED")
        accuracy = {metric["name"]: metric["value"] for metric in server.job(job)["result"]["metrics"]}
        self.assertGreater(accuracy["test_accuracy"], 0.5)
        self.assertLess(accuracy["test_accuracy"], 0.9)

    def test_cifar10_deep_elu_on_the_real_data(self):
        """One epoch: an independent implementation gave a validation accuracy of 0.3097."""
        folder = pathlib.Path(os.environ.get("ANNEAL_CIFAR10", tempfile.gettempdir() + "/anneal-cifar10"))
        made = subprocess.run([ROOT / "tests" / "support" / "make_cifar10.sh", folder], text=True, capture_output=True,
                              check=False)
        if made.returncode == 77:
            self.skipTest(made.stderr.strip())
        self.assertEqual(made.returncode, 0, made.stderr)
        server = harness.Server("--dataset", f"cifar10=cifar10:{folder}").start()
        self.addCleanup(server.close)
        job = server.submit((RECIPES / "cifar10-deep-elu.textproto").read_text(), "--set", "training.epochs=1")
        server.wait_for_state(job, "SUCCEEDED", timeout_s=300)
        accuracy = float(server.metrics(job)[(1, "val_accuracy")])
        self.assertGreater(accuracy, 0.27)
        self.assertLess(accuracy, 0.35)


if __name__ == "__main__":
    harness.main_guard()
    unittest.main(verbosity=2)

#!/usr/bin/env python3
"""A sweep, with the real binaries: a grid of learning rates, a kill -9 in the middle, the ranking at the end."""

import json
import subprocess
import unittest

import harness
from harness import Server, wait_until

RATE = "training.optimizer.nadam.learning_rate"
RATES = ["1e-5", "1e-3", "1e-2"]


class SweepTest(unittest.TestCase):
    def setUp(self):
        self.server = Server("--workers", "2").start()
        self.addCleanup(self.server.close)

    def sweep(self, *flags):
        return self.server.ok("sweep", "recipe:quickstart", "--name", "lr", *flags).strip()

    def trials(self, sweep):
        listed = json.loads(self.server.ok("--output", "json", "jobs", "--sweep", sweep, "--limit", "0"))
        return sorted(listed["jobs"], key=lambda job: int(job["trial"]["number"]))

    def trial_ends(self, sweep):
        lines = self.server.run("--output", "json", "watch", sweep).stdout.splitlines()
        events = [json.loads(line)["event"] for line in lines]
        self.assertEqual([int(event["sequence"]) for event in events], list(range(1, len(events) + 1)))
        return [event["trialEnd"] for event in events if "trialEnd" in event]

    def test_killed_in_the_middle(self):
        sweep = self.sweep("--set", "training.epochs=3", "--grid", f"{RATE}={','.join(RATES)}")
        jobs = [str(int(sweep) + i) for i in (1, 2, 3)]
        wait_until(lambda: any(metric for metric in map(self.server.metrics, jobs)), "a first epoch")
        watcher = subprocess.Popen(self.server.command("watch", sweep), text=True, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE)
        self.addCleanup(watcher.kill)
        first = watcher.stdout.readline()  # it is connected
        self.server.kill()
        self.server.start()
        out, err = watcher.communicate(timeout=300)
        out = first + out
        self.assertEqual(watcher.returncode, 0, out + err)

        job = self.server.job(sweep)
        self.assertEqual((job["state"], job["kind"], job["stopReason"]), ("SUCCEEDED", "SWEEP", "COMPLETED"))
        self.assertEqual([trial["state"] for trial in self.trials(sweep)], ["SUCCEEDED"] * 3)
        ends = self.trial_ends(sweep)
        self.assertEqual(sorted(end["jobId"] for end in ends), jobs)  # each told once

        ranking = job["sweepResult"]["trials"]
        self.assertEqual([trial["rank"] for trial in ranking], ["1", "2", "3"])
        self.assertEqual(job["sweepResult"]["monitor"], "val_loss")
        for trial in ranking:
            self.assertEqual(trial["settings"], [{"path": RATE, "value": RATES[int(trial["number"]) - 1]}])
            losses = [float(value) for (_, metric), value in self.server.metrics(trial["jobId"]).items()
                      if metric == "val_loss"]
            self.assertEqual(len(losses), 3)
            self.assertEqual(float(trial["best"]), min(losses))
            self.assertEqual(int(trial["bestEpoch"]), losses.index(min(losses)) + 1)
        self.assertEqual(ranking, sorted(ranking, key=lambda trial: trial["best"]))
        self.assertEqual(ranking[-1]["settings"][0]["value"], "1e-5")  # too small to get anywhere in three epochs

        # The lines of a trial, and the ranking.
        self.assertRegex(out, r"trial 2 \(job \d+\) is SUCCEEDED  learning_rate=1e-3  best val_loss \d")
        self.assertEqual(out.count(" is SUCCEEDED  learning_rate="), 3)
        self.assertIn("RANK  TRIAL  JOB  STATE      learning_rate  val_loss  EPOCH", out)
        self.assertIn(out.split("\n\n")[1], self.server.ok("show", sweep))

        # What a sweep's trial trains is what the same settings train alone.
        alone = self.server.ok("submit", "recipe:quickstart", "--set", "training.epochs=3", "--set", f"{RATE}=1e-3")
        self.server.wait_for_state(alone.strip(), "SUCCEEDED")
        self.assertEqual(self.server.job(alone.strip())["result"]["weightsSha256"],
                         self.server.job(jobs[1])["result"]["weightsSha256"])

        self.server.ok("delete", sweep)
        self.assertEqual(self.server.run("show", jobs[0]).returncode, 3)

    def test_cancelled(self):
        sweep = self.sweep("--set", "training.epochs=1000", "--seed", "3", "--trials", "5",
                           "--random", f"{RATE}=log_uniform:1e-5:1e-1")
        wait_until(lambda: self.server.state(sweep) == "RUNNING", "the sweep to run")
        rates = [float(trial["trial"]["settings"][0]["value"]) for trial in self.trials(sweep)]
        self.assertEqual(len(set(rates)), 5)
        self.assertTrue(all(1e-5 <= rate < 1e-1 for rate in rates), rates)
        self.server.ok("cancel", sweep)
        self.server.wait_for_state(sweep, "CANCELLED")
        self.assertEqual([trial["state"] for trial in self.trials(sweep)], ["CANCELLED"] * 5)
        self.assertEqual(self.server.run("watch", sweep).returncode, 1)

    def test_refused(self):
        refused = self.server.run("sweep", "recipe:quickstart", "--grid", f"{RATE}=1e-3,-1", "--monitor", "foo")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("sweep.monitor: is \"foo\"", refused.stderr)
        self.assertIn(f"(trial 2: {RATE}=-1)", refused.stderr)
        self.assertEqual(self.server.ok("jobs"), "no jobs\n")


if __name__ == "__main__":
    harness.main_guard()
    unittest.main()

#!/usr/bin/env python3
"""The queue, steered from outside: order, owners, labels, deadlines, limits of what waits and runs."""

import datetime
import json
import os
import time
import unittest

import harness
from harness import Server, wait_until

ONE_EPOCH = ("--set", "training.epochs=1")
ENDLESS = ("--set", "training.epochs=1000000")


def seconds_of(timestamp):
    """Of "2026-01-31T14:05:09.123456Z", since the epoch."""
    return datetime.datetime.fromisoformat(timestamp.replace("Z", "+00:00")).timestamp()


class QueueTest(unittest.TestCase):
    def start(self, *flags):
        self.server = Server(*flags)
        self.addCleanup(self.server.close)
        self.server.start()

    def submit(self, *flags):
        return self.server.submit(harness.JOB, *flags)

    def run_endless(self, *flags):
        """A job that runs, and goes on until it is stopped."""
        job = self.submit(*ENDLESS, *flags)
        self.server.wait_for_state(job, "RUNNING")
        return job

    def jobs(self, *flags):
        """{id: job} of `anneal jobs`."""
        answer = json.loads(self.server.ok("--output", "json", "jobs", *flags))
        return {job["id"]: job for job in answer.get("jobs", [])}

    def queue(self):
        """The ids of what waits, in the order of the queue."""
        waiting = [job for job in self.jobs().values() if job["state"] == "QUEUED"]
        return [job["id"] for job in sorted(waiting, key=lambda job: int(job["queuePosition"]))]

    def notes(self, job):
        """What watch tells of changes, the job having ended."""
        events = [json.loads(line) for line in self.server.run("--output", "json", "watch", job).stdout.splitlines()]
        return [event["event"]["note"] for event in events if "note" in event["event"]]

    def test_changes_while_queued_change_the_order(self):
        self.start("--workers", "1")
        busy = self.run_endless()
        first, second, third, fourth = (self.submit(*ONE_EPOCH) for _ in range(4))
        self.assertEqual(self.queue(), [first, second, third, fourth])
        self.assertEqual(self.server.ok("update", third, "--priority", "5"),
                         f"job {third} is QUEUED, number 1 in the queue\n")
        self.assertEqual(self.queue(), [third, first, second, fourth])
        # The front is before all priorities, and the last moved there is the first.
        self.server.ok("update", second, "--front")
        self.server.ok("update", first, "--front")
        self.assertEqual(self.queue(), [first, second, third, fourth])
        # A priority takes it from the front again.
        self.server.ok("update", first, "--priority", "-1")
        self.assertEqual(self.queue(), [second, third, fourth, first])
        # All of it outlives the daemon.
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.server.wait_for_state(busy, "QUEUED", "RUNNING")
        self.server.ok("cancel", busy)
        order = [second, third, fourth, first]
        for job in order:
            self.server.wait_for_state(job, "SUCCEEDED")
        started = {job: self.server.job(job)["startTime"] for job in order}
        self.assertEqual(sorted(order, key=started.get), order)
        self.assertEqual(self.notes(third), ["priority 0 -> 5"])
        self.assertIn("moved to the front of the queue\n", self.server.ok("watch", first))
        refused = self.server.run("update", second, first, "--front")
        self.assertEqual(refused.returncode, 3)
        self.assertEqual(refused.stdout, "")
        self.assertEqual(refused.stderr.count("has ended already"), 2)

    def test_estimated_starts(self):
        self.start("--workers", "1")
        self.submit("--set", "training.epochs=2000")
        waiting = self.submit("--set", "training.epochs=2000")
        last = self.submit(*ONE_EPOCH)
        wait_until(lambda: "estimatedStartTime" in self.server.job(last), "an estimate")
        self.assertLess(self.server.job(waiting)["estimatedStartTime"], self.server.job(last)["estimatedStartTime"])
        self.assertRegex(self.server.ok("show", last), r"starts +in about ")
        self.assertRegex(self.server.ok("jobs"), r"QUEUED #2, in ")

    def test_labels_and_owners(self):
        self.start("--workers", "1")
        busy = self.run_endless("--owner", "ada")
        thesis = self.submit(*ONE_EPOCH, "--owner", "ada", "--label", "project=thesis", "--label", "draft")
        course = self.submit(*ONE_EPOCH, "--owner", "grace", "--label", "project=course")
        self.assertEqual(set(self.jobs("--label", "project")), {thesis, course})
        self.assertEqual(set(self.jobs("--label", "project=thesis")), {thesis})
        self.assertEqual(set(self.jobs("--label", "project", "--owner", "grace")), {course})
        self.assertEqual(set(self.jobs("--label", "project", "--label", "draft=")), {thesis})
        self.assertEqual(self.jobs("--label", "project=other"), {})
        self.assertEqual(set(self.jobs("--owner", "ada")), {busy, thesis})
        self.server.ok("update", thesis, course, "--label", "project=both", "--unlabel", "draft")
        self.assertEqual(set(self.jobs("--label", "project=both")), {thesis, course})
        self.assertEqual(self.server.job(thesis)["labels"], {"project": "both"})
        text = self.server.ok("jobs")
        self.assertIn("OWNER", text)
        self.assertIn("project=both", text)
        # Of a job that has ended labels can be changed, too.
        self.server.ok("cancel", thesis)
        self.server.ok("update", thesis, "--label", "done")
        self.assertEqual(set(self.jobs("--label", "done")), {thesis})

    def test_the_owner_is_the_user(self):
        self.start("--workers", "1")
        busy = self.run_endless()
        mine = set(self.jobs("--mine"))
        self.assertEqual(mine, {busy})
        self.assertNotEqual(self.server.job(busy)["owner"], "")
        os.environ["ANNEAL_OWNER"] = "team"
        self.addCleanup(os.environ.pop, "ANNEAL_OWNER", None)
        team = self.submit(*ONE_EPOCH)
        self.assertEqual(self.server.job(team)["owner"], "team")
        self.assertEqual(set(self.jobs("--mine")), {team})

    def test_a_wrong_label_is_refused_with_its_reason(self):
        self.start("--workers", "1")
        refused = self.server.run("submit", "recipe:quickstart", "--label", "no spaces=x")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("labels: the key \"no spaces\" may have letters, digits", refused.stderr)
        self.assertEqual(self.jobs(), {})

    def check_deadline(self, job, message):
        self.server.wait_for_state(job, "FAILED", "SUCCEEDED")
        shown = self.server.job(job)
        self.assertEqual((shown["state"], shown["stopReason"]), ("FAILED", "DEADLINE"), shown)
        self.assertIn(message, shown["message"])
        return shown

    def test_a_deadline_passes_while_queued(self):
        self.start("--workers", "1")
        busy = self.run_endless()
        job = self.submit(*ONE_EPOCH, "--deadline", "1s")
        kept = self.submit(*ONE_EPOCH, "--deadline", "1s")
        self.server.ok("update", kept, "--deadline", "none")
        shown = self.check_deadline(job, "its deadline has passed")
        self.assertNotIn("attempts", shown)
        self.assertEqual(self.server.run("watch", job).returncode, 1)
        self.assertEqual(self.server.state(kept), "QUEUED")
        self.assertEqual(self.server.state(busy), "RUNNING")

    def test_a_deadline_passes_while_running(self):
        self.start("--workers", "1")
        job = self.run_endless()
        wait_until(lambda: self.server.metrics(job), "an epoch")
        self.server.ok("update", job, "--deadline", "1s")
        shown = self.check_deadline(job, "its deadline has passed")
        self.assertEqual(len(shown["attempts"]), 1)
        self.assertTrue(self.server.metrics(job))
        self.assertRegex(self.server.ok("jobs"), r"FAILED \(DEADLINE\)")
        after = self.submit(*ONE_EPOCH)  # the worker is free
        self.server.wait_for_state(after, "SUCCEEDED")

    def test_a_deadline_passes_while_nobody_is_there(self):
        self.start("--workers", "1")
        self.run_endless()
        job = self.submit(*ONE_EPOCH, "--deadline", "1s")
        begin = time.monotonic()
        self.server.kill()
        wait_until(lambda: time.monotonic() > begin + 1.2, "the deadline")
        self.server.start()
        self.check_deadline(job, "its deadline has passed")

    def test_max_time_is_of_all_attempts(self):
        limit_s = 4
        self.start("--workers", "1")
        job = self.run_endless("--max-time", f"{limit_s}s")
        wait_until(lambda: self.server.metrics(job), "an epoch")
        stopped = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        # What passes between attempts does not count.
        wait_until(lambda: time.monotonic() > stopped + limit_s, "time to pass")
        self.server.start()
        shown = self.check_deadline(job, f"it has run for the {limit_s} s")
        self.assertEqual(len(shown["attempts"]), 2)
        ran = [seconds_of(attempt["endTime"]) - seconds_of(attempt["startTime"])
               for attempt in shown["attempts"]]
        self.assertGreater(min(ran), 0)
        self.assertGreaterEqual(sum(ran), limit_s - 0.01)
        self.assertLess(sum(ran), limit_s + 10)  # on a busy machine it takes a moment to stop
        self.assertRegex(self.server.ok("show", job), r"max time +4\.0 s\n")

    def test_a_full_queue_refuses(self):
        self.start("--workers", "1", "--max-queued", "3", "--max-queued-per-owner", "2")
        self.assertIn("limits { max_queued: 3 max_queued_per_owner: 2 ", self.server.log())
        self.run_endless("--owner", "ada")  # runs, and so does not wait
        waiting = [self.submit(*ONE_EPOCH, "--owner", "ada") for _ in range(2)]
        refused = self.server.run("submit", "recipe:quickstart", "--owner", "ada")
        self.assertEqual(refused.returncode, 3)
        self.assertEqual(refused.stdout, "")
        self.assertIn('2 jobs of "ada" wait already', refused.stderr)
        self.assertIn("limit of 2", refused.stderr)
        # Two more trials than there is room for: all or none.
        refused = self.server.run("sweep", "recipe:quickstart", "--grid", "training.batch_size=32,64", "--owner",
                                  "grace")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("limit of 3", refused.stderr)
        self.submit(*ONE_EPOCH, "--owner", "grace")
        refused = self.server.run("submit", "recipe:quickstart", "--owner", "joan")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("3 jobs wait already", refused.stderr)
        self.server.ok("cancel", waiting[0])
        self.submit(*ONE_EPOCH, "--owner", "ada")

    def test_another_owners_job_overtakes(self):
        self.start("--workers", "2", "--max-running-per-owner", "1")
        busy = self.run_endless("--owner", "ada")
        second = self.submit(*ONE_EPOCH, "--owner", "ada")
        other = self.submit(*ONE_EPOCH, "--owner", "grace")
        self.server.wait_for_state(other, "SUCCEEDED")
        shown = self.server.job(second)
        self.assertEqual(shown["state"], "QUEUED")
        self.assertIn("of one owner at most 1", shown["waitingFor"])
        self.assertIn("waits for  a job of its owner", self.server.ok("show", second))
        self.server.ok("cancel", busy)
        self.server.wait_for_state(second, "SUCCEEDED")

    def test_what_does_not_fit_in_memory_waits(self):
        big_layer = ("--set", "training.network.layers[1].dense.units=1024")
        self.start("--workers", "2")
        job = self.submit(*ONE_EPOCH, *big_layer)
        mib = int(self.server.job(job)["memoryBytes"]) / 2**20
        self.assertGreater(mib, 20)
        self.server.ok("cancel", job)
        self.assertEqual(self.server.stop(), 0)
        self.server.flags = ("--workers", "2", "--memory-mib", str(int(1.5 * mib)))
        self.server.start()
        first = self.run_endless(*big_layer)
        second = self.submit(*ENDLESS, *big_layer)
        small = self.submit(*ONE_EPOCH)
        wait_until(lambda: self.server.metrics(first), "an epoch")
        # The other worker is free, and nobody overtakes what waits for memory.
        self.assertEqual(self.queue(), [second, small])
        self.assertRegex(self.server.job(second)["waitingFor"], r"^memory: it needs \d+ MiB, and \d+ MiB of \d+ MiB are free$")
        self.assertIn("QUEUED #1 (memory)", self.server.ok("jobs"))
        self.server.ok("cancel", first)
        self.server.wait_for_state(second, "RUNNING")
        self.server.wait_for_state(small, "SUCCEEDED")
        self.assertEqual(self.server.state(second), "RUNNING")
        # One that would never fit runs alone.
        self.server.ok("cancel", second)
        huge = self.submit(*ONE_EPOCH, "--set", "training.network.layers[1].dense.units=2048")
        self.server.wait_for_state(huge, "SUCCEEDED")


if __name__ == "__main__":
    harness.main_guard()
    unittest.main()

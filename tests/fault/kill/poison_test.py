#!/usr/bin/env python3
"""Jobs that must fail, beside jobs that must not notice: each fails alone, with its typed reason.

usage: poison_test.py [--full] [--rounds N] [--seed N]

The good jobs end with the weights and metrics of an undisturbed run, the daemon stays up, and takes the next job.
"""

import random
import resource
import shutil
import sys
import unittest

import jobs
from daemon import Daemon, command, parse
from database import Database

# Too little for the greedy job, enough for everything else: malloc refuses at once, and no memory is touched.
ADDRESS_SPACE_BYTES = 4 << 30
BROKEN = "broken"  # a data set whose file is cut short after the submit

DIVERGES = jobs.training(jobs.FLATTEN + jobs.DENSE, "sgd { learning_rate: 1e30 }", 3)
# 3072 x 90,000 weights of four bytes are 1.1 GB, their gradients and the two moments of Adam as much each.
GREEDY = jobs.training(jobs.FLATTEN + "layers { dense { units: 90000 } }", "adam {}", 1)
GREEDY_BYTES = 3072 * 90_000 * 4 * 4
# Nearly all that a job may ask for, and more than machines have: the estimate says so.
ABSURD = jobs.training(jobs.FLATTEN + "layers { dense { units: 320000 } } "
                       "layers { repeat { count: 5 layers { activation { function: RELU } } } }", "adam {}", 1).replace(
                           "batch_size: 32", "batch_size: 65536")
DAMAGED = jobs.TRAININGS["dense"].replace(f'"{jobs.DATASET}"', f'"{BROKEN}"')

POISONS = {
    "diverges": (DIVERGES, "DIVERGED"),
    "greedy": (GREEDY, "OUT_OF_MEMORY"),
    "absurd": (ABSURD, "OUT_OF_MEMORY"),
    "damaged": (DAMAGED, "INVALID_DATA"),
}
GOOD = ["dense", "convolutional", "batch-normalization", "dropout", "early-stopping"]
HOLDS_THE_WORKERS = jobs.TRAININGS["long"]


def limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE_BYTES, ADDRESS_SPACE_BYTES))


def available_bytes():
    with open("/proc/meminfo") as info:
        return next(int(line.split()[1]) * 1024 for line in info if line.startswith("MemAvailable:"))


class Poison(unittest.TestCase):
    """One round. `options` is set before it runs."""

    options = None

    def setUp(self):
        self.daemon = Daemon("--workers", 2, preexec_fn=limit_memory)
        self.addCleanup(self.daemon.close)
        for name in (jobs.DATASET, BROKEN):
            jobs.write_dataset(self.daemon.folder / name)
            self.daemon.flags += ("--dataset", f"{name}=cifar10:{self.daemon.folder}/{name}")

    def stored(self, job):
        with Database(self.daemon.data_dir) as database:
            return database.weights(job), database.metrics(job)

    def undisturbed(self):
        """{kind: what it gives}, one job after another."""
        self.daemon.start()
        references = {}
        for kind in GOOD:
            job = self.daemon.submit(jobs.TRAININGS[kind])
            self.daemon.wait_for_state(job, "SUCCEEDED", "FAILED")
            references[kind] = job
        self.assertEqual(self.daemon.stop(), 0)
        references = {kind: self.stored(job) for kind, job in references.items()}
        shutil.rmtree(self.daemon.data_dir)
        return references

    def test_round(self):
        references = self.undisturbed()
        chance = random.Random(self.options.seed)
        wanted = GOOD * 2 + list(POISONS)
        chance.shuffle(wanted)
        self.daemon.start()
        # Nothing of the others begins before the damage is done.
        holders = [self.daemon.submit(HOLDS_THE_WORKERS, "--name", f"holder {number}") for number in range(2)]
        submitted = [(kind, self.daemon.submit(POISONS[kind][0] if kind in POISONS else jobs.TRAININGS[kind],
                                               "--name", f"{kind} {number}")) for number, kind in enumerate(wanted)]
        damaged = next(job for kind, job in submitted if kind == "damaged")
        file = self.daemon.folder / BROKEN / "data_batch_3.bin"
        file.write_bytes(file.read_bytes()[:-1000])
        self.assertEqual(self.daemon.state(damaged), "QUEUED", "it began before its file was damaged")
        for job in [*holders, *(job for _, job in submitted)]:
            self.daemon.wait_for_state(job, "SUCCEEDED", "FAILED")
        self.daemon.check_alive()
        for kind, job in submitted:
            shown = self.daemon.job(job)
            with self.subTest(kind=kind, order=wanted):
                if kind in POISONS:
                    self.assertEqual((shown["state"], shown["stopReason"]), ("FAILED", POISONS[kind][1]), shown)
                    self.assertTrue(shown["message"])
                    self.assertEqual(len(shown["attempts"]), 1, "what cannot get better is not tried again")
                else:
                    self.assertEqual(shown["state"], "SUCCEEDED", shown)
        # The two greedy ones failed for different reasons: one by its estimate, one in malloc.
        messages = {kind: self.daemon.job(job)["message"] for kind, job in submitted if kind in POISONS}
        self.assertIn("bytes free", messages["absurd"])
        if available_bytes() > 2 * GREEDY_BYTES:
            self.assertNotIn("bytes free", messages["greedy"])
        self.assertIn("data_batch_3.bin", messages["damaged"])
        next_job = self.daemon.submit(jobs.TRAININGS["dense"])
        self.daemon.wait_for_state(next_job, "SUCCEEDED", "FAILED")
        self.assertEqual(self.daemon.stop(), 0)
        for kind, job in [*submitted, ("dense", next_job)]:
            if kind not in POISONS:
                self.assertEqual(self.stored(job), references[kind], f"job {job}, {kind}, in the order {wanted}")
        with Database(self.daemon.data_dir) as database:
            self.assertEqual(database.problems() + database.rest_problems(), [])


def main():
    options = parse(__doc__.splitlines()[0], rounds=(1, 10))
    Poison.options = options
    for _ in range(options.rounds):
        print(f"seed {options.seed}", flush=True)
        result = unittest.TextTestRunner().run(Poison("test_round"))
        if not result.wasSuccessful():
            options.rounds = 1
            print(f"FAILED; again: {command(options)}")
            return 1
        options.seed += 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

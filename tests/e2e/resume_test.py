#!/usr/bin/env python3
"""Trainings that are paused, stopped and killed end as one that was not: the same weights, every epoch once."""

import random
import time
import unittest

import harness
from harness import Server, wait_until

# Dropout, Nadam, early stopping with the best weights and a plateau: all that a state must remember.
JOB = """
name: "resume"
training {
  dataset { name: "synthetic-shapes" }
  validation { fraction: 0.1 } test { split: "test" }
  input { standardize {} }
  network {
    layers { flatten {} }
    layers { dense { units: 32 activation: RELU kernel_initializer { he_normal {} } } }
    layers { batch_normalization {} }
    layers { dropout { rate: 0.2 } }
    layers { dense { units: 10 activation: SOFTMAX } }
  }
  loss { sparse_categorical_crossentropy {} }
  optimizer { nadam {} schedule { reduce_on_plateau { patience: 2 min_delta: 0.05 } } }
  early_stopping { patience: 5 restore_best_weights: true }
  batch_size: 32 epochs: 8 seed: 1
}
"""


class ResumeTest(unittest.TestCase):
    def setUp(self):
        # Kills that come faster than epochs are no reason to give a job up here.
        self.server = Server("--max-restarts", "0")
        self.addCleanup(self.server.close)
        self.server.start()

    def undisturbed(self):
        job = self.server.submit(JOB)
        self.server.wait_for_state(job, "SUCCEEDED")
        return self.server.job(job)["result"]["weightsSha256"], self.server.metrics(job)

    def check(self, job, weights, metrics):
        self.server.wait_for_state(job, "SUCCEEDED", "FAILED")
        shown = self.server.job(job)
        self.assertEqual(shown["state"], "SUCCEEDED", shown)
        self.assertEqual(shown["result"]["weightsSha256"], weights)
        self.assertEqual(self.server.metrics(job), metrics)
        folder = self.server.data_dir / "artifacts" / job
        wait_until(lambda: [path.name for path in folder.iterdir()] == ["final.safetensors"], "states to go")
        return shown

    def test_paused_and_resumed(self):
        weights, metrics = self.undisturbed()
        job = self.server.submit(JOB)
        for epochs in (1, 3):
            wait_until(lambda: len({epoch for epoch, _ in self.server.metrics(job)}) >= epochs, "epochs")
            self.server.ok("pause", job)
            self.server.wait_for_state(job, "PAUSED")
            # The worker is free: another job runs to its end meanwhile.
            other = self.server.submit(harness.JOB, "--set", "training.epochs=1")
            self.server.wait_for_state(other, "SUCCEEDED")
            self.assertEqual(self.server.state(job), "PAUSED")
            self.server.ok("resume", job)
        shown = self.check(job, weights, metrics)
        self.assertEqual(len(shown["attempts"]), 3)

    def test_paused_over_a_restart(self):
        weights, metrics = self.undisturbed()
        job = self.server.submit(JOB)
        wait_until(lambda: self.server.metrics(job), "an epoch")
        self.server.ok("pause", job)
        self.server.wait_for_state(job, "PAUSED")
        self.assertEqual(self.server.stop(), 0)
        self.server.start()
        self.assertEqual(self.server.state(job), "PAUSED")
        self.server.ok("resume", job)
        self.check(job, weights, metrics)

    def test_stopped_in_order(self):
        weights, metrics = self.undisturbed()
        job = self.server.submit(JOB)
        wait_until(lambda: self.server.metrics(job), "an epoch")
        begin = time.monotonic()
        self.assertEqual(self.server.stop(), 0)
        self.assertLess(time.monotonic() - begin, 10)
        self.assertTrue(list((self.server.data_dir / "artifacts" / job).glob("state-1-*.safetensors")))
        self.server.start()
        self.check(job, weights, metrics)

    def test_killed_at_random(self):
        weights, metrics = self.undisturbed()
        seed = random.randrange(1 << 30)
        chance = random.Random(seed)
        job = self.server.submit(JOB)
        with self.subTest(seed=seed):
            for _ in range(6):
                time.sleep(chance.uniform(0.05, 0.9))  # not synchronization: the moment of the kill
                self.server.kill()
                self.server.start()
            self.check(job, weights, metrics)

    def test_a_damaged_state_falls_back(self):
        weights, metrics = self.undisturbed()
        job = self.server.submit(JOB)
        folder = self.server.data_dir / "artifacts" / job
        wait_until(lambda: len({epoch for epoch, _ in self.server.metrics(job)}) >= 3, "epochs")
        self.assertEqual(self.server.stop(), 0)
        states = sorted(folder.glob("state-*.safetensors"), key=lambda path: path.stat().st_mtime)
        self.assertGreaterEqual(len(states), 1)
        contents = bytearray(states[-1].read_bytes())
        contents[len(contents) // 2] ^= 1
        states[-1].write_bytes(contents)
        self.server.start()
        self.check(job, weights, metrics)
        events = self.server.ok("--output", "json", "watch", job)
        self.assertIn("has changed since it was written", events)


if __name__ == "__main__":
    harness.main_guard()
    unittest.main()

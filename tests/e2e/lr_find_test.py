#!/usr/bin/env python3
"""Range tests from the client's side: a curve, its suggestions, and a training that uses one."""

import csv
import io
import json
import pathlib
import re
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import harness

STEPS = 300
LOWEST = 1e-4
HIGHEST = 0.1


class LrFindTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.daemon = harness.Server("--workers", "1").start()
        cls.file = cls.daemon.folder / "job.textproto"
        cls.file.write_text(harness.JOB)

    @classmethod
    def tearDownClass(cls):
        cls.daemon.close()

    def anneal(self, *arguments, code=0):
        """Runs the client to its end; (standard output, standard error)."""
        result = subprocess.run([harness.BIN / "anneal", "--server", self.daemon.address, *arguments],
                                capture_output=True, text=True, timeout=120)
        self.assertEqual(result.returncode, code, f"{arguments}: {result.stdout}{result.stderr}")
        return result.stdout, result.stderr

    def lr_find(self, *more):
        return self.anneal("lr-find", self.file, "--min", str(LOWEST), "--max", str(HIGHEST), "--steps", str(STEPS),
                           *more)[0]

    def test_from_a_curve_to_a_training(self):
        text = self.lr_find()
        test = text.splitlines()[0]
        self.assertRegex(test, r"^\d+$")
        self.assertIn(f"job {test} is SUCCEEDED", text)
        self.assertNotIn("epoch", text)

        rows = list(csv.reader(io.StringIO(self.anneal("lr-find", "--job", test, "--format", "csv")[0])))
        self.assertEqual(rows[0], ["job", "step", "learning_rate", "loss", "smoothed_loss"])
        self.assertEqual(len(rows), STEPS + 1)
        for number, row in enumerate(rows[1:]):
            self.assertEqual(row[:2], [test, str(number + 1)])
            self.assertAlmostEqual(float(row[2]) / (LOWEST * (HIGHEST / LOWEST) ** (number / (STEPS - 1))), 1, places=9)
        # The exponential mean, corrected for its beginning.
        mean = weight = 0
        for row in rows[1:]:
            mean = 0.98 * mean + 0.02 * float(row[3])
            weight = 0.98 * weight + 0.02
            self.assertAlmostEqual(float(row[4]), mean / weight, places=9)

        # Repeated, to the last bit.
        again = list(csv.reader(io.StringIO(self.lr_find("--format", "csv"))))
        self.assertEqual([row[1:] for row in again], [row[1:] for row in rows])

        result = json.loads(self.anneal("--output", "json", "lr-find", "--job", test)[0])["lrRangeTestResult"]
        for name in ("steepest", "valley", "minimumTenth"):
            proto_name = re.sub("T", "_t", name)
            shown = f"{result[name]:.3g}"
            self.assertRegex(text, rf"(?m)^[SVM]  {proto_name} +{re.escape(shown)}  ")
            out, err = self.anneal("submit", self.file, "--set", "training.epochs=100000", "--lr-from",
                                   f"{test}:{proto_name}")
            self.assertEqual(err, f"learning rate {shown} from job {test} ({proto_name})\n")
            spec = json.loads(self.anneal("--output", "json", "show", out.strip())[0])["spec"]
            self.assertEqual(spec["training"]["optimizer"]["nadam"]["learningRate"], float(shown))
            self.anneal("cancel", out.strip())

        _, err = self.anneal("submit", self.file, "--lr-from", out.strip(), code=2)
        self.assertIn("is no learning-rate range test", err)
        self.assertRegex(self.anneal("jobs", "--limit", "0")[0], rf"(?m)^ *{test}  e2e +lr range test  SUCCEEDED ")

    def test_one_that_diverges(self):
        text, _ = self.anneal("lr-find", self.file, "--set", "training.optimizer={sgd {momentum: 0.9}}", "--max", "1e6",
                              "--steps", "200")
        self.assertRegex(text, r"(?m)^The loss diverged after step \d+, at a learning rate of about \S+\.$")
        self.assertRegex(text, r"(?m)^ *>[0-9.]+ ")

    def test_one_that_has_not_ended(self):
        job = self.anneal("lr-find", self.file, "--steps", "100000", "--detach")[0].strip()
        _, err = self.anneal("submit", self.file, "--lr-from", job, code=3)
        self.assertIn("wait for its end", err)
        self.anneal("cancel", job)
        self.anneal("watch", job, code=1)
        _, err = self.anneal("lr-find", "--job", job, code=3)
        self.assertIn(f"job {job} is CANCELLED (USER) and has no curve", err)


if __name__ == "__main__":
    unittest.main()

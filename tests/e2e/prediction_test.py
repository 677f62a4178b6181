#!/usr/bin/env python3
"""Monte Carlo Dropout predictions, with the real binaries: the answers, kill -9, cancelling, a damaged checkpoint."""

import csv
import io
import json
import math
import random
import shutil
import sqlite3
import unittest

import harness
from harness import Server, wait_until

JOB = """
name: "with dropout"
training {
  dataset { name: "synthetic-shapes" }
  test { split: "test" }
  input { standardize {} }
  network {
    layers { flatten {} }
    layers { dense { units: 128 activation: RELU kernel_initializer { he_normal {} } } }
    layers { dropout { rate: 0.3 } }
    layers { dense { units: 64 activation: RELU kernel_initializer { he_normal {} } } }
    layers { dropout { rate: 0.3 } }
    layers { dense { units: 10 activation: SOFTMAX } }
  }
  loss { sparse_categorical_crossentropy {} }
  optimizer { nadam { learning_rate: 0.0005 } }
  batch_size: 64 epochs: 4 seed: 1
}
"""
IMAGES = 2000  # of the test split
CLASSES = 10
KILLS = 5


def table(text):
    """The rows of csv, without the column that tells the job."""
    return [{name: value for name, value in row.items() if name != "job"} for row in csv.DictReader(io.StringIO(text))]


def numbers(row, prefix):
    return [float(row[f"{prefix}_{k}"]) for k in range(CLASSES)]


class PredictionTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        """Trains once, for all tests."""
        cls.trained = Server().start()
        cls.addClassCleanup(cls.trained.close)
        cls.model = cls.trained.submit(JOB)
        cls.trained.wait_for_state(cls.model, "SUCCEEDED")
        cls.trained.stop()

    def setUp(self):
        """A daemon on a copy of the data folder with the trained job."""
        self.server = Server("--workers", "1")
        self.addCleanup(self.server.close)
        shutil.copytree(self.trained.data_dir, self.server.data_dir)
        self.server.start()

    def predict(self, *flags):
        return self.server.ok("predict", self.model, *flags).strip()

    def predict_to_the_end(self, *flags):
        job = self.predict(*flags)
        self.server.wait_for_state(job, "SUCCEEDED")
        return job

    def rows(self, job, *flags):
        return table(self.server.ok("predictions", job, "--format", "csv", *flags))

    def json_rows(self, job, *flags):
        return [json.loads(line) for line in
                self.server.ok("predictions", job, "--format", "json", *flags).splitlines()]

    def measures(self, job, *flags):
        """{(kind, measure): value} of `uncertainty`."""
        return {(row["kind"], row["measure"]): float(row["value"])
                for row in table(self.server.ok("uncertainty", job, "--format", "csv", *flags))}

    def stored(self, job):
        return int(self.server.job(job).get("prediction", {}).get("stored", 0))

    def checkpoint(self):
        return self.server.data_dir / "artifacts" / self.model / "final.safetensors"

    def count_in_database(self, query):
        with sqlite3.connect(self.server.data_dir / "anneal.db") as database:
            return database.execute(query).fetchone()[0]

    def test_the_main_job(self):
        samples = 20
        job = self.predict_to_the_end("--samples", samples, "--seed", "3", "--keep-samples")
        rows = self.rows(job)
        self.assertEqual([int(row["image"]) for row in rows], list(range(IMAGES)))
        self.check_rows(job, rows, samples)
        self.check_summary(job, rows)
        self.check_filters_and_sorts(job, rows)

        # csv and json are the same single-precision numbers; what is 0 may be left out of json.
        for row, other in zip(rows, self.json_rows(job), strict=True):
            for text, name in (("image", "image"), ("label", "label"), ("predicted", "predicted"),
                               ("deterministic_predicted", "deterministicPredicted"), ("entropy", "entropy"),
                               ("mutual_information", "mutualInformation"), ("nll", "nll")):
                self.assertAlmostEqual(float(row[text]), float(other.get(name, 0)), delta=1e-6)
            for prefix, name in (("p", "probabilities"), ("std", "deviations"),
                                 ("deterministic_p", "deterministicProbabilities")):
                for value, another in zip(numbers(row, prefix), other[name], strict=True):
                    self.assertAlmostEqual(value, another, delta=1e-6)

        # The training's id means its newest prediction; masks do not depend on which images are asked for.
        part = self.predict_to_the_end("--samples", samples, "--seed", "3", "--keep-samples", "--images", "700:9")
        self.assertEqual(self.rows(self.model), rows[700:709])
        self.assertEqual(self.rows(part), rows[700:709])
        other_seed = self.predict_to_the_end("--samples", samples, "--seed", "4", "--images", "700:9")
        self.assertNotEqual([numbers(row, "p") for row in self.rows(other_seed)],
                            [numbers(row, "p") for row in rows[700:709]])
        self.assertEqual([numbers(row, "deterministic_p") for row in self.rows(other_seed)],
                         [numbers(row, "deterministic_p") for row in rows[700:709]])
        listed = json.loads(self.server.ok("--output", "json", "jobs", "--model", self.model))["jobs"]
        self.assertEqual([each["id"] for each in listed], [other_seed, part, job])

    def check_rows(self, job, rows, samples):
        """Each row's mean, deviation and measures, from its samples."""
        of_image = {}
        checked = 300
        for row in self.rows(job, "--samples", "--filter", f"image < {checked}"):
            of_image.setdefault(int(row["image"]), []).append(numbers(row, "p"))
        self.assertEqual(len(of_image), checked)
        for row in rows[:checked]:
            each = of_image[int(row["image"])]
            self.assertEqual(len(each), samples)
            mean = [math.fsum(sample[k] for sample in each) / samples for k in range(CLASSES)]
            variance = [math.fsum((sample[k] - mean[k]) ** 2 for sample in each) / samples for k in range(CLASSES)]
            for k in range(CLASSES):
                self.assertAlmostEqual(numbers(row, "p")[k], mean[k], delta=1e-6)
                self.assertAlmostEqual(numbers(row, "std")[k], math.sqrt(variance[k]), delta=1e-5)
            self.assertGreater(max(variance), 0)  # dropout was active

            def entropy(p):
                return -math.fsum(x * math.log(x) for x in p if x > 0)
            expected_entropy = math.fsum(map(entropy, each)) / samples
            votes = [sample.index(max(sample)) for sample in each]
            largest, second = sorted(mean, reverse=True)[:2]
            label = int(row["label"])
            for name, value in (
                    ("confidence", largest), ("margin", largest - second), ("entropy", entropy(mean)),
                    ("expected_entropy", expected_entropy), ("mutual_information", entropy(mean) - expected_entropy),
                    ("variation_ratio", 1 - max(map(votes.count, votes)) / samples), ("nll", -math.log(mean[label])),
                    ("brier", math.fsum((p - (k == label)) ** 2 for k, p in enumerate(mean)))):
                self.assertAlmostEqual(float(row[name]), value, delta=1e-4, msg=f"{name} of image {row['image']}")
            self.assertAlmostEqual(mean[int(row["predicted"])], largest, delta=1e-6)

    def check_summary(self, job, rows):
        """The measures of the set, from its rows."""
        measures = self.measures(job, "--bins", "10")
        for kind, predicted, prefix in (("monte_carlo", "predicted", "p"),
                                        ("deterministic", "deterministic_predicted", "deterministic_p")):
            right = [row[predicted] == row["label"] for row in rows]
            self.assertEqual(measures[kind, "images"], IMAGES)
            self.assertEqual(measures[kind, "accuracy"], sum(right) / IMAGES)
            of_label = [numbers(row, prefix)[int(row["label"])] for row in rows]
            nll = math.fsum(-math.log(p) for p in of_label) / IMAGES
            self.assertAlmostEqual(measures[kind, "nll"], nll, delta=1e-5)
            bins = [[] for _ in range(10)]
            for row, is_right in zip(rows, right, strict=True):
                confidence = max(numbers(row, prefix))
                bins[max(0, math.ceil(confidence * 10) - 1)].append(confidence - is_right)
            self.assertAlmostEqual(measures[kind, "ece"], sum(abs(math.fsum(each)) for each in bins) / IMAGES,
                                   delta=1e-5)
        # No two confidences of right and wrong answers are equal, or the areas would need their ties.
        ranked = sorted(rows, key=lambda row: -float(row["confidence"]))
        wrong, risks = 0, []
        for k, row in enumerate(ranked, 1):
            wrong += row["predicted"] != row["label"]
            risks.append(wrong / k)
        self.assertAlmostEqual(measures["monte_carlo", "aurc"], math.fsum(risks) / IMAGES, delta=1e-4)
        self.assertAlmostEqual(measures["monte_carlo", "coverage_0.5/accuracy"], 1 - risks[IMAGES // 2 - 1], delta=2e-3)
        result = {metric["name"]: metric["value"] for metric in self.server.job(job)["result"]["metrics"]}
        self.assertEqual(result["accuracy"], measures["monte_carlo", "accuracy"])
        # The training measured the same test split with the same weights.
        trained = {metric["name"]: metric["value"] for metric in self.server.job(self.model)["result"]["metrics"]}
        self.assertAlmostEqual(result["deterministic_accuracy"], trained["test_accuracy"], delta=1e-6)

    def check_filters_and_sorts(self, job, rows):
        def images(selected):
            return [row["image"] for row in selected]
        wrong = [row for row in rows if row["predicted"] != row["label"]]
        self.assertTrue(0 < len(wrong) < IMAGES)
        self.assertEqual(images(self.rows(job, "--filter", "wrong")), images(wrong))
        self.assertEqual(images(self.rows(job, "--filter", "not wrong and (label = disc or predicted = checker)")),
                         images(row for row in rows if row not in wrong and
                                (row["label_name"] == "disc" or row["predicted_name"] == "checker")))
        doubtful = sorted(wrong, key=lambda row: (-float(row["mutual_information"]), int(row["image"])))
        self.assertEqual(self.rows(job, "--filter", "wrong", "--sort", "mutual_information", "--limit", "25"),
                         doubtful[:25])
        sure = [row for row in rows if float(row["confidence"]) > 0.5]
        self.assertEqual(images(self.rows(job, "--filter", "confidence > 0.5", "--sort", "margin:desc")),
                         images(sorted(sure, key=lambda row: (-float(row["margin"]), int(row["image"])))))
        refused = self.server.run("predictions", job, "--filter", "wrong and entrpy > 1")
        self.assertEqual(refused.returncode, 3)
        self.assertIn("at character 11", refused.stderr)
        # A table that a person reads.
        shown = self.server.ok("predictions", job, "--sort", "entropy", "--limit", "3")
        self.assertIn("3 of 2,000 images, by entropy desc", shown)
        self.assertIn("MC Dropout", self.server.ok("uncertainty", job))

    def test_killed_in_the_middle(self):
        asked = ("--samples", "800", "--seed", "9", "--keep-samples", "--images", "1:600")
        undisturbed = self.predict_to_the_end(*asked)
        # Every sample of a tenth of the images, all over the split: all are 70 MB of text.
        of_discs = ("--samples", "--filter", "label = disc")
        expected = self.rows(undisturbed), self.rows(undisturbed, *of_discs), self.measures(undisturbed)
        self.assertEqual(len(expected[0]), 600)
        self.assertEqual(len(expected[1]), 800 * sum(row["label_name"] == "disc" for row in expected[0]))

        killed = self.predict(*asked)
        before = 0
        for least in sorted(random.Random(20160614).sample(range(1, 500), KILLS)):
            wait_until(lambda least=least: self.stored(killed) >= least, f"{least} images")
            before = max(before, self.stored(killed))
            self.assertLess(before, 600)  # it is killed before it ends
            self.server.kill()
            self.server.start()
            self.assertGreaterEqual(self.stored(killed), before)
        self.server.wait_for_state(killed, "SUCCEEDED")
        attempts = [attempt["outcome"] for attempt in self.server.job(killed)["attempts"]]
        self.assertEqual(attempts, ["INTERRUPTED"] * KILLS + ["SUCCEEDED"])
        for got, wanted in zip((self.rows(killed), self.rows(killed, *of_discs), self.measures(killed)), expected,
                               strict=True):
            self.assertTrue(got == wanted, "the rows differ from those of a prediction that was not killed")
        self.assertEqual(self.server.stop(), 0)
        self.assertEqual(self.count_in_database("PRAGMA integrity_check"), "ok")

    def test_cancelled_in_the_middle(self):
        asked = ("--samples", "5000", "--seed", "2")
        job = self.predict(*asked)
        waiting = self.predict(*asked)
        wait_until(lambda: self.stored(job), "a first chunk")
        self.server.ok("cancel", waiting)  # before it runs
        self.server.ok("cancel", job)
        self.server.wait_for_state(job, "CANCELLED")
        self.assertEqual((self.server.state(waiting), self.stored(waiting)), ("CANCELLED", 0))
        stored = self.stored(job)
        self.assertTrue(0 < stored < IMAGES, stored)
        self.assertIn(f"{stored:d} of {IMAGES:d} images are stored", self.server.job(job)["message"])
        self.assertIn(f"{stored:,} of {IMAGES:,} stored", self.server.ok("show", job))
        # Whole chunks: all are of one size but the split's last, which it did not get to.
        of_it = f"FROM prediction_chunks WHERE job_id = {job}"
        self.assertEqual(self.count_in_database(f"SELECT sum(count) {of_it}"), stored)
        self.assertEqual(self.count_in_database(f"SELECT count(DISTINCT count) {of_it}"), 1)
        # What is stored is what a prediction of those images alone gives.
        rows = self.rows(job)
        self.assertEqual([int(row["image"]) for row in rows], list(range(stored)))
        self.assertEqual(rows[-3:], self.rows(self.predict_to_the_end(*asked, "--images", f"{stored - 3}:3")))
        self.assertEqual(self.measures(job)["monte_carlo", "images"], stored)

    def test_a_damaged_checkpoint_and_what_deleting_removes(self):
        job = self.predict_to_the_end("--samples", "3", "--images", "0:50")
        path = self.checkpoint()
        good = path.read_bytes()
        flipped = bytearray(good)
        bit = random.Random(5).randrange(8 * len(good))
        flipped[bit // 8] ^= 1 << bit % 8
        for bad, text in ((bytes(flipped), "has changed since it was written"),
                          (good[:-1], f"has {len(good) - 1} bytes and was written with {len(good)}")):
            path.write_bytes(bad)
            failed = self.predict("--samples", "3", "--images", "0:50")
            self.server.wait_for_state(failed, "FAILED")
            ended = self.server.job(failed)
            self.assertEqual(ended["stopReason"], "INVALID_DATA")
            self.assertIn(text, ended["message"])
            self.assertIn(str(path), ended["message"])
            self.assertEqual(self.rows(failed), [])
            self.assertEqual(self.server.run("uncertainty", failed).returncode, 3)
        path.write_bytes(good)
        again = self.predict_to_the_end("--samples", "3", "--images", "0:50")
        self.assertEqual(self.rows(again), self.rows(job))

        # Predictions outlive their model; a model's file does not outlive it.
        self.server.ok("delete", self.model)
        self.assertFalse(path.exists())
        self.assertEqual(list((self.server.data_dir / "artifacts").iterdir()), [])
        self.assertEqual(len(self.rows(job)), 50)
        refused = self.server.run("predict", self.model)
        self.assertEqual(refused.returncode, 3)
        self.assertIn("there is no such job", refused.stderr)
        for each in (job, again):
            self.server.ok("delete", each)
        self.assertEqual(self.count_in_database("SELECT count(*) FROM prediction_chunks"), 0)
        self.assertEqual(self.count_in_database("SELECT count(*) FROM predictions_probabilities"), 0)

    def test_refused(self):
        plain = self.server.submit(harness.JOB, "--set", "training.epochs=1")
        self.server.wait_for_state(plain, "SUCCEEDED")
        running = self.server.submit(JOB, "--set", "training.epochs=100000")
        for wanted, flags, text in (
                (plain, (), "has no dropout"), (running, (), "it has not finished"), ("99", (), "there is no such job"),
                ("x", (), "is no job id"), (self.model, ("--samples", "1000000"), "from 0 to 100000"),
                (self.model, ("--samples", "-1"), "from 0 to 100000"), (self.model, ("--dataset", "no"), 'is "no"'),
                (self.model, ("--split", "no"), 'is "no"'), (self.model, ("--images", "1999:2"), "from 1 to 1")):
            refused = self.server.run("predict", wanted, *flags)
            self.assertEqual(refused.returncode, 3, refused.stderr)
            self.assertIn(text, refused.stderr)
        self.server.ok("cancel", running)
        job = self.server.ok("predict", plain, "--samples", "0", "--images", "0:20").strip()
        self.server.wait_for_state(job, "SUCCEEDED")
        self.assertEqual(len(self.rows(job)), 20)
        self.assertEqual({kind for kind, _ in self.measures(job)}, {"deterministic"})


if __name__ == "__main__":
    harness.main_guard()
    unittest.main()

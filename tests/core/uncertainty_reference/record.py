#!/usr/bin/env python3
"""Records what NumPy, SciPy and scikit-learn say of some predictions, for core's tests: measures.csv.

usage: python3 -m venv VENV && VENV/bin/pip install -r requirements.txt && VENV/bin/python record.py

In float64 from float32 probabilities. The test reads the file; this program runs only when a case is
added. --check compares instead of writing.
"""

import argparse
import pathlib
import sys

import numpy as np
import scipy.stats
import sklearn
from sklearn.calibration import calibration_curve
from sklearn.metrics import accuracy_score, brier_score_loss, log_loss, roc_auc_score

IMAGES, SAMPLES, CLASSES, BINS = 120, 7, 4, 10
KNOWN_WITHOUT_LABEL = ["confidence", "entropy", "expected_entropy", "mutual_information", "variation_ratio", "margin"]
LARGE_IS_SURE = ["confidence", "margin"]
COVERAGES = [1, 0.95, 0.9, 0.8, 0.5]


def make():
    """Labels, deterministic [IMAGES, CLASSES] and sampled [IMAGES, SAMPLES, CLASSES] probabilities."""
    random = np.random.default_rng(2017)
    labels = random.integers(0, CLASSES, IMAGES)
    # The network often means the label, more or less sure, and the samples scatter around that.
    logits = random.normal(0, 1, (IMAGES, CLASSES)) + 1.5 * np.eye(CLASSES)[labels]
    scattered = logits[:, None, :] + random.normal(0, 1, (IMAGES, SAMPLES, CLASSES))
    deterministic = scipy.special.softmax(logits, axis=-1)
    sampled = scipy.special.softmax(scattered, axis=-1)
    # In 32nds: few different values, so that there are ties everywhere, and zeros.
    deterministic[:60] = in_32nds(deterministic[:60])
    sampled[:60] = in_32nds(sampled[:60])
    # Samples that agree completely, and ones that are completely sure.
    sampled[60:64] = deterministic[60:64, None, :]
    sampled[64:68] = np.eye(CLASSES)[random.integers(0, CLASSES, (4, SAMPLES))]
    deterministic[68] = np.eye(CLASSES)[labels[68]]
    return labels, deterministic.astype(np.float32), sampled.astype(np.float32)


def in_32nds(probabilities):
    """Rounded, with the rest added to the largest; sums of 1 stay exact."""
    rounded = np.round(probabilities * 32)
    rest = 32 - rounded.sum(axis=-1)
    largest = rounded.argmax(axis=-1)
    np.put_along_axis(
        rounded, largest[..., None], np.take_along_axis(rounded, largest[..., None], -1) + rest[..., None], -1
    )
    return rounded / 32


def of_distribution(probabilities, labels):
    p = probabilities.astype(np.float64)
    ordered = np.sort(p, axis=-1)
    of_label = np.take_along_axis(p, labels[:, None], -1)[:, 0]
    return {
        "confidence": p.max(axis=-1),
        "entropy": scipy.special.entr(p).sum(axis=-1),
        "margin": ordered[:, -1] - ordered[:, -2],
        "nll": -np.log(np.maximum(of_label, np.finfo(np.float32).tiny)),
        "brier": ((p - np.eye(CLASSES)[labels]) ** 2).sum(axis=-1),
    }


def of_samples(sampled, labels):
    p = sampled.astype(np.float64)
    measures = of_distribution(p.mean(axis=1).astype(np.float32), labels)
    measures["entropy"] = scipy.special.entr(p.mean(axis=1)).sum(axis=-1)
    measures["expected_entropy"] = scipy.special.entr(p).sum(axis=-1).mean(axis=-1)
    # Another form of the same: the mean divergence of the samples from their mean.
    measures["mutual_information"] = scipy.special.kl_div(p, p.mean(axis=1, keepdims=True)).sum(-1).mean(-1)
    votes = p.argmax(axis=-1)
    measures["variation_ratio"] = 1 - scipy.stats.mode(votes, axis=-1).count / SAMPLES
    return measures


def risk_curve(doubt, wrong):
    """[k - 1]: the expected share of wrong ones among the k in the least doubt, ties in any order."""
    less = (doubt[None, :] < doubt[:, None]).sum(axis=1)
    equal = (doubt[None, :] == doubt[:, None]).sum(axis=1)
    k = np.arange(1, len(doubt) + 1)[:, None]
    taken = np.clip((k - less) / equal, 0, 1)  # the probability that the image is among the k
    return (taken * wrong).sum(axis=1) / k[:, 0]


def of_set(name, probabilities, measures, labels, lines):
    p = probabilities.astype(np.float64)
    # As stored: float32, or values that are equal there would not be ties.
    measures = {key: value.astype(np.float32).astype(np.float64) for key, value in measures.items()}
    predicted = p.argmax(axis=-1)
    wrong = predicted != labels
    classes = list(range(CLASSES))
    lines.append((f"{name} accuracy", [accuracy_score(labels, predicted)]))
    some = np.take_along_axis(p, labels[:, None], -1)[:, 0] > 0  # scikit-learn clips zeros elsewhere
    mean = log_loss(labels[some], p[some] / p[some].sum(-1, keepdims=True), labels=classes)
    mean = (mean * some.sum() + measures["nll"][~some].sum()) / IMAGES
    lines.append((f"{name} nll", [mean]))
    p1 = p / p.sum(-1, keepdims=True)
    lines.append((f"{name} brier", [brier_score_loss(labels, p1, labels=classes, scale_by_half=False)]))
    confidence = measures["confidence"]
    edges = np.linspace(0, 1, BINS + 1)
    counts = np.histogram(np.searchsorted(edges[1:-1], confidence), bins=np.arange(BINS + 1))[0]
    accuracies, confidences = calibration_curve(~wrong, np.minimum(confidence, 1), n_bins=BINS)
    lines.append((f"{name} ece", [(counts[counts > 0] / IMAGES * np.abs(accuracies - confidences)).sum()]))
    for what, values in [("images", counts[counts > 0]), ("accuracy", accuracies), ("confidence", confidences)]:
        filled = np.zeros(BINS)
        filled[counts > 0] = values
        lines.append((f"{name} bins {what}", filled))
    for key, values in measures.items():
        lines.append((f"{name} means {key}", [values[~wrong].mean(), values[wrong].mean()]))
        if key not in KNOWN_WITHOUT_LABEL:
            continue
        doubt = -values if key in LARGE_IS_SURE else values
        risks = risk_curve(doubt, wrong)
        lines.append((f"{name} auroc {key}", [roc_auc_score(wrong, doubt)]))
        lines.append((f"{name} aurc {key}", [risks.mean()]))
        answered = [int(np.ceil(coverage * IMAGES)) for coverage in COVERAGES]
        lines.append((f"{name} coverage_accuracy {key}", [1 - risks[k - 1] for k in answered]))
        worst = np.sort(doubt)[[k - 1 for k in answered]]
        lines.append((f"{name} thresholds {key}", -worst if key in LARGE_IS_SURE else worst))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    labels, deterministic, sampled = make()
    lines = [
        ("labels", labels),
        ("deterministic", deterministic.ravel()),
        ("sampled", sampled.ravel()),
    ]
    mean = sampled.astype(np.float64).mean(axis=1).astype(np.float32)
    lines.append(("probabilities", mean.ravel()))
    lines.append(("deviations", sampled.astype(np.float64).std(axis=1).ravel()))
    measures = of_samples(sampled, labels)
    for key, values in measures.items():
        lines.append((key, values))
    of_set("monte_carlo", mean, measures, labels, lines)
    of_set("deterministic", deterministic, of_distribution(deterministic, labels), labels, lines)

    versions = f"numpy {np.__version__}, scipy {scipy.__version__}, scikit-learn {sklearn.__version__}"
    text = f"# {versions}; {IMAGES} images, {SAMPLES} samples, {CLASSES} classes, {BINS} bins\n"
    for key, values in lines:
        text += key + ";" + " ".join(short(value) for value in values) + "\n"
    path = pathlib.Path(__file__).parent / "measures.csv"
    if not check:
        path.write_text(text)
    elif path.read_text() != text:
        sys.exit(f"{path} is not what would be recorded now")


def short(value):
    """The fewest digits that read back as the value: of float32 as that, of all others as float64."""
    if isinstance(value, np.float32):
        return str(value)
    return repr(float(value)) if not isinstance(value, np.integer) else str(value)


if __name__ == "__main__":
    main()

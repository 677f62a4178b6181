#!/usr/bin/env python3
"""Records what Keras does, for the engine's tests: optimizers.csv and early_stopping.csv beside it.

usage: python3 -m venv VENV && VENV/bin/pip install -r requirements.txt && VENV/bin/python record.py

Runs on Keras's NumPy backend in float64, so that the numbers are the formulas' and not float32's
rounding. The tests read the files; this program runs only when a case is added. --check compares
instead of writing.
"""

import os

os.environ["KERAS_BACKEND"] = "numpy"

import argparse
import io
import math
import pathlib

import keras
import numpy as np
from keras.src.backend.common import dtypes

# Outside of TensorFlow, Keras lets every result of mixed types fall back to float32; this is the switch.
dtypes.BIT64_TO_BIT32_DTYPE["float64"] = "float64"

STEPS = 20
# The parameters begin here; some at zero, where an update's relative error is easiest to see.
INITIAL = [0.0, 1.0, -0.5, 0.25, 0.0, 2.0, -1e-3, 0.125]

OPTIMIZERS = {
    # name in the file: (text proto of the spec, the Keras optimizer)
    "sgd": ("sgd {}", lambda: keras.optimizers.SGD()),
    "sgd_rate": ("sgd { learning_rate: 0.5 }", lambda: keras.optimizers.SGD(0.5)),
    "sgd_momentum": ("sgd { momentum: 0.9 }", lambda: keras.optimizers.SGD(momentum=0.9)),
    "sgd_nesterov": (
        "sgd { learning_rate: 0.003 momentum: 0.8 nesterov: true }",
        lambda: keras.optimizers.SGD(0.003, momentum=0.8, nesterov=True),
    ),
    "adam": ("adam {}", lambda: keras.optimizers.Adam()),
    "adam_options": (
        "adam { learning_rate: 0.02 beta_1: 0.8 beta_2: 0.95 epsilon: 0.01 }",
        lambda: keras.optimizers.Adam(0.02, beta_1=0.8, beta_2=0.95, epsilon=0.01),
    ),
    "adam_no_memory": (
        "adam { beta_1: 0 beta_2: 0 }",
        lambda: keras.optimizers.Adam(beta_1=0.0, beta_2=0.0),
    ),
    "nadam": ("nadam {}", lambda: keras.optimizers.Nadam()),
    "nadam_options": (
        "nadam { learning_rate: 0.02 beta_1: 0.8 beta_2: 0.95 epsilon: 0.01 }",
        lambda: keras.optimizers.Nadam(0.02, beta_1=0.8, beta_2=0.95, epsilon=0.01),
    ),
    "nadam_no_memory": (
        "nadam { beta_1: 0 beta_2: 0 }",
        lambda: keras.optimizers.Nadam(beta_1=0.0, beta_2=0.0),
    ),
    # The learning rate is halved after step 5 and set to 0.03 after step 12.
    "sgd_momentum_schedule": (
        "sgd { learning_rate: 0.1 momentum: 0.9 }",
        lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    ),
    "nadam_schedule": ("nadam { learning_rate: 0.1 }", lambda: keras.optimizers.Nadam(0.1)),
}


def gradients():
    """[STEPS, len(INITIAL)], exact in float32: every size from 1e-6 to 100, both signs, zeros, a spike."""
    random = np.random.default_rng(1)
    values = random.standard_normal((STEPS, len(INITIAL)))
    values[:, 1] *= 100.0
    values[:, 2] *= 1e-3
    values[:, 3] *= 1e-6  # where epsilon shows
    values[:, 4] = 0.1
    values[:, 5] = np.where(np.arange(STEPS) == 7, 50.0, 0.0)
    values[:, 6] = 0.0
    return values.astype(np.float32).astype(np.float64)


def record_optimizers(out):
    out.write(f"# keras {keras.__version__}, float64; steps 0 (the beginning) to {STEPS}; one column a parameter\n")
    grads = gradients()
    for step, row in enumerate(grads, 1):
        out.write(f"gradient,{step}," + ",".join(float(g).hex() for g in row) + "\n")
    for name, (spec, make) in OPTIMIZERS.items():
        optimizer = make()
        variable = keras.Variable(np.array(INITIAL), dtype="float64")
        optimizer.build([variable])
        out.write(f"spec,{name},{spec}\n")
        rate = float(optimizer.learning_rate)
        for step in range(STEPS + 1):
            if step > 0:
                optimizer.apply([keras.ops.convert_to_tensor(grads[step - 1], dtype="float64")], [variable])
            if name.endswith("_schedule") and step == 5:
                rate /= 2
                optimizer.learning_rate = rate
            if name.endswith("_schedule") and step == 12:
                rate = 0.03
                optimizer.learning_rate = rate
            values = np.asarray(variable.value)
            if any(v.dtype != "float64" for v in optimizer.variables[1:]) or values.dtype != np.float64:
                raise SystemExit(f"{name}: Keras fell back to less than float64")
            out.write(f"{name},{step},{rate!r}," + ",".join(repr(float(v)) for v in values) + "\n")


class StubModel:
    """What the callback touches: a flag, the weights, and no metrics to look a direction up in."""

    def __init__(self):
        self.stop_training = False
        self.weights = None

    def get_weights(self):
        return self.weights

    def set_weights(self, weights):
        self.weights = weights


def record_early_stopping(out):
    # Values are multiples of 1/8: exact in every precision, with ties and differences of exactly min_delta.
    random = np.random.default_rng(2)
    nan = math.nan
    inf = math.inf
    sequences = [
        [1.0, 0.5, 0.75, 0.75, 0.25, 0.25, 0.25, 0.25],
        [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
        [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75],
        [2.0, 1.875, 1.75, 1.625, 1.5, 1.375, 1.25],
        [1.0, nan, 0.5, nan, nan, 0.25, nan, nan, nan],
        [nan, 1.0, 0.5, 0.25, 0.125],
        [inf, 1.0, inf, inf, 0.5, -inf, -inf, -inf],
        [-inf, 1.0, 2.0, inf, 3.0],
        [0.5],
    ]
    for _ in range(12):
        sequences.append([float(v) / 8 for v in random.integers(-6, 7, size=14)])
    options = [
        dict(mode=mode, patience=patience, min_delta=min_delta, start_from_epoch=start)
        for mode in ("min", "max")
        for patience in (0, 1, 2, 5)
        for min_delta in (0.0, 0.125, -0.25)
        for start in (0, 2)
    ]
    out.write(f"# keras {keras.__version__}\n")
    out.write("# mode,patience,min_delta,start_from_epoch,values,last epoch,best epoch (both from 0), restored epoch\n")
    for option in options:
        for values in sequences:
            callback = keras.callbacks.EarlyStopping(monitor="val_loss", restore_best_weights=True, **option)
            model = StubModel()
            callback.set_model(model)
            callback.on_train_begin()
            for epoch, value in enumerate(values):
                model.weights = epoch
                callback.on_epoch_end(epoch, {"val_loss": value})
                if model.stop_training:
                    break
            callback.on_train_end()
            restored = model.weights if callback.best_weights is not None else -1
            out.write(
                f"{option['mode']},{option['patience']},{option['min_delta']!r},{option['start_from_epoch']},"
                f"{' '.join(repr(v) for v in values)},{epoch if model.stop_training else -1},"
                f"{callback.best_epoch if callback.best_weights is not None else -1},{restored}\n"
            )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    arguments = parser.parse_args()
    keras.config.set_floatx("float64")
    folder = pathlib.Path(__file__).resolve().parent
    different = 0
    for name, record in (("optimizers.csv", record_optimizers), ("early_stopping.csv", record_early_stopping)):
        text = io.StringIO()
        record(text)
        if arguments.check:
            same = (folder / name).read_text(encoding="utf-8") == text.getvalue()
            different += not same
            print(f"{name}: {'the same' if same else 'DIFFERENT'}")
        else:
            (folder / name).write_text(text.getvalue(), encoding="utf-8")
            print(f"{name}: written")
    return 1 if different else 0


if __name__ == "__main__":
    raise SystemExit(main())

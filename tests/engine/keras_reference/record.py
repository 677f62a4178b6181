#!/usr/bin/env python3
"""Records what Keras does, for the engine's tests: the .csv files beside it.

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
    "adam_amsgrad": (
        "adam { learning_rate: 0.02 beta_2: 0.9 amsgrad: true }",
        lambda: keras.optimizers.Adam(0.02, beta_2=0.9, amsgrad=True),
    ),
    "rmsprop": ("rmsprop {}", lambda: keras.optimizers.RMSprop()),
    "rmsprop_options": (
        "rmsprop { learning_rate: 0.02 rho: 0.7 epsilon: 0.01 }",
        lambda: keras.optimizers.RMSprop(0.02, rho=0.7, epsilon=0.01),
    ),
    "rmsprop_momentum": (
        "rmsprop { momentum: 0.8 }",
        lambda: keras.optimizers.RMSprop(momentum=0.8),
    ),
    "rmsprop_centered": ("rmsprop { centered: true }", lambda: keras.optimizers.RMSprop(centered=True)),
    "rmsprop_all": (
        "rmsprop { learning_rate: 0.01 rho: 0.8 momentum: 0.5 epsilon: 0.001 centered: true } weight_decay: 0.1",
        lambda: keras.optimizers.RMSprop(
            0.01, rho=0.8, momentum=0.5, epsilon=0.001, centered=True, weight_decay=0.1
        ),
    ),
    "rmsprop_no_memory": ("rmsprop { rho: 0 }", lambda: keras.optimizers.RMSprop(rho=0.0)),
    "adagrad": ("adagrad {}", lambda: keras.optimizers.Adagrad()),
    "adagrad_options": (
        "adagrad { learning_rate: 0.05 initial_accumulator_value: 0 epsilon: 0.01 }",
        lambda: keras.optimizers.Adagrad(0.05, initial_accumulator_value=0.0, epsilon=0.01),
    ),
    "adadelta": ("adadelta {}", lambda: keras.optimizers.Adadelta()),
    "adadelta_options": (
        "adadelta { learning_rate: 1 rho: 0.8 epsilon: 0.0001 }",
        lambda: keras.optimizers.Adadelta(1.0, rho=0.8, epsilon=0.0001),
    ),
    "adamw": ("adamw {}", lambda: keras.optimizers.AdamW()),
    "adamw_options": (
        "adamw { learning_rate: 0.02 beta_1: 0.8 beta_2: 0.95 epsilon: 0.01 amsgrad: true } weight_decay: 0.5",
        lambda: keras.optimizers.AdamW(
            0.02, beta_1=0.8, beta_2=0.95, epsilon=0.01, amsgrad=True, weight_decay=0.5
        ),
    ),
    "adamw_no_decay": (
        "adamw {} weight_decay: 0",
        lambda: keras.optimizers.AdamW(weight_decay=0.0),
    ),
    "adamax": ("adamax {}", lambda: keras.optimizers.Adamax()),
    "adamax_options": (
        "adamax { learning_rate: 0.02 beta_1: 0.8 beta_2: 0.7 epsilon: 0.01 }",
        lambda: keras.optimizers.Adamax(0.02, beta_1=0.8, beta_2=0.7, epsilon=0.01),
    ),
    "lion": ("lion {}", lambda: keras.optimizers.Lion()),
    "lion_options": (
        "lion { learning_rate: 0.02 beta_1: 0.5 beta_2: 0.8 } weight_decay: 0.1",
        lambda: keras.optimizers.Lion(0.02, beta_1=0.5, beta_2=0.8, weight_decay=0.1),
    ),
    "sgd_decay": (
        "sgd { learning_rate: 0.001 momentum: 0.9 nesterov: true } weight_decay: 2",
        lambda: keras.optimizers.SGD(0.001, momentum=0.9, nesterov=True, weight_decay=2.0),
    ),
    "adam_decay": ("adam {} weight_decay: 0.5", lambda: keras.optimizers.Adam(weight_decay=0.5)),
    "adamax_decay": ("adamax {} weight_decay: 0.5", lambda: keras.optimizers.Adamax(weight_decay=0.5)),
    "nadam_decay": ("nadam {} weight_decay: 0.5", lambda: keras.optimizers.Nadam(weight_decay=0.5)),
    "adagrad_decay": ("adagrad {} weight_decay: 0.5", lambda: keras.optimizers.Adagrad(weight_decay=0.5)),
    "adadelta_decay": ("adadelta {} weight_decay: 0.5", lambda: keras.optimizers.Adadelta(weight_decay=0.5)),
    "adamw_schedule": ("adamw { learning_rate: 0.1 }", lambda: keras.optimizers.AdamW(0.1)),
    "rmsprop_schedule": (
        "rmsprop { learning_rate: 0.1 momentum: 0.9 }",
        lambda: keras.optimizers.RMSprop(0.1, momentum=0.9),
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


SCHEDULES = {
    # text proto of the schedule: the Keras schedule. The learning rate is 0.4.
    "exponential_decay { decay_steps: 7 decay_rate: 0.5 }": lambda s: s.ExponentialDecay(0.4, 7, 0.5),
    "exponential_decay { decay_steps: 7 decay_rate: 0.5 staircase: true }": lambda s: s.ExponentialDecay(
        0.4, 7, 0.5, staircase=True
    ),
    "exponential_decay { decay_steps: 10 decay_rate: 1.5 }": lambda s: s.ExponentialDecay(0.4, 10, 1.5),
    "inverse_time_decay { decay_steps: 4 decay_rate: 0.3 }": lambda s: s.InverseTimeDecay(0.4, 4, 0.3),
    "inverse_time_decay { decay_steps: 4 decay_rate: 0.3 staircase: true }": lambda s: s.InverseTimeDecay(
        0.4, 4, 0.3, staircase=True
    ),
    "polynomial_decay { decay_steps: 20 }": lambda s: s.PolynomialDecay(0.4, 20),
    "polynomial_decay { decay_steps: 20 end_learning_rate: 0.1 power: 2.5 }": lambda s: s.PolynomialDecay(
        0.4, 20, 0.1, power=2.5
    ),
    "polynomial_decay { decay_steps: 9 end_learning_rate: 0.05 power: 0.5 cycle: true }": lambda s: s.PolynomialDecay(
        0.4, 9, 0.05, power=0.5, cycle=True
    ),
    "polynomial_decay { decay_steps: 20 end_learning_rate: 0 }": lambda s: s.PolynomialDecay(0.4, 20, 0.0),
    "polynomial_decay { decay_steps: 20 end_learning_rate: 0.9 }": lambda s: s.PolynomialDecay(0.4, 20, 0.9),
    "piecewise_constant_decay { boundaries: [0, 5, 6, 20] values: [0.3, 0.2, 0.25, 0.1] }": (
        lambda s: s.PiecewiseConstantDecay([0, 5, 6, 20], [0.4, 0.3, 0.2, 0.25, 0.1])
    ),
    "piecewise_constant_decay { boundaries: 3 values: 0.3 }": lambda s: s.PiecewiseConstantDecay([3], [0.4, 0.3]),
    "cosine_decay { decay_steps: 21 }": lambda s: s.CosineDecay(0.4, 21),
    "cosine_decay { decay_steps: 21 alpha: 0.2 }": lambda s: s.CosineDecay(0.4, 21, 0.2),
    "cosine_decay { decay_steps: 21 alpha: 0.1 warmup_target: 0.7 warmup_steps: 6 }": lambda s: s.CosineDecay(
        0.4, 21, 0.1, warmup_target=0.7, warmup_steps=6
    ),
    "cosine_decay_restarts { first_decay_steps: 5 }": lambda s: s.CosineDecayRestarts(0.4, 5),
    "cosine_decay_restarts { first_decay_steps: 6 t_mul: 1 m_mul: 0.8 alpha: 0.1 }": (
        lambda s: s.CosineDecayRestarts(0.4, 6, t_mul=1.0, m_mul=0.8, alpha=0.1)
    ),
    "cosine_decay_restarts { first_decay_steps: 7 t_mul: 1.4 m_mul: 1.1 }": (
        lambda s: s.CosineDecayRestarts(0.4, 7, t_mul=1.4, m_mul=1.1)
    ),
}


def record_schedules(out):
    out.write(f"# keras {keras.__version__}, float64; a schedule; its learning rate at the steps from 0\n")
    for text, make in SCHEDULES.items():
        schedule = make(keras.optimizers.schedules)
        # A float64 tensor: Python's float would be taken for a float32.
        if hasattr(schedule, "initial_learning_rate"):
            schedule.initial_learning_rate = np.float64(schedule.initial_learning_rate)
        else:
            schedule.values = [np.float64(value) for value in schedule.values]
        rates = [np.asarray(schedule(np.int64(step))) for step in range(48)]
        if any(rate.dtype != np.float64 for rate in rates):
            raise SystemExit(f"{text}: Keras fell back to less than float64")
        out.write(f"{text};{','.join(repr(float(rate)) for rate in rates)}\n")


class StubOptimizer:
    def __init__(self, learning_rate):
        self.learning_rate = learning_rate


def record_reduce_on_plateau(out):
    random = np.random.default_rng(3)
    nan = math.nan
    inf = math.inf
    sequences = [
        [1.0, 0.5, 0.75, 0.75, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25],
        [1.0] * 12,
        [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875],
        [2.0, 1.875, 1.75, 1.625, 1.5, 1.375, 1.25],
        [1.0, nan, 0.5, nan, nan, 0.25, nan, nan, nan],
        [nan, 1.0, 0.5, 0.25, 0.125, 0.0],
        [inf, 1.0, inf, inf, 0.5, -inf, -inf, -inf],
    ]
    for _ in range(5):
        sequences.append([float(v) / 8 for v in random.integers(-6, 7, size=16)])
    options = [
        dict(mode=mode, patience=patience, min_delta=min_delta, cooldown=cooldown, factor=factor, min_lr=min_lr)
        for mode in ("min", "max")
        for patience in (0, 1, 3)
        for min_delta in (0.0, 0.125)
        for cooldown in (0, 1, 3)
        for factor, min_lr in ((0.5, 0.0), (0.25, 0.0625))
    ]
    out.write(f"# keras {keras.__version__}\n")
    out.write("# mode,patience,min_delta,cooldown,factor,min_lr,values,learning rate after each, from 0.5\n")
    for option in options:
        for values in sequences:
            callback = keras.callbacks.ReduceLROnPlateau(monitor="val_loss", **option)
            model = StubModel()
            model.optimizer = StubOptimizer(0.5)
            callback.set_model(model)
            callback.on_train_begin()
            rates = []
            for epoch, value in enumerate(values):
                callback.on_epoch_end(epoch, {"val_loss": value})
                rates.append(float(model.optimizer.learning_rate))
            out.write(
                ",".join(repr(option[key]) for key in ("mode", "patience", "min_delta", "cooldown", "factor", "min_lr"))
                .replace("'", "")
                + f",{' '.join(repr(v) for v in values)},{' '.join(repr(r) for r in rates)}\n"
            )


# Shapes of the weights that are clipped and constrained together.
WEIGHT_SHAPES = [(6, 5), (5,), (3, 2, 4, 3), (3,), (4, 1)]


def weights(scale, seed):
    random = np.random.default_rng(seed)
    arrays = [scale * random.standard_normal(shape) for shape in WEIGHT_SHAPES]
    arrays[0][:, 2] = 0.0  # a unit without any weight
    return [array.astype(np.float32).astype(np.float64) for array in arrays]


def flat(arrays):
    return " ".join(repr(float(v)) for array in arrays for v in np.asarray(array).reshape(-1))


def record_clipping(out):
    out.write(f"# keras {keras.__version__}, float64; shapes {WEIGHT_SHAPES}; option;before;after\n")
    cases = {"large": weights(1.0, 4), "small": weights(0.01, 5), "zero": [0 * w for w in weights(1.0, 6)]}
    for name, value in (("nan", math.nan), ("inf", math.inf), ("minus_inf", -math.inf)):
        cases[name] = weights(1.0, 7)
        cases[name][2][1, 1, 1, 1] = value
    # One weight beyond its limit, the others below.
    cases["one"] = [w * (100.0 if i == 1 else 0.01) for i, w in enumerate(weights(1.0, 8))]
    for option in (dict(clipnorm=1.5), dict(clipvalue=0.5), dict(global_clipnorm=2.5)):
        optimizer = keras.optimizers.SGD(**option)
        for name, before in cases.items():
            with np.errstate(all="ignore"):
                after = optimizer._clip_gradients([keras.ops.convert_to_tensor(g, dtype="float64") for g in before])
            if any(np.asarray(g).dtype != np.float64 for g in after):
                raise SystemExit(f"{name}: Keras fell back to less than float64")
            (key, value), = option.items()
            out.write(f"{key}: {value};{flat(before)};{flat(after)}\n")


CONSTRAINTS = {
    "max_norm {}": lambda c, axis: c.MaxNorm(axis=axis),
    "max_norm { max_value: 0.7 }": lambda c, axis: c.MaxNorm(0.7, axis=axis),
    "unit_norm {}": lambda c, axis: c.UnitNorm(axis=axis),
    "non_neg {}": lambda c, axis: c.NonNeg(),
}


def record_constraints(out):
    out.write(f"# keras {keras.__version__}, float64; shapes {WEIGHT_SHAPES}; constraint;before;after\n")
    for text, make in CONSTRAINTS.items():
        for scale in (1.0, 1e-4):
            before = weights(scale, 9)
            # The axes are all but the last; of a bias the only one.
            after = [make(keras.constraints, list(range(max(w.ndim - 1, 1))))(w) for w in before]
            if any(np.asarray(w).dtype != np.float64 for w in after):
                raise SystemExit(f"{text}: Keras fell back to less than float64")
            out.write(f"{text};{flat(before)};{flat(after)}\n")


ACTIVATION_INPUTS = [-30.0, -8.0, -6.0, -4.0, -3.0, -2.5, -1.0, -0.5, -0.1]
ACTIVATION_INPUTS += [0.0, 0.1, 0.5, 1.0, 2.0, 2.5, 3.0, 4.0, 6.0, 7.5]


def activation_layers():
    """Text proto of a layer: the Keras layer or function."""
    functions = {
        "LINEAR": "linear",
        "RELU": "relu",
        "RELU6": "relu6",
        "LEAKY_RELU": "leaky_relu",
        "ELU": "elu",
        "SELU": "selu",
        "CELU": "celu",
        "GELU": "gelu",
        "SILU": "silu",
        "MISH": "mish",
        "SOFTPLUS": "softplus",
        "SOFTSIGN": "softsign",
        "TANH": "tanh",
        "SIGMOID": "sigmoid",
        "HARD_SIGMOID": "hard_sigmoid",
        "HARD_SILU": "hard_silu",
        "EXPONENTIAL": "exponential",
        "SOFTMAX": "softmax",
        "LOG_SOFTMAX": "log_softmax",
    }
    layers = keras.layers
    cases = {f"activation {{ function: {ours} }}": keras.activations.get(name) for ours, name in functions.items()}
    cases |= {
        "relu {}": layers.ReLU(),
        # Not at a threshold itself: Keras documents f(threshold) = threshold and computes 0.
        "relu { max_value: 2 negative_slope: 0.1 threshold: 0.75 }": layers.ReLU(2.0, 0.1, 0.75),
        "relu { negative_slope: 0.25 }": layers.ReLU(negative_slope=0.25),
        "relu { max_value: 2.5 }": layers.ReLU(2.5),
        "relu { threshold: 2.25 }": layers.ReLU(threshold=2.25),
        "leaky_relu {}": layers.LeakyReLU(),
        "leaky_relu { negative_slope: 0.05 }": layers.LeakyReLU(0.05),
        "prelu {}": layers.PReLU(),
        "prelu { alpha_initializer { constant { value: 0.4 } } }": layers.PReLU(keras.initializers.Constant(0.4)),
        "elu {}": layers.ELU(),
        "elu { alpha: 0.6 }": layers.ELU(0.6),
        "layer_normalization {}": layers.LayerNormalization(),
        "layer_normalization { epsilon: 2 center: false }": layers.LayerNormalization(epsilon=2.0, center=False),
        "batch_normalization {}": layers.BatchNormalization(),
        "batch_normalization { epsilon: 2 scale: false }": layers.BatchNormalization(epsilon=2.0, scale=False),
    }
    return cases


def record_activations(out):
    out.write(f"# keras {keras.__version__}, float64, in inference; a layer; what it makes of the inputs\n")
    out.write(f"inputs;{' '.join(map(repr, ACTIVATION_INPUTS))}\n")
    for text, make in activation_layers().items():
        values = np.asarray(make(keras.ops.convert_to_tensor([ACTIVATION_INPUTS], dtype="float64")))
        if values.dtype != np.float64:
            raise SystemExit(f"{text}: Keras fell back to less than float64")
        out.write(f"{text};{flat([values])}\n")


def record_losses(out):
    random = np.random.default_rng(10)
    outputs = np.round(2.0 * random.standard_normal((6, 4)), 3)
    labels = np.array([0, 1, 2, 3, 1, 0])
    one_hot = np.eye(4)[labels]
    losses = keras.losses
    softmax = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    sigmoid = 1.0 / (1.0 + np.exp(-outputs))
    # Text proto of the loss: the Keras loss, the labels and the outputs it gets.
    cases = {
        "sparse_categorical_crossentropy {}": (losses.SparseCategoricalCrossentropy(), labels, softmax),
        "sparse_categorical_crossentropy { from_logits: true }": (
            losses.SparseCategoricalCrossentropy(from_logits=True),
            labels,
            outputs,
        ),
        "categorical_crossentropy {}": (losses.CategoricalCrossentropy(), one_hot, softmax),
        "categorical_crossentropy { from_logits: true label_smoothing: 0.2 }": (
            losses.CategoricalCrossentropy(from_logits=True, label_smoothing=0.2),
            one_hot,
            outputs,
        ),
        "binary_crossentropy {}": (losses.BinaryCrossentropy(), one_hot, sigmoid),
        "binary_crossentropy { from_logits: true label_smoothing: 0.2 }": (
            losses.BinaryCrossentropy(from_logits=True, label_smoothing=0.2),
            one_hot,
            outputs,
        ),
        "mean_squared_error {}": (losses.MeanSquaredError(), one_hot, outputs),
        "mean_absolute_error {}": (losses.MeanAbsoluteError(), one_hot, outputs),
        "huber {}": (losses.Huber(), one_hot, outputs),
        "huber { delta: 0.3 }": (losses.Huber(0.3), one_hot, outputs),
    }
    out.write(f"# keras {keras.__version__}, float64; a loss; its mean (outputs: before softmax or sigmoid)\n")
    out.write(f"labels;{' '.join(map(str, labels))}\n")
    out.write(f"outputs;{flat([outputs])}\n")
    for text, (loss, truth, given) in cases.items():
        value = np.asarray(loss(truth, keras.ops.convert_to_tensor(given, dtype="float64")))
        if value.dtype != np.float64:
            raise SystemExit(f"{text}: Keras fell back to less than float64")
        out.write(f"{text};{float(value)!r}\n")


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


RECORDS = {
    "optimizers.csv": record_optimizers,
    "early_stopping.csv": record_early_stopping,
    "schedules.csv": record_schedules,
    "reduce_on_plateau.csv": record_reduce_on_plateau,
    "clipping.csv": record_clipping,
    "constraints.csv": record_constraints,
    "activations.csv": record_activations,
    "losses.csv": record_losses,
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the files instead of writing them")
    arguments = parser.parse_args()
    keras.config.set_floatx("float64")
    folder = pathlib.Path(__file__).resolve().parent
    different = 0
    for name, record in RECORDS.items():
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

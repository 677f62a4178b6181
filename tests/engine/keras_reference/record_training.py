#!/usr/bin/env python3
"""Records whole trainings with Keras, step by step: training.csv beside it.

usage: VENV/bin/python record_training.py [--check]   (VENV as for record.py)

Runs on Keras's JAX backend in float64, which record.py's NumPy backend cannot train with. Images, labels and initial
weights are not stored: they are pure functions of a seed (Philox4x32-10; server/core/random.h says how its counter is
made up), and this program computes them as the engine and tests/engine/small_training.h do. --check compares with the
file instead of writing it.
"""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_ENABLE_X64"] = "1"
os.environ["JAX_PLATFORMS"] = "cpu"

import argparse
import math
import pathlib

import keras
import numpy as np

EPOCHS = 3
BATCH_SIZE = 16  # of 60 samples: the last batch of an epoch has 12
SEED = 9
INITIALIZER, SYNTHETIC = 1, 4  # purposes of random numbers


def philox(seed, purpose, layer, blocks):
    """uint32 [len(blocks), 4]: Philox4x32-10 (Salmon et al. 2011) at position 0."""
    mask = np.uint64(0xFFFFFFFF)
    c = [np.asarray(blocks, np.uint64)] + [np.zeros(len(blocks), np.uint64) for _ in range(3)]
    c[3] += np.uint64(purpose << 24 | layer)
    k = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        a = c[0] * np.uint64(0xD2511F53)
        b = c[2] * np.uint64(0xCD9E8D57)
        high = np.uint64(32)
        c = [(b >> high) ^ c[1] ^ np.uint64(k[0]), b & mask, (a >> high) ^ c[3] ^ np.uint64(k[1]), a & mask]
        k = [(k[0] + 0x9E3779B9) & 0xFFFFFFFF, (k[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return np.stack(c, axis=1)


def small_dataset():
    """The data set of tests/engine/small_training.h: (images [N, 8, 8, 2], labels [N]) to train and to test."""
    noise = philox(7, SYNTHETIC, 0, range(80 * 128))[:, 0].reshape(80, 8, 8, 2) % np.uint64(100)
    images = noise.astype(np.float64)
    labels = np.concatenate([np.arange(60) % 4, np.arange(20) % 4])
    for image, label in zip(images, labels):
        rows = slice(0, 4) if label < 2 else slice(4, 8)
        columns = slice(0, 4) if label % 2 == 0 else slice(4, 8)
        image[rows, columns] += 100.0
    return (images[:60], labels[:60]), (images[60:], labels[60:])


def initial_weights(model):
    """Kernels by glorot_uniform from the engine's random numbers; all other weights keep Keras's constants."""
    values = []
    for index, variable in enumerate(model.weights):
        value = np.asarray(variable.value)
        if variable.name == "kernel":
            field = math.prod(variable.shape[:-2])
            limit = math.sqrt(6.0 / (field * (variable.shape[-2] + variable.shape[-1])))
            words = philox(SEED, INITIALIZER, index, range((value.size + 3) // 4)).reshape(-1)[: value.size]
            u = (words.astype(np.float64) + 0.5) / 2.0**32
            value = (limit * (2.0 * u - 1.0)).astype(np.float32).astype(np.float64).reshape(value.shape)
        values.append(value)
    return values


def rescaled(train, test):
    return train * 0.00392156862745098, test * 0.00392156862745098


def standardized(train, test):
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return (train - mean) / deviation, (test - mean) / deviation


RESCALE = "input { rescale { factor: 0.00392156862745098 } }"
CROSSENTROPY = "loss { sparse_categorical_crossentropy {} }"

DENSE = """network {
  layers { average_pooling2d {} } layers { flatten {} } layers { dense { units: 8 activation: ELU } }
  layers { dense { units: 4 activation: SOFTMAX } } }"""


def dense(layers):
    return [
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(8, "elu"),
        layers.Dense(4, "softmax"),
    ]


CONVOLUTION = """network {
  layers { conv2d { filters: 3 kernel_size { height: 3 } padding: SAME activation: RELU } }
  layers { max_pooling2d { pool_size { height: 3 } strides { height: 2 } padding: SAME } }
  layers { conv2d { filters: 4 kernel_size { height: 3 width: 2 } strides { height: 1 width: 2 } activation: SELU } }
  layers { flatten {} } layers { dense { units: 4 activation: SOFTMAX } } }"""


def convolution(layers):
    return [
        layers.Conv2D(3, 3, padding="same", activation="relu"),
        layers.MaxPooling2D(3, 2, padding="same"),
        layers.Conv2D(4, (3, 2), strides=(1, 2), activation="selu"),
        layers.Flatten(),
        layers.Dense(4, "softmax"),
    ]


# No bias before a normalization, and averages, not maxima, behind the RELU: where a normalization takes out again what
# a weight adds, the weight's gradient is nothing but rounding, and Adam makes a full step of it.
NORMALIZED = """network {
  layers { conv2d { filters: 4 kernel_size { height: 3 } use_bias: false } } layers { batch_normalization {} }
  layers { activation { function: RELU } }
  layers { average_pooling2d { pool_size { height: 3 } strides { height: 2 } padding: SAME } }
  layers { flatten {} } layers { dense { units: 6 use_bias: false } }
  layers { batch_normalization { momentum: 0.8 epsilon: 0.01 } } layers { activation { function: ELU } }
  layers { dense { units: 4 activation: SOFTMAX } } }"""


def normalized(layers):
    return [
        layers.Conv2D(4, 3, use_bias=False),
        layers.BatchNormalization(),
        layers.Activation("relu"),
        layers.AveragePooling2D(3, 2, padding="same"),
        layers.Flatten(),
        layers.Dense(6, use_bias=False),
        layers.BatchNormalization(momentum=0.8, epsilon=0.01),
        layers.Activation("elu"),
        layers.Dense(4, "softmax"),
    ]


# What acts on gradients, weights and loss beside the optimizer's formula, all at once: its order shows.
REGULARIZED = """network {
  layers { average_pooling2d {} } layers { flatten {} }
  layers { dense { units: 8 kernel_regularizer { l1_l2 { l1: 0.001 l2: 0.01 } } bias_regularizer { l2 { factor: 0.02 } }
                   kernel_constraint { max_norm { max_value: 0.9 } } } }
  layers { layer_normalization {} } layers { prelu {} }
  layers { dense { units: 4 activation: SOFTMAX kernel_constraint { unit_norm {} } } } }"""


def regularized(layers):
    return [
        layers.AveragePooling2D(2),
        layers.Flatten(),
        layers.Dense(
            8,
            kernel_regularizer=keras.regularizers.L1L2(0.001, 0.01),
            bias_regularizer=keras.regularizers.L2(0.02),
            kernel_constraint=keras.constraints.MaxNorm(0.9, axis=0),
        ),
        layers.LayerNormalization(epsilon=0.001),
        layers.PReLU(),
        layers.Dense(4, "softmax", kernel_constraint=keras.constraints.UnitNorm(axis=0)),
    ]


SQUARED = """network {
  layers { conv2d { filters: 4 kernel_size { height: 2 } dilation_rate { height: 2 } groups: 2 activation: TANH } }
  layers { global_average_pooling2d {} } layers { dense { units: 4 } } }"""


def squared(layers):
    return [
        layers.Conv2D(4, 2, dilation_rate=2, groups=2, activation="tanh"),
        layers.GlobalAveragePooling2D(),
        layers.Dense(4),
    ]


def cases():
    """Name: (text proto inside `training`, input, layers, loss, one-hot labels, optimizer, metrics)."""
    optimizers = keras.optimizers
    sparse = "sparse_categorical_crossentropy"
    momentum = "optimizer { sgd { learning_rate: 0.05 momentum: 0.9 } }"
    nesterov = "optimizer { sgd { learning_rate: 0.05 momentum: 0.9 nesterov: true } }"
    nadam = "optimizer { nadam { learning_rate: 0.01 } }"
    adam = "optimizer { adam { learning_rate: 0.01 } }"

    def plain(text, layers, optimizer_text, optimizer):
        return (f"{RESCALE} {text} {CROSSENTROPY} {optimizer_text}", rescaled, layers, sparse, False, optimizer, [])

    return {
        "dense_sgd_momentum": plain(DENSE, dense, momentum, optimizers.SGD(0.05, momentum=0.9)),
        "dense_sgd_nesterov": plain(DENSE, dense, nesterov, optimizers.SGD(0.05, momentum=0.9, nesterov=True)),
        "dense_nadam": plain(DENSE, dense, nadam, optimizers.Nadam(0.01)),
        "convolution_sgd_nesterov": plain(
            CONVOLUTION, convolution, nesterov, optimizers.SGD(0.05, momentum=0.9, nesterov=True)
        ),
        "convolution_nadam": plain(CONVOLUTION, convolution, nadam, optimizers.Nadam(0.01)),
        "normalized_sgd_momentum": plain(NORMALIZED, normalized, momentum, optimizers.SGD(0.05, momentum=0.9)),
        "normalized_adam": plain(NORMALIZED, normalized, adam, optimizers.Adam(0.01)),
        "normalized_nadam": plain(NORMALIZED, normalized, nadam, optimizers.Nadam(0.01)),
        "regularized": (
            f"input {{ standardize {{}} }} {REGULARIZED} loss {{ categorical_crossentropy {{ label_smoothing: 0.1 }} }}"
            " metrics { top_k_accuracy { k: 2 } }"
            " optimizer { adamw { learning_rate: 0.001 } weight_decay: 0.3 clipnorm: 0.2"
            " schedule { cosine_decay { decay_steps: 7 alpha: 0.1 warmup_target: 0.02 warmup_steps: 4 } } }",
            standardized,
            regularized,
            keras.losses.CategoricalCrossentropy(label_smoothing=0.1),
            True,
            optimizers.AdamW(
                optimizers.schedules.CosineDecay(np.float64(0.001), 7, 0.1, warmup_target=0.02, warmup_steps=4),
                weight_decay=0.3,
                clipnorm=0.2,
            ),
            [keras.metrics.TopKCategoricalAccuracy(k=2, name="top_2_accuracy")],
        ),
        "squared_rmsprop": (
            f"{RESCALE} {SQUARED} loss {{ mean_squared_error {{}} }}"
            " optimizer { rmsprop { learning_rate: 0.01 momentum: 0.5 centered: true } global_clipnorm: 0.5 }",
            rescaled,
            squared,
            "mean_squared_error",
            True,
            optimizers.RMSprop(0.01, momentum=0.5, centered=True, global_clipnorm=0.5),
            [],
        ),
    }


class StepLosses(keras.callbacks.Callback):
    """Keras reports the mean over the epoch so far; the losses of the steps follow from it."""

    def __init__(self):
        super().__init__()
        self.epochs = []

    def on_epoch_begin(self, epoch, logs=None):
        self.epochs.append([])
        self.samples = 0
        self.sum = 0.0

    def on_train_batch_end(self, batch, logs=None):
        rows = min(BATCH_SIZE, 60 - self.samples)
        self.samples += rows
        total = logs["loss"] * self.samples
        self.epochs[-1].append((total - self.sum) / rows)
        self.sum = total


def record(name, case):
    text, prepare, make, loss, one_hot, optimizer, metrics = case
    (train, train_labels), (test, test_labels) = small_dataset()
    train, test = prepare(train, test)
    if one_hot:
        train_labels, test_labels = np.eye(4)[train_labels], np.eye(4)[test_labels]
    model = keras.Sequential([keras.Input((8, 8, 2)), *make(keras.layers)])
    model.set_weights(initial_weights(model))
    model.compile(optimizer, loss, metrics=["accuracy", *metrics])
    steps = StepLosses()
    history = model.fit(
        train,
        train_labels,
        batch_size=BATCH_SIZE,
        epochs=EPOCHS,
        shuffle=False,
        validation_data=(test, test_labels),
        callbacks=[steps],
        verbose=0,
    ).history
    floats = [v for v in model.weights + optimizer.variables if "int" not in str(v.dtype)]
    if any(np.asarray(v.value).dtype != np.float64 for v in floats if v.path != "learning_rate"):
        raise SystemExit(f"{name}: Keras fell back to less than float64")
    lines = [f"case;{name};{' '.join(text.split())}"]
    for epoch, losses in enumerate(steps.epochs, 1):
        lines.append(f"steps;{epoch};" + " ".join(f"{value:.10g}" for value in losses))
    for metric, values in sorted(history.items()):
        lines.append(f"metric;{metric};" + " ".join(f"{value:.10g}" for value in values))
    for variable in model.weights:
        values = np.asarray(variable.value).reshape(-1)
        lines.append(f"weight;{variable.name};" + " ".join(f"{value:.7g}" for value in values))
    return lines


def same(a, b):
    """Whether two lines say the same, numbers but for rounding."""
    if a == b:
        return True
    x, y = a.replace(";", " ").split(), b.replace(";", " ").split()
    try:
        return len(x) == len(y) and all(
            p == q or math.isclose(float(p), float(q), rel_tol=1e-6, abs_tol=1e-9) for p, q in zip(x, y)
        )
    except ValueError:
        return False


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="compare with the file instead of writing it")
    arguments = parser.parse_args()
    keras.config.set_floatx("float64")
    keras.config.set_epsilon(1e-7)
    lines = [
        f"# keras {keras.__version__} on jax, float64; seed {SEED}, batches of {BATCH_SIZE} in the stored order;"
        " losses of the steps by epoch, metrics by epoch, weights after the last",
    ]
    for name, case in cases().items():
        lines += record(name, case)
    path = pathlib.Path(__file__).resolve().parent / "training.csv"
    if not arguments.check:
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"{path.name}: written")
        return 0
    before = path.read_text(encoding="utf-8").splitlines()
    agree = len(before) == len(lines) and all(map(same, before, lines))
    print(f"{path.name}: {'the same' if agree else 'DIFFERENT'}")
    return 0 if agree else 1


if __name__ == "__main__":
    raise SystemExit(main())

"""Small jobs of every kind of state that a training must remember, and a small data set for them."""

import random

TRAIN_FILES = 5
TRAIN_RECORDS = 500  # in each file
TEST_RECORDS = 300
DATASET = "small"


def write_dataset(folder, seed=1):
    """Noise with a patch whose place tells the class, as CIFAR-10's binary files; it is in memory in no time."""
    folder.mkdir(parents=True)
    chance = random.Random(seed)
    names = [f"data_batch_{number}.bin" for number in range(1, TRAIN_FILES + 1)] + ["test_batch.bin"]
    for name in names:
        contents = bytearray()
        for _ in range(TEST_RECORDS if name.startswith("test") else TRAIN_RECORDS):
            label = chance.randrange(10)
            image = bytearray(chance.randbytes(3072))
            for row in range(3 * label, 3 * label + 2):
                for plane in range(3):
                    begin = plane * 1024 + row * 32 + label
                    image[begin:begin + 8] = bytes([220 - 20 * plane] * 8)
            contents += bytes([label]) + image
        (folder / name).write_bytes(contents)


def training(network, optimizer, epochs, more=""):
    return f"""
training {{
  dataset {{ name: "{DATASET}" }}
  validation {{ fraction: 0.1 }} test {{ split: "test" }}
  input {{ standardize {{}} }} {"input { random_flip {} }" if "conv2d" in network else ""}
  network {{ {network} layers {{ dense {{ units: 10 activation: SOFTMAX }} }} }}
  loss {{ sparse_categorical_crossentropy {{}} }}
  optimizer {{ {optimizer} }}
  batch_size: 32 epochs: {epochs} seed: 7 {more}
}}
"""


FLATTEN = "layers { flatten {} }"
DENSE = "layers { dense { units: 96 activation: RELU kernel_initializer { he_normal {} } } }"
BATCH_NORMALIZATION = "layers { batch_normalization {} }"
CONVOLUTION = ("layers { conv2d { filters: 12 kernel_size { height: 3 } strides { height: 2 } activation: RELU } } "
               "layers { max_pooling2d {} }")
DROPOUT = "layers { dropout { rate: 0.2 } }"

# Those with dropout can be predicted from.
TRAININGS = {
    "dense": training(FLATTEN + DENSE, "sgd { learning_rate: 0.02 momentum: 0.9 }", 12),
    "convolutional": training(CONVOLUTION + FLATTEN, "adam {} schedule { cosine_decay { decay_steps: 200 } }", 6),
    "batch-normalization": training(FLATTEN + DENSE + BATCH_NORMALIZATION + DENSE, "nadam {}", 10),
    "dropout": training(FLATTEN + DENSE + DROPOUT + DENSE + DROPOUT, "nadam { learning_rate: 0.0005 }", 10),
    "early-stopping": training(
        FLATTEN + DENSE + DROPOUT + BATCH_NORMALIZATION,
        "adam {} schedule { reduce_on_plateau { patience: 1 min_delta: 0.02 } }", 40,
        "early_stopping { patience: 4 restore_best_weights: true }"),
    "long": training(FLATTEN + DENSE + BATCH_NORMALIZATION + DROPOUT, "nadam { learning_rate: 0.0002 }", 80),
}
# (samples, seed of the masks) of predictions.
PREDICTIONS = [(50, 1), (1500, 2)]


def can_predict(kind):
    return "dropout" in TRAININGS[kind]


def prediction(model, samples, seed):
    return f'prediction {{ job_id: "{model}" split: "test" samples: {samples} seed: {seed} }}'

#!/usr/bin/env python3
"""Submits from 16 threads, many of them retried with the same request id, while the daemon is killed: one job each.

usage: storm_test.py [--full] [--submits N] [--kills N] [--seed N]

See submit_storm.h for what is submitted and what is checked.
"""

import pathlib
import random
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "kill"))

from daemon import BIN, Daemon, command, parse  # noqa: E402

# Takes the only worker, at once after every start, for longer than the test lasts.
BUSY = """
name: "busy"
training {
  dataset { name: "synthetic-shapes" }
  input { rescale { factor: 0.00392156862745098 } }
  network { layers { flatten {} } layers { dense { units: 10 activation: SOFTMAX } } }
  loss { sparse_categorical_crossentropy {} }
  optimizer { sgd {} }
  epochs: 1000000
}
"""


def main():
    options = parse(__doc__.splitlines()[0], submits=(2000, 100000), kills=(3, 10))
    print(f"{options.submits} submits, {options.kills} kills, seed {options.seed}; again: {command(options)}", flush=True)
    chance = random.Random(options.seed)
    daemon = Daemon("--workers", 1)
    passed = False
    try:
        daemon.start()
        daemon.submit(BUSY, "--priority", "100")
        job_file = daemon.folder / "job.textproto"
        job_file.write_text(BUSY)
        storm = subprocess.Popen([BIN / "fault_client", "--server", daemon.address, "storm", job_file, "--submits",
                                  str(options.submits), "--seed", str(options.seed)], stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True)
        # As often a second as the short run is killed: in its first half, and spread over that of the full one.
        longest_s = options.submits / 2000
        for _ in range(options.kills):
            time.sleep(chance.uniform(0, longest_s / options.kills * 2))  # not synchronization: the moment of the kill
            if storm.poll() is not None:
                break
            daemon.check_alive()
            daemon.kill()
            daemon.start()
        output = storm.communicate(timeout=1200)[0]
        print(output, end="")
        daemon.check_alive()
        passed = storm.returncode == 0
        # A storm that was over before the daemon was killed once has shown little.
        if passed and options.kills > 0:
            starts = daemon.log().count(" is ready on ")
            print(f"{starts - 1} kills during the storm")
            passed = starts > 1
    finally:
        if not passed:
            print(f"FAILED; seed {options.seed}; again: {command(options)}; the data folder is kept: {daemon.folder}")
        daemon.close(keep=not passed)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

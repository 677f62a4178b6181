#!/usr/bin/env python3
"""Measures a training step of the engine against the same network in plain LibTorch, on one core.

usage: step.py [--build DIR] [--runs N] [--core N] [--json] [--check]

Builds nothing: first `cmake --build --preset release --target engine_step plain_libtorch_step`.

Both run as processes of their own, one after the other, again and again, so that whatever else the
machine does meets both. Each process reports several rounds of steps; a run counts with its best
round (what disturbs only ever slows), a program with its best run. `ratio` is ours by theirs: below
1 we are faster. The spread (slowest run by fastest) tells how much to believe; on a busy machine the
CPU time is steadier. Faults are minor page faults, the median of all rounds.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
RECIPE = ROOT / "client" / "recipes" / "cifar10-deep-elu.textproto"
ROUNDS = 4
OURS, THEIRS = "engine_step", "plain_libtorch_step"
LIMIT_RATIO = 0.5


def run(command, core):
    def pin():
        os.sched_setaffinity(0, {core})

    environment = dict(os.environ, OMP_NUM_THREADS="1")
    finished = subprocess.run(command, stdout=subprocess.PIPE, env=environment, preexec_fn=pin,
                              check=True)
    return json.loads(finished.stdout)["rounds"]


def summary(runs):
    best = [min(r["step_us"] for r in rounds) for rounds in runs]
    cpu = [min(r["cpu_us"] for r in rounds) for rounds in runs]
    faults = [r["minor_faults_per_step"] for rounds in runs for r in rounds]
    return {
        "step_us": min(best),
        "median_step_us": statistics.median(best),
        "cpu_us": min(cpu),
        # How far apart the runs are, each by its best round.
        "spread": max(best) / min(best) - 1,
        "minor_faults_per_step": statistics.median(faults),
        "most_minor_faults_per_step": max(faults),
        "runs_us": [round(us, 1) for us in best],
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "release",
                        help="build folder")
    parser.add_argument("--runs", type=int, default=5, help="processes of each program")
    parser.add_argument("--core", type=int, default=min(os.sched_getaffinity(0)),
                        help="where both are pinned")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of text")
    parser.add_argument("--check", action="store_true",
                        help=f"exit 1 unless the ratio is at most {LIMIT_RATIO} and a warm step "
                             "makes no page fault")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs: at least 1")
    if arguments.core not in os.sched_getaffinity(0):
        parser.error(f"--core: {arguments.core} is not one of {sorted(os.sched_getaffinity(0))}")
    commands = {
        THEIRS: [arguments.build / "bin" / THEIRS, str(ROUNDS)],
        OURS: [arguments.build / "bin" / OURS, RECIPE, str(ROUNDS)],
    }
    for command in commands.values():
        if not command[0].exists():
            parser.error(f"{command[0]} is missing; build the targets {OURS} and {THEIRS} first")

    runs = {name: [] for name in commands}
    show_progress = sys.stderr.isatty()
    for number in range(arguments.runs):
        for name, command in commands.items():
            if show_progress:
                print(f"\rrun {number + 1} of {arguments.runs}: {name:20}", end="",
                      file=sys.stderr, flush=True)
            runs[name].append(run(command, arguments.core))
    if show_progress:
        print(f"\r{'':50}\r", end="", file=sys.stderr)

    ours, theirs = summary(runs[OURS]), summary(runs[THEIRS])
    pairs = [a / b for a, b in zip(ours["runs_us"], theirs["runs_us"])]
    result = {
        "network": RECIPE.stem,
        "core": arguments.core,
        OURS: ours,
        THEIRS: theirs,
        "ratio": ours["step_us"] / theirs["step_us"],
        "ratio_of_medians": ours["median_step_us"] / theirs["median_step_us"],
        "ratio_of_cpu": ours["cpu_us"] / theirs["cpu_us"],
        # Of neighbours in time: one run of each.
        "lowest_ratio": min(pairs),
        "highest_ratio": max(pairs),
    }
    passed = result["ratio"] <= LIMIT_RATIO and ours["minor_faults_per_step"] == 0
    if arguments.json:
        print(json.dumps(result | {"passed": passed}))
    else:
        print(f"{result['network']}, one step, core {arguments.core}, {arguments.runs} runs, "
              "best round of each:")
        print(f"{'':22}{'best us':>10}{'median us':>11}{'cpu us':>9}{'spread':>8}"
              f"{'faults/step':>14}{'at most':>10}")
        for name in (THEIRS, OURS):
            s = result[name]
            print(f"{name:22}{s['step_us']:10.1f}{s['median_step_us']:11.1f}"
                  f"{s['cpu_us']:9.1f}{s['spread']:8.0%}"
                  f"{s['minor_faults_per_step']:14.3g}{s['most_minor_faults_per_step']:10.3g}")
        print(f"ratio {result['ratio']:.3f} (of medians {result['ratio_of_medians']:.3f}, "
              f"of CPU time {result['ratio_of_cpu']:.3f}, "
              f"of neighbours {result['lowest_ratio']:.3f} to {result['highest_ratio']:.3f}); "
              f"goal: at most {LIMIT_RATIO}, no faults: {'reached' if passed else 'MISSED'}")
    return 0 if passed or not arguments.check else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""kill -9 at random moments, and SIGTERM too, under the load of clients that do everything: nothing is lost or doubled.

usage: kill_test.py [--full] [--kills N] [--stops N] [--seed N]

After each kill, the files that it left are read without the daemon's help: see database.py. At the end everything is
run to its end, and must be what an undisturbed run of the same jobs gave, to the last bit.
"""

import random
import sys
import time

import jobs
from daemon import Daemon, command, parse
from database import Database
from load import Load, Reference

STOP_LIMIT_S = 10

# When the daemon is ended, and how often of a hundred times: before it is ready, counted from the start of the process
# or from its first line; shortly after it is ready; at the acknowledgement of a submit, or of a pause, resume, cancel
# or delete; when a file of weights appears; after time enough to get on with the work.
MOMENTS = {"start": 8, "recovery": 17, "ready": 30, "submit": 15, "action": 10, "file": 10, "later": 10}
WAIT_S = 3  # for what may not come


def plan(options):
    """[(signal, moment, a number from 0 to 1)]"""
    chance = random.Random(options.seed)
    signals = ["KILL"] * options.kills + ["TERM"] * options.stops
    chance.shuffle(signals)
    # A process that has not come as far as its first line has no handler of SIGTERM.
    return [(signal, chance.choices(list(MOMENTS), MOMENTS.values())[0] if signal == "KILL"
             else chance.choice(["recovery", "ready", "later"]), chance.random()) for signal in signals]


def undisturbed(dataset):
    """{kind: Reference}, from a daemon of its own; and the seconds that it took to start, and from its first line."""
    daemon = Daemon("--workers", 2, "--dataset", dataset)
    try:
        daemon.spawn()
        first_line_s = wait_for_first_line(daemon)
        ready_s = daemon.wait_ready()
        models = {kind: daemon.submit(spec) for kind, spec in jobs.TRAININGS.items()}
        for job in models.values():
            daemon.wait_for_state(job, "SUCCEEDED")
        predictions = {f"{kind}+{samples}+{seed}": daemon.submit(jobs.prediction(model, samples, seed))
                       for kind, model in models.items() if jobs.can_predict(kind)
                       for samples, seed in jobs.PREDICTIONS}
        for job in predictions.values():
            daemon.wait_for_state(job, "SUCCEEDED")
        shown = {kind: daemon.ok("metrics", job, "--format", "csv") for kind, job in models.items()}
        shown |= {kind: daemon.ok("predictions", job, "--format", "csv") for kind, job in predictions.items()}
        assert daemon.stop() == 0
        with Database(daemon.data_dir) as database:
            references = {}
            for kind, job in (models | predictions).items():
                lines = [line.split(",", 1)[1] for line in shown[kind].splitlines()]
                references[kind] = Reference(lines, database.metrics(job), database.weights(job),
                                             database.predictions(job) if kind in predictions else None)
        return references, ready_s, ready_s - first_line_s
    finally:
        daemon.close()


def wait_for_first_line(daemon):
    """Returns the seconds from the process's start."""
    while " starts with: " not in daemon.own_log():
        daemon.check_alive()
        time.sleep(0.001)
    return time.monotonic() - daemon.spawn_time


def files(daemon):
    return {path.name for path in daemon.data_dir.glob("artifacts/*/*")}


def wait_for_file(daemon, seconds):
    """Until a file of weights is being written or has been."""
    before = files(daemon)
    end = time.monotonic() + seconds
    while not files(daemon) - before and time.monotonic() < end:
        time.sleep(0.001)


def end_daemon(daemon, load, signal, moment, fraction, ready_s, recovery_s):
    """Starts it, waits for the moment, ends it. The sleeps are no synchronization: they are the moment."""
    daemon.spawn()
    if moment == "start":
        time.sleep(fraction * ready_s)
    elif moment == "recovery":
        wait_for_first_line(daemon)
        time.sleep(fraction * recovery_s)
    else:
        daemon.wait_ready()
    if moment == "ready":
        time.sleep(fraction * 0.3)
    elif moment == "later":
        time.sleep(0.3 + fraction * 2)
    elif moment == "file":
        wait_for_file(daemon, WAIT_S)
    elif moment in ("submit", "action"):
        load.arm(moment, daemon.process)
        end = time.monotonic() + WAIT_S
        while daemon.process.poll() is None and time.monotonic() < end:
            time.sleep(0.001)
        load.disarm()
        if daemon.process.poll() is not None:  # whoever was acknowledged has killed it
            assert daemon.process.returncode == -9, f"the daemon ended by itself: {daemon.own_log()}"
            return
    daemon.check_alive()
    if signal == "KILL":
        daemon.kill()
        return
    begin = time.monotonic()
    code = daemon.stop()
    took_s = time.monotonic() - begin
    assert code == 0, f"SIGTERM: exit code {code}: {daemon.own_log()}"
    assert took_s < STOP_LIMIT_S, f"SIGTERM: ended after {took_s:.1f} s"


def check(daemon, load, over=False, in_order=False):
    with Database(daemon.data_dir) as database:
        problems = load.problems(database, over)
        if in_order and database.exists():
            problems += [problem for problem in database.rest_problems() if over or " is left " in problem]
    problems += load.failures
    assert not problems, "\n  ".join(["", *problems[:20]])


def main():
    options = parse(__doc__.splitlines()[0], kills=(25, 1000), stops=(3, 100))
    print(f"{options.kills} kills, {options.stops} stops, seed {options.seed}; again: {command(options)}", flush=True)
    daemon = Daemon("--workers", 2)
    dataset = f"{jobs.DATASET}=cifar10:{daemon.folder}/images"
    daemon.flags += ("--dataset", dataset)
    load = None
    at = "the undisturbed run"
    passed = False
    begin = time.monotonic()
    try:
        jobs.write_dataset(daemon.folder / "images")
        references, ready_s, recovery_s = undisturbed(dataset)
        print(f"undisturbed after {time.monotonic() - begin:.1f} s; ready after {ready_s:.2f} s, of which {recovery_s:.3f} s "
              "from the first line", flush=True)
        load = Load(daemon, references, options.seed)
        load.start()
        for number, (signal, moment, fraction) in enumerate(plan(options), 1):
            at = f"end {number} ({signal}, {moment}, {fraction:.4f})"
            end_daemon(daemon, load, signal, moment, fraction, ready_s, recovery_s)
            check(daemon, load, in_order=signal == "TERM")
            if options.full and number % 50 == 0:
                print(f"{number} ends after {time.monotonic() - begin:.0f} s: {load.counts}", flush=True)
        print(f"ended for the last time after {time.monotonic() - begin:.1f} s", flush=True)
        at = "the end"
        daemon.start()
        load.join(timeout_s=300)
        # Files of deleted jobs are known as such when a newer job is there.
        last = daemon.submit(jobs.TRAININGS["dense"], "--name", "dense:last")
        load.acknowledged["dense:last"] = int(last)
        assert daemon.stop() == 0
        daemon.start().wait_for_state(last, "SUCCEEDED")
        assert daemon.stop() == 0
        check(daemon, load, over=True, in_order=True)
        for what in ("lives", "watch", "predictions", "pause", "resume", "delete"):
            assert load.counts.get(what, 0) > 0 or options.kills < 20, f"nothing was done of: {what}"
        passed = True
    except AssertionError as error:
        print(f"FAILED at {at}: {error}")
    finally:
        if load is not None:
            load.aborted.set()
            print(f"{time.monotonic() - begin:.1f} s; done: {load.counts}")
        if not passed:
            print(f"seed {options.seed}; again: {command(options)}; the data folder is kept: {daemon.folder}")
        daemon.close(keep=not passed)
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())

"""Clients that keep a daemon busy while it is killed, and know what it has promised each of them.

Every actor lives one job's life after another: submits it (again and again until it is acknowledged), follows, pauses,
resumes or cancels it, waits for its end, predicts from it, compares what came out with an undisturbed run, deletes it.
It is the only one that acts on its jobs, so it knows what may be true of them.
"""

import dataclasses
import json
import random
import subprocess
import tempfile
import threading
import time

from daemon import UNREACHABLE
import jobs

REFUSED = 3
TERMINAL = {"SUCCEEDED", "FAILED", "CANCELLED"}


@dataclasses.dataclass
class Reference:
    """What an undisturbed run of a kind of job gave: as the client shows it, and as it is stored."""
    shown: object
    metrics: dict
    weights: object = None
    predictions: dict = None


class Load:
    def __init__(self, daemon, references, seed, actors=4):
        self.daemon = daemon
        self.references = references  # {kind: Reference}
        self.lock = threading.Lock()
        self.acknowledged = {}  # {name, which is the request id: job}, without those that may be deleted
        self.deleted = set()    # jobs whose deletion was acknowledged
        self.paused = set()     # jobs that are PAUSED and that nobody resumes now
        self.failures = []
        self.counts = {}        # of what was done
        self.armed = None       # (what to wait for, the process to be killed then)
        self.draining = threading.Event()  # begin no new life
        self.aborted = threading.Event()   # something is wrong: stop at once
        self.threads = [threading.Thread(target=self.act, args=(Actor(self, number, seed),), name=f"actor {number}",
                                         daemon=True) for number in range(actors)]

    def start(self):
        for thread in self.threads:
            thread.start()

    def act(self, actor):
        try:
            while not self.draining.is_set() and not self.aborted.is_set():
                actor.live()
        except Aborted:
            pass
        except Exception as error:  # an assertion, or a fault of this test: either way the run has failed
            with self.lock:
                self.failures.append(f"actor {actor.number}: {type(error).__name__}: {error}")
            self.aborted.set()

    def join(self, timeout_s):
        """Every actor ends the life that it has begun."""
        self.draining.set()
        deadline = time.monotonic() + timeout_s
        for thread in self.threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        left = [thread.name for thread in self.threads if thread.is_alive()]
        if left:
            self.failures.append(f"after {timeout_s} s there is no end of {left}")
        self.aborted.set()

    def count(self, what):
        with self.lock:
            self.counts[what] = self.counts.get(what, 0) + 1

    # --- kills that wait for an acknowledgement ---

    def arm(self, what, process):
        with self.lock:
            self.armed = (what, process)

    def disarm(self):
        with self.lock:
            self.armed = None

    def take(self, what):
        """The process that the next acknowledgement of `what` ends, for one caller."""
        with self.lock:
            if self.armed is None or self.armed[0] != what:
                return None
            process = self.armed[1]
            self.armed = None
            return process

    # --- what the database must agree with, while the daemon is dead ---

    def problems(self, database, over=False):
        """`over`: everything has been run to its end."""
        with self.lock:
            acknowledged, deleted, paused = dict(self.acknowledged), set(self.deleted), set(self.paused)
        if not database.exists():
            return [f"there is no table, and {acknowledged} were acknowledged"] if acknowledged else []
        found = database.problems()
        stored = {name: (job, state) for name, job, state in database.rows("SELECT name, id, state FROM jobs")}
        for name, job in acknowledged.items():
            if name not in stored:
                found.append(f"{name} was acknowledged as job {job} and is lost")
            elif stored[name][0] != job:
                found.append(f"{name} was acknowledged as job {job} and is job {stored[name][0]}")
        for name, (job, state) in stored.items():
            if job in deleted:
                found.append(f"job {job} was deleted and is there")
            if job in paused and state != 4:
                found.append(f"job {job} was PAUSED and is in state {state}")
            if over and (state not in (6, 8) or acknowledged.get(name) != job):
                found.append(f"at the end there is job {job}, {name}, in state {state}")
            found += self.differences(database, name, job, state)
        return found

    def differences(self, database, name, job, state):
        """From the undisturbed run: of a job that has not succeeded, in the epochs that it has."""
        reference = self.references[name.split(":")[0]]
        metrics = database.metrics(job)
        if state == 6:
            if metrics != reference.metrics:
                yield f"job {job} ({name}) has other metrics than the undisturbed run"
            if database.weights(job) != reference.weights:
                yield f"job {job} ({name}) has the weights {database.weights(job)}, not {reference.weights}"
            if reference.predictions is not None and database.predictions(job) != reference.predictions:
                yield f"job {job} ({name}) has other predictions than the undisturbed run"
        for key, value in metrics.items():
            # None is how NaN is stored, and equals itself.
            if key not in reference.metrics or reference.metrics[key] != value:
                yield f"job {job} ({name}) has {key} {value}, not {reference.metrics.get(key)}"
                return


class Aborted(Exception):
    pass


class Watcher:
    """`anneal watch` in a process of its own, from the beginning of a job's life to its end."""

    def __init__(self, actor, job):
        self.actor = actor
        self.job = job
        self.output = tempfile.TemporaryFile("w+")
        self.errors = tempfile.TemporaryFile("w+")
        self.begin()

    def begin(self):
        self.process = subprocess.Popen(self.actor.daemon.command("--output", "json", "watch", self.job), text=True,
                                        stdin=subprocess.DEVNULL, stdout=self.output, stderr=self.errors)

    def lines(self):
        """What it has printed when it has ended; it ends soon after the job."""
        while True:
            while self.process.poll() is None:
                self.actor.sleep(0.05)
            self.output.seek(0)
            lines = self.output.read().splitlines()
            # The first connection is tried once; there was no daemon at that moment.
            if self.process.returncode == UNREACHABLE and not lines:
                self.begin()
                continue
            self.errors.seek(0)
            assert self.process.returncode in (0, 1), f"watch {self.job}: {self.errors.read()}"
            return lines

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.output.close()
        self.errors.close()


class Actor:
    def __init__(self, load, number, seed):
        self.load = load
        self.daemon = load.daemon
        self.number = number
        self.chance = random.Random(f"{seed} {number}")
        self.lives = 0

    # --- asking ---

    def sleep(self, seconds):
        if self.load.aborted.wait(seconds):
            raise Aborted

    def persist(self, ask):
        """Asks until there is an answer; (the answer, whether an earlier try may have had an effect)."""
        tried = False
        while True:
            done = ask()
            if done.returncode != UNREACHABLE:
                return done, tried
            tried = True
            self.sleep(self.chance.uniform(0.02, 0.15))

    def ask(self, *arguments):
        return self.persist(lambda: self.daemon.run(*arguments))

    def show(self, job):
        done, _ = self.ask("--output", "json", "show", job)
        assert done.returncode == 0, f"show {job}: {done.stderr}"
        return json.loads(done.stdout)

    def act(self, verb, job):
        """An action that is acknowledged, perhaps the last thing that this daemon does."""
        done, tried = self.ask("--output", "json", verb, job)
        if done.returncode == 0:
            process = self.load.take("action")
            if process is not None:
                process.kill()
            self.load.count(verb)
        return done, tried

    # --- the parts of a life ---

    def live(self):
        self.lives += 1
        kind = self.chance.choice(list(jobs.TRAININGS))
        pauses = self.chance.choice([0, 0, 1, 2])
        cancel = self.chance.random() < 0.2
        job = self.submit(kind, jobs.TRAININGS[kind])
        watcher = Watcher(self, job) if self.chance.random() < 0.5 else None
        try:
            for _ in range(pauses):
                self.sleep(self.chance.uniform(0, 1))
                self.pause_for_a_while(job)
            if cancel:
                self.sleep(self.chance.uniform(0, 1))
                self.cancel(job)
            shown = self.wait_for_end(job, {"SUCCEEDED", "CANCELLED"} if cancel else {"SUCCEEDED"})
            if watcher is not None:
                self.check_watched(job, watcher.lines())
        finally:
            if watcher is not None:
                watcher.close()
        self.check_metrics(job, kind, shown)
        family = [job]
        if shown["state"] == "SUCCEEDED" and jobs.can_predict(kind):
            family.append(self.predict(job, kind))
        if self.chance.random() < (0.5 if len(self.load.acknowledged) < 30 else 1.0):
            self.chance.shuffle(family)
            for each in family:
                self.delete(each)
        self.load.count("lives")

    def submit(self, kind, spec):
        name = f"{kind}:{self.number}:{self.lives}"
        with tempfile.NamedTemporaryFile("w", suffix=".textproto") as file:
            file.write(spec)
            file.flush()
            style = self.chance.random()
            if style < 0.2:  # the client that people use, which makes up a request id and tries again itself
                done, tried = self.daemon.run("submit", file.name, "--name", name), False
                if done.returncode == UNREACHABLE:  # it gave up: whether there is a job now, only a list tells
                    found = self.find(name)
                    if found is None:
                        return self.submit(kind, spec)
                    done = subprocess.CompletedProcess([], 0, found, "")
            else:
                flags = ["--twice"] if style < 0.4 else []
                process = self.load.take("submit")
                if process is not None:
                    flags += ["--kill", process.pid]
                done, tried = self.persist(lambda: self.daemon.fault_client("submit", file.name, "--request-id", name,
                                                                            "--name", name, *flags))
            assert done.returncode == 0, f"submit {name}: exit code {done.returncode}, {done.stderr}"
            job = done.stdout.strip()
            self.load.count("submit")
            with self.load.lock:
                self.load.acknowledged[name] = int(job)
            if style >= 0.2 and self.chance.random() < 0.4:
                again, _ = self.persist(lambda: self.daemon.fault_client("submit", file.name, "--request-id", name,
                                                                         "--name", name))
                assert again.stdout.strip() == job, f"{name}, job {job}, submitted again: {again.stdout}{again.stderr}"
                self.load.count("submit again")
            if style >= 0.2 and self.chance.random() < 0.1:
                other, _ = self.persist(lambda: self.daemon.fault_client("submit", file.name, "--request-id", name,
                                                                         "--name", "another"))
                assert other.returncode == REFUSED and other.stderr.startswith("6 "), \
                    f"another spec with request id {name}: {other.stdout}{other.stderr}"
        return job

    def find(self, name):
        done, _ = self.ask("--output", "json", "jobs", "--limit", 0)
        assert done.returncode == 0, done.stderr
        found = [job["id"] for line in done.stdout.splitlines() for job in json.loads(line).get("jobs", [])
                 if job["name"] == name]
        return found[0] if found else None

    def pause_for_a_while(self, job):
        done, _ = self.act("pause", job)
        if done.returncode == REFUSED:
            assert self.show(job)["state"] in TERMINAL, f"pause {job}: {done.stderr}"
            return
        assert done.returncode == 0, f"pause {job}: {done.stderr}"
        state = json.loads(done.stdout)["state"]
        while state == "PAUSING":
            self.sleep(0.05)
            state = self.show(job)["state"]
        if state in TERMINAL:  # it came to its end before it saw the pause
            return
        assert state == "PAUSED", f"job {job} was paused and is {state}"
        with self.load.lock:
            self.load.paused.add(int(job))
        end = time.monotonic() + self.chance.uniform(0, 1.5)
        while time.monotonic() < end:
            state = self.show(job)["state"]
            assert state == "PAUSED", f"job {job} was PAUSED, nobody resumed it, and it is {state}"
            self.sleep(0.4)
        with self.load.lock:
            self.load.paused.remove(int(job))
        done, tried = self.act("resume", job)
        if done.returncode == REFUSED:
            assert tried and self.show(job)["state"] in TERMINAL, f"resume {job}: {done.stderr}"
        else:
            assert done.returncode == 0, f"resume {job}: {done.stderr}"

    def cancel(self, job):
        done, tried = self.act("cancel", job)
        state = self.show(job)["state"]
        if done.returncode == 0:
            assert state in TERMINAL | {"CANCELLING"}, f"job {job} was cancelled and is {state}"
        else:
            assert done.returncode == REFUSED and state in TERMINAL, f"cancel {job}, {state}: {done.stderr}"
            assert tried or state != "CANCELLED", f"cancel {job}: {done.stderr}"

    def wait_for_end(self, job, expected):
        while True:
            shown = self.show(job)
            if shown["state"] in TERMINAL:
                assert shown["state"] in expected, f"job {job} is {shown}"
                self.load.count(shown["state"])
                return shown
            self.sleep(0.25)

    def check_watched(self, job, lines):
        """Each event once, in order: as one who looks when all is over sees them."""
        done, _ = self.ask("--output", "json", "watch", job)
        events = [json.loads(line)["event"] for line in lines]
        sequence = [int(event["sequence"]) for event in events]
        assert sequence == list(range(1, len(events) + 1)), f"watch {job} saw the events {sequence}"
        assert lines == done.stdout.splitlines(), f"watch {job} saw other events than are stored: {lines}, {done.stdout}"
        self.load.count("watch")

    def check_metrics(self, job, kind, shown):
        done, _ = self.ask("metrics", job, "--format", "csv")
        assert done.returncode == 0, f"metrics {job}: {done.stderr}"
        lines = [line.split(",", 1)[1] for line in done.stdout.splitlines()]  # without the job's id
        reference = self.load.references[kind].shown
        if shown["state"] == "SUCCEEDED":
            assert lines == reference, f"metrics of job {job} ({kind}): {lines}, not {reference}"
            weights = shown["result"]["weightsSha256"]
            assert weights == self.load.references[kind].weights[0][0], f"job {job} ({kind}) has the weights {weights}"
        else:
            assert len(set(lines)) == len(lines) and set(lines) <= set(reference), f"metrics of job {job}: {lines}"

    def predict(self, model, kind):
        samples, seed = self.chance.choice(jobs.PREDICTIONS)
        kind = f"{kind}+{samples}+{seed}"
        job = self.submit(kind, jobs.prediction(model, samples, seed))
        if self.chance.random() < 0.2:
            self.pause_for_a_while(job)
        self.wait_for_end(job, {"SUCCEEDED"})
        done, _ = self.ask("predictions", job, "--format", "csv")
        lines = [line.split(",", 1)[1] for line in done.stdout.splitlines()]
        assert lines == self.load.references[kind].shown, f"job {job} ({kind}) has other predictions"
        self.load.count("predictions")
        return job

    def delete(self, job):
        with self.load.lock:  # from now on it may be gone
            self.load.acknowledged = {name: other for name, other in self.load.acknowledged.items()
                                      if other != int(job)}
        done, tried = self.act("delete", job)
        gone, _ = self.ask("show", job)
        assert done.returncode == 0 or tried and done.returncode == REFUSED, f"delete {job}: {done.stderr}"
        assert gone.returncode == REFUSED, f"job {job} was deleted and is there: {gone.stdout}{gone.stderr}"
        with self.load.lock:
            self.load.deleted.add(int(job))

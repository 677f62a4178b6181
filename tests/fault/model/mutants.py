#!/usr/bin/env python3
"""Seeded bugs: a test of the tests. Each mutant is the product with one bug, built in a folder of its own below the build
folder and given to the suite, which must fail.

usage: mutants.py BUILD_FOLDER [--only NAME..] [--all | --quick] [--histories N] [--list]

Without --all, --quick or --only: checks only that the old text of every mutant is in its file exactly once. Every run
checks that first. BUILD_FOLDER must hold a build of fault_model (with --all of engine_tests, too, where there is an engine).

Exit code 0: every mutant that was tried was caught, but for those that mutant_table.py says cannot be.
"""

import argparse
import json
import pathlib
import shlex
import shutil
import subprocess
import sys
import time

import mutant_table

ROOT = pathlib.Path(__file__).resolve().parents[3]
PATIENCE_S = 8       # for what hangs
LIMIT_S = 400        # for one mutant
COMPILE_LIMIT_S = 600


class Failed(Exception):
    pass


def check_texts(mutants):
    """Every old text exactly once, and names that are unique."""
    problems = []
    names = [mutant.name for mutant in mutants]
    problems += [f"{name}: there are two" for name in sorted(set(names)) if names.count(name) > 1]
    for mutant in mutants:
        for edit in mutant.edits:
            count = (ROOT / edit.file).read_text(encoding="utf-8").count(edit.old)
            if count != 1:
                problems.append(f"{mutant.name}: its text is {count} times in {edit.file}, not once:\n{edit.old}")
            if edit.old == edit.new:
                problems.append(f"{mutant.name}: changes nothing in {edit.file}")
    return problems


def run(command, limit_s):
    return subprocess.run(command, shell=isinstance(command, str), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          stdin=subprocess.DEVNULL, timeout=limit_s, text=True, errors="replace", check=False)


class Builder:
    """Takes the compile and link commands of the build, and puts mutated files in place of the original ones."""

    def __init__(self, build):
        self.build = build
        entries = json.loads((build / "compile_commands.json").read_text(encoding="utf-8"))
        self.compile = {str(pathlib.Path(entry["file"]).resolve()): entry for entry in entries}
        self.link = {}

    def link_command(self, target):
        if target not in self.link:
            answer = run(["ninja", "-C", str(self.build), "-t", "commands", target], COMPILE_LIMIT_S)
            if answer.returncode != 0:
                raise Failed(f"ninja knows no target {target}: {answer.stdout}")
            # `: && COMPILER .. -o bin/TARGET .. && :`, perhaps with steps after it that a mutant does not need.
            for part in answer.stdout.splitlines()[-1].split(" && "):
                if f"-o {target}" in part:
                    self.link[target] = shlex.split(part)
        return self.link[target]

    def make(self, mutant, folder):
        """Returns the program."""
        for file in {edit.file for edit in mutant.edits}:
            text = (ROOT / file).read_text(encoding="utf-8")
            for edit in mutant.edits:
                if edit.file == file:
                    text = text.replace(edit.old, edit.new)
            path = folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        objects = [self.make_object(unit, folder) for unit in mutant.units]
        target = f"bin/{mutant.program}"
        command = self.link_command(target)
        program = folder / mutant.program
        output = command.index("-o")
        # Objects before archives: the symbols that they define are not looked for in these.
        first = next(i for i, word in enumerate(command) if word.endswith(".o"))
        linked = command[:first] + [str(each) for each in objects] + command[first:]
        output += len(objects) if output > first else 0
        linked[output + 1] = str(program)
        answer = subprocess.run(linked, cwd=self.build, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                timeout=COMPILE_LIMIT_S, check=False)
        if answer.returncode != 0:
            raise Failed(f"it does not link: {answer.stdout}")
        return program

    def make_object(self, unit, folder):
        original = ROOT / unit
        entry = self.compile[str(original.resolve())]
        words = shlex.split(entry["command"])
        mutated = folder / unit
        source = mutated if mutated.exists() else original
        target = folder / (unit + ".o")
        target.parent.mkdir(parents=True, exist_ok=True)
        words[words.index("-o") + 1] = str(target)
        words[words.index("-c") + 1] = str(source)
        # Headers of the mutant are found before the original ones.
        first = next(i for i, word in enumerate(words) if word.startswith("-I"))
        words.insert(first, f"-I{folder}")
        # The files of dependencies would be the original's.
        for option in ("-MF", "-MT"):
            if option in words:
                words[words.index(option) + 1] = str(target) + ".d"
        answer = subprocess.run(words, cwd=entry["directory"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, timeout=COMPILE_LIMIT_S, check=False)
        if answer.returncode != 0:
            raise Failed(f"it does not compile: {answer.stdout}")
        return target


def first_problem(output):
    """What the suite found, in a line."""
    lines = output.splitlines()
    for i, line in enumerate(lines):
        if line.endswith(": WRONG") and i + 1 < len(lines):
            return lines[i + 1].strip()
    for line in lines:
        if "Failure" in line or "FAILED" in line:
            return line.strip()
    return lines[-1].strip() if lines else ""


def judge(mutant, builder, histories):
    """Builds it and runs the suite. Returns (caught, a sentence)."""
    folder = builder.build / "mutants" / mutant.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    program = builder.make(mutant, folder)
    begin = time.monotonic()
    if mutant.program == "fault_model":
        arguments = ["--histories", str(histories), "--patience", str(PATIENCE_S), "--seed", str(mutant_table.SEED)]
    else:
        arguments = [f"--gtest_filter={mutant.gtest_filter}"]
    try:
        answer = run([str(program), *arguments], LIMIT_S)
    except subprocess.TimeoutExpired:
        return False, f"the suite did not end in {LIMIT_S} s"
    finally:
        program.unlink()
    (folder / "output.txt").write_text(answer.stdout, encoding="utf-8")
    seconds = time.monotonic() - begin
    if answer.returncode == 0:
        return False, f"{seconds:.0f} s, and the suite found nothing"
    if answer.returncode != 1:
        return False, f"the suite itself broke: exit code {answer.returncode}: {first_problem(answer.stdout)}"
    return True, f"{seconds:.0f} s: {first_problem(answer.stdout)}"


def choose(arguments, build):
    mutants = mutant_table.MUTANTS
    if arguments.only:
        unknown = set(arguments.only) - {mutant.name for mutant in mutants}
        if unknown:
            raise Failed(f"there is no mutant {', '.join(sorted(unknown))}")
        return [mutant for mutant in mutants if mutant.name in arguments.only]
    if arguments.quick:
        return [mutant for mutant in mutants if mutant.quick]
    if not arguments.all:
        return []
    return [mutant for mutant in mutants if (build / "bin" / mutant.program).exists()]


def main():
    parser = argparse.ArgumentParser(description="Seeded bugs that the suite must find.")
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--all", action="store_true")
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--histories", type=int, default=600)
    arguments = parser.parse_args()
    problems = check_texts(mutant_table.MUTANTS)
    if problems:
        print("\n".join(problems))
        return 1
    print(f"{len(mutant_table.MUTANTS)} mutants; every old text is in its file once", flush=True)
    if arguments.list:
        for mutant in mutant_table.MUTANTS:
            print(f"  {mutant.name}: {mutant.breaks}")
        return 0
    builder = Builder(arguments.build.resolve())
    tried, missed = choose(arguments, builder.build), []
    for mutant in tried:
        try:
            caught, text = judge(mutant, builder, arguments.histories)
        except Failed as error:
            caught, text = False, str(error)
        excuse = "" if caught or not mutant.not_caught_because else f" (expected: {mutant.not_caught_because})"
        print(f"{'caught' if caught else 'MISSED'} {mutant.name}: {text}{excuse}", flush=True)
        if not caught:
            missed.append(mutant)
    unexpected = [mutant.name for mutant in missed if not mutant.not_caught_because]
    print(f"{len(tried) - len(missed)} of {len(tried)} mutants caught; missed: "
          f"{', '.join(mutant.name for mutant in missed) or 'none'}")
    return 1 if unexpected else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failed as failure:
        print(failure)
        sys.exit(1)

"""Pipelines under measurement: started without a shell, reaped one by one, their CPU time read to the tick."""

import dataclasses
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time

TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


@dataclasses.dataclass
class Stage:
    """Resources that one process of a pipeline used."""

    name: str
    cpu: float
    """Its own user and system time, in seconds."""
    children: float
    """The same, of its children that have ended."""


class Pipeline:
    """Running processes, each reading the output of the previous one."""

    def __init__(self, text, stdout=subprocess.DEVNULL):
        """Starts `text`, as in `a X | b Y`. The first reads nothing, the last writes to `stdout`."""
        words = shlex.split(text)
        commands = [[]]
        for word in words:
            if word == "|":
                commands.append([])
            else:
                commands[-1].append(word)
        self.text = text
        self.stderr = tempfile.TemporaryFile()
        self.began = time.monotonic()
        self.processes = []
        source = subprocess.DEVNULL
        for command in commands:
            is_last = len(self.processes) + 1 == len(commands)
            process = subprocess.Popen(
                command,
                stdin=source,
                stdout=stdout if is_last else subprocess.PIPE,
                stderr=self.stderr,
            )
            if source is not subprocess.DEVNULL:
                # Closed here too, or the previous stage would never see that its reader has gone.
                source.close()
            source = process.stdout
            self.processes.append(process)

    @property
    def output(self):
        """The output of the last stage, if `stdout` was a pipe."""
        return self.processes[-1].stdout

    def errors(self):
        """The stderr of all stages so far."""
        self.stderr.seek(0)
        return self.stderr.read().decode(errors="replace")

    def finish(self):
        """Waits for all; returns the stages and the wall time. A stage that fails ends the benchmark."""
        stages = []
        for process in self.processes:
            # Left a zombie at first: only then can its own time be told from its children's.
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            with open(f"/proc/{process.pid}/stat", encoding="utf-8") as file:
                fields = file.read().rpartition(")")[2].split()
            user, system, child_user, child_system = (int(field) for field in fields[11:15])
            stages.append(
                Stage(
                    os.path.basename(process.args[0]),
                    (user + system) / TICKS_PER_SECOND,
                    (child_user + child_system) / TICKS_PER_SECOND,
                )
            )
        wall = time.monotonic() - self.began
        for process in self.processes:
            if process.wait() != 0:
                sys.exit(f"{self.text}\n{process.args[0]} ended with {process.returncode}:\n{self.errors()}")
        return stages, wall


def resident(pid):
    """Resident MB, in total and without mapped files."""
    try:
        with open(f"/proc/{pid}/status", encoding="utf-8") as file:
            fields = dict(line.split(":", 1) for line in file)
        return int(fields["VmRSS"].split()[0]) / 1000, int(fields["RssAnon"].split()[0]) / 1000
    except (OSError, KeyError):
        # It has ended.
        return None


def read_through(file):
    """Reads `file` into the page cache, or the first reader would wait for the disk."""
    with open(file, "rb", buffering=0) as source:
        while source.read(1 << 20):
            pass


def total(stages):
    """All CPU seconds of a pipeline."""
    return sum(stage.cpu + stage.children for stage in stages)


def ratio(figures, floor):
    """The median of the ratios pair by pair, with their range; and the number itself."""
    ratios = [figure / max(base, 1 / TICKS_PER_SECOND) for figure, base in zip(figures, floor, strict=True)]
    median = statistics.median(ratios)
    spread = f" ({min(ratios):.2f}–{max(ratios):.2f})" if len(ratios) > 1 else ""
    return f"{median:.2f}{spread}", median


def row(what, figure, against, compared, goal, met):
    """One line of the table, for bench/run."""
    verdict = {True: "met", False: "missed", None: ""}[met]
    print("row", what, figure, against, compared, goal, verdict, sep="\t", flush=True)


def note(text):
    """One line below the table."""
    print("note", text, sep="\t", flush=True)

"""The place of a test: folders, programs that are started and ended, generated recordings, results compared."""

import atexit, json, os, random, re, shutil, signal, subprocess, sys, tempfile, time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "scripts/cluster"
# Seconds of video in a segment, pictures in a second.
SEGMENT, RATE = 2, 10


class Lab:
    def __init__(self, programs, seed, keep):
        self.place = Path(tempfile.mkdtemp(prefix="cht-cluster."))
        self.random, self.started, self.keep = random.Random(seed), [], keep
        self.recordings, self.began = self.place / "recordings", time.monotonic()
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("CHT_", "AWS_", "SLURM_", "SBATCH_"))}
        home = self.folder("home")
        path = f"{programs}:{os.environ['PATH']}"
        self.variables = variables | {"PATH": path, "HOME": str(home), "CHT_CACHE": "none", "CHT_BATCH_SETTLE": "0", "CLUSTER_PAUSE": "1"}
        # GNU parallel asks for its citation on a terminal.
        (home / ".parallel").mkdir()
        (home / ".parallel/will-cite").touch()
        atexit.register(self.end)

    def folder(self, name):
        folder = self.place / name
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def say(self, text):
        print(f"{time.monotonic() - self.began:7.1f} s  {text}", flush=True)

    def start(self, command, log, **options):
        """Starts a program in a session of its own; it ends with the test at the latest."""
        with open(self.place / log, "ab") as output:
            options = {"stdin": subprocess.DEVNULL, "stdout": output, "stderr": output, "env": self.variables} | options
            process = subprocess.Popen([str(word) for word in command], start_new_session=True, **options)
        self.started.append(process)
        return process

    def run(self, command, may_fail=False, **options):
        """Runs a program to its end. Returns it, with its text."""
        options = {"stdin": None if "input" in options else subprocess.DEVNULL, "env": self.variables, "timeout": 1800} | options
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **options)
        if done.returncode and not may_fail:
            raise SystemExit(f"FAILED: {command}: status {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        return done

    def until(self, holds, what, seconds=60):
        """Waits until `holds()`; there is no event to wait for in programs of others."""
        end = time.monotonic() + seconds
        while not (found := holds()):
            if time.monotonic() > end:
                raise SystemExit(f"FAILED: {what}: not within {seconds} s; see {self.place}")
            time.sleep(0.1)
        return found

    def end(self):
        for process in reversed(self.started):
            kill_session(process)
        if self.keep:
            print(f"kept: {self.place}")
        else:
            shutil.rmtree(self.place, ignore_errors=True)


def kill_session(process):
    """Kills a program that was started by `Lab.start`, and all that it has started in the same session."""
    for pid in [*session(process.pid), process.pid]:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
    process.wait()


def processes():
    """Yields PID, name, session and parent of every process."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                name, rest = re.match(rb"\d+ \((.*)\) \S (.*)", (entry / "stat").read_bytes(), re.S).groups()
            except OSError:
                continue
            parent, _, leader = rest.split()[:3]
            yield int(entry.name), name.decode(errors="replace"), int(leader), int(parent)


def session(leader):
    return [pid for pid, _, of, _ in processes() if of == leader]


def record(lab, units, segments):
    """Generates recordings with a hard cut every few seconds. Returns the times of the cuts of each camera."""
    cuts = {}
    for n in range(units):
        folder = lab.folder(f"recordings/camera{chr(97 + n // 26)}{chr(97 + n % 26)}")
        every, length = 7 + n % 5, segments * SEGMENT
        cuts[folder.name] = list(range(every, length, every))
        # Something moves, at another place with each camera; with each cut the picture is inverted.
        picture = f"testsrc2=s=160x90:r={RATE}:d={length},drawbox=x={n % 16 * 10}:y={n // 16 * 10}:w=12:h=12:t=fill"
        picture += f",negate=enable='mod(floor(t/{every}),2)'"
        lab.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", picture, "-c:v", "libx264", "-preset", "ultrafast", "-threads", 1,
                 "-g", RATE * SEGMENT, "-f", "segment", "-segment_time", SEGMENT, folder / f"{folder.name}_%05d.ts"])
    return cuts


def plan(lab, out):
    """Fills a folder of units with those that have no result in `out`."""
    units = out.with_name(out.name + ".units")
    planned = lab.run(["cht-batch", "plan", lab.recordings]).stdout
    left = lab.run(["cht-batch", "run", "-", "--out", out, "--dry-run"], input=planned).stdout
    lab.run([SCRIPTS / "units", units], input=left)
    return units, left


def results(out):
    """Returns the content of each file of a folder of results, without the path of that folder and the numbers of inodes."""
    files = {}
    for path in sorted(out.rglob("*")):
        name = path.relative_to(out)
        if path.is_file() and name.parts[0] != ".cht-batch":
            content = path.read_bytes()
            if path.suffix in (".json", ".ndjson", ".state"):
                # A link to an input, in a folder of work.
                content = re.sub(rb'"/[^"]*/inputs/(camera[a-z]+)_', rb'"IN/\1/\1_', content)
                content = re.sub(rb'"/[^"]*/(camera[a-z]+_\d+_[0-9a-f]{8})', rb'"OUT/\1', content)
                content = re.sub(rb'"/[^"]*?/(camera[a-z]+/camera)', rb'"IN/\1', content)
                content = re.sub(rb'"dev":\d+,"ino":\d+|"written":\d+|"modified":\d+', b"", content)
            files[str(name)] = content
    return files


def compare(lab, what, found, expected):
    """Fails where two folders of results differ."""
    wrong = sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
    if wrong:
        raise SystemExit(f"FAILED: {what}: {len(wrong)} of {len(expected)} files differ: {wrong[:10]}; see {lab.place}")
    lab.say(f"{what}: {len(found)} files in {len({name.split('/')[0] for name in found})} results equal those of the uninterrupted run")


def check_cuts(lab, out, cuts):
    """Fails where a cut has no frame of its own, within two pictures."""
    total = 0
    for index in out.glob("*/frames/index.json"):
        times = [frame["timestamp"] for frame in json.loads(index.read_text())]
        for cut in cuts[index.parents[1].name.split("_", 1)[0]]:
            total += 1
            if not any(abs(time - cut) <= 2 / RATE for time in times):
                raise SystemExit(f"FAILED: {index}: no frame at {cut} s: {times}")
    lab.say(f"{total} labelled cuts have their frames")

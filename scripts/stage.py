"""The contract of a stage, for scripts: each line is passed on at once and unchanged, and events of the stage's own come after.

A stage of yours is a function from an event to new ones:

    from stage import Stage

    def describe(frame):
        yield "text", {"id": frame["id"], "text": look_at(frame["path"]), "source": "describe"}

    Stage("describe", "frame", {"id": str, "path": str}).run(describe, "undescribed")
"""

import json
import os
import queue
import signal
import sys
import threading


def read(line):
    """Returns the event on a line; an empty one for anything else."""
    try:
        event = json.loads(line)
        return event if isinstance(event, dict) else {}
    except (ValueError, RecursionError):
        return {}


class Stage:
    """A stage called `name` that works on events of type `kind`, which need `fields` of these types."""

    def __init__(self, name, kind, fields):
        self.name, self.kind, self.fields = name, kind, fields
        self.lock, self.waiting, self.has_failed = threading.Lock(), queue.SimpleQueue(), False

    def run(self, make, code):
        """Works to the end of stdin, and exits. `make` yields type and fields of new events; its errors become `error` events."""
        # The first Ctrl-C is meant for the source.
        signal.signal(signal.SIGINT, lambda *_: signal.signal(signal.SIGINT, signal.SIG_DFL))
        worker = threading.Thread(target=self.work, args=(make, code))
        worker.start()
        for number, line in enumerate(sys.stdin.buffer, 1):
            self.write(line if line.endswith(b"\n") else line + b"\n")
            event = read(line)
            if event.get("type") != self.kind:
                continue
            if lacking := [name for name, kind in self.fields.items() if not isinstance(event.get(name), kind)]:
                self.fail("bad_line", f"stdin, line {number}: `{self.kind}` without {', '.join(lacking)}; passed on", event)
            else:
                self.waiting.put(event)
        self.waiting.put(None)
        worker.join()
        sys.exit(1 if self.has_failed else 0)

    def work(self, make, code):
        while (event := self.waiting.get()) is not None:
            try:
                for kind, fields in make(event):
                    self.emit(kind, fields, event)
            except Exception as error:  # one bad input, and the rest goes on
                self.fail(code, f"{event.get('path')}: {error}", event)

    def fail(self, code, message, event):
        print(f"{self.name}: warning: {message}", file=sys.stderr, flush=True)
        self.has_failed = True
        path = {"path": path} if isinstance(path := event.get("path"), str) else {}
        self.emit("error", {"stage": self.name, "code": code, "message": message} | path, event)

    def emit(self, kind, fields, event):
        session = event.get("session")
        event = {"v": 1, "type": kind, "session": session if isinstance(session, str) else None}
        event |= {name: value for name, value in fields.items() if value is not None}
        # Half of a surrogate pair, which JSON can hold and UTF-8 cannot, is replaced.
        self.write(json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(errors="replace") + b"\n")

    def write(self, line):
        try:
            with self.lock:
                sys.stdout.buffer.write(line)
                sys.stdout.buffer.flush()
        except BrokenPipeError:
            os._exit(0)

"""The constants of cht-detect: finds them in its source, and writes a copy of the crate that reads them at run time."""

import dataclasses
import os
import re
import shutil

NUMBERS = ("f32", "f64", "i64", "usize", "u32", "u8")
DEFINED = re.compile(r"^(pub(?:\(crate\))? )?const ([A-Z][A-Z_0-9]*): ([^=]+) = ([^;]+);", re.M)

LAYOUT = {
    "SIDE", "AREA", "BLOCK", "BACK", "LOOKAHEAD", "SIDES", "CLASSES", "PARTS", "CELL", "CELLS_OF_BLOCK",
    "REACH_X", "TOGETHER", "SLOT", "SLOTS", "SECOND", "HOUR", "NEVER", "HIDDEN", "MOST_BLOCKS", "LENGTHS", "TEXTURES", "FLIPS",
}  # fmt: skip
"""Sizes of arrays and units, which are no rules: nothing is measured for them."""


@dataclasses.dataclass
class Constant:
    """A number in a rule."""

    number: int
    file: str
    name: str
    value: str
    about: str
    """The comment above it, or above the group that it belongs to."""

    @property
    def of_measures(self):
        """Whether pictures have to be measured again with another value."""
        return self.file.startswith("measure/")


def sources(folder):
    """The paths of the Rust files, without tests, relative to the folder."""
    for root, _, names in sorted(os.walk(folder)):
        for name in sorted(names):
            path = os.path.relpath(os.path.join(root, name), folder)
            if name.endswith(".rs") and name != "tests.rs":
                yield path


def without_tests(text):
    """The text before the module of tests, which comes last."""
    return text.split("#[cfg(test)]\nmod tests", maxsplit=1)[0]


def parts_of(kind, value):
    """The types and expressions of the numbers in a constant, or none if it has none of its own."""
    if not re.search(r"\d", re.sub(r"f32|f64|i64|u32|u8|usize|90_000", "", value)) and "SECOND" not in value:
        return []
    if kind in NUMBERS:
        return [(kind, value)]
    if kind.startswith("("):
        return list(zip(re.findall(r"\w+", kind), value.strip("()").split(","), strict=True))
    if kind.endswith("Range<i64>"):
        return [("i64", each) for each in value.split("..")]
    return []


def comment_above(text, at):
    """The comment that ends right above a position, or above the constants between."""
    lines = text[:at].splitlines()
    while lines and not lines[-1].startswith("///"):
        if not lines[-1].strip():
            return ""
        lines.pop()
    found = []
    while lines and lines[-1].startswith("///"):
        found.insert(0, lines.pop().removeprefix("///").strip())
    return " ".join(found)


class Copy:
    """A copy of the crate in which constants are functions that ask which value is varied."""

    def __init__(self, source):
        self.source = source
        self.texts = {path: without_tests(self._read(path)) for path in sources(source)}
        self.constants = []
        # Constants of each file, with the text that takes the place of their values.
        self.functions = {}
        for path, text in self.texts.items():
            self.functions[path] = dict(self._functions(path, text))

    def _read(self, path):
        with open(os.path.join(self.source, path), encoding="utf-8") as file:
            return file.read()

    def _functions(self, path, text):
        for found in DEFINED.finditer(text):
            _, name, kind, value = found.groups()
            parts = parts_of(kind.strip(), value.strip())
            if name in LAYOUT or not parts:
                continue
            varied = []
            for part, (number, expression) in enumerate(parts):
                suffix = "" if len(parts) == 1 else f" ({'least' if part == 0 else 'most'})"
                about = comment_above(text, found.start())
                constant = Constant(len(self.constants), path, name + suffix, expression.strip(), about)
                self.constants.append(constant)
                varied.append(f"crate::vary::value::<{number}>({constant.number}, {expression})")
            joined = varied[0] if len(varied) == 1 else f"({', '.join(varied)})"
            yield name, "..".join(varied) if kind.strip().endswith("Range<i64>") else joined

    def _depending(self):
        """Adds constants that are made of others."""
        for path, text in self.texts.items():
            known = self._known(path, text)
            for _, name, _, value in DEFINED.findall(text):
                if name not in self.functions[path] and name not in LAYOUT and known & set(re.findall(r"\w+", value)):
                    self.functions[path][name] = value

    def _known(self, path, text):
        """Names that are functions now: those of this file, and those of others that it names."""
        imported = " ".join(re.findall(r"^use [^;]+;|\b[a-z]+::[A-Z_]+", text, re.M))
        theirs = {name for functions in self.functions.values() for name in functions}
        return set(self.functions[path]) | (theirs & set(re.findall(r"\w+", imported)))

    def write(self, folder):
        """Writes the copy's `src`."""
        self._depending()
        for path, text in self.texts.items():
            target = os.path.join(folder, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            with open(target, "w", encoding="utf-8") as file:
                file.write(self._rewritten(path, text))

    def _rewritten(self, path, text):
        known = self._known(path, text)
        if known:
            calls = re.compile(rf"(?<!const )(?<!fn )\b({'|'.join(sorted(known))})\b(?!\s*[(:])")
        out = []
        for piece in re.split(r"(^use [^;]+;|^\s*//.*$)", text, flags=re.M):
            if known and not re.match(r"use |\s*//", piece):
                piece = DEFINED.sub(lambda found: self._definition(path, found), piece)
                piece = calls.sub(r"\1()", piece)
            out.append(piece)
        return "".join(out)

    def _definition(self, path, found):
        public, name, kind, _ = found.groups()
        value = self.functions[path].get(name)
        return found[0] if value is None else f"{public or ''}fn {name}() -> {kind} {{ {value} }}"


def make(source, harness, folder):
    """Makes the crate of the harness in `folder`; returns the constants."""
    copy = Copy(os.path.join(source, "src"))
    target = os.path.join(folder, "src")
    shutil.rmtree(target, ignore_errors=True)
    copy.write(target)
    shutil.copy(os.path.join(harness, "Cargo.toml"), folder)
    for name in ("main.rs", "vary.rs"):
        shutil.copy(os.path.join(harness, name), target)
    with open(os.path.join(target, "lib.rs"), "r+", encoding="utf-8") as file:
        text = file.read()
        file.seek(0)
        file.write("#![allow(warnings)]\npub mod vary;\n" + re.sub(r"^//!.*\n", "", text, flags=re.M))
        file.truncate()
    return copy.constants

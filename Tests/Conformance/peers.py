"""The peers of the conformance tests: a process a language, which obeys lines."""

import os
import pathlib
import select
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PEERS = {}
PATIENCE = 120
DIRECTORY = "/dev/shm"


class Failed(Exception):
    pass


class Peer:
    """A process that obeys lines and answers each with a line."""

    own = threading.local()

    @staticmethod
    def of_this_thread():
        """The peers that this thread started."""
        if not hasattr(Peer.own, "list"):
            Peer.own.list = []
        return Peer.own.list

    def __init__(self, language, *words):
        self.language, self.words = language, words
        self.process = subprocess.Popen([*PEERS[language], *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.buffer = b""
        Peer.of_this_thread().append(self)

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def read(self):
        end = time.monotonic() + PATIENCE
        while b"\n" not in self.buffer:
            if not select.select([self.process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise Failed(f"{self} did not answer in {PATIENCE} s")
            some = os.read(self.process.stdout.fileno(), 65536)
            if not some:
                raise Failed(f"{self} ended: {self.process.stderr.read().decode().strip()}")
            self.buffer += some
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode()

    def has_answered(self):
        return b"\n" in self.buffer or bool(select.select([self.process.stdout], [], [], 0)[0])

    def expect(self, *answers):
        for answer in answers:
            line = self.read()
            if not (line == answer or answer.startswith("error ") and line.startswith(answer)):
                raise Failed(f"{self} answered '{line}' where '{answer}' was due")
        return self

    def ask(self, line, *answers):
        self.say(line)
        return self.expect(*answers)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def end(self):
        self.ask("close", "closed")
        self.process.wait()

    def __str__(self):
        return f"{self.language} {' '.join(self.words)}"


def default_peers():
    build = ROOT / ".build/debug/TestPeer"
    candidates = {
        "swift": [str(build)],
        "c": [str(ROOT / "Clients/C/build/peer")],
        "rust": [str(ROOT / "Clients/Rust/target/debug/examples/peer")],
    }
    python = ROOT / "Clients/Python/.venv/bin/python"
    if python.exists():
        candidates["python"] = [str(python), str(ROOT / "Clients/Python/tests/peer.py")]
    return {language: command for language, command in candidates.items() if os.path.exists(command[0])}


def choose(arguments):
    """Takes LANGUAGE=COMMAND out of the arguments; without any, all that are built. What is left is returned."""
    left = []
    for argument in arguments:
        language, equals, command = argument.partition("=")
        if equals and not language.startswith("-"):
            PEERS[language] = command.split()
        else:
            left.append(argument)
    if not PEERS:
        PEERS.update(default_peers())
    print("languages:", " ".join(PEERS), flush=True)
    return left

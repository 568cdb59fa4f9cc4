"""Measures peers and ringbench in turns, and prints a table. Started by ./run."""

import argparse
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE / ".build/peers"
FAR = 200  # ns: a round trip of two lines takes less near, and more far

SPSC = ["flag-word", "flag-slot", "index-ring", "vyukov", "vyukov-lines", "boost-spsc", "boost-mq", "dpdk-spsc", "moody-spsc-threads"]
DENSE = ["index-ring", "vyukov", "boost-spsc", "dpdk-spsc"]
TOTAL = ["vyukov", "vyukov-lines", "boost-mq", "dpdk-mpsc", "dpdk-mpsc-rts"]
LANES = ["moody-mpsc"]
MIB = 1 << 20


class Row:
    """One line of the table: the same work for ringbench and the peers."""

    def __init__(self, name, mode, size, peers, ours, batch=1, capacity=4 * MIB, producers=1, more=()):
        self.name, self.mode, self.size, self.batch = name, mode, size, batch
        self.capacity, self.producers, self.more = capacity, producers, list(more)
        self.peers, self.ours = peers, ours

    @property
    def is_latency(self):
        return self.mode == "rtt"

    def arguments(self, cpus):
        words = [self.mode, "--size", self.size, "--capacity", self.capacity, "--batch", self.batch, "--cpus", cpus, "--json"]
        return [str(word) for word in words + (["--producers", self.producers] if self.mode == "mpsc" else [])]


def rows():
    """The rows, by the name of their group."""
    groups = {"rtt": [], "throughput": [], "default": [], "batch": [], "total": [], "mpsc": []}
    for size in (8, 64, 256, 1024):
        groups["rtt"].append(Row(f"round trip, {size} B", "rtt", size, SPSC, ["ring", "line2"], capacity=MIB))
    for size in (8, 64, 256, 1024, 16384):
        groups["throughput"].append(Row(f"one way, {size} B a call, 4 MiB", "throughput", size, SPSC, ["ring", "bare-ring"]))
    for size in (64, 256, 1024):
        groups["default"].append(Row(f"one way, {size} B a call, 1 MiB", "throughput", size, SPSC, ["ring", "bare-ring"], capacity=MIB))
    for size, batch in ((8, 32), (8, 512), (64, 32), (64, 512), (1024, 32)):
        groups["batch"].append(Row(f"one way, {size} B x {batch} a call", "throughput", size, DENSE, ["ring"], batch=batch))
    for size in (8, 64):
        for producers in (1, 2, 4, 8):
            groups["total"].append(
                Row(f"total order, {size} B, {producers} producers", "mpsc", size, TOTAL, ["ring", "shared-tail"], producers=producers,
                    more=["--order", "total"]))
        for producers in (1, 2):
            groups["mpsc"].append(
                Row(f"per producer, {size} B, {producers} producers", "mpsc", size, LANES, ["ring"], producers=producers,
                    more=["--order", "per-producer"]))
    return groups


def command_line():
    parser = argparse.ArgumentParser(prog="Benchmarks/Peers/run", description="Peers beside the ring, measured in turns.")
    parser.add_argument("--smoke", action="store_true", help="one short repeat of one row a group: does it work?")
    parser.add_argument("--repeats", type=int, default=9, help="of each case in each class that occurs (default 9)")
    parser.add_argument("--minutes", type=float, default=30, help="how long to wait for a class that is rare (default 30)")
    parser.add_argument("--rows", default="", help="groups: rtt,throughput,default,batch,total,mpsc; default all")
    parser.add_argument("--size", type=int, help="only rows of this size")
    parser.add_argument("--cpus", default="0,1", help="consumer and producers (default 0,1)")
    parser.add_argument("--seconds", type=float, default=0.3, help="of one run of a peer (default 0.3)")
    parser.add_argument("--ringbench", default=str(HERE.parents[1] / ".build/release/ringbench"), help="the program")
    parser.add_argument("--json", help="a file for every run's object, with its canary and class")
    parser.add_argument("--markdown", action="store_true", help="the table for a document")
    return parser.parse_args()


def run(words, seconds=120):
    """What a program printed; None and its complaint if it failed."""
    try:
        end = subprocess.run(words, capture_output=True, text=True, timeout=seconds)
    except subprocess.TimeoutExpired:
        return None, f"more than {seconds} s"
    if end.returncode != 0:
        return None, (end.stderr.strip().splitlines() or [f"status {end.returncode}"])[-1]
    return end.stdout, ""


class Session:
    def __init__(self, options):
        self.options = options
        self.results = {}  # (row, transport) -> class -> figures
        self.moved = 0
        self.failures = {}
        self.log = open(options.json, "w") if options.json else None
        self.ours = os.path.exists(options.ringbench)
        listing, complaint = run([str(PEERS), "list"])
        if listing is None:
            sys.exit(f"peers: {complaint}")
        self.modes = {line.split("\t")[0]: line.split("\t")[1].split() for line in listing.splitlines()}
        # Where a producer loses its processor to another, rings of plain DPDK stop for whole slices.
        self.processors = len(options.cpus.split(",")) - 1

    def canary(self):
        text, complaint = run([str(PEERS), "canary", "--cpus", self.options.cpus], 30)
        if text is None:
            sys.exit(f"the canary failed: {complaint}")
        return float(text)

    def cases(self, row):
        peers = [name for name in row.peers if name in self.modes and not (name == "flag-word" and row.size != 8)]
        if row.producers > self.processors:
            peers = [name for name in peers if name != "dpdk-mpsc"]
        return [(name, True) for name in (row.ours if self.ours else [])] + [(name, False) for name in peers]

    def measure(self, row, name, is_ours):
        """One run, with its class: by a canary before, confirmed by one after."""
        options = self.options
        words = row.arguments(options.cpus) + ["--transport", name]
        if is_ours:
            words = [options.ringbench] + words + ["--repeats", "1"] + row.more
            if row.is_latency and name == "ring":
                words += ["--wait", "spin"]
            if options.smoke:
                words += ["--count", "2000"]
        else:
            words = [str(PEERS)] + words + ["--seconds", str(options.seconds)] + (["--count", "2000"] if options.smoke else [])
        before = self.canary()
        text, complaint = run(words, 60)
        after = self.canary()
        if text is None:
            self.failures[row.name, name] = complaint
            return
        found = json.loads(text.strip().splitlines()[-1])
        kind = "near" if before < FAR else "far"
        if (after < FAR) != (before < FAR):
            kind = "moved"
            self.moved += 1
        found |= {"row": row.name, "class": kind, "canary_ns": before, "canary_after_ns": after}
        if self.log:
            self.log.write(json.dumps(found) + "\n")
            self.log.flush()
        value = found["p50_ns"] if row.is_latency else found["msgs_per_s"]
        self.results.setdefault((row.name, name), {}).setdefault(kind, []).append(value)

    def lacks(self, row, name):
        """Whether a class that this row has met still lacks repeats of this case."""
        met = {kind for (other, _), kinds in self.results.items() if other == row.name for kind in kinds if kind != "moved"}
        have = self.results.get((row.name, name), {})
        return not met or any(len(have.get(kind, [])) < self.options.repeats for kind in met)

    def measure_all(self, chosen):
        start = time.monotonic()
        for turn in range(10 * self.options.repeats):
            over = time.monotonic() - start > self.options.minutes * 60
            worked = False
            for row in chosen:
                cases = [case for case in self.cases(row) if (row.name, case[0]) not in self.failures]
                # What is rare is waited for only as long as there is time; all cases of a row get the same number of turns.
                if turn >= self.options.repeats and (over or not any(self.lacks(row, name) for name, _ in cases)):
                    continue
                worked = True
                for name, is_ours in cases if turn % 2 == 0 else reversed(cases):
                    self.measure(row, name, is_ours)
            if self.options.smoke or not worked:
                break

    # MARK: The table

    def table(self, chosen):
        lines = [["row", "class", "ring", "range", "best of the peers", "", "range", "ring : best", "floor", "others"]]
        for row in chosen:
            for kind in ("near", "far"):
                figures = {name: self.results.get((row.name, name), {}).get(kind, []) for name, _ in self.cases(row)}
                figures = {name: values for name, values in figures.items() if values}
                if figures:
                    lines.append(self.line(row, kind, figures))
        return lines

    def line(self, row, kind, figures):
        scale, digits = (1, 0) if row.is_latency else (1e6, 1)
        best = min if row.is_latency else max

        def text(value):
            return f"{value / scale:.{digits}f}" if value / scale < 100 else f"{value / scale:.0f}"

        def spread(values):
            modes = two_modes(values)
            words = f"{text(min(values))}-{text(max(values))} ({len(values)})"
            return f"{words}, two modes: {modes[0]} and {modes[1]}" if modes else words

        middle = {name: statistics.median(values) for name, values in figures.items()}
        ours = figures.get("ring")
        floor = next((name for name in ("line2", "bare-ring") if name in figures), None)
        peers = {name: value for name, value in middle.items() if name not in ("ring", "line2", "bare-ring")}
        # Threads of one process are not peers of processes: shown, and never the best.
        first = best((name for name in peers if "threads" not in name), key=peers.get, default=None)
        ratio = "-"
        if ours and first:
            ratio = f"{middle['ring'] / middle[first]:.2f}"
        others = sorted((name for name in peers if name != first), key=peers.get, reverse=not row.is_latency)
        return [
            row.name + (", ns" if row.is_latency else ", M/s"), kind, text(middle["ring"]) if ours else "-", spread(ours) if ours else "-",
            first or "-", text(middle[first]) if first else "-", spread(figures[first]) if first else "-", ratio,
            f"{text(middle[floor])} ({floor})" if floor else "-", ", ".join(f"{name} {text(peers[name])}" for name in others)]


def two_modes(values):
    """How many repeats are in each of two groups that lie apart, as ringbench judges it; None if they do not."""
    if len(values) < 5:
        return None
    ordered = sorted(values)
    cut = max(range(2, len(ordered) - 1), key=lambda at: ordered[at] / ordered[at - 1])
    low, high = ordered[:cut], ordered[cut:]
    gap = high[0] / low[-1]
    if gap > 1.5 and (low[-1] / low[0]) ** 2 < gap and (high[-1] / high[0]) ** 2 < gap:
        return len(low), len(high)
    return None


def show(lines, markdown):
    if markdown:
        rows = ["| " + " | ".join(line) + " |" for line in lines]
        rows.insert(1, "|" + "---|" * len(lines[0]))
        print("\n".join(rows))
        return
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip())


def machine():
    facts = {}
    for line in open("/proc/cpuinfo"):
        key, _, value = line.partition(":")
        facts.setdefault(key.strip(), value.strip())
    compiler, _ = run(["g++", "--version"])
    flags = next(line for line in (HERE / "Makefile").read_text().splitlines() if line.startswith("FLAGS :="))
    yield f"processor  {facts.get('model name', '?')}, family {facts.get('cpu family', '?')} model {facts.get('model', '?')}, " \
        f"{os.cpu_count()} CPUs{', virtual' if 'hypervisor' in facts.get('flags', '') else ''}"
    yield f"kernel     {platform.system()} {platform.release()}"
    yield f"compiler   {compiler.splitlines()[0] if compiler else '?'}; {flags.partition(':=')[2].strip()}"
    for package in ("libboost-dev", "libdpdk-dev", "libconcurrentqueue-dev", "libreaderwriterqueue-dev"):
        version, _ = run(["dpkg-query", "-W", "-f=${Version}", package])
        yield f"package    {package} {version or 'is not installed: left out'}"


def main():
    options = command_line()
    groups = rows()
    wanted = options.rows.split(",") if options.rows else list(groups)
    for name in wanted:
        if name not in groups:
            sys.exit(f"there are no rows '{name}'; there are {', '.join(groups)}")
    if options.smoke:
        options.repeats, options.seconds = 1, 0.02
        chosen = [groups[name][0] for name in wanted]
    else:
        chosen = [row for name in wanted for row in groups[name]]
    chosen = [row for row in chosen if options.size in (None, row.size)]
    session = Session(options)
    for line in machine():
        print(line)
    if not session.ours:
        print(f"note       {options.ringbench} is not there: swift build -c release --product ringbench; peers only")
    print(f"processes on CPUs {options.cpus}; every payload written in full, read in full and checked; near: two lines there and back under {FAR} ns")
    load = os.getloadavg()[0]
    if load > 0.5 * (os.cpu_count() or 1):
        print(f"warning    the load average is {load:.1f}: others are, or were, busy here, and the figures mean little")
    print(flush=True)
    session.measure_all(chosen)
    show(session.table(chosen), options.markdown)
    print("\nfigures are medians, with the range and the number of repeats; a class is compared with itself only")
    if session.moved:
        print(f"{session.moved} runs, before and after which the canary was of different classes, are left out")
    for (row, name), complaint in session.failures.items():
        print(f"FAILED: {name}, {row}: {complaint}")
    if options.smoke:
        missing = [f"{name}, {row.name}" for row in chosen for name, _ in session.cases(row) if (row.name, name) not in session.results]
        if missing and not session.failures:
            print(f"FAILED: no figure of {missing}")
        return 1 if missing or session.failures else 0
    return 1 if session.failures else 0


sys.exit(main())

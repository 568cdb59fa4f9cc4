"""Writes every Swift block of the articles into a program of its own, with what it uses of the article's other blocks.

Whatever a block names must be declared in its article: a reader has nothing else.

usage: alone.py DIRECTORY ARTICLE...    one DIRECTORY/N.swift a block; its first line says where the block stands.
Blocks of .ci/misuse are left out: they must not compile.
"""

import pathlib
import re
import sys


def blocks(path):
    """The line number and the lines of each Swift block."""
    inside, start, block = False, 0, []
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if line == "```swift":
            inside, start, block = True, number, []
        elif line.startswith("```"):
            if inside:
                yield start, block
            inside = False
        elif inside:
            block.append(line)


def declarations(block):
    """The lines of the types and functions that a block declares at its outermost level, by name."""
    found, name = {}, None
    for line in block:
        begin = re.match(r"(?:final )?(?:struct|class|enum|actor|protocol|func) (\w+)", line)
        name = begin.group(1) if begin else name
        if name:
            found.setdefault(name, []).append(line)
        if line.startswith("}"):
            name = None
    return found


def used(block, shown):
    """What the block uses of the article's other blocks, and what that uses in turn."""
    own, needed, text = declarations(block), {}, "\n".join(block)
    while more := {name for name in shown if name not in own and name not in needed and re.search(rf"\b{name}\b", text)}:
        needed |= {name: shown[name] for name in more}
        text = "\n".join("\n".join(lines) for lines in needed.values())
    return [line for lines in needed.values() for line in lines]


def main():
    directory, articles = pathlib.Path(sys.argv[1]), sys.argv[2:]
    misuse = [path.read_text() for path in sorted(pathlib.Path(".ci/misuse").glob("*.swift"))]
    count = 0
    for article in map(pathlib.Path, articles):
        found = [(line, block) for line, block in blocks(article) if not any("\n".join(block) in text for text in misuse)]
        shown = {}
        for _, block in found:
            shown |= declarations(block)
        for line, block in found:
            imports = [text for text in block if text.startswith("import ")]
            body = [text for text in block if not text.startswith("import ")]
            program = [f"// {article}:{line}", "import Foundation", "import SharedRing", *imports, *used(block, shown), *body]
            (directory / f"{count:03}.swift").write_text("\n".join(program) + "\n")
            count += 1


main()

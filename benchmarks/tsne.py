"""Time the notebook's FFT t-SNE beside openTSNE and scikit-learn, on the same data, with one measure of quality.

    python benchmarks/tsne.py                                   # 2,500, 5,000 and 10,000 digits: some minutes
    python benchmarks/tsne.py --n 10000 --rounds 3
    python benchmarks/tsne.py --n 70000 --device cuda --out results/tsne_gpu.json

Every run is a process of its own, with the same number of threads, on the same 50 principal components: perplexity 30,
750 iterations, 250 of them exaggerated by 12, PCA start. Its time is that of neighbours, perplexity search and
optimisation together. The methods take turns, so that a busy machine disturbs all of them alike.
The cost is exact: KL(P‖Q) with one P for all maps, over all pairs (over 90 neighbours above 20,000 points).
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

PROJECT = Path(__file__).resolve().parents[1]
PERPLEXITY, N_ITER, EXAGGERATED = 30, 750, 250
METHODS = ("ours", "openTSNE", "scikit-learn")
DENSE_LIMIT = 20_000  # points up to which P is kept over all pairs, in float32: 1.6 GB
SCRIPT = PROJECT / "solutions" / "01_sne_to_tsne.py"
PIECES = (  # what the time depends on: the results name the hash of these functions
    *("nearest_neighbours", "neighbour_affinities", "symmetric_edges", "csr_attraction", "attraction_along"),
    *("interpolation_weights", "grid_stencils", "kernel_transforms", "fft_repulsion"),
    *("pca_start", "torch_step", "tsne_torch"),
)


def notebook_functions() -> dict[str, Any]:
    """What the notebook defines (imports, functions, constants), without running its experiments."""
    from course_utils import notebook

    return notebook.load_definitions(notebook.from_script(SCRIPT), {}).names


def source_hash() -> str:
    """SHA-256 of the functions in PIECES, without comments and docstrings: prose may change, what was timed may not."""
    tree = ast.parse(SCRIPT.read_text(encoding="utf-8"))
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for function in functions.values():
        if ast.get_docstring(function) is not None:
            del function.body[0]
    return hashlib.sha256("\n".join(ast.unparse(functions[name]) for name in PIECES).encode()).hexdigest()


def load(n: int) -> tuple[np.ndarray, np.ndarray]:
    """The first n digits as 50 principal components (n, 50) float32, and their labels (n,)."""
    from sklearn.decomposition import PCA

    from course_utils import data

    images, labels = data.mnist(n) if n <= 10_000 else data.mnist_70k()
    X = images[:n].reshape(n, -1) / 255.0
    return PCA(50, svd_solver="covariance_eigh").fit_transform(X).astype(np.float32), labels[:n]


def run_ours(X: np.ndarray, threads: int, device: str) -> tuple[np.ndarray, float]:
    """The notebook's map (n, 2) and the seconds that it took."""
    import torch

    torch.set_num_threads(threads)
    tsne_torch = notebook_functions()["tsne_torch"]
    if device != "cpu":
        tsne_torch(X[:1000], n_iter=2, device=device)  # starting the device is not part of a run
    start = time.perf_counter()
    Y = tsne_torch(X, perplexity=PERPLEXITY, n_iter=N_ITER, device=device)
    return Y, time.perf_counter() - start


def run_openTSNE(X: np.ndarray, threads: int, device: str) -> tuple[np.ndarray, float]:
    """The map (n, 2) of openTSNE with FFT forces, and the seconds that it took."""
    import openTSNE

    model = openTSNE.TSNE(
        perplexity=PERPLEXITY,
        initialization="pca",
        early_exaggeration_iter=EXAGGERATED,
        n_iter=N_ITER - EXAGGERATED,
        negative_gradient_method="fft",
        n_jobs=threads,
        random_state=0,
    )
    start = time.perf_counter()
    Y = model.fit(X)
    return np.array(Y), time.perf_counter() - start


def run_scikit_learn(X: np.ndarray, threads: int, device: str) -> tuple[np.ndarray, float]:
    """The map (n, 2) of scikit-learn with Barnes and Hut's tree, and the seconds that it took."""
    from sklearn.manifold import TSNE

    model = TSNE(perplexity=PERPLEXITY, init="pca", max_iter=N_ITER, n_jobs=threads, random_state=0)
    start = time.perf_counter()
    Y = model.fit_transform(X)
    return Y, time.perf_counter() - start


RUNNERS = dict(zip(METHODS, (run_ours, run_openTSNE, run_scikit_learn), strict=True))


def in_own_process(method: str, X: np.ndarray, threads: int, device: str) -> tuple[np.ndarray, float]:
    """Run a method in a fresh process; environment variables set before it starts hold there."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(RUNNERS[method], X, threads, device).result()


def exact_cost(X: np.ndarray, functions: dict[str, Any]) -> Any:
    """A function Y -> KL(P‖Q) for the P of X (n, d), float64 but for P itself; P is made once.

    Up to DENSE_LIMIT points P is over all pairs; above, over the exact 3 x perplexity nearest neighbours.
    """
    import torch

    from course_utils import metrics

    X, n = torch.as_tensor(X).double(), len(X)
    if n > DENSE_LIMIT:
        D, J = functions["nearest_neighbours"](X, 3 * PERPLEXITY)
        i, j, p = functions["symmetric_edges"](J, functions["neighbour_affinities"](D, PERPLEXITY))

        def sparse_cost(Y: np.ndarray) -> float:
            Y = torch.as_tensor(Y).double()
            return functions["map_cost"](Y, i, j, p, functions["tiled_repulsion"](Y)[1])

        return sparse_cost
    P = np.zeros((n, n), np.float32)
    for start in range(0, n, 500):
        D = torch.cdist(X[start : start + 500], X, compute_mode="donot_use_mm_for_euclid_dist") ** 2
        others = torch.ones_like(D, dtype=torch.bool)
        others.diagonal(start).fill_(False)
        rows = functions["neighbour_affinities"](D[others].view(len(D), n - 1), PERPLEXITY)
        P[start : start + 500][others.numpy()] = rows.flatten().numpy()
    P += P.T.copy()
    P /= P.sum(dtype=np.float64)
    return lambda Y: metrics.kl(P, Y)


def force_errors(Y: np.ndarray, functions: dict[str, Any]) -> dict[str, float]:
    """Root mean square error of the interpolated repulsion at the map Y (n, 2), as a share of the exact one."""
    import torch
    from openTSNE import _tsne

    Y = torch.as_tensor(Y).double()
    F, _ = functions["tiled_repulsion"](Y)
    theirs = np.zeros((len(Y), 2))
    Z = _tsne.estimate_negative_gradient_fft_2d(Y.numpy().copy(), theirs, n_interpolation_points=3)
    found = {"ours": functions["fft_repulsion"](Y)[0], "openTSNE": torch.as_tensor(-Z * theirs)}
    return {name: float((force - F).norm() / F.norm()) for name, force in found.items()}


def machine(threads: int, device: str) -> dict[str, Any]:
    """What a reader needs to know about the machine: no names, no paths."""
    import torch

    cpu_file = Path("/proc/cpuinfo")
    lines = cpu_file.read_text().splitlines() if cpu_file.exists() else []
    models = [line.split(":")[1].strip() for line in lines if line.startswith("model name")]
    packages = ("torch", "numpy", "scipy", "scikit-learn", "openTSNE")
    return {
        "cpu": models[0] if models else platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "python": platform.python_version(),
        "packages": {name: version(name) for name in packages},
    }


def summarise(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row for each n and method: medians over the rounds; shares of openTSNE's time compare within a round."""
    peer = {(run["n"], run["round"]): run["seconds"] for run in runs if run["method"] == "openTSNE"}
    rows = []
    for n, method in dict.fromkeys((run["n"], run["method"]) for run in runs):
        group = [run for run in runs if (run["n"], run["method"]) == (n, method)]
        row = {name: statistics.median(run[name] for run in group) for name in ("seconds", "kl", "same_class")}
        shares = [run["seconds"] / peer[n, run["round"]] for run in group if (n, run["round"]) in peer]
        row["share_of_openTSNE"] = statistics.median(shares) if shares else None
        rows.append({"n": n, "method": method, **row})
    return rows


def show(rows: list[dict[str, Any]]) -> None:
    """Print the summary as a table."""
    from rich.console import Console
    from rich.table import Table

    columns = ("points", "method", "seconds", "of openTSNE", "exact KL", "same class among 10")
    table = Table(*columns, title="t-SNE of MNIST")
    for row in rows:
        share = "" if row["share_of_openTSNE"] is None else f"{row['share_of_openTSNE']:.2f}"
        figures = f"{row['seconds']:.1f}", share, f"{row['kl']:.4f}", f"{row['same_class']:.3f}"
        table.add_row(f"{row['n']:,}", row["method"], *figures)
    Console().print(table)


def main(
    n: Annotated[list[int] | None, typer.Option(help="Points; may be given several times.")] = None,
    rounds: Annotated[int, typer.Option(help="Runs of each method, in turns.")] = 1,
    threads: Annotated[int, typer.Option(help="Threads that each method may use.")] = 2,
    device: Annotated[str, typer.Option(help="Where our runs compute: cpu, cuda or mps.")] = "cpu",
    method: Annotated[list[str] | None, typer.Option(help="ours, openTSNE, scikit-learn; default: all.")] = None,
    out: Annotated[Path, typer.Option(help="Where the results go.")] = PROJECT / "results" / "tsne_benchmark.json",
) -> None:
    """Run all methods in turns, print a table, and write what was measured."""
    unknown = set(method or ()) - set(METHODS)
    if unknown:
        raise typer.BadParameter(f"There is no method {', '.join(unknown)}; choose from {', '.join(METHODS)}.")
    os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["OMP_WAIT_POLICY"] = "PASSIVE"  # a thread that waits sleeps, so that other programs disturb less
    settings = {"perplexity": PERPLEXITY, "iterations": N_ITER, "exaggerated": EXAGGERATED, "components": 50}
    about = {"source_sha256": source_hash(), "machine": machine(threads, device), "settings": settings}
    functions, runs, errors = notebook_functions(), [], {}
    out.parent.mkdir(parents=True, exist_ok=True)
    for size in n or [2500, 5000, 10_000]:
        X, labels = load(size)
        maps = []
        for turn in range(rounds):
            for name in method or METHODS:
                load_before = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
                Y, seconds = in_own_process(name, X, threads, device)
                maps.append((name, turn, seconds, load_before, Y))
                print(f"{size:,} points, round {turn + 1}, {name}: {seconds:.1f} s", flush=True)
        runs += measured(maps, X, labels, functions)
        if "ours" in (method or METHODS):
            errors = force_errors(next(Y for name, *_, Y in maps if name == "ours"), functions)
        rows = summarise(runs)
        result = about | {"summary": rows, "force_error": errors, "runs": runs}
        out.write_text(
            json.dumps(result, indent=1) + "\n"
        )  # after each size: a run that is cut short leaves the others
    show(rows)


def measured(maps: list[tuple], X: np.ndarray, labels: np.ndarray, functions: dict[str, Any]) -> list[dict[str, Any]]:
    """One record for each map: its time, exact cost and share of same-class neighbours."""
    from course_utils import metrics

    cost = exact_cost(X, functions)
    return [
        {
            "n": len(X),
            "method": name,
            "round": turn,
            "seconds": round(seconds, 2),
            "kl": cost(Y),
            "same_class": metrics.same_class_neighbours(Y, labels),
            "load_before": load_before,
        }
        for name, turn, seconds, load_before, Y in maps
    ]


if __name__ == "__main__":
    typer.run(main)

"""Effective draws per CPU second: `python -m benchmarks.sampling --json`.

Smallest bulk effective sample size over all parameters, divided by the CPU seconds of sampling,
warm-up counted, compilation not: 2 chains of 1000 + 1000 draws by nutpie. Integrated latents
against sampled ones, same model (linear: 26 indicators, second-order construct, marker loadings 1),
same data, same run, at n = 278 and n = 5,000 (there with fewer draws for the sampled model: rates
are compared). `--shipped` compares the two for each model of `models/` instead. The last line is
one JSON object.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "models"))
sys.path.insert(0, str(ROOT))

from alliance_capability import MEASUREMENT, QUADRATIC  # noqa: E402

import bayessem as bs  # noqa: E402
from bayessem.model.prepare import Prepared  # noqa: E402
from bayessem.model.starts import initial_point, start_values  # noqa: E402
from bayessem.posterior.assemble import posterior_density  # noqa: E402
from bayessem.posterior.diagnostics import convergence  # noqa: E402
from bayessem.posterior.sampling import approximate, sample  # noqa: E402
from data import simulate_alliance  # noqa: E402

LINEAR = MEASUREMENT + "RAD ~ AMC\nINC ~ AMC\nSUCC ~ INC + AMC\n"


def integrated(prepared: Prepared, *, seed: int, draws: int = 1000, tune: int = 1000) -> float:
    """Smallest effective sample size per CPU second, latents integrated out."""
    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    start = initial_point(
        prepared.space,
        prepared.table,
        start_values(prepared.structure, prepared.covariances, prepared.means),
    )
    density.value_and_gradient(start)
    began = time.process_time()
    result = sample(
        approximate(density, start),
        draws=draws,
        tune=tune,
        chains=2,
        cores=2,
        random_seed=seed,
        progress=False,
    )
    seconds = time.process_time() - began
    return float(convergence(result.values)["ess_bulk"].min()) / seconds


def sampled(prepared: Prepared, *, seed: int, draws: int, tune: int) -> float:
    """The same with the latent scores as random variables, started at the maximum.

    From random scores its chains stay in spurious modes, which would flatter the comparison.
    """
    import nutpie

    from bayessem.graph.pymc_model import build_pymc_model
    from bayessem.graph.pymc_sampling import start_of_variables
    from bayessem.graph.sampled_latents import start_scores

    density = posterior_density(prepared.space, prepared.structure, prepared.sample)
    start = initial_point(
        prepared.space,
        prepared.table,
        start_values(prepared.structure, prepared.covariances, prepared.means),
    )
    best = approximate(density, start)
    natural = best.density.natural(best.maximum.x)
    points = start_of_variables(prepared.space, natural)
    points["score_raw"] = start_scores(
        best.density.elements(natural), prepared.structure, prepared.sample
    )
    generator = np.random.default_rng(seed)  # nutpie refuses a start where a derivative is 0
    points = {k: v * (1 + 0.02 * generator.normal(size=v.shape)) for k, v in points.items()}
    model = build_pymc_model(prepared.space, prepared.structure, prepared.sample, latents="sampled")
    compiled = nutpie.compile_pymc_model(
        model,
        var_names=list(prepared.space.kinds()),
        initial_points=points,
        jitter_rvs=set(),
    )
    began = time.process_time()
    tree = nutpie.sample(
        compiled, draws=draws, tune=tune, chains=2, cores=2, seed=seed, progress_bar=False
    )
    seconds = time.process_time() - began
    values = np.concatenate(
        [tree["posterior"][kind].values for kind in prepared.space.kinds()], axis=-1
    )
    return float(convergence(values)["ess_bulk"].min()) / seconds


def shipped() -> dict[str, tuple[bs.SEM, pd.DataFrame]]:
    """The models of `models/` with their data."""
    import export_collaboration
    import holzinger_swineford
    import political_democracy

    alliance = pd.read_csv(ROOT / "data" / "alliance_capability.csv")
    return {
        "alliance_linear": (bs.SEM(LINEAR), alliance),
        "alliance_quadratic": (bs.SEM(QUADRATIC), alliance),
        "export": (bs.SEM(export_collaboration.MODEL), export_collaboration.read_data()),
        "political_democracy": (
            bs.SEM(political_democracy.MODEL),
            pd.read_csv(ROOT / "data" / "political_democracy.csv"),
        ),
        "holzinger_swineford": (
            bs.SEM(holzinger_swineford.MODEL),
            pd.read_csv(ROOT / "data" / "holzinger_swineford_1939.csv"),
        ),
    }


def ratios_of_shipped_models() -> dict[str, float]:
    """Integrated over sampled latents, smallest effective sample size per CPU second."""
    out: dict[str, float] = {}
    for name, (sem, frame) in shipped().items():
        prepared = sem.prepare(frame)
        own = float(np.median([integrated(prepared, seed=s) for s in (1, 2, 3)]))
        base = sampled(prepared, seed=1, draws=1000, tune=1000)
        out |= {name: own, f"{name}_sampled": base, f"{name}_ratio": own / base}
        print(f"{name}: {own:.0f} against {base:.1f}, ratio {own / base:.0f}", flush=True)
    return out


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="only the JSON line")
    parser.add_argument("--quick", action="store_true", help="without the sampled model")
    parser.add_argument("--small", action="store_true", help="the sampled model at n = 278 only")
    parser.add_argument("--shipped", action="store_true", help="every model of models/ instead")
    arguments = parser.parse_args()
    if arguments.shipped:
        print(json.dumps({k: round(v, 3) for k, v in ratios_of_shipped_models().items()}))
        return
    data = pd.read_csv(ROOT / "data" / "alliance_capability.csv")
    many = simulate_alliance.simulate(5000, seed=1)
    linear, quadratic = bs.SEM(LINEAR), bs.SEM(QUADRATIC)
    seeds = (1, 2, 3)

    def rate(sem: bs.SEM, frame: pd.DataFrame) -> float:
        return float(np.median([integrated(sem.prepare(frame), seed=s) for s in seeds]))

    out = {
        "ess_per_cpu_s": rate(linear, data),
        "ess_per_cpu_s_quadratic": rate(quadratic, data),
        "ess_per_cpu_s_n5000": rate(linear, many),
    }
    if not arguments.quick:
        base = sampled(linear.prepare(data), seed=1, draws=1000, tune=1000)
        out["sampled_ess_per_cpu_s"] = base
        out["ratio_to_sampled"] = out["ess_per_cpu_s"] / base
    if not (arguments.quick or arguments.small):
        base = sampled(linear.prepare(many), seed=1, draws=200, tune=400)
        out["sampled_ess_per_cpu_s_n5000"] = base
        out["ratio_to_sampled_n5000"] = out["ess_per_cpu_s_n5000"] / base
    out = {key: round(value, 3) for key, value in out.items()}
    if not arguments.json:
        for key, value in out.items():
            print(f"{key:28} {value}")
    print(json.dumps(out))


if __name__ == "__main__":
    main()

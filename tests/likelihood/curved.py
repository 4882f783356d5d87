"""Hard settings of products that explain one variable, and their exact log-likelihood.

The reference knows nothing of the kernel: the generalised chi-square's characteristic function
along a straight line through its saddle point, by SciPy's root finder and a dense trapezoid rule.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from tests.likelihood.families import Family


@dataclass(frozen=True)
class Setting:
    """k latents with three indicators each, and an outcome with three.

    curvature : sd of the coefficients of the squares and products.  sd : of the outcome's
    disturbance.  x, y : reliability of an indicator of the latents and of the outcome.
    spread : sds that the respondents' latents lie from the mean.  shift : added to the outcome.
    squares, products : which there are.
    """

    name: str
    curvature: float = 0.2
    sd: float = 0.6
    x: float = 0.7
    y: float = 0.7
    spread: float = 1.0
    shift: float = 0.0
    correlation: float = 0.3
    squares: bool = True
    products: bool = True


SETTINGS = (
    Setting("benign"),
    Setting("strong", 0.5, 0.316, 0.7, 0.9),
    Setting("two sd off", 0.5, 0.316, 0.7, 0.9, shift=2.0),
    Setting("nearly determined", 1.0, 0.05, 0.95, 0.95),
    Setting("nearly determined, poorly measured", 1.0, 0.05, 0.5, 0.95),
    Setting("respondents 6 sd out", 1.0, 0.05, 0.95, 0.95, spread=6.0),
    Setting("outcome 6 off", 0.7, 0.14, 0.8, 0.9, shift=6.0),
    Setting("products alone", 1.0, 0.05, 0.5, 0.95, squares=False),
    Setting("squares alone", 1.0, 0.05, 0.5, 0.95, products=False),
    Setting("latents correlate .98", 0.7, 0.14, 0.8, 0.9, correlation=0.98),
    Setting("unmeasured", 1.0, 0.05, 0.05, 0.99),
    Setting("hardly curved", 1e-6),
    Setting("flat", 0.0),
)


def family(setting: Setting, k: int) -> Family:
    """The model of a setting."""
    pairs = [(i, j) for i in range(k) for j in range(i + 1)]
    wanted = [(i, j) for i, j in pairs if (setting.squares if i == j else setting.products)]
    return Family(
        setting.name,
        k + 1,
        paths=tuple((k, i) for i in range(k)),
        products=tuple(wanted),
        effects=tuple((k, t) for t in range(len(wanted))),
    )


def draw(
    setting: Setting, k: int, n: int, rng: np.random.Generator
) -> tuple[Family, dict[str, np.ndarray], np.ndarray]:
    """Model matrices of a setting and respondents (n, p) from them."""
    model = family(setting, k)
    m = model.draw(rng)
    m["loadings"][m["loadings"] != 0] = 1.0
    m["residuals"][:] = 0.0
    spread = np.full((k, k), setting.correlation) + (1 - setting.correlation) * np.eye(k)
    m["disturbances"][:k, :k] = spread
    m["disturbances"][k, k] = setting.sd**2
    m["paths"][k, :k] = 0.3
    m["means"][:] = 0.0
    m["products"][k] = setting.curvature * rng.normal(size=len(model.products))
    latent = rng.multivariate_normal(np.zeros(k), spread, n) * setting.spread
    y = 0.3 * latent.sum(axis=1) + setting.sd * rng.normal(size=n)
    for t, (i, j) in enumerate(model.products):
        y += m["products"][k, t] * latent[:, i] * latent[:, j]
    size = max(np.std(y / setting.spread**2), 1.0)
    noise = np.repeat([*[1 / setting.x - 1] * k, size**2 * (1 / setting.y - 1)], 3)
    m["residuals"][np.diag_indices(3 * k + 3)] = noise
    values = np.column_stack([latent, y + setting.shift * size])
    rows = m["intercepts"] + values @ m["loadings"].T
    return model, m, rows + rng.normal(size=rows.shape) * np.sqrt(noise)


def _along_a_line(c: float, b: np.ndarray, lam: np.ndarray) -> float:
    """Log E exp(-(c + b'x + sum lam x^2)^2 / 2) over standard normal x."""

    def slope(s):
        y = 1 - 2 * lam * s
        return c + s + np.sum(lam / y + b**2 * s * (1 - lam * s) / y**2)

    def ends(sign):
        edge = 0.5 / np.max(sign * lam) if np.max(sign * lam) > 0 else np.inf
        step = 1.0
        while sign * slope(sign * min(step, edge * (1 - 0.5 / (1 + step)))) < 0:
            step *= 2
        return sign * min(step, edge * (1 - 0.5 / (1 + step)))

    s0 = brentq(slope, ends(-1), ends(1), xtol=1e-13)

    def log_integrand(s):
        y = 1 - 2 * np.multiply.outer(s, lam)
        return (
            c * s
            + s**2 / 2
            + np.sum(-0.5 * np.log(y) + b**2 * (s**2)[..., None] / (2 * y), axis=-1)
        )

    peak = log_integrand(np.array([s0 + 0j]))[0].real
    reach = 1.0
    while log_integrand(np.array([s0 + 1j * reach]))[0].real > peak - 46:
        reach *= 1.3
    t = np.linspace(0, reach, 20_001)
    f = np.exp(log_integrand(s0 + 1j * t) - peak).real
    return peak + np.log((f.sum() - f[0] / 2) * 2 * t[1] / np.sqrt(2 * np.pi))


def log_likelihood(m: dict[str, np.ndarray], model: Family, rows: np.ndarray) -> np.ndarray:
    """Log p(y_i) of rows (n, p) without missing values, for the last latent as the outcome."""
    k = model.constructs - 1
    root = np.linalg.cholesky(m["disturbances"][:k, :k])
    omega = np.zeros((k, k))
    for t, (i, j) in enumerate(model.products):
        omega[i, j] += m["products"][k, t] / 2
        omega[j, i] += m["products"][k, t] / 2
    form = root.T @ omega @ root
    direction = m["loadings"][:, k]
    linear = m["loadings"][:, :k] @ root + np.outer(direction, m["paths"][k, :k] @ root)
    cov = m["residuals"] + m["disturbances"][k, k] * np.outer(direction, direction)
    inverse, (_, logdet) = np.linalg.inv(cov), np.linalg.slogdet(cov)
    w, a = direction @ inverse @ direction, linear.T @ inverse @ direction
    p = np.eye(k) + linear.T @ inverse @ linear - np.outer(a, a) / w
    half = np.linalg.inv(np.linalg.cholesky(p))
    lam, vectors = np.linalg.eigh(np.sqrt(w) * half @ form @ half.T)
    turn = half.T @ vectors
    out = []
    for row in rows:
        r = row - m["intercepts"]
        u, uq = linear.T @ inverse @ r, direction @ inverse @ r
        hat, at = turn.T @ (u - a * uq / w), turn.T @ a
        b = 2 * lam * hat + at / np.sqrt(w)
        c = np.sum(lam * hat**2) + (at @ hat - uq) / np.sqrt(w)
        value = -0.5 * (r @ inverse @ r + logdet + len(r) * np.log(2 * np.pi))
        value += uq**2 / (2 * w) + hat @ hat / 2 - np.linalg.slogdet(p)[1] / 2
        out.append(value + _along_a_line(c, b, lam))
    return np.array(out)

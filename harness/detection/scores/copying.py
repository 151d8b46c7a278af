"""How much a head copies what it attends to: the eigenvalues of W_E W_V W_O W_U (Elhage et al. 2021).

That matrix is vocabulary x vocabulary, but of rank head width at most. XY and YX have the same eigenvalues
other than 0, so they are those of the small matrix W_O (W_U W_E) W_V.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.detection.sample import Floats

Complex = NDArray[np.complex128]


def round_trip(embedding: ArrayLike, unembedding: ArrayLike) -> Floats:
    """W_U W_E, [hidden, hidden]: once for each model. Both arguments are [vocabulary, hidden]."""
    return np.asarray(np.asarray(unembedding, dtype=np.float64).T @ np.asarray(embedding, dtype=np.float64))


def eigenvalues(value: ArrayLike, output: ArrayLike, round_trip: ArrayLike) -> Complex:
    """The eigenvalues of one head's copying matrix that can differ from 0, [head width].

    `value` [hidden, head width] and `output` [head width, hidden] act on row vectors.
    """
    v, o = np.asarray(value, dtype=np.float64), np.asarray(output, dtype=np.float64)
    return np.asarray(np.linalg.eigvals(o @ np.asarray(round_trip, dtype=np.float64) @ v), dtype=complex)


def copying_score(values: ArrayLike) -> float:
    """Sum of the eigenvalues over the sum of their moduli: 1 copies, -1 suppresses what is attended to."""
    given = np.asarray(values, dtype=complex)
    size = np.abs(given).sum()
    return float(given.real.sum() / size) if size else 0.0


def positive_share(values: ArrayLike) -> float:
    """Share of the eigenvalues whose real part is positive."""
    given = np.asarray(values, dtype=complex)
    return float((given.real > 0).mean())


def all_eigenvalues(
    embedding: ArrayLike, value: ArrayLike, output: ArrayLike, unembedding: ArrayLike
) -> Complex:
    """The same of the whole vocabulary x vocabulary matrix: the slow twin, for small vocabularies."""
    e, v, o, u = (np.asarray(given, dtype=np.float64) for given in (embedding, value, output, unembedding))
    return np.asarray(np.linalg.eigvals((e @ v) @ (o @ u.T)), dtype=complex)

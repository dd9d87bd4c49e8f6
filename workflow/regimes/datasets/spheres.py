"""Random points on spheres."""

import numpy as np


def on_unit_sphere(random: np.random.Generator, n_points: int, n_features: int) -> np.ndarray:
    """Points (n_points, n_features), independent and uniform on the unit sphere."""
    normal = random.standard_normal((n_points, n_features))
    return normal / np.linalg.norm(normal, axis=1, keepdims=True)

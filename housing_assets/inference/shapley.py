"""The compiled loops over the trees of a flat forest that say what each encoded column adds to an answer.

They trust their indices: ``FlatForest.load`` has checked every one of them.

Exact ones are the Shapley values of path-dependent TreeSHAP (Lundberg et al. 2018, "Consistent individualized feature
attribution for tree ensembles"): a column that is not known sends a row to both children, in proportion to their
covers. They are found by Owen's integral ("Multilinear extensions of games", 1972). Where each column is known with the
chance t, a leaf is reached with the product over the columns on its path of t + (1 - t) z where the row agrees with
them, and (1 - t) z where it does not, z being the column's share of the covers; and a column's Shapley value is the
integral over t of how much the expected value changes with that column's chance. The integrand is a polynomial, which
a Gauss-Legendre quadrature integrates exactly: one walk through each tree instead of TreeSHAP's loops over subsets, and
plain vectors in the innermost loops.
"""

import numpy as np
from numba import njit

N_POINTS = 8
"""Points of the quadrature: exact for up to 16 columns on a path. Beyond, the polynomials are so smooth that nothing is
lost: on a forest of 200 trees, 79 steps deep, 8, 16 and 32 points agree to 3e-14."""

_roots, _weights = np.polynomial.legendre.leggauss(N_POINTS)
POINTS = (_roots + 1) / 2
WEIGHTS = _weights / 2


@njit(cache=True, nogil=True, boundscheck=False)
def find_node_values(
    nodes: np.ndarray, leaf_covers: np.ndarray, leaf_values: np.ndarray, covers: np.ndarray, values: np.ndarray
) -> None:
    """Fill the covers and the mean values of all nodes from those of the leaves.

    Parameters
    ----------
    nodes : ndarray of shape (n_nodes,), records
    leaf_covers : ndarray of shape (n_leaves,), float32
    leaf_values : ndarray of shape (n_leaves, n_outputs), float64
        NaN where a leaf has none: it takes the mean of the smallest subtree around it that has one.
    covers : ndarray of shape (n_nodes,), float32
        To be filled.
    values : ndarray of shape (n_nodes, n_outputs), float32
        To be filled.
    """
    n_outputs = leaf_values.shape[1]
    for node in range(len(nodes)):
        if nodes[node].feature < 0:
            covers[node] = leaf_covers[nodes[node].right]
            for output in range(n_outputs):
                values[node, output] = leaf_values[nodes[node].right, output]
    _average(nodes, covers, values)
    for node in range(len(nodes)):  # parents stand before their children
        if nodes[node].feature >= 0:
            for output in range(n_outputs):
                if np.isnan(values[nodes[node].left, output]):
                    values[nodes[node].left, output] = values[node, output]
                if np.isnan(values[nodes[node].right, output]):
                    values[nodes[node].right, output] = values[node, output]
    _average(nodes, covers, values)


@njit(cache=True, nogil=True, boundscheck=False)
def _average(nodes: np.ndarray, covers: np.ndarray, values: np.ndarray) -> None:
    for node in range(len(nodes) - 1, -1, -1):
        if nodes[node].feature < 0:
            continue
        left, right = nodes[node].left, nodes[node].right
        covers[node] = covers[left] + covers[right]
        for output in range(values.shape[1]):
            if np.isnan(values[left, output]):
                values[node, output] = values[right, output]
            elif np.isnan(values[right, output]):
                values[node, output] = values[left, output]
            else:
                share = covers[left] / (covers[left] + covers[right])
                values[node, output] = share * values[left, output] + (1 - share) * values[right, output]


@njit(cache=True, nogil=True, boundscheck=False)
def add_path_contributions(
    row_values: np.ndarray, roots: np.ndarray, nodes: np.ndarray, values: np.ndarray, contributions: np.ndarray
) -> None:
    """Add what each step down the trees changes of the mean value, to the column that the step compares (Saabas 2014).

    Parameters
    ----------
    row_values : ndarray of shape (n_slots,), float32
    roots : ndarray of shape (n_trees,), int32
    nodes : ndarray of shape (n_nodes,), records
    values : ndarray of shape (n_nodes, n_outputs), float32
    contributions : ndarray of shape (n_slots, n_outputs), float64
    """
    for root in roots:
        node = root
        while nodes[node].feature >= 0:
            slot = nodes[node].feature
            child = nodes[node].left if row_values[slot] <= nodes[node].threshold else nodes[node].right
            for output in range(values.shape[1]):
                contributions[slot, output] += np.float64(values[child, output]) - np.float64(values[node, output])
            node = child


@njit(cache=True, nogil=True, boundscheck=False, fastmath=True, error_model="numpy")
def add_shapley_values(
    row_values: np.ndarray,
    roots: np.ndarray,
    nodes: np.ndarray,
    covers: np.ndarray,
    values: np.ndarray,
    depth: int,
    contributions: np.ndarray,
) -> None:
    """Add the Shapley values of the used columns, summed over trees.

    Parameters
    ----------
    row_values : ndarray of shape (n_slots,), float32
    roots : ndarray of shape (n_trees,), int32
    nodes : ndarray of shape (n_nodes,), records
    covers : ndarray of shape (n_nodes,), float32
    values : ndarray of shape (n_nodes, n_outputs), float32
        Those of the leaves are used.
    depth : int
        Steps from any root to any leaf at most.
    contributions : ndarray of shape (n_slots, n_outputs), float64
    """
    n_outputs = values.shape[1]
    reached = np.empty((depth + 1, N_POINTS))  # of each node on the path, with what chance, at each point
    expected = np.empty((depth + 1, n_outputs, N_POINTS))  # the same, times the values of the leaves below, summed
    change = np.empty((depth + 1, N_POINTS))  # derivative of the log of the chance by that of the column last compared
    path = np.empty(depth + 1, dtype=np.int32)
    done = np.empty(depth + 1, dtype=np.int32)  # children of the node on the path
    share_before = np.empty(depth + 1)  # of the covers, of the column compared above the node
    agreed_before = np.empty(depth + 1, dtype=np.bool_)
    shares = np.ones(len(row_values))
    agrees = np.ones(len(row_values), dtype=np.bool_)
    step = np.empty(N_POINTS)
    for root in roots:
        if nodes[root].feature < 0:
            continue
        path[0], done[0], level = root, 0, 0
        reached[0, :] = 1.0
        expected[0, :, :] = 0.0
        while level >= 0:
            node = path[level]
            slot = nodes[node].feature
            if done[level] == 2:
                level -= 1
                if level < 0:
                    break
                slot = nodes[path[level]].feature
                has_changed = agreed_before[level + 1]
                for output in range(n_outputs):
                    total = 0.0
                    for point in range(N_POINTS):
                        below = expected[level + 1, output, point]
                        expected[level, output, point] += below
                        total += below * change[level + 1, point]
                    if has_changed:
                        contributions[slot, output] += total
                shares[slot], agrees[slot] = share_before[level + 1], agreed_before[level + 1]
                continue
            child = nodes[node].left if done[level] == 0 else nodes[node].right
            goes = (row_values[slot] <= nodes[node].threshold) == (done[level] == 0)
            done[level] += 1
            before, agreed = shares[slot], agrees[slot]
            share = before * (covers[child] / covers[node])
            below_level = level + 1
            if not agreed:
                ratio = covers[child] / covers[node]
                for point in range(N_POINTS):
                    reached[below_level, point] = reached[level, point] * ratio
            elif goes:
                for point in range(N_POINTS):
                    unknown = 1.0 - POINTS[point]
                    was = 1.0 / (POINTS[point] + unknown * before)
                    now = POINTS[point] + unknown * share
                    reached[below_level, point] = reached[level, point] * now * was
                    step[point] = WEIGHTS[point] * ((1.0 - share) / now - (1.0 - before) * was)
            else:
                for point in range(N_POINTS):
                    unknown = 1.0 - POINTS[point]
                    was = 1.0 / (POINTS[point] + unknown * before)
                    reached[below_level, point] = reached[level, point] * unknown * share * was
                    step[point] = WEIGHTS[point] * (-1.0 / unknown - (1.0 - before) * was)
            if nodes[child].feature < 0:
                total = 0.0
                if agreed:
                    for point in range(N_POINTS):
                        total += reached[below_level, point] * step[point]
                for output in range(n_outputs):
                    value = np.float64(values[child, output])
                    contributions[slot, output] += value * total
                    for point in range(N_POINTS):
                        expected[level, output, point] += value * reached[below_level, point]
                continue
            for point in range(N_POINTS):
                change[below_level, point] = step[point]
            share_before[below_level], agreed_before[below_level] = before, agreed
            shares[slot], agrees[slot] = share, agreed and goes
            path[below_level], done[below_level] = child, 0
            for output in range(n_outputs):
                for point in range(N_POINTS):
                    expected[below_level, output, point] = 0.0
            level = below_level


@njit(cache=True, nogil=True, boundscheck=False)
def find_depth(nodes: np.ndarray) -> int:
    """Return the steps from any root to any leaf at most; children come behind their parents."""
    depths = np.zeros(len(nodes), dtype=np.int32)
    deepest = 0
    for node in range(len(nodes)):
        deepest = max(deepest, depths[node])
        if nodes[node].feature >= 0:
            depths[nodes[node].left] = depths[node] + 1
            depths[nodes[node].right] = depths[node] + 1
    return deepest

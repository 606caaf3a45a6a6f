r"""Star colouring of a symmetric sparsity pattern: how many Hessian products a sparse Hessian takes.

The graph of a Hessian H has the variables as vertices and an edge where H_ij != 0. A *star colouring* gives neighbours
different colours, and every path of four vertices at least three; so two colours span a forest of stars, each with a
hub and its spokes. With S_jc = 1 where j has colour c, the columns of H S are k Hessian products, and every entry of
H can be read off them directly [1, section 2.3]:

    H_ii = (H S)_{i, color i}
    H_ij = (H S)_{s, color h},    h the hub of the star of edge ij, s the other end:
                                  the hub is the only neighbour of a spoke that has its colour

Greedy [2, algorithm 4.1]: each vertex v, in the given order, takes the least colour that is not forbidden:

    1.  colours of its neighbours w
    2.  if two neighbours have one colour: those of all neighbours of both
    3.  else those of the neighbours x of w where x is the hub of the star of edge wx
    4.  the edges of v join the stars that they continue

Time: the sum over the edges of the degree of one end. Memory: four integers an edge.

References
----------
[1] Gebremedhin, Manne, Pothen. What color is your Jacobian? Graph coloring for computing derivatives. SIAM Review 47
    (2005) 629-705. doi:10.1137/S0036144504444711
[2] Gebremedhin, Tarafdar, Manne, Pothen. New acyclic and star coloring algorithms with application to computing
    Hessians. SIAM Journal on Scientific Computing 29 (2007) 1042-1072. doi:10.1137/050639879
[3] Gebremedhin, Tarafdar, Pothen, Walther. Efficient computation of sparse Hessians using coloring and automatic
    differentiation. INFORMS Journal on Computing 21 (2009) 209-223. doi:10.1287/ijoc.1080.0286
"""

import numpy as np

from secondorder.jit import compiled, types

NONE = -1
_integers = types.Array(types.int64, 1, "C")
_six = [_integers] * 6


def twins(starts, columns, twin):
    """twin[e] <- where edge ji stands, for the edge ij at e. The pattern is symmetric, its columns ascend."""
    next_ = starts.copy()
    for i in range(starts.size - 1):
        for e in range(starts[i], starts[i + 1]):
            j = columns[e]
            twin[e] = next_[j]
            next_[j] += 1


def star_coloring(starts, columns, twin, order, color, readers):
    """color <- a star colouring; readers[e] <- the row that edge ij at e is read from, i or j. Returns the colours.

    starts, columns: the pattern in compressed rows, without its diagonal.
    """
    n = starts.size - 1
    color[:] = NONE
    star = np.full(columns.size, NONE)  # of each edge, the same at its twin
    hub = np.full(columns.size // 2 + 1, NONE)  # of each star; NONE: a single edge
    forbidden = np.full(n + 1, NONE)  # by colour: the last vertex that may not have it
    first = np.full((n + 1, 2), NONE)  # by colour: (v, edge to the first neighbour of v that has it)
    treated = np.full(n, NONE)
    n_stars = n_colors = 0
    for v in order:
        # 1, 2, 3
        for e in range(starts[v], starts[v + 1]):
            w = columns[e]
            if color[w] == NONE:
                continue
            forbidden[color[w]] = v
            if first[color[w], 0] == v:
                for u in (columns[first[color[w], 1]], w):
                    if treated[u] != v:
                        treated[u] = v
                        for d in range(starts[u], starts[u + 1]):
                            x = columns[d]
                            if x != v and color[x] != NONE:
                                forbidden[color[x]] = v
                continue
            first[color[w], 0], first[color[w], 1] = v, e
            for d in range(starts[w], starts[w + 1]):
                x = columns[d]
                if x != v and color[x] != NONE and hub[star[d]] == x:
                    forbidden[color[x]] = v
        c = 0
        while forbidden[c] == v:
            c += 1
        color[v] = c
        n_colors = max(n_colors, c + 1)

        # 4
        for e in range(starts[v], starts[v + 1]):
            w = columns[e]
            if color[w] == NONE:
                continue
            joined = NONE
            for d in range(starts[w], starts[w + 1]):
                if columns[d] != v and color[columns[d]] == c:
                    joined = star[d]
                    hub[joined] = w
                    break
            if joined == NONE and first[color[w], 1] != e:
                joined = star[first[color[w], 1]]
                hub[joined] = v
            if joined == NONE:
                joined = n_stars
                n_stars += 1
            star[e] = star[twin[e]] = joined

    for i in range(n):
        for e in range(starts[i], starts[i + 1]):
            j, h = columns[e], hub[star[e]]
            readers[e] = j if h == i else i if h == j else min(i, j)
    return n_colors


def best_star_coloring(starts, columns):
    """(color of each vertex, number of colours, readers): by natural order or the largest degrees first.

    Whichever takes fewer colours. starts, columns: as star_coloring takes them.
    """
    twin = np.empty_like(columns)
    compiled(twins, types.void(*_six[:3]), "called")(starts, columns, twin)
    greedy = compiled(star_coloring, types.int64(*_six), "called")
    n = starts.size - 1
    best = None
    for order in (np.arange(n), np.argsort(np.diff(starts), kind="stable")[::-1].copy()):
        color, readers = np.empty(n, np.int64), np.empty_like(columns)
        n_colors = greedy(starts, columns, twin, order, color, readers)
        if best is None or n_colors < best[1]:
            best = color, n_colors, readers
    return best

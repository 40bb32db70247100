"""Circles, levels and needless arrows of a graph. Graphs here have some hundred nodes: no step is clever."""

Graph = dict[str, set[str]]


def reached(graph: Graph, start: str) -> set[str]:
    """Where one comes from a node by one arrow or more."""
    found: set[str] = set()
    ahead = [start]
    while ahead:
        new = graph[ahead.pop()] - found
        found |= new
        ahead += new
    return found


def circles(graph: Graph) -> list[set[str]]:
    """The largest sets of nodes each of which is reached from each."""
    ways = {node: reached(graph, node) for node in graph}
    found: list[set[str]] = []
    for node in sorted(graph):
        if node in ways[node] and not any(node in circle for circle in found):
            found.append({other for other in ways[node] if node in ways[other]})
    return found


def shortest(graph: Graph, circle: set[str]) -> list[str]:
    """The nodes of a shortest way around inside a circle; the last leads to the first."""
    return min((_around(graph, node) for node in sorted(circle)), key=len)


def _around(graph: Graph, start: str) -> list[str]:
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:  # grows meanwhile: the shorter ways come first
        if start in graph[way[-1]]:
            return way
        new = graph[way[-1]] - seen
        seen |= new
        ways += [[*way, node] for node in sorted(new)]
    raise ValueError(f"{start} is in no circle")


def levels(graph: Graph) -> dict[str, int]:
    """How many arrows the longest way down from each node has; the graph has no circle."""
    found: dict[str, int] = {}
    while len(found) < len(graph):
        for node, below in graph.items():
            if node not in found and below <= found.keys():
                found[node] = 1 + max((found[other] for other in below), default=-1)
    return found


def reduced(graph: Graph) -> Graph:
    """The graph without arrows to what is reached by others anyway; it has no circle."""
    ways = {node: reached(graph, node) for node in graph}
    return {node: below - {far for near in below for far in ways[near]} for node, below in graph.items()}

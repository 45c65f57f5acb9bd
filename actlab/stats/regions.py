"""Parts of a program that are a function of one array, elementwise: where an activation may be."""

from __future__ import annotations

from dataclasses import dataclass

from actlab.stats.flow import DATA, REDUCE, SAME, Level, Node, Value, same


@dataclass(frozen=True, eq=False)
class Chain:
    """An elementwise function of one array, with the values that all of it passes through.

    Args:
        level: where it stands.
        points: the array, the values every path from it to the result runs through, and the result.
        segments: between two points, the nodes that compute the later from the earlier.

    """

    level: Level
    points: list[Value]
    segments: list[list[Node]]


@dataclass(frozen=True, eq=False)
class Attention:
    """A softmax that weighs values: the scores, and the node that reads them first."""

    level: Level
    scores: Value
    reader: Node


def chains(level: Level) -> list[Chain]:
    """Return the maximal elementwise functions of one array of a level, in order.

    A value that is read outside the function it belongs to ends one there, and may begin the next.
    """
    cut: set[int] = set()
    while True:
        origin: dict[int, Value] = {}
        for node in level.nodes:
            arrays = [v for v in node.inputs if not v.uniform]
            roots = {id(r): r for r in (_root(v, origin, cut) for v in arrays)}
            whole = node.elementwise and all(v.aval.shape == node.outputs[0].aval.shape for v in arrays)
            if whole and len(roots) == 1:
                origin[id(node.outputs[0])] = next(iter(roots.values()))
        new: set[int] = set()
        after: set[int] = set()
        for node in level.nodes:
            if not node.outputs or id(node.outputs[0]) not in origin:
                continue
            out = node.outputs[0]
            if any(id(v) in after for v in node.inputs):
                after.add(id(out))
            elif id(out) not in cut and _read_outside(out, origin):
                new.add(id(out))
                after.add(id(out))
        if not new:
            break
        cut |= new
    made = [n for n in level.nodes if n.outputs and id(n.outputs[0]) in cut]
    found = [between(level, origin[id(node.outputs[0])], node.outputs[0]) for node in made]
    return [c for c in found if _wanted(c)]


def _root(value: Value, origin: dict[int, Value], cut: set[int]) -> Value:
    return value if id(value) in cut else origin.get(id(value), value)


def _read_outside(value: Value, origin: dict[int, Value]) -> bool:
    if value.leaves:
        return True
    mine = origin[id(value)]
    return any(not u.outputs or origin.get(id(u.outputs[0])) is not mine for u in value.users)


def between(level: Level, start: Value, end: Value) -> Chain:
    """Return the chain from one value to another that is a function of it alone."""
    nodes: dict[int, Node] = {}
    waiting = [end]
    while waiting:
        node = waiting.pop().node
        if node.number not in nodes:
            nodes[node.number] = node
            waiting += [v for v in node.inputs if v is not start and not v.uniform]
    order = [nodes[n] for n in sorted(nodes)]
    index = {id(start): 0} | {id(n.outputs[0]): i + 1 for i, n in enumerate(order)}
    # A point is passed by every path when no node behind it reads anything before it.
    earliest = [min(index[id(v)] for v in n.inputs if id(v) in index) for n in order]
    points, segments, last = [start], [], 0
    for i in range(1, len(order) + 1):
        if all(e >= i for e in earliest[i:]):
            points.append(order[i - 1].outputs[0])
            segments.append(order[last:i])
            last = i
    return Chain(level, points, segments)


def _wanted(chain: Chain) -> bool:
    """Return whether a chain is a function of data; not of parameters, positions, noise or a norm's moments."""
    start, end = chain.points[0], chain.points[-1]
    fine = start.real and end.real and start.aval.shape == end.aval.shape
    return fine and start.depends == DATA and not start.random and not start.moment


def ends_in_a_norm(value: Value) -> bool:
    """Return whether all that reads a value adds it up or divides it by that: norm, variance, softmax, loss."""
    readers = _readers(value)
    sums = [r for r in readers if r.name in REDUCE]
    return bool(sums) and all(r in sums or _divides_by(r, sums) for r in readers)


def in_a_variance(value: Value) -> bool:
    """Return whether a value meets a sum of squares, as E[x]^2 in E[x^2] - E[x]^2."""
    return any(u.elementwise and u.outputs[0].moment for u in _readers(value))


def in_a_loss(value: Value, alone: bool) -> bool:
    """Return whether a value is only added up to one number: after it met other arrays, or also ``alone``."""
    meets, waiting, seen = alone, [value], set()
    while waiting:
        v = waiting.pop()
        if id(v) in seen:
            continue
        seen.add(id(v))
        if v.leaves and v.aval.size > 1:
            return False
        for user in v.users:
            if not (user.elementwise or user.name in SAME or user.name in REDUCE):
                return False
            others = [w for w in user.inputs if w is not v and not w.uniform and w.aval.size > 1]
            meets |= user.elementwise and bool(others)
            waiting += user.outputs
    return meets


def gates(value: Value) -> bool:
    """Return whether a value multiplies another array of data that is not computed from it, as a norm's is."""
    for user in _readers(value):
        others = [same(v) for v in user.inputs if same(v) is not same(value)]
        if user.name == "mul" and others and others[0].depends == DATA and not others[0].uniform:
            return not _reaches(value, others[0])
    return False


def _reaches(value: Value, other: Value) -> bool:
    waiting, seen = [value], set()
    while waiting:
        v = waiting.pop()
        if v is other:
            return True
        if id(v) not in seen:
            seen.add(id(v))
            waiting += [o for user in v.users for o in user.outputs]
    return False


def pooled(value: Value) -> bool:
    """Return whether what reads a value averages over positions, not over units."""
    last = value.aval.ndim - 1
    return all(r.name in REDUCE and last not in r.eqn.params["axes"] for r in _readers(value))


def _readers(value: Value) -> list[Node]:
    readers = []
    for user in value.users:
        if user.name in SAME - {"broadcast_in_dim"}:
            readers += _readers(user.outputs[0])
        else:
            readers.append(user)
    return readers


def _divides_by(node: Node, sums: list[Node]) -> bool:
    if node.name not in ("div", "mul", "sub"):
        return False
    return any(_from(v, sums) for v in node.inputs)


def _from(value: Value, sums: list[Node], steps: int = 6) -> bool:
    """Return whether a value is one of the sums but for a few elementwise steps, all of a number."""
    node = same(value).node
    if node is None or steps == 0:
        return False
    if any(node is s for s in sums):
        return True
    return node.elementwise and any(_from(v, sums, steps - 1) for v in node.inputs if v.known is None)


def attentions(level: Level) -> list[Attention]:
    """Return the softmaxes of a level that weigh values: exp(s - max s) over its own sum, multiplied by a matrix."""
    found = []
    for node in level.nodes:
        if node.name not in ("exp", "exp2"):
            continue
        out = node.outputs[0]
        sums = [r for r in _readers(out) if r.name == "reduce_sum"]
        ratios = [r for r in _readers(out) if r.name in ("div", "mul") and _from(r.inputs[1], sums)]
        if not ratios or not any(_weighs(r.outputs[0]) for r in ratios):
            continue
        shifted = node.inputs[0]
        reader = node
        if shifted.node is not None and shifted.node.name == "sub":
            reader = shifted.node
        found.append(Attention(level, reader.inputs[0], reader))
    return found


def _weighs(value: Value, steps: int = 12) -> bool:
    """Return whether a value reaches a matrix product with data through casts, masks and reshapes."""
    if steps == 0:
        return False
    for user in value.users:
        if user.name == "dot_general":
            if all(v.depends == DATA for v in user.inputs):
                return True
        elif (user.elementwise or user.name in SAME) and _weighs(user.outputs[0], steps - 1):
            return True
    return False

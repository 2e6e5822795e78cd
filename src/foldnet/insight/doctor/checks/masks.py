"""Checks of masks and states: masks that are lost before a layer that would use them, layers that remember."""

from __future__ import annotations

from collections.abc import Iterator

from foldnet.insight.doctor.context import Context
from foldnet.insight.doctor.finding import Finding, note, warning
from foldnet.insight.doctor.registry import FILE, Check
from foldnet.insight.mask_trails import follow, uses_masks
from foldnet.insight.sites import Site


def _later_use(context: Context, site: Site) -> Site | None:
    """The first later call that would use a mask and gets none."""
    waiting, met = list(context.readers(site.path)), set[str]()
    while waiting:
        found = waiting.pop(0)
        if uses_masks(found.layer) and found.call.kwargs.get("mask") is None:
            return found
        if found.path not in met and len(found.shape) > 2:
            met.add(found.path)
            waiting += context.readers(found.path)
    return None


def lost_masks(context: Context) -> Iterator[Finding]:
    """Masks that end before a layer that would use them, or that no layer uses."""
    trails = follow(context.sites)
    told = set[str]()
    for site, maker in trails.without_effect:
        told.add(maker.path)
        yield warning(
            site.path,
            f"The mask of {maker.path!r} comes with its sequences, but it is called with initial_state, and Keras 3 "
            "then ignores that mask: it goes through padded steps, too.",
            f"Call it with mask=, for example mask={maker.layer.name}.compute_mask(x), and train again.",
            masked_inputs=1, steps=site.input_shapes[0][1] or 0, initial_states=len(site.operands) - 1,
        )  # fmt: skip
    for site, maker in trails.lost:
        user = _later_use(context, site)
        if user is None or maker.path in told:
            continue
        told.add(maker.path)
        yield warning(
            site.path,
            f"The mask of {maker.path!r} ends here, because {type(site.layer).__name__} passes none on, and "
            f"{user.path!r}, which would use it, also counts padded positions.",
            f"Put {type(site.layer).__name__} before the mask is made, or, if the positions are still the same ones, "
            f"call {user.layer.name!r} with mask=.",
            positions_before=site.input_shapes[0][1] or 0, positions_after=_steps(site),
            calls_to_the_user=_distance(context, site, user),
        )  # fmt: skip
    for site, maker in trails.lost:
        if maker.path not in told | {m.path for m in trails.used.values()}:
            told.add(maker.path)
            yield note(
                maker.path,
                f"It makes a mask that no layer uses: it ends at {site.path!r}, and padded positions count like all "
                "others.",
                "Leave the mask out, or use a layer that takes it, such as GRU or GlobalAveragePooling1D.",
                layers_that_use_it=0, positions=site.input_shapes[0][1] or 0,
            )  # fmt: skip


def _steps(site: Site) -> int:
    return (site.shape[1] or 0) if len(site.shape) > 2 else 0


def _distance(context: Context, site: Site, user: Site) -> int:
    """How many calls come between, in the network's order."""
    paths = [s.path for s in context.sites]
    return paths.index(user.path) - paths.index(site.path)


def stateful_layers(context: Context) -> Iterator[Finding]:
    """Layers that go on from the states of the call before."""
    for site in context.sites:
        inner = [site.layer, *site.layer.inner_layers.values()]
        if any(getattr(layer, "stateful", False) for layer in inner):
            yield warning(
                site.path,
                "It is stateful: it goes on from the states that the call before left, so a prediction depends on all "
                "calls before it and on the order of the rows, and the network cannot be frozen.",
                "stateful=False; where you need the states, return_state=True and initial_state.",
                units=site.shape[-1] or 0, rows=site.shape[0] or 0,
            )  # fmt: skip


CHECKS = (
    Check("mask-lost", FILE, "masks that end before they are used", lost_masks, excuse="learned"),
    Check("stateful-layer", FILE, "layers that remember the call before", stateful_layers),
)

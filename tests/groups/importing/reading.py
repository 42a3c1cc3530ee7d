"""What is read of an import."""

from groups.models import AgentImport


def counts(asked: AgentImport) -> dict[str, int]:
    """How many rows there are of each kind that there is."""
    kinds = ("new", "change", "unchanged", "faulty", "leaving")
    return {kind: asked.summary[kind] for kind in kinds if asked.summary[kind]}

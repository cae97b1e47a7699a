"""What stored values were made of, and whether those that one step loads fit together.

A value has a name, ``asset`` or ``asset|partition``, and an id that begins with the nanosecond in which it was stored.
A run that was broken off, or that made some assets only, leaves values that are newer than those made of the ones
before them. A step that loaded both would mix two states of the data, so it is refused.

Nothing here touches the disk or knows the orchestrator: ``asset_storage`` does.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from functools import cache
from itertools import groupby
from typing import Self


@dataclass(frozen=True)
class Provenance:
    """What a value was made of.

    Attributes
    ----------
    inputs : tuple of str
        Names of the values that its step loaded.
    made_of : mapping of str to str
        Ids by name: of the inputs, and after them of all that those were made of.
    declaration : str
        Fingerprint of the declaration of the data by which it was made; empty where that is not known.
    sources : tuple of str
        Names of those of ``made_of`` that were made of nothing stored.
    """

    inputs: tuple[str, ...] = ()
    made_of: Mapping[str, str] = field(default_factory=dict)
    declaration: str = ""
    sources: tuple[str, ...] = ()

    def input_ids(self) -> dict[str, str]:
        """Return the ids of the inputs alone, by name."""
        return {name: self.made_of[name] for name in self.inputs}

    def to_json(self) -> str:
        """Return the text that is stored beside the value."""
        return json.dumps(asdict(self), indent=2)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` returned."""
        stored = json.loads(text)
        return cls(
            tuple(stored["inputs"]),
            stored["made_of"],
            stored.get("declaration", ""),
            tuple(stored.get("sources", ())),
        )


@dataclass(frozen=True)
class StoredValue:
    """A value by its name and id, with what it was made of."""

    name: str
    id: str
    provenance: Provenance


class IncoherentInputs(ValueError):
    """Two values that do not fit together: they know a third, or one knows the other, by different ids.

    Attributes
    ----------
    values : tuple of str
        Names of the two.
    """

    def __init__(self, name: str, *known: tuple[str, str]) -> None:
        # The older one first, but the value itself last: "the forest was made of features of Monday, and now there is
        # one of Tuesday".
        (first, older), (second, newer) = sorted(known, key=lambda one: (one[0] == name, one[1]))
        other = "now there is one" if second == name else f"{_told(second)} of one"
        super().__init__(
            f"{_told(first)} was made of {_told(name)} of {_stored_at(older)}, and {other} of {_stored_at(newer)}"
        )
        self.values = (first, second)


class OtherDeclaration(ValueError):
    """A value that was made by another declaration of the data than the one in force.

    Attributes
    ----------
    sources : tuple of str
        Names of the values that it goes back to: with all below them, they have to be materialized again.
    """

    def __init__(self, value: StoredValue) -> None:
        super().__init__(f"{_told(value.name)} was not made with the present declaration of the market")
        known = value.provenance
        self.sources = known.sources or (value.name,)


class StepInputs:
    """The values that one step has loaded.

    Parameters
    ----------
    declaration : str
        Fingerprint of the declaration in force; empty: values of any are taken.
    """

    def __init__(self, declaration: str = "") -> None:
        self._declaration = declaration
        self._values: dict[str, StoredValue] = {}
        self._known: dict[str, tuple[str, str]] = {}

    def add(self, value: StoredValue) -> None:
        """Take a value in.

        Parameters
        ----------
        value : StoredValue

        Raises
        ------
        IncoherentInputs
            If it, or one that it was made of, is known to the step by another id.
        OtherDeclaration
            If it was made by another declaration, or by a release that did not record which.
        """
        made_by = value.provenance.declaration
        if self._declaration and made_by != self._declaration:
            raise OtherDeclaration(value)
        for name, value_id in {value.name: value.id, **value.provenance.made_of}.items():
            known = self._known.setdefault(name, (value.name, value_id))
            if known[1] != value_id:
                raise IncoherentInputs(name, known, (value.name, value_id))
        self._values[value.name] = value

    def provenance(self) -> Provenance:
        """Return what the values are made of that the step stores."""
        made_of = {name: value.id for name, value in self._values.items()}
        for value in self._values.values():
            made_of |= value.provenance.made_of
        sources = [one for value in self._values.values() for one in value.provenance.sources or (value.name,)]
        return Provenance(tuple(self._values), made_of, self._declaration, tuple(dict.fromkeys(sources)))


Lookup = Callable[[str], StoredValue | None]
"""Returns the newest value of a name; None where nothing is stored."""


def find_stale(names: Iterable[str], lookup: Lookup) -> list[str]:
    """Return which values to materialize, with all below them, for others to be made of what is stored now.

    Parameters
    ----------
    names : iterable of str
        Of the others.
    lookup : callable
        Returns the newest value of a name.

    Returns
    -------
    list of str
        Upstream first. One below another of the same partition is left out: it is materialized with it.
    """

    @cache
    def stale(name: str) -> tuple[str, ...]:
        value = lookup(name)
        inputs = value.provenance.input_ids() if value else {}
        found = tuple(dict.fromkeys(above for one in inputs for above in stale(one)))
        outdated = any((now := lookup(one)) is None or now.id != value_id for one, value_id in inputs.items())
        if (outdated or found) and _partition(name) not in map(_partition, found):
            return (*found, name)
        return found

    return list(dict.fromkeys(one for name in names for one in stale(name)))


def remedy(names: Iterable[str], lookup: Lookup) -> str:
    """Return what to do for values to fit together, with the command.

    Parameters
    ----------
    names : iterable of str
        Of the values.
    lookup : callable
        Returns the newest value of a name.
    """
    stale = find_stale(names, lookup)
    if not stale:
        return "another run has stored a newer one meanwhile: launch this run again when no other is running"
    return rematerialize(stale)


def rematerialize(names: Sequence[str]) -> str:
    """Return what to do to rematerialize values and all made of them, with the command."""
    stale = list(names)
    below = "all below it" if len(stale) == 1 else "all below them"
    commands = "; ".join(_launch(partition, list(group)) for partition, group in groupby(stale, _partition))
    return f"materialize {', '.join(map(_told, stale))} and {below} ({commands})"


def _launch(partition: str, names: list[str]) -> str:
    selection = " or ".join(f'key:"{name.partition("|")[0]}"+' for name in names)
    return f"dg launch --assets '{selection}'" + (f" --partition {shlex.quote(partition)}" if partition else "")


def _partition(name: str) -> str:
    return name.partition("|")[2]


def _told(name: str) -> str:
    asset, _, partition = name.partition("|")
    return f"{asset} (partition {partition})" if partition else asset


def _stored_at(value_id: str) -> str:
    stored = datetime.fromtimestamp(int(value_id.partition("-")[0]) / 1e9, UTC)
    return f"{stored:%Y-%m-%d %H:%M:%S}.{stored.microsecond // 1000:03d} UTC"

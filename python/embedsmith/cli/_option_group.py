"""Options that several commands share, declared once as the fields of a dataclass."""

from __future__ import annotations

import functools
import inspect
from dataclasses import MISSING, fields, is_dataclass
from typing import TYPE_CHECKING, Any, get_type_hints

if TYPE_CHECKING:
    from collections.abc import Callable
    from dataclasses import Field

__all__ = ["with_option_groups"]


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Return a typer command that has the fields of its dataclass parameters as options.

    Changes no option: each stands in ``--help`` where the parameter stands, in the order of the
    fields, as if the command itself listed it.

    Parameters
    ----------
    command : callable
        Parameters annotated with a dataclass are handed a built instance of it. Each field of such
        a dataclass is ``Annotated`` with a ``typer.Option``, and has a default.

    Returns
    -------
    callable
        For ``typer.Typer.command``.

    Raises
    ------
    TypeError
        If an option is named twice, or a field has no fixed default. Both are mistakes in the code,
        and show when the command is imported.

    Examples
    --------
    ::

        @dataclass(frozen=True)
        class Where:
            city: Annotated[str, typer.Option(help="Where to.")] = "Oslo"
            by_rail: Annotated[bool, typer.Option("--by-rail")] = False

        @app.command("travel")
        @with_option_groups
        def travel(who: str, *, where: Where, quiet: bool = False) -> None:
            ... # options: --city, --by-rail and --quiet
    """
    signature = inspect.signature(command, eval_str=True)
    groups: dict[str, Any] = {
        name: one.annotation
        for name, one in signature.parameters.items()
        if is_dataclass(one.annotation)
    }
    flat: list[inspect.Parameter] = []
    for name, parameter in signature.parameters.items():
        flat.extend(_options(groups[name]) if name in groups else [parameter])
    names = [one.name for one in flat]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        msg = (
            f"{command.__name__} has the option {twice[0]!r} twice. Leave it out of the command, "
            "or out of the group."
        )
        raise TypeError(msg)

    @functools.wraps(command)
    def grouped(*args: Any, **values: Any) -> None:
        for name, kind in groups.items():
            own = [field.name for field in fields(kind) if field.name in values]
            values[name] = kind(**{one: values.pop(one) for one in own})
        command(*args, **values)

    # typer reads both: the signature, and the hints for what the signature leaves as a string.
    grouped.__signature__ = signature.replace(parameters=flat)  # type: ignore[attr-defined]
    grouped.__annotations__ = {one.name: one.annotation for one in flat}
    return grouped


def _options(group: Any) -> list[inspect.Parameter]:
    hints = get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=_default(group, field),
            annotation=hints[field.name],
        )
        for field in fields(group)
    ]


def _default(group: Any, field: Field[Any]) -> Any:
    if field.default is MISSING:
        msg = f"{group.__name__}.{field.name} has no fixed default. Give it one, such as None."
        raise TypeError(msg)
    return field.default

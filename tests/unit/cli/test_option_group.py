"""Options declared once as a dataclass are options of each command that names it."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from embedsmith.cli._model_options import ModelOptions
from embedsmith.cli._option_group import with_option_groups
from embedsmith.cli._service_options import ServiceOptions


@dataclass(frozen=True)
class Travel:
    """A group for these tests."""

    city: Annotated[
        str, typer.Option(metavar="NAME", help="Where to.", rich_help_panel="Places")
    ] = "Oslo"
    nights: Annotated[int | None, typer.Option(min=1, show_default=False)] = None
    by_rail: Annotated[bool, typer.Option("--by-rail", "-r", help="No flights.")] = False


@dataclass(frozen=True)
class Money:
    """Another one."""

    most: Annotated[float, typer.Option(help="Of the price.")] = 9.5


GIVEN: list[object] = []


@with_option_groups
def book(
    who: Annotated[str, typer.Argument()],
    *,
    first: Annotated[int, typer.Option()] = 1,
    travel: Travel,
    between: Annotated[int, typer.Option()] = 2,
    money: Money,
    last: Annotated[int, typer.Option()] = 3,
) -> None:
    """Book it."""
    GIVEN.append((who, first, travel, between, money, last))


def options_of(command: Any) -> dict[str, Any]:
    app = typer.Typer(add_completion=False)
    app.command()(command)
    return {str(one.name): one for one in typer.main.get_command(app).params}


def called(*words: str) -> object:
    app = typer.Typer(add_completion=False)
    app.command()(book)
    GIVEN.clear()
    done = CliRunner().invoke(app, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return GIVEN[0]


def test_options_stand_where_the_group_stands_in_the_order_of_its_fields() -> None:
    names = ["who", "first", "city", "nights", "by_rail", "between", "most", "last"]
    assert list(options_of(book)) == names
    assert list(inspect.signature(book).parameters) == names


def test_an_option_keeps_its_default_help_metavar_names_and_panel() -> None:
    options = options_of(book)
    city, rail = options["city"], options["by_rail"]
    assert (city.default, city.metavar, city.help) == ("Oslo", "NAME", "Where to.")
    assert city.rich_help_panel == "Places"
    assert options["nights"].default is None
    assert rail.opts == ["--by-rail", "-r"]
    assert not rail.default
    assert not city.required


def test_the_command_is_handed_what_was_typed() -> None:
    found = called("Ann", "--city", "Rome", "--nights", "2", "-r", "--most", "1", "--last", "7")
    assert found == ("Ann", 1, Travel("Rome", 2, by_rail=True), 2, Money(1.0), 7)
    assert called("Ann") == ("Ann", 1, Travel(), 2, Money(), 3)


def test_a_check_of_an_option_still_runs() -> None:
    app = typer.Typer(add_completion=False)
    app.command()(book)
    done = CliRunner().invoke(app, ["Ann", "--nights", "0"])
    assert done.exit_code == 2
    assert "--nights" in done.output


def test_name_and_docstring_stay() -> None:
    assert (book.__name__, book.__doc__) == ("book", "Book it.")


def test_an_option_named_twice_is_an_error() -> None:
    def both(*, travel: Travel, city: Annotated[str, typer.Option()] = "") -> None:
        raise AssertionError((travel, city))

    with pytest.raises(TypeError, match="both has the option 'city' twice"):
        with_option_groups(both)


def test_a_field_needs_a_fixed_default() -> None:
    @dataclass
    class Many:
        words: Annotated[list[str], typer.Option()] = field(default_factory=list)

    def command(many: Many) -> None:
        raise AssertionError(many)

    command.__annotations__["many"] = Many
    with pytest.raises(TypeError, match=r"Many\.words has no fixed default"):
        with_option_groups(command)


def test_a_cache_and_none_exclude_each_other(tmp_path: object) -> None:
    with pytest.raises(typer.BadParameter, match="exclude each other"):
        ModelOptions(cache=tmp_path, no_cache=True)  # type: ignore[arg-type]


def test_how_services_are_asked_reaches_them() -> None:
    api = ServiceOptions(in_flight=3, allow_http="host", truncate="END").api
    assert (api.in_flight, api.allow_http, api.truncate) == (3, "host", "END")
    api = ServiceOptions(query_input_type="q", document_input_type="d").api
    assert (api.query_input_type, api.document_input_type) == ("q", "d")

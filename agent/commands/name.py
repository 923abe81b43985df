"""`bandwatch name`: what a cluster is called."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from ...pipeline.errors import BadInput
from ..words_book import Book, ClusterName
from ..words_file import edit_book, read_book
from .place import (
    BandOption,
    ConfigOption,
    NodeOption,
    cluster_number,
    find_place,
    hash_of_bundle,
    rests,
    settings_and_words,
    words_of,
)
from .unheard import note_cluster


def name_command(
    cluster: Annotated[str | None, typer.Argument(metavar="CLUSTER", help="Its number.")] = None,
    text: Annotated[str | None, typer.Argument(metavar="TEXT", help='Its name; "" removes it.')] = None,
    band: BandOption = None,
    node: NodeOption = None,
    config: ConfigOption = None,
) -> None:
    """Call a cluster of a band something; without arguments, list the names.

    A running agent takes it up within a second. A name is kept over restarts; it holds for the models that
    give the cluster this number, rests while others are in use, and holds again when they are back.

    Example: bandwatch name 3 "garage door" -c bandwatch.yaml
    """
    settings, path = settings_and_words(config)
    if cluster is None:
        for line in _lines(read_book(path), hash_of_bundle(settings)):
            typer.echo(line)
        return
    number = cluster_number(cluster)
    if text is None:
        raise BadInput(f'cluster {number}: no name given; limit: a text, or "" to remove the one it has')
    name = words_of("name", text)
    place = find_place(settings, path, band, node)
    where = place.of_cluster(f"cluster {number}")
    before = ""

    def change(book: Book) -> Book:
        nonlocal before
        same = book.of_present(book.names, where, number)
        before = same[-1].name if same else ""
        if not name and not same:
            raise BadInput(
                f"cluster {number} of {place.name}: has no name; limit: one that `bandwatch name` lists"
            )
        others = tuple(each for each in book.names if each not in same)
        if not name:
            return replace(book, names=others)
        bundle, its_node, its_band = where
        model = book.newest_model(where)
        given = ClusterName(
            bundle=bundle, node=its_node, band=its_band, cluster=number, model=model, name=name
        )
        return replace(book, names=(*others, given))

    edit_book(path, change)
    was = f" (was {before!r})" if before and before != name else ""
    typer.echo(
        f"cluster {number} of {place.name} is called {name!r}{was}"
        if name
        else f"cluster {number} of {place.name} has no name any more{was}"
    )
    if name:
        note_cluster(path.parent, place, number)


def _lines(book: Book, bundle: str) -> list[str]:
    if not book.names:
        return ["no cluster has a name"]
    ordered = sorted(book.names, key=lambda each: (each.node, each.band, each.cluster, each.name))
    where = max(len(f"{each.node}/{each.band}") for each in ordered)
    lines = []
    for each in ordered:
        note = rests(book, each.place, each.model, bundle)
        at = f"{each.node}/{each.band}"
        lines.append(f"{at:<{where}}  {each.cluster:>4}  {each.name}" + (f"  ({note})" if note else ""))
    return lines

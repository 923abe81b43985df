"""Which band of which node a person speaks of, and the file that keeps the words."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from ...config.loader import load, shipped
from ...config.schema import Settings, StreamSource
from ...pipeline.errors import BadInput
from ..words_book import MOST_CLUSTER, MOST_TEXT, Book
from ..words_file import words_path

BandOption = Annotated[
    str | None, typer.Option(metavar="BAND", help="Which band; needed where the settings have several.")
]
NodeOption = Annotated[
    str | None, typer.Option(metavar="NODE", help="Whose band, where any node's rows are taken.")
]
ConfigOption = Annotated[
    Path | None, typer.Option("-c", "--config", metavar="FILE", help="The agent's settings.")
]


@dataclass(frozen=True, slots=True)
class Place:
    """A band of a node, its node None where any will do, and the bundle the settings name."""

    path: Path
    bundle: str
    node: str | None
    band: str

    @property
    def name(self) -> str:
        return f"{self.node or '*'}/{self.band}"

    def of_cluster(self, what: str) -> tuple[str, str, str]:
        """Bundle, node and band; `BadInput` where the node is not known."""
        if self.node is None:
            raise BadInput(f"{what}: band '{self.band}' may come from any node; limit: say which with --node")
        return self.bundle, self.node, self.band


def settings_and_words(config: Path | None) -> tuple[Settings, Path]:
    """The settings that `run` would have, and where their agent keeps people's words."""
    settings = load(config or shipped("simulated.yaml"), os.environ)
    return settings, words_path(settings.store.directory.expanduser())


def find_place(settings: Settings, path: Path, band: str | None, node: str | None) -> Place:
    """The band that is meant. `BadInput`, naming those there are, where it is not clear or not there."""
    names = [each.name for each in settings.bands]
    if band is None and len(names) != 1:
        raise BadInput(f"--band: not given; limit: one of {', '.join(names) or 'none: there are no bands'}")
    band = names[0] if band is None else band
    if band not in names:
        raise BadInput(f"--band {band}: not in the settings; limit: one of {', '.join(names)}")
    source = settings.band(band).source
    only = source.node if isinstance(source, StreamSource) else settings.node.name
    if node is not None and only not in (None, node):
        raise BadInput(f"--node {node}: band '{band}' is of node '{only}'; limit: that one")
    return Place(path, hash_of_bundle(settings), node or only, band)


def hash_of_bundle(settings: Settings) -> str:
    """The hash of the bundle that the settings name, read but not loaded."""
    from ..learned import bundle_hash

    return bundle_hash(settings.models)


def cluster_number(text: str) -> int:
    """A cluster's number as people give it."""
    if not (text.isascii() and text.isdecimal()) or len(text) > len(str(MOST_CLUSTER)):
        raise BadInput(f"cluster '{text}'; limit: a number from 0 to {MOST_CLUSTER}")
    return int(text)


def words_of(what: str, text: str) -> str:
    """Text as it is kept: one line without space at its ends, whose signs can be seen."""
    text = unicodedata.normalize("NFC", text.strip())
    hidden = next((sign for sign in text if not sign.isprintable()), None)
    if hidden is not None:
        raise BadInput(f"{what}: {text!r} holds {hidden!r}; limit: one line of printable text")
    if len(text) > MOST_TEXT:
        raise BadInput(f"{what}: {len(text)} characters; limit: {MOST_TEXT}")
    return text


def rests(book: Book, words_place: tuple[str, str, str], model: str | None, bundle: str) -> str:
    """Why words for a cluster do not hold at present, for a list; nothing where they do."""
    if words_place[0] != bundle:
        return f"rests: of bundle {words_place[0][:12]}"
    newest = book.newest_model(words_place)
    if newest is None or model is None:
        return "" if model is None else f"of model {model}"
    numberings = [each.models for each in book.numberings if each.place == words_place]
    if model == newest or any({model, newest} <= set(each) for each in numberings):
        return ""
    return f"rests: of model {model}, in use is {newest}"

"""Tables in Parquet as columns of plain values, read by Arrow. Of the engines only “train” brings it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import DataError, EngineError, listed
from .tree import Tree

#: More rows than any published table of samples has; a damaged file may claim any number.
MOST_ROWS = 20_000_000


def read_columns(tree: Tree, name: str, columns: dict[str, type], advice: str) -> dict[str, list[Any]]:
    """Some columns of a table.

    Args:
        tree: where it lies.
        name: its path in there.
        columns: name → type of the values: str, bool, int, float, or list for lists of texts.
        advice: what to do with a file that is not as expected, as a sentence.

    Raises:
        DataError: the file is damaged, lacks a column, or holds other values in it.
        EngineError: this engine cannot read Parquet.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise EngineError(f"{tree.full(name)} is a table in Parquet, which the engine of the kind “predict” cannot read. Run “Install the engine” "
                          "for the kind “train”.") from None
    try:
        opened = pyarrow.parquet.ParquetFile(pyarrow.BufferReader(tree.read(name)))
        held, rows = opened.schema_arrow.names, opened.metadata.num_rows
        lacking = [column for column in columns if column not in held]
        if lacking:
            raise DataError(f"{tree.full(name)} has no column {listed(lacking)}; it has {listed(held, 12)}. {advice}")
        if rows > MOST_ROWS:
            raise DataError(f"{tree.full(name)} has {rows:,} rows, more than any table of samples. {advice}")
        table = opened.read(columns=list(columns))
        found = {column: table.column(column).to_pylist() for column in columns}
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"{tree.full(name)} cannot be read as a table in Parquet ({str(error).splitlines()[0] if str(error) else error!r}). "
                        f"{advice}") from None
    for column, kind in columns.items():
        strange = next((number for number, value in enumerate(found[column]) if not _is(value, kind)), None)
        if strange is not None:
            raise DataError(f"Row {strange + 1} of {tree.full(name)} has {str(found[column][strange])[:40]!r} in the column “{column}”, which should "
                            f"hold {_WORDS[kind]}. {advice}")
    return found


_WORDS: dict[type, str] = {str: "text", bool: "true or false", int: "a whole number", float: "a number", list: "a list of texts"}


def _is(value: Any, kind: type) -> bool:
    if kind is list:
        return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(part, str) for part in value)
    return isinstance(value, (int, float) if kind is float else kind) and not (kind in (int, float) and isinstance(value, bool))

"""Customers who stay unknown on a cluster: pseudonyms in the place of ids, and nothing of those who are forgotten.

Both take the store's key, which no expression holds: it travels within a function over batches, whose content stands in
neither the plans nor the logs of a cluster.
"""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql.types import StructField, StructType

from data.intake.cluster.session import ClusterBackend
from data.intake.rules import Rules
from data.pseudonyms import clean_id

FORGOTTEN = 0
"""The violation of a row whose customer is forgotten: nothing else stands in it, and it is only counted."""


@dataclass(frozen=True)
class ProtectedRows:
    """Takes customers out of rows as `rules.protection` says: a function for `mapInArrow`, with the same columns.

    Parameters
    ----------
    rules
        What holds for all tables; its key is kept out of the repr.
    left
        Columns that a row without content keeps.
    """

    rules: Rules
    left: frozenset[str] = frozenset()

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take checked rows: violation, customer_id, and others."""
        for batch in batches:
            yield self._protected(batch)

    def _protected(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        protection, rows = self.rules.protection, pa.Table.from_batches([batch])
        assert protection.key is not None, "without a key there is nobody to protect"
        ids = rows["customer_id"].combine_chunks().cast(pa.string()).dictionary_encode()
        # As files are read: in one form of Unicode, each id of the batch once.
        names = [protection.key.pseudonym(unicodedata.normalize("NFC", each)) for each in ids.dictionary.to_pylist()]
        pseudonyms = pa.array(names, pa.string()).take(ids.indices)
        is_gone = pc.is_in(pseudonyms, pa.array(sorted(protection.forgotten), pa.string()))
        if protection.is_pseudonymous:
            place = rows.schema.get_field_index("customer_id")
            rows = rows.set_column(place, "customer_id", pseudonyms.cast(rows.schema.field(place).type))
        if protection.forgotten:
            is_gone = pc.or_(is_gone, self._names_forgotten(batch))
            columns = [
                column if name in self.left else pc.if_else(is_gone, pa.scalar(None, column.type), column)
                for name, column in zip(rows.column_names, rows.columns, strict=True)
            ]
            place = rows.schema.get_field_index("violation")
            number = pa.scalar(FORGOTTEN, rows.schema.field(place).type)
            columns[place] = pc.if_else(is_gone, number, rows["violation"])
            rows = pa.table(columns, names=rows.column_names)
        return rows.combine_chunks().to_batches()[0] if len(rows) else batch

    def _names_forgotten(self, batch: pa.RecordBatch) -> pa.BooleanArray:
        """Say which rows that break their contract hold a forgotten customer in any cell: columns may be mistaken."""
        texts = [name for name, kind in zip(batch.schema.names, batch.schema.types, strict=True) if _is_text(kind)]
        violations = batch.column("violation").to_pylist()
        flags = [False] * batch.num_rows
        for row in (k for k, violation in enumerate(violations) if violation is not None):
            cells = (batch.column(name)[row].as_py() for name in texts)
            flags[row] = any(self._is_forgotten(cell) for cell in cells if cell is not None)
        return pa.array(flags, pa.bool_())

    def _is_forgotten(self, cell: str) -> bool:
        key, clean = self.rules.protection.key, clean_id(cell, self.rules.id_case, self.rules.id_point_zero)
        return key is not None and key.pseudonym(clean) in self.rules.protection.forgotten


def protect(backend: ClusterBackend, staged: ir.Table, rules: Rules, left: frozenset[str]) -> ir.Table:
    """Give checked rows with pseudonyms for ids, and without content where a customer is forgotten.

    Parameters
    ----------
    backend
        The session with the cluster.
    staged
        violation, customer_id in its clean form, and others.
    rules
        Their protection says what is done.
    left
        Columns that a row without content keeps.
    """
    if rules.protection.key is None:
        return staged
    frame = backend.data_frame(staged)
    schema = StructType([StructField(field.name, field.dataType, nullable=True) for field in frame.schema])
    name = ibis.util.gen_name("protected")
    frame.mapInArrow(ProtectedRows(rules, left), schema).createOrReplaceTempView(name)
    return backend.table(name)


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))

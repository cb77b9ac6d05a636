"""What looks wrong in the rows of transactions: states, first days, repeated rows, and ids that are written unlike."""

from collections.abc import Iterator, Mapping
from datetime import date, timedelta

from data.intake.reading.expressions import in_expression
from data.intake.reading.matching import normalise_name
from data.intake.report import Intake, TableReport
from data.intake.unread import KINDS
from flows.steps.findings.finding import Finding, Names, in_words
from flows.steps.overview import SalesOverview

_REPEATED_SHARE = 0.01
_FEWEST_ORDERS = 50
_ITEM = (
    *("sku", "item", "product", "article", "artikel", "produkt", "produit", "producto", "prodotto", "articolo"),
    *("articulo", "товар", "артикул", "商品", "barcode", "isbn", "variant", "lineno", "position", "description"),
)
_YEARS_BEFORE = timedelta(days=5 * 365)
_OLDEST = date(1990, 1, 1)
_PAID = {
    *("paid", "partially_refunded", "partially_paid", "complete", "completed", "closed", "delivered", "shipped"),
    *(
        "sent",
        "fulfilled",
        "succeeded",
        "success",
        "successful",
        "captured",
        "settled",
        "approved",
        "done",
        "ok",
        "processing",
    ),
    *(
        "bezahlt",
        "abgeschlossen",
        "payé",
        "pagado",
        "pagato",
        "completado",
        "completato",
        "terminé",
        "оплачен",
        "оплачено",
        "завершен",
        "выполнен",
    ),
    *("проведен", "проведён", "оплачён", "завершён"),
    *("доставлен", "已支付", "已付款", "已完成", "交易成功"),
}
"""Values of a state that mean a sale which counts."""
_NOT_PAID = (
    *(
        "cancel",
        "fail",
        "refund",
        "unpaid",
        "void",
        "test",
        "pending",
        "draft",
        "expire",
        "declin",
        "reject",
        "dispute",
    ),
    *("chargeback", "storn", "annul", "abgebrochen", "offen", "отмен", "возвр", "неоплач", "не оплач", "не провед"),
    *("取消", "退款", "未", "关闭", "失败"),
)
"""Parts of values of a state that mean none."""
_TRANSFERS = ("payout", "transfer", "withdraw", "fee", "topup", "top-up", "top up", "auszahlung", "gebühr")
"""Parts of kinds of rows that are between the shop and its bank or payment system."""


def find_in_rows(report: TableReport, sales: SalesOverview, names: Names) -> Iterator[Finding]:
    """Find rows that are no sales, and days that stand for none."""
    for name, states in report.states.items():
        if normalise_name(name) in KINDS:
            yield from _find_transfers(name, states, names)
            continue
        other = [value for value in states if not _is_paid(value)]
        sections = names.sections_without(name)
        if not other or not sections:
            continue
        unclear = [value for value in other if not any(part in value.casefold() for part in _NOT_PAID)]
        paid = [value for value in states if _is_paid(value)] or unclear
        if not paid or (len(states) == 1 and unclear):
            continue
        listed = ", ".join("'" + value.replace("'", "''") + "'" for value in paid)
        column = in_expression(name)
        shown = ", ".join(f"{value} ({count:,})" for value, count in list(states.items())[:6])
        yield Finding(
            f"The column {name} holds {shown}, and all of these rows count as sales. Name those that do.",
            **names.leave_out(f"{column} = {listed}" if len(paid) == 1 else f"{column} in ({listed})", sections[0]),
            advice="assume" if unclear else "take",
            own_sections=tuple(sections[1:]),
        )
    if sales.customers == sales.orders >= _FEWEST_ORDERS:
        yield Finding(
            f"Each of the {sales.customers:,} customers has one order. If {names['customer_id']} is the number of the "
            "order and not of the customer, name the customer's.",
            "columns.transactions",
            {"customer_id": "the column with the customer"},
        )
    if sales.first_day < _OLDEST or sales.first_day < sales.early_day - _YEARS_BEFORE:
        yield Finding(
            f"The first day is {sales.first_day}, and 99 % of the lines are from {sales.early_day} on. If the first "
            "ones stand for a day that is not known, leave them out; write the day as your file does.",
            **names.leave_out(f"{names['ts']} not like '{_as_written(sales.first_day, report)}%'"),
            advice="assume",
        )


def _find_transfers(name: str, kinds: Mapping[str, int], names: Names) -> Iterator[Finding]:
    transfers = [kind for kind in kinds if any(part in kind.casefold() for part in _TRANSFERS)]
    if transfers:
        listed = ", ".join("'" + kind.replace("'", "''") + "'" for kind in transfers)
        shown = ", ".join(f"{kind} ({kinds[kind]:,})" for kind in transfers[:6])
        yield Finding(
            f"The column {name} holds {shown}: these are no sales or returns of a customer, but they count as such.",
            **names.leave_out(f"{in_expression(name)} not in ({listed})"),
            advice="take",
        )


def find_repeated(intake: Intake, names: Names) -> Iterator[Finding]:
    """Find rows that equal another one of their table, in one file or in several."""
    for table, report in intake.tables.items():
        several_files = sum(each.rows for each in report.overlaps)
        lines = report.identical_lines
        few = lines <= _REPEATED_SHARE * report.rows_valid and table != "answers"
        if not lines or (few and not several_files):
            continue
        parts = [f"{lines:,} of {report.rows_valid:,} rows ({100 * lines / report.rows_valid:.1f} %)"]
        parts += [f"{report.identical_of_orders:,} of them with its order_id"] if report.identical_of_orders else []
        parts += [f"{several_files:,} of them from another file"] if several_files else []
        # Lines of two items for one price are alike where the item is not read.
        item = next((name for name in names.unread if in_words(name, _ITEM)), None) if table == names.table else None
        unlike = "" if item is None else f" Where {item}, which is not read, tells them apart, leave them as they are."
        yield Finding(
            f"{table}: {', '.join(parts)} equal another row in every column that is read, and all of them count. If "
            f"they are the same thing twice, let them count once.{unlike}",
            f"formats.{table}",
            {"repeated": "drop"},
            advice="assume" if several_files else "offer",
        )


def find_in_ids(intake: Intake, sales: SalesOverview) -> Iterator[Finding]:
    """Find ids of customers that were rounded, or are one but for the way they are written."""
    if sales.rounded_ids:
        yield Finding(
            f"{sales.rounded_ids:,} lines have an id of the customer such as 1.2E+05: a spreadsheet has rounded it, so "
            "that several customers may have become one. Export again with the ids as text."
        )
    how = {"id_case": "the case of letters", "id_point_zero": "a .0 at the end"}
    for each in intake.alike_ids:
        parts = []
        if each.ids:
            example = " and ".join(map(repr, each.example))
            parts.append(f"{each.ids:,} ids of customers equal another one but for {how[each.setting]}: {example}.")
        if each.unknown_rows:
            parts.append(
                f"{each.unknown_rows:,} rows of customers who are not known have an id that equals a known one but for "
                f"{how[each.setting]}."
            )
        # E-mail addresses are the same in small letters and in capitals.
        same = each.unknown_rows or (each.setting == "id_case" and all("@" in one for one in each.example))
        text = " ".join([*parts, "If they are the same customers, join them."])
        yield Finding(text, "", {each.setting: each.value}, advice="assume" if same else "offer")


def _is_paid(value: str) -> bool:
    """Whether a state means a sale which counts; WooCommerce writes wc- before its states."""
    return value.casefold().removeprefix("wc-") in _PAID


def _as_written(day: date, report: TableReport) -> str:
    """Write a day as the file does."""
    form = report.forms.get("ts", "")
    return day.strftime(form.split(" %H")[0].split(" %I")[0].split("T")[0]) if "%d" in form else day.isoformat()

"""How columns are called in exports, by the role they play: in English, German, Russian, Chinese and some others.

Names are written as `data.intake.reading.matching.normalise_name` writes them. A whole name counts in full, the more
the earlier it stands in its list; a name that only holds one of the parts counts for less.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from data.intake.reading.currencies import CODES
from data.intake.reading.matching import normalise_name


@dataclass(frozen=True)
class Words:
    """Names of one role: whole names from the best to the worst, parts of names, and parts that rule it out."""

    whole: tuple[str, ...]
    parts: tuple[str, ...] = ()
    never: tuple[str, ...] = ()


def _words(whole: str, parts: str = "", never: str = "") -> Words:
    return Words(tuple(whole.split()), tuple(parts.split()), tuple(never.split()))


ROLES: Mapping[str, Words] = {
    "customer_id": _words(
        "customeruniqueid customerid clientid userid buyerid memberid accountid contactid custid customernumber "
        "customerno membercard loyaltyno loyalty cardnumber loyaltycard "
        "loyaltynumber kundennummer kundennr kundenid kdnr idcliente "
        "кодклиента idклиента клиентid идентификаторклиента кодпокупателя idпокупателя картаклиента номеркарты "
        "客户id 客户编号 客户编码 会员id 会员号 会员编号 会员卡号 用户id 买家id customeremail buyeremail "
        "billingemail emailbilling email emailaddress emailadresse kundenemail почта электроннаяпочта 邮箱 "
        "电子邮箱 customer client cust user buyer member kunde käufer cliente acheteur клиент покупатель "
        "контрагент заказчик 客户 会员 会员名 买家会员名 买家昵称 买家 顾客 用户 手机号 手机号码 收货人手机 "
        "телефон phone customername buyername clientname kundenname 客户名称 客户姓名",
        "customerid clientid userid email customer client buyer kunde клиент покупател контрагент 客户 会员 买家 顾客",
        "group type since segment name1 address city zip country city state note language agent order service "
        "kundengruppe группа тип город адрес 地址 类型 备注 留言 marketing subscribed accepts postal lifetime age "
        "gender",
    ),
    "ts": _words(
        "orderdate orderdatetime orderedat purchasedate orderpurchasetimestamp orderdategmt dateoforder "
        "ordercreatedat saledate salesdate solddate soldat invoicedate transactiondate transactiontime "
        "transactiondatetime createdat created created(utc) createddate(utc) createddate createddatetime "
        "datecreated paidat paiddate paymentdate date datetime timestamp ts time day when bestelldatum "
        "rechnungsdatum auftragsdatum buchungstag "
        "verkaufstag kauftag kaufdatum verkaufsdatum belegdatum buchungsdatum datum zeitpunkt "
        "fechapedido fecha datecommande датазаказа датапродажи датапокупки датадокумента датавремя датаивремя "
        "датачека дата период 下单时间 下单日期 订单日期 订单时间 订单创建时间 创建时间 付款时间 支付时间 "
        "订单付款时间 成交时间 交易时间 销售日期 日期 时间",
        "date created purchased ordered sold datum дата 日期 时间 fecha",
        "updated modified deliver ship due birth estimated cancel refund expire available delivery lieferdatum "
        "geburt lieferung fällig доставки отгрузки рождения изменения 发货 收货 更新 生日 修改 заверш approved "
        "closed carrier limit timezone",
    ),
    "clock": _words(
        "time timeofday saletime salestime transactiontime ordertime receipttime postingtime uhrzeit zeit verkaufszeit "
        "bestellzeit belegzeit buchungszeit время времяпродажи времязаказа времячека 时间 销售时间 交易时间 下单时间 "
        "heure hora ora",
        "uhrzeit time время 时间",
        "zone zeitzone shipping delivery update",
    ),
    "amount": _words(
        "linetotal itemtotal orderlinetotal lineamount netsales netamount "
        "netamt netto net nettotal totalnet amount totalamount "
        "total(€) total ordertotal ordertotalamount ordervalue orderamount grandtotal totalprice totalpaid paid "
        "amountpaid saleamount salesamount sales revenue turnover sum value total€ spend spent price*quantity "
        "gesamtbetrag gesamtpreis gesamtsumme gesamt betrag nettobetrag bruttobetrag rechnungsbetrag endbetrag "
        "zeilensumme positionssumme umsatz summe суммапродажи суммазаказа суммадокумента сумма суммасндс итого "
        "всего выручка стоимость оплачено 实付金额 实收金额 买家实际支付金额 支付金额 订单金额 订单总金额 总金额 "
        "销售金额 销售额 成交金额 金额 总价 合计 小计 importetotal importe montant totalttc prixtotal subtotal "
        "itemprice gross grossamt grossamount brutto grosssales payment paymentvalue",
        "total amount revenue betrag summe umsatz сумма итого выручка 金额 总额 importe montant",
        "tax vat mwst ндс 税 shipping versand доставк 运费 fee discount rabatt скидк 优惠 折扣 refund возврат "
        "退款 cost себестоим quantity qty count items outstanding balance balancedue tip gift commission profit "
        "orders weight points lifetime average",
    ),
    "unit_price": _words(
        "unitprice priceperunit priceeach itemprice itemcost lineitemprice sellingprice listprice price preis "
        "einzelpreis stückpreis stueckpreis stkpreis verkaufspreis preisprostück ценазаединицу ценазашт цена 单价 "
        "商品单价 售价 价格 precio preciounitario prix prixunitaire prezzo",
        "unitprice price einzelpreis цена 单价",
        "total type list tax shipping versand доставк freight discount gesamt 总 currency code point compare group",
    ),
    "quantity": _words(
        "quantity qty lineitemquantity itemquantity quantitypurchased units pieces count menge anzahl stück "
        "stueck stk количество колво кол.во кол 数量 商品数量 购买数量 件数 cantidad quantité quantite",
        "quantity qty menge anzahl количеств 数量",
        "refunded returned shipped total instock stock remaining возвра 退",
    ),
    "order_id": _words(
        "orderid ordernumber orderno ordernr order# amazonorderid invoiceno invoicenumber invoiceid invoice "
        "transactionid transactionno trxno trxid rgnr renr receiptid "
        "receiptno receiptnumber receipt ticketid basketid saleid order bestellnummer "
        "bestellnr bestellid auftragsnummer auftragsnr rechnungsnummer rechnungsnr belegnummer belegnr beleg "
        "numeropedido document documentno docno doc voucher номерзаказа idзаказа кодзаказа номерчека "
        "номердокумента номер заказ чек документпродажи документ регистратор 订单号 订单编号 订单id 单号 销售单号 "
        "流水号 小票号 交易号",
        "orderid orderno invoice bestellnummer rechnung pedido commande заказ чек 订单 单号",
        "date status total amount type customer item line line_id дата сумма статус 日期 金额 状态 时间 source "
        "channel tax value",
    ),
    "line_id": _words(
        "lineid lineitemid orderitemid lineno linenumber position pos positionsnr номерстроки строка 行号 序号 "
        "子订单编号",
    ),
    "category": _words(
        "category productcategory categoryname producttype productgroup department kategorie produktkategorie "
        "warengruppe artikelgruppe категория категориятовара группатоваров номенклатурнаягруппа видноменклатуры "
        "类目 类别 品类 分类 商品分类 商品类目",
        "category kategorie категор 分类 类目",
        "id customer",
    ),
    "channel": _words(
        "channel saleschannel kanal vertriebskanal каналпродаж канал источник 渠道 销售渠道 marketplace",
    ),
    "store": _words(
        "store storename shop branch location outlet filiale markt магазин точкапродаж подразделение 店铺 门店 "
        "店铺名称 门店名称",
    ),
    "discount": _words(
        "discount discountamount rabatt rabattbetrag скидка суммаскидки 折扣 优惠金额 优惠",
    ),
    "cost": _words(
        "cost cogs totalcost wareneinsatz себестоимость 成本",
    ),
    "currency": _words(
        "currency currencycode ordercurrency währung waehrung валюта кодвалюты 币种 货币 devise moneda",
    ),
    "score": _words(
        "npsscore score nps rating reviewscore csat ces stars grade answer response bewertung punkte note "
        "punktzahl оценка балл 评分 得分 打分 分数 recommend",
        "recommend empfehl weiterempf рекоменд порекоменд 推荐 score rating оценк 评分 nps",
        "comment text reason warum why почему 原因 id date category credit lead",
    ),
    "answered_at": _words(
        "answeredat answerdate responsedate responsetime respondedat submittedat submitdate completedat enddate "
        "recordeddate datesubmitted reviewanswertimestamp reviewcreationdate beantwortetam antwortdatum "
        "датаответа 提交时间 回答时间 评价时间 答题时间 created createdat date datum timestamp ts дата 日期 时间",
        "answered submitted completed responded date datum дата 日期 时间",
        "invit sent start birth eingeladen приглаш 邀请 order",
    ),
    "invited_at": _words(
        "invitedat invitationdate invitesent sentat senddate surveysentat eingeladenam датаприглашения 邀请时间 "
        "发送时间",
    ),
    "comment": _words(
        "comment comments feedback review reviewcommentmessage text reason kommentar anmerkung begründung "
        "комментарий отзыв 评论 评价 意见 备注 反馈",
        "comment feedback kommentar why warum почему комментар 评论 意见",
        "title date",
    ),
    "question": _words(
        "question questionid surveytype metric frage вопрос 问题 题目",
    ),
    "scale": _words(
        "scale skala шкала 量表",
    ),
    "touchpoint": _words(
        "touchpoint survey surveyname kontaktpunkt точкаконтакта 触点",
    ),
    "kind": _words(
        "kind event eventtype eventname activitytype action activity type ereignis aktion ereignistyp событие "
        "типсобытия действие 事件 事件类型 行为 行为类型",
    ),
    "value": _words(
        "value eventvalue wert значение 值",
    ),
    "due_at": _words(
        "dueat duedate promisedat orderestimateddeliverydate fälligam срок",
    ),
    "duration_s": _words(
        "durations durationseconds",
    ),
    "valid_from": _words(
        "validfrom gültigab действуетс",
    ),
    "cost_to_serve": _words(
        "costtoserve",
    ),
}
"""The columns of the contracts, and unit_price, which is none."""

TABLE_HINTS: Mapping[str, str] = {
    "answers": r"survey|umfrage|nps|csat|answer|antwort|review|feedback|опрос|отзыв|анкет|问卷|调查|评价|评论",
    "events": r"event|visit|ticket|deliver|log|click|session|ereignis|событи|визит|事件|访问",
    "customers": r"customer|client|kunde|member|contact|клиент|контрагент|покупател|客户|会员",
    "transactions": r"order|sale|transaction|invoice|payment|purchase|receipt|bestell|verkau|umsatz|rechnung|заказ"
    r"|продаж|чек|реализ|订单|销售|交易",
}
"""Parts of names of files and sheets, for regular expressions; a tie between tables is broken by them."""

TOTALS = (
    r"(?i)((grand |sub[ -]?)?totals?|итого|всего|(zwischen|gesamt|end)?summe|gesamt|合计|总计|小计|本页合计|sum|"
    r"totale|total général|suma)([\s:.,/-].{0,40})?"
)
"""What stands in a cell of a line of totals that has no time: the word, and what it is the total of."""


def fit(role: str, name: str) -> float:
    """Score from 0 to 1 how well a column's name fits a role."""
    # What stands in parentheses explains, and a currency is no part of a name: Total (incl. VAT), Netto CHF.
    bare = re.sub(r"[(（].*?[)）]", "", name).strip() or name
    bare = re.sub(rf"(?<=\w)[\s_]+({CODES})$", "", bare, flags=re.IGNORECASE)
    words, plain = ROLES[role], normalise_name(name)
    if not plain:
        return 0.0
    for written in (plain, normalise_name(bare), re.sub(r"[\s.,:;/()\[\]№#'\"€$£]+", "", plain)):
        if written in words.whole:
            return 1.0 - 0.3 * words.whole.index(written) / len(words.whole)
    plain = normalise_name(bare)
    if any(part in plain for part in words.never):
        return 0.0
    parts = [place for place, part in enumerate(words.parts) if part in plain]
    return 0.55 - 0.1 * parts[0] / len(words.parts) if parts else 0.0

"""Signs and codes of currencies that stand beside amounts."""

CODES = (
    "AED|AFN|ALL|AMD|ANG|AOA|ARS|AUD|AWG|AZN|BAM|BBD|BDT|BGN|BHD|BIF|BMD|BND|BOB|BRL|BSD|BTN|BWP|BYN|BZD|CAD|CDF|CHF|"
    "CLP|CNY|COP|CRC|CUP|CVE|CZK|DJF|DKK|DOP|DZD|EGP|ERN|ETB|EUR|FJD|FKP|GBP|GEL|GHS|GIP|GMD|GNF|GTQ|GYD|HKD|HNL|HRK|"
    "HTG|HUF|IDR|ILS|INR|IQD|IRR|ISK|JMD|JOD|JPY|KES|KGS|KHR|KMF|KPW|KRW|KWD|KYD|KZT|LAK|LBP|LKR|LRD|LSL|LYD|MAD|MDL|"
    "MGA|MKD|MMK|MNT|MOP|MRU|MUR|MVR|MWK|MXN|MYR|MZN|NAD|NGN|NIO|NOK|NPR|NZD|OMR|PAB|PEN|PGK|PHP|PKR|PLN|PYG|QAR|RON|"
    "RSD|RUB|RUR|RWF|SAR|SBD|SCR|SDG|SEK|SGD|SHP|SLE|SOS|SRD|SSP|STN|SVC|SYP|SZL|THB|TJS|TMT|TND|TOP|TRY|TTD|TWD|TZS|"
    "UAH|UGX|USD|UYU|UZS|VES|VND|VUV|WST|XAF|XCD|XOF|XPF|YER|ZAR|ZMW|ZWL"
)
"""ISO 4217 codes, as alternatives of a regular expression."""

WORDS = {
    "kč": "CZK",
    "zł": "PLN",
    "ft": "HUF",
    "руб.": "RUB",
    "руб": "RUB",
    "р.": "RUB",
    "грн.": "UAH",
    "грн": "UAH",
    "лв.": "BGN",
    "лв": "BGN",
    "тг": "KZT",
    "tl": "TRY",
    "lei": "RON",
    "r$": "BRL",
    "rm": "MYR",
    "rp": "IDR",
    "fr.": "CHF",
    "euro": "EUR",
    "us$": "USD",
    "a$": "AUD",
    "c$": "CAD",
    "ca$": "CAD",
    "hk$": "HKD",
    "nz$": "NZD",
    "s$": "SGD",
    "€": "EUR",
    "£": "GBP",
    "₽": "RUB",
    "₹": "INR",
    "₺": "TRY",
    "₴": "UAH",
    "₩": "KRW",
    "₪": "ILS",
    "₫": "VND",
    "₸": "KZT",
    "₱": "PHP",
    "₦": "NGN",
    "rur": "RUB",
    # These are of several currencies: only the sign is said.
    "kr.": "kr",
    "kr": "kr",
    "rs.": "Rs",
    "rs": "Rs",
}
"""Signs and words in lower case -> the code they mean."""

CURRENCY = (
    "(?i:"
    + "|".join(
        word.replace(".", r"\.").replace("$", r"\$") for word in sorted(WORDS, key=len, reverse=True) if word.isascii()
    )
    + r"|kč|zł|руб\.?|р\.|грн\.?|лв\.?|тг|"
    + CODES
    + r")|\p{Sc}"
)
"""What a currency may be written as, for a regular expression."""

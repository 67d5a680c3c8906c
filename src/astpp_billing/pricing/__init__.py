"""What a call costs: rates, rate tables, the price and its inverse, the cascade through the resellers."""

from astpp_billing.pricing.cascade import Cascade
from astpp_billing.pricing.explain import Explanation, explain, explain_level
from astpp_billing.pricing.price import Terms, max_seconds, price
from astpp_billing.pricing.priced import (
    Bag,
    Commission,
    CommissionTerms,
    Level,
    LevelTerms,
    NotPriced,
    NotPricedReason,
    PathTerms,
    PricedCall,
)
from astpp_billing.pricing.rates import Rate, RateGroup
from astpp_billing.pricing.table import RateTable, Tariff

__all__ = [
    "Bag",
    "Cascade",
    "Commission",
    "CommissionTerms",
    "Explanation",
    "Level",
    "LevelTerms",
    "NotPriced",
    "NotPricedReason",
    "PathTerms",
    "PricedCall",
    "Rate",
    "RateGroup",
    "RateTable",
    "Tariff",
    "Terms",
    "explain",
    "explain_level",
    "max_seconds",
    "price",
]

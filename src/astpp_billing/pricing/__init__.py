"""What calls and products cost: rates, the price and its inverse, listings, the cascade through the resellers."""

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
from astpp_billing.pricing.products import (
    AgreedCommission,
    AgreedLevel,
    Agreement,
    Allowance,
    Category,
    Direction,
    Listing,
    NotOffered,
    NotOfferedReason,
    Product,
    ProductStatus,
    ProductVersion,
    Recurrence,
    Unit,
)
from astpp_billing.pricing.rates import Rate, RateGroup
from astpp_billing.pricing.table import RateTable, Tariff

__all__ = [
    "AgreedCommission",
    "AgreedLevel",
    "Agreement",
    "Allowance",
    "Bag",
    "Cascade",
    "Category",
    "Commission",
    "CommissionTerms",
    "Direction",
    "Explanation",
    "Level",
    "LevelTerms",
    "Listing",
    "NotOffered",
    "NotOfferedReason",
    "NotPriced",
    "NotPricedReason",
    "PathTerms",
    "PricedCall",
    "Product",
    "ProductStatus",
    "ProductVersion",
    "Rate",
    "RateGroup",
    "RateTable",
    "Recurrence",
    "Tariff",
    "Terms",
    "Unit",
    "explain",
    "explain_level",
    "max_seconds",
    "price",
]

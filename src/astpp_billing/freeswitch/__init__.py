"""FreeSWITCH: reads the call records of mod_json_cdr and mod_xml_cdr.

    match read_body(body, query=query, options=ReadOptions(access_prefixes=("bs",))):
        case Billable(record): ...                  # settle it
        case NotBillable(reason, switch_id, leg_uuid): ...    # understood, and not to be charged

Pure functions: no socket and no file is opened here. Reading XML needs the extra `freeswitch`; importing does not.
"""

from astpp_billing.freeswitch.options import NumberFrom, ReadOptions
from astpp_billing.freeswitch.outcome import Billable, NotBillable, NotBillableReason, Outcome
from astpp_billing.freeswitch.reader import read_body, read_file

__all__ = [
    "Billable",
    "NotBillable",
    "NotBillableReason",
    "NumberFrom",
    "Outcome",
    "ReadOptions",
    "read_body",
    "read_file",
]

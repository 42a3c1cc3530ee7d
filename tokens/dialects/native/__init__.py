"""The portal's own API (wire.md, sections 1 and 7): problem details in, problem details out. One file a resource."""

from tokens.dialects.native.door import NativeDoor, NothingHere
from tokens.dialects.native.redeem import RedeemToken, redeem_at_once, told

__all__ = ["NativeDoor", "NothingHere", "RedeemToken", "redeem_at_once", "told"]

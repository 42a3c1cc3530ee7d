"""How agents get in: login tokens, keys, issuing and redeeming, the pop, the launcher, one file a wire format."""

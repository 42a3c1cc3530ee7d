"""OpenID Connect and OAuth 2.0 (wire.md, section 6): agents are the subjects, clients' systems the relying parties."""

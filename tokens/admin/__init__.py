"""Back office: relying parties, credentials, address lists; tokens, families and signing keys to look at."""

from tokens.admin import credentials, records, relying_parties

__all__ = ["credentials", "records", "relying_parties"]

"""The message bus (wire.md, section 5): a page in a frame of the host's, and what its script asks of the portal."""

"""Administrators and how they sign in; the audit log; lock-out and throttles."""

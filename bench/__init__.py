"""Measurements that can be repeated. Nothing here is part of the running portal."""

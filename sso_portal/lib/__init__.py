"""Leaf modules that know nothing of groups, agents or tokens."""

"""`make bench`: measurements that can be repeated (docs/performance.md). Nothing here is part of the running portal."""

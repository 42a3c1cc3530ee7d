"""What an administrator manages: groups, clients, entitlements, agents and their sessions; the group's own door."""

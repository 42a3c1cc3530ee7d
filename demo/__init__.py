"""The demo: a CRM that agents are signed in to, and the command that starts it beside the portal."""

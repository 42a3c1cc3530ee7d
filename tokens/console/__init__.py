"""The console's pages on what software needs: they know keys and logins, which the pages on people do not."""

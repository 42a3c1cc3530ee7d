"""The portal's wiring: settings, addresses, middleware, start-up checks."""

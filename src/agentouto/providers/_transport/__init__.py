"""HTTP for every wire format: sessions, retries, server-sent events, downloads, keys."""

"""A storm over a depot: what breaks (weather), the links that lie (proxy), who had what (account) and
what must be shown in the end (merge)."""

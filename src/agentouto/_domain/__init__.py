"""The words of the protocol: frozen data that knows nothing of models, networks or tasks."""

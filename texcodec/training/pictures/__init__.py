"""Model sets: ``command`` -> ``pipeline`` -> stages that train a ``codec`` -> ``export`` -> ``selfcheck``."""

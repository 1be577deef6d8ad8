"""Feature sets: ``command`` -> samples -> task networks -> ``codec`` -> ``export`` -> ``selfcheck``."""

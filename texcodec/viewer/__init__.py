"""The viewer in the browser: model sets packed for it, and the server of ``texcodec view``."""

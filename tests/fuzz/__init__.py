"""Fuzzing of everything that reads bytes of others (docs/trust.md, "Fuzzing").

    cd tests && PYTHONPATH=.. python -m fuzz TARGET [options of libFuzzer]

    rules      what must hold for every input
    repair     checksums and lengths put right again, so that changed files reach what lies behind them
    mutators   changes that know the structure: fields, chunks, protobuf, JSON
    seeds      the first inputs of every target
    targets    what an input is given to; one module each kind
    kept       inputs that earlier runs found worth keeping
    __main__   the run of one target, by atheris; minute runs all of them for a while

``corpus`` has a ZIP file a target, ``regressions`` a folder a target; ``test_fuzz.py`` runs both without atheris.
"""

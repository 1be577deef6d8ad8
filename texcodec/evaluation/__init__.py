"""Comparing texcodec with other codecs on actual files.

    pictures    files and folders -> RGB samples, one layout that every codec takes
    adapters    codecs: RGB samples and a quality -> the bytes of a file, and back
    ms_ssim     the one metric that is computed here
    metrics     original and decoded samples -> numbers
    journal     what was measured, kept as it comes, so that a stop loses nothing
    measure     (picture, codec, quality) -> bytes, seconds and metrics; many of them, several at a time
    curves      means over the pictures, and curves given as files
    bdrate      two curves -> per cent
    crops       regions of a few pictures, side by side at about equal bits
    report      all of it as one JSON value
    tables      the JSON value -> titled tables, which report_html and report_markdown write down
    plots       the JSON value -> pictures of curves
    folder      where all of it is written
    run         the whole of it, from names to the report

Data flows from the top to the bottom. Needs ``pip install "texcodec[evaluate]"``.
"""

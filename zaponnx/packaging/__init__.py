"""Packages: a model at one or more operating points, with all that it takes to run, check and trust it.

    models, measured results ──pack──▶ package ──verify──▶ what it was checked with
    package ──unpack──▶ a directory
    packages ──zoo add──▶ index ──zoo get──▶ package

`docs/packages.md` specifies the format, and what is refused.
"""

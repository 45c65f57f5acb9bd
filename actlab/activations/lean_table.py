"""Fits made by `actlab.gradients.fit_lean`, written by ``python experiments/fits/lean.py``; not edited by hand."""

from __future__ import annotations

from actlab.gradients import LeanFit

FITS: dict[str, LeanFit] = {}

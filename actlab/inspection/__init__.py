"""Trained language models, looked into while they write."""

from actlab.inspection.architecture import Architecture as Architecture

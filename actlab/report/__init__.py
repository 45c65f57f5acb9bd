"""What a person looks at after a run: one self-contained page, or a picture of the same charts."""

from actlab.report.page import write_report as write_report
from actlab.report.picture import write_png as write_png
from actlab.report.verdict import verdict as verdict

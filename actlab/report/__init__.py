"""What a person looks at: self-contained pages of a run and of all activations, pictures, tables, datasheets."""

from actlab.report.gallery import write_gallery as write_gallery
from actlab.report.page import write_report as write_report
from actlab.report.picture import write_png as write_png
from actlab.report.verdict import verdict as verdict

"""What goes wrong in training, told from a run's records: named findings with evidence and what to try."""

from actlab.stability.diagnosis import diagnose as diagnose
from actlab.stability.diagnosis import findings as findings
from actlab.stability.finding import Diagnosis as Diagnosis
from actlab.stability.finding import Finding as Finding

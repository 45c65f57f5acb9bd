"""What goes wrong in training, told from a run's records: events, and named findings with what to try."""

from actlab.stability.detect import detect as detect
from actlab.stability.detectors import Event as Event
from actlab.stability.detectors import divergence as divergence
from actlab.stability.detectors import gradient_spikes as gradient_spikes
from actlab.stability.detectors import loss_spikes as loss_spikes
from actlab.stability.detectors import plateaus as plateaus
from actlab.stability.diagnosis import diagnose as diagnose
from actlab.stability.diagnosis import findings as findings
from actlab.stability.drift import edge_of_stability as edge_of_stability
from actlab.stability.drift import entropy_collapse as entropy_collapse
from actlab.stability.drift import logit_drift as logit_drift
from actlab.stability.finding import Diagnosis as Diagnosis
from actlab.stability.finding import Finding as Finding
from actlab.stability.sensitivity import learning_rate_sensitivity as learning_rate_sensitivity
from actlab.stability.trend import Trend as Trend
from actlab.stability.trend import trend as trend

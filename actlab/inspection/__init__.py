"""Trained language models, looked into while they write: `load` one, `generate`, change it and look again."""

from actlab.inspection.architecture import Architecture as Architecture
from actlab.inspection.capture import PLAIN as PLAIN
from actlab.inspection.capture import Capture as Capture
from actlab.inspection.checkpoint import Checkpoint as Checkpoint
from actlab.inspection.language_model import LanguageModel as LanguageModel
from actlab.inspection.language_model import load as load
from actlab.inspection.load import read_checkpoint as read_checkpoint
from actlab.inspection.sampling import Sampling as Sampling
from actlab.inspection.tokenizer import Tokenizer as Tokenizer
from actlab.inspection.trace import Site as Site
from actlab.inspection.trace import Trace as Trace
from actlab.inspection.trace import join as join

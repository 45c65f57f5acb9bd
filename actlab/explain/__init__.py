"""What a unit of a trained model looks for: activation maximisation, and the data that it answers to most."""

from actlab.explain.canvas import Canvas as Canvas
from actlab.explain.canvas import canvas as canvas
from actlab.explain.examples import Examples as Examples
from actlab.explain.examples import strongest as strongest
from actlab.explain.maximise import Optimum as Optimum
from actlab.explain.maximise import Recipe as Recipe
from actlab.explain.maximise import maximise as maximise
from actlab.explain.passages import Passages as Passages
from actlab.explain.passages import passages as passages
from actlab.explain.subject import Subject as Subject
from actlab.explain.target import Target as Target
from actlab.explain.target import channels as channels
from actlab.explain.target import classes as classes
from actlab.explain.target import directions as directions
from actlab.explain.target import neurons as neurons
from actlab.explain.transforms import Transforms as Transforms

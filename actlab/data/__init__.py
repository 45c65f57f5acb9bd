"""Data sets, on the device or streamed from disk, and the order in which batches are drawn from them."""

from actlab.data.adapters import from_arrays as from_arrays
from actlab.data.adapters import from_iterable as from_iterable
from actlab.data.batches import batch_indices as batch_indices
from actlab.data.cache import cache_dir as cache_dir
from actlab.data.coordinates import picture as picture
from actlab.data.coordinates import psnr as psnr
from actlab.data.coordinates import signal as signal
from actlab.data.dataset import Dataset as Dataset
from actlab.data.digits import digits as digits
from actlab.data.files import from_file as from_file
from actlab.data.images import Photo as Photo
from actlab.data.images import bundled_photos as bundled_photos
from actlab.data.images import read_photos as read_photos
from actlab.data.mnist1d import mnist1d as mnist1d
from actlab.data.planar import checkerboard as checkerboard
from actlab.data.planar import moons as moons
from actlab.data.planar import rings as rings
from actlab.data.planar import spirals as spirals
from actlab.data.rows import Rows as Rows
from actlab.data.stream import Stream as Stream
from actlab.data.tabular import breast_cancer as breast_cancer
from actlab.data.tabular import diabetes as diabetes
from actlab.data.tabular import iris as iris
from actlab.data.tabular import wine as wine
from actlab.data.text import text as text

"""Data sets small enough to live on the device, and the order in which batches are drawn from them."""

from actlab.data.batches import batch_indices as batch_indices
from actlab.data.cache import cache_dir as cache_dir
from actlab.data.dataset import Dataset as Dataset
from actlab.data.digits import digits as digits
from actlab.data.images import Photo as Photo
from actlab.data.images import bundled_photos as bundled_photos
from actlab.data.images import read_photos as read_photos
from actlab.data.mnist1d import mnist1d as mnist1d
from actlab.data.planar import checkerboard as checkerboard
from actlab.data.planar import moons as moons
from actlab.data.planar import rings as rings
from actlab.data.planar import spirals as spirals
from actlab.data.text import text as text

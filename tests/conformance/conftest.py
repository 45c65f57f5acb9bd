import os

os.environ.setdefault("KERAS_BACKEND", "jax")  # before keras is first imported

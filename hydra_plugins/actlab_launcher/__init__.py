"""What actlab adds to Hydra: the launcher ``vmap`` and the sweeper ``list``. Loads nothing but Hydra."""

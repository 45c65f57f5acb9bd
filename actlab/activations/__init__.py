"""Activation functions: one family per file, and the list below is the registry.

A function that is not listed here cannot be named in a config. An alias is listed beside its function.
"""

from actlab.activations.act import Act as Act
from actlab.activations.act import make as make
from actlab.activations.act import names as names
from actlab.activations.act import registry as registry
from actlab.activations.algebraic import arcsinh as arcsinh
from actlab.activations.algebraic import arctan as arctan
from actlab.activations.algebraic import elliott as elliott
from actlab.activations.algebraic import soft_sign as soft_sign
from actlab.activations.algebraic import softsign as softsign
from actlab.activations.algebraic import symlog as symlog
from actlab.activations.algebraic_units import bent_identity as bent_identity
from actlab.activations.algebraic_units import isrlu as isrlu
from actlab.activations.algebraic_units import smelu as smelu
from actlab.activations.algebraic_units import sparse_plus as sparse_plus
from actlab.activations.algebraic_units import squareplus as squareplus
from actlab.activations.attention import quiet_softmax as quiet_softmax
from actlab.activations.attention import scalable_softmax as scalable_softmax
from actlab.activations.attention import sigmoid_attention as sigmoid_attention
from actlab.activations.attention import softmax_one as softmax_one
from actlab.activations.attention import softmax_sink as softmax_sink
from actlab.activations.attention import softpick as softpick
from actlab.activations.blend import abu as abu
from actlab.activations.blend import taaf as taaf
from actlab.activations.chebyshev import kan_chebyshev as kan_chebyshev
from actlab.activations.complex_valued import complex_crelu as complex_crelu
from actlab.activations.complex_valued import mod_relu as mod_relu
from actlab.activations.complex_valued import wire_gabor as wire_gabor
from actlab.activations.concrete import bernoulli_st as bernoulli_st
from actlab.activations.concrete import binary_concrete as binary_concrete
from actlab.activations.concrete import gumbel_softmax as gumbel_softmax
from actlab.activations.concrete import hard_concrete as hard_concrete
from actlab.activations.conditioned import dynamic_relu as dynamic_relu
from actlab.activations.conditioned import fourier_features as fourier_features
from actlab.activations.conditioned import funnel_relu as funnel_relu
from actlab.activations.conditioned import meta_acon as meta_acon
from actlab.activations.equivalences import equivalences as equivalences
from actlab.activations.exponential_bends import elish as elish
from actlab.activations.exponential_bends import serlu as serlu
from actlab.activations.exponential_bends import soft_exponential as soft_exponential
from actlab.activations.exponential_bends import xielu as xielu
from actlab.activations.exponential_units import celu as celu
from actlab.activations.exponential_units import elu as elu
from actlab.activations.exponential_units import mpelu as mpelu
from actlab.activations.exponential_units import pelu as pelu
from actlab.activations.exponential_units import selu as selu
from actlab.activations.gated_blend import acon_c as acon_c
from actlab.activations.gated_blend import aptx as aptx
from actlab.activations.gated_blend import expanded_silu as expanded_silu
from actlab.activations.gated_blend import xsilu as xsilu
from actlab.activations.gated_tanh import expexpish as expexpish
from actlab.activations.gated_tanh import golu as golu
from actlab.activations.gated_tanh import lisht as lisht
from actlab.activations.gated_tanh import logish as logish
from actlab.activations.gated_tanh import self_scalable_tanh as self_scalable_tanh
from actlab.activations.gated_tanh import smish as smish
from actlab.activations.gated_tanh import stan as stan
from actlab.activations.gated_tanh import tanhexp as tanhexp
from actlab.activations.gated_tanh import telu as telu
from actlab.activations.gelu import gelu as gelu
from actlab.activations.gelu import gelu_erf as gelu_erf
from actlab.activations.gelu import gelu_exact as gelu_exact
from actlab.activations.gelu import gelu_new as gelu_new
from actlab.activations.gelu import gelu_pytorch_tanh as gelu_pytorch_tanh
from actlab.activations.gelu import gelu_tanh as gelu_tanh
from actlab.activations.gelu import sielu as sielu
from actlab.activations.glu import bilinear_glu as bilinear_glu
from actlab.activations.glu import drelu_glu as drelu_glu
from actlab.activations.glu import geglu as geglu
from actlab.activations.glu import geglu_tanh as geglu_tanh
from actlab.activations.glu import glu as glu
from actlab.activations.glu import reglu as reglu
from actlab.activations.glu import split_gate as split_gate
from actlab.activations.glu import swiglu as swiglu
from actlab.activations.glu_bounded import clamped_swiglu as clamped_swiglu
from actlab.activations.glu_bounded import gated_tanh_unit as gated_tanh_unit
from actlab.activations.glu_bounded import gtu as gtu
from actlab.activations.glu_bounded import situ_glu as situ_glu
from actlab.activations.glu_bounded import swiglu_clamped as swiglu_clamped
from actlab.activations.glu_bounded import swiglu_oai as swiglu_oai
from actlab.activations.glu_bounded import swiglu_step as swiglu_step
from actlab.activations.hard_gated import flatten_t_swish as flatten_t_swish
from actlab.activations.hard_gated import hard_silu as hard_silu
from actlab.activations.hard_gated import hard_swish as hard_swish
from actlab.activations.hard_saturating import hard_sigmoid as hard_sigmoid
from actlab.activations.hard_saturating import hard_sigmoid_bnn as hard_sigmoid_bnn
from actlab.activations.hard_saturating import hard_tanh as hard_tanh
from actlab.activations.hard_saturating import sparse_sigmoid as sparse_sigmoid
from actlab.activations.hard_saturating import sqnl as sqnl
from actlab.activations.hinges import apl as apl
from actlab.activations.hinges import aplu as aplu
from actlab.activations.hinges import pwlu as pwlu
from actlab.activations.isru import dyisru as dyisru
from actlab.activations.isru import isru as isru
from actlab.activations.lean import lean as lean
from actlab.activations.multi_input import celu_concat as celu_concat
from actlab.activations.multi_input import concat_elu as concat_elu
from actlab.activations.multi_input import crelu as crelu
from actlab.activations.multi_input import kwta as kwta
from actlab.activations.multi_input import maxout as maxout
from actlab.activations.multi_input import topk_relu as topk_relu
from actlab.activations.normal import derf as derf
from actlab.activations.normal import erf as erf
from actlab.activations.normal import normal_cdf as normal_cdf
from actlab.activations.normal import probit as probit
from actlab.activations.normal_gates import expanded_gelu as expanded_gelu
from actlab.activations.normal_gates import gelu_sine as gelu_sine
from actlab.activations.normal_gates import phish as phish
from actlab.activations.normal_gates import serf as serf
from actlab.activations.normal_gates import xgelu as xgelu
from actlab.activations.normalizing import log_softmax as log_softmax
from actlab.activations.normalizing import logsumexp as logsumexp
from actlab.activations.normalizing import softmax as softmax
from actlab.activations.normalizing import softmax_temperature as softmax_temperature
from actlab.activations.normalizing import softmin as softmin
from actlab.activations.norms import poly_norm as poly_norm
from actlab.activations.norms import rms_norm as rms_norm
from actlab.activations.norms import rms_norm_act as rms_norm_act
from actlab.activations.oscillatory import cos as cos
from actlab.activations.oscillatory import finer as finer
from actlab.activations.oscillatory import gcu as gcu
from actlab.activations.oscillatory import sin as sin
from actlab.activations.oscillatory import sinc as sinc
from actlab.activations.oscillatory import siren_sine as siren_sine
from actlab.activations.oscillatory_gated import sinlu as sinlu
from actlab.activations.piecewise import abs as abs
from actlab.activations.piecewise import modulus as modulus
from actlab.activations.piecewise import n_activation as n_activation
from actlab.activations.piecewise import rprelu as rprelu
from actlab.activations.piecewise import s_shaped_relu as s_shaped_relu
from actlab.activations.piecewise import vrelu as vrelu
from actlab.activations.polynomial import exponential as exponential
from actlab.activations.polynomial import identity as identity
from actlab.activations.polynomial import linear as linear
from actlab.activations.polynomial import poly_relu as poly_relu
from actlab.activations.polynomial import slaf as slaf
from actlab.activations.polynomial import square as square
from actlab.activations.polynomial import symexp as symexp
from actlab.activations.quantizers import pact as pact
from actlab.activations.quantizers import quantized_relu_ste as quantized_relu_ste
from actlab.activations.quantizers import relu_sugar as relu_sugar
from actlab.activations.quantizers import round_ste as round_ste
from actlab.activations.radial import gabor_real as gabor_real
from actlab.activations.radial import gaussian as gaussian
from actlab.activations.radial import gaussian_sigma as gaussian_sigma
from actlab.activations.radial import mexican_hat as mexican_hat
from actlab.activations.radial import ricker as ricker
from actlab.activations.rational import kan_rational as kan_rational
from actlab.activations.rational import pade_a as pade_a
from actlab.activations.rational import pade_b as pade_b
from actlab.activations.rational import rational_free as rational_free
from actlab.activations.rectified import brelu as brelu
from actlab.activations.rectified import clipped_relu as clipped_relu
from actlab.activations.rectified import leaky_relu as leaky_relu
from actlab.activations.rectified import prelu as prelu
from actlab.activations.rectified import relu as relu
from actlab.activations.rectified import relu2 as relu2
from actlab.activations.rectified import relu6 as relu6
from actlab.activations.rectified import relu_n as relu_n
from actlab.activations.rectified import relu_squared as relu_squared
from actlab.activations.rectified import squared_relu as squared_relu
from actlab.activations.rectified import star_relu as star_relu
from actlab.activations.references import cite as cite
from actlab.activations.saturating import expit as expit
from actlab.activations.saturating import log_sigmoid as log_sigmoid
from actlab.activations.saturating import logistic as logistic
from actlab.activations.saturating import sigmoid as sigmoid
from actlab.activations.saturating import soft_clipping as soft_clipping
from actlab.activations.saturating import tanh as tanh
from actlab.activations.selfgated import acon_a as acon_a
from actlab.activations.selfgated import gelu_sigmoid as gelu_sigmoid
from actlab.activations.selfgated import mish as mish
from actlab.activations.selfgated import quick_gelu as quick_gelu
from actlab.activations.selfgated import silu as silu
from actlab.activations.selfgated import swish as swish
from actlab.activations.selfgated import swish_1 as swish_1
from actlab.activations.shrinkage import hard_shrink as hard_shrink
from actlab.activations.shrinkage import soft_shrink as soft_shrink
from actlab.activations.shrinkage import tanh_shrink as tanh_shrink
from actlab.activations.silu_variants import aglu as aglu
from actlab.activations.silu_variants import aglu_gate as aglu_gate
from actlab.activations.silu_variants import bsilu as bsilu
from actlab.activations.silu_variants import dsilu as dsilu
from actlab.activations.silu_variants import softclamp_silu as softclamp_silu
from actlab.activations.slow_gates import atlu as atlu
from actlab.activations.slow_gates import cauchy_lu as cauchy_lu
from actlab.activations.slow_gates import expanded_atlu as expanded_atlu
from actlab.activations.slow_gates import soft_root_sign as soft_root_sign
from actlab.activations.slow_gates import srs as srs
from actlab.activations.slow_gates import xatlu as xatlu
from actlab.activations.smooth import shifted_softplus as shifted_softplus
from actlab.activations.smooth import softplus as softplus
from actlab.activations.smooth_max import smu as smu
from actlab.activations.smooth_max import smu_1 as smu_1
from actlab.activations.snakes import snake as snake
from actlab.activations.snakes import snake_beta as snake_beta
from actlab.activations.sorting import group_sort as group_sort
from actlab.activations.sorting import group_sort_2 as group_sort_2
from actlab.activations.sorting import householder_act as householder_act
from actlab.activations.sorting import max_min as max_min
from actlab.activations.sorting import oplu as oplu
from actlab.activations.sparse_softmax import entmax as entmax
from actlab.activations.sparse_softmax import entmax15 as entmax15
from actlab.activations.sparse_softmax import entmax_alpha as entmax_alpha
from actlab.activations.sparse_softmax import sparsemax as sparsemax
from actlab.activations.spec import Inexact as Inexact
from actlab.activations.spec import Interval as Interval
from actlab.activations.spec import Jump as Jump
from actlab.activations.spec import Kink as Kink
from actlab.activations.spec import Parameter as Parameter
from actlab.activations.spec import Spec as Spec
from actlab.activations.spec import activation as activation
from actlab.activations.spiking import spike_atan as spike_atan
from actlab.activations.spiking import spike_boxcar as spike_boxcar
from actlab.activations.spiking import spike_erf as spike_erf
from actlab.activations.spiking import spike_fast_sigmoid as spike_fast_sigmoid
from actlab.activations.spiking import spike_gaussian as spike_gaussian
from actlab.activations.spiking import spike_piecewise_exp as spike_piecewise_exp
from actlab.activations.spiking import spike_rectangular as spike_rectangular
from actlab.activations.spiking import spike_sigmoid as spike_sigmoid
from actlab.activations.spiking import spike_soft_sign as spike_soft_sign
from actlab.activations.spiking import spike_straight_through as spike_straight_through
from actlab.activations.spiking import spike_triangular as spike_triangular
from actlab.activations.spline import kaf as kaf
from actlab.activations.spline import kan_bspline as kan_bspline
from actlab.activations.spline import kan_rbf as kan_rbf
from actlab.activations.stochastic import noisy_relu as noisy_relu
from actlab.activations.stochastic import prob_act as prob_act
from actlab.activations.stochastic import rrelu as rrelu
from actlab.activations.straight_through import binary_ste as binary_ste
from actlab.activations.straight_through import bireal_approx_sign as bireal_approx_sign
from actlab.activations.straight_through import heaviside as heaviside
from actlab.activations.straight_through import heaviside_ste as heaviside_ste
from actlab.activations.straight_through import identity_ste as identity_ste
from actlab.activations.straight_through import rsign as rsign
from actlab.activations.straight_through import sign as sign
from actlab.activations.straight_through import sign_ste as sign_ste
from actlab.activations.straight_through import ternary_ste as ternary_ste
from actlab.activations.tanhs import adaptive_slope_tanh as adaptive_slope_tanh
from actlab.activations.tanhs import dyt as dyt
from actlab.activations.tanhs import lecun_tanh as lecun_tanh
from actlab.activations.tanhs import penalized_tanh as penalized_tanh
from actlab.activations.tanhs import scaled_tanh as scaled_tanh
from actlab.activations.tanhs import soft_cap as soft_cap
from actlab.activations.thresholds import fatrelu as fatrelu
from actlab.activations.thresholds import jump_relu as jump_relu
from actlab.activations.thresholds import threshold as threshold
from actlab.activations.thresholds import thresholded_relu as thresholded_relu
from actlab.activations.thresholds import trec as trec
from actlab.activations.trial import check as check
from actlab.activations.uaf import uaf as uaf

# For `from actlab.activations import *`: all of the above, without the family files.
__all__ = [
    "Act",
    "Inexact",
    "Interval",
    "Jump",
    "Kink",
    "Parameter",
    "Spec",
    "activation",
    "check",
    "cite",
    "equivalences",
    "identity_ste",
    "lean",
    "make",
    "names",
    "registry",
    "split_gate",
]
__all__ += registry()

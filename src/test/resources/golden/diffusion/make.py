"""Writes case.json and expected.safetensors: schedulers' tables and whole trajectories.

  python make.py GUIDED_DIFFUSION    (a clone of openai/guided-diffusion)

Tables are read off diffusers' own step(): what it answers to 1 in one argument and 0 in the others,
in float64, so that only the rounding of its coefficients is left. Trajectories are float32, of 8
numbers, with a made-up model and noise that is written down.
"""

import json
import os
import subprocess
import sys

import diffusers
import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, FlowMatchEulerDiscreteScheduler
from diffusers.schedulers import scheduling_ddpm
from safetensors.torch import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
CLONE = sys.argv[1]
sys.path.insert(0, CLONE)
from guided_diffusion import gaussian_diffusion as gd  # noqa: E402
from guided_diffusion.respace import SpacedDiffusion, space_timesteps  # noqa: E402

torch.set_num_threads(1)
torch.set_grad_enabled(False)

SD = dict(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
COSINE = dict(beta_schedule="squaredcos_cap_v2", clip_sample=False)
DDPM = {
    "cosine-250": (250, dict(COSINE)),
    "cosine-50-trailing": (50, dict(COSINE, timestep_spacing="trailing",
                                    variance_type="fixed_large")),
    "cosine-clipped-50": (50, dict(COSINE, clip_sample=True, timestep_spacing="linspace")),
    "linear-20-learned": (20, dict(timestep_spacing="linspace", clip_sample=False,
                                   variance_type="learned_range")),
    "linear-1000": (1000, dict(clip_sample=False)),
    "sd-10-v": (10, dict(SD, prediction_type="v_prediction", steps_offset=1, clip_sample=False)),
    "linear-10-sample": (10, dict(prediction_type="sample", clip_sample_range=0.5)),
    "cosine-1": (1, dict(COSINE)),
}
DDIM = {
    "sd-50": (50, 0.0, dict(SD, steps_offset=1, clip_sample=False, set_alpha_to_one=False)),
    "sd-250-eta": (250, 0.7, dict(SD, clip_sample=False, prediction_type="v_prediction")),
    "linear-10-clipped": (10, 1.0, dict(prediction_type="sample")),
    "cosine-10-trailing": (10, 0.5, dict(COSINE, timestep_spacing="trailing")),
    "linear-50-linspace": (50, 0.0, dict(timestep_spacing="linspace", clip_sample_range=2.0)),
}
FLOW = {
    "plain-50": (50, dict(), None),
    "sd3-10": (10, dict(shift=3.0), None),
    "flux-50": (50, dict(use_dynamic_shifting=True, shift=3.0), 0.8),
    "linear-mu-10": (10, dict(use_dynamic_shifting=True, time_shift_type="linear"), 2.5),
    "plain-250": (250, dict(shift=1.7), None),
    "one": (1, dict(shift=3.0), None),
}
injected = []
scheduling_ddpm.randn_tensor = lambda shape, **_: injected[0].reshape(shape)


def model(x, t):
  """A model that nobody trained: float32 in, float32 out, in two operations."""
  return x * (float(t) / 1000.0) + 0.125


def table(step, timesteps, noisy):
  """[n, 6]: the picture from x and from o, the previous sample from x, o and noise."""
  one, zero = torch.ones(1, 1, 1, 1, dtype=torch.float64), torch.zeros(1, 1, 1, 1, dtype=torch.float64)
  rows = []
  for t in timesteps:
    x, x0 = step(zero, t, one, zero)
    o, o0 = step(one, t, zero, zero)
    n, _ = step(zero, t, zero, one) if noisy else (zero, zero)
    rows.append([float(v) for v in (x0, o0, x, o, n)])
  return torch.tensor(rows, dtype=torch.float64).to(torch.float32)


def trajectory(step, timesteps, start, noise, learned):
  x, seen = start.reshape(1, 8, 1, 1), []
  for i, t in enumerate(timesteps):
    o = model(x, t)
    if learned:
      o = torch.cat([o, (x * 0.25).clamp(-1, 1)], dim=1)
    x, _ = step(o, t, x, noise[i].reshape(1, 8, 1, 1))
    seen.append(x.reshape(8))
  return torch.stack(seen)[max(0, len(seen) - 10):]


generator = torch.Generator().manual_seed(11)
tensors = {"start": torch.randn(8, generator=generator),
           "noise": torch.randn(250, 8, generator=generator)}
facts = dict(diffusers=diffusers.__version__, torch=torch.__version__,
             guided_diffusion=subprocess.run(["git", "-C", CLONE, "rev-parse", "HEAD"], check=True,
                                             capture_output=True, text=True).stdout.strip(),
             ddpm={}, ddim={}, flow={}, guided={})

for name, (steps, config) in DDPM.items():
  learned = config.get("variance_type") == "learned_range"
  made, bare = DDPMScheduler(**config), DDPMScheduler(**dict(config, clip_sample=False))
  made.set_timesteps(steps)
  bare.set_timesteps(steps)

  def step(scheduler, o, t, x, n):
    injected[:] = [n]
    return scheduler.step(o, t, x, return_dict=False)

  key = "ddpm." + name
  tensors[key + ".timesteps"] = made.timesteps.float()
  tensors[key + ".alphas_cumprod"] = made.alphas_cumprod
  if learned:
    rows = [table(lambda o, t, x, n, v=v: step(bare, torch.cat([o, torch.full_like(o, v)], 1), t, x, n),
                  made.timesteps, True) for v in (-1.0, 0.3, 1.0)]
    tensors[key + ".table"] = rows[0]
    tensors[key + ".deviation"] = torch.stack([r[:, 4] for r in rows], 1).contiguous()
  else:
    tensors[key + ".table"] = table(lambda *a: step(bare, *a), made.timesteps, True)
  if steps <= 250:
    tensors[key + ".trajectory"] = trajectory(lambda *a: step(made, *a), made.timesteps,
                                              tensors["start"], tensors["noise"], learned)
  facts["ddpm"][name] = dict(steps=steps, config=config)

for name, (steps, eta, config) in DDIM.items():
  made, bare = DDIMScheduler(**config), DDIMScheduler(**dict(config, clip_sample=False))
  made.set_timesteps(steps)
  bare.set_timesteps(steps)

  def step(scheduler, o, t, x, n, eta=eta):
    return scheduler.step(o, t, x, eta=eta, variance_noise=n, return_dict=False)

  key = "ddim." + name
  tensors[key + ".timesteps"] = made.timesteps.float()
  tensors[key + ".table"] = table(lambda *a: step(bare, *a), made.timesteps, True)
  tensors[key + ".trajectory"] = trajectory(lambda *a: step(made, *a), made.timesteps,
                                            tensors["start"], tensors["noise"], False)
  facts["ddim"][name] = dict(steps=steps, eta=eta, config=config)

for name, (steps, config, mu) in FLOW.items():
  made = FlowMatchEulerDiscreteScheduler(**config)
  made.set_timesteps(steps, mu=mu)
  tensors[f"flow.{name}.sigmas"] = made.sigmas
  tensors[f"flow.{name}.timesteps"] = made.timesteps
  x, seen = tensors["start"], []
  for t in made.timesteps:
    x = made.step(model(x, t), t, x, return_dict=False)[0]
    seen.append(x)
  tensors[f"flow.{name}.trajectory"] = torch.stack(seen)[max(0, steps - 10):]
  facts["flow"][name] = dict(steps=steps, config=config, mu=mu)

chosen = FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True)
chosen.set_timesteps(sigmas=np.linspace(1.0, 1 / 28, 28), mu=1.15)
tensors["flow.chosen.sigmas"] = chosen.sigmas

# guided-diffusion's tables are float64 and do not pass through step().
for name, steps, betas, kind in (
    ("linear-20", 20, "linear", gd.ModelVarType.LEARNED_RANGE),
    ("cosine-250", 250, "cosine", gd.ModelVarType.FIXED_SMALL)):
  made = SpacedDiffusion(
      use_timesteps=space_timesteps(1000, str(steps)), betas=gd.get_named_beta_schedule(betas, 1000),
      model_mean_type=gd.ModelMeanType.EPSILON, model_var_type=kind, loss_type=gd.LossType.MSE)
  tensors[f"guided.{name}.timesteps"] = torch.tensor(made.timestep_map[::-1], dtype=torch.float32)
  tensors[f"guided.{name}.table"] = torch.tensor(np.stack(
      [made.sqrt_recip_alphas_cumprod, -made.sqrt_recipm1_alphas_cumprod,
       made.posterior_mean_coef1, made.posterior_mean_coef2,
       np.concatenate([[0], np.sqrt(made.posterior_variance[1:])]),
       made.posterior_log_variance_clipped, np.log(made.betas)], 1)[::-1].copy()).to(torch.float32)
  facts["guided"][name] = dict(steps=steps)

save_file({k: v.contiguous() for k, v in tensors.items()}, os.path.join(HERE, "expected.safetensors"))
with open(os.path.join(HERE, "case.json"), "w") as out:
  json.dump(facts, out, indent=1)
  out.write("\n")

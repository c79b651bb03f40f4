"""What was found in the authors' code after this project had called it unreadable, or had it otherwise."""

from __future__ import annotations

from pathlib import Path

import dfkd_ray

PACKAGE = Path(dfkd_ray.__file__).parent

# Methods that rest on papers, on summaries or on relatives alone: without a `Code:` line and without a mark `code`.
OF_NO_CODE = {
    "cae_dfkd": "its abstract and a review; what is borrowed is marked as a reconstruction",
    "cgdd": "its abstracts alone; what is borrowed is marked as a reconstruction",
    "cgdd_caltech101": "as cgdd",
    "dfkd_fgvc": "the paper's text; there is no official code",
    "two_stage": "our own",
    "fsc": "its abstract alone; what is borrowed is marked as a reconstruction",
    "mad": "summaries; what is borrowed is marked as a reconstruction",
    "muse": "its abstract alone; what is borrowed is marked as a reconstruction",
    "noise_kd": "a control, of no code",
    "prompt_dfd": "an abstract, and of a method for text; all else is marked as a reconstruction",
}

# (file of the package, what it said) -> why it may not say so. Line breaks and `#` count as one blank.
CONTRADICTED = {
    (
        "methods/dm_kd.yaml",
        "How the student learned could not be read",
    ): "zhengli97/DM-KD @bbab9ce scripts/imagenet_distill.sh and train_student.py: temperature, SGD, batch and epochs",
    ("methods/dm_kd.yaml", "the size of its images is a reconstruction"): "its README says 256 pixels",
    (
        "study/published/dm_kd.yaml",
        "the recipe of its students could not be read",
    ): "zhengli97/DM-KD @bbab9ce scripts/imagenet_distill.sh",
    (
        "parts/sources/latents.py",
        "which they are could not be read",
    ): "xhqi0109/DiffDFKD @0f6e50a helper/utils.py has the ten classical transforms",
    (
        "methods/zskt.yaml",
        "the code's generator starts from 10x10 and ends without a tanh",
    ): "polo5/ZeroShotKnowledgeTransfer @e24915d: it starts from 8x8 and ends in a BatchNorm with weights",
    (
        "methods/cmi.yaml",
        "at epochs 25, 30 and 35 of 40",
    ): "zju-vipa/CMI @9e79fa9 datafree_kd.py: a cosine to 0, the steps are commented out",
}

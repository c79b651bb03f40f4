"""Features in the plane, by t-SNE: what lies close together in them stays close."""

from __future__ import annotations

import torch
from torch import Tensor

from dfkd_ray.util.errors import MissingExtra

MOST = 2_000  # images
SEED = 0
_PERPLEXITY, _COMPONENTS = 30.0, 50


def plane(features: Tensor) -> Tensor:
    """(n, D) features to (n, 2) float32 points, the same for the same features and release of scikit-learn.

    t-SNE: van der Maaten and Hinton, JMLR 9, 2008, with a perplexity of 30 (a third of the others where there are
    fewer); as in section 4 there, more than 50 dimensions are brought down to 50 by PCA first. It begins at the first
    two principal components. Raises MissingExtra without scikit-learn.
    """
    try:
        from sklearn.decomposition import PCA
        from sklearn.manifold import TSNE
    except ImportError:
        raise MissingExtra("scikit-learn", "evaluation", "t-SNE of the features") from None
    values = features.double().cpu().numpy()
    if min(values.shape) > _COMPONENTS:
        values = PCA(_COMPONENTS, random_state=SEED).fit_transform(values)
    if float(values.std()) == 0.0:  # a network that sees nothing: one point
        return torch.zeros(len(values), 2)
    perplexity = min(_PERPLEXITY, max(1.0, (len(values) - 1) / 3))
    drawn = TSNE(2, perplexity=perplexity, init="pca", random_state=SEED).fit_transform(values)
    return torch.from_numpy(drawn).float()

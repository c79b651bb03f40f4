"""The registry that the files of nets fill: what is in it builds, and a name is one net's alone."""

from __future__ import annotations

import inspect

import pytest

import dfkd_ray.nets  # noqa: F401  fills the registry
from dfkd_ray.nets.builders import classifiers
from dfkd_ray.util.errors import UnknownName


@pytest.mark.parametrize("arch", list(classifiers))
def test_a_builder_takes_classes_and_channels_and_nothing_else_without_a_default(arch: str) -> None:
    needed = [
        parameter
        for parameter in inspect.signature(classifiers[arch]).parameters.values()
        if parameter.default is inspect.Parameter.empty
    ]
    assert [parameter.name for parameter in needed][:1] == ["classes"]
    assert len(needed) <= 2


def test_a_name_is_registered_once_and_an_unknown_one_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="net 'resnet8' is registered twice"):
        classifiers.register("resnet8")(lambda classes, channels: None)  # type: ignore[arg-type,return-value]
    with pytest.raises(UnknownName, match=r"unknown net 'resnet9'; did you mean 'resnet8'\? \(known: "):
        classifiers["resnet9"]

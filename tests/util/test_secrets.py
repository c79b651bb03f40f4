"""What a user typed, without the secrets in it: nothing secret stays, nothing else goes."""

from __future__ import annotations

import json
import shlex
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dfkd_ray.util.secrets import HIDDEN, redacted, redacted_command, redacted_facts

SECRET = st.text(string.ascii_letters + string.digits + "-_.~%+", min_size=8, max_size=40).map(lambda s: f"Zq{s}9")
IN_TEXT = (
    "dfkd-ray sweep a.yaml --token {}",
    "--token={} --seed 3",
    "--password '{}' and more",
    "--api-key {}",
    "HF_TOKEN={} dfkd-ray sweep",
    "env AWS_SECRET_ACCESS_KEY={} x",
    "WANDB_API_KEY='{}'",
    "https://user:{}@example.org/data.zip",
    "https://{}@example.org:8080/data.zip",
    "s3://key:{}@bucket/path",
    "https:/user:{}@example.org/what-a-path-makes-of-it",
    "https://example.org/a?token={}",
    "https://example.org/a?x=1&signature={}&y=2",
    "https://example.org/a?X-Amz-Credential={}&X-Amz-Date=20260101",
    "https://example.org/a?X-Amz-Security-Token={}#part",
    "https://store.example.org/c?sv=2026&sig={}",
    "https://store.example.org/c?X-Goog-Signature={}",
    "Authorization: Bearer {}",
    "could not read https://example.org/a?access_token={}: 403",
)
PLAIN = (
    "dfkd-ray sweep 'a b.yaml' --trials 2 --set schedule.epochs=1 --set student_loss.kd.temperature=4",
    "https://example.org/data.zip?version=3&name=monkeys",
    "/data/key=7/token=abc/images",
    "git@github.com:owner/name.git",
    "Which attention order, loss weights and temperature teach the best student?",
    "--author Smith --tokenizer small --design factorial",
    "teacher.key=3",
    "a trial takes 1 cpu; mail a@example.org",
)


@pytest.mark.parametrize("text", IN_TEXT)
@settings(max_examples=30)
@given(secret=SECRET)
def test_nothing_secret_stays_and_a_second_time_changes_nothing(text: str, secret: str) -> None:
    found = redacted(text.format(secret))
    assert secret not in found
    assert HIDDEN in found
    assert redacted(found) == found


@pytest.mark.parametrize("text", PLAIN)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redacted(text) == text


def test_what_stands_around_a_secret_stays() -> None:
    assert redacted("https://me:pw@host/a?x=1&token=abc&y=2#end --token abc -v") == (
        f"https://{HIDDEN}@host/a?x=1&token={HIDDEN}&y=2#end --token {HIDDEN} -v"
    )


@pytest.mark.parametrize(
    "form", ["hf_" + "a1" * 17, "ghp_" + "b2" * 18, "AKIA" + "C3D4" * 4, "eyJhbGciOiJI.eyJzdWIiOiIx.SflKxwRJSM"]
)
def test_tokens_of_a_known_form_are_hidden_wherever_they_stand(form: str) -> None:
    assert redacted(f"cp {form} there") == f"cp {HIDDEN} there"


WORDS = st.lists(st.text(string.ascii_lowercase + " '/.,:", max_size=8), max_size=3)


@given(SECRET, st.text(" '\"&;$", max_size=3), WORDS, WORDS)
def test_a_word_of_a_command_is_hidden_as_a_whole(secret: str, odd: str, before: list[str], after: list[str]) -> None:
    """Whatever quotes and blanks are in it; the other words come back out of the shell's own splitting."""
    value = f"{secret[:3]}{odd}{secret[3:]}"
    for words, hidden in (
        ([f"--password={value}"], [f"--password={HIDDEN}"]),
        (["--token", value], ["--token", HIDDEN]),
        ([f"MY_SECRET={value}"], [f"MY_SECRET={HIDDEN}"]),
    ):
        found = redacted_command([*before, *words, *after])
        assert shlex.split(found) == [*before, *hidden, *after]


def test_an_option_without_a_value_hides_no_other_option() -> None:
    assert redacted_command(["x", "--token", "--seed", "3"]) == "x --token --seed 3"


def test_plain_data_is_walked_through_and_stays_what_it_was() -> None:
    data = {"data": "s3://me:pw@bucket/x", "n": [1, 2.5, None, True], "deep": {"token": ["a", "HF_TOKEN=abc"]}}
    found = redacted_facts(data)
    assert found == {
        "data": f"s3://{HIDDEN}@bucket/x",
        "n": [1, 2.5, None, True],
        "deep": {"token": ["a", f"HF_TOKEN={HIDDEN}"]},
    }
    assert data["data"] == "s3://me:pw@bucket/x"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@given(JSON)
def test_any_plain_data_keeps_its_form(data: object) -> None:
    def form(value: object) -> object:
        if isinstance(value, dict):
            return {key: form(each) for key, each in value.items()}
        return [form(each) for each in value] if isinstance(value, list) else type(value)

    found = redacted_facts(data)
    assert form(found) == form(data)
    assert redacted_facts(json.loads(json.dumps(found))) == found

"""Threads of a pass: one for a small model, the process's own before and after."""

import pytest

torch = pytest.importorskip("torch")

from harness.detection.capture import threads  # noqa: E402


@pytest.fixture
def two_threads():
    had = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(had)


def test_a_small_model_has_one_thread_and_then_as_many_as_before(two_threads):
    model = torch.nn.Linear(4, 4)
    with threads.fitting_threads(model):
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    with pytest.raises(RuntimeError), threads.fitting_threads(model):
        raise RuntimeError
    assert torch.get_num_threads() == 2


def test_a_large_model_and_one_that_is_not_on_a_cpu_have_what_there_was(two_threads, monkeypatch):
    with threads.fitting_threads(torch.nn.Linear(4, 4, device="meta")):
        assert torch.get_num_threads() == 2
    monkeypatch.setattr(threads, "SMALL_BYTES", 8)
    with threads.fitting_threads(torch.nn.Linear(4, 4)):
        assert torch.get_num_threads() == 2

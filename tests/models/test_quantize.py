from harness.models.gguf_file import read_gguf


def test_x(tiny_model, tiny_gguf, tiny_q4):
    print(read_gguf(tiny_gguf))
    print(read_gguf(tiny_q4))

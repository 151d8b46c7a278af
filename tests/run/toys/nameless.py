"""A benchmark that forgot to say what it measures."""


def test_nameless(ab):
    ab.run()

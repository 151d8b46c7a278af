from collections import Counter

import pytest

from harness.extraction.retrieval.trials import zipf_trial
from harness.extraction.retrieval.words import documented_words, words


def test_chunks_and_queries_have_their_sizes():
    trial = zipf_trial(7, 30)
    assert [len(chunk) for chunk in trial.chunks] == [30] * 7
    assert [len(query) for query in trial.queries] == [45] * 12
    assert all(len(set(query)) == 45 for query in trial.queries)


def test_the_same_arguments_give_the_same_and_another_seed_another():
    assert zipf_trial(5, 20, seed=3) == zipf_trial(5, 20, seed=3)
    assert zipf_trial(5, 20, seed=3) != zipf_trial(5, 20, seed=4)


def test_the_first_ranks_are_frequent_as_zipf_says():
    counted = Counter(word for chunk in zipf_trial(200, 200).chunks for word in chunk)
    assert [word for word, _ in counted.most_common(3)] == ["w00000", "w00001", "w00002"]
    assert counted["w00000"] / counted["w00003"] == pytest.approx(4, rel=0.2)


def test_so_many_words_of_a_query_are_frequent_ones():
    for query in zipf_trial(1, 1).queries:
        assert sum(int(word[1:]) < 100 for word in query) == 15


def test_every_split_leaves_a_word_whole():
    (chunk,) = zipf_trial(1, 50).chunks
    assert words(" ".join(chunk)) == documented_words(" ".join(chunk)) == chunk

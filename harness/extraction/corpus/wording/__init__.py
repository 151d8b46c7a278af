"""The wording of the template families tuning, report and gate; tables only, in JSON.

`fields`: label, and sentences in usual terms, in a synonym's, without either; `no`: sentences that deny;
`foreign`: sentences in the family's other language; `choices`: ways to say a choice; `names`: ratios without
the test they belong to. `{v}` is the value, `{f}` the facility, `{n}` a number. No two families share a
sentence, nor five words in a row beside the terms of the trade.
"""

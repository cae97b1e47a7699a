"""What answers a request, with numpy and numba alone. ``artifact.py`` is the door: a model is loaded and asked there.

In the order in which a listing passes: a ``market`` is declared (``declaration``, ``coherence``); its ``rules`` read
cells (``cells``, ``rule_base``, ``stored_rules``); ``crossing`` derives, ``hashing`` and ``encoder`` encode, with
``scores``, ``local_scores`` and the ``price_index``; ``forest`` and ``estimate`` answer, ``comparables`` and
``explanation`` (with ``credit``, ``token_sources``) give reasons. Compiled loops are modules of their own: ``walk``,
``local_walk``, ``leaf_prices``, ``row_filling``, ``token_hashing``, ``shapley``.
"""

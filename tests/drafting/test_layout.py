"""Source that is laid out says what it was made from, within the lines' width."""

import ast
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from housing_assets.drafting.layout import Brackets, Comment, Quoted, lay_out, quote, tuple_of


@given(st.text())
def test_a_quoted_text_reads_back_as_it_was(text: str) -> None:
    assert ast.literal_eval(quote(text)) == text


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4), st.integers(0, 40))
def test_texts_of_any_length_read_back_and_fit(texts: list[str], indent: int) -> None:
    lines = list(lay_out(tuple_of("", *map(Quoted, texts)), indent))

    assert ast.literal_eval("\n".join(lines).strip()) == tuple(texts)
    assert max(map(len, lines)) <= 120


@given(st.text())
def test_a_comment_is_nothing_but_comments(text: str) -> None:
    assert all(line.startswith("    # ") and len(line) <= 120 for line in lay_out(Comment(text), 4))


def test_it_is_as_the_formatter_has_it() -> None:
    words = [f"word{number}" for number in range(30)]
    items = (
        "name='mine'".replace("'", '"'),
        Comment("what follows is long " * 12),
        tuple_of("few=", *map(quote, words[:3])),
        tuple_of("a_line=", *map(quote, words[:10])),
        tuple_of("many=", *map(quote, words)),
        tuple_of("one=", Brackets("Column", (Quoted("x" * 150), Quoted('it\'s "so"'), tuple_of("", quote("y" * 90))))),
        Brackets("call=Grid", (quote("a" * 70), quote("b" * 60))),
        tuple_of("wide=", *(quote("面積" * 9) for _ in range(3))),
    )
    text = "\n".join(lay_out(Brackets("MARKET = Market", items))) + "\n"

    ended = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "-", "--stdin-filename", "mine.py"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )

    assert ended.stdout == text

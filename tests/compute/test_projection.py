import json

from benchmarks.scale.projection import MEASURED, PAGE, limits, page, steps


def test_the_page_is_computed_from_what_was_measured():
    assert PAGE.read_text(encoding="utf-8") == page(json.loads(MEASURED.read_text(encoding="utf-8")))


def test_every_run_that_was_measured_has_the_same_digests():
    digests = {(run["rows"], json.dumps(run["digests"])) for run in json.loads(MEASURED.read_text())["runs"]}
    assert len(digests) == len({rows for rows, _ in digests})


def test_ten_times_the_rows_cost_ten_times_as_much_and_trees_a_little_more():
    measured = json.loads(MEASURED.read_text(encoding="utf-8"))
    few, many = steps(measured, 10**6), steps(measured, 10**7)
    assert all(9.99 < many[step] / few[step] < (12 if "trees" in step else 10.01) for step in few)
    assert [each.rows for each in limits(measured["units"])] == sorted(each.rows for each in limits(measured["units"]))

#!/usr/bin/python3
"""The judge of traces must be able to fail."""

import unittest

from check_trace import read

MADE = '{"ev":"made","gateway":"g","epoch":"e","ranges":[[1,4]]}'


def counts(*lines):
    return {name: len(found) for name, found in read([MADE, *lines]).verdict().items() if found}


class CheckTrace(unittest.TestCase):
    def test_finds_nothing_where_all_is_committed_or_held(self):
        self.assertEqual(counts('{"ev":"committed","gateway":"g","epoch":"e","ranges":[[1,3]]}',
                                '{"ev":"held","gateway":"g","epoch":"e","batch":4}'), {})

    def test_finds_what_is_lost_and_not_reported(self):
        self.assertEqual(counts('{"ev":"committed","gateway":"g","epoch":"e","ranges":[[1,2]]}',
                                '{"ev":"gap","gateway":"g","epoch":"e","ranges":[[3,3]]}'),
                         {"lost": 2, "gaps_unreported": 1})

    def test_takes_an_open_tail_as_report(self):
        self.assertEqual(counts('{"ev":"committed","gateway":"g","epoch":"e","ranges":[[1,2]]}',
                                '{"ev":"gap","gateway":"g","epoch":"e","possible":true,"from":3}'),
                         {"lost": 2})

    def test_finds_what_was_applied_twice(self):
        self.assertEqual(counts('{"ev":"committed","gateway":"g","epoch":"e","ranges":[[1,4],[2,2]]}'),
                         {"applied_twice": 1})

    def test_tells_bodies_of_one_number_apart(self):
        trace = read(['{"ev":"made","epoch":"e","batch":1,"digest":"a"}',
                      '{"ev":"made","epoch":"e","batch":1,"digest":"b"}',
                      '{"ev":"committed","epoch":"e","batch":1,"digest":"a"}'])
        self.assertEqual(len(trace.verdict()["gaps_unreported"]), 1)

    def test_finds_a_gap_over_what_is_committed_or_was_never_made(self):
        self.assertEqual(counts('{"ev":"committed","gateway":"g","epoch":"e","ranges":[[1,4]]}',
                                '{"ev":"gap","gateway":"g","epoch":"e","ranges":[[4,5]]}'),
                         {"false_gaps": 2})

    def test_finds_what_was_committed_and_never_made(self):
        self.assertEqual(counts('{"ev":"committed","gateway":"g","epoch":"e","ranges":[[1,5]]}'),
                         {"unmade": 1})

    def test_names_the_line_that_it_cannot_read(self):
        with self.assertRaisesRegex(ValueError, "line 2"):
            read([MADE, "{"])


if __name__ == "__main__":
    unittest.main()

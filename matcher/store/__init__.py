"""What is committed: feeds, frames, links, answers, the alert log. Two stores keep the same promises, and
`tests/store/test_conformance.py` holds them to it: `sqlite` on disk and `memory` for one process."""

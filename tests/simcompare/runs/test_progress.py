import logging

from simcompare.runs import progress


def test_plain_lines_without_a_terminal(caplog):
    caplog.set_level(logging.INFO)
    assert list(progress.track("abc", "work", 3)) == ["a", "b", "c"]
    assert caplog.messages == ["work: 3 of 3, 0 s left"]


def test_quiet_says_nothing(caplog):
    logging.getLogger("simcompare").setLevel(logging.WARNING)
    with progress.meter("work", 2) as tell:
        tell(2)
    assert caplog.messages == []


def test_a_terminal_gets_a_bar_with_the_time_left(monkeypatch, capsys):
    logging.getLogger("simcompare").setLevel(logging.INFO)
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "100")
    assert list(progress.track(range(4), "work", 4)) == [0, 1, 2, 3]
    shown = capsys.readouterr().err
    assert "4/4" in shown
    assert "0:00:00" in shown

"""What the table and the last line say of an inverse problem."""

from pdesolve.cli.answer import answer_sentence, blank_record, print_answer

RECORD = {
    **blank_record(),
    "problem": "kappa_1d",
    "method": "gmnm",
    "tol": 1e-6,
    "converged": True,
    "relative_l2_error": 9.3e-4,
    "estimated_error": 2e-13,
    "degrees_of_freedom": 30,
    "seconds": 0.4,
    "output": "out",
    "parameters": {"kappa": 0.700655},
    "intervals": {"kappa": [0.697655, 0.703655]},
    "uncertainty": {"u": 2.2e-3},
    "noise": [0.015],
}


def test_the_table_has_a_value_with_its_interval_and_what_noise_does(capsys):
    print_answer(RECORD, {}, "done", quiet=False)
    out = capsys.readouterr().out
    assert "kappa (identified)  0.700655 ± 3e-3   (95 %: 0.697655 to 0.703655)" in out
    assert "deviation by noise  u 2.2e-3" in out
    assert "noise               0.015" in out


def test_a_value_without_interval_is_printed_in_full(capsys):
    trained = {**RECORD, "intervals": None, "uncertainty": None}
    print_answer(trained, {}, "done", quiet=False)
    out = capsys.readouterr().out
    assert "kappa (identified)  0.700655\n" in out
    assert "noise" not in out


def test_the_last_line_tells_noise_from_discretisation():
    sentence = answer_sentence(RECORD, "solved")
    assert "relative L2 error 9.3e-4 (noise 2.2e-3, discretisation 2e-13, tolerance 1e-6)" in sentence

"""Everything that can be done wrong with the fixture."""

from harness import HarnessError, Metric, Optimization

OPTIMIZATION = Optimization("mistakes", "Mistakes", metrics=(Metric("duration", "s", gate="paired"),))


def test_no_arms(ab):
    ab.run()


def test_no_run(ab):
    ab.arms(int, int)


def test_twice(ab):
    ab.arms(int, int)
    ab.run()
    ab.run()


def test_no_input(ab):
    ab.uses("inputs/nothing.csv")


def test_arm_fails(ab):
    def fails():
        raise HarnessError("the arm cannot run", where="here", next_step="mend it")

    ab.arms(int, fails)
    ab.run()

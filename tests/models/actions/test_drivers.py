"""Drivers of the NPS: the points of each group that lift, and those that lower, are added up apart."""

import numpy as np

from models.actions.drivers import nps_drivers


class FixedPoints:
    """An explainer whose points are known."""

    def __init__(self, points, features):
        self.points, self.nps = points, type("Nps", (), {"features": features})

    def explain(self, _customers):
        return self.points, None


def test_points_of_a_group_are_added_before_they_are_parted_by_sign(release):
    features = ("frequency", "recency", "T")
    points = np.array([[3.0, -1.0, 1.0], [-2.0, 1.0, -1.0]])
    drivers = nps_drivers(FixedPoints(points, features), None, release.vocabulary)
    by_group = {driver.group: driver for driver in drivers}
    rhythm = by_group["purchase rhythm"]
    assert (rhythm.lifts, rhythm.lowers) == (1.0, -0.5)
    assert by_group["time as a customer"].lifts == 0.5

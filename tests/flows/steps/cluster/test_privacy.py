"""On a cluster no pseudonyms are made, and nobody is left out who is forgotten: both are refused before it is asked."""

import pytest

from data.errors import InputError
from flows.settings import Settings
from flows.steps.cluster.inputs import take_cluster_inputs
from models.registry.privacy.forgotten import customer_key, put_on_list
from models.registry.tracking import Run

SPARK = {"engine": "spark", "transactions": "shop.sales"}


def test_pseudonyms_are_refused(store):
    with pytest.raises(InputError, match="does not do pseudonymise = true"):
        take_cluster_inputs(Run(store, "a run"), Settings(**SPARK, pseudonymise=True), cluster=None)


def test_a_customer_who_is_forgotten_is_not_brought_back(store):
    put_on_list(store, customer_key(store).pseudonym("C1"))
    with pytest.raises(InputError, match="does not do leaving out customers who are forgotten"):
        take_cluster_inputs(Run(store, "a run"), Settings(**SPARK), cluster=None)

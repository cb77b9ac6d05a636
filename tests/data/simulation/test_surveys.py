"""Who is invited, who answers, and how far the survey is from the base."""

import math

from data.simulation.shop import ShopSettings, write_shop


def test_answers_have_the_shares_of_the_truth(shop):
    """Among those who answered, the observed shares are the mean of their true probabilities."""
    answered = shop.execute(
        """select p_detractor, p_promoter, score <= 6 as detractor, score >= 9 as promoter
        from answers join truth using (customer_id) where question = 'nps' and score is not null"""
    ).df()
    for category in ("detractor", "promoter"):
        p = answered["p_" + category]
        error = math.sqrt((p * (1 - p)).sum()) / len(p)
        assert abs(answered[category].mean() - p.mean()) < 4 * error


def test_those_who_answer_are_more_satisfied_than_the_base(shop, one):
    survey, error, truth = one(
        shop,
        """select avg(nps), stddev(nps) / sqrt(count(*)), (select 100 * avg(p_promoter - p_detractor) from truth)
        from (select case when score >= 9 then 100 when score >= 7 then 0 else -100 end as nps
            from answers where question = 'nps' and score is not null)""",
    )
    assert survey > truth + 4
    assert survey > truth + 3 * error


def test_without_effects_on_the_response_the_survey_is_right(tmp_path, views, one):
    settings = ShopSettings(response_behaviour=0.0, invited_share=0.5)
    connection = views(write_shop(tmp_path, 20_000, seed=5, days=400, settings=settings))
    rate, invitations = one(connection, "select avg((score is not null)::int), count(*) from answers")
    # Some of the last wave's answers are still to come at the end.
    assert abs(rate - settings.response_rate) < 0.02
    survey, truth, clusters = one(
        connection,
        """select 100 * avg((score >= 9)::int - (score <= 6)::int), (select 100 * avg(p_promoter - p_detractor)
            from truth), count(distinct customer_id) from answers where score is not null""",
    )
    assert invitations > 10_000
    assert abs(survey - truth) < 4 * 85 / math.sqrt(clusters)


def test_response_probability_is_the_share_that_answers(tmp_path, views, one):
    """A wave on the last morning: the truth states the chance at the end, a day later."""
    settings = ShopSettings(first_wave=380, wave_every=500, invited_share=1.0)
    connection = views(write_shop(tmp_path, 20_000, seed=6, days=400, settings=settings))
    share, expected, low, high = one(
        connection,
        """with ranked as (select *, ntile(4) over (order by p_response) as quarter
            from answers join truth using (customer_id) where joined_at < invited_at)
        select avg((score is not null)::int), avg(p_response),
            avg((score is not null)::int) filter (quarter = 1), avg((score is not null)::int) filter (quarter = 4)
        from ranked""",
    )
    assert abs(share - expected) < 0.02
    assert high > 2 * low


def test_answers_come_after_invitations_to_customers_who_have_bought(shop, one):
    wrong, early, unanswered, answered = one(
        shop,
        """select count(*) filter (answered_at < invited_at), count(*) filter (joined_at >= invited_at),
            count(*) filter (score is null), count(*) filter (score is not null)
        from answers join truth using (customer_id)""",
    )
    assert (wrong, early) == (0, 0)
    assert unanswered > answered > 1_000
    assert one(shop, "select count(*) from answers where (score is null) <> (answered_at is null)") == 0
    assert one(shop, "select min(score), max(score) from answers where question = 'nps'") == (0, 10)
    assert one(shop, "select min(score), max(score) from answers where question = 'csat'") == (1, 5)

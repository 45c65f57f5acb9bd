import math
import re

from actlab.report.findings import findings, headline
from actlab.stability.finding import Finding, Unjudged


def finding(**changed) -> Finding:
    told = {
        "name": "dying_units",
        "title": "Dying units",
        "severity": "warning",
        "confidence": 0.8,
        "where": ("blocks.0.act",),
        "steps": (100, 4000),
        "evidence": (("dead share", 0.42, "limit 0.2"),),
        "sentence": "42 % of the units of blocks.0.act give nothing.",
        "advice": (("lower the learning rate", "optimizer.learning_rate=1e-4"),),
        "source": "Lu et al. 2019, arXiv:1903.06733",
    }
    return Finding(**(told | changed))


def unjudged(**changed) -> Unjudged:
    told = {
        "name": "rank_collapse",
        "title": "Rank collapse",
        "reason": "no effective rank was recorded",
        "override": "stats.level=full",
    }
    return Unjudged(**(told | changed))


def test_the_worst_stands_first_and_notes_are_folded():
    some = [
        finding(title="A note", severity="note", confidence=1.0),
        finding(title="A warning", confidence=0.5),
        finding(title="Surer warning", confidence=0.9),
        finding(title="The worst", severity="serious", confidence=0.4),
    ]
    text = findings(some, judged=("a", "b"))
    places = [text.index(f"> {title} <") for title in ("The worst", "Surer warning", "A warning", "A note")]
    assert places == sorted(places)
    assert "3 things to look at, the worst first; 2 rules judged." in text
    assert text.index("<details") < places[-1]
    assert text.index("<summary>1 note: A note") > places[-2]
    assert headline(some) == (
        "The worst (serious, 40 % sure); Surer warning (warning, 90 % sure); A warning (warning, 50 % sure)"
    )


def test_a_card_says_what_where_when_and_what_to_try():
    text = findings([finding(where=tuple(f"s{i}" for i in range(6)))])
    assert "42 % of the units of blocks.0.act give nothing." in text
    assert "s0, s1, s2, s3 and 2 more · steps 100 to 4,000" in text
    assert "<dt>dead share</dt><dd>0.42 <span>limit 0.2</span></dd>" in text
    code = re.search(r'<code id="([^"]+)">optimizer.learning_rate=1e-4</code>', text)[1]
    assert f'<button type="button" data-copy="{code}"' in text
    assert "arXiv:1903.06733" in text


def test_copy_buttons_of_all_cards_have_names_of_their_own():
    advice = (("this", "a=1"), ("that", "b=2"), ("think", ""))
    text = findings([finding(advice=advice), finding(severity="note", advice=advice)])
    names = re.findall(r'<code id="([^"]+)"', text)
    assert len(names) == len(set(names)) == 4
    assert "<li>Think</li>" in text


def test_a_healthy_run_is_one_quiet_line_and_what_could_not_be_judged():
    text = findings(
        [finding(name="healthy", title="Healthy", severity="note")], [unjudged()], ("a", "b", "c")
    )
    assert "Nothing that needs a change was found by 3 rules." in text
    assert "<article" not in text
    assert "Healthy" not in text
    assert "1 rule could not be judged" in text
    assert (
        "<b>Rank collapse</b>: no effective rank was recorded (<code>stats.level=full</code> records it)"
        in text
    )
    assert headline([finding(severity="note")]) == ""


def test_text_stays_text_and_numbers_may_be_broken():
    text = findings(
        [
            finding(
                title="<h1>",
                sentence="<i>",
                where=("<u>",),
                evidence=(("<s>", math.nan, ""),),
                advice=(("<q>", "<x>"),),
            )
        ],
        [unjudged(title="<em>", reason="<a>", override="<w>")],
    )
    for tag in ("<h1>", "<i>", "<u>", "<s>", "<q>", "<x>", "<em>", "<a>", "<w>"):
        assert tag not in text
    assert "<dd>not finite</dd>" in text

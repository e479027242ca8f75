"""The report and its pictures: everything inside one file, and nothing said that was not found."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from tests.evaluation.made_up import MADE_UP

from makeanagent.evaluation.figures import INK, LINE, PathPanel, draw_paths
from makeanagent.evaluation.protocols import ProtocolConfig, evaluate_policies
from makeanagent.evaluation.report import Report, write_report
from makeanagent.evaluation.tables import print_evaluation, print_policies
from makeanagent.parallel import open_pool
from makeanagent.policies import Policy, PolicySpec
from makeanagent.rollouts.episodes import record_episode
from makeanagent.rollouts.film import Film
from makeanagent.rollouts.recordings import record_actors
from makeanagent.rollouts.scenes import Scene
from makeanagent.suites import find_suite
from makeanagent.suites.gymnasium import GymnasiumSuite

TASK = "Reacher-v5"
SPEC = PolicySpec(observation_dim=10, action_dim=2, hidden=(4,), activations=("relu",))
VOID = {"meta", "img", "br"}


@pytest.fixture(scope="module")
def suite():
    return find_suite(f"{Path(__file__).parents[2]}/examples/reacher_suite.py")


@pytest.fixture(scope="module")
def report(suite):
    rng = np.random.default_rng(0)
    parameters = rng.standard_normal((6, SPEC.num_parameters)).astype(np.float32)
    config = ProtocolConfig(layouts_per_policy=2, held_out_layouts=6)
    with open_pool(1) as pool:
        actors = [Policy(vector, SPEC) for vector in parameters]
        result = evaluate_policies(pool, suite, TASK, actors, config)
        episodes = record_actors(pool, suite, TASK, actors, [50_250] * 6)
    return Report(
        title="<tasks> & policies",
        suite=suite,
        task=TASK,
        facts={"generator": "untrained <b>"},
        demonstration=record_episode(suite.make(TASK), suite.expert(TASK), 20_000),
        result=result,
        same_layout=episodes,
        chosen=episodes[:2],
        film_text="no film: nothing to draw with",
        seconds={"load": 1.5, "generate": 0.25},
    )


@pytest.fixture(scope="module")
def film():
    shades = np.arange(12, dtype=np.uint8)[:, None, None, None] * 20
    return Film(frames=np.tile(shades, (1, 32, 48, 3)), steps=tuple(range(0, 24, 2)))


class Page(HTMLParser):
    """Elements that are open, and what the page refers to."""

    def __init__(self, content):
        super().__init__()
        self.open, self.tags, self.sources = [], [], []
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.sources += [
            value for name, value in attributes if name in ("src", "href", "xlink:href")
        ]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def write(report, folder):
    path = folder / "report.html"
    write_report(path, report)
    content = path.read_text()
    return content, Page(content)


def test_one_file_holds_everything(report, tmp_path):
    content, page = write(report, tmp_path)
    assert page.open == []
    assert all(source.startswith(("#", "data:")) for source in page.sources)
    assert not {"script", "link", "iframe"} & set(page.tags)
    assert page.tags.count("svg") == 3
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_pictures_take_their_neutral_colours_from_the_page(report, tmp_path):
    content, _ = write(report, tmp_path)
    assert INK not in content
    assert LINE not in content
    assert "currentColor" in content
    assert "prefers-color-scheme: dark" in content


def test_text_is_escaped_and_numbers_are_the_results(report, tmp_path):
    content, _ = write(report, tmp_path)
    assert "<h1>&lt;tasks&gt; &amp; policies</h1>" in content
    assert "untrained &lt;b&gt;" in content
    assert "no film: nothing to draw with" in content
    assert f"{report.result['held_out']['first_sample']['mean']:.3f}" in content
    assert "0.25 s" in content


def test_films_become_a_strip_and_moving_pictures_side_by_side(report, film, tmp_path):
    scenes = [
        Scene(title="The <demonstration>", outcome="success at step 9", film=film),
        Scene(title="Policy 0", outcome="no success in 22 steps", film=film),
    ]
    content, page = write(replace(report, film=film, scenes=scenes), tmp_path)
    assert page.open == []
    stills = [source for source in page.sources if source.startswith("data:image/png")]
    assert "step 0</div>" in content
    assert "step 22</div>" in content
    assert len(stills) == 5
    assert sum(source.startswith("data:image/webp") for source in page.sources) == 2
    assert "The &lt;demonstration&gt;</b>" in content
    assert content.index("no success in 22 steps") < content.index("class=tiles")


def test_a_rival_stands_beside_what_was_generated(report, tmp_path):
    rival = {
        "label": "cloning", "mean": 0.37, "interval_95": [0.2, 0.5], "num_rollouts": 50,
        "seconds": 12.0,
    }  # fmt: skip
    cells = Cells(write(replace(report, rival=rival), tmp_path)[0])
    assert cells.tiles[2] == [
        "37%",
        "cloning: the same demonstration, 12 s of training, 50 held-out layouts; 0.20 to 0.50",
    ]
    assert ["held-out", "cloning", "0.370", "0.20 to 0.50"] in cells.rows


def test_same_report_same_file(report, tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    assert write(report, one)[0] == write(report, other)[0]


def test_matplotlib_stays_as_the_user_has_it(report, tmp_path):
    with matplotlib.rc_context({"font.size": 31}):
        before = dict(matplotlib.rcParams)
        write(report, tmp_path)
        assert dict(matplotlib.rcParams) == before


def test_no_paths_without_traces(report):
    panel = PathPanel(title="", trajectories=[report.demonstration])
    assert draw_paths(GymnasiumSuite(), TASK, [panel]) is None


def test_flat_scenes_are_seen_from_above_alone(report, suite):
    panel = PathPanel(title="", trajectories=[report.demonstration], is_demonstration=True)
    assert len(draw_paths(suite, TASK, [panel, panel]).axes) == 2


def test_pictures_count_what_succeeded(report, monkeypatch, tmp_path):
    from makeanagent.evaluation import report as page

    def flagged(success):
        return replace(report.demonstration, success=np.full(len(report.demonstration), success))

    titles = []
    monkeypatch.setattr(
        page, "draw_paths", lambda suite, task, panels: titles.extend(one.title for one in panels)
    )
    same_layout = [flagged(success) for success in (True, False, True, False, True)]
    chosen = [flagged(success) for success in (True, False)]
    write(replace(report, same_layout=same_layout, chosen=chosen), tmp_path)
    assert titles == [
        "The demonstration",
        "5 policies, one new layout: 3 succeed",
        "Ranked first, 2 new layouts: 1 solved",
    ]


# Numbers


class Cells(HTMLParser):
    """Texts of the page's tiles and of the rows of its tables."""

    def __init__(self, content):
        super().__init__()
        self.rows, self.tiles, self.place = [], [], None
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.place = self.rows[-1]
            self.place.append("")
        elif ("class", "tile") in attributes:
            self.place = []
            self.tiles.append(self.place)
        elif tag in ("b", "span") and self.place is not None:
            self.place.append("")

    def handle_endtag(self, tag):
        if tag in ("td", "th", "div"):
            self.place = None

    def handle_data(self, data):
        if self.place:
            self.place[-1] = " ".join(f"{self.place[-1]} {data}".split())


def test_the_page_tells_each_number_by_its_name(report, tmp_path):
    cells = Cells(write(replace(report, result=MADE_UP), tmp_path)[0])
    assert cells.tiles == [
        ["41%", "mean success on held-out layouts, no selection; 95% interval 0.31 to 0.51"],
        ["71%", "success of one of 7, chosen on 4 layouts, scored on 6 others; 0.61 to 0.81"],
        ["11%", "qualified as in the paper: success on all 3 layouts; 0.01 to 0.21"],
        ["0.25 s", "to generate 7 policies"],
    ]
    assert cells.rows[:9] == [
        ["protocol", "measure", "value", "95% interval"],
        ["paper", "qualified", "0.110", "0.01 to 0.21"],
        ["paper", "mean success", "0.220", "0.12 to 0.32"],
        ["paper", "best, chosen on the layouts that score it", "0.930", ""],
        ["paper", "top 5, chosen likewise", "0.550", ""],
        ["paper", "top 10, chosen likewise", "0.330", ""],
        ["held-out", "no selection", "0.410", "0.31 to 0.51"],
        ["held-out", "best, chosen on other layouts", "0.710", "0.61 to 0.81"],
        ["held-out", "top 5, chosen on other layouts", "0.610", "0.51 to 0.71"],
    ]
    assert cells.rows[9:] == [
        ["generator", "untrained <b>"], ["time: load", "1.50 s"], ["time: generate", "0.25 s"],
    ]  # fmt: skip


def read_table(text):
    """Cells of the rows below a printed table's head."""
    lines = [line for line in text.splitlines() if line.startswith("│")]
    return [[cell.strip() for cell in line.strip("│").split("│")] for line in lines]


def test_the_printed_table_tells_each_number_by_its_name(capsys):
    print_evaluation(MADE_UP)
    assert read_table(capsys.readouterr().out) == [
        ["paper", "qualified: all 3 layouts", "0.110", "0.01 to 0.21", "21"],
        ["", "mean success", "0.220", "0.12 to 0.32", "21"],
        ["", "best, chosen on these", "0.930", "", ""],
        ["", "top 5, chosen on these", "0.550", "", ""],
        ["", "top 10, chosen on these", "0.330", "", ""],
        ["held-out", "no selection", "0.410", "0.31 to 0.51", "14"],
        ["", "best of 7, chosen on 4 others", "0.710", "0.61 to 0.81", "6"],
        ["", "top 5, chosen on 4 others", "0.610", "0.51 to 0.71", "30"],
    ]


def test_the_printed_policies_have_their_own_rates_and_ranks(capsys):
    print_policies(MADE_UP)
    # Wilson's interval of 0, 1, ... successes in 6, and in 2.
    ends = ["0.00 to 0.39", "0.03 to 0.56", "0.10 to 0.70", "0.19 to 0.81", "0.30 to 0.90"]
    assert read_table(capsys.readouterr().out) == [
        ["0", "0.333", ends[2], "2/6", "chosen, rank 4"],
        ["1", "0.667", ends[4], "4/6", "chosen, rank 2"],
        ["2", "0.500", "0.09 to 0.91", "1/2", ""],
        ["3", "0.500", ends[3], "3/6", "chosen, rank 1"],
        ["4", "0.000", "0.00 to 0.66", "0/2", ""],
        ["5", "0.000", ends[0], "0/6", "chosen, rank 5"],
        ["6", "0.167", ends[1], "1/6", "chosen, rank 3"],
    ]

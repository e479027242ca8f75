"""What the programs of drawn tasks draw, from where, and why."""

from makeanagent.suites.procedural.ranges import Chance, Choice, Entry, Range

PROGRAMS: tuple[Entry, ...] = (
    Choice(
        name="approach",
        values=("above", "in line", "beside"),
        weights=(0.6, 0.25, 0.15),
        reason="From above little is in the way; in line the contact is hit squarely; from"
        " beside where something covers it.",
    ),
    Range(
        name="approach distance",
        low=0.06,
        high=0.18,
        reason="A waypoint further than the contact's size, so that the way there touches nothing.",
    ),
    Range(
        name="approach radius",
        low=0.02,
        high=0.045,
        reason="As near to the line of approach as the contact is wide; less takes time.",
    ),
    Chance(
        name="keeps its distance",
        share=0.25,
        reason="A hand that is already on the right side need not go to a waypoint first: it"
        " moves across until it is in line.",
    ),
    Range(
        name="contact radius",
        low=0.01,
        high=0.025,
        reason="Within a finger's thickness counts as there.",
    ),
    Range(
        name="gap",
        low=0,
        high=0.012,
        reason="Contact is sought just off the surface, so that coming down beside it does not"
        " jam.",
    ),
    Chance(
        name="rises first",
        share=0.5,
        reason="Low and far from the contact, straight up is the way that knocks into nothing.",
    ),
    Choice(
        name="gain",
        values=(7.0, 10.0, 15.0, 25.0),
        weights=(0.15, 0.35, 0.2, 0.3),
        reason="A proportional controller slows within 1 / gain metres of its target: 14 cm are"
        " gentle, 4 cm are as short as the hand stops in.",
    ),
    Chance(
        name="acts with another gain",
        share=0.2,
        reason="Contact may ask for more or less force than the way to it.",
    ),
    Choice(
        name="gain of action",
        values=(5.0, 10.0, 25.0),
        weights=(0.3, 0.4, 0.3),
        reason="As above.",
    ),
    Choice(
        name="idle effort",
        values=(-1.0, 0.0, 1.0),
        weights=(0.35, 0.3, 0.35),
        reason="Where nothing is held, fingers may be open, as they are, or shut into a tool.",
    ),
    Range(
        name="holding effort",
        low=0,
        high=1,
        unit="of the way from what it needs to the full effort",
        reason="A moving hand needs about twice the effort that holds the object still; up to all"
        " there is.",
    ),
    Range(
        name="push beyond",
        low=0.03,
        high=0.2,
        reason="The target lies beyond the contact, by enough to load the hand and at most as"
        " far as the longest travel.",
    ),
    Range(
        name="closed when",
        low=0.02,
        high=0.15,
        unit="of the way from its width to open",
        reason="The reading that tells fingers around an object from open ones, with room for"
        " objects of other widths.",
    ),
    Choice(
        name="motion of hinges",
        values=("along the chord", "to the goal"),
        weights=(0.6, 0.4),
        reason="A turning handle is followed by one direction, the chord's, or by a target at"
        " its end.",
    ),
    Range(
        name="carry height",
        low=0.03,
        high=0.12,
        reason="Above the place where it is going, by more than an object's height.",
    ),
    Chance(
        name="carries straight",
        share=0.4,
        reason="Into the air the straight line is as good as up and over.",
    ),
    Range(
        name="release height",
        low=0.012,
        high=0.05,
        reason="Set down gently or dropped from a hand's breadth.",
    ),
    Range(
        name="above the goal within",
        low=0.015,
        high=0.03,
        reason="Less than the tolerance, so that what is lowered there counts.",
    ),
    Range(
        name="stand-off",
        low=0.02,
        high=0.05,
        reason="A tip is lined up clear of the mouth before it goes in.",
    ),
)
"""What the programs do."""

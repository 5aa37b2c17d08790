"""Names and places of a made-up population: tables of forenames, surnames, nicknames, streets and postcodes.

Faker's provider lists are read for the tails of the tables; nothing is ever drawn through Faker.
The tables do not depend on a seed; drawing from them takes the caller's generator.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import product

import numpy as np
from numpy.typing import NDArray

Codes = NDArray[np.int64]
Strings = NDArray[np.object_]
Flags = NDArray[np.bool_]

# Share of the population by name origin: rounded from the ethnic groups of the 2021 census of England and Wales.
ORIGINS = {
    "british": 0.765, "irish": 0.025, "south_asian": 0.09, "polish": 0.02, "romanian": 0.012,
    "african": 0.04, "arabic": 0.018, "chinese": 0.012, "turkish": 0.006, "iberian": 0.012,
}  # fmt: skip
ERA_ENDS = (1950, 1965, 1980, 1995, 2010)

# The usual names of each era, most usual first: women and men of the first era, of the second, and so on.
BRITISH_FORENAMES = (
    """Margaret Jean Mary Joan Patricia Sheila Barbara Doreen June Shirley Dorothy Joyce Maureen Elizabeth Audrey
    Brenda Kathleen Sylvia Eileen Pamela Betty Beryl Ann Irene Marjorie Hilda Edna Vera Rita Norma""",
    """John Peter William James David Ronald George Robert Kenneth Derek Michael Thomas Roy Brian Dennis Alan Frank
    Raymond Donald Gordon Leslie Norman Stanley Albert Arthur Harold Ernest Douglas Cyril Reginald""",
    """Susan Linda Christine Margaret Carol Jennifer Janet Patricia Barbara Ann Sandra Pamela Pauline Jean Jacqueline
    Kathleen Sheila Valerie Maureen Gillian Marilyn Elizabeth Lesley Catherine Brenda Wendy Angela Rosemary Shirley""",
    """David John Peter Michael Alan Robert Stephen Paul Brian Graham Philip Anthony Colin Christopher Geoffrey
    William James Keith Terence Barry Malcolm Richard Ian Derek Roger Raymond Kenneth Andrew Trevor Martin Kevin""",
    """Sharon Karen Tracey Susan Deborah Jacqueline Julie Sarah Nicola Joanne Alison Michelle Helen Claire Lisa
    Amanda Jane Angela Louise Samantha Emma Dawn Lorraine Wendy Paula Donna Maria Elizabeth Rachel Tina Mandy""",
    """Paul David Andrew Stephen Mark Michael Ian Gary Robert Richard Peter John Anthony Christopher Darren Kevin
    Martin Simon Philip Graham Colin Adrian Nigel Alan Neil Shaun Jonathan Matthew Lee Craig Stuart Jason Steven""",
    """Sarah Laura Gemma Emma Rebecca Claire Victoria Samantha Rachel Amy Jennifer Nicola Katie Lisa Kelly Natalie
    Louise Michelle Hayley Hannah Helen Charlotte Joanne Lucy Elizabeth Leanne Danielle Donna Katherine Clare""",
    """Christopher James David Daniel Michael Matthew Andrew Richard Paul Mark Thomas Adam Robert John Lee Benjamin
    Steven Jonathan Craig Stephen Simon Nicholas Peter Anthony Alexander Gary Ian Ryan Darren Barry Philip Stuart""",
    """Chloe Emily Megan Charlotte Jessica Lauren Sophie Olivia Hannah Lucy Georgia Rebecca Bethany Amy Ellie Katie
    Emma Abigail Molly Grace Courtney Shannon Caitlin Eleanor Jade Ella Leah Alice Holly Laura Anna Jasmine Sarah""",
    """Jack Daniel Thomas James Joshua Matthew Ryan Joseph Samuel Liam Jordan Luke Connor Alexander Benjamin Adam
    Harry Jake George Callum William Michael Oliver Lewis Christopher Kieran Kyle Nathan Bradley Jamie Aaron Charlie""",
    """Olivia Amelia Isla Ava Emily Isabella Mia Poppy Ella Lily Sophia Sophie Grace Freya Evie Ivy Florence
    Charlotte Willow Elsie Daisy Rosie Matilda Sienna Phoebe Alice Evelyn Millie Harper Isabelle Ruby Maisie Eliza""",
    """Oliver George Harry Noah Jack Leo Arthur Muhammad Oscar Charlie Jacob Thomas Henry William Alfie Freddie
    Joshua Theo Archie James Ethan Isaac Alexander Joseph Edward Samuel Max Logan Lucas Daniel Theodore Finley Mason""",
)
MUSLIM_FORENAMES = (
    """Fatima Aisha Zainab Maryam Amina Khadija Nadia Saima Shazia Nasreen Rukhsana Shabana Farzana Yasmin Samina
    Sana Hafsa Halima Rabia Parveen Shaheen Bushra Tahira Noor Ayesha Sumaya Zara Iqra Naseem Robina Nazia Rehana""",
    """Mohammed Muhammad Mohammad Mohamed Ahmed Ali Abdul Hassan Hussain Imran Omar Ibrahim Yusuf Bilal Tariq Usman
    Hamza Khalid Asif Nadeem Shahid Zahid Waqas Adeel Faisal Kashif Amir Rashid Sajid Javed Arshad Naveed""",
)
SOUTH_ASIAN_SURNAMES = """Patel Khan Singh Ahmed Hussain Ali Shah Mohammed Malik Iqbal Mahmood Rahman Islam Sharma
    Mistry Chowdhury Miah Uddin Rashid Mirza Gill Hussein Ahmad Sandhu Mehta Desai Butt"""
WOMENS_SURNAMES = "Begum Kaur Bibi Akhtar Khatun"
ARABIC_SURNAMES = """Ahmed Mohamed Ali Hassan Ibrahim Hussein Abdi Osman Omar Mahmoud Yusuf Saleh Khalil Farah Said
    Warsame Nasser Haddad Al-Hassan Al-Sayed El-Sayed Al-Khalidi Jama Abdullahi Elmi Mansour"""
CHINESE_SURNAMES = "Wang Li Zhang Chen Liu Huang Wu Lin Yang Zhou Xu Zhu"
AFRICAN_SURNAMES = """Mensah Okafor Adeyemi Owusu Okeke Moyo Ncube Boateng Osei Adebayo Asante Ndlovu Dube Sibanda
    Eze Okonkwo Appiah Kamara Sesay Conteh Banda Phiri Tesfaye Haile Bello"""

# Groups of names that stand for one another, separated by slashes.
MENS_NICKNAMES = """Robert Bob Rob Bobby Robbie Bert/William Bill Will Billy Willie Liam/Richard Rick Dick Rich
    Richie Ricky/James Jim Jimmy Jamie Jem/John Jack Johnny Jon Ian/Thomas Tom Tommy/Michael Mike Mick Mickey
    Mikey/David Dave Davey Davy/Christopher Chris Kit Topher/Daniel Dan Danny/Matthew Matt Matty/Anthony Tony Ant
    Antony/Joseph Joe Joey/Andrew Andy Drew/Edward Ed Eddie Ted Teddy Ned/Charles Charlie Chas Chuck/George Georgie
    Geordie/Henry Harry Hal Hank/Alexander Alex Al Sandy Xander/Benjamin Ben Benny Benji/Samuel Sam Sammy/Nicholas
    Nick Nicky Nico/Stephen Steve Steven Stevie/Peter Pete/Philip Phil Phillip/Gregory Greg/Geoffrey Geoff Jeff
    Jeffrey/Kenneth Ken Kenny/Ronald Ron Ronnie/Donald Don Donnie/Raymond Ray/Terence Terry Tel/Timothy Tim
    Timmy/Jonathan Jon Jonny Jonathon Johnathan/Joshua Josh/Jacob Jake Jakey/Patrick Pat Paddy Rick/Francis Frank
    Frankie Fran/Frederick Fred Freddie Freddy/Arthur Art Artie/Alfred Alf Alfie Fred/Douglas Doug Dougie/Gerald
    Gerry Jerry/Lawrence Larry Laurie Laurence Loz/Leonard Len Lenny Leo/Martin Marty Mart/Derek Del Derrick/Vincent
    Vince Vinny/Reginald Reg Reggie/Oliver Ollie Olly/Zachary Zac Zach Zack/Callum Cal Calum/Gary Gaz Garry/Darren
    Daz/Stuart Stu Stewart/Maxwell Max/Lewis Louis Lou Louie/Finley Fin Finn Finlay/Shaun Sean Shawn/Neil Neal
    Niall/Alan Allan Allen Al/Graham Graeme Grahame/Connor Conor Con/Kieran Kieron Ciaran/Reece Rhys Reese/Mohammed
    Muhammad Mohammad Mohamed Mo Mohamad/Hussain Hussein Husain/Yusuf Yousef Yousuf/Ahmed Ahmad Ahmet/Abdul
    Abdullah/Ibrahim Abraham Ebrahim/Krzysztof Kris Chris/Tomasz Tomek Tom/Piotr Peter/Jakub Kuba Jacob/Jan John
    Janek"""
WOMENS_NICKNAMES = """Elizabeth Liz Beth Betty Lizzie Eliza Libby Lisa Bess/Margaret Maggie Peggy Meg Madge Greta
    Margie/Catherine Cath Cathy Kate Katie Kitty/Katherine Kathy Kate Katie Kat Kathryn/Patricia Pat Trish Patsy
    Tricia Patty/Susan Sue Suzie Susie/Christine Chris Chrissie Tina/Christina Tina Chris/Jennifer Jen Jenny
    Jenni/Jacqueline Jackie Jacqui Jaq/Deborah Debbie Deb Debra Debs/Rebecca Becky Becca Bex/Victoria Vicky Vikki
    Tori/Samantha Sam Sammy/Alexandra Alex Sandra Lexi Sasha Ali/Jessica Jess Jessie/Abigail Abi Abby Gail/Amanda
    Mandy Manda/Pamela Pam Pammy/Sandra Sandy/Teresa Tess Terri/Angela Angie Ange/Josephine Jo Josie/Joanne Jo
    Joanna Joan/Janet Jan/Jane Janie Jayne/Jean Jeannie/Eleanor Ellie Nell Nora/Ellen Ellie Nell Nellie/Sarah Sara
    Sally Sal/Emily Em Emmy Millie/Emma Em Emmie/Amelia Millie Amy Mia/Isabella Bella Izzy Isabel/Isabelle Izzy
    Belle Isabel/Charlotte Charlie Lottie Lotte/Olivia Liv Livvy Ollie/Sophia Sophie Sofia/Stephanie Steph
    Stephie/Nicola Nicky Nikki Nic/Nicole Nicky Nikki/Natalie Nat Nattie/Natasha Tasha Nat/Michelle Shell Chelle
    Mich/Danielle Dani Elle/Gabrielle Gabby Elle/Georgina Georgie Gina/Georgia Georgie/Frances Fran Frankie
    Francesca/Francesca Fran Cesca/Florence Flo Flora Florrie/Hannah Hana Hanna/Penelope Penny Nell/Rosemary Rose
    Rosie Romy/Rachel Rach Rachael Rae/Caroline Carol Caz Carrie/Matilda Tilly Mattie/Mary Molly Polly May
    Maria/Linda Lin Lindy Lynda/Lynne Lyn Lynn/Lucy Lucinda Lu/Lillian Lily Lil Lilly/Evelyn Eve Evie/Ann Anne
    Annie/Anna Ann Annie/Bethany Beth/Claire Clare Clair/Diana Di/Diane Di Dianne/Megan Meg Meghan/Melanie
    Mel/Tracey Tracy Trace/Zoe Zoey Zoë/Fatima Fatema Fatimah/Aisha Ayesha Aishah Asha/Maryam Mariam Mary/Zainab
    Zaynab/Khadija Khadijah/Yasmin Yasmeen Jasmine/Katarzyna Kasia Kate/Małgorzata Gosia/Aleksandra Ola Alex/Joanna
    Asia Jo"""
NICKNAMES = (WOMENS_NICKNAMES, MENS_NICKNAMES)
HOSTELS = "Hope Trinity Emmaus Bridge Haven Harbour Beacon Anchor Lighthouse Mercy Gateway Phoenix"
STREETS = """High Station Church Main London Park Victoria Green Manor Mill New Queens Kings Grange School North
    South West East York Springfield Windsor Chapel Alexandra Richmond Albert George Stanley Highfield Broadway
    Broad Water Bridge Market Castle Park Meadow Elm Oak Ash Beech Cedar Chestnut Poplar Willow Rose Hawthorn Maple
    Orchard Hill Valley River Spring Well Field Wood Garden Cross Abbey Priory Vicarage Rectory Glebe Nelson"""
SUFFIXES = {
    "Road": ("Rd", 28), "Street": ("St", 18), "Avenue": ("Ave", 11), "Close": ("Cl", 11), "Lane": ("Ln", 8),
    "Drive": ("Dr", 8), "Way": ("Way", 4), "Crescent": ("Cres", 3), "Court": ("Ct", 3), "Gardens": ("Gdns", 3),
    "Grove": ("Gr", 2), "Place": ("Pl", 2), "Terrace": ("Terr", 2), "Walk": ("Wk", 2), "Square": ("Sq", 1),
}  # fmt: skip
AREAS = """LS:Leeds BD:Bradford YO:York HU:Hull S:Sheffield DN:Doncaster LN:Lincoln NG:Nottingham LE:Leicester
    DE:Derby M:Manchester L:Liverpool PR:Preston BS:Bristol EX:Exeter PL:Plymouth CF:Cardiff SA:Swansea NR:Norwich
    IP:Ipswich PE:Peterborough CB:Cambridge OX:Oxford RG:Reading SO:Southampton BN:Brighton NE:Newcastle DH:Durham
    B:Birmingham CV:Coventry"""
TOWN_STARTS = "Ash Bram Clay Dun East Fern Graf Hart Kirk Lang Mar Nor Os Pad Rad Sel Thorn Up Wal Whit Wood Stan"
TOWN_ENDS = "ford ton ley by worth ham stead bury wick well thorpe den"
SURNAME_STARTS = """Acker Adder Alder Apple Arm Ash Ather Bab Bar Bas Beck Bed Ben Ber Birch Black Blen Bol Bot Bow
    Brad Bram Brans Brent Bret Brig Broad Brom Brook Bur Cal Can Carl Chad Charl Ches Chil Clap Clif Clough Cob Col
    Comp Cop Cot Cran Craw Cros Crow Cul Dal Dan Darn Den Der Din Dod Dray Dud Dun Eagle Eas Ed El Elm Ever Fair
    Farn Fel Fern Fin Flax Fox Frod Gar Gats Gil Glad Glos Gold Gran Green Grim Had Hal Ham Han Har Hart Has Hat Haw
    Hazel Heath Hel Hen Hern Hey Hil Hind Hol Hon Hor Huddle Hur Ingle Ken Kil Kings Kirk Lam Lan Lang Led Leigh Lin
    Long Lud Lut Mal Man Mar Mel Mid Mil Mor Mos Nay Nether New Nor Nut Oak Old Os Ot Oul Pax Pem Pen Pick Pil Plum
    Pol Pres Rad Ram Raven Red Rid Rip Roth Row Rud Rush Sal Sand Scar Sed Sel Shaw Shel Ship Skel Smeth Som South"""
SURNAME_ENDS = """am ard bank beck bourne bridge brook burn bury by combe cote croft dale den don er field fold ford
    gate gill grave ham hart head hill holm house hurst ing ington kin land ley low man mer mont more ney ock ridge
    row sall shaw side son stall stead stock stone thorpe ton tree wade wall ward way well wick win wood worth"""
UNIT_LETTERS = "ABDEFGHJLNPQRSTUWXYZ"

# How each origin's tables are mixed: (source, share, head). A source is a word list of this file, or Faker locales;
# "~": in a fixed arbitrary order, as rank decides weight and the list is alphabetical. A larger head: flatter weights.
Mix = tuple[tuple[str, float, float], ...]
FORENAME_MIX: dict[str, Mix] = {
    "british": (("era", 0.84, 8), ("en_GB", 0.12, 40), ("~en_IE", 0.04, 40)),
    "irish": (("~en_IE", 0.7, 12), ("era", 0.3, 8)),
    "south_asian": (("muslim", 0.5, 6), ("~en_IN", 0.5, 20)),
    "polish": (("pl_PL", 1, 12),),
    "romanian": (("~ro_RO", 1, 12),),
    "african": (("en_KE", 0.4, 20), ("~yo_NG ig_NG tw_GH", 0.6, 20)),
    "arabic": (("muslim", 0.5, 6), ("~fr_DZ", 0.5, 10)),
    "chinese": (("syllables", 0.35, 6), ("pairs", 0.4, 100), ("era", 0.25, 8)),
    "turkish": (("~tr_TR", 1, 12),),
    "iberian": (("~pt_PT es_ES", 1, 15),),
}
SURNAME_MIX: dict[str, Mix] = {
    "irish": (("~en_IE", 1, 12),),
    "south_asian": ((SOUTH_ASIAN_SURNAMES, 0.45, 10), ("~en_IN en_PK", 0.55, 60)),
    "polish": (("pl_PL.male_last_names", 0.45, 15), ("pl_PL.unisex_last_names", 0.55, 900)),
    "romanian": (("~ro_RO", 1, 12),),
    "african": ((AFRICAN_SURNAMES, 0.4, 5), ("en_KE", 0.25, 30), ("~yo_NG ig_NG tw_GH", 0.35, 40)),
    "arabic": ((ARABIC_SURNAMES, 0.6, 8), ("~fr_DZ", 0.4, 60)),
    "chinese": ((CHINESE_SURNAMES, 0.7, 4), ("zh_CN.last_romanized_names", 0.3, 20)),
    "turkish": (("tr_TR", 1, 6),),
    "iberian": (("~pt_PT es_ES", 1, 15),),
}


@dataclass(frozen=True)
class Draw:
    """A distribution codes; `cumulative` rises to 1.0."""

    codes: Codes
    cumulative: NDArray[np.float64]

    def pick(self, count: int, rng: np.random.Generator) -> Codes:
        """Return `count` codes drawn with replacement."""
        at = np.searchsorted(self.cumulative, rng.random(count), side="right")
        return self.codes[np.minimum(at, len(self.codes) - 1)]


@dataclass(frozen=True)
class Others:
    """For each code the codes that may stand in for it: options[starts[c] : starts[c] + counts[c]]."""

    starts: Codes
    counts: Codes
    options: Codes

    def pick(self, codes: Codes, rng: np.random.Generator) -> Codes:
        """Return a stand-in for each code, or the code itself where it has none."""
        at = self.starts[codes] + (rng.random(len(codes)) * self.counts[codes]).astype(np.int64)
        return np.where(self.counts[codes] > 0, self.options[np.minimum(at, len(self.options) - 1)], codes)


@dataclass(frozen=True)
class Names:
    """All names as codes into `forenames` or `surnames`. Origins are positions in `ORIGINS`; sex 0 women, 1 men."""

    forenames: Strings
    surnames: Strings
    given: Mapping[tuple[int, int, int], Draw]  # by (origin, sex, era), era 0..5 of birth, see `ERA_ENDS`
    family: tuple[Draw, ...]  # by origin
    feminine: Codes  # surname -> the form that women bear
    womens: Draw  # South Asian surnames that only women bear
    nicknames: tuple[Others, Others]  # by sex
    one_letter_apart: tuple[Others, Others]  # by sex


class _Pool:
    """Codes names in order of first sight."""

    def __init__(self) -> None:
        self.codes: dict[str, int] = {}

    def code(self, name: str) -> int:
        return self.codes.setdefault(name, len(self.codes))

    def draw(self, names: Mapping[str, float]) -> Draw:
        weights = np.fromiter(names.values(), dtype=np.float64)
        codes = np.array([self.code(name) for name in names], dtype=np.int64)
        return Draw(codes, np.cumsum(weights) / weights.sum())


def _ranked(names: Iterable[str], total: float, head: float, power: float = 1.0) -> dict[str, float]:
    """Weigh names by (rank + head) ** -power, summing to `total`."""
    unique = list(dict.fromkeys(names))
    weights = (np.arange(len(unique)) + head) ** -power
    return dict(zip(unique, (weights * (total / weights.sum())).tolist(), strict=True))


def _added(parts: Iterable[Mapping[str, float]]) -> dict[str, float]:
    added: dict[str, float] = {}
    for part in parts:
        for name, weight in part.items():
            added[name] = added.get(name, 0.0) + weight
    return added


def _faker(locale: str, attribute: str) -> list[str]:
    provider = import_module(f"faker.providers.person.{locale}").Provider
    return [str(name) for name in getattr(provider, attribute)]


def _scattered(names: Iterable[str]) -> list[str]:
    unique = sorted(set(names))
    return [unique[i] for i in np.random.default_rng(len(unique)).permutation(len(unique))]


def _listed(source: str, attribute: str) -> list[str]:
    locales, _, named = source.lstrip("~").partition(".")
    names = [name for locale in locales.split() for name in _faker(locale, named or attribute)]
    return _scattered(names) if source.startswith("~") else names


def _forenames(origin: str, sex: int, era: int) -> dict[str, float]:
    syllables = _faker("zh_CN", "first_romanized_names")
    own = {
        "era": BRITISH_FORENAMES[2 * era + sex].split(),
        "muslim": MUSLIM_FORENAMES[sex].split(),
        "syllables": syllables,
        "pairs": _scattered(first + second.lower() for first in syllables for second in syllables),
    }
    side = "first_names_male" if sex else "first_names_female"
    mix = FORENAME_MIX[origin]
    return _added(_ranked(own.get(source) or _listed(source, side), share, head) for source, share, head in mix)


def _surnames(origin: str) -> dict[str, float]:
    if origin == "british":
        return _british_surnames()
    return _added(
        _ranked(_listed(source, "last_names") if "_" in source else source.split(), share, head)
        for source, share, head in SURNAME_MIX[origin]
    )


def _british_surnames() -> dict[str, float]:
    provider = import_module("faker.providers.person.en_GB").Provider
    usual = {str(name): float(weight) for name, weight in provider.last_names.items()}  # per cent of people
    starts, ends = SURNAME_STARTS.split(), SURNAME_ENDS.split()
    made = [start + end for start in starts for end in ends if start[-1] != end[0]]
    rest = 100.0 - sum(usual.values())
    irish = _ranked(_listed("~en_IE", "last_names"), rest * 0.15, head=200, power=0.7)
    return _added((usual, irish, _ranked(_scattered(made), rest * 0.85, head=300, power=0.7)))


def _others(options: Mapping[int, Iterable[int]], size: int) -> Others:
    counts = np.zeros(size, dtype=np.int64)
    flat: list[int] = []
    for code in range(size):
        mine = sorted(set(options.get(code, ())) - {code})
        counts[code] = len(mine)
        flat.extend(mine)
    return Others(np.cumsum(counts) - counts, counts, np.array(flat or [0], dtype=np.int64))


def _groups(groups: Iterable[list[str]], pool: _Pool) -> dict[int, list[int]]:
    options: dict[int, list[int]] = {}
    for group in groups:
        codes = [pool.code(name) for name in group]
        for code in codes:
            options.setdefault(code, []).extend(codes)
    return options


def _neighbours(names: Iterable[str]) -> Iterable[list[str]]:
    """Group plain names of four letters or more that differ by one substituted or one inserted letter."""
    shapes: dict[str, list[str]] = {}
    for name in sorted({name for name in names if len(name) >= 4 and name.isascii()}):
        masked = [name[:i] + "*" + name[i + 1 :] for i in range(len(name))]
        widened = [name[:i] + "*" + name[i:] for i in range(len(name) + 1)]
        for shape in dict.fromkeys(masked + widened):
            shapes.setdefault(shape, []).append(name)
    return shapes.values()


@cache
def names() -> Names:
    """Build the tables, once a process; about 0.3 s."""
    given_pool, family_pool = _Pool(), _Pool()
    given: dict[tuple[int, int, int], Draw] = {}
    near: tuple[list[str], list[str]] = ([], [])
    for (origin, label), sex, era in product(enumerate(ORIGINS), (0, 1), range(len(ERA_ENDS) + 1)):
        if era and "era" not in {source for source, _, _ in FORENAME_MIX[label]}:
            given[origin, sex, era] = given[origin, sex, 0]
            continue
        table = _forenames(label, sex, era)
        given[origin, sex, era] = given_pool.draw(table)
        if label in ("british", "south_asian", "arabic", "african"):
            near[sex].extend(table)
    women, men = (_groups((group.split() for group in text.split("/")), given_pool) for text in NICKNAMES)
    near_women, near_men = (_groups(_neighbours(side), given_pool) for side in near)
    family = tuple(family_pool.draw(_surnames(label)) for label in ORIGINS)
    womens = family_pool.draw(_ranked(WOMENS_SURNAMES.split(), 1.0, 6))
    polish = [name for name in family_pool.codes if name.endswith(("ski", "cki", "dzki"))]
    forms = [(family_pool.code(name), family_pool.code(name[:-1] + "a")) for name in polish]
    feminine = np.arange(len(family_pool.codes), dtype=np.int64)
    feminine[[masculine for masculine, _ in forms]] = [form for _, form in forms]
    size = len(given_pool.codes)
    return Names(
        forenames=np.array(list(given_pool.codes), dtype=object),
        surnames=np.array(list(family_pool.codes), dtype=object),
        given=given,
        family=family,
        feminine=feminine,
        womens=womens,
        nicknames=(_others(women, size), _others(men, size)),
        one_letter_apart=(_others(near_women, size), _others(near_men, size)),
    )


@dataclass(frozen=True)
class Places:
    """Addresses in the order of a walk (streets in sectors in districts), so that near indices are neighbours."""

    postcodes: Strings  # this and the next two by postcode
    streets: Strings
    towns: Strings
    postcode: Codes  # this and the next two by address
    number: Codes
    flat: Codes  # 0: a house, above 0: a flat, below 0: a hostel, an index into HOSTELS by its complement


def places(homes: int, rng: np.random.Generator) -> Places:
    """Lay out 1.02 * homes addresses or more, at least 80,000: 15 to 40 a postcode, 45 postcodes a sector."""
    count = max(3000, int(homes / 26) + 50)
    sector = np.arange(count) // 45
    district = sector // 6
    towns, outward = _districts(int(district[-1]) + 1, rng)
    unit = (np.arange(count) % 45 * 7 + rng.integers(0, 400, int(sector[-1]) + 1)[sector]) % 400
    at = zip(outward[district], (sector % 6 + 1).tolist(), unit.tolist(), strict=True)
    postcodes = [f"{area} {digit}{UNIT_LETTERS[u // 20]}{UNIT_LETTERS[u % 20]}" for area, digit, u in at]
    size = rng.integers(15, 41, count)
    first = np.cumsum(size) - size
    starts = (rng.random(count) < 0.5) | (np.arange(count) % 45 == 0)
    street = np.cumsum(starts) - 1
    postcode = np.repeat(np.arange(count), size)
    walked = np.arange(len(postcode))
    block = (rng.random(count) < 0.15)[postcode]
    number = (
        np.where(block, (first + rng.integers(0, 15, count))[postcode], walked) - first[starts][street[postcode]] + 1
    )
    flat = np.where(block, walked - first[postcode] + 1, 0)
    bases, weights = STREETS.split(), np.array([weight for _, weight in SUFFIXES.values()], dtype=np.float64)
    base = (len(bases) * rng.random(int(street[-1]) + 1) ** 1.6).astype(np.int64)
    suffix = rng.choice(len(weights), len(base), p=weights / weights.sum())
    titles = [f"{bases[b]} {list(SUFFIXES)[s]}" for b, s in zip(base, suffix, strict=True)]
    return Places(
        postcodes=np.array(postcodes, dtype=object),
        streets=np.array(titles, dtype=object)[street],
        towns=towns[district],
        postcode=postcode,
        number=number,
        flat=flat,
    )


def _districts(count: int, rng: np.random.Generator) -> tuple[Strings, Strings]:
    """Name `count` post towns and outward codes, twenty districts or so to an area."""
    areas = [area.split(":") for area in AREAS.split()]
    used = min(len(areas), 3 + count // 20)
    starts, ends = TOWN_STARTS.split(), TOWN_ENDS.split()
    made = [starts[rng.integers(len(starts))] + ends[rng.integers(len(ends))] for _ in range(count)]
    towns = [areas[d % used][1] if d < 2 * used else made[d] for d in range(count)]
    outward = [f"{areas[d % used][0]}{d // used + 1}" for d in range(count)]
    return np.array(towns, dtype=object), np.array(outward, dtype=object)

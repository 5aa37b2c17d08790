"""Names as tables of labelled pairs, each in the middle of a population: are the two one person?

Every pair keeps a distance from the threshold, since keys are drawn anew in every run. A record's text says
forename | surname | birth date | sex | postcode | address | NHS number.
"""

import pytest

from tests.hard_cases import DIFFERENT, LEFT, RIGHT, SAME, World, nhs_number, numbered, world_of_pairs

CASES = {
    "nicknames": [
        (
            SAME,
            "William | Ashdown | 14/03/1961 | M | LS6 2BD | 14 Cardigan Lane",
            "Bill | Ashdown | 14/03/1961 | M | LS6 2BD",
        ),
        (
            SAME,
            "Elizabeth | Harcastle | 02/11/1978 | F | HU5 3QT | 3 Chanterlands Avenue",
            "Betty | Harcastle | 02/11/1978 | F | HU5 3QT",
        ),
        (
            SAME,
            "Margaret | Pilkinton | 23/07/1944 | F | WA9 4HR | 9 Sutton Road",
            "Peggy | Pilkinton | 23/07/1944 | F | WA9 4HR",
        ),
        (
            SAME,
            "Katarzyna | Wojcik | 19/05/1986 | F | PE1 4SD | 41 Burghley Road",
            "Kasia | Wojcik | 19/05/1986 | F | PE1 4SD",
        ),
        (
            SAME,
            "Anthony | Threlfall | 08/08/1969 | M | PR1 7XB | 5 Lark Hill",
            "Tony | Threlfall | 08/08/1969 | M | PR4 2AH | 77 Poulton Street",
        ),
        (
            DIFFERENT,
            "Robert | Gaskarth | 30/01/1955 | M | CA11 8QN | 2 Lowther Street",
            "Harry | Gaskarth | 04/10/1983 | M | CA11 8QN | 2 Lowther Street",
        ),
    ],
    "initials": [
        (
            SAME,
            "R | Okonjo | 16/12/1990 | M | SE15 4TH | 88 Rye Lane",
            "Raphael | Okonjo | 16/12/1990 | M | SE15 4TH | 88 Rye Lane",
        ),
        (
            SAME,
            "J. P. | Merriweather | 03/09/1972 | M | GL50 2QE | 6 Lansdown Place",
            "Jeremy Paul | Merriweather | 03/09/1972 | M | GL50 2QE",
        ),
        (
            SAME,
            "Susan M | Tollemache | 25/02/1967 | F | IP4 1HW",
            "Susan | Tollemache | 25/02/1967 | F | IP4 1HW",
        ),
        (
            DIFFERENT,
            "D | Smith | 1974 | M | NG7 5DU",
            "David | Smith | 1974 | M | B13 9QL",
        ),
    ],
    "hyphenated and double surnames": [
        (
            SAME,
            "Imogen | Fanshawe-Blythe | 12/06/1994 | F | BA1 5LN | 21 Royal Crescent",
            "Imogen | Fanshawe Blythe | 12/06/1994 | F | BA1 5LN",
        ),
        (
            SAME,
            "Rhodri | Penhaligon-Rees | 29/04/1982 | M | CF11 9LA | 8 Cathedral Road",
            "Rhodri | Penhaligon | 29/04/1982 | M | CF11 9LA",
        ),
        (
            SAME,
            "Beatriz | Lopes da Cunha | 07/01/1989 | F | SW8 1TZ | 60 South Lambeth Road",
            "Beatriz | Cunha | 07/01/1989 | F | SW8 1TZ | 60 South Lambeth Road",
        ),
        (
            SAME,
            "Jesus | Garcia Marin | 31/10/1976 | M | W10 5NR",
            "Jesus | Garcia | 31/10/1976 | M | W10 5NR",
        ),
        (
            DIFFERENT,
            "Poppy | Carter-Lisle | 18/08/2001 | F | OX2 6HG",
            "Daisy | Carter | 02/03/1999 | F | OX2 6HG",
        ),
    ],
    "maiden names": [
        (
            SAME,
            "Gwendoline | Applegarth | 05/05/1958 | F | DL3 7RT | 17 Cleveland Avenue",
            "Gwendoline | Thistlewood | 05/05/1958 | F | DL3 7RT | 17 Cleveland Avenue",
        ),
        (
            SAME,
            f"Sarah | Dunnock | 11/09/1985 | F | CV6 3BL | | {nhs_number(11)}",
            f"Sarah | Whinyates | 11/09/1985 | F | ST4 5DQ | | {nhs_number(11)}",
        ),
        (
            SAME,
            "Philomena | O'Driscoll | 20/12/1979 | F | M21 9EN | 35 Barlow Moor Road",
            "Philomena | Szymanski | 20/12/1979 | F | M21 9EN | 35 Barlow Moor Road",
        ),
        (
            DIFFERENT,
            "Emma | Brockbank | 14/02/1991 | F | LA1 3JT",
            "Emma | Ledgerwood | 14/02/1991 | F | TR1 2NE",
        ),
    ],
    "swapped forename and surname": [
        (
            SAME,
            "Gareth | Llewelyn | 09/07/1970 | M | SA1 6EZ | 4 Uplands Terrace",
            "Llewelyn | Gareth | 09/07/1970 | M | SA1 6EZ",
        ),
        (
            SAME,
            "James | Morris | 22/03/1963 | M | LE2 1TU | 90 Saxby Street",
            "Morris | James | 22/03/1963 | M | LE2 1TU | 90 Saxby Street",
        ),
        (
            SAME,
            "Nadia | Kowalczuk | 01/06/1992 | F | SN1 5EL",
            "Kowalczuk | Nadia | 01/06/1992 | F | SN1 5EL",
        ),
        (
            DIFFERENT,
            "Thomas | Alexander | 17/10/1950 | M | EX4 6PX",
            "Alexander | Thomas | 05/04/1988 | M | NR2 3TT",
        ),
    ],
    "transliterated and accented names": [
        (
            SAME,
            "Zoë | Müller-Brandt | 13/11/1987 | F | N8 9TX | 12 Crouch Hill",
            "Zoe | Mueller Brandt | 13/11/1987 | F | N8 9TX",
        ),
        (
            SAME,
            "Siân | Gruffydd | 28/02/1975 | F | LL57 2HR",
            "Sian | Gruffydd | 28/02/1975 | F | LL57 2HR",
        ),
        (
            SAME,
            "Mohammed | Al-Hussaini | 06/06/1980 | M | BD8 7NA | 50 Oak Lane",
            "Muhammad | Alhusaini | 06/06/1980 | M | BD8 7NA | 50 Oak Lane",
        ),
        (
            SAME,
            "Юлия | Шевченко | 24/08/1993 | F | CO2 7RW | 19 Maldon Road",
            "Yuliya | Shevchenko | 24/08/1993 | F | CO2 7RW | 19 Maldon Road",
        ),
        (
            SAME,
            "Łukasz | Wiśniewski | 15/01/1984 | M | SL2 5QP",
            "Lukasz | Wisniewski | 15/01/1984 | M | SL2 5QP",
        ),
        (
            DIFFERENT,
            "Ngọc | Nguyễn | 10/10/1985 | F | SE8 4RT",
            "Ngoc | Nguyen | 23/05/1999 | M | E8 2NG",
        ),
    ],
    "South Asian name orders": [
        (
            SAME,
            "Harpreet Kaur | Sidhu | 27/04/1988 | F | UB1 2DX | 7 Lady Margaret Road",
            "Harpreet | Kaur | 27/04/1988 | F | UB1 2DX | 7 Lady Margaret Road",
        ),
        (
            SAME,
            "Md Shafiqul | Islam | 01/07/1973 | M | E1 5HQ | 33 Brick Lane",
            "Shafiqul | Islam | 01/07/1973 | M | E1 5HQ | 33 Brick Lane",
        ),
        (
            SAME,
            "Rajalakshmi | Venkataraman | 19/09/1966 | F | HA3 5QB | 5 Kenton Lane",
            "Venkataraman | Rajalakshmi | 19/09/1966 | F | HA3 5QB",
        ),
        (
            SAME,
            "Muhammad | Zulqarnain Akhtar | 21/11/1995 | M | BD9 4AJ",
            "Zulqarnain | Akhtar | 21/11/1995 | M | BD9 4AJ",
        ),
        (
            DIFFERENT,
            "Gurpreet | Singh | 1982 | M | WV2 4NP",
            "Gurpreet | Singh | 1991 | M | DE23 8HF",
        ),
        (
            DIFFERENT,
            "Fatima | Begum | 03/02/1970 | F | OL9 7DS",
            "Fatima | Begum | 16/08/1987 | F | LU4 8JD",
        ),
    ],
    "Chinese name orders": [
        (
            SAME,
            "Xiaoming | Ouyang | 08/12/1991 | M | M1 4BD | 2 Faulkner Street",
            "Ouyang | Xiaoming | 08/12/1991 | M | M1 4BD",
        ),
        (
            SAME,
            "Wai Ling | Tsang | 17/03/1968 | F | RG1 7TY | 28 Oxford Road",
            "Tsang Wai | Ling | 17/03/1968 | F | RG1 7TY | 28 Oxford Road",
        ),
        (
            SAME,
            "Mei-Hua | Zhuang | 26/05/1997 | F | LE3 0QF",
            "Meihua | Zhuang | 26/05/1997 | F | LE3 0QF",
        ),
        (
            SAME,
            "Grace Siu Fong | Kwok | 04/04/1983 | F | SM1 2PB | 11 Mulgrave Road",
            "Siu Fong | Kwok | 04/04/1983 | F | SM1 2PB | 11 Mulgrave Road",
        ),
        (
            DIFFERENT,
            "Wei | Chen | 1990 | M | G12 8QQ",
            "Chen | Wei | 1996 | F | NE1 7RU",
        ),
    ],
}
ROWS = numbered(CASES)


@pytest.fixture(scope="module")
def world() -> World:
    return world_of_pairs(ROWS)


@pytest.mark.parametrize(("ref", "label"), [row[:2] for row in ROWS], ids=[row[0] for row in ROWS])
def test_a_labelled_pair_is_one_person_or_not(world, ref, label):
    assert world.is_one_person((LEFT, ref), (RIGHT, ref)) is label

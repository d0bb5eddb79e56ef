"""What the parrots of a demonstration are called."""

_MEN = (
    ("kuzma", "Кузьма"), ("foma", "Фома"), ("zakhar", "Захар"), ("miron", "Мирон"), ("gleb", "Глеб"),
    ("yegor", "Егор"), ("stepan", "Степан"), ("tikhon", "Тихон"), ("makar", "Макар"), ("prokhor", "Прохор"),
)  # fmt: skip
_WOMEN = (
    ("ulyana", "Ульяна"), ("varvara", "Варвара"), ("glafira", "Глафира"), ("zoya", "Зоя"), ("marfa", "Марфа"),
    ("agata", "Агата"), ("pelageya", "Пелагея"), ("lukerya", "Лукерья"), ("faina", "Фаина"), ("rimma", "Римма"),
)  # fmt: skip
#: Of a man; of a woman with an `а` at the end.
_SURNAMES = (
    "Пёрышкин", "Просов", "Насестов", "Хохолков", "Скорлупов", "Зобов", "Крылов", "Щебетов", "Чириков", "Кокосов",
    "Бананов", "Лапкин", "Пухов", "Орехов", "Жердин", "Клетков", "Воробьёв", "Изюмов", "Манговый", "Хвостов",
)  # fmt: skip
_ADJECTIVE, _ADJECTIVE_OF_A_WOMAN = "ый", "ая"


def key_and_name(number: int) -> tuple[str, str]:
    """Return a name for the parrot of this number, from 0, and a key in ASCII; no two keys are the same."""
    men = number % 2 == 0
    key, first = (_MEN if men else _WOMEN)[number // 2 % 10]
    surname = _SURNAMES[(number * 3 + number // 20) % len(_SURNAMES)]
    return f"{key}-{number + 1}", f"{first} {surname if men else _of_a_woman(surname)}"


def _of_a_woman(surname: str) -> str:
    if surname.endswith(_ADJECTIVE):
        return surname.removesuffix(_ADJECTIVE) + _ADJECTIVE_OF_A_WOMAN
    return f"{surname}а"

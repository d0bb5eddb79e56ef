"""Who works for the demo company."""

from dataclasses import dataclass

#: The people of the demo company are imported under ids that start like this.
PREFIX = "demo:"


@dataclass(frozen=True)
class DemoPerson:
    """Somebody of the demo company."""

    #: Names the photo's file; lower-case ASCII.
    key: str
    name: str
    role: str

    @property
    def external_id(self) -> str:
        """The id under which the person is imported."""
        return f"{PREFIX}{self.key}"

    @property
    def email(self) -> str:
        """An address that leads nowhere: .example is reserved for that (RFC 2606)."""
        return f"{self.key}@uberpopug.example"


PEOPLE = (
    DemoPerson("arseny", "Арсений Гнездов", "admin"),
    DemoPerson("flint", "Капитан Флинт", "manager"),
    DemoPerson("kakadu", "Лев Какадуевич Хохлатый", "boss"),
    DemoPerson("sofya", "Софья Зёрнышкина", "accountant"),
    DemoPerson("gosha", "Гоша Семечкин", "accountant"),
    DemoPerson("kesha", "Иннокентий Клювов", "popug"),
    DemoPerson("ara", "Ара Перьева", "popug"),
    DemoPerson("zhako", "Жан-Жак Жако", "popug"),
    DemoPerson("lori", "Лори Нектарова", "popug"),
    DemoPerson("korella", "Корелла Жёрдочкина", "popug"),
    DemoPerson("tosha", "Тоша Пёстрый", "popug"),
    DemoPerson("rio", "Рио Попкорнов", "popug"),
)

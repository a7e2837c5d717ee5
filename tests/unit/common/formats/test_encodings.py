"""Which encoding undeclared bytes are in: UTF-8, clearly Windows-1252, or for a person to decide."""

import random
from pathlib import Path

import pytest

from common.core.errors import UnreadableFile
from common.core.shape import Dialect
from tests.unit.common.formats.dropped import Dropped

WESTERN = {
    "fr": "Élise Lefèvre Hélène Noël François Château forêt naïve garçon où été",
    "de": "Müller Jäger Schröder Groß Übung größer Straße Köln Förster Bär",
    "es": "Muñoz Peña José Martínez Andrés canción año teléfono Ávila Íñigo",
    "pt": "João São Conceição Gonçalves três avó Luís irmã não açúcar",
    "sv": "Åsa Björn Söderström Malmö Ängelholm Östersund kött själv Håkan Sjöberg",
    "da": "Søren Jørgensen Ærø Århus København Kærgård Østergaard Håndværk rødgrød",
    "is": "Sigurður Guðrún Þórður Björk Hafnarfjörður Ólafur Jónsdóttir Ísafjörður",
    "it": "città perché Niccolò così più università caffè lunedì Cefalù virtù",
    "fi": "Jyväskylä Mäkinen Hämeenlinna Äänekoski pöytä Järvinen Väinö Yrjö",
}
OTHERS = {
    ("pl", "cp1250"): "Łódź Wałęsa Święcicki Kowalczyk żółć Gdańsk Poznań Częstochowa",
    ("cs", "cp1250"): "Dvořák Novák Říha Plzeň Brno-střed Jiří Svoboda žluťoučký kůň",
    ("hu", "cp1250"): "Győr Petőfi Erdős Fekete László hűvös főváros tűzoltó Kőszeg",
    ("ru", "cp1251"): "Иванов Мария Москва улица Пушкина дом Екатеринбург",
    ("ru", "cp866"): "Иванов Мария Москва улица Пушкина дом Екатеринбург",
    ("ru", "koi8-r"): "Иванов Мария Москва улица Пушкина дом Екатеринбург",
    ("tr", "cp1254"): "Yıldız Şahin Doğan İstanbul Çağlar Güneş kırmızı Ağaoğlu",
    ("fr", "cp850"): "Élise Lefèvre Hélène Noël François Château forêt naïve garçon",
    ("de", "cp850"): "Müller Jäger Schröder Groß Übung größer Straße Köln Förster",
    ("fr", "mac-roman"): "Élise Lefèvre Hélène Noël François Château forêt naïve garçon",
    ("ja", "shift_jis"): "東京 大阪 名古屋 山田 太郎 鈴木 カタカナ ひらがな",
    ("zh", "gb18030"): "北京 上海 广州 深圳 王伟 李娜 数据 平台",
    ("el", "cp1253"): "Παπαδόπουλος Αθήνα Θεσσαλονίκη Ελένη Γιώργος οδός",
}


def table(words: str) -> str:
    return "id,name\n" + "".join(f"{n},{word}\n" for n, word in enumerate(words.split()))


@pytest.mark.parametrize("language", WESTERN)
def test_western_letters_are_read_as_windows_1252(tmp_path: Path, language: str) -> None:
    words = WESTERN[language]
    dropped = Dropped(tmp_path, table(words).encode("cp1252"))
    assert dropped.shape.encoding == "cp1252"
    assert [row[1] for row in dropped.rows] == words.split()


@pytest.mark.parametrize(("language", "encoding"), OTHERS)
def test_any_other_encoding_is_held_and_named(tmp_path: Path, language: str, encoding: str) -> None:
    data = table(OTHERS[language, encoding]).encode(encoding)
    with pytest.raises(UnreadableFile, match="encoding") as caught:
        Dropped(tmp_path, data)
    assert caught.value.reason == "encoding"
    if encoding.startswith(("cp1250", "cp1251", "cp1254", "cp850", "cp866", "koi8", "mac")):
        assert encoding in str(caught.value)
    declared = Dropped(tmp_path, data, declared=Dialect(encoding=encoding))
    assert [row[1] for row in declared.rows] == OTHERS[language, encoding].split()


@pytest.mark.parametrize("text", ["5 €", "“quoted” – x", "25 °C", "l’été", "½ cup", "£3"])
def test_signs_of_windows_1252_are_read_or_their_lines_are_refused(tmp_path: Path, text: str) -> None:
    try:
        dropped = Dropped(tmp_path, f"id,name\n1,{text}\n2,Ann\n".encode("cp1252"))
    except UnreadableFile as error:
        assert error.reason == "encoding"
        return
    assert [row[1] for row in dropped.rows] in ([text, "Ann"], ["Ann"])
    assert len(dropped.rows) + len(dropped.malformed) == 2


def test_a_rare_western_word_in_a_long_file_is_read(tmp_path: Path) -> None:
    names = ["José", "Müller", "Zoë", "Noël"]
    lines = [f"{n},{names[n // 1000] if n % 1000 == 7 else 'Ann'}\n" for n in range(4000)]
    dropped = Dropped(tmp_path, ("id,name\n" + "".join(lines)).encode("cp1252"))
    assert dropped.shape.encoding == "cp1252"
    assert dropped.malformed == []


def test_lines_of_two_encodings_are_never_read_as_one(tmp_path: Path) -> None:
    western = "".join(f"{n},Müller\n" for n in range(20)).encode("cp1252")
    dropped = Dropped(
        tmp_path, b"id,name\n" + b"".join(western.splitlines(keepends=True)[:3]) + "98,Zoë\n99,Noël\n".encode()
    )
    assert {row[1] for row in dropped.rows} == {"Zoë", "Noël"}
    with pytest.raises(UnreadableFile):
        Dropped(tmp_path, b"id,name\n" + western + "99,Noël\n".encode())


def test_no_mixture_of_words_of_another_page_is_taken_for_windows_1252(tmp_path: Path) -> None:
    chance, wrong, held = random.Random(5), 0, 0
    for (_, encoding), words in OTHERS.items():
        for _ in range(10):
            chosen = [word for word in chance.sample(words.split(), 3) if not word.isascii()]
            data = table(" ".join(chosen)).encode(encoding)
            try:
                dropped = Dropped(tmp_path, data)
            except UnreadableFile:
                held += 1
                continue
            texts = [row[1] for row in dropped.rows]
            wrong += not dropped.malformed and texts != chosen
    assert (wrong, held > 60) == (0, True)

"""Make pictures.webp and signs.json: the same signs as drawn by up to eight teams.

Run from the project root (needs the `npm` command and `pip install resvg-py`, only here; about half a minute):

    python data/emoji/make.py

Drawings are matched by Unicode code point. Four of the packages state the code points of their drawings. The others
state only names; a name is turned into the code point that Unicode gives it (CLDR short names, new and old, and
character names) before anything is compared. Where such a name misleads, `CORRECTIONS` has the code point.
"""

import hashlib
import io
import json
import re
import subprocess
import tarfile
import tempfile
from collections import defaultdict
from pathlib import Path

import numpy as np
import resvg_py
from PIL import Image

HERE = Path(__file__).parent
PACKAGES = {  # what is fetched through npm, and its SHA-256
    "@iconify-json/noto@1.2.9": "3e918d88fc945c0bb3d468dbace6f88caef67f01c9f0e7bcae0915a042e8f1ad",
    "@iconify-json/noto-v1@1.2.5": "2bf62c26c2c2884aa99e90aec942cdaee17a5921f05690694f4978ad4b017c37",
    "@iconify-json/twemoji@1.2.5": "19046dff7d8707ce96212ec86468b36ac5f8e60409629dd13f809265c6d0ebb7",
    "@iconify-json/openmoji@1.2.29": "03181e2c156cab35cf4a62f1f7886bd971d59212e75ac3f189d5a4cae3930fc5",
    "@iconify-json/fluent-emoji-flat@1.2.6": "7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175",
    "@iconify-json/fxemoji@1.2.2": "f3e72b3c59d05e1db03b7e308d55c0d05bd7ba3f625a90da1b79313c12858eef",
    "@iconify-json/emojione@1.2.3": "26a14f44284407e8bcde91799388dca2bfd91dbcd55a97f425524a1c5b73610e",
    "@iconify-json/emojione-v1@1.2.3": "6641d59d48a42823fdc2b84e7427e9f302944eb98d2c7d94d6e67c139e7b37b3",
    "emojibase-data@17.0.0": "d01d0e2ca4e22cb402679532155342c71e2e871f25c32223c013b8b166ebdf5a",
    "cldr-annotations-full@48.2.0": "28576e51225deb51e3ddd734b0f824a0079682cb5d8c27faa9f68149317a14d1",
}
TEAMS = ("noto", "noto-v1", "twemoji", "openmoji", "fluent-emoji-flat", "fxemoji", "emojione", "emojione-v1")
WITH_CODE_POINTS = ("noto", "twemoji", "openmoji", "fluent-emoji-flat")
SIZE = 32
COLUMNS = 128  # pictures in a row of the sheet
FEWEST_DRAWINGS = 4

# fxemoji's own names for signs, where Unicode has another name, or gives that name to another sign. "-": not used, the
# drawing shows a sign that cannot be told from its name, or cannot be rendered.
CORRECTIONS = """
star 1f31f umbrella 1f302 wave 1f30a
dog 1f436 cat 1f431 tiger 1f42f pig 1f437 mouse 1f42d kiss - tramcar -
bunny 1f430 bunnyside 1f407 dogside 1f415 catside 1f408 tigerside 1f405 leopardside 1f406 pigside 1f416
mouseside 1f401 dragonhead 1f432 dragonside 1f409 hampster 1f439 pigsnout 1f43d spurtingwhale 1f433
frontfacingchick 1f425
monkeysee 1f648 monkeyhear 1f649 monkeyspeak 1f64a foxsmiling 1f63a foxgrin 1f638 foxtearofjoy 1f639 foxheart 1f63b
foxwry 1f63c foxkissing 1f63d foxpouting 1f63e foxcrying 1f63f foxweary 1f640
heartblue - heartgreen 1f49a heartyellow 1f49b heartpurple 1f49c heartarrow 1f498 heartribbon 1f49d
acorn 1f330 evergreen 1f332 fallingleaf 1f342 leaffluttering 1f343 chilipepper 1f336 fishcakeswirl 1f365
present 1f381 tennisball 1f3be
europeafricaglobe 1f30d americasglobe 1f30e asiaaustraliaglobe 1f30f meridianglobe 1f310 waningbibbousmoon 1f316
toykotower 1f5fc silhouetteohjapan 1f5fe
guapimao 1f472 sandals 1f461 heels 1f460 mensshoe 1f45e mensrunner 1f45f mansshirt 1f455 womansshirt 1f45a
pinkwallet 1f45b makeupbag 1f45d flexbicep 1f4aa
closedmailboxlowered 1f4ea closedmailboxraised 1f4eb openmailboxraised 1f4ec openmailboxlowered 1f4ed
speakeronesoundwave 1f509 speaker3soundwaves 1f50a speakercancellation 1f507 bellcancellation 1f515 studiomic 1f399
videocasette 1f4fc
chartupwardstrend 1f4c8 chartdownwardstrend 1f4c9 chartupwardstrendyen 1f4b9 banknoteyen 1f4b4 banknotedollar 1f4b5
banknoteeuro 1f4b6 banknotepound 1f4b7
backwithleftwardsarrow 1f519 endwithleftwardsarrow 1f51a onarrowleftright 1f51b soonwithrightarrow 1f51c
topwithupwardsarrow 1f51d saggitarius 2650 squaredup 1f199
negativesquaredlatincaptiala 1f170 negativesquaredlatincaptialb 1f171 negativesquaredlatincaptialo 1f17e
cjkunifiedideographa 1f22f cjkunifiedideographb 1f23a cjkunifiedideographc 1f232 cjkunifiedideographd 1f233
cjkunifiedideographe 1f234 cjkunifiedideographf 1f235 cjkunifiedideographg 1f236 cjkunifiedideographh 1f237
cjkunifiedideographi 1f21a cjkunifiedideographj 1f238 cjkunifiedideographk 1f239
"""

# Code points that turn one sign into a variant of it: joiner, genders, adults, hair, direction, presentation.
VARIANT_MARKS = {
    *("200d", "fe0f", "2640", "2642", "27a1", "2194", "2195"),
    *("1f468", "1f469", "1f9d1", "1f9b0", "1f9b1", "1f9b2", "1f9b3"),
}
# Signs that are variants of another though Unicode gave them a code point of their own.
SAME_BASE = {
    # families and couples of every composition
    "person-1f466": "1f46a",
    "person-1f467": "1f46a",
    "person-1f466-1f466": "1f46a",
    "person-1f467-1f466": "1f46a",
    "person-1f467-1f467": "1f46a",
    "person-1f9d2": "1f46a",
    "person-1f9d2-1f9d2": "1f46a",
    "person-2764": "1f491",
    "person-2764-1f48b": "1f48f",
    "1f46b": "1f46a-two",
    "1f46c": "1f46a-two",
    "1f46d": "1f46a-two",
    "person-1f91d": "1f46a-two",
    # the same person as a woman, as a man, and as neither
    "1f467": "1f9d2",
    "1f466": "1f9d2",
    "1f474": "1f9d3",
    "1f475": "1f9d3",
    "1f478": "1f934",
    "1fac5": "1f934",
    "1f936": "1f385",
    "person-1f384": "1f385",
    "1f57a": "1f483",
    "1fac3": "1f930",
    "1fac4": "1f930",
    "person-1f37c": "1f931",
}


def fetch(package: str, folder: Path) -> tarfile.TarFile:
    """Get one package through npm, refuse any other content, and open it."""
    command = ["npm", "pack", "--silent", package]
    name = subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
    if hashlib.sha256((folder / name).read_bytes()).hexdigest() != PACKAGES[package]:
        raise SystemExit(f"{package} is not the package that this script was written for.")
    return tarfile.open(folder / name)


def read_json(archive: tarfile.TarFile, name: str):
    """One JSON file of a package."""
    return json.load(archive.extractfile(f"package/{name}"))


def plain(code: str) -> str:
    """A code point sequence in lower case, without the marks that ask for a coloured presentation."""
    return "-".join(part for part in code.lower().split("-") if part != "fe0f")


def slug(name: str) -> str:
    """A name as icon packages write it: "man’s shoe" -> "mans-shoe"."""
    name = name.lower().replace("’", "").replace("ñ", "n").replace("#", "hash").replace("*", "asterisk")
    return re.sub(r"[^a-z0-9]+", "-", name).strip("-")


def squeeze(name: str) -> str:
    """A name without anything but its letters and digits, as fxemoji writes it."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def read_signs(emojibase: tarfile.TarFile) -> dict[str, dict]:
    """Every sign without a skin tone, by its code points: the sign, name, group, subgroup, tags.

    Flags are left out, because all teams draw the same flag; so are the letters that flags are spelled with.
    """
    groups = read_json(emojibase, "meta/groups.json")
    signs = {}
    for entry in sorted(read_json(emojibase, "en/data.json"), key=lambda entry: entry.get("order", 0)):
        if "group" in entry and groups["groups"][str(entry["group"])] not in ("flags", "component"):
            signs[plain(entry["hexcode"])] = {
                "sign": entry["emoji"],
                "name": entry["label"],
                "group": groups["groups"][str(entry["group"])],
                "subgroup": groups["subgroups"][str(entry["subgroup"])],
                "tags": entry.get("tags", []),
            }
    return signs


def stated_drawings(icons: dict, chars: dict, signs: dict) -> dict[str, str]:
    """Code point -> icon, of a package that states code points."""
    drawings = {}
    for code, name in chars.items():
        icon = icons.get("aliases", {}).get(name, {"parent": name})
        if plain(code) in signs and set(icon) == {"parent"} and icon["parent"] in icons["icons"]:
            drawings[plain(code)] = icon["parent"]
    return drawings


def code_points_of_names(signs: dict, packages: dict) -> dict[str, str]:
    """Name -> code point. What the packages state goes first, then their old names, then CLDR's names."""
    names = {}
    for _, chars in packages.values():
        for code, name in chars.items():
            if plain(code) in signs:
                names.setdefault(name, plain(code))
    for icons, chars in packages.values():
        current = {name: plain(code) for code, name in chars.items()}
        for old, icon in icons.get("aliases", {}).items():
            if set(icon) == {"parent"} and current.get(icon["parent"]) in signs:
                names.setdefault(old, current[icon["parent"]])
    for code, sign in signs.items():
        names.setdefault(slug(sign["name"]), code)
    return names


def named_drawings(icons: dict, names: dict[str, str], signs: dict) -> dict[str, str]:
    """Code point -> icon, of a package that states only names."""
    drawings = {}
    for icon in icons["icons"]:
        if (code := names.get(icon.replace("digit-", "keycap-"))) in signs:
            drawings.setdefault(code, icon)
    return drawings


def picture(icons: dict, name: str) -> np.ndarray:
    """One icon on white, (SIZE, SIZE, 3) uint8, centred where it is not square."""
    icon = icons["icons"][name]
    left, top = icon.get("left", 0), icon.get("top", 0)
    width, height = icon.get("width", icons.get("width", 16)), icon.get("height", icons.get("height", 16))
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" '
        f'width="{SIZE}" height="{SIZE}" viewBox="{left} {top} {width} {height}">{icon["body"]}</svg>'
    )
    with Image.open(io.BytesIO(bytes(resvg_py.svg_to_bytes(svg_string=svg)))) as image:
        white = Image.new("RGBA", image.size, "white")
        return np.asarray(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))


def base_sign(code: str) -> str:
    """What a sign and its variants (man, woman, hair, direction) have in common, so that splits keep them together.

    A person with a thing (a cook is a person and a frying pan) is no variant of the thing.
    """
    if code in SAME_BASE:
        return SAME_BASE[code]
    rest = [part for part in code.split("-") if part not in VARIANT_MARKS]
    person_first = code.split("-")[0] in ("1f468", "1f469", "1f9d1")
    bare = "-".join(rest)
    if person_first:
        return SAME_BASE.get("person-" + bare, "person-" + bare if bare else "1f9d1")
    return SAME_BASE.get(bare, bare or code)


def write_sheet(pictures: np.ndarray, target: Path) -> None:
    """All pictures (n, SIZE, SIZE, 3) as one lossless image, COLUMNS in a row, the last row filled up with white."""
    missing = -len(pictures) % COLUMNS
    full = np.concatenate([pictures, np.full((missing, SIZE, SIZE, 3), 255, np.uint8)])
    rows = full.reshape(-1, COLUMNS, SIZE, SIZE, 3).swapaxes(1, 2).reshape(-1, COLUMNS * SIZE, 3)
    Image.fromarray(rows).save(target, lossless=True, quality=100, method=6)


def main() -> None:
    """Download, match, render, and write pictures.webp and signs.json beside this script."""
    with tempfile.TemporaryDirectory() as folder:
        archives = {package: fetch(package, Path(folder)) for package in PACKAGES}
        by_name = {package.rsplit("@", 1)[0].removeprefix("@iconify-json/"): a for package, a in archives.items()}
        emojibase = by_name["emojibase-data"]
        signs = read_signs(emojibase)
        keywords = read_json(by_name["cldr-annotations-full"], "annotations/en/annotations.json")
        keywords = keywords["annotations"]["annotations"]
        character_names = read_json(emojibase, "meta/unicode-names.json")
        packages = {
            team: tuple(read_json(by_name[team], f"{part}.json") for part in ("icons", "chars")) for team in TEAMS
        }

    stating = {team: packages[team] for team in WITH_CODE_POINTS}
    names = code_points_of_names(signs, stating)
    squeezed = {}
    for name, code in names.items():
        squeezed.setdefault(squeeze(name), code)
    for code, name in character_names.items():
        if plain(code) in signs:
            squeezed.setdefault(squeeze(name), plain(code))
    words = CORRECTIONS.split()
    squeezed |= dict(zip(words[::2], words[1::2], strict=True))
    drawings = {}
    for team in TEAMS:
        icons, chars = packages[team]
        if team in WITH_CODE_POINTS:
            drawings[team] = stated_drawings(icons, chars, signs)
        else:
            known = {icon: squeezed.get(squeeze(icon)) for icon in icons["icons"]} if team == "fxemoji" else names
            drawings[team] = named_drawings(icons, known, signs)

    teams_of = defaultdict(list)
    for team in TEAMS:
        for code in drawings[team]:
            teams_of[code].append(team)
    kept = [code for code in signs if len(teams_of[code]) >= FEWEST_DRAWINGS]
    rows = [(code, team) for code in kept for team in teams_of[code]]
    pictures = np.stack([picture(packages[team][0], drawings[team][code]) for code, team in rows])
    write_sheet(pictures, HERE / "pictures.webp")
    bases = {code: number for number, code in enumerate(dict.fromkeys(base_sign(code) for code in kept))}
    described = []
    for code in kept:
        sign = signs[code]
        tags = sign.pop("tags")  # emojibase's, for the sequences that CLDR's file leaves out
        sign["keywords"] = keywords.get(sign["sign"].replace("\ufe0f", ""), {}).get("default", tags)
        sign["base"] = bases[base_sign(code)]
        sign["teams"] = [TEAMS.index(team) for team in teams_of[code]]
        described.append(sign)
    lines = ",\n".join(json.dumps(sign, ensure_ascii=False) for sign in described)
    (HERE / "signs.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    print(f"{len(kept):,} signs, {len(bases):,} base signs, {len(pictures):,} pictures")
    for name in ("pictures.webp", "signs.json"):
        content = (HERE / name).read_bytes()
        print(name, f"{len(content):,} bytes", hashlib.sha256(content).hexdigest())


if __name__ == "__main__":
    main()

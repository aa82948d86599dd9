"""Makes hashes of awkward passwords with the libraries that applications use, as other programs keep them.

usage: make.py FOLDER

FOLDER/users.json    one object in a line: username, password (plain, for the test), hash
FOLDER/django.db     Django's own table auth_user, made by its migrations
FOLDER/flask.db      a table "user" as Flask's tutorials have it
"""

import json
import sqlite3
import sys
import unicodedata
from pathlib import Path

import django
from argon2 import PasswordHasher, Type
from django.conf import settings

HASHERS = ["PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt"]

folder = Path(sys.argv[1])
settings.configure(
    PASSWORD_HASHERS=[f"django.contrib.auth.hashers.{name}PasswordHasher" for name in HASHERS],
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": str(folder / "django.db")}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    USE_TZ=True,
)
django.setup()

from django.contrib.auth import hashers  # noqa: E402
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from passlib import hash as passlib  # noqa: E402
from werkzeug.security import generate_password_hash  # noqa: E402

passlib.argon2.set_backend()  # by itself it would choose too late

PASSWORDS = [
    "correct horse",
    " blanks around ",
    "Grüße, 山田 🔑",
    unicodedata.normalize("NFD", "Café déjà"),
    "ﬁve ① Ω",  # other letters after normalisation
    "x" * 71,
    "x" * 72 + "and what bcrypt does not read",
    "é" * 60,
    "$2b$12$looks:like,a$hash",
]


def django_hash(name, **attributes):
    """One of Django's hashers at a low cost."""
    hasher = type("Cheap", (getattr(hashers, f"{name}PasswordHasher"),), attributes)()
    return lambda password: hasher.encode(password, hasher.salt())


def argon2(kind):
    return PasswordHasher(time_cost=1, memory_cost=256, parallelism=2, type=kind).hash


CHEAP = {
    "werkzeug-sha1": lambda p: generate_password_hash(p, "pbkdf2:sha1:1000"),
    "werkzeug-sha256": lambda p: generate_password_hash(p, "pbkdf2:sha256:1000"),
    "werkzeug-sha512": lambda p: generate_password_hash(p, "pbkdf2:sha512:1000", salt_length=40),
    "werkzeug-scrypt": lambda p: generate_password_hash(p, "scrypt:1024:8:1"),
    "passlib-sha1": passlib.pbkdf2_sha1.using(rounds=1000).hash,
    "passlib-sha256": passlib.pbkdf2_sha256.using(rounds=1000).hash,
    "passlib-sha512": passlib.pbkdf2_sha512.using(rounds=1000, salt_size=64).hash,
    "passlib-bcrypt": passlib.bcrypt.using(rounds=4).hash,
    "passlib-2a": passlib.bcrypt.using(rounds=4, ident="2a").hash,
    "passlib-2y": passlib.bcrypt.using(rounds=4, ident="2y").hash,
    "passlib-bcrypt-sha256-v1": passlib.bcrypt_sha256.using(rounds=4, version=1).hash,
    "passlib-bcrypt-sha256-v2": passlib.bcrypt_sha256.using(rounds=4).hash,
    "passlib-scrypt": passlib.scrypt.using(rounds=8).hash,
    "passlib-argon2": passlib.argon2.using(rounds=1, memory_cost=256).hash,
    "argon2-d": argon2(Type.D),
    "argon2-i": argon2(Type.I),
    "argon2-id": argon2(Type.ID),
    "django-pbkdf2": django_hash("PBKDF2", iterations=1000),
    "django-pbkdf2-sha1": django_hash("PBKDF2SHA1", iterations=1000),
    "django-argon2": django_hash("Argon2", time_cost=1, memory_cost=256, parallelism=2),
    "django-bcrypt-sha256": django_hash("BCryptSHA256", rounds=4),
    "django-bcrypt": django_hash("BCrypt", rounds=4),
    "django-scrypt": django_hash("Scrypt", work_factor=1024),
}

# What the libraries choose by themselves.
USUAL = {
    "usual-werkzeug": generate_password_hash,
    "usual-passlib-bcrypt": passlib.bcrypt.hash,
    "usual-passlib-pbkdf2": passlib.pbkdf2_sha256.hash,
    "usual-django": hashers.make_password,
    "usual-django-scrypt": lambda p: hashers.make_password(p, hasher="scrypt"),
    "usual-django-bcrypt": lambda p: hashers.make_password(p, hasher="bcrypt_sha256"),
    "usual-django-argon2": lambda p: hashers.make_password(p, hasher="argon2"),
    "usual-argon2": PasswordHasher().hash,
}

with open(folder / "users.json", "w", encoding="utf-8") as out:
    for name, make in CHEAP.items():
        for number, password in enumerate(PASSWORDS):
            user = {"username": f"{name}.{number}", "plain": password, "hash": make(password)}
            out.write(json.dumps(user) + "\n")
    for name, make in USUAL.items():
        out.write(json.dumps({"username": name, "plain": PASSWORDS[0], "hash": make(PASSWORDS[0])}) + "\n")

call_command("migrate", verbosity=0)
User.objects.create_user("dora", "dora@old.example", PASSWORDS[0])
User.objects.create_superuser("diego", "diego@old.example", PASSWORDS[1])
User.objects.create_user("unusable", "unusable@old.example", None)
User.objects.create_user("left", "left@old.example", PASSWORDS[0], is_active=False)
User.objects.create_user("by.address@old.example", "by.address@old.example", PASSWORDS[0])

with sqlite3.connect(folder / "flask.db") as db:
    db.execute('CREATE TABLE "user" (id INTEGER PRIMARY KEY, username TEXT, email TEXT, password_hash TEXT, role TEXT)')
    db.executemany(
        'INSERT INTO "user" (username, email, password_hash, role) VALUES (?, ?, ?, ?)',
        [
            ("flora", "flora@old.example", generate_password_hash(PASSWORDS[0]), "editor"),
            ("floyd", None, generate_password_hash(PASSWORDS[1], "pbkdf2"), "boss"),
        ],
    )

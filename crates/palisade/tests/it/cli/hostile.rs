//! Files that somebody prepared for `palisade import`: each ends with a clear word, its place, and nothing half done.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

const HASH: &str =
    "pbkdf2:sha256:1000$Qp2tQAfe5DTKh8lm$eae4a103f593dad3316e2314e82c3b2aa908447d53f0654de5cad179a0663d1a";

/// What no output may hold: the hash's beginning, and what could be somebody's password.
const SECRETS: [&str; 3] = ["eae4a103", "Qp2tQAfe", "hunter2-of-ann"];

struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policy = "[authorize.roles]\nadmin = { includes = [\"user\"] }\nuser = {}\n\
                      [identify.admin_tokens]\nimported = true\n[identify.guests]\nimported = true\n";
        std::fs::write(folder.path().join("palisade.toml"), policy).unwrap();
        Self(folder)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), bytes).unwrap();
    }

    /// Runs it; a minute is an end that never comes.
    fn run(&self, arguments: &[&str]) -> Output {
        let mut child = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .env_clear()
            .current_dir(self.path())
            .args(arguments)
            .stdout(Stdio::from(std::fs::File::create(self.path().join("out")).unwrap()))
            .stderr(Stdio::from(std::fs::File::create(self.path().join("err")).unwrap()))
            .spawn()
            .unwrap();
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begun.elapsed() > Duration::from_secs(60) {
                child.kill().unwrap();
                panic!("hangs: {arguments:?}");
            }
            std::thread::sleep(Duration::from_millis(20));
        };
        let read = |name: &str| std::fs::read(self.path().join(name)).unwrap();
        let output = Output { status, stdout: read("out"), stderr: read("err") };
        let said = format!("{output:?}");
        assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{arguments:?} shows a cell: {said}");
        assert!(!said.contains("panicked") && !said.contains("\\u{1b}"), "{said}");
        output
    }

    fn users(&self, arguments: &[&str]) -> Output {
        self.run(&[&["import", "users"], arguments].concat())
    }

    /// Refused as a whole: code 2, these words, and nobody is here.
    fn refused(&self, arguments: &[&str], words: &str) {
        let output = self.users(arguments);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(said.contains(words) && said.len() < 600, "{arguments:?}: {said:.2000}");
        assert_eq!(output.stdout, b"", "{arguments:?}");
        self.nobody();
    }

    fn names(&self) -> Vec<String> {
        let output = self.run(&["user", "list", "--format", "json"]);
        if output.status.code() == Some(3)
            && String::from_utf8_lossy(&output.stderr).contains("there is no store")
        {
            return Vec::new();
        }
        let list: Value = serde_json::from_slice(&output.stdout).unwrap();
        list.as_array().unwrap().iter().map(|user| user["name"].as_str().unwrap().to_owned()).collect()
    }

    fn nobody(&self) {
        assert_eq!(self.names(), Vec::<String>::new(), "half done");
    }

    /// What the report tells: how many were taken, and what of whom was refused.
    fn report(&self, arguments: &[&str]) -> (u64, Vec<(u64, String, String)>) {
        let output = self.users(&[arguments, &["--format", "json"]].concat());
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let refused = report["refused"].as_array().unwrap().iter().map(|one| {
            let fault = &one["faults"][0];
            (one["number"].as_u64().unwrap(), text(&fault["field"]), text(&fault["message"]))
        });
        (report["taken"].as_u64().unwrap(), refused.collect())
    }
}

// proves: ID-3, VAL-4
#[test]
fn what_is_no_text_is_refused_with_its_line() {
    let desk = Desk::new();
    let row = format!("ann,hunter2-of-ann@old.example,{HASH}\n");
    let csv = format!("name,email,password\n{row}");
    desk.write("nul.csv", csv.replace("ann,", "a\0nn,"));
    desk.refused(&["nul.csv"], "line 2 of nul.csv holds a NUL");
    let utf16: Vec<u8> = csv.encode_utf16().flat_map(u16::to_le_bytes).collect();
    desk.write("utf16.csv", &utf16);
    desk.refused(&["utf16.csv"], "line 1 of utf16.csv holds a NUL");
    desk.write("bom16.csv", [&[0xff, 0xfe][..], &utf16].concat());
    desk.refused(&["bom16.csv"], "line 1 of bom16.csv is not UTF-8");
    desk.write("latin.json", [&b"{\"name\":\"bob\"}\r\n{\"name\":\"J"[..], b"\xfc\"}\n"].concat());
    desk.refused(&["latin.json"], "line 2 of latin.json is not UTF-8");
    desk.write("mac.csv", [csv.replace('\n', "\r").as_bytes(), b"J\xfcrgen,,\r"].concat());
    desk.refused(&["mac.csv"], "line 3 of mac.csv is not UTF-8");
    desk.write("gone.csv", "");
    desk.refused(&["gone.csv"], "no column holds a name");
    desk.write("bom.csv", "\u{feff}");
    desk.refused(&["bom.csv"], "no column holds a name");

    // Good ones in bad company.
    desk.write(
        "mixed.csv",
        format!("\u{feff}name,email,password\rann,,{HASH}\r\nbob,,\n\n\r\ncyn,,wrong\rdan,,{HASH}"),
    );
    let (taken, refused) = desk.report(&["mixed.csv"]);
    assert_eq!(taken, 3);
    assert_eq!(
        refused.iter().map(|(line, field, _)| (*line, field.as_str())).collect::<Vec<_>>(),
        [(6, "password")]
    );
    assert_eq!(desk.names().len(), 3);
}

// proves: ID-3
#[test]
fn what_is_no_file_is_never_opened() {
    let desk = Desk::new();
    assert!(Command::new("mkfifo").arg(desk.path().join("fifo.csv")).status().unwrap().success());
    std::fs::create_dir(desk.path().join("folder.csv")).unwrap();
    let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, desk.path().join(name)).unwrap();
    link("/dev/zero", "zero.csv");
    link("fifo.csv", "link.json");
    link("nowhere", "dangling.csv");
    link("loop.csv", "loop.csv");
    for name in ["fifo.csv", "folder.csv", "zero.csv", "link.json"] {
        desk.refused(&[name], "is no file");
        desk.refused(&[&format!("sqlite:{name}"), "--preset", "django"], "there is no file");
        let output = desk.run(&["import", "tokens", name, "--kind", "user"]);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
    }
    for name in ["dangling.csv", "loop.csv"] {
        desk.refused(&[name], "cannot be read");
    }
    let sparse = std::fs::File::create(desk.path().join("huge.csv")).unwrap();
    sparse.set_len((1 << 30) + 1).unwrap();
    desk.refused(&["huge.csv"], "larger than 1 GiB");
}

// proves: ID-3
#[test]
fn csv_that_was_prepared_is_told_by_its_line() {
    let desk = Desk::new();
    // The quote would take everybody behind it for a part of one cell.
    desk.write(
        "quote.csv",
        format!("name,password,note\nann,{HASH},\nbob,{HASH},\"and\ncyn,{HASH},x\ndan,{HASH},y\n"),
    );
    desk.refused(&["quote.csv"], "a quote in line 3 or behind is never closed");
    desk.write("head.csv", format!("name,\"password\nann,{HASH}\n"));
    desk.refused(&["head.csv"], "");
    desk.write("last.csv", "name\nann\n\"");
    desk.refused(&["last.csv"], "never closed");
    // Two columns of one meaning: which would count?
    desk.write("twice.csv", format!("name,username,password\nann,admin,{HASH}\n"));
    desk.refused(&["twice.csv"], "two columns hold the field 'name'");
    desk.write("again.csv", format!("name,password,password\nann,{HASH},x\n"));
    desk.refused(&["again.csv"], "two columns hold the field 'password'");

    let wide = format!("name,{}\nann,{}\nbob\n", "c,".repeat(100_000), ",".repeat(100_000));
    desk.write("wide.csv", wide);
    let (taken, refused) = desk.report(&["wide.csv"]);
    assert_eq!((taken, refused[0].0), (1, 3));

    let desk = Desk::new();
    let rows = [
        "=cmd|' /C calc'!A0,,,",
        "+1+1,,,",
        "-2+3,,,",
        "@SUM(A1),,,",
        "\t=1+1,,,",
        "ann\u{202e}nimda,,,",
        "a\u{200b}nn,,,",
        "<script>alert(1)</script>,,,",
        "ann\u{1b}[31m,,,",
        "zed,=HYPERLINK(\"http://evil.example\")@x,,",
        "yan,a@b.example\u{85}Bcc: c@d.example,,",
        "xia,,hunter2-of-ann,",
        "wes,,,hunter2-of-ann!",
        "vic,,,../../etc",
    ];
    desk.write("cells.csv", format!("name,email,password,roles\n{}\n", rows.join("\n")));
    let (taken, refused) = desk.report(&["cells.csv"]);
    assert_eq!((taken, refused.len()), (0, rows.len()), "{refused:?}");
    assert_eq!(refused.iter().map(|(line, ..)| *line).collect::<Vec<_>>(), (2..16).collect::<Vec<u64>>());
    desk.nobody();
}

/// A cell as long as a disk: it is no name, and takes no more than itself.
// proves: ID-3
#[test]
fn a_line_of_a_hundred_megabytes_is_one_refused_row() {
    let desk = Desk::new();
    let (long, name) = ("a".repeat(100_000_000), "a".repeat(1_000_000));
    desk.write("long.csv", format!("name,password\nann,{long}\n{name},{HASH}\nbob,{HASH}\n"));
    let (taken, refused) = desk.report(&["long.csv"]);
    assert_eq!(taken, 1);
    let told: Vec<(u64, &str)> = refused.iter().map(|(line, field, _)| (*line, field.as_str())).collect();
    assert_eq!(told, [(2, "password"), (3, "name")]);
    std::fs::remove_file(desk.path().join("long.csv")).unwrap();
    let long = &long[..20_000_000];
    desk.write("long.json", format!("[{{\"name\":\"cyn\",\"password\":\"{long}\"}},{{\"name\":\"dan\"}}]"));
    let (taken, refused) = desk.report(&["long.json"]);
    assert_eq!((taken, refused[0].0), (1, 1));
}

// proves: ID-3, ID-15
#[test]
fn json_that_was_prepared_is_told_by_its_place() {
    let desk = Desk::new();
    for (text, words) in [
        ("[".repeat(1_000_000), "is no JSON"),
        (format!("[{}", r#"{"a":"#.repeat(100_000)), "is no JSON"),
        ("[{\"name\":\"ann\"},]".to_owned(), "line 1, column 17 is no JSON"),
        ("[{\"name\":\"ann\"}]\n[]".to_owned(), "line 2"),
        (
            "[\n{\"name\":\"ann\",\n\"name\":\"bob\"}]".to_owned(),
            "line 3, column 6: a name stands twice in one object",
        ),
        ("[{\"name\":\"ann\",\"\\u006eame\":\"bob\"}]".to_owned(), "a name stands twice"),
        ("[{\"x\":{\"y\":1,\"y\":2},\"name\":\"ann\"}]".to_owned(), "a name stands twice"),
    ] {
        desk.write("users.json", &text);
        desk.refused(&["users.json"], words);
    }
    let lines = [
        r#"{"name":"ann","name":"root"}"#,
        r#"{"name":"ann","username":"root"}"#,
        r#"{"name":["ann",{}]}"#,
        r#"{"name":{"$ne":""}}"#,
        r#"["ann"]"#,
        r#""ann""#,
        "nul",
        r#"{"name":"an\u0000n"}"#,
        r#"{"name":"ann","password":"pbkdf2:sha1:1000$sa\u0000lt$d8a6073bc3964ae5b707b2bfe914963f02d01e7b"}"#,
        r#"{"name":"ann","password":"pbkdf2:sha1:1000$sa\u000alt$d8a6073bc3964ae5b707b2bfe914963f02d01e7b"}"#,
        r#"{"name":"ann\ud800"}"#,
        r#"{"name":1e999}"#,
        r#"{"name":"ann","enabled":2}"#,
        r#"{"name":"ann","roles":[["admin"]]}"#,
        r#"{"__proto__":{"name":"ann"}}"#,
    ];
    desk.write("users.jsonl", lines.join("\n"));
    let (taken, refused) = desk.report(&["users.jsonl"]);
    assert_eq!((taken, refused.len()), (0, lines.len()), "{refused:?}");
    desk.nobody();

    let hash = "ab".repeat(32);
    for (text, words) in [
        (format!("{{\"{hash}\":{{\"enabled\":false}},\"{hash}\":{{}}}}"), "a name stands twice"),
        (format!("{{\"{hash}\":{{\"enabled\":false,\"enabled\":true}}}}"), "a name stands twice"),
        ("\u{feff}7".to_owned(), "neither a JSON object"),
        ("{\"a\0\":{}}".to_owned(), "NUL"),
        ("[".repeat(1_000_000), "is no JSON"),
    ] {
        desk.write("tokens.json", &text);
        let output = desk.run(&["import", "tokens", "tokens.json", "--kind", "user"]);
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && said.contains(words), "{text:.60}: {output:?}");
        desk.nobody();
    }
    let odd = json!({ "a visitor's token": false, "another token": null, "a third token": "revoked", "a fourth": [] });
    desk.write("tokens.json", odd.to_string());
    let output = desk.run(&["import", "tokens", "tokens.json", "--kind", "user"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    desk.nobody();
}

/// Hashes that would take the machine, and what only looks like one, each with its line; and nothing is computed.
// proves: ID-3
#[test]
fn a_hash_that_costs_too_much_is_refused_with_its_line() {
    let desk = Desk::new();
    let argon2 = "$c29tZXNhbHRzb21lc2FsdA$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let hex = "0123456789abcdef0123456789abcdef01234567";
    let hex64 = "0123456789abcdef".repeat(8);
    let bcrypt = "Uz7M6VAWZh3pyKuwg06VCugXrapdmvWHkDoY7/XG2PBDPY8sYJiUy";
    let megabyte = "a".repeat(1 << 20);
    let bombs = [
        format!("$argon2id$v=19$m=4294967295,t=1,p=1{argon2}"),
        format!("$argon2id$v=19$m=18446744073709551616,t=1,p=1{argon2}"),
        format!("$argon2id$v=19$m=64,t=4294967295,p=1{argon2}"),
        format!("$argon2id$v=19$m=8,t=1,p=4294967295{argon2}"),
        format!("$argon2id$v=19$m=8,t=1,p=16777215{argon2}"),
        format!("$argon2id$v=19$m=7,t=1,p=1{argon2}"),
        format!("$argon2id$v=19$m=64,t=0,p=1{argon2}"),
        format!("$argon2id$v=19$m=64,t=1,p=0{argon2}"),
        format!("$argon2id$v=19$m=64,t=1,p=1,data=AAAA{argon2}"),
        format!("$argon2id$v=19$m=64,m=64,t=1,p=1{argon2}"),
        format!("$argon2id$v=19$m=-64,t=1,p=1{argon2}"),
        format!("$argon2xx$v=19$m=64,t=1,p=1{argon2}"),
        format!("scrypt:4294967296:8:1$salt${hex64}"),
        format!("scrypt:2147483648:8:1$salt${hex64}"),
        format!("scrypt:32768:4294967295:4294967295$salt${hex64}"),
        format!("scrypt:2:1:1073741824$salt${hex64}"),
        format!("scrypt:1:8:1$salt${hex64}"),
        format!("scrypt:0:8:1$salt${hex64}"),
        format!("$scrypt$ln=64,r=8,p=1$c2FsdA${}", "A".repeat(43)),
        format!("$scrypt$ln=4294967295,r=8,p=1$c2FsdA${}", "A".repeat(43)),
        format!("pbkdf2:sha1:4294967295$salt${hex}"),
        format!("pbkdf2:sha1:4294967296$salt${hex}"),
        format!("pbkdf2:sha1:99999999999999999999$salt${hex}"),
        format!("$2b$31${bcrypt}"),
        format!("$2b$32${bcrypt}"),
        format!("$2b$00${bcrypt}"),
        format!("$2b$-1${bcrypt}"),
        format!("pbkdf2:sha1:1000${megabyte}${hex}"),
        format!("pbkdf2:sha1:1000$salt${}", hex.repeat(30_000)),
        "$".repeat(1 << 20),
        megabyte,
    ];
    let lines: Vec<String> = bombs.iter().enumerate().map(|(n, hash)| format!("u{n},\"{hash}\"")).collect();
    desk.write("users.csv", format!("name,password\n{}\n", lines.join("\n")));
    let (taken, refused) = desk.report(&["users.csv"]);
    assert_eq!((taken, refused.len()), (0, bombs.len()));
    for (n, (line, field, message)) in refused.iter().enumerate() {
        assert_eq!((*line, field.as_str()), (n as u64 + 2, "password"), "{message}");
    }
    desk.nobody();
}

/// A database that somebody sent, with something else in the table's place.
// proves: ID-3, VAL-4
#[test]
fn a_prepared_database_is_not_run() {
    let desk = Desk::new();
    let make = "import sqlite3, sys\n\
        db = sqlite3.connect(sys.argv[1])\n\
        db.executescript('''\n\
        CREATE VIEW auth_user AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c)\n\
          SELECT x AS username, x AS email, x AS password, 1 AS is_active, 1 AS is_superuser, 1 AS is_staff FROM c;\n\
        CREATE TABLE user (username TEXT, email TEXT, password_hash TEXT);\n\
        INSERT INTO user VALUES ('ann', NULL, NULL), ('bob', CAST(x'ff' AS TEXT), NULL);\n\
        CREATE TRIGGER t INSTEAD OF INSERT ON auth_user BEGIN DELETE FROM user; END;\n\
        CREATE TABLE nul (username TEXT); INSERT INTO nul VALUES ('root' || char(0) || 'x');\n\
        ''')\n\
        db.commit()";
    let made = Command::new("python3").args(["-c", make]).arg(desk.path().join("old.db")).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let before = std::fs::read(desk.path().join("old.db")).unwrap();
    desk.refused(&["sqlite:old.db", "--preset", "django"], "a view or a virtual table");
    desk.refused(&["sqlite:old.db", "--preset", "flask-login"], "row 2 is not UTF-8");
    desk.refused(&["sqlite:old.db", "--table", "none", "--columns", "name=username"], "no such table");
    for name in ["us\"er", "user]", "`user`", "user'", "user\0x", "pragma_table_list('user')", "a.b.c"] {
        if !name.contains('\0') {
            desk.refused(
                &["sqlite:old.db", "--table", name, "--columns", "name=username"],
                "names of tables",
            );
        }
    }
    let (taken, refused) = desk.report(&["sqlite:old.db", "--table", "nul", "--columns", "name=username"]);
    assert_eq!((taken, refused[0].1.as_str()), (0, "name"), "'root' was never there");
    desk.write("fake.db", "SQLite format 3\0 and then nothing that fits, hunter2-of-ann");
    let output = desk.users(&["sqlite:fake.db", "--preset", "django"]);
    assert!(matches!(output.status.code(), Some(2 | 3)), "{output:?}");
    assert_eq!(std::fs::read(desk.path().join("old.db")).unwrap(), before);
    desk.nobody();
}

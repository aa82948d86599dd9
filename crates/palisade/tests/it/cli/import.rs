//! Another program's users: `palisade import users`, and then the front door.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use http::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::server::Server;
use crate::support::{Client, process};

/// What `tests/hashes/make.py` wrote with the real libraries.
fn made() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let made = process::python_of("PALISADE_TEST_HASHES", "hashes")
        .arg(process::repository().join("tests/hashes/make.py"))
        .arg(folder.path())
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    folder
}

/// A server that lets people try often.
fn server() -> Server {
    Server::start_with(
        &[],
        "[shield.limits]\nlogin = \"100000/minute\"\ndefault = \"100000/minute\"\n[identify.lockout]\nenabled = false\n",
    )
}

fn import(folder: &Path, arguments: &[&str]) -> Output {
    import_with(folder, arguments, &[])
}

fn import_with(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_palisade"))
        .env_clear()
        .envs(environment.iter().copied())
        .current_dir(folder)
        .args(["import", "users"])
        .args(arguments)
        .output()
        .unwrap()
}

/// Imports, requires that exit code, and gives the report.
fn report(code: i32, folder: &Path, arguments: &[&str]) -> Value {
    let output = import(folder, &[arguments, &["--format", "json"]].concat());
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{err}");
    assert_eq!(err, "", "no bar without a terminal");
    serde_json::from_str(&out).unwrap()
}

fn tally(report: &Value) -> [u64; 3] {
    let refused = report["refused"].as_array().unwrap().len() as u64;
    [report["taken"].as_u64().unwrap(), report["here"].as_u64().unwrap(), refused]
}

async fn sign_in(server: &Server, login: &str, password: &str) -> Result<Value, StatusCode> {
    let body = json!({ "login": login, "password": password }).to_string();
    let json = [("content-type", "application/json")];
    let done = Client::new(server.address).send(Method::POST, "/api/v1/auth/login", &json, &body).await;
    if done.status != StatusCode::OK {
        return Err(done.status);
    }
    let bearer = format!("Bearer {}", done.json()["access_token"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    Ok(Client::new(server.address).send(Method::GET, "/api/v1/auth/me", &headers, "").await.json())
}

/// The store's file and its log, as bytes.
fn store_text(server: &Server) -> String {
    let folder = server.folder.path().join("palisade-data");
    let files: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    let files = files.iter().filter(|file| file.is_file());
    files.map(|file| String::from_utf8_lossy(&std::fs::read(file).unwrap()).into_owned()).collect()
}

/// 23 kinds of hash of nine awkward passwords each, and the libraries' own choices.
// proves: ID-3
#[tokio::test(flavor = "multi_thread")]
async fn every_hash_of_the_real_libraries_opens_the_door_and_is_renewed() {
    let (made, server) = (made(), server());
    let file = made.path().join("users.json");
    let text = std::fs::read_to_string(&file).unwrap();
    let users: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(users.len() > 200);
    let report = report(0, server.folder.path(), &[file.to_str().unwrap()]);
    assert_eq!(tally(&report), [users.len() as u64, 0, 0]);

    let before = store_text(&server);
    for user in &users {
        let (name, plain) = (user["username"].as_str().unwrap(), user["plain"].as_str().unwrap());
        assert!(before.contains(user["hash"].as_str().unwrap()), "{name}: taken over as it was");
        if name.ends_with(".0") {
            assert_eq!(sign_in(&server, name, "wrong horse").await, Err(StatusCode::UNAUTHORIZED), "{name}");
        }
        for time in ["first", "second"] {
            let me = sign_in(&server, name, plain).await;
            assert_eq!(me.map(|me| me["name"].clone()), Ok(json!(name)), "{name} {time}: {plain}");
        }
    }
    let renewed = audit_count(&server, "user.hash_renewed");
    // What plain bcrypt did not read of a password was never proven.
    let unread = |user: &&Value| {
        let hash = user["hash"].as_str().unwrap();
        hash.trim_start_matches("bcrypt$").starts_with("$2") && user["plain"].as_str().unwrap().len() >= 72
    };
    let unread = users.iter().filter(unread).count();
    assert!((1..20).contains(&unread), "{unread}");
    assert_eq!(renewed, users.len() - unread, "each once");
}

/// How often the store's trail has this action.
fn audit_count(server: &Server, action: &str) -> usize {
    let script = "import sqlite3, sys\n\
        print(sqlite3.connect(sys.argv[1]).execute(\n\
        'select count(*) from audit where action = ?', [sys.argv[2]]).fetchone()[0])";
    let output = Command::new("python3")
        .args(["-c", script])
        .arg(server.folder.path().join("palisade-data/palisade.db"))
        .arg(action)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

// proves: ID-3, VAL-4
#[tokio::test(flavor = "multi_thread")]
async fn the_tables_of_django_and_flask_are_taken_over() {
    let (made, server) = (made(), server());
    let folder = server.folder.path();
    let django = format!("sqlite:{}", made.path().join("django.db").display());
    let arguments = [django.as_str(), "--preset", "django", "--role", "superuser=admin", "--email-verified"];
    let first = report(0, folder, &arguments);
    assert_eq!(tally(&first), [5, 0, 0]);
    assert_eq!((&first["without_password"], &first["named"]), (&json!(1), &json!(1)));
    assert_eq!(tally(&report(0, folder, &arguments)), [0, 5, 0], "again changes nothing");

    let me = sign_in(&server, "dora", "correct horse").await.unwrap();
    assert_eq!((&me["email"], &me["roles"]), (&json!("dora@old.example"), &json!(["user"])));
    let me = sign_in(&server, "diego@old.example", " blanks around ").await.unwrap();
    assert_eq!(me["roles"], json!(["admin", "user"]));
    let me = sign_in(&server, "by.address@old.example", "correct horse").await.unwrap();
    assert_eq!(me["name"], json!("by.address"));
    for (who, password) in [("left", "correct horse"), ("unusable", ""), ("unusable", "!")] {
        assert!(sign_in(&server, who, password).await.is_err(), "{who}");
    }
    assert_eq!(tally(&report(0, folder, &arguments)), [0, 5, 0], "nor after hashes were renewed");

    let flask = format!("sqlite:{}", made.path().join("flask.db").display());
    let arguments =
        [flask.as_str(), "--preset", "flask-login", "--columns", "roles=role", "--role", "boss=admin"];
    let third = report(1, folder, &arguments);
    assert_eq!((tally(&third), &third["unknown_roles"]), ([1, 0, 1], &json!({ "editor": 1 })));
    assert_eq!(third["refused"][0]["number"], 1);
    assert_eq!(
        sign_in(&server, "floyd", " blanks around ").await.unwrap()["roles"],
        json!(["admin", "user"])
    );
    assert_eq!(audit_count(&server, "user.imported"), 4);

    let before = std::fs::read(made.path().join("flask.db")).unwrap();
    for bad in ["user\" WHERE 1=0 --", "user; DROP TABLE user", "sqlite_master) --"] {
        let output = import(folder, &[&flask, "--preset", "flask-login", "--table", bad]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
        let columns = format!("name={bad}");
        let output = import(folder, &[&flask, "--table", "user", "--columns", &columns]);
        assert_eq!(output.status.code(), Some(2), "{bad}");
    }
    let output = import(folder, &[&flask, "--table", "user", "--columns", "name=no_such_column"]);
    assert_eq!(output.status.code(), Some(3), "no column is taken for a text");
    assert_eq!(std::fs::read(made.path().join("flask.db")).unwrap(), before);
}

const HASH: &str =
    "pbkdf2:sha256:1000$Qp2tQAfe5DTKh8lm$eae4a103f593dad3316e2314e82c3b2aa908447d53f0654de5cad179a0663d1a";

/// A folder with a policy and a file.
fn folder(file: &str, text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let policy = "[authorize.roles]\nadmin = { includes = [\"user\"] }\nuser = {}\n";
    std::fs::write(folder.path().join("palisade.toml"), policy).unwrap();
    std::fs::write(folder.path().join(file), text).unwrap();
    folder
}

// proves: ID-3
#[test]
fn each_row_that_cannot_be_taken_is_told_with_its_line_and_the_rest_is_taken() {
    for end in ["\n", "\r\n"] {
        let lines = [
            "\u{feff}Username,email,password_hash,role,comment".to_owned(),
            format!("ann,ann@old.example,{HASH},user,\"two\nlines\""),
            format!("a b,bob@old.example,{HASH},,"),
            "cyn,cyn@old.example,5f4dcc3b5aa765d61d8327deb882cf99,,".to_owned(),
            "dan,dan@old.example".to_owned(),
            String::new(),
            format!("eve,ANN@old.example,{HASH},,"),
            format!("Ann,,{HASH},,"),
            format!("fay,not an address,{HASH},,"),
            format!("gus,gus@old.example,,{HASH},"),
            format!("hal,,{HASH},admin,"),
        ];
        let folder = folder("users.csv", &lines.join(end));
        let path = folder.path();
        let dry = report(1, path, &["users.csv", "--dry-run"]);
        assert_eq!((tally(&dry), &dry["written"]), ([2, 0, 7], &json!(false)));
        let whole = report(1, path, &["users.csv", "--all-or-nothing"]);
        assert_eq!((tally(&whole), &whole["written"]), ([2, 0, 7], &json!(false)));
        let none = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .env_clear()
            .current_dir(path)
            .args(["user", "list", "--format", "json"])
            .output()
            .unwrap();
        assert_eq!(String::from_utf8(none.stdout).unwrap().trim(), "[]", "nothing half done");

        let done = report(1, path, &["users.csv"]);
        assert_eq!((tally(&done), &done["written"]), ([2, 0, 7], &json!(true)));
        let places: Vec<(u64, &str)> = done["refused"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["number"].as_u64().unwrap(), one["faults"][0]["field"].as_str().unwrap()))
            .collect();
        let wanted =
            [(4, "name"), (5, "password"), (6, "row"), (8, "row"), (9, "row"), (10, "email"), (11, "roles")];
        assert_eq!(places, wanted);
        assert_eq!(done["unknown_roles"], json!({ "(something else)": 1 }), "a hash in the wrong column");
        for arguments in [&["users.csv"][..], &["users.csv", "--format", "json"]] {
            let said = format!("{:?}", import(path, arguments));
            assert!(!said.contains("eae4a103") && !said.contains("5f4dcc3b"), "no hash is shown: {said}");
        }
    }
}

// proves: ID-3
#[test]
fn all_or_nobody_is_one_step() {
    let good =
        folder("users.jsonl", "{\"name\":\"ann\",\"roles\":[\"user\",\"admin\"]}\n\n{\"name\":\"bob\"}\n");
    let done = report(0, good.path(), &["users.jsonl", "--all-or-nothing"]);
    assert_eq!(
        (tally(&done), &done["written"], &done["without_password"]),
        ([2, 0, 0], &json!(true), &json!(2))
    );
    assert_eq!(tally(&report(0, good.path(), &["users.jsonl", "--all-or-nothing"])), [0, 2, 0]);
}

// proves: ID-5
#[test]
fn a_list_as_auth_users_has_it_comes_from_a_file_or_a_variable() {
    let argon2 = "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let folder = folder("users.txt", &format!("ann:{HASH},bob:{argon2}\n"));
    assert_eq!(tally(&report(0, folder.path(), &["users.txt", "--as", "auth-users"])), [2, 0, 0]);
    let output = import_with(folder.path(), &["env:OLD_USERS"], &[("OLD_USERS", &format!("cyn:{HASH}"))]);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let output = import_with(folder.path(), &["env:OLD_USERS"], &[("OLD_USERS", "cyn:her password")]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!format!("{output:?}").contains("her password"));
}

// proves: ID-3, AUD-5
#[test]
fn what_cannot_be_read_ends_with_two_and_says_what_to_write() {
    let folder = folder("users.csv", "colour,size\nred,3\n");
    std::fs::write(folder.path().join("latin.csv"), b"name\nann\nJ\xfcrgen\n").unwrap();
    std::fs::write(folder.path().join("users.json"), "[{\"name\": \"ann\"}").unwrap();
    for (arguments, hint) in [
        (&["users.csv"][..], "--columns"),
        (&["none.csv"], "none.csv"),
        (&["latin.csv"], "line 3"),
        (&["users.json"], "line 1"),
        (&["palisade.toml"], "--as"),
        (&["users.csv", "--columns", "nme=colour"], "name"),
        (&["users.csv", "--role", "boss"], "THERE=HERE"),
        (&["sqlite:none.db", "--preset", "django"], "none.db"),
        (&["env:NOT_SET"], "NOT_SET"),
        (&["postgres://ann:hunter2@db/app", "--preset", "django"], "env:NAME"),
    ] {
        let output = import(folder.path(), arguments);
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {err}");
        assert!(err.contains(hint) && !err.contains("hunter2"), "{arguments:?}: {err}");
    }
}

/// Nothing of the file but what it says counts, and a second time changes nothing.
// proves: ID-15
#[test]
fn semptifys_tokens_are_taken_over_once_and_never_shown() {
    let secret = "a-visitors-own-token";
    let users = format!(
        "{{ \"{secret}\": {{}}, \"u2\": {{ \"hash\": \"{}\", \"enabled\": false }}, \"u3\": {{ \"hash\": \"x\" }} }}",
        "cd".repeat(32)
    );
    let folder = folder("users.json", &users);
    let run = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_palisade"))
            .env_clear()
            .current_dir(folder.path())
            .args(["import", "tokens", "users.json", "--format", "json"])
            .args(arguments)
            .output()
            .unwrap();
        assert!(!format!("{output:?}").contains(secret));
        (output.status.code(), serde_json::from_slice::<Value>(&output.stdout).unwrap_or_default())
    };
    let (code, dry) = run(&["--kind", "user", "--dry-run"]);
    assert_eq!((code, tally(&dry), &dry["written"]), (Some(1), [2, 0, 1], &json!(false)));
    let (code, first) = run(&["--kind", "user"]);
    assert_eq!((code, tally(&first)), (Some(1), [2, 0, 1]));
    let (code, second) = run(&["--kind", "user"]);
    assert_eq!((code, tally(&second)), (Some(1), [0, 2, 1]));
    assert_eq!(run(&["--kind", "admin"]).0, Some(2), "an administrator's token is somebody's");
    assert_eq!(run(&["--kind", "admin", "--owner", "nobody"]).0, Some(2));
    let data = folder.path().join("palisade-data");
    for file in
        std::fs::read_dir(data).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_file())
    {
        let bytes = std::fs::read(&file).unwrap();
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{}", file.display());
    }
}

// proves: ID-3
#[test]
fn a_column_that_is_not_there_takes_nobody_over_without_a_password() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("palisade.toml"), "").unwrap();
    let path = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).unwrap();
        name.to_owned()
    };
    let hash = "$2b$12$abcdefghijklmnopqrstuuJ1b2C3d4E5f6G7h8I9j0K1l2M3n4O5p";
    let csv = path("f.csv", &format!("login,kennwort,ort\nann,{hash},Ulm\n"));
    let json = path("f.json", &format!(r#"[{{"login": "ann", "kennwort": "{hash}", "ort": "Ulm"}}]"#));
    for file in [&csv, &json] {
        let output = import(folder.path(), &[file, "--columns", "name=login,password=kenwort"]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{err}");
        assert!(err.contains("'kenwort'") && err.contains("kennwort") && err.contains("ort"), "{err}");
        assert!(!err.contains("$2b$"), "{err}");
        let output = import(folder.path(), &[file, "--columns", "name=login,password=kennwort", "--dry-run"]);
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("password=kennwort") && text.contains("not read: ort"), "{text}");
    }
    // Without headings, the first hash stands where they should.
    let bare = path("bare.csv", &format!("ann,{hash}\n"));
    let output = import(folder.path(), &[&bare, "--columns", "name=login,password=hash"]);
    let err = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.code() == Some(2) && !err.contains("$2b$"), "{err}");
    for (name, text, words) in [
        ("s.csv", "login;password\nann;x\n", "commas are expected"),
        ("db.sqlite3", "", "write sqlite:db.sqlite3"),
    ] {
        let output = import(folder.path(), &[&path(name, text)]);
        let err = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.code() == Some(2) && err.contains(words), "{err}");
    }
}
